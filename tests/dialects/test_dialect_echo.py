"""A response that shows another value than was asked for: named, or refused as another's."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from _support.conversations import (
    CONTRACT,
    INVOICE,
    OTHER_UID,
    REPLACEMENT,
    THIRD_UID,
    UID,
    converse,
    enveloped,
    response,
    tenant_payload,
)
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU
from billingual import AsyncClient, Client, MemoryTransport, OutcomeUnknown
from billingual.dialects._kit.responses import OTHER_VALUE
from billingual.errors import BillingualError, ProtocolError
from billingual.events import CallEnded, ProblemsFound
from billingual.model import Changes, Draft, Money, Receipt
from billingual.model.diff import contradicted_fields, is_same_number
from billingual.outcomes import Outcome
from billingual.retry.classify import classify

NOON = "2026-11-21T12:00:00Z"


def updated(changes: dict[str, Any], **shown: Any) -> Any:
    """Update at Exante, and read an invoice with *shown* fields."""
    payload = response(enveloped({"uid": UID, **shown}))
    return converse(EXANTE, EXANTE.update(UID, Changes(**changes), None), payload)


def patched(changes: dict[str, Any], **shown: Any) -> Any:
    """Update at Kukkingu, and read an invoice with *shown* fields."""
    payload = response({"data": {"id": INVOICE, **shown}})
    return converse(KUKKINGU, KUKKINGU.update(INVOICE, Changes(**changes), None), payload)


def created(draft: dict[str, Any], **shown: Any) -> Any:
    """Create at Exante, and read an invoice with *shown* fields."""
    whole = {"counterparty": UID, "owner": UID, "document": UID, **draft}
    payload = response(enveloped({"uid": THIRD_UID, **shown}), status=201)
    return converse(EXANTE, EXANTE.create(Draft(**whole)), payload)


OLD: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (updated, {"status": "SENT"}, {"status": "DRAFT"}),
    (updated, {"issued_at": NOON}, {"issue_date": "2026-11-21T12:00:01Z"}),
    (updated, {"due_at": NOON}, {"due_date": None}),
    (updated, {"paid_at": NOON}, {"paid_date": "2025-11-21T12:00:00Z"}),
    (updated, {"paid_at": None}, {"paid_date": NOON}),
    (updated, {"number": "N-2"}, {"invoice_number": "N-1"}),
    (updated, {"number": "N-2"}, {"invoice_number": None}),
    (updated, {"collection_method": "send_invoice"}, {"collection_method": "charge_automatically"}),
    (updated, {"currency": "EUR"}, {"currency": "USD"}),
    (updated, {"counterparty": UID}, {"target_party_uid": OTHER_UID}),
    (updated, {"counterparty": UID}, {"parties": {"client": {"uid": OTHER_UID}}}),
    (updated, {"document": UID}, {"document_uid": OTHER_UID}),
    (updated, {"blueprint": UID}, {"invoice_blueprint_uid": OTHER_UID}),
    (
        updated,
        {"fields": {"po": "7"}},
        {"invoice_fields": [{"key": "po", "value": {"value": "6"}}]},
    ),
    (updated, {"fields": {"po": "7"}}, {"invoice_fields": []}),
    (patched, {"number": "N-2"}, {"invoiceNumber": "N-1"}),
    (patched, {"exchange_rate": "1.25"}, {"exchangeRate": 1.26}),
    (patched, {"total": Money.of("1.00", "EUR")}, {"amountMinor": 101, "currencyCode": "EUR"}),
    (patched, {"total": Money.of("1.00", "EUR")}, {"amountMinor": 100, "currencyCode": "USD"}),
    (patched, {"paid_at": NOON}, {"paidAt": None}),
    (patched, {"due_at": NOON}, {"dueAt": "2026-11-21T13:00:00Z"}),
    (created, {"due_at": NOON}, {"due_date": "2026-11-22T12:00:00Z"}),
    (created, {"status": "SENT"}, {"status": "DRAFT"}),
    (created, {"kind": "payable"}, {"invoice_type": "ACCOUNTS_RECEIVABLE"}),
    (created, {"owner": UID}, {"owner_uid": OTHER_UID}),
    (created, {"counterparty": UID}, {"target_party_uid": OTHER_UID, "document_uid": UID}),
]


@pytest.mark.parametrize(("write", "asked", "shown"), OLD)
def test_a_field_that_is_shown_with_another_value_is_a_problem(
    write: Any, asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    """The write is a success, and its problems name our field and hold what the provider shows."""
    invoice = write(asked, **shown)

    assert [(next(iter(asked)), OTHER_VALUE)] == [(p.path, p.reason) for p in invoice.problems]


SAME: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (updated, {"status": "SENT"}, {"status": "sent"}),
    (updated, {"status": "SENT"}, {}),
    (updated, {"issued_at": NOON}, {"issue_date": "2026-11-21T13:00:00+01:00"}),
    (updated, {"issued_at": "2026-11-21T12:00:00.123456Z"}, {"issue_date": NOON}),
    (updated, {"issued_at": "2026-11-21T12:00:00.123456Z"},
     {"issue_date": "2026-11-21T12:00:00.123Z"}),
    (updated, {"due_at": None}, {"due_date": None}),
    (updated, {"due_at": NOON}, {}),
    (updated, {"currency": "EUR"}, {"currency": "eur"}),
    (updated, {"counterparty": UID}, {"target_party_uid": UID.upper()}),
    (updated, {"counterparty": UID},
     {"target_party_uid": UID, "parties": {"client": {"uid": OTHER_UID}}}),
    (updated, {"fields": {"po": "7", "vat": "1.50"}}, {"invoice_fields": [
        {"key": "vat", "value": {"value": 1.5}}, {"key": "po", "value": {"value": 7}},
        {"key": "more", "value": {"value": 1}}]}),
    (updated, {"fields": {"po": "7"}}, {}),
    (patched, {"exchange_rate": "1.250"}, {"exchangeRate": 1.25}),
    (patched, {"exchange_rate": Decimal(1) / 162}, {"exchangeRate": 1 / 162}),
    (patched, {"total": Money.of("1.00", "EUR")}, {"amountMinor": 100, "currencyCode": "eur"}),
    (patched, {"total": Money.of("1.00", "EUR")}, {"amountMinor": 100}),
    (created, {"owner": UID}, {"owner_uid": UID}),
    (created, {"number": ""}, {"invoice_number": "2026-7"}),
    (created, {"number": None, "due_at": None}, {"invoice_number": "2026-7", "due_date": NOON}),
    (created, {"kind": "receivable"}, {"invoice_type": "ACCOUNTS_RECEIVABLE"}),
    (created, {"currency": "EUR"}, {"currency": "EUR", "total_cents": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("write", "asked", "shown"), SAME)
def test_a_value_that_means_the_same_or_is_not_shown_is_no_problem(
    write: Any, asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    """Other zeros, zones, cases of letters; what a create left to the provider; silence."""
    assert () == write(asked, **shown).problems


NUMBERS = [("N-2", "N-1"), ("N-12", "N-1"), ("N-1", "N-12"), ("1", "21"), ("A-7", "2026-0042"),
           ("N-1", "N-1-2"[::-1])]  # fmt: skip


@pytest.mark.parametrize(("asked", "shown"), NUMBERS)
def test_a_create_that_shows_another_number_is_unclear(asked: str, shown: str) -> None:
    """It may be the response to another request, so its invoice is evidence only."""
    with pytest.raises(ProtocolError, match=r"at \$\.data\.invoice_number") as caught:
        created({"number": asked}, invoice_number=shown)

    assert Outcome.UNKNOWN is classify(caught.value)
    assert [(THIRD_UID, shown)] == [(each.id, each.number) for each in caught.value.shown]


KEPT = [("INVOICE-2026-000000001", "INVOICE-2026-00000000"), ("00123", "123"), ("123", "INV-123"),
        ("  N-1 ", "N-1"), ("n-1", "N-1"), ("N-1", "N-1/2026"), ("N-0012", "N-12"),
        ("INV-7-EU", "INV-7")]  # fmt: skip


@pytest.mark.parametrize(("asked", "shown"), KEPT)
def test_a_create_that_shows_its_number_cut_or_extended_is_a_success(
    asked: str, shown: str
) -> None:
    """The provider kept the number in its own form, and a problem says so."""
    invoice = created({"number": asked}, invoice_number=shown)

    assert [("number", shown)] == [(each.path, each.value) for each in invoice.problems]


def test_a_create_without_a_number_for_another_party_and_document_is_unclear() -> None:
    """Then these two tell that it is another invoice."""
    with pytest.raises(ProtocolError, match="another invoice's"):
        created({}, target_party_uid=OTHER_UID, document_uid=OTHER_UID, invoice_number="N-9")


@pytest.mark.parametrize(("act", "status"), [("finalize", "DRAFT"), ("void", "FINALIZED")])
def test_an_act_that_shows_the_old_status_has_a_problem(act: str, status: str) -> None:
    """The provider said yes and shows what was there before."""
    answer = response({"data": tenant_payload(id=INVOICE, status=status)})
    invoice = converse(KUKKINGU, getattr(KUKKINGU, act)(INVOICE), answer)

    assert [("status", OTHER_VALUE, status)] == [
        (each.path, each.reason, each.value) for each in invoice.problems
    ]


def test_a_batch_has_the_problems_of_each_row_at_that_row() -> None:
    """Rows are matched by their ids before they are compared, whatever their order."""
    pairs = [(UID, Changes(number="A")), (OTHER_UID, Changes(number="B", status="SENT"))]
    data = [{"uid": OTHER_UID, "invoice_number": "B", "status": "DRAFT"},
            {"uid": UID, "invoice_number": "A"}]  # fmt: skip
    first, second = converse(BULK, BULK.update_many(pairs), response(enveloped(data)))

    assert () == first.problems
    assert ["status"] == [each.path for each in second.problems]


GOOD: dict[str, Any] = {"uid": UID, "status": "SENT", "due_date": NOON}
QUIET: dict[str, Any] = {
    "in capitals": enveloped([{**GOOD, "uid": UID.upper()}]),
    "with much beside it": enveloped([{**GOOD, "line_items": [], "parties": {}, "total": 7}]),
    "another offset": enveloped([{**GOOD, "due_date": "2026-11-21T13:00:00+01:00"}]),
}
LOUD: dict[str, Any] = {
    "another value": enveloped([{**GOOD, "status": "DRAFT"}]),
    "no value": enveloped([{"uid": UID, "status": "SENT"}]),
    "a value of another type": enveloped([{**GOOD, "status": 7}]),
    "a complaint in the invoice": enveloped([{**GOOD, "errors": ["not sent"]}]),
    "a complaint beside it": {**enveloped([GOOD]), "errors": ["not sent"]},
    "a failure": {**enveloped([GOOD]), "success": False},
    "a status of its own": {**enveloped([GOOD]), "status": "queued"},
    "another invoice": enveloped([{**GOOD, "uid": OTHER_UID}]),
    "one too many": enveloped([GOOD, {**GOOD, "uid": OTHER_UID}]),
    "twice": enveloped([GOOD, GOOD]),
    "none": enveloped([]),
    "no list": enveloped(GOOD),
    "no id": enveloped([{"status": "SENT", "due_date": NOON}]),
    "too deep": enveloped([{**GOOD, "comments": json.loads("[" * 70 + "]" * 70)}]),
    "no JSON": json.dumps(enveloped([GOOD])).encode()[:-1],
    "half a character": json.dumps(enveloped([{**GOOD, "comments": "#"}]))
    .encode()
    .replace(b"#", b"\xc3"),
}


def batch_of(update: Any, given: Changes, answer: Any) -> Any:
    """Return the problems of the invoices of a batch, or the text of the error."""
    try:
        invoices = converse(BULK, update([(UID, given)]), response(answer))
    except BillingualError as error:
        return str(error)
    return [each.problems for each in invoices]


@pytest.mark.parametrize("answer", QUIET.values(), ids=QUIET)
def test_a_quiet_batch_leaves_out_what_is_as_asked_for(answer: Any) -> None:
    """A job asks for no more, so that most of the response need not be read."""
    given = Changes(status="SENT", due_at=NOON)

    assert [] == batch_of(BULK.update_many_quietly, given, answer)
    assert [()] == batch_of(BULK.update_many, given, answer)


@pytest.mark.parametrize("answer", LOUD.values(), ids=LOUD)
def test_a_quiet_batch_tells_what_is_odd_as_another_does(answer: Any) -> None:
    """Problems and errors are those of a batch that is read whole."""
    given = Changes(status="SENT", due_at=NOON)
    told = batch_of(BULK.update_many, given, answer)

    assert told
    assert told == batch_of(BULK.update_many_quietly, given, answer)


@pytest.mark.parametrize(
    ("name", "value", "wire", "other"),
    [
        ("status", "SENT", "status", "DRAFT"),
        ("number", "N-1", "invoice_number", "N-2"),
        ("issued_at", NOON, "issue_date", "2026-11-21T12:00:01Z"),
        ("due_at", NOON, "due_date", None),
        ("paid_at", None, "paid_date", NOON),
        ("collection_method", "send_invoice", "collection_method", "charge_automatically"),
        ("currency", "EUR", "currency", "USD"),
        ("counterparty", UID, "target_party_uid", OTHER_UID),
    ],
)
def test_a_quiet_batch_compares_each_field(name: str, value: Any, wire: str, other: Any) -> None:
    """All that a batch can change."""
    given = Changes(**{name: value})
    right, wrong = (enveloped([{"uid": UID, wire: each}]) for each in (value, other))

    assert not any(batch_of(BULK.update_many_quietly, given, right))
    assert batch_of(BULK.update_many, given, wrong) == batch_of(
        BULK.update_many_quietly, given, wrong
    )
    assert any(batch_of(BULK.update_many_quietly, given, wrong))


def test_a_receipt_has_a_problem_for_what_it_shows_otherwise() -> None:
    """Katsu's receipt repeats three fields at most; each is compared."""
    body = {"invoiceId": UID, "currency": "eur", "counterpartyId": UID, "dueDate": NOON}
    receipt = converse(KATSU, KATSU.replace(UID, REPLACEMENT), response(body))
    fits = {"invoiceId": UID.upper(), "currency": "usd", "counterPartyId": OTHER_UID,
            "dueDate": "2024-03-20T00:00:00.000Z"}  # fmt: skip

    assert ["counterparty", "due_at", "currency"] == [each.path for each in receipt.problems]
    assert () == converse(KATSU, KATSU.replace(UID, REPLACEMENT), response(fits)).problems


