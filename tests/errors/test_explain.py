"""What errors and events tell of a call: every attempt, why it was made, and why none followed."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest

from billingual import AsyncClient, Changes, Draft, MemoryTransport, errors
from billingual.errors import BillingualError
from billingual.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    ProblemsFound,
    RetryPlanned,
)
from billingual.outcomes import Attempt, Evidence, Outcome
from billingual.retry.budget import RetryBudget
from billingual.wire import Headers, WireRequest, WireResponse

CANARY = "canary-51c0de"
TOKEN = f"ex_live_{CANARY}"
UID = "550e8400-e29b-41d4-a716-446655440000"
SENT = Evidence(connected=True, request_complete=True, response_begun=False)
UNSENT = Evidence(connected=False, request_complete=False, response_begun=False)
PARTLY = Evidence(connected=True, request_complete=False, response_begun=False)


def no(status: int, **headers: str) -> WireResponse:
    """Refuse, with canaries wherever there is no message to a person."""
    body = json.dumps({"message": "not so", "data": {"number": CANARY}, CANARY: [CANARY]})
    fields = [("Set-Cookie", CANARY), *((k.replace("_", "-"), v) for k, v in headers.items())]
    return WireResponse(status=status, headers=Headers(fields), body=body.encode())


def yes(data: object) -> WireResponse:
    """Agree."""
    body = {"status": "success", "status_code": 200, "message": "", "data": data}
    return MemoryTransport.json(json.dumps(body))


LOST = errors.ConnectionLostError("the connection broke.", evidence=SENT)
REFUSED = errors.NotConnectedError("no connection was made.", evidence=UNSENT)
GOOD = yes({"uid": UID})
SECRET_DRAFT = Draft(
    number=CANARY, counterparty=UID, owner=UID, document=UID, fields={CANARY: CANARY}
)


def create(client: AsyncClient) -> Any:
    """Write, unsafely."""
    return client.create(SECRET_DRAFT)


def get(client: AsyncClient) -> Any:
    """Read."""
    return client.get(UID)


def update(client: AsyncClient) -> Any:
    """Write fixed values."""
    return client.update(UID, Changes(number=CANARY))


@attrs.frozen
class Told:
    """A failing call and what is to be read in its explanation, line by line."""

    call: Callable[[AsyncClient], Any]
    responses: tuple[Any, ...]
    kind: type[BillingualError]
    lines: tuple[str, ...]
    options: dict[str, Any] = attrs.field(factory=dict)


FIRST = "attempt 1 (the first attempt)"
NEVER = "is never sent again on its own"
WHOLE = "connected, the request was sent whole, no response had begun"
TABLE: dict[str, Told] = {
    "refused": Told(
        create, (no(422),), errors.InvalidRequestError,
        (f"{FIRST}: rejected, InvalidRequestError (status 422)",
         f"not tried again: a write that ended rejected {NEVER}"),
    ),
    "lost": Told(
        create, (LOST,), errors.OutcomeUnknown,
        (f"{FIRST}: unknown, ConnectionLostError; {WHOLE}",
         f"not tried again: a write that ended unknown {NEVER}"),
    ),
    "5xx": Told(
        update, (no(503),), errors.OutcomeUnknown,
        (f"{FIRST}: unknown, ServerError (status 503)",
         f"not tried again: a write that ended unknown {NEVER}"),
    ),
    "unreadable yes": Told(
        create, (MemoryTransport.json(f'{{"{CANARY}": '),), errors.OutcomeUnknown,
        (f"{FIRST}: unknown, ProtocolError (status 200)", "not tried again: a write"),
    ),
    "yes without an id": Told(
        create, (yes({"invoice_number": CANARY}),), errors.OutcomeUnknown,
        (f"{FIRST}: unknown, ProtocolError (status 200)", "not tried again: a write"),
    ),
    "three times": Told(
        create, (REFUSED, no(429, retry_after="2"), LOST), errors.OutcomeUnknown,
        (f"{FIRST}: not_sent, NotConnectedError; no connection was made",
         "attempt 2 after 0.05 s (not_sent may pass): not_applied, RateLimitedError (status 429)",
         ("attempt 3 after 3.00 s (the provider said when to come back): unknown, "
         f"ConnectionLostError; {WHOLE}"),
         f"not tried again: a write that ended unknown {NEVER}"),
    ),
    "all attempts": Told(
        get, (no(503),) * 4, errors.ServerError,
        (f"{FIRST}: unknown, ServerError (status 503)",
         "attempt 2 after 0.05 s (unknown may pass)", "attempt 3 after 0.10 s (unknown may pass)",
         "attempt 4 after 0.20 s (unknown may pass)", "not tried again: 4 of 4 attempts are used"),
    ),
    "no retries": Told(
        get, (no(503),), errors.ServerError,
        (f"{FIRST}: unknown", "not tried again: 1 of 1 attempts are used"), {"retry": "none"},
    ),
    "would come again": Told(
        get, (no(404),), errors.NotFoundError,
        (f"{FIRST}: rejected, NotFoundError (status 404)",
         "not tried again: NotFoundError would come again"),
    ),
    "too long to obey": Told(
        get, (no(429, retry_after="3600"),), errors.RateLimitedError,
        (f"{FIRST}: not_applied", "not tried again: the provider asks to wait longer than 60 s"),
    ),
    "deadline": Told(
        get, (no(429, retry_after="30"),), errors.RateLimitedError,
        (f"{FIRST}: not_applied",
         "not tried again: the next attempt would be in 30.5 s, the deadline in 5.0 s"),
        {"deadline": 5},
    ),
    "budget": Told(
        get, (no(503),), errors.ServerError,
        (f"{FIRST}: unknown", "not tried again: the retry budget of this host and credential"),
        {"budget": RetryBudget(capacity=1)},
    ),
    "partly sent": Told(
        get, (errors.TimedOutError("slow.", evidence=PARTLY),) * 4, errors.TimedOutError,
        ((f"{FIRST}: not_sent, TimedOutError; connected, the request was not sent whole, "
         "no response had begun"),
         "attempt 2", "attempt 3", "attempt 4", "not tried again: 4 of 4"),
    ),
    "cannot tell": Told(
        create, (errors.TimedOutError("slow."),), errors.OutcomeUnknown,
        ((f"{FIRST}: unknown, TimedOutError; connected: cannot tell, how much was sent: cannot "
         "tell, whether a response had begun: cannot tell"), "not tried again: a write"),
    ),
    "wrong token": Told(
        create, (no(401),), errors.AuthenticationError,
        (f"{FIRST}: rejected, AuthenticationError (status 401)", "not tried again: a write"),
    ),
    "redirect": Told(
        create, (no(302, location=f"https://evil.example/{CANARY}"),), errors.OutcomeUnknown,
        (f"{FIRST}: unknown, RedirectedError (status 302)", "not tried again: a write"),
    ),
    "before anything": Told(
        lambda client: client.get("no uuid"), (), errors.InvalidInputError, ("nothing was sent",)
    ),
}  # fmt: skip


def failing(backend: Any, step: Any, told: Told) -> tuple[BillingualError, list[Any]]:
    """Run the call of a row; return its error and its events."""
    events: list[Any] = []
    client = AsyncClient(
        "exante", token=TOKEN, transport=MemoryTransport(map(copy.copy, told.responses)),
        backend=backend, observers=[events.append], **told.options,
    )  # fmt: skip
    with pytest.raises(told.kind) as caught:
        step(told.call(client))
    return caught.value, events


@pytest.mark.parametrize("name", TABLE)
def test_an_error_explains_every_attempt_in_a_line(step: Any, backend: Any, name: str) -> None:
    """First what happened, then each attempt with its reason, then why no other was made."""
    error, _ = failing(backend, step, TABLE[name])

    first, *rest = error.explain().split("\n")

    assert first == str(error)
    assert len(rest) == len(TABLE[name].lines)
    for line, beginning in zip(rest, TABLE[name].lines, strict=True):
        assert line.startswith(f"  {beginning}")
        assert line == line.rstrip()


@pytest.mark.parametrize("name", TABLE)
def test_an_explanation_holds_no_payload_and_no_token(step: Any, backend: Any, name: str) -> None:
    """Only the provider's message to people is quoted."""
    error, events = failing(backend, step, TABLE[name])
    said = [error.explain(), *(each.explain() for each in events), *map(repr, events)]

    assert CANARY not in "\n".join(said)


