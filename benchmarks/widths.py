"""Does a call cost more the more are under way at once?

``python benchmarks/widths.py``: 1, 4, 16, 64 and 256 tasks share one client over httpx and read one
full invoice over loopback; CPU time of this process per call, the server in a process of its own.
Raw httpx is shown as it comes, which never works on more than 20 kept connections, and told to keep
as many as there are tasks, which is the usual advice.
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack

import httpx
from _measuring import Cell, Study, arguments, serving
from _payloads import single
from _peers import (
    OURS,
    OURS_H11,
    RAW,
    SIGNED,
    AsyncCall,
    in_tasks,
    opened,
    ours,
    path_of,
    raw_httpx,
)
from _process import pinned

WIDTHS = (1, 4, 16, 64, 256)
KEPT = "raw httpx.AsyncClient, as many connections as tasks"


async def raw_keeping_all(base: str, uid: str, closing: AsyncExitStack) -> AsyncCall:
    """Open httpx with connections for all tasks."""
    most = max(WIDTHS)
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    client = httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(60))
    await closing.enter_async_context(client)

    async def call() -> object:
        response = await client.get(base + path_of(uid), headers=SIGNED)
        response.raise_for_status()
        return response.json()

    return call


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=7)
    calls = max(WIDTHS) * (1 if options.quick else 4)
    study = Study("widths", "Does a call cost more the more are under way at once?")
    study.settings |= {"rounds": options.rounds, "calls": calls}
    pinned()
    uid, body = single()
    closing = AsyncExitStack()
    openers = {OURS: ours("httpx"), OURS_H11: ours("h11"), RAW: raw_httpx, KEPT: raw_keeping_all}
    with serving(body=body) as base, asyncio.Runner() as runner:
        calling = runner.run(opened(openers, base, uid, closing, study))
        seen = {
            width: study.take_turns(
                {name: in_tasks(runner, call, width) for name, call in calling.items()},
                rounds=options.rounds,
                calls=calls,
                warm=2 * width,
                ours="billingual",
            )
            for width in WIDTHS
        }
        runner.run(closing.aclose())
    rows: list[list[Cell]] = []
    for name in calling:
        # A peer that fails at some width, by a timeout of its own say, has no figure there.
        at = (seen[width].cpu.get(name) for width in WIDTHS)
        rows.append([name, *(statistics.median(found) if found else None for found in at)])
    study.table(
        "CPU us per call by calls at once", ["client", *(f"{w} at once" for w in WIDTHS)], rows
    )
    few, most = (statistics.median(seen[width].cpu[OURS_H11]) for width in (4, 256))
    study.goal("CPU per call over h11, 256 at once beside 4", most / few, 1.15)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
