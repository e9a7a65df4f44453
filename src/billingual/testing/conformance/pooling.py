"""Many requests: connections are shared, limited, kept for a while, and never mixed up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

from billingual.errors import PoolTimeoutError
from billingual.testing.conformance.harness import (
    Bench,
    ExecutionScope,
    described,
    echo,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.report import checks_in, expect
from billingual.testing.conformance.server import Heard, Say, with_length
from billingual.wire import Timeouts, WireResponse

__all__ = ["POOL_CHECKS", "crossed"]

_MANY: Final = 100


async def crossed(
    bench: Bench, place: ExecutionScope, numbers: range, prefix: str = ""
) -> list[str]:
    """Send one request after another; list what was met instead of the response to each."""
    wrong = []
    for number in numbers:
        path = f"/{prefix}{number}"
        met = await bench.either(place.transport, request(place.url, path))
        if not isinstance(met, WireResponse) or met.body != path.encode():
            wrong.append(f"{path}: {described(met)}")
    return wrong


async def _at_once(bench: Bench, place: ExecutionScope, count: int, **bounds: Any) -> list[str]:
    """Send *count* requests at once; list what was met instead of the response to each."""

    def job(number: int) -> Callable[[], Coroutine[Any, Any, str]]:
        async def send() -> str:
            path = f"/{number}"
            asked = request(place.url, path)
            met = await bench.either(place.transport, asked, bench.bounds(**bounds))
            good = isinstance(met, WireResponse) and met.body == path.encode()
            return "" if good else f"{path}: {described(met)}"

        return send

    met = await bench.together([job(number) for number in range(count)])
    return [each for each in met if each]


@transport_check
async def a_hundred_at_once_get_their_own_responses(bench: Bench) -> None:
    """A hundred requests at once all succeed, each with the response to itself."""
    place = bench.answering(echo)

    for _ in range(2):
        wrong = await _at_once(bench, place, _MANY)
        expect(not wrong, expected="100 responses, each its own", seen=wrong)


@transport_check
async def a_connection_is_used_again(bench: Bench) -> None:
    """One request after another needs one connection, whatever the responses were."""
    server = bench.server(
        Say(with_length(b"ok")),
        Say(with_length(b"no", status=b"404 Not Found")),
        Say(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Say(with_length(bytes(100_000))),
        Say(with_length(b"ok")),
    )
    transport = bench.transport(keepalive_s=60.0)
    for _ in range(5):
        await bench.response(transport, request(server.url))

    expect(server.connections == 1, expected="one connection", seen=f"{server.connections}")


@transport_check
async def an_idle_connection_is_not_kept_for_long(bench: Bench) -> None:
    """A connection that was idle for longer than keepalive_s is not used again."""
    server = bench.server(script=echoed)
    transport = bench.transport(keepalive_s=0.05)
    await bench.response(transport, request(server.url))
    await bench.backend.sleep(0.15)
    await bench.response(transport, request(server.url))

    expect(server.connections == 2, expected="two connections", seen=f"{server.connections}")


@transport_check
async def an_announced_keep_alive_is_obeyed(bench: Bench) -> None:
    """A connection is not used again where the server's Keep-Alive leaves no time or no request."""
    for announced in (b"timeout=0", b"timeout=60, max=0", b'Max=0, Timeout="60"'):
        server = bench.server(*[Say(with_length(b"ok", b"Keep-Alive: " + announced))] * 2)
        transport = bench.transport(keepalive_s=60.0)
        for _ in range(2):
            await bench.response(transport, request(server.url))

        expect(
            server.connections == 2,
            expected=f"two connections after Keep-Alive: {announced.decode()}",
            seen=f"{server.connections}",
        )


@transport_check
async def a_connection_the_server_ends_is_not_used_again(bench: Bench) -> None:
    """After Connection: close the next request goes out on another one."""
    ends = with_length(b"ok", b"Connection: close")
    server = bench.server(Say(ends), Say(ends), Say(ends))
    transport = bench.transport()
    for _ in range(3):
        await bench.response(transport, request(server.url))

    expect(server.connections == 3, expected="three connections", seen=f"{server.connections}")


@transport_check
async def no_more_connections_than_allowed(bench: Bench) -> None:
    """Requests above the limit wait for their turn, and succeed."""

    def script(heard: Heard) -> Say:
        threading.Event().wait(0.005)
        return echoed(heard)

    server = bench.server(script=script)
    place = ExecutionScope(server.url, bench.transport(connections=3), list)
    wrong = await _at_once(bench, place, 24)

    expect(not wrong, expected="24 responses, each its own", seen=wrong)
    expect(server.most <= 3, expected="at most 3 connections at once", seen=f"{server.most}")


@transport_check
async def waiting_for_a_connection_ends(bench: Bench) -> None:
    """Where no connection becomes free in time, PoolTimeoutError says that nothing was sent."""
    release = threading.Event()
    bench.keep(release.set)
    server = bench.server(Say(with_length(b"ok"), after=release), Say(with_length(b"ok")))
    transport = bench.transport(connections=1)

    async def first() -> None:
        await bench.response(transport, request(server.url, "/first"))

    async def second() -> None:
        try:
            await bench.until(lambda: server.requests, what="the first request arrives")
            bounds = bench.bounds(timeouts=Timeouts(pool=0.05))
            asked = request(server.url, "/second", method="POST")
            error = await bench.failure(transport, asked, bounds, kind=PoolTimeoutError)
        finally:
            release.set()
        expect(
            error.evidence.request_complete is False and not error.evidence.response_begun,
            expected="evidence that nothing was sent",
            seen=described(error),
        )

    await bench.together([first, second])
    after = await bench.response(transport, request(server.url, "/third"))
    heard = [each.target for each in server.requests]
    expect(heard == ["/first", "/third"], expected="/first and /third only", seen=heard)
    expect(after.body == b"ok", expected="the place is free again", seen=described(after))


@transport_check
async def failures_give_their_place_back(bench: Bench) -> None:
    """With one connection in all, a request still succeeds after twenty failures of every kind."""
    kinds = (
        Say(then="reset"), Say(then="close"), Say(b"nonsense\r\n\r\n", then="close"),
        Say(with_length(bytes(5000))), Say(with_length(b"abc")[:-1], then="close"),
    )  # fmt: skip
    server = bench.server(*kinds * 4, Say(with_length(b"ok")))
    transport = bench.transport(connections=1)
    for _ in range(20):
        await bench.either(transport, request(server.url), bench.bounds(wire_bytes=1000))
    bounds = bench.bounds(timeouts=Timeouts(pool=0.5))
    after = await bench.response(transport, request(server.url), bounds)

    expect(after.body == b"ok", expected="a response", seen=described(after))


POOL_CHECKS: Final = checks_in(globals())
