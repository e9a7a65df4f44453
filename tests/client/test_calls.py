"""One call from end to end: what is sent, what is sent again, and what its end is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import attrs
import httpx  # noqa: F401 - imported before blocking is watched for
import pytest
import tenacity  # noqa: F401 - likewise: the first failure would import it inside the loop

from _support.matrix.clients import failure_of
from _support.matrix.table import STEPS, Step
from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import (
    AsyncClient,
    Changes,
    Draft,
    Invoice,
    InvoiceSummary,
    Provider,
    Receipt,
    Replacement,
    Status,
    errors,
)
from billingual.events import AttemptEnded, AttemptStarted, CallEnded, CallStarted, RetryPlanned
from billingual.outcomes import Evidence, Outcome
from billingual.retry.budget import RetryBudget
from billingual.retry.policy import Retry
from billingual.wire import Exchange, WireRequest

SENT = Evidence(connected=True, request_complete=True)
UNSENT = Evidence(connected=False, request_complete=False, response_begun=False)
REPLACEMENT = Replacement(
    counterparty="c", counterparty_name="n", receiving_account="r", account_name="a",
    due_at="2026-12-31T00:00:00Z", currency="EUR", lines=[], taxes=[], discount=None,
    description="whole", billing_cycle=1, recurring=False, payment_methods=[], notifications=[],
    remind_days_before=[], remind_days_after=[], remind_on_due_date=False,
)  # fmt: skip

# Each operation: how it is called, method and path of its (last) request, what it returns.
OPERATIONS: dict[str, tuple[Callable[[AsyncClient], Any], str, str, Any]] = {
    "create": (lambda c: c.create(Draft(number="1")), "POST", "/invoices", Invoice(id="i1")),
    "get": (lambda c: c.get("i1"), "GET", "/invoices/i1", Invoice(id="i1")),
    "update": (
        lambda c: c.update("i1", Changes(number="2")), "PATCH", "/invoices/i1", Invoice(id="i1"),
    ),
    "replace": (
        lambda c: c.update("i1", REPLACEMENT), "PUT", "/invoices/i1", Receipt(id="i1"),
    ),
    "update_many": (
        lambda c: c.update_many({"i1": Changes(number="2")}), "PUT", "/bulk", (Invoice(id="i1"),),
    ),
    "delete_many": (lambda c: c.delete_many(["i1"]), "DELETE", "/bulk", None),
    "finalize": (lambda c: c.finalize("i1"), "POST", "/invoices/i1/finalize", Invoice(id="i1")),
    "void": (lambda c: c.void("i1"), "POST", "/invoices/i1/void", Invoice(id="i1")),
}  # fmt: skip
WRITES = [name for name in OPERATIONS if name not in {"get", "void"}]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_runs_without_an_event_loop(step: Any, backend: Any, name: str) -> None:
    """The core never suspends by itself: only transport and backend do."""
    call, method, path, result = OPERATIONS[name]
    client, transport = client_of(backend, lambda _: say(), token="tok-1")

    assert step(call(client)) == result
    last = transport.requests[-1]
    assert (last.method, last.url) == (method, f"https://small.example/base{path}")
    assert last.headers.get("authorization") == "Bearer tok-1"
    assert (last.headers.get("user-agent") or "").startswith("billingual/")
    assert last.headers.get("accept-encoding") == "gzip, deflate"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_preview_is_what_would_be_sent(step: Any, backend: Any, name: str) -> None:
    """It is the same request without its signature, and nothing is sent for it."""
    call, *_ = OPERATIONS[name]
    client, transport = client_of(backend, lambda _: say(), token="tok-1")
    preview = call(client.preview)
    assert transport.requests == []

    step(call(client))

    sent = transport.requests[0]
    unsigned = [pair for pair in sent.headers if pair[0] != "Authorization"]
    assert list(preview.headers) == unsigned
    fields = [each.name for each in attrs.fields(WireRequest) if each.name != "headers"]
    assert [getattr(preview, each) for each in fields] == [getattr(sent, each) for each in fields]


def test_a_preview_of_a_list_is_its_first_page(backend: Any) -> None:
    """All local checks run for it."""
    client, transport = client_of(backend)

    assert client.preview.list(sort="-due_at").url.endswith("/invoices?page=1")
    with pytest.raises(errors.InvalidInputError):
        client.preview.list(sort="a,b")
    with pytest.raises(errors.UnsupportedError, match="'owner' in a draft"):
        client.preview.create(Draft(number="1", owner="o"))
    assert transport.requests == []


PLAIN = [end for end in STEPS.values() if end.is_plain]


def met(end: Step) -> Callable[[object], Any]:
    """Meet each request as one line of the matrix says."""

    def response(_: object) -> Any:
        if end.status is None:
            raise failure_of(end)
        return say(end.status, "<html>" if end.says else "{}")

    return response


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "end", [end for end in PLAIN if end.ends == "unknown"], ids=lambda end: end.name
)
def test_a_write_that_ends_unclearly_is_sent_once(
    step: Any, backend: Any, name: str, end: Step
) -> None:
    """It is not resent, and its end is OutcomeUnknown with all that is known."""
    client, transport = client_of(backend, met(end), token="tok-1")

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(OPERATIONS[name][0](client))

    unknown = caught.value
    assert len(transport.requests) == 1
    assert backend.sleeps == []
    assert unknown.maybe_applied is True
    assert (unknown.provider, unknown.operation) == ("small", name)
    assert unknown.likely == ("applied" if end.success_is_unread else "unclear")
    assert [each.outcome for each in unknown.attempts] == [Outcome.UNKNOWN]
    assert isinstance(unknown.__cause__, errors.BillingualError)
    assert unknown.__cause__.attempts == unknown.attempts
    assert unknown.request.body == transport.requests[0].body
    assert "authorization" not in unknown.request.headers
    assert "Do not simply send it again" in str(unknown)


@pytest.mark.parametrize("name", ["create", "update", "finalize"])
@pytest.mark.parametrize("text", ['{"number": "1"}', '{"crash": true}'], ids=["no-id", "bug"])
def test_a_success_that_cannot_be_read_was_probably_applied(
    step: Any, backend: Any, name: str, text: str
) -> None:
    """A write whose good response has no id, or trips the dialect, is never called a failure."""
    client, transport = client_of(backend, [say(200, text)])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(OPERATIONS[name][0](client))

    assert caught.value.likely == "applied"
    assert [each.outcome for each in caught.value.attempts] == [Outcome.UNKNOWN]
    assert len(transport.requests) == 1


def test_a_bug_of_a_dialect_is_not_tried_again(step: Any, backend: Any) -> None:
    """A read fails with it at once, with the one attempt on it."""
    client, transport = client_of(backend, [say(200, '{"crash": true}')])

    with pytest.raises(errors.InternalError) as caught:
        step(client.get("i1"))

    assert len(caught.value.attempts) == len(transport.requests) == 1


@pytest.mark.parametrize("then", [409, 422, 429, 404])
def test_no_attempt_follows_an_unclear_one(step: Any, backend: Any, then: int) -> None:
    """The refusal that a blind resend would have earned is never asked for."""
    client, transport = client_of(backend, [say(429), say(503), say(then)])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(Draft(number="1")))

    assert [each.outcome.value for each in caught.value.attempts] == ["not_applied", "unknown"]
    assert len(transport.requests) == 2


def test_no_policy_can_have_an_unclear_write_sent_again(step: Any, backend: Any) -> None:
    """Even where a foreign policy says so, an unclear write goes out once."""

    class Stubborn(Retry):
        def _refusal(self, *_: object) -> str | None:
            return None

    client, transport = client_of(backend, [say(503), say(409)], retry=Stubborn())

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(Draft(number="1")))

    assert len(transport.requests) == 1
    assert caught.value.stopped == "a write that ended unknown is never sent again on its own"


def test_a_policy_that_raises_stops_the_call(step: Any, backend: Any) -> None:
    """A foreign policy's fault must not hide how the attempt ended."""

    class Faulty(Retry):
        def decide(self, *_: object, **__: object) -> Any:
            raise KeyError("oops")

    client, transport = client_of(backend, [say(503)], retry=Faulty())

    with pytest.raises(errors.ServerError) as caught:
        step(client.get("i1"))

    assert len(transport.requests) == 1
    assert caught.value.stopped == "the retry policy raised KeyError"


