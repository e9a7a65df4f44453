"""How close to the ideal time does a list come when pages are fetched at once?

``python benchmarks/prefetch.py``: 200 pages of 100 rows over loopback from a server that answers
after 20 ms, with 1, 4, 8 and 16 pages under way, in both clients over h11 and httpx. The ideal is
as many waits one after another as such batches need, and no time at all for anything else (that the
number of pages is only known after the first one costs a wait more); connections are open, and the
server keeps its 20 ms to a fraction of a millisecond. The process is held to one core, so no walk
can take less time than it uses of that core, its *CPU floor*; with many pages under way it can
be more than the waits, and the goal is beside the greater of the two. Raw httpx, which reads one
page after another and decodes nothing, shows how much of the rest is the wire's.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeAlias

import httpx
from _measuring import Cell, Study, arguments, serving
from _payloads import ROWS
from _peers import KEY, SIGNED
from _process import pinned

from billingual import AsyncClient, Client

WIDTHS = (1, 4, 8, 16)
DELAY_S = 0.02
Walk: TypeAlias = Callable[[int], int]
Seconds: TypeAlias = dict[tuple[str, int], list[float]]


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


def by_hand(base: str, pages: int) -> float:
    """Read the same bytes with raw httpx, one page after another; return the seconds it took."""
    with httpx.Client(headers=SIGNED) as client:
        _ = client.get(f"{base}/api/invoices?page=1&per_page={ROWS}").content
        start = time.perf_counter()
        for number in range(1, pages + 1):
            _ = client.get(f"{base}/api/invoices?page={number}&per_page={ROWS}").content
        return time.perf_counter() - start


def tell(study: Study, pages: int, raw_s: float, wall: Seconds, cpu: Seconds) -> None:
    """Tell *study* the medians of all rounds."""
    ideal_of_one = pages * DELAY_S
    rows: list[list[Cell]] = [["raw httpx.Client, bytes", 1, ideal_of_one, raw_s,
                               raw_s / ideal_of_one, None, None, None]]  # fmt: skip
    for name, width in wall:
        ideal = math.ceil(pages / width) * DELAY_S
        seconds = statistics.median(wall[name, width])
        used = statistics.median(cpu[name, width])
        of_floor = seconds / max(ideal, used)
        rows.append(
            [name, width, ideal, seconds, seconds / ideal, used, of_floor, used / pages * 1e3]
        )
        if width > 1:
            what = f"{name}, {width} pages under way, of the greater of ideal and CPU floor"
            study.goal(what, of_floor, 1.15)
    heads = [
        "client", "pages at once", "ideal s", "seconds", "of the ideal", "CPU floor s",
        "of the greater", "CPU ms/page",
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
    names = [
        f"{client} ({transport})"
        for transport in ("h11", "httpx")
        for client in ("AsyncClient", "Client")
    ]
    sides = [(name, width) for name in names for width in WIDTHS]
    wall: Seconds = {side: [] for side in sides}
    cpu: Seconds = {side: [] for side in sides}
    with (
        serving(rows=pages * ROWS, delay_s=DELAY_S) as base,
        asyncio.Runner() as runner,
        ExitStack() as closing,
    ):
        made = [
            walk
            for transport in ("h11", "httpx")
            for walk in (
                awaited(base, transport, runner, closing), blocked(base, transport, closing)
            )
        ]  # fmt: skip
        walks = dict(zip(names, made, strict=True))
        raw_s = by_hand(base, pages)
        for walk in walks.values():
            walk(max(WIDTHS))  # connections are made, and what is imported late is imported
        for _ in range(options.rounds):
            for name, width in random.sample(sides, len(sides)):
                used, start = time.process_time(), time.perf_counter()
                if walks[name](width) != pages * ROWS:
                    raise ValueError(name)
                wall[name, width].append(time.perf_counter() - start)
                cpu[name, width].append(time.process_time() - used)
    tell(study, pages, raw_s, wall, cpu)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
