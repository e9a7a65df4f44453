"""A value that is not as documented costs itself alone; only ids and envelopes must be right."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from _support.conversations import (
    CONTRACT,
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    UID,
    converse,
    enveloped,
    ids,
    response,
    tenant_payload,
)
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU, SENT, exante, katsu, kukkingu, listed
from billingual.abc import Dialect
from billingual.errors import ProtocolError
from billingual.model import (
    Changes,
    Draft,
    LineItem,
    Money,
    Party,
    Query,
)
from billingual.wire import Conversation

BATCHES: list[tuple[object, str, str]] = [
    ([], "$.data", f"invoice {UID} is missing"),
    ([{"uid": OTHER_UID}], "$.data[0].uid", "was not asked for"),
    ([{"uid": UID}, {"uid": UID}], "$.data[1].uid", "comes twice"),
    ([{"uid": UID}, {"uid": OTHER_UID}], "$.data[1].uid", "was not asked for"),
    ([{"uid": 5}], "$.data[0].uid", "a whole number where text"),
    ({"uid": UID}, "$.data", "an object where an array is documented"),
]


@pytest.mark.parametrize(("data", "path", "problem"), BATCHES, ids=ids(BATCHES))
def test_a_batch_responses_for_exactly_what_was_asked(
    data: object, path: str, problem: str
) -> None:
    """A record too few, too many or double makes the response unreadable, and says which."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        converse(BULK, BULK.update_many([(UID, SENT)]), response(enveloped(data)))

    assert path == caught.value.path


def about(uid: str, **fields: object) -> dict[str, object]:
    """Answer as Exante does, about an invoice."""
    return enveloped({"uid": uid, **fields})


def bill(**fields: object) -> dict[str, object]:
    """Answer as Kukkingu does, about its documented invoice with other values."""
    return {"data": tenant_payload(**fields)}


DRAFT = Draft(counterparty=UID, owner=UID, document=UID)
BILL = Draft(document=CONTRACT, number="1", exchange_rate=1, total=Money(1, "EUR"))
NUMBER = Changes(number="1")
OTHER_INVOICE = f"{INVOICE[:-1]}x"
MIXED_UP: list[tuple[Dialect, Callable[[], Conversation[Any]], object, str, str]] = [
    (EXANTE, lambda: EXANTE.get(UID), about(OTHER_UID), "$.data.uid", "another invoice"),
    (EXANTE, lambda: EXANTE.get(UID), about(""), "$.data.uid", "is empty"),
    (EXANTE, lambda: EXANTE.update(UID, SENT, None), about(OTHER_UID), "$.data.uid", "another"),
    (EXANTE, lambda: EXANTE.update(UID, SENT, None), about(""), "$.data.uid", "is empty"),
    (EXANTE, lambda: EXANTE.create(DRAFT), about(""), "$.data.uid", "is empty"),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=OTHER_INVOICE), "$.data.id", "another"),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=INVOICE.upper()), "$.data.id", "another"),
    (KUKKINGU, lambda: KUKKINGU.get(INVOICE), bill(id=""), "$.data.id", "is empty"),
    (
        KUKKINGU,
        lambda: KUKKINGU.update(INVOICE, NUMBER, None),
        bill(id=OTHER_INVOICE),
        "$.data.id",
        "another",
    ),
    (KUKKINGU, lambda: KUKKINGU.create(BILL), bill(id=""), "$.data.id", "is empty"),
    (
        KUKKINGU,
        lambda: KUKKINGU.finalize(INVOICE),
        bill(id=OTHER_INVOICE, status="FINALIZED"),
        "$.data.id",
        "another",
    ),
    (
        KUKKINGU,
        lambda: KUKKINGU.void(INVOICE),
        bill(id=OTHER_INVOICE, status="VOID"),
        "$.data.id",
        "another",
    ),
    (
        KUKKINGU,
        lambda: KUKKINGU.finalize(INVOICE),
        bill(status=None),
        "$.data.status",
        "must be FINALIZED",
    ),
    (KUKKINGU, lambda: KUKKINGU.void(INVOICE), bill(status=None), "$.data.status", "must be VOID"),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"succeeded": True, "data": {"invoiceId": OTHER_UID}},
        "$.data.invoiceId",
        "another",
    ),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"succeeded": True, "data": {"invoiceId": ""}},
        "$.data.invoiceId",
        "is empty",
    ),
    (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"invoiceId": "", "amount": 5},
        "$.invoiceId",
        "is empty",
    ),
]


