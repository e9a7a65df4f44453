"""How close to the ideal time does a list come when pages are fetched at once?

``python benchmarks/prefetch.py``: 200 pages of 100 rows over loopback from a server that answers
after 20 ms, with 1, 4, 8 and 16 pages under way, and from one that answers after 100 ms, with 8 and
16, in both clients over h11 and httpx. The ideal is as many waits one after another as such batches
need, and no time at all for anything else (that the number of pages is only known after the first
one costs a wait more); the server keeps its time to a fraction of a millisecond. One page at a time
has no goal, and is walked in the first round only.

No client reaches the ideal: a page takes time on the wire, and the process is held to one core, on
which it is decoded. What is left of that to a scheduler is shown by loops by hand at the same
width: so many tasks, or threads, that each send, decode with the same dialect, and go on with the
next number. They know how many pages there are, keep no order and check nothing. Over h11 they use
our transport without the client, over httpx the library as it comes. *Bytes alone* decodes nothing:
what it takes beyond the ideal is the server's and the wire's.

A goal of 1.15 times the ideal is out of reach where *bytes alone*, or the CPU time of the loop by
hand, takes longer than that: at 20 ms and 16 pages 200 pages would have 0.26 s, and decoding them
takes nearly as long. Such a goal says so and what it would take at least. So there is a second
distance: a provider that makes a page of 100 invoices seldom takes as little as 20 ms.

Threads do worse than tasks, by hand as in ours: responses that come together are read together,
because their threads take turns, so all next requests leave late, and together again.
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
DISTANCES = {0.02: WIDTHS, 0.1: (8, 16)}
OF_IDEAL, OF_HAND = 1.15, 1.05
BYTES: Final = "loop by hand (h11), bytes alone"
Walk: TypeAlias = Callable[[int], int]
# Of each side and width, the seconds and the CPU seconds of each round.
Taken: TypeAlias = dict[tuple[str, int], list[tuple[float, float]]]
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


def tell(study: Study, pages: int, delay_s: float, taken: Taken, by_hand: dict[str, str]) -> None:
    """Tell *study* the medians of all rounds."""
    rows: list[list[Cell]] = []
    wall = {side: statistics.median(each for each, _ in rounds) for side, rounds in taken.items()}
    cpu = {side: statistics.median(each for _, each in rounds) for side, rounds in taken.items()}
    for name, width in taken:
        ideal = math.ceil(pages / width) * delay_s
        seconds, used = wall[name, width], cpu[name, width]
        hand = by_hand.get(name)
        of_hand = None
        if hand is not None:
            pairs = zip(taken[name, width], taken[hand, width], strict=True)
            of_hand = statistics.median(ours / theirs for (ours, _), (theirs, _) in pairs)
        rows.append([name, width, ideal, seconds, seconds / ideal, of_hand, used / pages * 1e3])
        if hand is not None and width > 1:
            what = f"{name}, {width} pages under way, {delay_s * 1e3:.0f} ms away"
            least = {
                "bytes alone take": wall[BYTES, width] / ideal,
                "CPU time by hand is": cpu[hand, width] / ideal,
            }
            why, floor = max(least.items(), key=lambda each: each[1])
            reason = f" (out of reach: {why} {floor:.2f} x)" if floor > OF_IDEAL else ""
            study.goal(f"{what}, of the ideal{reason}", seconds / ideal, OF_IDEAL)
            study.goal(f"{what}, beside the loop by hand", of_hand, OF_HAND)
    heads = [
        "client", "pages at once", "ideal s", "seconds", "of the ideal", "of the loop by hand",
        "CPU ms/page",
    ]  # fmt: skip
    study.table(f"{pages} pages of {ROWS}, each {delay_s * 1e3:.0f} ms away", heads, rows)


def measure(study: Study, pages: int, delay_s: float, rounds: int) -> None:
    """Walk lists of a server so far away, and tell *study*."""
    with (
        serving(rows=pages * ROWS, delay_s=delay_s) as base,
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
            walk(max(WIDTHS))  # what is imported late is imported, and the server has its pages
        sides = list(itertools.product(walks, DISTANCES[delay_s]))
        taken: Taken = {side: [] for side in sides}
        for turn in range(rounds):
            for name, width in random.sample(sides, len(sides)):
                if turn and width == 1:
                    continue
                used, start = time.process_time(), time.perf_counter()
                if walks[name](width) != pages * ROWS:
                    raise ValueError(name)
                passed = time.perf_counter() - start
                taken[name, width].append((passed, time.process_time() - used))
    tell(study, pages, delay_s, taken, by_hand)


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=5)
    pages = 32 if options.quick else 200
    study = Study(
        "prefetch", "How close to the ideal does a list come with pages under way at once?"
    )
    study.settings |= {"rounds": options.rounds, "pages": pages}
    pinned()
    for delay_s in DISTANCES:
        measure(study, pages, delay_s, options.rounds)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