def test_a_rate_limit_behind_the_handler_makes_a_write_unclear(step: Any, backend: Any) -> None:
    """Where a dialect says that its limit may be behind the handler, 429 proves nothing."""
    late = SmallDialect(attrs.evolve(CAPABILITIES, rate_limit_precedes_handler=False))
    provider = attrs.evolve(SMALL, dialects=(late,))
    client, transport = client_of(backend, lambda _: say(429), provider=provider)

    with pytest.raises(errors.OutcomeUnknown):
        step(client.create(Draft(number="1")))
    assert 1 == len(transport.requests)

    with pytest.raises(errors.RateLimitedError):
        step(client.get("i1"))
    assert 5 == len(transport.requests)


def test_a_rate_limit_error_carries_retry_after(step: Any, backend: Any) -> None:
    """What is too long to wait for is the caller's to know."""
    client, transport = client_of(backend, [say(429, retry_after="86400")])

    with pytest.raises(errors.RateLimitedError) as caught:
        step(client.get("i1"))

    assert caught.value.retry_after == 86_400.0
    assert backend.sleeps == []
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_as_a_date_is_read_on_the_backends_clock(
    step: Any, backend: Any, status: int
) -> None:
    """1,800,000,000 seconds after the epoch it is 15 January 2027, 08:00."""
    date = "Fri, 15 Jan 2027 08:00:09 GMT"
    client, _ = client_of(backend, [say(status, retry_after=date), say()])

    step(client.get("i1"))

    assert backend.sleeps == [pytest.approx(9.0 + (0.5 if status == 429 else 0.05))]


