"""Operations of more than one request: a part that was carried out is never called a failure."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import Draft, Invoice, Outcome, errors, unclear_from
from billingual.abc import RetryDecision
from billingual.events import AttemptEnded, AttemptStarted, CallEnded, CallStarted
from billingual.outcomes import Evidence, Safety
from billingual.wire import Conversation, WireRequest

DRAFT = Draft(number="1")
REFUSED = errors.NotConnectedError(
    "refused.", evidence=Evidence(connected=False, request_complete=False, response_begun=False)
)


class TwoStepDialect(SmallDialect):
    """A provider where an invoice and its line are made one after another, each with a key."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        super().__init__(attrs.evolve(CAPABILITIES, idempotency_keys=True), scope)

    def create(self, draft: Draft) -> Conversation[Invoice]:
        for path in ("/invoices", "/lines"):
            request = WireRequest(
                method="POST", url=path, route=path, safety=Safety.KEYED,
                key_header="Idempotency-Key", body=b"{}",
            )  # fmt: skip
            yield self.reading(request)
        return Invoice(id="i1")


TWO = attrs.evolve(SMALL, dialects=(TwoStepDialect(),))


@pytest.mark.parametrize(
    "second", [say(422), say(401), REFUSED, say(503), say(200, "<html>")], ids=str
)
def test_a_failed_second_request_leaves_the_operation_unclear(
    step: Any, backend: Any, second: Any
) -> None:
    """The first was carried out, so there is something at the provider."""
    seen: list[Any] = []
    responses = iter([say()])
    client, transport = client_of(
        backend, lambda _: next(responses, second), provider=TWO, retry="none",
        observers=[seen.append],
    )  # fmt: skip

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(DRAFT))

    assert caught.value.maybe_applied
    assert "applied" == caught.value.likely
    assert Outcome.UNKNOWN is next(e.outcome for e in seen if isinstance(e, CallEnded))
    assert 2 == len(transport.requests)


class TimeLimitError(Exception):
    """What a job queue raises in a signal handler."""


@pytest.fixture(params=[KeyboardInterrupt, TimeLimitError])
def stop(request: Any) -> Iterator[Callable[..., None]]:
    """Return a function that interrupts its caller: by Ctrl-C, or by a time limit."""

    def handle(*_: Any) -> None:
        raise request.param

    before = signal.signal(signal.SIGTERM, handle)
    yield lambda *_: signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, before)


def interrupting(stop: Callable[..., None], *, at: int) -> Any:
    """Make a function that is interrupted when it is called the *at*-th time."""
    left = [None] * (at - 1)

    def interrupt(*_: Any) -> str:
        if not left:
            stop()
        left.pop()
        return "not-a-real-one"

    return interrupt


def interrupted(step: Any, client: Any) -> tuple[BaseException, list[Any]]:
    """Create, and let it be interrupted; return the interrupt and what the hook was told."""
    told: list[errors.OutcomeUnknown] = []
    with pytest.raises((KeyboardInterrupt, TimeLimitError)) as caught:
        step(client.with_options(on_unclear=told.append).create(DRAFT))
    return caught.value, told


@pytest.mark.parametrize("where", ["while it is signed", "under way", "before it is tried again"])
def test_an_interrupt_after_the_first_request_leaves_the_operation_unclear(
    step: Any, backend: Any, stop: Any, where: str
) -> None:
    """The first was carried out, whether a byte of the second was sent or not."""
    seen: list[Any] = []
    options: dict[str, Any] = {"observers": [seen.append]}
    responses: list[Any] = [say(), say()]
    if where == "while it is signed":
        options["token"] = interrupting(stop, at=2)
    elif where == "under way":
        respond = interrupting(stop, at=2)
    else:
        responses = [say(), say(429)]
        backend.sleep = interrupting(stop, at=1)
    script = iter(responses)

    def answer(request: Any) -> Any:
        if where == "under way":
            respond()
        return next(script)

    client, _ = client_of(backend, answer, provider=TWO, **options)

    raised, told = interrupted(step, client)

    unclear = unclear_from(raised)
    assert unclear is not None
    assert told == [unclear]
    assert (unclear.likely, unclear.operation) == ("applied", "create")
    assert unclear.request is not None
    assert unclear.request.route == "/lines"
    assert [each.outcome for each in seen if isinstance(each, CallEnded)] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("safety", [Safety.READ, Safety.KEYED])
