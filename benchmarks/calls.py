"""What does one awaited call cost, beside the raw libraries and other SDKs?

``python benchmarks/calls.py``: reads one full invoice over loopback, keep-alive, one call after
another; CPU time of this process per call, the server in a process of its own. Ours ends in a
typed invoice with exact money; the column *gives* says what the others hand out.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from _measuring import Study, arguments, serving
from _payloads import single
from _peers import AWAITED, GIVES, OURS, OURS_AIOHTTP, OURS_H11, RAW, RAW_AIOHTTP, in_tasks, opened
from _process import pinned


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=31)
    calls = 20 if options.quick else 100
    study = Study("calls", "What does one awaited call cost?")
    study.settings |= {"rounds": options.rounds, "calls": calls}
    pinned()
    uid, body = single()
    closing = AsyncExitStack()
    with serving(body=body) as base, asyncio.Runner() as runner:
        awaited = runner.run(opened(AWAITED, base, uid, closing, study))
        sides = {name: in_tasks(runner, call, 1) for name, call in awaited.items()}
        seen = study.take_turns(
            sides, rounds=options.rounds, calls=calls, warm=3, ours="billingual"
        )
        runner.run(closing.aclose())
    study.compare("async, one after another", seen, beside=RAW, gives=GIVES)
    study.goal("async call over httpx, beside raw httpx", seen.ratio(OURS, RAW), 1.15)
    study.goal("async call over h11, beside raw httpx", seen.ratio(OURS_H11, RAW), 0.31)
    over_aiohttp = seen.ratio(OURS_AIOHTTP, RAW_AIOHTTP)
    study.goal("async call over aiohttp, beside raw aiohttp", over_aiohttp, 1.35)
    study.ahead("async call over h11", seen, OURS_H11)
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
