"""What does our client cost over each transport, beside the same library used raw?

``python benchmarks/transports.py``: reads one full invoice over loopback, keep-alive, one call
after another and many at once (64 tasks, or 16 threads), all in one run against one server in a
process of its own. Three sides take turns in an order drawn anew for each round:

- raw: the library as it comes, with request, status check and its own ``json()``; httpx for h11,
  which is a parser and no client;
- wire: our transport alone, with the same check and ``json.loads``;
- client: ``AsyncClient`` or ``Client``, whose calls end in a typed invoice.

The main figure is CPU time of this process per call, which a busy machine disturbs least; the
process is held to one core, as in ``calls.py``: moved from core to core, a call costs some 45 us
more on each side, and all ratios look better. Ratios are taken within rounds, and the median of
them is shown. ``--quick`` only shows that it runs, and saves nothing; otherwise the figures go to
``results/transports.json``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any, cast

import aiohttp
import attrs
import httpx
import httpx2
import urllib3
from _measuring import Cell, Seen, Study, arguments, serving
from _payloads import single
from _peers import in_tasks
from _process import pinned

from billingual import AsyncClient, Client
from billingual.abc import Transport, TransportFactory, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.plugins import TRANSPORTS
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

SIDES = ("raw", "wire", "client")
TOKEN = "t"  # noqa: S105 - a canned server
SIGNED = {"Authorization": f"Bearer {TOKEN}"}
WIDTHS = {"async": (1, 64), "blocking": (1, 16)}
Call = Callable[[], Awaitable[object]]
Batch = Callable[[int], None]


@attrs.frozen(kw_only=True)
class Case:
    """One transport, waiting in one way, so many calls at once; a batch of calls for each side."""

    name: str
    waits: str
    width: int
    batches: dict[str, Batch]


def prepared(base: str, uid: str) -> tuple[str, WireRequest]:
    """Return the address and the request that all sides send."""
    asked = AsyncClient("exante", token=TOKEN, base_url=base).preview.get(uid)
    return asked.url, asked.addressed("", SIGNED.items())


def made(name: str, backend: Any) -> Transport:
    """Make our transport without a client."""
    return cast(TransportFactory, TRANSPORTS.load(name))(TransportOptions(backend=backend))


def read(response: WireResponse) -> object:
    """Do with a response what the raw side does."""
    if response.status != 200:
        raise ValueError(response.status)
    return json.loads(response.body)


def bounds(backend: Any) -> Bounds:
    """Return bounds as each call of a client has its own."""
    return Bounds(timeouts=Timeouts(), deadline=Deadline(at=backend.now() + 60, now=backend.now))


def in_threads(pool: ThreadPoolExecutor, call: Callable[[], object], width: int) -> Batch:
    """Return a batch that blocks on *call*, in *width* threads where there are several."""

    def some(count: int) -> None:
        for _ in range(count):
            call()

    def all_of_them(count: int) -> None:
        for done in wait([pool.submit(some, count // width) for _ in range(width)]).done:
            done.result()

    return some if width == 1 else all_of_them


def awaited_sides(
    name: str, runner: asyncio.Runner, base: str, uid: str, closing: ExitStack
) -> dict[str, Call]:
    """Open one transport's three sides on the event loop."""
    url, request = prepared(base, uid)
    backend = AnyioBackend()
    raw = runner.run(opened(name))
    wire = made(name, backend)
    client = AsyncClient("exante", token=TOKEN, base_url=base, transport=name)
    close_raw = raw.close if isinstance(raw, aiohttp.ClientSession) else raw.aclose
    for close in (close_raw, wire.aclose, client.aclose):
        closing.callback(lambda close=close: runner.run(close()))

    async def by_httpx() -> object:
        response = await raw.get(url, headers=SIGNED)
        response.raise_for_status()
        return response.json()

    async def by_aiohttp() -> object:
        async with raw.get(url, headers=SIGNED) as response:
            response.raise_for_status()
            return await response.json()

    async def over_wire() -> object:
        return read(await wire.send(request, bounds(backend)))

    async def over_client() -> object:
        return await client.get(uid)

    by_library = by_aiohttp if name == "aiohttp" else by_httpx
    return {"raw": by_library, "wire": over_wire, "client": over_client}


async def opened(name: str) -> Any:
    """Open a client of the library as it comes; a session of aiohttp needs a running loop."""
    if name == "aiohttp":
        return aiohttp.ClientSession()
    return (httpx2 if name == "httpx2" else httpx).AsyncClient()