@pytest.mark.parametrize("name", TABLE)
def test_an_explanation_survives_pickling(step: Any, backend: Any, name: str) -> None:
    """It is read in another process as it was here."""
    error, _ = failing(backend, step, TABLE[name])
    thawed = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert thawed.explain() == error.explain()


@pytest.mark.parametrize("name", TABLE)
def test_each_event_explains_itself_in_one_line(step: Any, backend: Any, name: str) -> None:
    """Each in one line that begins with the call's number; each attempt in the error's words."""
    error, events = failing(backend, step, TABLE[name])
    lines = [each.explain() for each in events]
    ended = [each.attempt for each in events if isinstance(each, AttemptEnded)]

    assert all(line.startswith("call 1: ") and "\n" not in line for line in lines)
    assert tuple(ended) == error.attempts


def test_events_tell_a_call_from_its_beginning_to_its_end(step: Any, backend: Any) -> None:
    """Word for word, a call that is tried again and succeeds."""
    events: list[Any] = []
    client = AsyncClient(
        "exante", transport=MemoryTransport([no(503), GOOD]), backend=backend,
        observers=[events.append],
    )  # fmt: skip
    step(client.get(UID))

    assert [each.explain() for each in events] == [
        "call 1: get of exante started",
        "call 1: attempt 1 goes out, GET /api/invoices/{invoice_uid}",
        "call 1: attempt 1 (the first attempt): unknown, ServerError (status 503)",
        "call 1: again in 0.05 s, because unknown may pass",
        "call 1: attempt 2 goes out, GET /api/invoices/{invoice_uid}",
        "call 1: attempt 2 after 0.05 s (unknown may pass): committed (status 200)",
        "call 1: committed",
    ]


