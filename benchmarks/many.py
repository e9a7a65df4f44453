"""What does a call cost when 64 are under way at once, beside the raw libraries and other SDKs?

``python benchmarks/many.py``: 64 tasks share one client and read one full invoice over loopback;
CPU time of this process per call, the server in a process of its own. All clients are as they come:
raw httpx keeps 20 connections, aiohttp up to 100. Ours ends in a typed invoice with exact money;
the column *gives* says what the others hand out.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from _measuring import Study, arguments, serving
from _payloads import single
from _peers import AWAITED, GIVES, OURS, OURS_AIOHTTP, OURS_H11, RAW, RAW_AIOHTTP, in_tasks, opened
from _process import pinned

WIDTH = 64


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=9)
    calls = WIDTH * (2 if options.quick else 32)
    study = Study("many", f"What does a call cost when {WIDTH} are under way at once?")
    study.settings |= {"rounds": options.rounds, "calls": calls, "at once": WIDTH}
    pinned()
    uid, body = single()
    closing = AsyncExitStack()
    with serving(body=body) as base, asyncio.Runner() as runner:
        awaited = runner.run(opened(AWAITED, base, uid, closing, study))
        sides = {name: in_tasks(runner, call, WIDTH) for name, call in awaited.items()}
        seen = study.take_turns(
            sides, rounds=options.rounds, calls=calls, warm=2 * WIDTH, ours="billingual"
        )
        runner.run(closing.aclose())
    study.compare(f"async, {WIDTH} at once", seen, beside=RAW, gives=GIVES)
    at_once = f"{WIDTH} at once"
    study.goal(f"{at_once} over httpx, beside raw httpx", seen.ratio(OURS, RAW), 0.45)
    study.goal(f"{at_once} over h11, beside raw httpx", seen.ratio(OURS_H11, RAW), 0.09)
    over_aiohttp = seen.ratio(OURS_AIOHTTP, RAW_AIOHTTP)
    study.goal(f"{at_once} over aiohttp, beside raw aiohttp", over_aiohttp, 1.35)
    study.ahead(f"{at_once} over h11", seen, OURS_H11)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
