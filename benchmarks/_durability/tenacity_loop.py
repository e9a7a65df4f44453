"""Contestant: the same loop, where tenacity repeats what failed in transport or with a 5xx."""

from __future__ import annotations

import asyncio

import httpx
import tenacity
from orders import TIMEOUT_S, TRIES, passes, race


async def main() -> None:
    """Create what is not done yet."""
    this = race()
    file = this.folder / "done.txt"
    done = set(file.read_text(encoding="utf-8").split()) if file.exists() else set()
    waiting = iter([each for each in this.orders if each["order"] not in done])
    failed = []

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        retry=tenacity.retry_if_exception(passes),
        reraise=True,
    )
    async def create(order: dict[str, str]) -> None:
        response = await client.request(**this.request(order))
        response.raise_for_status()

    async def work() -> None:
        for order in waiting:
            try:
                await create(order)
            except httpx.HTTPError:
                failed.append(order["order"])
            else:
                with file.open("a", encoding="utf-8") as kept:
                    kept.write(f"{order['order']}\n")

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        await asyncio.gather(*(work() for _ in range(this.at_once)))
    this.end(failed)


asyncio.run(main())