def test_one_deadline_covers_all_attempts(step: Any, backend: Any) -> None:
    """A wait that would reach it is not begun, and the real failure goes up."""
    client, transport = client_of(backend, lambda _: say(429, retry_after="2"), deadline=4.0)

    with pytest.raises(errors.RateLimitedError) as caught:
        step(client.get("i1"))

    assert backend.sleeps == [2.5]
    assert len(transport.requests) == 2
    assert any("the deadline in 1.5 s" in note for note in caught.value.__notes__)


def test_a_deadline_that_passed_while_signing_sends_nothing(step: Any, backend: Any) -> None:
    """A slow token function eats the call's time; the error says that nothing is unclear."""

    async def slow() -> str:
        await backend.sleep(10.0)
        return "tok"

    client, transport = client_of(backend, [], deadline=4.0, token=slow)

    with pytest.raises(errors.DeadlineExceededError) as caught:
        step(client.create(Draft(number="1")))

    assert transport.requests == []
    assert caught.value.maybe_applied is False
    assert [each.outcome for each in caught.value.attempts] == [Outcome.NOT_SENT]


def test_impossible_requests_are_refused_before_sending(step: Any, backend: Any) -> None:
    """Missing and unknown fields, and missing operations."""
    provider = Provider(
        name="small",
        dialects=(SmallDialect(attrs.evolve(CAPABILITIES, features=frozenset())),),
    )
    client, transport = client_of(backend)
    bare, _ = client_of(backend, provider=provider)

    with pytest.raises(errors.InvalidInputError, match="number: small needs it in a draft"):
        step(client.create(Draft()))
    for name, (call, *_rest) in OPERATIONS.items():
        with pytest.raises(errors.UnsupportedError) as caught:
            step(call(bare))
        assert caught.value.feature == name
    with pytest.raises(errors.UnsupportedError):
        bare.list()
    assert transport.requests == []


def test_a_lock_is_checked_against_base(step: Any, backend: Any) -> None:
    """With ``base`` a locked field is refused before anything is sent."""
    client, transport = client_of(backend)
    base = InvoiceSummary(id="i1", status=Status("FINALIZED"))

    with pytest.raises(errors.LockedError) as caught:
        step(client.update("i1", Changes(number="2"), base=base))

    assert (caught.value.locked, caught.value.still_open) == (("number",), ("paid_at",))
    assert transport.requests == []


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refused_change_is_explained_by_the_lock(step: Any, backend: Any, status: int) -> None:
    """After a refusal the invoice is read, and its status says why."""
    seen = say(200, '{"id": "i1", "status": "FINALIZED"}')
    client, transport = client_of(backend, [say(status), seen])

    with pytest.raises(errors.LockedError) as caught:
        step(client.update("i1", Changes(number="2")))

    assert caught.value.exchange is not None
    assert caught.value.exchange.status == status
    assert isinstance(caught.value.__cause__, errors.ProviderError)
    assert [request.method for request in transport.requests] == ["PATCH", "GET"]