@pytest.mark.parametrize(
    ("dialect", "start", "body", "path", "problem"), MIXED_UP, ids=ids(MIXED_UP)
)
def test_a_response_about_another_invoice_is_refused(
    dialect: Dialect, start: Callable[[], Conversation[Any]], body: object, path: str, problem: str
) -> None:
    """What was asked about one invoice is not answered by another, by none, or in another state."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        converse(dialect, start(), response(body))

    assert path == caught.value.path


def test_a_page_other_than_the_one_asked_for_is_refused() -> None:
    """A server that answers page 1 for ever would list the same rows for ever."""
    with pytest.raises(ProtocolError, match="page 1, but page 2 was asked for") as caught:
        listed({"items": [], "_meta": {"page": 1}}, page=2)

    assert "$.data._meta.page" == caught.value.path


NO_IDS: list[tuple[dict[str, object], str]] = [
    ({"uid": None}, "null where text"),
    ({"uid": 5}, "a whole number where text"),
    ({"uid": ""}, "is empty"),
    ({"uid": "\ud83d"}, "half of a surrogate pair"),
    ({}, "missing"),
]


@pytest.mark.parametrize(("payload", "problem"), NO_IDS, ids=ids(NO_IDS))
def test_an_invoice_without_a_readable_id_is_refused(
    payload: dict[str, object], problem: str
) -> None:
    """What identifies an invoice is never read leniently."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        exante(payload)

    assert "$.data.uid" == caught.value.path


READ: list[tuple[dict[str, object], str, object]] = [
    ({"total_cents": Decimal("1250.0")}, "total", Money(1250, None)),
    ({"total_cents": Decimal("1.25e3")}, "total", Money(1250, None)),
    ({"total_cents": "1250"}, "total", Money(1250, None)),
    ({"total_cents": "-1250.00"}, "total", Money(-1250, None)),
    ({"total_cents": 10**29}, "total", Money(10**29, None)),
    ({"overdue_days": "5"}, "overdue_days", 5),
    ({"invoice_number": 7}, "number", "7"),
    ({"invoice_number": Decimal("1.10")}, "number", "1.1"),
    ({"issue_date": "2024-01-01T00:00Z"}, "issued_at", datetime(2024, 1, 1, tzinfo=UTC)),
    ({"parties": []}, "counterparty", None),
    ({"parties": {"client": []}}, "counterparty", None),
    ({"parties": {"client": {"name": 5}}}, "counterparty", Party(name="5")),
    ({"parties": {"client": {"billing_contact": []}}}, "counterparty", Party()),
    ({"invoice_notes": []}, "notes", {}),
    ({"invoice_fields": {}}, "fields", ()),
    ({"line_items": {"0": {"uid": "a"}, "2": {"uid": "b"}}}, "lines",
     (LineItem(id="a"), LineItem(id="b"))),
    ({"line_items": [{"quantity": Decimal("1.5")}]}, "lines",
     (LineItem(quantity=Decimal("1.5")),)),
    ({"line_items": [{"quantity": "1.50"}]}, "lines", (LineItem(quantity=Decimal("1.50")),)),
    ({"line_items": [{"quantity": 3}]}, "lines", (LineItem(quantity=Decimal(3)),)),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "name", "value"), READ, ids=ids(READ))
def test_what_says_the_same_in_another_type_is_read(
    fields: dict[str, object], name: str, value: object
) -> None:
    """Where a value leaves no doubt, its type costs nothing: digits in quotes, PHP's arrays."""
    invoice = exante({"uid": UID, **fields})

    assert value == getattr(invoice, name)
    assert () == invoice.problems
    assert {} == invoice.extra


