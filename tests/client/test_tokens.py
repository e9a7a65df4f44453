"""Tokens of a function: asked for once at a time, and once more where one is refused."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from _support.small_provider import SMALL, client_of, say
from billingual import AsyncClient, Client, Draft, errors
from billingual.events import AttemptEnded, RetryPlanned
from billingual.transports.memory import MemoryTransport
from billingual.wire import WireRequest, WireResponse

DRAFT = Draft(number="1")
BACKENDS = ["asyncio", "trio"]


def authorised(*good: str) -> Callable[[WireRequest], WireResponse]:
    """Refuse every token but these."""

    def respond(request: WireRequest) -> WireResponse:
        token = (request.headers.get("authorization") or "").removeprefix("Bearer ")
        return say() if token in good else say(401, '{"error": "expired"}')

    return respond


def async_client(token: Any, respond: Any = lambda _: say(), **options: Any) -> AsyncClient:
    """Make a client of the small provider that waits on an event loop."""
    return AsyncClient(
        SMALL, base_url="https://small.example", token=token,
        transport=MemoryTransport(respond), **options,
    )  # fmt: skip


@pytest.mark.parametrize("loop", BACKENDS)
def test_ten_calls_at_once_ask_once(loop: str) -> None:
    """A burst must not become a burst of token requests."""
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        await anyio.sleep(0.02)
        return "tok-1"

    async def main() -> None:
        client = async_client(token)
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(client.get, "i1")
        assert asked == 1
        await client.get("i1")
        assert asked == 2  # each attempt asks for the current one

    anyio.run(main, backend=loop)


def test_ten_threads_at_once_ask_once() -> None:
    """Also where the function blocks."""
    asked, started = itertools.count(1), threading.Barrier(10)
    seen: list[int] = []

    def token() -> str:
        seen.append(next(asked))
        time.sleep(0.3)
        return "tok-1"

    transport = MemoryTransport(lambda _: say())
    with Client(
        SMALL, base_url="https://small.example", token=token, transport=transport
    ) as client:

        def call() -> None:
            started.wait()
            client.get("i1")

        threads = [threading.Thread(target=call) for _ in range(10)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert seen == [1]
    assert len(transport.requests) == 10


@pytest.mark.parametrize("loop", BACKENDS)
def test_a_function_that_raises_spoils_its_own_call_only(loop: str) -> None:
    """The next call in line asks anew."""
    asked = itertools.count(1)

    async def token() -> str:
        number = next(asked)
        await anyio.sleep(0.01)
        if number == 1:
            raise LookupError("no token server")
        return "tok-1"

    ends: list[str] = []

    async def main() -> None:
        client = async_client(token)

        async def call() -> None:
            try:
                await client.get("i1")
            except LookupError:
                ends.append("raised")
            else:
                ends.append("read")

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(call)

    anyio.run(main, backend=loop)
    assert sorted(ends) == ["raised", "read", "read", "read"]
    assert next(asked) == 3


@pytest.mark.parametrize("loop", BACKENDS)
def test_a_call_that_is_cancelled_while_it_asks_cancels_no_other(loop: str) -> None:
    """The one that asked is gone; the next in line asks."""
    asked = itertools.count(1)

    async def token() -> str:
        number = next(asked)
        await anyio.sleep(60 if number == 1 else 0)
        return "tok-1"

    async def main() -> None:
        client = async_client(token)
        scope = anyio.CancelScope()

        async def first() -> None:
            with scope:
                await client.get("i1")

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(client.get, "i1")
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    anyio.run(main, backend=loop)
    assert next(asked) == 3


def test_a_client_may_go_from_one_event_loop_to_the_next() -> None:
    """What waits on one loop is never awaited on another."""
    client = async_client(lambda: "tok-1")
    for _ in range(3):
        asyncio.run(client.get("i1"))


def test_a_token_that_does_not_come_ends_with_the_deadline() -> None:
    """A call that waits for the token of another one sends nothing."""

    async def main() -> None:
        never = asyncio.Event()

        async def token() -> str:
            await never.wait()
            return "tok-1"

        client = async_client(token, deadline=0.1)
        asking = asyncio.ensure_future(client.get("i1"))
        await asyncio.sleep(0)
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await client.get("i1")
        assert not caught.value.maybe_applied
        asking.cancel()

    asyncio.run(main())


def test_a_refused_token_is_asked_for_once_more(step: Any, backend: Any) -> None:
    """It may have expired on its way. The write did nothing, so it is sent again."""
    tokens = iter(["old-token", "new-token"])
    seen: list[Any] = []
    client, transport = client_of(
        backend, authorised("new-token"), token=lambda: next(tokens), observers=[seen.append]
    )
    invoice = step(client.create(DRAFT))

    assert invoice.id == "i1"
    assert [each.headers.get("authorization") for each in transport.requests] == [
        "Bearer old-token",
        "Bearer new-token",
    ]
    assert [each.why for each in seen if isinstance(each, RetryPlanned)] == [
        "the token function has another token now"
    ]
    assert [each.attempt.status for each in seen if isinstance(each, AttemptEnded)] == [401, 200]


def test_the_same_token_again_is_not_sent_again(step: Any, backend: Any) -> None:
    """A wrong key must not lock the account twice as fast."""
    client, transport = client_of(backend, authorised("other"), token=lambda: "wrong-token")
    with pytest.raises(errors.AuthenticationError):
        step(client.create(DRAFT))

    assert len(transport.requests) == 1


def test_a_second_refusal_ends_the_call(step: Any, backend: Any) -> None:
    """However many tokens the function has."""
    tokens = (f"token-{number}" for number in itertools.count())
    client, transport = client_of(backend, authorised(), token=lambda: next(tokens))
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))

    assert len(transport.requests) == 2


def test_a_request_is_renewed_once_whatever_is_tried_between(step: Any, backend: Any) -> None:
    """A refusal after a retry is the second one of the same request."""
    tokens = (f"token-{number}" for number in itertools.count())
    replies = iter([say(401), say(429, retry_after="0"), say(401)])
    client, transport = client_of(backend, lambda _: next(replies), token=lambda: next(tokens))
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))

    assert len(transport.requests) == 3


def test_each_request_of_an_operation_may_be_renewed(step: Any, backend: Any) -> None:
    """The token of the second may expire although the first one's did."""
    tokens = (f"token-{number}" for number in itertools.count())
    replies = iter([say(401), say(), say(401), say()])
    client, transport = client_of(backend, lambda _: next(replies), token=lambda: next(tokens))

    assert step(client.void("i1")).id == "i1"  # it reads, and then it acts
    assert [each.method for each in transport.requests] == ["GET", "GET", "POST", "POST"]


