"""Contestant: a loop that writes down what is done, and goes over the rest again."""

from __future__ import annotations

import asyncio

import httpx
from orders import TIMEOUT_S, TRIES, passes, race

PAUSE_S = 0.5


async def main() -> None:
    """Create what is not done yet, in as many rounds as others have tries."""
    this = race()
    file = this.folder / "done.txt"
    done = set(file.read_text(encoding="utf-8").split()) if file.exists() else set()
    left = [each for each in this.orders if each["order"] not in done]
    refused: list[str] = []

    async def work() -> None:
        for order in waiting:
            try:
                response = await client.request(**this.request(order))
                response.raise_for_status()
            except httpx.HTTPError as error:
                if passes(error):
                    again.append(order)
                else:
                    refused.append(order["order"])
            else:
                with file.open("a", encoding="utf-8") as kept:
                    kept.write(f"{order['order']}\n")

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        for _ in range(TRIES):
            waiting, again = iter(left), []
            await asyncio.gather(*(work() for _ in range(this.at_once)))
            left = again
            await asyncio.sleep(PAUSE_S if left else 0)
    this.end(refused + [each["order"] for each in left])


asyncio.run(main())