UNREADABLE: list[tuple[dict[str, object], str, str]] = [
    ({"total_cents": Decimal("12.7")}, "total_cents", "with a fraction"),
    ({"total_cents": True}, "total_cents", "a boolean"),
    ({"total_cents": "12,50"}, "total_cents", "text"),
    ({"total_cents": "1_000"}, "total_cents", "text"),
    ({"total_cents": "\u0661"}, "total_cents", "text"),
    ({"total_cents": 10**30}, "total_cents", "more than 30 digits"),
    ({"tax_cents": {}}, "tax_cents", "an object"),
    ({"overdue_days": "five"}, "overdue_days", "text"),
    ({"issue_date": 1700000000}, "issue_date", "a whole number"),
    ({"issue_date": "2024-01-01T00:00:00"}, "issue_date", "without an offset"),
    ({"issue_date": "2024-02-30"}, "issue_date", "no such day"),
    ({"currency": True}, "currency", "a boolean"),
    ({"currency": []}, "currency", "an array"),
    ({"invoice_number": "a \ud83d"}, "invoice_number", "half of a surrogate pair"),
    ({"invoice_fields": "hi"}, "invoice_fields", "text"),
    ({"invoice_fields": [{"value": {}}]}, "invoice_fields[0].key", "missing"),
    ({"invoice_notes": "hi"}, "invoice_notes", "text"),
    ({"line_items": 7}, "line_items", "a whole number"),
    ({"line_items": [7]}, "line_items[0]", "a whole number"),
    ({"line_items": [None]}, "line_items[0]", "null"),
    ({"line_items": [{"quantity": True}]}, "line_items[0].quantity", "a boolean"),
    ({"line_items": [{"quantity": "many"}]}, "line_items[0].quantity", "text"),
    ({"parties": "ACME"}, "parties", "text"),
    ({"parties": {"client": {"address": {}}}}, "parties.client.address", "an object"),
]


@pytest.mark.parametrize(("fields", "path", "reason"), UNREADABLE, ids=ids(UNREADABLE))
def test_a_field_that_cannot_be_read_costs_itself_alone(
    fields: dict[str, object], path: str, reason: str
) -> None:
    """The invoice is read, the value stays in ``extra`` and ``raw``, and a problem names it."""
    invoice = exante({"uid": UID, "status": "SENT", **fields})
    (problem,) = invoice.problems
    (name,) = fields

    assert (UID, "SENT") == (invoice.id, invoice.status)
    assert f"$.data.{path}" == problem.path
    assert reason in problem.reason
    assert invoice.raw[name] == invoice.extra[name]
    assert {name} == invoice.extra.keys()


@pytest.mark.parametrize("number", [b"1e401", b"-1e-401", b"1e999999", b"0." + b"3" * 401])
def test_a_number_beyond_all_use_is_kept_but_not_read(number: bytes) -> None:
    """What takes for ever to calculate with does not become an attribute."""
    line = b'{"uid":"a","quantity":' + number + b"}"
    body = b'{"data":{"uid":"%s","total_cents":%s,"line_items":[%s]}}'
    invoice = converse(EXANTE, EXANTE.get(UID), response(body % (UID.encode(), number, line)))

    assert (None, (LineItem(id="a"),)) == (invoice.total, invoice.lines)
    assert Decimal(number.decode()) == invoice.extra["total_cents"]
    assert ["$.data.total_cents", "$.data.line_items[0].quantity"] == [
        each.path for each in invoice.problems
    ]


def test_an_amount_is_never_guessed() -> None:
    """One that cannot be read exactly is None; the others of the invoice are as they came."""
    invoice = exante({"uid": UID, "total_cents": Decimal("12.5"), "tax_cents": 3})

    assert (None, Money(3, None)) == (invoice.total, invoice.tax)
    assert {"total_cents": Decimal("12.5")} == invoice.extra


def test_a_create_that_worked_returns_its_invoice() -> None:
    """Whatever is wrong with a field of the invoice, its id is there to go on with."""
    body = response(about(UID, invoice_notes="hi", total_cents="a lot"), status=201)
    invoice = converse(EXANTE, EXANTE.create(DRAFT), body)

    assert UID == invoice.id
    assert ["$.data.total_cents", "$.data.invoice_notes"] == [
        each.path for each in invoice.problems
    ]