def test_a_bare_receipt_of_another_uuid_is_refused() -> None:
    """An id in another form cannot be compared and is a problem; another UUID is refused."""
    with pytest.raises(ProtocolError, match="another invoice"):
        converse(KATSU, KATSU.replace(UID, REPLACEMENT), response({"invoiceId": OTHER_UID}))
    receipt = converse(KATSU, KATSU.replace(UID, REPLACEMENT), response({"invoiceId": "17"}))

    assert ["$.invoiceId"] == [each.path for each in receipt.problems]


DAYS = [
    (date(2026, 12, 31), "2026-12-31T00:00:00+00:00", True),
    (date(2026, 12, 31), "2026-12-30T11:00:00+00:00", True),
    (date(2026, 12, 31), "2026-12-31T05:00:00+00:00", True),
    (date(2026, 12, 31), "2026-12-31T00:00:00+13:00", True),
    (date(2026, 12, 31), "2026-12-30T00:00:00+00:00", False),
    (date(2026, 12, 31), "2027-01-01T00:00:00+00:00", False),
]


@pytest.mark.parametrize(("day", "moment", "fits"), DAYS)
def test_a_day_is_an_instant_of_that_day(day: date, moment: str, *, fits: bool) -> None:
    """Its first moment anywhere on earth, or any moment that has that date."""
    instant = datetime.fromisoformat(moment)
    shown = Receipt(id="1", due_at=instant)

    assert fits is (contradicted_fields({"due_at": day}, shown, {}, {}) == {})
    assert fits is (
        contradicted_fields({"due_at": instant}, attrs.evolve(shown, due_at=day), {}, {}) == {}
    )
    assert {} == contradicted_fields({"due_at": day}, attrs.evolve(shown, due_at=day), {}, {})


