"""Models as notebooks show them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest

from billingual import Client, Draft, Invoice, InvoiceSummary, Money, Page
from billingual.jobs import Report
from billingual.jobs.entry import Entry, State
from billingual.landing import Counts, LandReport, WindowReport
from billingual.model import CustomField, LineItem, Party, Problem

HOSTILE = "<script>alert(1)</script>&\"'"


class _Texts(HTMLParser):
    """Gather the tags and the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        assert all(name == "style" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(model: Any) -> _Texts:
    parser = _Texts()
    parser.feed(model._repr_html_())
    parser.close()
    return parser


def _invoice() -> Invoice:
    return Invoice(
        id=HOSTILE,
        number=HOSTILE,
        total=Money(1250, "EUR"),
        due_at=datetime(2026, 12, 31, tzinfo=UTC),
        issued_at=date(2026, 12, 1),
        counterparty=Party(id="p1", name=HOSTILE),
        fields=(CustomField(key="k", value=HOSTILE),),
        lines=(LineItem(name=HOSTILE, total=Money(1250, "EUR")),),
        notes={"memo": HOSTILE},
        problems=(Problem("$.paid_date", "it is no date", HOSTILE),),
    )


@pytest.mark.parametrize(
    "model",
    [
        _invoice(),
        Page(items=(_invoice(),), total_items=1),
        Draft(number=HOSTILE),
        LandReport(target=HOSTILE, windows=(), counts=Counts(), requests=0, seconds=0.0),
        Report(total=1, counts={State.REJECTED: 1}, adopted=0, unfinished=(), note=HOSTILE),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_provider_says_is_text_and_no_markup(model: Any) -> None:
    """No script, no attribute but style, and the text is there whole."""
    read = _read(model)

    assert "script" not in read.tags
    assert HOSTILE in " ".join(read.texts)


def test_an_invoice_shows_what_it_has() -> None:
    """Days without a time, money with its currency; nothing for what is missing."""
    texts = _read(_invoice()).texts

    assert "12.50 EUR" in texts
    assert "2026-12-31" in texts
    assert "2026-12-01" in texts
    assert "it is no date" in texts
    assert "paid_at" not in texts
    assert f"{HOSTILE} (p1)" in texts


def test_rows_are_a_table_without_empty_columns() -> None:
    """More than a hundred are counted, so that a notebook stays small."""
    rows = tuple(InvoiceSummary(id=str(n), status="SENT") for n in range(130))
    read = _read(Page(items=rows, number=2, total_items=4000))

    assert read.tags.count("tr") == 101
    assert [text for text in read.texts if text in {"status", "id", "number"}] == ["status", "id"]
    assert "page 2: 130 of 4,000 invoices 30 more are not shown." in read.texts


def test_amounts_without_a_currency_say_so_once() -> None:
    """Above their column; where only some of them lack it, each says it for itself."""
    bare = InvoiceSummary(id="1", total=Money(1_234_567))
    whole = InvoiceSummary(id="2", total=Money(1_234_567, "EUR"))

    assert {"total\nminor units", "1,234,567"} <= set(_read(Page(items=(bare,))).texts)
    assert {"total", "1,234,567 minor units", "12,345.67 EUR"} <= set(
        _read(Page(items=(bare, whole))).texts
    )


def test_a_row_shows_a_party_by_its_name_alone() -> None:
    """Its id, a quarter of the width of a page, is shown with the invoice."""
    named = InvoiceSummary(id="1", counterparty=Party(id="p1", name="Acme"))
    unnamed = InvoiceSummary(id="2", counterparty=Party(id="p2"))

    assert {"Acme", "p2"} <= set(_read(Page(items=(named, unnamed))).texts)


def test_short_texts_are_not_broken() -> None:
    """A day over two lines is hard to read, and a long text on one line needs a wide page."""
    long = "word " * 20
    html = attrs.evolve(_invoice(), number="INV-1", notes={"memo": long})._repr_html_()

    assert 'white-space:pre">INV-1<' in html
    assert f'white-space:pre-wrap">memo: {long}<' in html


def test_a_custom_field_is_shown_by_its_key() -> None:
    """As people call it; how the provider types it is for programs."""
    fields = (CustomField(key="terms", value="NET_30", type="string"),)

    assert "terms: NET_30" in _read(attrs.evolve(_invoice(), fields=fields)).texts


def test_a_report_of_a_job_names_each_write_that_is_left() -> None:
    """Its counts above, and below what each of them means."""
    left = Entry(
        id="row-7",
        operation="create",
        target=None,
        number="N-1",
        body=None,
        body_hash="",
        state=State.REJECTED,
        reason=HOSTILE,
    )
    report = Report(
        total=3, counts={State.COMMITTED: 2, State.REJECTED: 1}, adopted=1, unfinished=(left,)
    )
    texts = _read(report).texts

    assert "2 of 3 writes are committed" in texts
    assert {"row-7", "refused by the provider", HOSTILE} <= set(texts)


def test_a_report_of_a_landing_names_what_is_not_whole(tmp_path: Path) -> None:
    """Its counts above."""
    with Client("exante", transport="sandbox") as client:
        report = client.land(tmp_path / "lake", since="2026-11-01")
    windows = (WindowReport(name=HOSTILE, kind="recent", rows=1, how="it moved", complete=False),)
    torn = attrs.evolve(report, windows=windows)

    assert {"new", f"{report.counts.new:,}"} <= set(_read(report).texts)
    assert "because" not in _read(report).texts
    assert {HOSTILE, "it moved"} <= set(_read(torn).texts)


def test_a_collected_list_is_a_table_too() -> None:
    """It is a list as any besides."""
    with Client("exante", transport="sandbox") as client:
        rows = client.list().collect(limit=3)

    assert isinstance(rows, list)
    assert _read(rows).tags.count("tr") == 4


def test_capabilities_are_shown_by_their_names() -> None:
    """Fields of a draft and filters are words, sorted."""
    with Client("exante", transport="sandbox") as client:
        texts = _read(client.capabilities).texts

    assert "What exante can do" in texts
    assert any(re.match("blueprint, counterparty, currency, document", text) for text in texts)


def test_it_takes_the_colours_of_the_notebook() -> None:
    """A colour of its own could not be read on the other background."""
    html = Page(items=(_invoice(),))._repr_html_()

    assert re.findall(r"(?:background|[^-\w]color)\s*:", html) == []
    assert "currentColor" in html


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "XXX", "XAU", None])
def test_an_amount_in_an_unknown_currency_is_shown(currency: str | None) -> None:
    """A notebook shows what came, though nothing says how many decimal places it has."""
    invoice = Invoice(id="i1", total=Money(123456, currency), currency=currency)
    summary = InvoiceSummary(id="i1", total=Money(123456, currency))

    for shown in (invoice, Page(items=(summary,), number=1)):
        assert any("minor units" in text for text in _read(shown).texts)
