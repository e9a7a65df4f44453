"""Reading after a response that does not speak for itself: unclear acts, and refusals by a lock."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from _support.late_writes import SENT, LateSandbox, bill, client_on
from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import (
    Changes,
    Feature,
    Invoice,
    Money,
    OutcomeUnknown,
    Provider,
    Retry,
    errors,
    unclear_from,
)
from billingual.events import CallStarted

GET = "GET /api/v1/invoices/{invoiceId}"
ACTS = [("finalize", "FINALIZED"), ("void", "VOID")]
ENDS = {Feature.FINALIZE: frozenset({"FINALIZED"}), Feature.VOID: frozenset({"VOID"})}
KNOWING = Provider(
    name="small",
    dialects=(SmallDialect(attrs.evolve(CAPABILITIES, final_statuses=ENDS)),),
    base_url="https://small.example/base",
    needs_token=False,
)


@pytest.fixture
def drafted(backend: Any, step: Any) -> Any:
    """Return a sandbox, a client of it and a draft at Kukkingu."""
    sandbox = LateSandbox(backend.now)
    client = client_on(sandbox, backend, "kukkingu", retry="none")
    invoice: Invoice = step(client.create(bill()))
    sandbox.requests.clear()
    return sandbox, client, invoice.id


@pytest.mark.parametrize(("act", "status"), ACTS)
def test_an_unclear_act_that_happened_is_returned(
    step: Any, drafted: Any, act: str, status: str
) -> None:
    """One read settles it; the caller never hears that the response was lost."""
    sandbox, client, invoice_id = drafted
    sandbox.lose(committed=True)

    invoice = step(getattr(client, act)(invoice_id))

    assert (invoice.id, invoice.status) == (invoice_id, status)
    assert sandbox.requests == [f"POST /api/v1/invoices/{{invoiceId}}/{act}", GET]


@pytest.mark.parametrize(("act", "status"), ACTS)
def test_an_act_that_did_not_happen_yet_stays_unclear(
    step: Any, drafted: Any, act: str, status: str
) -> None:
    """The request may still arrive, so this is no failure; the note says what was seen."""
    sandbox, client, invoice_id = drafted
    sandbox.lose(committed=False)

    with pytest.raises(OutcomeUnknown) as caught:
        step(getattr(client, act)(invoice_id))

    assert caught.value.__notes__ == ["a read right after it shows the invoice as DRAFT"]
    assert isinstance(caught.value.__cause__, errors.ConnectionLostError)
    assert caught.value.intent is not None
    assert caught.value.intent.invoice_ids == (invoice_id,)
    assert sandbox.requests == [f"POST /api/v1/invoices/{{invoiceId}}/{act}", GET]


@pytest.mark.parametrize("committed", [True, False])
def test_an_act_whose_read_fails_stays_unclear(step: Any, drafted: Any, *, committed: bool) -> None:
    """The error is that of the act, and the note names that of the read."""
    sandbox, client, invoice_id = drafted
    sandbox.lose(committed=committed)
    sandbox.fault("status", method="GET", status=503)

    with pytest.raises(OutcomeUnknown) as caught:
        step(client.finalize(invoice_id))

    assert caught.value.__notes__ == ["a read right after it failed too (ServerError)"]
    assert caught.value.operation == "finalize"
    assert isinstance(caught.value.__cause__, errors.ConnectionLostError)


def test_an_act_is_not_repeated_while_it_is_read(step: Any, backend: Any) -> None:
    """The read is tried again, within the act's deadline; the act is sent once."""
    lost = errors.TimedOutError("x", evidence=SENT)
    final = say(200, '{"id": "i1", "status": "FINALIZED"}')
    client, transport = client_of(backend, [lost, say(503), final], provider=KNOWING)

    assert step(client.finalize("i1")).status == "FINALIZED"
    assert [each.method for each in transport.requests] == ["POST", "GET", "GET"]


def test_a_used_up_deadline_leaves_no_time_for_the_read(step: Any, backend: Any) -> None:
    """Then nothing is sent for it, and the note says so."""
    told: list[object] = []

    def time_out(_: object) -> Any:
        backend.clock += 60
        return errors.TimedOutError("x", evidence=SENT)

    client, transport = client_of(
        backend, time_out, provider=KNOWING, deadline=60, observers=[told.append]
    )

    with pytest.raises(OutcomeUnknown) as caught:
        step(client.finalize("i1"))

    assert caught.value.__notes__ == ["no time was left to read the invoice"]
    assert [each.method for each in transport.requests] == ["POST"]
    assert [each.operation for each in told if isinstance(each, CallStarted)] == ["finalize"]


def test_an_act_without_a_final_status_is_not_read_back(step: Any, backend: Any) -> None:
    """A foreign dialect that does not say what an act ends in gets no guess."""
    client, transport = client_of(backend, [errors.TimedOutError("x", evidence=SENT)])

    with pytest.raises(OutcomeUnknown):
        step(client.finalize("i1"))

    assert [each.method for each in transport.requests] == ["POST"]


