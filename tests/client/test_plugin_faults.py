"""Parts that others wrote may fail as they like: they never take the end of a write away."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import attrs
import pytest

from _support.small_provider import CAPABILITIES, SMALL, SmallDialect, client_of, say
from billingual import AsyncClient, Draft, Feature, Outcome, Retry, errors, unclear_from
from billingual.abc import RetryDecision
from billingual.events import CallEnded
from billingual.outcomes import Evidence, Safety
from billingual.wire import Conversation

DRAFT = Draft(number="1")
LOST = errors.ConnectionLostError("lost.", evidence=Evidence(connected=True, request_complete=True))
ENDS = {Feature.FINALIZE: frozenset({"FINALIZED"})}


class Noting(Retry):
    """A policy whose note() fails."""

    def note(self, error: Any, now: float) -> None:
        raise ValueError("a policy's own fault")


class Saying:
    """A policy that says what it was told to say."""

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def decide(self, *_: Any, **__: Any) -> Any:
        return self.decision


class FailingToken:
    """A token function that fails from the n-th time on."""

    def __init__(self, good: int) -> None:
        self.good = good

    def __call__(self) -> str:
        self.good -= 1
        if self.good < 0:
            raise LookupError("the vault is shut")
        return "a-token-of-some-length"


class KeyedDialect(SmallDialect):
    """A provider that takes keys, so that an unclear create is sent again."""

    def __init__(self, _: Any = None, scope: Any = None) -> None:
        super().__init__(attrs.evolve(CAPABILITIES, idempotency_keys=True), scope)

    def create(self, draft: Draft) -> Conversation[Any]:
        plain = super().create(draft)
        response = yield attrs.evolve(next(plain), safety=Safety.KEYED, key_header="Key")
        try:
            plain.send(response)
        except StopIteration as done:
            return done.value


KEYED = attrs.evolve(SMALL, dialects=(KeyedDialect(),))
KNOWING = attrs.evolve(
    SMALL, dialects=(SmallDialect(attrs.evolve(CAPABILITIES, final_statuses=ENDS)),)
)


@pytest.mark.parametrize("response", [say(), LOST], ids=["done", "unclear"])
def test_a_note_that_raises_does_not_change_the_call(
    step: Any, backend: Any, response: Any
) -> None:
    """The outcome of the call stays as it was."""
    client, _ = client_of(backend, [response], retry=Noting())

    if response is LOST:
        with pytest.raises(errors.OutcomeUnknown):
            step(client.create(DRAFT))
    else:
        assert "i1" == step(client.create(DRAFT)).id


def test_a_token_function_that_fails_during_the_readback_leaves_the_end_unclear(
    step: Any, backend: Any
) -> None:
    """The read that would settle a finalize is a help, and its failure no response."""
    client, _ = client_of(backend, [LOST], provider=KNOWING, token=FailingToken(1))

    with pytest.raises(errors.OutcomeUnknown):
        step(client.finalize("i1"))


def test_a_token_function_that_fails_between_attempts_leaves_a_keyed_write_unclear(
    step: Any, backend: Any
) -> None:
    """The first attempt may have been acted on, whatever keeps the second from going out."""
    client, transport = client_of(backend, [LOST], provider=KEYED, token=FailingToken(1))

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(DRAFT))
    assert LookupError is type(caught.value.__cause__)
    assert 1 == len(transport.requests)


def test_an_error_of_a_token_function_is_raised_unchanged(step: Any, backend: Any) -> None:
    """Nothing was sent, so there is nothing to add."""
    client, transport = client_of(backend, [], token=FailingToken(0))

    with pytest.raises(LookupError, match="the vault is shut"):
        step(client.create(DRAFT))
    assert [] == transport.requests


@pytest.mark.parametrize(
    "decision",
    [
        None, 3, "again",
        RetryDecision(wait_s=-1.0, why="back"), RetryDecision(wait_s=float("nan"), why=""),
        RetryDecision(wait_s=float("inf"), why="never"),
        RetryDecision(wait_s=1.0, why="at the deadline"),
    ],
    ids=str,
)  # fmt: skip
def test_a_decision_that_cannot_be_carried_out_stops_the_call(
    step: Any, backend: Any, decision: Any
) -> None:
    """No policy, also a foreign one, sleeps past the deadline or crashes the call."""
    client, transport = client_of(backend, lambda _: say(503), retry=Saying(decision), deadline=1.0)

    with pytest.raises(errors.ServerError) as caught:
        step(client.get("i1"))

    assert 1 == len(transport.requests)
    assert [] == backend.sleeps
    assert caught.value.stopped.startswith("the retry policy")


def test_an_observers_error_is_logged_without_the_payload(
    step: Any, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A log is no place for invoices."""

    def faulty(event: Any) -> None:
        raise KeyError("oops")

    canary = "canary-51c0de"
    client, _ = client_of(backend, [say(200, f'{{"id": "{canary}"}}')], observers=[faulty])
    with caplog.at_level(logging.DEBUG):
        assert canary == step(client.get(canary)).id

    assert "an observer raised; it was ignored" in caplog.text
    assert canary not in "".join(
        each.getMessage() + str(each.exc_info and each.exc_info[1].__context__)
        for each in caplog.records
        if each.name == "billingual"
    )


