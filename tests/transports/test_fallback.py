"""A fallback goes on only where nothing was sent, so nothing is ever sent twice."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.abc import Account, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SyncBackend
from billingual.outcomes import Evidence, Safety
from billingual.transports.fallback import FallbackTransport, fallback
from billingual.transports.httpx import HttpxTransport
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

BOUNDS = Bounds(timeouts=Timeouts.each(10), deadline=Deadline(100.0, lambda: 0.0))
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def a_write(url: str = "http://h/x") -> WireRequest:
    """Make a request that must not be sent twice."""
    return WireRequest(method="POST", url=url, route="/x", safety=Safety.CREATE, body=b"{}")


class Elsewhere:
    """Send to another port than asked: a way of its own to the provider."""

    supports = frozenset({"async", "sync"})

    def __init__(self, inner: Any, port: int) -> None:
        self._inner = inner
        self._port = port

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        return await self._inner.send(a_write(f"http://127.0.0.1:{self._port}/x"), bounds)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def account(self, provider: str) -> Account | None:
        return None


@pytest.mark.anyio
async def test_the_next_way_is_taken_without_a_connection(
    serve: Any, say: Any, closed_port: int
) -> None:
    """The server gets the write once, by the way that works."""
    server = serve(say(YES))
    inner = HttpxTransport(TransportOptions(backend=AnyioBackend()))
    transport = FallbackTransport(Elsewhere(inner, closed_port), inner)

    response = await transport.send(a_write(f"{server.url}/x"), BOUNDS)
    await transport.aclose()
    await inner.aclose()

    assert (response.body, len(server.requests)) == (b"ok", 1)


@pytest.mark.anyio
@pytest.mark.parametrize("then", ["close", "reset", "hang"])
async def test_a_write_that_went_out_is_never_sent_by_another_way(
    serve: Any, say: Any, then: str
) -> None:
    """However the response was lost: the second way is not asked."""
    server = serve(say(b"", then=then))
    inner = HttpxTransport(TransportOptions(backend=AnyioBackend()))
    second = MemoryTransport([MemoryTransport.json("{}")])
    bounds = Bounds(timeouts=Timeouts(read=0.4), deadline=BOUNDS.deadline)

    with pytest.raises(errors.TransportError) as caught:
        await FallbackTransport(inner, second).send(a_write(f"{server.url}/x"), bounds)
    await inner.aclose()

    assert caught.value.evidence.request_complete is not False
    assert (len(server.requests), second.requests) == (1, [])


def seen(*told: bool | None) -> Evidence:
    """Make evidence: connected, complete, begun."""
    return Evidence(connected=told[0], request_complete=told[1], response_begun=told[2])


@pytest.mark.parametrize(
    ("failure", "goes_on"),
    [
        (errors.NotConnectedError("x", evidence=seen(False, False, False)), True),
        (errors.NotConnectedError("x"), True),
        (errors.NotConnectedError("x", evidence=seen(True, True, False)), False),
        (errors.NotConnectedError("x", evidence=seen(None, None, True)), False),
        (errors.PoolTimeoutError("x", evidence=seen(False, False, False)), True),
        (errors.PoolTimeoutError("x"), True),
        (errors.ConnectionLostError("x", evidence=seen(False, False, False)), True),
        (errors.ConnectionLostError("x", evidence=seen(True, False, False)), False),
        (errors.ConnectionLostError("x", evidence=seen(None, False, False)), False),
        (errors.ConnectionLostError("x", evidence=seen(False, None, False)), False),
        (errors.ConnectionLostError("x"), False),
        (errors.TimedOutError("x", evidence=seen(True, True, False)), False),
        (errors.TimedOutError("x"), False),
        (errors.ResponseTooLargeError("x", evidence=seen(True, True, True)), False),
        (errors.ConfigurationError("x"), False),
        (errors.InternalError("x"), False),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bool) else None,
)
def test_only_proof_lets_a_request_go_on(
    failure: errors.BillingualError, goes_on: bool, step: Any  # noqa: FBT001
) -> None:  # fmt: skip
    """What a transport cannot tell counts as sent."""
    first = MemoryTransport([failure])
    second = MemoryTransport([MemoryTransport.json("{}")])

    raised = None
    try:
        step(FallbackTransport(first, second).send(a_write(), BOUNDS))
    except errors.BillingualError as error:
        raised = error

    assert raised is (None if goes_on else failure)
    assert len(second.requests) == int(goes_on)


def test_the_last_failure_tells_of_those_before(step: Any) -> None:
    """And each request begins with the first way again."""
    ways = [
        MemoryTransport(lambda _, n=name: errors.NotConnectedError(f"no {n}")) for name in "abc"
    ]
    transport = FallbackTransport(*ways)

    for _ in range(2):
        with pytest.raises(errors.NotConnectedError, match="no c") as caught:
            step(transport.send(a_write(), BOUNDS))

    assert caught.value.__notes__ == [
        "before that, nothing was sent by MemoryTransport: no a",
        "before that, nothing was sent by MemoryTransport: no b",
    ]
    assert [len(way.requests) for way in ways] == [2, 2, 2]


def test_no_other_way_is_tried_after_the_deadline(step: Any) -> None:
    """A call has one end for all ways."""
    first = MemoryTransport([errors.NotConnectedError("late")])
    over = Bounds(timeouts=BOUNDS.timeouts, deadline=Deadline(1.0, lambda: 2.0))

    with pytest.raises(errors.NotConnectedError, match="late"):
        step(FallbackTransport(first, MemoryTransport()).send(a_write(), over))

    assert len(first.requests) == 1


class Sole(MemoryTransport):
    """A transport of one colour that counts how often it is closed and dropped."""

    def __init__(self, *supports: str) -> None:
        super().__init__()
        self.supports = frozenset(supports)  # type: ignore[misc]
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        raise OSError(f"cannot close {self.closed}")

    def drop(self) -> int:
        return 2

    def account(self, provider: str) -> Account | None:
        return None


@pytest.mark.parametrize(
    ("supports", "together"),
    [
        ([{"async"}, {"async", "sync"}], {"async"}),
        ([{"sync"}, {"async", "sync"}], {"sync"}),
        ([{"async", "sync"}] * 2, {"async", "sync"}),
        ([{"async"}, {"sync"}], None),
    ],
)
def test_ways_must_wait_alike(supports: list[set[str]], together: set[str] | None) -> None:
    """The supports of a fallback are those that all its ways have."""
    ways = [Sole(*each) for each in supports]

    if together is None:
        with pytest.raises(errors.ConfigurationError, match="do not wait alike"):
            FallbackTransport(*ways)
        return
    assert together == set(FallbackTransport(*ways).supports)


def test_a_fallback_needs_a_way() -> None:
    """None at all is a mistake."""
    with pytest.raises(errors.ConfigurationError, match="needs transports"):
        FallbackTransport()


def test_what_was_made_is_closed_and_what_was_given_is_not() -> None:
    """All of it, even if closing one fails."""
    made, lent, also = Sole("async"), Sole("async"), Sole("async")
    options = TransportOptions(backend=AnyioBackend())
    transport: Any = fallback(lambda _: made, lent, lambda _: also)(options)

    with pytest.raises(OSError, match="cannot close 1"):
        anyio.run(transport.aclose)

    assert [each.closed for each in (made, lent, also)] == [1, 0, 1]
    assert transport.drop() == 4
    assert transport.account("exante") is None


def test_a_way_made_for_a_loop_is_not_mixed_with_one_that_blocks() -> None:
    """It would suspend in the thread of the other."""
    options = TransportOptions(backend=AnyioBackend())

    with pytest.raises(errors.ConfigurationError, match="under this client"):
        fallback("httpx", Sole("sync"))(options)
    blocking = fallback("httpx", Sole("sync"))(TransportOptions(backend=SyncBackend()))

    assert set(blocking.supports) == {"sync"}  # type: ignore[attr-defined]


def test_clients_of_both_kinds_take_a_fallback() -> None:
    """A way that is down makes room for the sandbox, and its account is used."""
    down = MemoryTransport(lambda _: errors.NotConnectedError("down"))
    down.account = lambda provider: None  # type: ignore[method-assign]

    with Client("exante", transport=fallback(down, "sandbox")) as client:
        first = client.list(page_size=3).first()

    async def awaited() -> object:
        async with AsyncClient("exante", transport=fallback(down, "sandbox")) as client:
            return await client.list(page_size=3).first()

    assert first == anyio.run(awaited)
    assert first is not None
    assert len(down.requests) == 2