def test_a_datetime_without_an_offset_is_another_value_and_no_crash() -> None:
    """A foreign dialect may make one; the write that it shows has worked all the same."""
    naive = datetime(2026, 12, 31)  # noqa: DTZ001 - as said
    aware = naive.replace(tzinfo=UTC)

    assert ["due_at"] == list(
        contradicted_fields({"due_at": aware}, Receipt(id="1", due_at=naive), {}, {})
    )
    assert {} == contradicted_fields(
        {"due_at": naive.date()}, Receipt(id="1", due_at=naive), {}, {}
    )


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_day_at_the_edge_of_the_calendar_is_compared(edge: str) -> None:
    """In UTC it would be in no year that Python knows."""
    instant = datetime.fromisoformat(edge)

    assert {} == contradicted_fields(
        {"due_at": instant.date()}, Receipt(id="1", due_at=instant), {}, {}
    )


def test_a_number_is_no_form_of_nothing() -> None:
    """An empty number is part of every text, and proves nothing."""
    assert not is_same_number("N-1", " ")
    assert is_same_number("0", "0")


def test_a_long_number_is_compared_in_linear_work() -> None:
    """A hostile number of a million digits is no reason to hang."""
    assert not is_same_number("1", "1" * 1_000_000 + "2")


BILL = Draft(number="N-1", document=CONTRACT, exchange_rate=1, total=Money.of("1.00", "EUR"))