def _of_every_kind() -> Iterable[Any]:
    attempt = Attempt(number=1, outcome=Outcome.UNKNOWN, evidence=SENT, why="the first attempt")
    yield CallStarted(call=7, provider="p", base_url="http://h", operation="get", at_s=0.0)
    yield AttemptStarted(call=7, number=1, method="GET", route="/x", at_s=0.0)
    yield AttemptEnded(call=7, attempt=attempt, at_s=0.0)
    yield RetryPlanned(call=7, wait_s=1.0, why="it may pass", at_s=0.0)
    yield ProblemsFound(call=7, problems=(("$.due", "it is no date"),), at_s=0.0)
    yield CallEnded(call=7, outcome=Outcome.UNKNOWN, error="TimedOutError", at_s=0.0)


@pytest.mark.parametrize("event", list(_of_every_kind()), ids=lambda each: type(each).__name__)
def test_every_kind_of_event_explains_itself(event: Any) -> None:
    """In one line."""
    line = event.explain()

    assert line.startswith("call 7: ")
    assert "\n" not in line


@pytest.mark.parametrize("outcome", Outcome, ids=lambda each: each.value)
@pytest.mark.parametrize("status", [None, 503])
@pytest.mark.parametrize("error", [None, "ServerError"])
def test_every_end_of_an_attempt_reads_as_a_line(
    outcome: Outcome, status: int | None, error: str | None
) -> None:
    """With what there is, and without what there is not."""
    attempt = Attempt(
        number=2, outcome=outcome, evidence=SENT, status=status, error=error, waited_s=1.5, why="y"
    )
    line = attempt.explain()

    assert line.startswith(f"attempt 2 after 1.50 s (y): {outcome.value}")
    assert ("None" in line, "\n" in line) == (False, False)
    assert (WHOLE in line) is (status is None)


def test_texts_of_a_transport_library_are_left_out(step: Any, backend: Any) -> None:
    """Its text may contain secrets, so only its class is named."""

    def break_down(_: WireRequest) -> Any:
        raise OSError(5, f"Bearer {TOKEN}\nand more")

    client = AsyncClient(
        "exante", token=TOKEN, transport=MemoryTransport(break_down), backend=backend
    )
    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(create(client))

    assert CANARY not in caught.value.explain()
    assert len(caught.value.explain().split("\n")) == 3


def test_a_providers_message_stays_on_its_line(step: Any, backend: Any) -> None:
    """Line breaks in it do not make lines of ours."""
    loud = MemoryTransport.json('{"message": "no\\n  attempt 9: committed\\r\\n"}', status=422)
    client = AsyncClient("exante", transport=MemoryTransport([loud]), backend=backend)
    with pytest.raises(errors.InvalidRequestError) as caught:
        step(create(client))

    assert len(caught.value.explain().splitlines()) == 3
