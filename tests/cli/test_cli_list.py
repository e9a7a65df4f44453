"""Lists as CSV, and lists that are watched."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from _support.command import Command
from billingual import Changes, Client, Money
from billingual.cli.connection import Connection
from billingual.cli.csv_output import Sheet
from billingual.cli.invoice_list import list_invoices
from billingual.cli.invoice_view import show_invoice
from billingual.model import Invoice, InvoiceSummary, Party
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}


def test_a_list_as_csv_has_the_rows_of_json(billingual: Command) -> None:
    """One header, a line for each row, exact minor units, and parties in columns of their own."""
    arguments = ("list", "--limit", "3", "--sort", "due_at", "-o")
    rows = list(csv.DictReader(io.StringIO(billingual(*arguments, "csv").stdout)))
    records = json.loads(billingual(*arguments, "json").stdout)

    assert [each["id"] for each in records] == [each["id"] for each in rows]
    assert [str(each["total"]["minor"]) for each in records] == [
        each["total_minor"] for each in rows
    ]
    assert [each["counterparty"]["name"] for each in records] == [
        each["counterparty_name"] for each in rows
    ]


def test_an_invoice_as_csv_is_a_header_and_a_row(billingual: Command) -> None:
    """Lines and custom fields are JSON in one cell, so that all invoices have the same columns."""
    kukkingu = ("--provider", "kukkingu")
    (row,) = json.loads(billingual("list", "--limit", "1", "-o", "json", *kukkingu).stdout)
    done = billingual("get", row["id"], "-o", "csv", *kukkingu)
    (shown,) = csv.DictReader(io.StringIO(done.stdout))

    assert (shown["id"], shown["total"]) == (row["id"], row["total"]["amount"])
    assert json.loads(shown["lines"]) == row["lines"]


def test_csv_on_the_screen_is_obeyed_neither_by_terminals_nor_by_spreadsheets() -> None:
    """A formula begins with a quote; control and bidi characters show as escapes."""
    row = InvoiceSummary(
        id="i",
        number="=1+1",
        total=Money(5, "JPY"),
        counterparty=Party(id="p", name="\x1b[2J\u202ex"),
    )
    (cells,) = csv.DictReader(
        io.StringIO(Sheet(is_whole=False, raw=False, on_screen=True).header()
                    + Sheet(is_whole=False, raw=False, on_screen=True).lines([row]))
    )  # fmt: skip

    assert cells["number"] == "'=1+1"
    assert cells["counterparty_name"] == "\\x1b[2J\\u202ex"
    assert (cells["total"], cells["total_minor"]) == ("5 JPY", "5")


def test_a_file_holds_what_the_provider_wrote() -> None:
    """No terminal reads a file that is exported."""
    sheet = Sheet(is_whole=False, raw=False, on_screen=False)

    assert "\u202e" in sheet.lines([InvoiceSummary(id="i", number="a\u202eb")])


def test_an_invoice_without_lines_is_a_row_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Empty cells, and no row less."""
    show_invoice(Invoice(id="i"), "csv")

    assert len(capsys.readouterr().out.splitlines()) == 2


class _Clock:
    """Let a watch sleep without waiting: between two looks something happens, at last Ctrl-C."""

    def __init__(self, *happens: Callable[[], object]) -> None:
        self.slept: list[float] = []
        self._happens = list(happens)

    def __call__(self, seconds: float) -> Awaitable[object]:
        self.slept.append(seconds)
        if not self._happens:
            raise KeyboardInterrupt
        # In a thread, because what happens may be a call of a blocking client.
        return asyncio.to_thread(self._happens.pop(0))


def _watch(served: Running, clock: _Clock, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLINGUAL_TOKEN", ACCOUNTS["exante"].token)
    connection = Connection(
        base_url=served.base_url("exante"), organization=LANDMARKS["exante_organization"]
    )
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(
            list_invoices(
                watch=7.0, everything=True, output=output, sleep=clock, connection=connection  # type: ignore[arg-type] # a parameter
            )
        )  # fmt: skip


@pytest.mark.parametrize("output", ["ndjson", "csv", "table"])
def test_a_watch_shows_what_changed_and_nothing_else(
    served: Running,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    output: str,
) -> None:
    """First all rows; then the one that changed; then none; what is gone is named beside."""
    base = served.base_url("exante")
    with Client("exante", base_url=base, token=TOKEN["BILLINGUAL_TOKEN"]) as client:
        rows = client.list().collect(limit=100)
        first, second, *_ = rows
        parts: list[str] = []

        def change() -> None:
            parts.append(capsys.readouterr().out)
            client.update(first.id, Changes(number="WATCHED-1"))

        def nothing() -> None:
            parts.append(capsys.readouterr().out)

        def remove() -> None:
            parts.append(capsys.readouterr().out)
            client.delete_many([second.id])

        clock = _Clock(change, nothing, remove)
        _watch(served, clock, output, monkeypatch)
    seen = capsys.readouterr()

    assert clock.slept == [7.0] * 4
    header = 0 if output == "ndjson" else 1
    assert len(parts[0].splitlines()) == len(rows) + header
    assert "WATCHED-1" in parts[1]
    assert len(parts[1].splitlines()) == (2 if output == "table" else 1)
    assert parts[2] == seen.out == ""
    assert f"No longer in the list: {second.id}." in seen.err


def test_a_watch_goes_on_after_a_failure_that_may_pass(
    served: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider was down for one look; the complaint is on stderr, and the next look works."""
    clock = _Clock(
        lambda: served.app.add_fault("status", status=500, times=50),
        served.app.clear_faults,
    )
    monkeypatch.setenv("BILLINGUAL_RETRY", "none")
    _watch(served, clock, "ndjson", monkeypatch)
    seen = capsys.readouterr()

    assert seen.out.count("\n") > 20
    assert len(set(seen.out.splitlines())) == seen.out.count("\n")
    assert seen.err.count("error: ") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--watch", "0"), "Must be >= 1"),
        (("--watch", "nan"), "'nan' is no number"),
        (("--watch", "5", "-o", "json"), "give -o ndjson"),
        (("--watch", "5", "--dry-run"), "leave --dry-run out"),
        (("--watch", "5", "--resume", "x"), "leave --resume out"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused(
    billingual: Command, options: tuple[str, ...], said: str
) -> None:
    """Before anything is sent."""
    done = billingual("list", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("place", [".", "nowhere/place", "binary"])
def test_a_place_that_cannot_be_kept_is_refused_before_anything_is_shown(
    billingual: Command, tmp_path: Path, place: str
) -> None:
    """A folder, a folder that is not there, and a file that is no text."""
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    done = billingual("list", "--resume", str(tmp_path / place))

    assert (done.returncode, done.stdout) == (2, "")
    assert "--resume: " in done.stderr
    assert "name another" in done.stderr