@pytest.mark.parametrize("status", [409, 400, 403, 422])
def test_a_lock_is_explained_for_each_status_of_a_refusal(
    step: Any, drafted: Any, status: int
) -> None:
    """The invoice is read, and the error says what is locked and what is still open."""
    sandbox, client, invoice_id = drafted
    step(client.finalize(invoice_id))
    sandbox.ask("POST", "settings", {"kukkingu_lock_status": status})
    sandbox.requests.clear()

    with pytest.raises(errors.LockedError) as caught:
        step(client.update(invoice_id, Changes(total=Money.of("1.00", "EUR"))))

    lock = caught.value
    assert (lock.status, lock.locked, lock.still_open) == (
        "FINALIZED",
        ("total",),
        ("paid_at",),
    )
    assert lock.exchange is not None
    assert lock.exchange.status == status
    assert isinstance(lock.__cause__, errors.ProviderError)
    assert sandbox.requests == ["PATCH /api/v1/invoices/{invoiceId}", GET]


def test_a_refusal_that_is_no_lock_is_raised_unchanged(step: Any, drafted: Any) -> None:
    """A number that is taken is a conflict, and the read finds a draft."""
    sandbox, client, invoice_id = drafted
    step(client.create(bill("N-2")))
    sandbox.requests.clear()

    with pytest.raises(errors.ConflictError):
        step(client.update(invoice_id, Changes(number="N-2")))

    assert sandbox.requests == ["PATCH /api/v1/invoices/{invoiceId}", GET]


def test_a_refusal_whose_read_fails_is_raised_unchanged(step: Any, drafted: Any) -> None:
    """An explanation that cannot be had hides no error."""
    sandbox, client, invoice_id = drafted
    step(client.finalize(invoice_id))
    sandbox.fault("status", method="GET", status=503)

    with pytest.raises(errors.ConflictError):
        step(client.update(invoice_id, Changes(number="N-2")))


def test_the_read_that_explains_a_lock_keeps_to_the_deadline_of_the_call(
    step: Any, backend: Any
) -> None:
    """Where the refusal used the time up, it is raised as it is and nothing else is sent."""
    clock = backend.now()

    def refuse(_: object) -> Any:
        backend.clock += 60
        return say(409)

    client, transport = client_of(backend, refuse, deadline=60)

    with pytest.raises(errors.ConflictError):
        step(client.update("i1", Changes(number="N-2")))

    assert [each.method for each in transport.requests] == ["PATCH"]
    assert backend.now() - clock == pytest.approx(60)


def test_the_read_that_explains_a_lock_does_not_wait_beyond_the_deadline(
    step: Any, backend: Any
) -> None:
    """Its retries end with the call's time, not with that of a call of its own."""
    clock = backend.now()

    def respond(request: Any) -> Any:
        backend.clock += 25
        return say(409) if request.method != "GET" else say(503)

    client, transport = client_of(backend, respond, deadline=60, retry=Retry(attempts=9, base_s=0))

    with pytest.raises(errors.ConflictError):
        step(client.update("i1", Changes(number="N-2")))

    assert [each.method for each in transport.requests] == ["PATCH", "GET", "GET"]
    assert backend.now() - clock < 60 + 25


def test_the_read_that_settles_an_act_keeps_to_the_deadline_of_the_call(
    step: Any, backend: Any
) -> None:
    """It is a part of the call, so it is not tried again beyond that."""

    def respond(request: Any) -> Any:
        backend.clock += 4
        if request.method == "GET":
            return say(503)
        return errors.TimedOutError("x", evidence=SENT)

    client, transport = client_of(
        backend, respond, provider=KNOWING, deadline=10.0, retry=Retry(attempts=9)
    )
    begin = backend.clock

    with pytest.raises(OutcomeUnknown):
        step(client.finalize("i1"))

    # After the act 6 s were left, which two reads of 4 s use up; a read with a deadline of its
    # own would go on for 10 s.
    assert [each.method for each in transport.requests[1:]] == ["GET", "GET"]
    assert backend.clock - begin < 10 + 4


@pytest.mark.parametrize(
    ("call", "first", "operation"),
    [
        (lambda c: c.finalize("i1"), errors.TimedOutError("x", evidence=SENT), "finalize"),
        (lambda c: c.update("i1", Changes(number="2")), say(409), None),
    ],
    ids=["act", "lock"],
)
def test_an_interrupt_of_the_read_carries_what_the_write_left_unclear(
    step: Any, backend: Any, call: Any, first: Any, operation: str | None
) -> None:
    """An unclear act; a refusal left nothing."""
    told: list[OutcomeUnknown] = []
    responses = iter([first])

    def respond(_: object) -> Any:
        for response in responses:
            return response
        raise KeyboardInterrupt

    client, _ = client_of(backend, respond, provider=KNOWING, on_unclear=told.append)

    with pytest.raises(KeyboardInterrupt) as caught:
        step(call(client))

    unclear = unclear_from(caught.value)
    assert (None if unclear is None else unclear.operation) == operation
    assert told == ([] if unclear is None else [unclear])


def test_a_provider_without_locks_is_not_read_after_a_refusal(step: Any, backend: Any) -> None:
    """Nothing could be explained."""
    unlocked = Provider(
        name="small",
        dialects=(SmallDialect(attrs.evolve(CAPABILITIES, locks={})),),
        base_url=SMALL.base_url,
        needs_token=False,
    )
    client, transport = client_of(backend, [say(409)], provider=unlocked)

    with pytest.raises(errors.ConflictError):
        step(client.update("i1", Changes(number="2")))

    assert len(transport.requests) == 1