def test_a_token_that_expires_between_two_attempts_is_renewed(step: Any, backend: Any) -> None:
    """The retry after a rate limit may come too late for the token it is signed with."""
    tokens = iter(["tok-1", "tok-2", "tok-3"])
    replies = iter([say(429, retry_after="0"), say(401), say()])
    client, transport = client_of(backend, lambda _: next(replies), token=lambda: next(tokens))
    assert step(client.create(DRAFT)).id == "i1"

    sent = [each.headers.get("authorization") for each in transport.requests]
    assert sent == ["Bearer tok-1", "Bearer tok-2", "Bearer tok-3"]


def test_a_program_that_retries_itself_gets_the_first_refusal(step: Any, backend: Any) -> None:
    """``retry="none"`` means one request for each call."""
    tokens = iter(["old-token", "new-token"])
    client, transport = client_of(
        backend, authorised("new-token"), token=lambda: next(tokens), retry="none"
    )
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))

    assert len(transport.requests) == 1


def test_a_function_that_raises_when_asked_again_leaves_the_refusal(
    step: Any, backend: Any
) -> None:
    """The provider's word is what the caller needs to see."""
    tokens = iter(["old-token"])
    client, transport = client_of(backend, authorised("new-token"), token=lambda: next(tokens))
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))

    assert len(transport.requests) == 1


def test_a_fixed_token_is_not_sent_twice(step: Any, backend: Any) -> None:
    """There is no other one."""
    client, transport = client_of(backend, authorised("other"), token="wrong-token")
    with pytest.raises(errors.AuthenticationError):
        step(client.get("i1"))

    assert len(transport.requests) == 1


def test_an_iterator_without_more_tokens_is_told(step: Any, backend: Any) -> None:
    """``next()`` raises StopIteration, which no coroutine can pass on as it is."""
    tokens = iter(["first-token-0123"])
    client, transport = client_of(backend, [say(), say()], token=lambda: next(tokens))
    step(client.get("i1"))

    with pytest.raises(errors.ConfigurationError, match="StopIteration") as caught:
        step(client.get("i1"))
    assert "token" == caught.value.field
    assert 1 == len(transport.requests)


@pytest.mark.parametrize(
    "wrong", [b"secret-token-0123", ["secret-token-0123"]], ids=["bytes", "list"]
)
def test_what_is_no_token_is_in_no_frame(wrong: object) -> None:
    """Programs that report errors send the local variables of each frame along."""
    client = Client(SMALL, token=lambda: wrong, transport=MemoryTransport())  # type: ignore[arg-type,return-value]

    with client, pytest.raises(errors.ConfigurationError) as caught:
        client.get("i1")
    ours = [each for each in caught.traceback if "src/billingual" in str(each.path)]
    assert ours
    for each in ours:
        assert "secret-token" not in repr(each.frame.f_locals)
