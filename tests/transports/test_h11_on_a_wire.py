"""The transport h11 against a real server: what no rule for every transport says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from _support.wires.link import BODY, GZIPPED, bounds, with_length
from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Safety
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Bounds, Timeouts, WireRequest, WireResponse

pytestmark = pytest.mark.anyio


def impatient(**phases: float) -> Bounds:
    """Make bounds with one short phase."""
    return bounds(timeouts=Timeouts(**phases))


def get(server: Any, path: str = "/x") -> WireRequest:
    """Make a GET to *server*."""
    return WireRequest(method="GET", url=f"{server.url}{path}", route="/x", safety=Safety.READ)


@pytest.fixture
async def transport() -> AsyncIterator[H11Transport]:
    """Make a transport and close it at the end."""
    made = H11Transport(TransportOptions(backend=AnyioBackend()))
    yield made
    await made.aclose()


async def test_a_response_as_large_as_its_bounds_is_fine(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """A bound is the largest that is taken, not the smallest that is refused."""
    server = serve(say(with_length(BODY)), say(with_length(GZIPPED, b"Content-Encoding: gzip")))
    plain = bounds(wire_bytes=len(BODY), body_bytes=len(BODY))
    packed = bounds(wire_bytes=len(GZIPPED), body_bytes=len(BODY))

    responses = [await transport.send(get(server), each) for each in (plain, packed)]

    assert [response.body for response in responses] == [BODY, BODY]


async def test_a_full_pool_means_that_nothing_was_sent(serve: Any, say: Any) -> None:
    """Waiting for a connection has its own error."""
    server = serve(say(then="hang"))
    transport = H11Transport(TransportOptions(backend=AnyioBackend(), connections=1))
    caught: list[BaseException] = []

    async def first() -> None:
        await transport.send(get(server), impatient(read=120.0))

    async def second() -> None:
        try:
            await transport.send(get(server), impatient(pool=0.02))
        except errors.BillingualError as error:
            caught.append(error)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        while not server.requests:  # noqa: ASYNC110 - the server is a thread
            await anyio.sleep(0.001)
        group.start_soon(second)
    await transport.aclose()

    assert [type(each) for each in caught] == [errors.PoolTimeoutError]


async def test_a_connection_with_unread_response_is_not_used_again(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """What is left of a response that was too large cannot become the next one's."""
    server = serve(say(with_length(b"y" * 300_000)), say(with_length(b"fine")))
    with pytest.raises(errors.ResponseTooLargeError):
        await transport.send(get(server), bounds(wire_bytes=10))

    response = await transport.send(get(server), bounds())

    assert response.body == b"fine"
    assert server.connections == 2


async def test_a_post_without_a_body_says_so(transport: H11Transport, serve: Any, say: Any) -> None:
    """Some servers refuse a POST whose length is not announced."""
    server = serve(say(with_length(b"")))
    request = WireRequest(
        method="POST", url=f"{server.url}/finalize", route="/x", safety=Safety.IDEMPOTENT
    )

    await transport.send(request, bounds())

    assert server.requests[0].count(b"Content-Length: 0\r\n") == 1


async def test_the_responses_headers_arrive_in_order(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """Repeated fields stay apart, and bytes beyond ASCII do not break anything."""
    server = serve(say(with_length(b"", b"X-A: 1", b"x-a: 2", b"X-B: caf\xe9")))

    response: WireResponse = await transport.send(get(server), bounds())

    assert response.headers.get_all("X-A") == ("1", "2")
    assert response.headers.get("x-b") == "café"


@pytest.mark.parametrize(
    "data",
    [
        with_length(BODY, b"Content-Encoding: br"),
        with_length(GZIPPED[:-9], b"Content-Encoding: gzip"),
        with_length(BODY),
    ],
    ids=["unknown-coding", "cut", "too-large"],
)
async def test_a_failed_response_gives_its_place_in_the_pool_back(
    serve: Any, say: Any, data: bytes
) -> None:
    """With one connection in all, the next request still gets one."""
    server = serve(say(data), say(with_length(b"fine")))
    transport = H11Transport(TransportOptions(backend=AnyioBackend(), connections=1))
    with pytest.raises(errors.TransportError):
        await transport.send(get(server), bounds(wire_bytes=1000))

    response = await transport.send(get(server), impatient(pool=0.2))
    await transport.aclose()

    assert response.body == b"fine"
