"""What Exante's documentation prints is what we send and what we can read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
import pytest

from _support.conversations import (
    OTHER_UID,
    SAMPLE_UID,
    THIRD_UID,
    UID,
    asked,
    assert_documented,
    body_of,
    converse,
    golden,
    query_of,
    response,
)
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.model import (
    Changes,
    Contact,
    CustomField,
    Draft,
    Filter,
    Kind,
    LineItem,
    Money,
    Party,
    Query,
    Sort,
)

SAMPLE_MOMENT = datetime(2023, 11, 7, 5, 31, 56, tzinfo=UTC)
FOURTH_UID = "550e8400-e29b-41d4-a716-446655440003"

EXANTE_UNMAPPED = {
    "age",
    "comments",
    "has_comments",
    "integrations",
    "pre_payment_credit_notes_cents",
    "total",
}

DRAFTS = {
    "sample": Draft(
        counterparty=SAMPLE_UID,
        owner=SAMPLE_UID,
        document=SAMPLE_UID,
        blueprint=SAMPLE_UID,
        issued_at=SAMPLE_MOMENT,
        due_at=SAMPLE_MOMENT,
        number="<string>",
        status="DRAFT",
        currency="USD",
        kind="receivable",
        fields={},
    ),
    "minimal": Draft(counterparty=UID, owner=OTHER_UID, document=THIRD_UID),
    "full": Draft(
        counterparty=UID,
        owner=OTHER_UID,
        document=THIRD_UID,
        blueprint=FOURTH_UID,
        issued_at="2026-03-30T00:00:00Z",
        due_at="2026-04-29T00:00:00Z",
        number="INV-2026-0042",
        status="DRAFT",
        currency="USD",
        kind="receivable",
        fields={"payment_terms": "NET_30", "project_name": "Implementation"},
    ),
}


def test_every_sample_says_where_it_comes_from() -> None:
    """A golden sample names its source and the date it was read."""
    for path in (Path(__file__).parent / "golden").glob("*.json"):
        sample = golden(path.stem)

        assert sample["source"].startswith("https://")
        assert re.fullmatch(r"\d{4}-\d{2}", sample["read"])


@pytest.mark.parametrize("name", DRAFTS)
def test_a_create_is_sent_as_documented(name: str) -> None:
    """Each printed create request is what we send, field by field and in the same order."""
    page = golden("exante_create")
    request = asked(ExanteDialect().create(DRAFTS[name]))

    assert_documented(request, page)
    assert page["requests"][name] == body_of(request)
    assert list(page["requests"][name]) == list(body_of(request)) == list(request.keys)


def test_a_created_invoice_is_read_as_documented() -> None:
    """The printed response to a create becomes an invoice with every attribute in its place."""
    page = golden("exante_create")["response"]
    dialect = ExanteDialect()
    draft = attrs.evolve(DRAFTS["minimal"], counterparty=SAMPLE_UID, document=SAMPLE_UID)
    invoice = converse(dialect, dialect.create(draft), response(page))
    money = Money(123, "<string>")
    contact = Contact(
        id=SAMPLE_UID,
        name="<string>",
        title="<string>",
        email="jsmith@example.com",
        phone="<string>",
    )
    party = Party(
        id=SAMPLE_UID, name="<string>", address="<string>", role="<string>", contact=contact
    )

    assert (SAMPLE_UID, "<string>", "<string>") == (invoice.id, invoice.number, invoice.status)
    assert Kind.PAYABLE == invoice.kind
    assert "charge_automatically" == invoice.collection_method
    assert {SAMPLE_MOMENT} == {invoice.issued_at, invoice.due_at, invoice.paid_at}
    assert {money} == {
        invoice.total,
        invoice.subtotal,
        invoice.discount,
        invoice.tax,
        invoice.amount_due,
        invoice.amount_paid,
        invoice.amount_remaining,
    }
    assert (123, "<string>") == (invoice.overdue_days, invoice.currency)
    assert (SAMPLE_UID, SAMPLE_UID) == (invoice.document, invoice.blueprint)
    assert (party, party) == (invoice.counterparty, invoice.seller)
    assert "<string>" == invoice.link
    assert (
        LineItem(
            id=SAMPLE_UID,
            kind="DISCOUNT",
            name="<string>",
            quantity=Decimal(123),
            unit_price=money,
            total=money,
        ),
    ) == invoice.lines
    assert (CustomField("<string>", "<unknown>", "<string>", "<string>"),) == invoice.fields
    assert {"invoice_memo": "<string>", "invoice_footer": "<string>"} == invoice.notes


def test_nothing_of_a_documented_invoice_is_lost() -> None:
    """What has no attribute of its own is in ``extra`` as it came, and ``raw`` has it all."""
    page = golden("exante_create")["response"]
    dialect = ExanteDialect()
    invoice = converse(dialect, dialect.get(SAMPLE_UID), response(page))

    assert page["data"] == invoice.raw
    assert {name: page["data"][name] for name in EXANTE_UNMAPPED} == invoice.extra


def test_the_sample_of_a_bulk_update_is_sent_as_documented() -> None:
    """All fields of the printed element are what we send, but for its placeholder currency."""
    page = golden("exante_bulk_update")
    changes = Changes(
        status="<string>",
        issued_at=SAMPLE_MOMENT,
        due_at=SAMPLE_MOMENT,
        paid_at=SAMPLE_MOMENT,
        number="<string>",
        collection_method="charge_automatically",
        currency="USD",
        counterparty=SAMPLE_UID,
    )
    request = asked(BulkDialect().update_many([(SAMPLE_UID, changes)]))
    (expected,) = page["requests"]["sample"]

    assert_documented(request, page)
    assert [{**expected, "currency": "USD"}] == body_of(request)
    assert list(expected) == list(body_of(request)[0])


def test_the_example_of_a_bulk_update_is_sent_as_documented() -> None:
    """The printed example of two changes is what we send."""
    page = golden("exante_bulk_update")
    pairs = [
        (UID, Changes(status="SENT", due_at="2026-04-30T00:00:00Z")),
        (OTHER_UID, Changes(collection_method="send_invoice")),
    ]
    request = asked(BulkDialect().update_many(pairs))

    assert_documented(request, page)
    assert page["requests"]["example"] == body_of(request)
    assert ("collection_method", "due_date", "status", "uid") == request.keys


def test_the_response_to_a_bulk_update_is_read_as_documented() -> None:
    """The printed response becomes invoices with nothing lost."""
    page = golden("exante_bulk_update")["response"]
    dialect = BulkDialect()
    conversation = dialect.update_many([(SAMPLE_UID, Changes(status="SENT"))])
    (invoice,) = converse(dialect, conversation, response(page))

    assert SAMPLE_UID == invoice.id
    assert page["data"][0] == invoice.raw
    assert {name: page["data"][0][name] for name in EXANTE_UNMAPPED} == invoice.extra


def test_a_list_is_asked_for_as_documented() -> None:
    """The printed example query is what we ask, besides the page and its size."""
    page = golden("exante_list")
    wanted = Filter(
        status=["OVERDUE", "PARTIALLY_PAID"], counterparty=["Acme", "Globex"], overdue_days="> 30"
    )
    request = asked(ExanteDialect().list_page(Query(filter=wanted)))
    expected = dict(parse_qsl(urlsplit(page["example"]).query))

    assert_documented(request, page)
    assert {**expected, "page": "1", "per_page": "100"} == query_of(request)
    assert request.body is None
    assert "Content-Type" not in request.headers


def test_every_documented_list_parameter_can_be_sent() -> None:
    """A filter with everything in it uses each documented parameter, in that order."""
    page = golden("exante_list")
    moment = "2026-01-01T00:00:00Z"
    shared = {
        "status": "SENT",
        "collection_method": "send_invoice",
        "issued_from": moment,
        "issued_to": moment,
        "due_from": moment,
        "due_to": moment,
        "paid_from": moment,
        "paid_to": moment,
        "overdue_days": "1-30",
        "total": 15,
        "include_inactive": True,
    }
    dialect = ExanteDialect(organization=UID)
    sort = Sort.parse("due_at")
    by_name = Query(filter=Filter(counterparty="Acme", **shared), sort=sort)
    by_id = Query(filter=Filter(counterparty_ids=[UID], **shared), sort=sort)
    names = list(query_of(asked(dialect.list_page(by_name))))
    ids = list(query_of(asked(dialect.list_page(by_id))))

    assert [each for each in page["parameters"] if each != "party_uids"] == names
    assert [each for each in page["parameters"] if each != "party_name"] == ids


def test_every_documented_sort_can_be_asked_for() -> None:
    """Each of our names for a sort goes to one of the documented ones, and none is left."""
    dialect = ExanteDialect()
    wires = [
        query_of(asked(dialect.list_page(Query(sort=Sort(name)))))["sort"]
        for name in dialect.capabilities.sorts
    ]

    assert sorted(f"+{name}" for name in golden("exante_list")["sorts"]) == sorted(wires)


@pytest.mark.parametrize(
    ("kind", "written"), [("exact", 15), ("closed", "1-30"), ("above", "> 90"), ("below", "< 0")]
)
def test_each_documented_form_of_a_range_is_written(kind: str, written: str | int) -> None:
    """The four printed forms of the range language are what we send."""
    request = asked(
        ExanteDialect().list_page(Query(filter=Filter(overdue_days=written, total=written)))
    )
    expected = golden("exante_list")["ranges"][kind]

    assert expected == query_of(request)["overdue_days"] == query_of(request)["total"]


def test_a_list_is_read_as_documented() -> None:
    """The printed page becomes summaries without a currency, with nothing lost."""
    page = golden("exante_list")["response"]
    dialect = ExanteDialect()
    result = converse(dialect, dialect.list_page(Query(page=123)), response(page))
    (row,) = result.items
    sent = page["data"]["items"][0]
    unmapped = {"blueprint", "parent_contract", "pre_payment_credit_notes_cents", "total"}

    assert (123, 123, 123) == (result.number, result.total_pages, result.total_items)
    assert result.raw == page
    assert not result.is_whole
    assert row.raw == sent
    assert {name: sent[name] for name in unmapped} == row.extra
    assert row.currency is None
    assert Money(123, None) == row.total
    assert row.counterparty is not None
    assert SAMPLE_UID == row.counterparty.id


def test_sorts_and_ranges_survive_the_way_to_the_server() -> None:
    """``+``, ``>``, the pipe and the comma are percent-encoded, never raw."""
    wanted = Filter(counterparty=["A", "B"], status=["A", "B"], overdue_days="> 30")
    request = asked(ExanteDialect().list_page(Query(filter=wanted, sort=Sort("due_at"))))
    query = urlsplit(request.url).query

    assert not set("+>|,") & set(query)
    assert {"+", ">", "|", ","} <= set(unquote(query))