def test_an_interrupt_before_the_first_write_leaves_nothing(
    step: Any, backend: Any, stop: Any, safety: Safety
) -> None:
    """A read that went before changes nothing, and what is not signed was not sent."""

    class ReadFirst(TwoStepDialect):
        def create(self, draft: Draft) -> Conversation[Invoice]:
            if safety is Safety.READ:
                yield self.reading(WireRequest(method="GET", url="/a", route="/a", safety=safety))
            return (yield from super().create(draft))

    provider = attrs.evolve(SMALL, dialects=(ReadFirst(),))
    token = interrupting(stop, at=2 if safety is Safety.READ else 1)
    client, _ = client_of(backend, lambda _: say(), provider=provider, token=token)

    raised, told = interrupted(step, client)

    assert (unclear_from(raised), told) == (None, [])


@pytest.mark.parametrize("operation", ["create", "get"])
def test_what_a_signal_handler_raises_passes_through(
    step: Any, backend: Any, stop: Any, operation: str
) -> None:
    """The program waits for that exception; of a write it carries what was left unclear."""
    told: list[errors.OutcomeUnknown] = []
    seen: list[Any] = []
    client, transport = client_of(backend, stop, on_unclear=told.append, observers=[seen.append])

    with pytest.raises((KeyboardInterrupt, TimeLimitError)) as caught:
        step(client.create(DRAFT) if operation == "create" else client.get("i1"))

    assert len(transport.requests) == 1
    assert ([] if operation == "get" else [unclear_from(caught.value)]) == told
    ends = [each.attempt.outcome for each in seen if isinstance(each, AttemptEnded)]
    assert ends == [Outcome.UNKNOWN]


@pytest.mark.parametrize("event", [AttemptEnded, CallEnded])
def test_an_interrupt_while_observers_are_told_leaves_the_write_applied(
    step: Any, backend: Any, stop: Any, event: type
) -> None:
    """The write is done; the one who interrupts would otherwise lose it. Nothing is told twice."""
    seen: list[type] = []

    def observe(each: Any) -> None:
        seen.append(type(each))
        if type(each) is event:
            stop()

    client, _ = client_of(backend, [say()], observers=[observe])

    raised, told = interrupted(step, client)

    assert seen == [CallStarted, AttemptStarted, AttemptEnded, CallEnded]

    unclear = unclear_from(raised)
    assert unclear is not None
    assert told == [unclear]
    assert unclear.likely == "applied"


@pytest.mark.parametrize("event", [AttemptEnded, CallEnded])
@pytest.mark.parametrize(("response", "unclear"), [(503, True), (422, False)])
def test_an_interrupt_while_observers_are_told_hides_no_unclear_end(
    step: Any, backend: Any, stop: Any, event: type, response: int, *, unclear: bool
) -> None:
    """The interrupt replaces the error of the call, and carries what that said."""

    def observe(each: Any) -> None:
        if type(each) is event:
            stop()

    client, _ = client_of(backend, [say(response)], observers=[observe], retry="none")

    raised, told = interrupted(step, client)

    assert (unclear_from(raised) is not None) is unclear
    assert told == ([unclear_from(raised)] if unclear else [])


def test_an_interrupt_while_observers_are_told_of_the_start_leaves_nothing(
    step: Any, backend: Any, stop: Any
) -> None:
    """Nothing was sent."""

    def observe(seen: Any) -> None:
        if type(seen) is CallStarted:
            stop()

    client, _ = client_of(backend, [say()], observers=[observe])

    raised, told = interrupted(step, client)

    assert (unclear_from(raised), told) == (None, [])


