"""Transports and backends of two supports, several event loops, and the portal between them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trio

from _support.invoice_server import InvoiceServer, uid
from billingual import AsyncClient, Client, errors
from billingual.abc import TransportOptions
from billingual.backends.portal import PortalBackend
from billingual.transports.memory import MemoryTransport
from billingual.wire import Bounds, WireRequest, WireResponse

BASE = "http://127.0.0.1:9"
RESPONSE = """{{"status": "success", "status_code": 200, "message": "ok",
              "data": {{"uid": "{0}", "invoice_number": "{0}"}}}}"""


class Remembering(MemoryTransport):
    """Answer every request, and remember the thread of each."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        super().__init__(lambda request: self.json(RESPONSE.format(request.url[-36:])))
        self.threads: set[int] = set()
        self.closed_in: set[int] = set()

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        self.threads.add(threading.get_ident())
        return await super().send(request, bounds)

    async def aclose(self) -> None:
        self.closed_in.add(threading.get_ident())


class Blocking(Remembering):
    supports = frozenset({"sync"})  # type: ignore[misc]  # the other way to wait is the point


class Async(Remembering):
    """It waits on the loop that runs."""

    supports = frozenset({"async"})  # type: ignore[misc]  # likewise

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        await asyncio.sleep(0)
        return await super().send(request, bounds)


def run_asyncio(work: Callable[[], Any]) -> Any:
    """Run *work* on asyncio."""
    return asyncio.run(work())


def run_trio(work: Callable[[], Any]) -> Any:
    """Run *work* on trio."""
    return trio.run(work)


@pytest.mark.parametrize("run", [run_asyncio, run_trio], ids=["asyncio", "trio"])
def test_a_transport_that_blocks_serves_an_async_client_from_worker_threads(
    run: Callable[[Callable[[], Any]], Any],
) -> None:
    """The loop's thread never blocks, in a call or in closing."""
    made: list[Blocking] = []

    def make(options: TransportOptions) -> Blocking:
        made.append(Blocking())
        return made[-1]

    async def work() -> str | None:
        async with AsyncClient("exante", base_url=BASE, token="t", transport=make,
                               allow_insecure=True) as client:  # fmt: skip
            return (await client.get(uid(1))).number

    number = run(work)

    assert uid(1) == number
    assert made[0].threads
    assert threading.get_ident() not in made[0].threads | made[0].closed_in


@pytest.mark.parametrize("given", [Async, Async()], ids=["made", "given"])
def test_a_transport_that_suspends_is_refused_to_a_blocking_client(given: Any) -> None:
    """At construction, with both ways out; before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match=r'AsyncClient.*backend="portal"'):
        Client("exante", base_url=BASE, token="t", transport=given)


def test_a_transport_that_suspends_serves_a_blocking_client_through_the_portal() -> None:
    """All its calls are made on the portal's one thread."""
    transport = Async()
    with Client("exante", base_url=BASE, token="t", transport=transport, backend="portal") as one:
        numbers = [one.get(uid(n)).number for n in (1, 2)]

    assert [uid(1), uid(2)] == numbers
    assert len(transport.threads) == 1
    assert threading.get_ident() not in transport.threads


def test_a_suspending_transport_that_says_it_blocks_is_named() -> None:
    """The coroutine is closed, and the error says what it waited for."""

    class Liar(Async):
        supports = frozenset({"sync"})  # type: ignore[misc]  # it lies

    with (
        Client("exante", base_url=BASE, token="t", transport=Liar()) as client,
        pytest.raises(errors.InternalError, match=r'waits on an event loop.*backend="portal"'),
    ):
        client.get(uid(1))


def test_the_portal_is_one_thread_for_the_whole_process(server: InvoiceServer) -> None:
    """Two clients in many threads use the same one, and none is begun before the first call."""
    options: dict[str, Any] = {"base_url": server.url, "token": "t", "backend": "portal"}
    with (
        Client("exante", **options) as one,
        Client("exante", **options) as two,
        ThreadPoolExecutor(8) as threads,
    ):
        list(threads.map(lambda n: (one if n % 2 else two).get(uid(n)), range(16)))
        named = [each for each in threading.enumerate() if each.name == "billingual-portal"]

    assert len(named) == 1


def test_the_portal_begins_with_the_first_call(run: Callable[..., Any]) -> None:
    """Making a client starts no thread."""
    ended = run("""
used = client(backend="portal")
print(threading.active_count())
crossed(used, [1])
print(threading.active_count())
used.close()
""")

    assert (ended.code, ended.out.split(), ended.noise) == (0, ["1", "2"], "")


def test_the_portal_refuses_a_call_from_its_own_thread(server: InvoiceServer) -> None:
    """The thread would wait for itself; the error says what to do instead."""
    with Client("exante", base_url=server.url, token="t", backend="portal") as client:

        async def inside() -> None:
            client.get(uid(1))

        with pytest.raises(errors.ConfigurationError, match="await an AsyncClient"):
            PortalBackend().run(inside())
        number = client.get(uid(2)).number

    assert uid(2) == number


def test_each_event_loop_gets_its_own_connections(server: InvoiceServer) -> None:
    """A client lives on from loop to loop; the old connections are closed."""
    client = AsyncClient("exante", base_url=server.url, token="t")

    async def calls() -> list[str | None]:
        return [(await client.get(uid(n))).number for n in (1, 2)]

    async def calls_and_close() -> list[str | None]:
        async with client:
            return await calls()

    seen = [asyncio.run(calls()), trio.run(calls), asyncio.run(calls_and_close())]

    assert [[uid(1), uid(2)]] * 3 == seen
    assert server.connections == 3
    server.wait_for_open(0)


def test_two_loops_in_two_threads_share_a_client(server: InvoiceServer) -> None:
    """Both at once; closing on one closes the connections of both, each on its own loop."""
    client = AsyncClient("exante", base_url=server.url, token="t")
    both = threading.Barrier(2, timeout=120)
    wrong: list[bool] = []

    async def calls(thread: int) -> None:
        for n in range(25):
            both.wait()
            wrong.append((await client.get(uid(100 * thread + n))).number != uid(100 * thread + n))
        both.wait()
        if thread == 0:
            await client.aclose()
            both.wait()
        else:
            both.wait()
            # The loop goes on until the connection, which another thread let go, is closed here.
            for _ in range(10):
                await asyncio.sleep(0)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(asyncio.run, calls(n)) for n in range(2)]:
            each.result()

    assert wrong == [False] * 50
    assert server.connections == 2
    server.wait_for_open(0)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system lists no descriptors")
@pytest.mark.parametrize(
    # Connections of urllib3 belong to no run: a thread waits for their responses.
    ("name", "kept"), [("h11", 0), ("httpx", 0), ("httpx2", 0), ("urllib3", 1)],
)  # fmt: skip
def test_a_client_keeps_nothing_of_the_runs_of_trio_that_ended(
    server: InvoiceServer, name: str, kept: int
) -> None:
    """Neither its connections nor its descriptors, of which each run has several."""
    client = AsyncClient("exante", base_url=server.url, token="t", transport=name)

    async def work() -> None:
        await client.get(uid(1))

    def after_runs(times: int) -> int:
        for _ in range(times):
            trio.run(work)
        gc.collect()
        # The other ends of connections are open in this process too.
        server.wait_for_open(kept)
        return len(list(Path("/dev/fd").iterdir()))

    few = after_runs(2)

    assert after_runs(10) == few
    trio.run(client.aclose)