@pytest.mark.parametrize(
    "seen",
    [say(200, '{"id": "i1", "status": "DRAFT"}'), say(200, '{"id": "i1"}'), say(404)],
    ids=["open", "no-status", "unreadable"],
)
def test_a_refusal_without_a_lock_is_raised_unchanged(step: Any, backend: Any, seen: Any) -> None:
    """The look at the invoice never replaces the provider's own words."""
    client, _ = client_of(backend, [say(409), seen])

    with pytest.raises(errors.ConflictError):
        step(client.update("i1", Changes(number="2")))


def test_a_lock_that_the_provider_names_is_a_refusal(step: Any, backend: Any) -> None:
    """A dialect that reads a lock from the response does not make the write unclear."""

    class Locking(SmallDialect):
        def judge(self, request: Any, response: Any) -> None:
            raise errors.LockedError(
                provider="small", invoice_id="i1", status="VOID", locked=["number"],
                still_open=[], exchange=Exchange.of(request, response),
            )  # fmt: skip

    provider = attrs.evolve(SMALL, dialects=(Locking(),))
    client, _ = client_of(backend, [say(409)], provider=provider)

    with pytest.raises(errors.LockedError) as caught:
        step(client.finalize("i1"))

    attempt = caught.value.attempts[0]
    assert (attempt.outcome, attempt.status) == (Outcome.REJECTED, 409)


def test_the_events_of_a_call_come_in_order(step: Any, backend: Any) -> None:
    """Every attempt, wait and end, in order, with the backend's times."""
    seen: list[Any] = []
    client, _ = client_of(backend, [say(503), say()], observers=[seen.append])

    step(client.get("i1"))

    assert [type(event) for event in seen] == [
        CallStarted, AttemptStarted, AttemptEnded, RetryPlanned, AttemptStarted, AttemptEnded,
        CallEnded,
    ]  # fmt: skip
    assert {event.call for event in seen} == {1}
    assert [event.at_s for event in seen] == [1000.0] * 4 + [1000.05] * 3
    assert seen[0].operation == "get"
    assert seen[1].route == "/invoices/i1"
    first, second = seen[2].attempt, seen[5].attempt
    assert (first.number, first.outcome, first.status, first.error, first.waited_s) == (
        1, Outcome.UNKNOWN, 503, "ServerError", 0.0,
    )  # fmt: skip
    assert (second.number, second.outcome, second.status, second.error, second.waited_s) == (
        2, Outcome.COMMITTED, 200, None, 0.05,
    )  # fmt: skip
    assert (first.why, second.why) == ("the first attempt", "unknown may pass")
    assert seen[3].wait_s == 0.05
    assert (seen[6].outcome, seen[6].error) == (Outcome.COMMITTED, None)