def blocking_sides(
    name: str, base: str, uid: str, closing: ExitStack
) -> dict[str, Callable[[], object]]:
    """Open one transport's three sides for threads."""
    url, request = prepared(base, uid)
    backend = SyncBackend()
    wire = made(name, backend)
    closing.callback(lambda: step(wire.aclose()))
    client = closing.enter_context(Client("exante", token=TOKEN, base_url=base, transport=name))
    if name == "urllib3":
        # As many kept connections as threads: by itself it keeps one for each host.
        raw: Any = urllib3.PoolManager(maxsize=max(WIDTHS["blocking"]))
        closing.callback(raw.clear)
    else:
        raw = closing.enter_context((httpx2 if name == "httpx2" else httpx).Client())

    def by_httpx() -> object:
        response = raw.get(url, headers=SIGNED)
        response.raise_for_status()
        return response.json()

    def by_urllib3() -> object:
        response = raw.request("GET", url, headers=SIGNED)
        if response.status != 200:
            raise ValueError(response.status)
        return response.json()

    def over_wire() -> object:
        return read(step(wire.send(request, bounds(backend))))

    def over_client() -> object:
        return client.get(uid)

    by_library = by_urllib3 if name == "urllib3" else by_httpx
    return {"raw": by_library, "wire": over_wire, "client": over_client}


def cases(base: str, uid: str, closing: ExitStack) -> list[Case]:
    """Open everything that is measured."""
    runner = closing.enter_context(asyncio.Runner())
    threads = closing.enter_context(ThreadPoolExecutor(max(WIDTHS["blocking"])))
    found = []
    for name in ("httpx", "httpx2", "h11", "aiohttp"):
        awaited = awaited_sides(name, runner, base, uid, closing)
        for width in WIDTHS["async"]:
            batches = {side: in_tasks(runner, call, width) for side, call in awaited.items()}
            found.append(Case(name=name, waits="async", width=width, batches=batches))
    for name in ("httpx", "httpx2", "h11", "urllib3"):
        stepped = blocking_sides(name, base, uid, closing)
        for width in WIDTHS["blocking"]:
            batches = {side: in_threads(threads, call, width) for side, call in stepped.items()}
            found.append(Case(name=name, waits="blocking", width=width, batches=batches))
    return found


def take_turns(case: Case, seen: Seen, calls: int) -> None:
    """Run one batch of each side, in an order drawn anew."""
    for side in random.sample(SIDES, len(SIDES)):
        batch = case.batches[side]
        batch(2 * case.width)  # connections that grew cold while others had their turn
        cpu, wall = time.process_time(), time.perf_counter()
        batch(calls)
        used, passed = time.process_time() - cpu, time.perf_counter() - wall
        seen.add(side, used / calls * 1e6, passed / calls * 1e6)


def row(case: Case, seen: Seen) -> list[Cell]:
    """Return one row for each transport, way of waiting and width."""
    cpu = {side: statistics.median(seen.cpu[side]) for side in SIDES}
    per_s = {side: 1e6 / statistics.median(seen.wall[side]) for side in SIDES}
    slower = seen.ratio("client", "raw", wall=True)
    return [
        case.name, case.waits, case.width, *cpu.values(), seen.ratio("wire", "raw"),
        seen.ratio("client", "raw"), per_s["raw"], per_s["client"], 1 / slower if slower else None,
    ]  # fmt: skip


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=31)
    rounds, calls = options.rounds, 64 if options.quick else 128
    study = Study("transports", "What does our client cost over each transport, beside it raw?")
    study.settings |= {"rounds": rounds, "calls": calls}
    pinned()
    uid, body = single()
    with serving(body=body) as base, ExitStack() as closing:
        figures = [(case, Seen()) for case in cases(base, uid, closing)]
        gc.collect()
        gc.freeze()  # what was made so far is not charged to the next side
        for _ in range(rounds):
            for case, seen in figures:
                take_turns(case, seen, calls)
        gc.unfreeze()
    heads = [
        "transport", "waits", "at once", "raw", "wire", "client", "wire/raw", "client/raw",
        "raw calls/s", "client calls/s", "client of raw",
    ]  # fmt: skip
    study.table("CPU us of this process per call", heads, [row(*each) for each in figures])
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