def test_a_bad_row_ends_no_page() -> None:
    """A row without a readable id is left out, and the page tells; any other is read."""
    page = listed(
        {"items": [{"uid": UID}, {}, 7, {"uid": 5}, {"uid": OTHER_UID, "overdue_days": "x"}]}
    )

    assert [UID, OTHER_UID] == [row.id for row in page.items]
    assert [
        ("$.data.items[1].uid", {}),
        ("$.data.items[2]", 7),
        ("$.data.items[3].uid", {"uid": 5}),
        ("$.data.items[4].overdue_days", "x"),
    ] == [(each.path, each.value) for each in page.problems]
    assert page.items[1].problems == page.problems[3:]


def test_a_bad_row_of_a_tenant_ends_no_list() -> None:
    """Likewise for a list that comes whole."""
    body = response({"data": [{"id": INVOICE, "contract": 5}, {"id": None}]})
    page = converse(KUKKINGU, KUKKINGU.list_page(Query()), body)

    assert [INVOICE] == [row.id for row in page.items]
    assert ["$.data[0].contract", "$.data[1].id"] == [each.path for each in page.problems]
    assert {"contract": 5} == page.items[0].extra


def test_what_a_page_says_about_itself_is_read_leniently() -> None:
    """A count in quotes is a count; one that cannot be read is a problem of the page."""
    page = listed({"items": [], "_meta": {"total_pages": "3", "total_items": "many"}})

    assert (3, None) == (page.total_pages, page.total_items)
    assert ["$.data._meta.total_items"] == [each.path for each in page.problems]


ENVELOPES: list[tuple[dict[str, object], list[str]]] = [
    ({"status_code": "200"}, []),
    ({"status_code": Decimal("200.0")}, []),
    ({"status_code": "OK"}, ["$.status_code"]),
    ({"status_code": True}, ["$.status_code"]),
    ({"status": 200}, ["$.status"]),
    ({"success": "yes"}, ["$.success"]),
]


@pytest.mark.parametrize(("fields", "paths"), ENVELOPES, ids=ids(ENVELOPES))
def test_an_envelope_with_an_odd_field_is_opened(
    fields: dict[str, object], paths: list[str]
) -> None:
    """What it says in another type is no refusal, and the invoice tells what could not be read."""
    invoice = exante({"uid": UID}, **fields)

    assert paths == [each.path for each in invoice.problems]


def test_paths_lead_to_the_value_in_the_names_of_the_wire() -> None:
    """A problem's path uses the provider's names, wherever the record is."""
    amount = kukkingu(amountMinor=Decimal("1.5"))
    rate = kukkingu(exchangeRate="a lot")
    contract = kukkingu(contract=5)
    receipt = katsu({"succeeded": True, "data": {"invoiceId": UID, "amount": "a lot"}})
    bare = katsu({"invoiceId": UID, "dueDate": 5})

    assert ["$.data.amountMinor"] == [each.path for each in amount.problems]
    assert ["$.data.exchangeRate"] == [each.path for each in rate.problems]
    assert ["$.data.contract"] == [each.path for each in contract.problems]
    assert ["$.data.amount"] == [each.path for each in receipt.problems]
    assert ["$.dueDate"] == [each.path for each in bare.problems]


def test_a_problem_shows_no_value() -> None:
    """The value may be personal, so only who asks for it sees it."""
    (problem,) = exante({"uid": UID, "parties": "jsmith@example.com"}).problems

    assert "jsmith@example.com" == problem.value
    assert "jsmith" not in f"{problem!r}{problem.reason}"
    assert hash(problem) == hash(copy.copy(problem))


LONG = 10**33 + 7


@pytest.mark.parametrize("text", [str(LONG), f"{LONG}.25", "9" * 5000, "1e99999999999999999999"])
def test_a_long_number_in_an_unnamed_field_is_kept(text: str) -> None:
    """Digit for digit; what neither an int nor a Decimal can hold stays text."""
    body = json.dumps(about(UID, zz=[1])).replace("[1]", text).encode()
    invoice = converse(EXANTE, EXANTE.get(UID), response(body))

    assert text == str(invoice.extra["zz"]) == str(invoice.raw["zz"])
    assert () == invoice.problems
