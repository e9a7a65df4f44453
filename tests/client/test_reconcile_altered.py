"""Providers that alter what they are sent: what they kept may be ours, so nothing is absent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _support.backend import StepBackend, run_in_one_step
from billingual import (
    AsyncClient,
    Changes,
    Client,
    Draft,
    Finding,
    Invoice,
    InvoiceSummary,
    MemoryTransport,
    Money,
    OutcomeUnknown,
    Party,
    Reconciliation,
    Status,
    errors,
)
from billingual.backends.sync import SyncBackend
from billingual.outcomes import Evidence
from billingual.reconcile.resemblance import alike_numbers
from billingual.wire import WireRequest

PARTY: Final = "550e8400-e29b-41d4-a716-446655440000"
KNOWN_UID: Final = "550e8400-e29b-41d4-a716-446655440001"
NEW_UID: Final = "550e8400-e29b-41d4-a716-446655440002"
CONTRACT: Final = "ctr_" + "c" * 24
KNOWN_ID, NEW_ID = "inv_" + "a" * 24, "inv_" + "b" * 24
DUE: Final = "2027-03-31T12:00:00Z"
# The wall clock of StepBackend is in January 2027.
NOW, LONG_AGO = "2027-01-15T08:00:00Z", "2026-01-15T08:00:00Z"
SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)


@attrs.frozen
class Family:
    """How one provider writes what these tests send."""

    provider: str
    draft: Callable[[str], Draft]
    known: InvoiceSummary
    new_id: str
    number: str
    due: str
    record: Mapping[str, object]
    options: Mapping[str, Any]

    def invoice(self, number: str | None, **changes: object) -> dict[str, object]:
        """Write the invoice that the draft asks for, under a number."""
        return {**self.record, self.number: number, **changes}


KUKKINGU: Final = Family(
    provider="kukkingu",
    draft=lambda number: Draft(
        number=number, document=CONTRACT, total=Money.of("120.00", "EUR"), exchange_rate=1,
        due_at=DUE,
    ),
    known=Invoice(id=KNOWN_ID, document=CONTRACT),
    new_id=NEW_ID,
    number="invoiceNumber",
    due="dueAt",
    record={
        "id": NEW_ID, "contract": CONTRACT, "currencyCode": "EUR", "amountMinor": 12000,
        "exchangeRate": 1, "status": "DRAFT", "dueAt": DUE, "createdAt": NOW,
    },
    options={"tenant": "tnt_" + "a" * 24},
)  # fmt: skip
EXANTE: Final = Family(
    provider="exante",
    draft=lambda number: Draft(
        number=number, counterparty=PARTY, owner=PARTY, document=PARTY, currency="EUR", due_at=DUE,
        fields={"order": "7"},
    ),
    known=Invoice(id=KNOWN_UID, counterparty=Party(id=PARTY)),
    new_id=NEW_UID,
    number="invoice_number",
    due="due_date",
    record={
        "uid": NEW_UID, "status": "DRAFT", "currency": "EUR", "document_uid": PARTY,
        "due_date": DUE, "parties": {"client": {"uid": PARTY}}, "target_party_uid": PARTY,
        "invoice_fields": [{"key": "order", "value": {"type": "string", "value": "7"}}],
    },
    options={"organization": PARTY},
)  # fmt: skip
FAMILIES: Final = (KUKKINGU, EXANTE)
# Rows of Exante's lists show less than the invoice.
_NOT_IN_ROWS: Final = ("currency", "target_party_uid", "invoice_fields")


def server_of(family: Family, stored: Mapping[str, object]) -> Callable[[WireRequest], Any]:
    """Lose every write; show the known invoice and the stored one to those who read."""
    known = {
        **family.record,
        ("uid" if family is EXANTE else "id"): family.known.id,
        family.number: "KNOWN",
        "createdAt": LONG_AGO,
    }

    def respond(request: WireRequest) -> Any:
        if request.safety.writes:
            return errors.TimedOutError("no response came in time.", evidence=SENT)
        if family is KUKKINGU:
            listed = "{" not in request.route
            return MemoryTransport.json(json.dumps({"data": [known, stored] if listed else stored}))
        data: object = stored
        if "{" not in request.route:
            rows = [
                {key: value for key, value in each.items() if key not in _NOT_IN_ROWS}
                for each in (known, stored)
            ]
            meta = {"page": 1, "total_pages": 1, "total_items": 2}
            data = {"items": rows, "_meta": meta}
        elif family.known.id in request.url:
            data = known
        whole = {"status": "success", "status_code": 200, "message": "", "data": data}
        return MemoryTransport.json(json.dumps(whole))

    return respond


def client_on(family: Family, stored: Mapping[str, object], backend: Any) -> AsyncClient:
    """Make a client of a server that holds one more invoice than is known."""
    transport = MemoryTransport(server_of(family, stored))
    return AsyncClient(family.provider, transport=transport, backend=backend, **family.options)


def looked_for(family: Family, number: str, stored: Mapping[str, object]) -> Reconciliation:
    """Create an invoice in vain, and look for it when no request can arrive any more."""
    client = client_on(family, stored, StepBackend())
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.create(family.draft(number)))
    return run_in_one_step(
        client.reconcile(caught.value, known_invoice=family.known, late_arrival_s=0)
    )


families = pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.provider)
ALTERED: Final = (
    ("INVOICE-2026-000000001", "INVOICE-2026-00000000"),
    ("00123", "123"),
    ("123", "0000123"),
    ("123", "INV-123"),
    ("INV-123", "123"),
    ("INV/2026/7", "inv-2026-7"),
    (" N-1", "N-1"),
    ("A-7", "2026-0042"),
    ("A-7", "A-7 (2)"),
    ("A-7", ""),
    ("A-7", None),
)


@families
@pytest.mark.parametrize(("sent", "kept"), ALTERED)
def test_an_invoice_under_an_altered_number_is_a_candidate(
    family: Family, sent: str, kept: str | None
) -> None:
    """It fits in all else, and is no older than the attempt."""
    found = looked_for(family, sent, family.invoice(kept))

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert [each.id for each in found.candidates] == [family.new_id]
    assert family.new_id in found.why


@families
@given(
    sent=st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20), data=st.data()
)
def test_no_alteration_makes_an_invoice_absent(family: Family, sent: str, data: Any) -> None:
    """Whatever the provider makes of the number: adopted where it is the same, else unknown."""
    kept = data.draw(
        st.sampled_from(
            [
                sent,
                sent[: len(sent) // 2],
                sent[-(len(sent) // 2) :],
                sent.lower(),
                sent.upper(),
                sent.lstrip("0"),
                f"0{sent}",
                f"P-{sent}",
                f"{sent}/1",
                None,
            ]
        )
        | st.text(max_size=20)
    )

    found = looked_for(family, sent, family.invoice(kept))

    assert found.finding is (Finding.ADOPTED if kept == sent else Finding.UNKNOWN)
    if kept != sent:
        assert [each.id for each in found.candidates] == [family.new_id]


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (KUKKINGU, {"amountMinor": 12001}),
        (KUKKINGU, {"currencyCode": "USD"}),
        (KUKKINGU, {"exchangeRate": 2}),
        (KUKKINGU, {"dueAt": "2027-04-30T12:00:00Z"}),
        (KUKKINGU, {"createdAt": LONG_AGO}),
        (EXANTE, {"due_date": "2027-04-30T12:00:00Z"}),
        (EXANTE, {"document_uid": KNOWN_UID}),
        (EXANTE, {"currency": "USD"}),
        (EXANTE, {"invoice_fields": [{"key": "order", "value": {"type": "string", "value": "8"}}]}),
    ],
    ids=lambda each: each.provider if isinstance(each, Family) else str(each),
)
def test_an_invoice_that_differs_or_is_older_is_another_one(
    family: Family, changes: dict[str, object]
) -> None:
    """Otherwise no create would be absent where there are invoices already."""
    found = looked_for(family, "A-7", family.invoice("2026-0042", **changes))

    assert found.finding is Finding.ABSENT


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (KUKKINGU, {"createdAt": None}),
        (KUKKINGU, {"createdAt": "some day"}),
        (KUKKINGU, {"createdAt": "2099-01-01T00:00:00Z"}),
        (KUKKINGU, {"createdAt": "2027-01-15T07:10:00Z"}),
        (KUKKINGU, {"amountMinor": None, "currencyCode": None}),
        (KUKKINGU, {"status": "VOID", "paidAt": NOW}),
        (KUKKINGU, {"dueAt": "2027-03-31T00:00:00Z"}),
        (EXANTE, {"due_date": None, "document_uid": None, "parties": None}),
        (EXANTE, {"status": "PAID"}),
        (EXANTE, {"due_date": "2027-03-31"}),
        (EXANTE, {"invoice_fields": []}),
    ],
    ids=lambda each: each.provider if isinstance(each, Family) else str(each),
)
def test_what_is_not_shown_or_changes_by_itself_rules_nothing_out(
    family: Family, changes: dict[str, object]
) -> None:
    """No time, no amount, another status, a day for a time, a clock that lags."""
    found = looked_for(family, "A-7", family.invoice("2026-0042", **changes))

    assert found.finding is Finding.UNKNOWN
    assert [each.id for each in found.candidates] == [family.new_id]


def test_a_status_that_was_sent_and_another_that_is_shown_rule_nothing_out() -> None:
    """An invoice that was made as SENT may be paid a minute later."""
    family = attrs.evolve(
        EXANTE, draft=lambda number: attrs.evolve(EXANTE.draft(number), status="SENT")
    )
    found = looked_for(family, "A-7", family.invoice("2026-0042", status="PAID"))

    assert found.finding is Finding.UNKNOWN
    assert [each.id for each in found.candidates] == [NEW_UID]


@families
def test_a_number_that_is_alike_counts_though_other_fields_differ(family: Family) -> None:
    """It is the same number to a person."""
    found = looked_for(family, "00123", family.invoice("123", **{family.due: LONG_AGO}))

    assert found.finding is Finding.UNKNOWN
    assert [each.id for each in found.candidates] == [family.new_id]


@families
def test_many_that_may_be_it_are_not_read_one_by_one(family: Family) -> None:
    """A person looks at them; ten are read at most, where rows show less than invoices."""
    records = [
        family.invoice(
            f"X-{each}", **{"uid" if family is EXANTE else "id": f"{family.new_id[:-2]}{each}"}
        )
        for each in range(10, 21)
    ]
    backend = StepBackend()
    respond = server_of(family, records[0])

    def many(request: WireRequest) -> Any:
        response = respond(request)
        if request.safety.writes:
            return response
        body = json.loads(response.body)
        rows = body["data"] if family is KUKKINGU else body["data"]["items"]
        rows += records[1:]
        if family is EXANTE:
            body["data"]["_meta"]["total_items"] = len(rows)
        return MemoryTransport.json(json.dumps(body))

    transport = MemoryTransport(many)
    client = AsyncClient(family.provider, transport=transport, backend=backend, **family.options)
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.create(family.draft("A-7")))
    found = run_in_one_step(
        client.reconcile(caught.value, known_invoice=family.known, late_arrival_s=0)
    )

    assert found.finding is Finding.UNKNOWN
    assert len(found.candidates) == 11
    assert len(transport.requests) == 2


@families
def test_while_a_late_request_may_arrive_a_candidate_is_no_last_word(family: Family) -> None:
    """Ours may come under its own number; waiting looks again."""
    stored = family.invoice("2026-0042")
    client = client_on(family, stored, StepBackend())
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.create(family.draft("A-7")))
    early = run_in_one_step(client.reconcile(caught.value, known_invoice=family.known))
    stored[family.number] = "A-7"
    late = run_in_one_step(client.reconcile(caught.value, known_invoice=family.known, wait=True))

    assert (early.finding, early.ask_again_s) == (Finding.UNKNOWN, pytest.approx(120))
    assert [each.id for each in early.candidates] == [family.new_id]
    assert late.finding is Finding.ADOPTED


@families
def test_a_wait_ends_with_the_candidate_if_nothing_arrived(family: Family) -> None:
    """The wait is done once, and the candidate is still no proof of absence."""
    backend = StepBackend()
    client = client_on(family, family.invoice("2026-0042"), backend)
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.create(family.draft("A-7")))
    found = run_in_one_step(client.reconcile(caught.value, known_invoice=family.known, wait=True))

    assert (found.finding, found.ask_again_s) == (Finding.UNKNOWN, None)
    assert [each.id for each in found.candidates] == [family.new_id]
    assert backend.sleeps == [pytest.approx(120)]


@families
def test_what_the_client_created_itself_is_no_candidate(family: Family) -> None:
    """The provider showed it as the invoice of another create."""
    stored = family.invoice("OTHER")
    respond = server_of(family, stored)
    created = iter([True])

    def respond_once(request: WireRequest) -> Any:
        if request.safety.writes and next(created, False):
            data = {"status": "success", "status_code": 200, "message": "", "data": stored}
            return MemoryTransport.json(json.dumps(data if family is EXANTE else {"data": stored}))
        return respond(request)

    client = AsyncClient(
        family.provider, transport=MemoryTransport(respond_once), backend=StepBackend(),
        **family.options,
    )  # fmt: skip
    run_in_one_step(client.create(family.draft("OTHER")))
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.create(family.draft("A-7")))
    found = run_in_one_step(
        client.reconcile(caught.value, known_invoice=family.known, late_arrival_s=0)
    )

    assert found.finding is Finding.ABSENT


class HastyBackend(SyncBackend):
    """A blocking backend that never waits."""

    def wall(self) -> float:
        return 1_800_000_000.0

    async def sleep(self, seconds: float) -> None:
        """Do nothing."""


@families
def test_a_blocking_client_finds_the_candidates_too(family: Family) -> None:
    """Through the error, as a program asks."""
    transport = MemoryTransport(server_of(family, family.invoice("2026-0042")))
    with Client(
        family.provider, transport=transport, backend=HastyBackend(), **family.options
    ) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            client.create(family.draft("A-7"))
        found = caught.value.reconcile(known_invoice=family.known, late_arrival_s=0)

    assert found.finding is Finding.UNKNOWN
    assert [each.id for each in found.candidates] == [family.new_id]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("INV-1", "INV-2"),
        ("N-1", "N-10"),
        ("123", "5123"),
        ("1-2", "2-1"),
        ("A", None),
        ("A", ""),
        ("", ""),
        (None, None),
    ],
)
def test_numbers_that_differ_are_not_alike(one: str | None, other: str | None) -> None:
    """Neighbours in a series, and nothing at all."""
    assert not alike_numbers(one, other)
    assert not alike_numbers(other, one)


# --- updates, acts and deletions ----------------------------------------------------------------


def changed(
    family: Family, changes: Changes, shown: Mapping[str, object], base: InvoiceSummary | None
) -> Reconciliation:
    """Update an invoice in vain, and read it back when no request can arrive any more."""
    client = client_on(family, shown, StepBackend())
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.update(family.new_id, changes, base=base))
    return run_in_one_step(client.reconcile(caught.value, late_arrival_s=0))


@families
@pytest.mark.parametrize(
    ("kept", "finding"),
    [
        ("N-0002", Finding.ADOPTED),
        ("N-0001", Finding.ABSENT),
        ("N-000", Finding.UNKNOWN),
        ("N-2", Finding.UNKNOWN),
        ("2026-0042", Finding.UNKNOWN),
        (None, Finding.UNKNOWN),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["invoice", "row"])
def test_an_update_that_shows_neither_old_nor_new_is_unknown(
    family: Family, kept: str | None, finding: Finding, *, whole: bool
) -> None:
    """The caller's copy says what was there before; only that again means that nothing happened."""
    kind = Invoice if whole else InvoiceSummary
    base = kind(id=family.new_id, number="N-0001", status=Status("DRAFT"))

    found = changed(family, Changes(number="N-0002"), family.invoice(kept), base)

    assert found.finding is finding
    if finding is Finding.UNKNOWN:
        assert [each.id for each in found.candidates] == [family.new_id]
        assert "number" in found.why


