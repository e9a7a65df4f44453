"""One client for many threads, and for many greenlets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest

from _support.invoice_server import InvoiceServer, uid
from billingual import Client, errors
from billingual.abc import TransportOptions
from billingual.transports.httpx import HttpxTransport


def limited(connections: int) -> Callable[[TransportOptions], HttpxTransport]:
    """Make a transport of so many connections."""
    return lambda options: HttpxTransport(attrs.evolve(options, connections=connections))


@pytest.mark.parametrize("backend", ["blocking", "portal"])
@pytest.mark.parametrize("connections", [4, 100])
def test_sixteen_threads_share_a_client(
    server: InvoiceServer, backend: str, connections: int
) -> None:
    """No response goes to another thread, and there are never more connections than allowed."""
    begin = threading.Barrier(16)

    def calls(thread: int) -> int:
        begin.wait()
        return sum(
            client.get(uid(1000 * thread + n)).number != uid(1000 * thread + n) for n in range(25)
        )

    with (
        Client(
            "exante",
            base_url=server.url,
            token="t",
            backend=backend,
            transport=limited(connections),
        ) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        wrong = sum(threads.map(calls, range(16)))

    assert (wrong, len(server.requests)) == (0, 400)
    assert server.most <= min(connections, 16)


def test_a_call_that_finds_no_free_connection_says_so(server: InvoiceServer) -> None:
    """PoolTimeoutError once the pool's time is over; nothing was sent, and the next call works."""
    server.hold(2)
    with (
        Client("exante", base_url=server.url, token="t", transport=limited(2)) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        held = [threads.submit(client.get, uid(n)) for n in (1, 2)]
        server.wait_for_held()
        hasty = client.with_options(timeout=0.05, retry="none")
        with pytest.raises(errors.PoolTimeoutError, match="all 2 connections") as caught:
            hasty.get(uid(3))
        server.release()
        numbers = [each.result().number for each in held]
        after = client.get(uid(4)).number

    assert caught.value.evidence.connected is False
    assert [*numbers, after] == [uid(1), uid(2), uid(4)]
    assert len(server.requests) == 3


def test_greenlets_share_a_client(start: Callable[..., Any], server: Any) -> None:
    """Under gevent a call that waits lets the others go on: no thread is blocked."""
    server.hold(8)
    program = start(
        """
ticks, over = 0, False
def tick():
    global ticks
    while not over:
        ticks += 1
        gevent.sleep(0.001)
ticker = gevent.spawn(tick)
with client() as used:
    callers = [gevent.spawn(used.get, uid(n)) for n in range(8)]
    while ticks < 50:
        gevent.sleep(0.001)
    print("ticking", sum(each.ready() for each in callers))
    gevent.joinall(callers)
    over = True
    print(sum(each.value.number != uid(n) for n, each in enumerate(callers)))
""",
        before="import gevent.monkey; gevent.monkey.patch_all()",
    )

    server.wait_for_held()
    assert program.line() == "ticking 0"
    server.release()
    ended = program.end()
    assert (ended.code, ended.out, ended.noise) == (0, "0", "")