def test_attempts_are_counted_for_each_request(step: Any, backend: Any) -> None:
    """The wait before the first request is not charged to the second."""
    seen: list[Any] = []
    client, _ = client_of(backend, [say(503), say(), say()], observers=[seen.append])

    step(client.void("i1"))

    ends = [event.attempt for event in seen if isinstance(event, AttemptEnded)]
    assert [(end.number, end.waited_s, end.why) for end in ends] == [
        (1, 0.0, "the first attempt"), (2, 0.05, "unknown may pass"), (1, 0.0, "the first attempt"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("responses", "outcome", "error"),
    [
        ([say(503)], Outcome.UNKNOWN, "OutcomeUnknown"),
        ([say(422)], Outcome.REJECTED, "InvalidRequestError"),
        ([say(200, "{}")], Outcome.UNKNOWN, "OutcomeUnknown"),
        (
            [errors.NotConnectedError("x", evidence=UNSENT)] * 4,
            Outcome.NOT_SENT,
            "NotConnectedError",
        ),
        ([say(429)] * 4, Outcome.NOT_APPLIED, "RateLimitedError"),
        ([], Outcome.NOT_SENT, "ConfigurationError"),
        ([KeyboardInterrupt()], Outcome.UNKNOWN, "KeyboardInterrupt"),
    ],
    ids=["unclear", "refused", "no-id", "unsent", "limited", "script-over", "interrupted"],
)
def test_every_started_call_emits_its_end(
    step: Any, backend: Any, responses: list[Any], outcome: Outcome, error: str
) -> None:
    """An observer that opens something for a call can rely on closing it."""
    seen: list[Any] = []
    script = iter(responses)

    def response(_: object) -> Any:
        given = next(script, None)
        if given is None:
            raise errors.ConfigurationError("the script is over")
        if isinstance(given, KeyboardInterrupt):
            raise given
        return given

    client, _ = client_of(backend, response, observers=[seen.append])

    with pytest.raises(BaseException):  # noqa: B017 - which one is asked below
        step(client.create(Draft(number="1")))

    assert (type(seen[-1]), seen[-1].outcome, seen[-1].error) == (CallEnded, outcome, error)


def test_a_call_refused_locally_emits_no_event(step: Any, backend: Any) -> None:
    """Nothing began, so nothing is told."""
    seen: list[Any] = []
    client, _ = client_of(backend, observers=[seen.append])

    with pytest.raises(errors.InvalidInputError):
        step(client.create(Draft()))

    assert seen == []


def test_an_observer_that_raises_does_not_change_the_call(
    step: Any, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A write that succeeded stays a success; the listener's fault is logged."""
    seen: list[Any] = []

    def faulty(event: object) -> None:
        raise RuntimeError("the observer broke")

    client, _ = client_of(backend, [say()], observers=[faulty, seen.append])

    assert step(client.create(Draft(number="1"))) == Invoice(id="i1")
    assert len(seen) == 4
    assert {record.name for record in caplog.records} == {"billingual"}
    assert len(caplog.records) == 4


def test_a_conversation_is_always_closed(step: Any, backend: Any) -> None:
    """Whether it ends well or not, the dialect's generator is not left hanging."""
    closed: list[str] = []

    class Watched(SmallDialect):
        def get(self, invoice_id: str) -> Any:
            try:
                return (yield from super().get(invoice_id))
            finally:
                closed.append(invoice_id)

    provider = attrs.evolve(SMALL, dialects=(Watched(),))
    client, _ = client_of(backend, [say(), say(404), say(200, "x")], provider=provider)

    step(client.get("good"))
    for each in ("missing", "garbled"):
        with pytest.raises(errors.ProviderError):
            step(client.get(each))
    client.preview.get("preview")

    assert closed == ["good", "missing", "garbled", "preview"]


@pytest.fixture
async def on_a_loop(never_blocking: None) -> None:
    """Watch for blocking calls on asyncio."""


@pytest.mark.anyio
async def test_concurrent_calls_do_not_mix_up_their_events(on_a_loop: None) -> None:
    """Fifty tasks share one client; each gets its own invoice although all are tried again."""
    asked: dict[str, int] = {}

    def response(request: Any) -> Any:
        asked[request.url] = asked.get(request.url, 0) + 1
        name = request.url.rpartition("/")[2]
        return say(503) if asked[request.url] < 3 else say(200, f'{{"id": "{name}"}}')

    client, transport = client_of(
        None, response, retry=Retry(base_s=0.0), budget=RetryBudget(capacity=2000)
    )
    got: dict[str, str] = {}

    async def fetch(name: str) -> None:
        got[name] = (await client.get(name)).id

    async with client, anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(fetch, f"i{number}")

    assert got == {f"i{n}": f"i{n}" for n in range(50)}
    assert len(transport.requests) == 150


@pytest.mark.anyio
async def test_a_cancelled_call_ends_as_cancelled() -> None:
    """Cancellation passes through, no retry swallows it, and the client works afterwards."""
    seen: list[Any] = []

    class Slow:
        calls = 0

        async def send(self, request: Any, bounds: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                scope.cancel()
                await anyio.sleep_forever()
            return say()

        async def aclose(self) -> None: ...

    client = AsyncClient(SMALL, transport=Slow(), observers=[seen.append])
    with anyio.CancelScope() as scope:
        await client.create(Draft(number="1"))

    assert scope.cancelled_caught
    assert (type(seen[-1]), seen[-1].outcome) == (CallEnded, Outcome.UNKNOWN)
    assert await client.get("i1") == Invoice(id="i1")