@families
@pytest.mark.parametrize(
    ("kind", "finding"), [(Invoice, Finding.UNKNOWN), (InvoiceSummary, Finding.ABSENT)]
)
def test_a_whole_copy_says_that_there_was_nothing_before(
    family: Family, kind: type[InvoiceSummary], finding: Finding
) -> None:
    """A row of a list states less than the whole, so there it says nothing."""
    base = kind(id=family.new_id, number=None, status=Status("DRAFT"))

    found = changed(family, Changes(number="N-2"), family.invoice("2026-0042"), base)

    assert found.finding is finding


@families
@pytest.mark.parametrize(
    ("kept", "finding"),
    [
        ("00123", Finding.ADOPTED),
        ("OTHER", Finding.ABSENT),
        ("123", Finding.UNKNOWN),
        ("001", Finding.UNKNOWN),
        ("INV-123", Finding.UNKNOWN),
    ],
)
def test_without_a_copy_a_value_that_resembles_the_new_one_is_unknown(
    family: Family, kept: str, finding: Finding
) -> None:
    """What was there before is not known then."""
    found = changed(family, Changes(number="00123"), family.invoice(kept), None)

    assert found.finding is finding


@families
def test_without_a_copy_one_value_that_is_there_leaves_the_update_unknown(family: Family) -> None:
    """The provider may have taken one field and dropped the other."""
    changes = Changes(number="N-2", due_at=DUE)
    base = Invoice(
        id=family.new_id, number="N-1", due_at=family.draft("x").due_at, status=Status("DRAFT")
    )

    assert changed(family, changes, family.invoice("N-1"), None).finding is Finding.UNKNOWN
    assert changed(family, changes, family.invoice("N-1"), base).finding is Finding.ABSENT


