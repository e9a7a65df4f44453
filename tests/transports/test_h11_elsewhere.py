"""A client outlives the event loop, or the process, that it was first used in."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
import trio

from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Safety
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BOUNDS = Bounds(timeouts=Timeouts.each(10), deadline=Deadline(100.0, lambda: 0.0))


def a_transport() -> H11Transport:
    """Make a transport that keeps connections for long."""
    return H11Transport(TransportOptions(backend=AnyioBackend(), keepalive_s=60.0))


async def ask(transport: H11Transport, url: str) -> bytes:
    """Send one request."""
    request = WireRequest(method="GET", url=f"{url}/x", route="/x", safety=Safety.READ)
    return (await transport.send(request, BOUNDS)).body


@pytest.mark.parametrize(
    ("first", "then"), [(asyncio.run, asyncio.run), (asyncio.run, None)], ids=["asyncio", "trio"]
)
def test_a_client_works_on_the_next_event_loop(
    serve: Any, say: Any, first: Callable[..., Any], then: Callable[..., Any] | None
) -> None:
    """Never "event loop is closed": the old loop closed its connection, and a new one is opened."""
    server = serve(*[say(RESPONSE)] * 3)
    transport = a_transport()

    async def twice_and_close() -> list[bytes]:
        bodies = [await ask(transport, server.url) for _ in range(2)]
        await transport.aclose()
        return bodies

    before = first(ask(transport, server.url))
    after = asyncio.run(twice_and_close()) if then else trio.run(twice_and_close)
    gc.collect()  # a connection that was left open would warn now

    assert [before, *after] == [b"ok"] * 3
    assert server.connections == 2