@pytest.mark.parametrize("transport", ["memory"])
def test_both_clients_tell_it_by_an_event_and_the_log(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The event and the line name the field, never the value."""
    events: list[Any] = []
    shown = response({"data": tenant_payload(id=INVOICE, invoiceNumber="secret-name")})
    script = MemoryTransport([shown])
    options: dict[str, Any] = {"tenant": "tnt_" + "a" * 24, "token": "t", "transport": script}
    with Client("kukkingu", observers=[events.append], **options) as client:
        invoice = client.update(INVOICE, Changes(number="N-2"))

    assert "secret-name" == invoice.number
    assert [(("number", OTHER_VALUE),)] == [
        each.problems for each in events if isinstance(each, ProblemsFound)
    ]
    assert [Outcome.COMMITTED] == [each.outcome for each in events if isinstance(each, CallEnded)]
    assert "number" in caplog.text
    assert "secret-name" not in caplog.text


@pytest.mark.anyio
async def test_the_async_client_keeps_the_other_invoice_as_evidence() -> None:
    """A create that got another request's response ends unclear, is not repeated and not likely."""
    shown = response({"data": tenant_payload(id=INVOICE, invoiceNumber="Z-9")}, status=201)
    script = MemoryTransport([shown])
    options: dict[str, Any] = {"tenant": "tnt_" + "a" * 24, "token": "t", "transport": script}
    async with AsyncClient("kukkingu", **options) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.create(BILL)

    assert ["Z-9"] == [each.number for each in caught.value.shown]
    revived = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - its own
    assert ["Z-9"] == [each.number for each in revived.shown]
    assert "unclear" == caught.value.likely
    assert 1 == len(script.requests)


def test_strict_reading_leaves_a_write_with_another_value_unclear() -> None:
    """It worked, so strict reading must not call it not applied."""
    shown = response({"data": tenant_payload(id=INVOICE, invoiceNumber="Z-9")})
    options: dict[str, Any] = {"tenant": "tnt_" + "a" * 24, "token": "t", "reading": "strict"}
    with (
        Client("kukkingu", transport=MemoryTransport([shown]), **options) as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.update(INVOICE, Changes(number="N-2"))

    assert caught.value.maybe_applied
    assert "applied" == caught.value.likely