@pytest.mark.parametrize(
    ("updated_at", "finding"), [(LONG_AGO, Finding.ABSENT), (NOW, Finding.UNKNOWN)]
)
def test_an_invoice_that_changed_since_the_attempt_leaves_it_unknown(
    updated_at: str, finding: Finding
) -> None:
    """Where the provider tells the time of the last change and the value before is not known."""
    shown = KUKKINGU.invoice("OTHER", updatedAt=updated_at)

    assert changed(KUKKINGU, Changes(number="N-2"), shown, None).finding is finding


@pytest.mark.parametrize(
    ("act", "status", "finding"),
    [
        ("finalize", "DRAFT", Finding.ABSENT),
        ("finalize", "VOID", Finding.UNKNOWN),
        ("finalize", "FINALIZING", Finding.UNKNOWN),
        ("finalize", None, Finding.UNKNOWN),
        ("void", "FINALIZED", Finding.ABSENT),
        ("void", "DRAFT", Finding.ABSENT),
        ("void", "VOIDED", Finding.UNKNOWN),
    ],
)
def test_an_act_is_absent_only_where_the_status_is_one_from_before(
    act: str, status: str | None, finding: Finding
) -> None:
    """A word that nothing documents may come after it; so may VOID, after a finalize."""
    client = client_on(KUKKINGU, KUKKINGU.invoice("N-1", status=status), StepBackend())
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(getattr(client, act)(NEW_ID))

    assert run_in_one_step(client.reconcile(caught.value, late_arrival_s=0)).finding is finding


@pytest.mark.parametrize(
    ("status", "finding"), [("DRAFT", Finding.ABSENT), ("DELETED", Finding.UNKNOWN)]
)
def test_a_deletion_is_absent_only_where_the_status_is_documented(
    status: str, finding: Finding
) -> None:
    """Some providers keep what was deleted, under a word of their own."""
    client = client_on(EXANTE, EXANTE.invoice("N-1", status=status), StepBackend())
    with pytest.raises(OutcomeUnknown) as caught:
        run_in_one_step(client.delete_many([NEW_UID]))
    found = run_in_one_step(client.reconcile(caught.value, late_arrival_s=0))

    assert found.finding is finding
    assert [each.id for each in found.candidates] == [NEW_UID]