def test_an_interrupt_while_a_response_is_read_leaves_the_end_unclear(
    step: Any, backend: Any
) -> None:
    """The response had come, so the provider had acted or not; no code has read which."""

    class Interrupted(SmallDialect):
        def create(self, draft: Draft) -> Conversation[Any]:
            yield next(super().create(draft))
            raise KeyboardInterrupt

    seen: list[Any] = []
    provider = attrs.evolve(SMALL, dialects=(Interrupted(),))
    client, _ = client_of(backend, [say()], provider=provider, observers=[seen.append])

    with pytest.raises(KeyboardInterrupt):
        step(client.create(DRAFT))
    assert [Outcome.UNKNOWN] == [each.outcome for each in seen if isinstance(each, CallEnded)]


class TimeLimitError(Exception):
    """What a job queue raises in a signal handler."""


@pytest.fixture
def limit() -> Iterator[Callable[..., None]]:
    """Return what makes the time limit come."""

    def raise_limit(*_: object) -> None:
        raise TimeLimitError

    before = signal.signal(signal.SIGUSR1, raise_limit)
    yield lambda *_: signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("where", ["judge", "_invoice"])
def test_a_time_limit_while_a_response_is_read_passes_through(
    step: Any, backend: Any, limit: Callable[..., None], where: str
) -> None:
    """The program waits for its own exception, and the dialect is not to blame for it."""
    limited = type("Limited", (SmallDialect,), {where: limit})
    provider = attrs.evolve(SMALL, dialects=(limited(),))
    client, _ = client_of(backend, [say(), say()], provider=provider)

    with pytest.raises(TimeLimitError) as read:
        step(client.get("i1"))
    with pytest.raises(TimeLimitError) as written:
        step(client.create(DRAFT))
    assert unclear_from(read.value) is None
    assert isinstance(unclear_from(written.value), errors.OutcomeUnknown)


@pytest.mark.anyio
async def test_a_cancelled_block_closes_its_client(anyio_backend: str) -> None:
    """No connection stays open."""
    begun = ended = 0
    all_ended = anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        nonlocal begun, ended
        begun += 1
        async with stream:
            try:
                while True:
                    await stream.receive()
                    await anyio.sleep(0.02)
                    await stream.send(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                ended += 1
                if ended == 6:
                    all_ended.set()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no database here
    async with listener, anyio.create_task_group() as server:
        server.start_soon(listener.serve, serve)
        with anyio.CancelScope() as scope:
            async with AsyncClient(
                "exante", base_url=f"http://127.0.0.1:{port}", token="t", retry="none"
            ) as client:

                async def ask() -> None:
                    with pytest.raises(errors.NotFoundError):
                        await client.get("550e8400-e29b-41d4-a716-446655440000")

                async with anyio.create_task_group() as tasks:
                    for _ in range(6):
                        tasks.start_soon(ask)
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.fail_after(120):
            await all_ended.wait()
        server.cancel_scope.cancel()

    assert 6 == begun == ended