@pytest.mark.parametrize("kind", ["token function", "closed", "deadline"])
def test_what_keeps_the_second_request_from_being_sent_leaves_the_operation_unclear(
    step: Any, backend: Any, kind: str
) -> None:
    """Even where a first request that met the same would simply have failed."""
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2 and kind == "token function":
            raise LookupError
        return "not-a-real-one"

    def respond(_: Any) -> Any:
        if kind == "closed":
            step(client.aclose())
        if kind == "deadline":
            backend.clock += 1000
        return say()

    client, transport = client_of(backend, respond, provider=TWO, token=token, retry="none")

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(DRAFT))

    assert caught.value.likely == "applied"
    assert len(transport.requests) == 1


def test_a_failed_first_request_is_a_failure(step: Any, backend: Any) -> None:
    """Nothing was carried out before it."""
    client, _ = client_of(backend, [say(422)], provider=TWO)

    with pytest.raises(errors.InvalidRequestError):
        step(client.create(DRAFT))


def test_a_repeated_key_repeats_the_keys_of_all_requests(step: Any, backend: Any) -> None:
    """They are made from the one that was given, and differ from any that could be given."""
    client, transport = client_of(backend, lambda _: say(), provider=TWO)

    for _ in range(2):
        step(client.create(DRAFT, key="order-7"))
    keys = [each.headers.get("idempotency-key") for each in transport.requests]

    assert keys[:2] == keys[2:]
    assert "order-7" == keys[0]
    assert 64 == len(keys[1] or "")


@pytest.mark.parametrize("where", ["before it is tried again", "while it is signed again"])
def test_an_interrupt_before_an_unclear_create_is_sent_again_passes_through(
    step: Any, backend: Any, stop: Any, where: str
) -> None:
    """It ends the call, and carries what the first attempt left unclear."""
    options: dict[str, Any] = {}
    if where == "before it is tried again":
        backend.sleep = interrupting(stop, at=1)
    else:
        options["token"] = interrupting(stop, at=2)
    client, transport = client_of(backend, [say(503)], provider=TWO, **options)

    raised, told = interrupted(step, client)

    assert len(transport.requests) == 1
    assert told == [unclear_from(raised)]


def test_an_interrupt_while_a_token_is_renewed_passes_through(
    step: Any, backend: Any, stop: Any
) -> None:
    """The refusal of the old token does not hide it."""
    token = interrupting(stop, at=2)
    client, transport = client_of(backend, [say(401)], token=token)

    raised, told = interrupted(step, client)

    assert len(transport.requests) == 1
    assert (unclear_from(raised), told) == (None, [])


class Interrupted:
    """A retry policy and an observer that are interrupted in one of their methods."""

    attempts = 3

    def __init__(self, stop: Callable[..., None], where: str) -> None:
        self._stop = stop
        self._where = where

    def __call__(self, event: Any) -> None:
        pass

    def _met(self, where: str) -> None:
        if where == self._where:
            self._stop()

    def admit(self, now: float) -> None:
        self._met("admit")

    def note(self, error: Any, now: float) -> None:
        self._met("note")

    def decide(self, attempts: Any, **how: Any) -> RetryDecision:
        self._met("decide")
        return RetryDecision(wait_s=None, why="enough")

    def headers(self) -> dict[str, str]:
        self._met("headers")
        return {}


@pytest.mark.parametrize(
    ("where", "response", "unclear"),
    [
        ("admit", 200, False), ("headers", 200, False), ("note", 200, True), ("note", 503, True),
        ("note", 422, False), ("decide", 429, False), ("on_unclear", 503, True),
    ],
)  # fmt: skip
def test_an_interrupt_in_what_a_program_brings_along_passes_through(
    step: Any, backend: Any, stop: Any, where: str, response: int, *, unclear: bool
) -> None:
    """It ends the call instead of being logged as a fault of the policy, observer or hook."""
    own = Interrupted(stop, where)
    hook = stop if where == "on_unclear" else None
    client, _ = client_of(
        backend, [say(response)], retry=own, observers=[own], on_unclear=hook
    )  # fmt: skip

    with pytest.raises((KeyboardInterrupt, TimeLimitError)) as caught:
        step(client.create(DRAFT))

    assert (unclear_from(caught.value) is not None) is unclear
