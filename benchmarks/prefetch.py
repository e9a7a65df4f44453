"""How close to the ideal time does a list come when pages are fetched at once?

``python benchmarks/prefetch.py``: 200 pages of 100 rows over loopback from a server that answers
after 20 ms, with 1, 4, 8 and 16 pages under way, in both clients over h11 and httpx. The ideal is
as many waits one after another as such batches need, and no time at all for anything else (that the
number of pages is only known after the first one costs a wait more); connections are open, and the
server keeps its 20 ms to a fraction of a millisecond.

No client reaches the ideal: a page takes time on the wire, and the process is held to one core, on
which it is decoded. What is left of that to a scheduler is shown by loops by hand at the same
width: so many tasks, or threads, that each send, decode with the same dialect, and go on with the
next number. They know how many pages there are, keep no order and check nothing. Over h11 they use
our transport without the client, over httpx the library as it comes. *Bytes alone* decodes nothing:
what it takes beyond the ideal is the server's and the wire's.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final, TypeAlias, cast

import httpx
from _measuring import Cell, Study, arguments, serving
from _payloads import ROWS
from _peers import KEY, SIGNED
from _process import pinned

from billingual import AsyncClient, Client
from billingual.abc import Backend, TransportFactory, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.model import Query
from billingual.plugins import TRANSPORTS
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

WIDTHS = (1, 4, 8, 16)
DELAY_S = 0.02
BYTES: Final = "loop by hand (h11), bytes alone"
Walk: TypeAlias = Callable[[int], int]
Seconds: TypeAlias = dict[tuple[str, int], list[float]]
Send: TypeAlias = Callable[[WireRequest], Awaitable[WireResponse]]


def awaited(base: str, transport: str, runner: asyncio.Runner, closing: ExitStack) -> Walk:
    """Return what walks the list in an event loop."""
    client = AsyncClient("exante", token=KEY, base_url=base, transport=transport)
    closing.callback(lambda: runner.run(client.aclose()))

    async def walk(width: int) -> int:
        return len([row.id async for row in client.list(page_size=ROWS, prefetch=width)])

    return lambda width: runner.run(walk(width))


def blocked(base: str, transport: str, closing: ExitStack) -> Walk:
    """Return what walks the list in this thread, and in others for pages under way at once."""
    client = closing.enter_context(Client("exante", token=KEY, base_url=base, transport=transport))
    return lambda width: len([row.id for row in client.list(page_size=ROWS, prefetch=width)])


def opened(transport: str, base: str, *, blocks: bool) -> tuple[Send, Callable[[], Any]]:
    """Open what sends by hand; return it, and what closes it."""
    if transport == "httpx":
        limits = httpx.Limits(max_connections=max(WIDTHS), max_keepalive_connections=max(WIDTHS))
        raw: Any = (httpx.Client if blocks else httpx.AsyncClient)(limits=limits, base_url=base)

        async def by_httpx(request: WireRequest) -> WireResponse:
            got = raw.get(request.url, headers=SIGNED)
            response = got if blocks else await got
            return WireResponse(status=response.status_code, body=response.content)

        return by_httpx, raw.close if blocks else raw.aclose
    backend: Backend = SyncBackend() if blocks else AnyioBackend()
    wire = cast(TransportFactory, TRANSPORTS.load(transport))(TransportOptions(backend=backend))

    async def over_wire(request: WireRequest) -> WireResponse:
        bounds = Bounds(timeouts=Timeouts(), deadline=Deadline(backend.now() + 60, backend.now))
        return await wire.send(request.addressed(base, SIGNED.items()), bounds)

    return over_wire, wire.aclose


async def pages_by_hand(send: Send, numbers: Iterator[int], *, decode: bool) -> int:
    """Read pages one after another, as long as there are numbers; return how many rows."""
    dialect, rows = ExanteDialect(), 0
    for number in numbers:
        conversation = dialect.list_page(Query(page=number, page_size=ROWS))
        request = next(conversation)
        response = await send(request)
        if not decode:
            rows += ROWS
            continue
        try:
            conversation.send(cast(Any, request.read)(response))
        except StopIteration as done:
            rows += len([row.id for row in done.value.items])
    return rows


def awaited_by_hand(
    base: str, transport: str, pages: int, runner: asyncio.Runner, closing: ExitStack, *,
    decode: bool = True,
) -> Walk:  # fmt: skip
    """Return what reads all pages in as many tasks as told."""

    async def made() -> tuple[Send, Callable[[], Any]]:
        return opened(transport, base, blocks=False)

    send, close = runner.run(made())
    closing.callback(lambda: runner.run(close()))

    async def walk(width: int) -> int:
        first = await pages_by_hand(send, iter([1]), decode=decode)
        numbers = iter(range(2, pages + 1))
        tasks = (pages_by_hand(send, numbers, decode=decode) for _ in range(width))
        return first + sum(await asyncio.gather(*tasks))

    return lambda width: runner.run(walk(width))


def blocked_by_hand(base: str, transport: str, pages: int, closing: ExitStack) -> Walk:
    """Return what reads all pages in as many threads as told."""
    send, close = opened(transport, base, blocks=True)
    closing.callback(close if transport == "httpx" else lambda: step(close()))
    threads = closing.enter_context(ThreadPoolExecutor(max(WIDTHS)))

    def walk(width: int) -> int:
        first = step(pages_by_hand(send, iter([1]), decode=True))
        numbers = iter(range(2, pages + 1))
        parts = [
            threads.submit(lambda: step(pages_by_hand(send, numbers, decode=True)))
            for _ in range(width)
        ]
        return first + sum(each.result() for each in parts)

    return walk


def tell(study: Study, pages: int, wall: Seconds, cpu: Seconds, by_hand: dict[str, str]) -> None:
    """Tell *study* the medians of all rounds."""
    rows: list[list[Cell]] = []
    for name, width in wall:
        ideal = math.ceil(pages / width) * DELAY_S
        seconds = statistics.median(wall[name, width])
        used = statistics.median(cpu[name, width])
        hand = by_hand.get(name)
        of_hand = None
        if hand is not None:
            pairs = zip(wall[name, width], wall[hand, width], strict=True)
            of_hand = statistics.median(ours / theirs for ours, theirs in pairs)
        rows.append([name, width, ideal, seconds, seconds / ideal, of_hand, used / pages * 1e3])
        if hand is not None and width > 1:
            beside = max(ideal, used)
            what = f"{name}, {width} pages under way"
            study.goal(f"{what}, of the greater of ideal and CPU floor", seconds / beside, 1.15)
            study.goal(f"{what}, beside the loop by hand", of_hand, 1.05)
    heads = [
        "client", "pages at once", "ideal s", "seconds", "of the ideal", "of the loop by hand",
        "CPU ms/page",
    ]  # fmt: skip
    study.table(f"{pages} pages of {ROWS}, each {DELAY_S * 1e3:.0f} ms away", heads, rows)


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=5)
    pages = 32 if options.quick else 200
    study = Study(
        "prefetch", "How close to the ideal does a list come with pages under way at once?"
    )
    study.settings |= {"rounds": options.rounds, "pages": pages, "responses after": f"{DELAY_S} s"}
    pinned()
    with (
        serving(rows=pages * ROWS, delay_s=DELAY_S) as base,
        asyncio.Runner() as runner,
        ExitStack() as closing,
    ):
        walks: dict[str, Walk] = {}
        by_hand: dict[str, str] = {}
        for transport in ("h11", "httpx"):
            ours = f"AsyncClient ({transport})", f"Client ({transport})"
            hand = f"loop by hand ({transport})", f"loop by hand ({transport}), threads"
            by_hand |= dict(zip(ours, hand, strict=True))
            walks[hand[0]] = awaited_by_hand(base, transport, pages, runner, closing)
            walks[ours[0]] = awaited(base, transport, runner, closing)
            walks[hand[1]] = blocked_by_hand(base, transport, pages, closing)
            walks[ours[1]] = blocked(base, transport, closing)
        walks[BYTES] = awaited_by_hand(base, "h11", pages, runner, closing, decode=False)
        for walk in walks.values():
            walk(max(WIDTHS))  # connections are made, and what is imported late is imported
        sides = list(itertools.product(walks, WIDTHS))
        wall: Seconds = {side: [] for side in sides}
        cpu: Seconds = {side: [] for side in sides}
        for _ in range(options.rounds):
            for name, width in random.sample(sides, len(sides)):
                used, start = time.process_time(), time.perf_counter()
                if walks[name](width) != pages * ROWS:
                    raise ValueError(name)
                wall[name, width].append(time.perf_counter() - start)
                cpu[name, width].append(time.process_time() - used)
    tell(study, pages, wall, cpu, by_hand)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
