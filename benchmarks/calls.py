"""What does one awaited call cost beside raw httpx doing the same exchange?

``python benchmarks/calls.py``: reads one full invoice over loopback, keep-alive, one call after
another and 64 at once; CPU time of this process per call, the server in a process of its own;
rounds interleaved, median of the ratios within rounds. Ours hands out a typed invoice, raw httpx
a dict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
from _measuring import canned_server, sample_invoice, show

from billingual import AsyncClient

CALLS = 640
ROUNDS = 7
RAW = "raw httpx.AsyncClient + json"
OURS = "billingual.AsyncClient"


async def cpu_us(call: Callable[[], Awaitable[object]], width: int) -> float:
    """Return CPU microseconds per call, *width* at once."""

    async def some() -> None:
        for _ in range(CALLS // width):
            await call()

    await call()
    start = time.process_time()
    await asyncio.gather(*(some() for _ in range(width)))
    return (time.process_time() - start) / CALLS * 1e6


async def measure(base: str, uid: str, width: int) -> dict[str, list[float]]:
    """Run both in turn."""
    seen: dict[str, list[float]] = {RAW: [], OURS: []}
    async with (
        httpx.AsyncClient() as raw,
        AsyncClient("exante", token="t", base_url=base) as ours,  # noqa: S106 - a canned server
    ):

        async def raw_call() -> object:
            answer = await raw.get(
                f"{base}/api/invoices/{uid}", headers={"Authorization": "Bearer t"}
            )
            answer.raise_for_status()
            return answer.json()

        async def our_call() -> object:
            return await ours.get(uid)

        for _ in range(ROUNDS):
            seen[RAW].append(await cpu_us(raw_call, width))
            seen[OURS].append(await cpu_us(our_call, width))
    return seen


def main() -> None:
    """Measure and show."""
    uid, body = sample_invoice()
    with canned_server(body) as base:
        for width in (1, 64):
            seen = asyncio.run(measure(base, uid, width))
            show(f"async get, {width} at once", f"calls_{width}", seen, beside=RAW)


if __name__ == "__main__":
    main()
