"""Walks of a long list, each run in a process that imports what it measures and little else.

``python benchmarks/_walks.py NAME URL ROWS`` walks one list and prints what it took.
"""

# ruff: noqa: PLC0415 - a peer may be missing, and what is imported counts

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final, Generic, TypeVar

from _process import peak, pinned, resident

KEY: Final = "ex_test"
T = TypeVar("T")
MIB: Final = 1024 * 1024
OURS: Final = "billingual (httpx)"
IDS: Final = "billingual's memory of ids alone"


async def ours(base: str, transport: str, prefetch: int) -> AsyncIterator[object]:
    """Walk our list."""
    from billingual import AsyncClient

    client = AsyncClient("exante", token=KEY, base_url=base, transport=transport)
    async with client:
        async for row in client.list(page_size=100, prefetch=prefetch):
            yield row


async def ours_touched(base: str) -> AsyncIterator[object]:
    """Walk our list and read every attribute of each row."""
    from _touching import touch

    async for row in ours(base, "httpx", 1):
        touch((row,), full=False)
        yield row


async def ids(_: str) -> AsyncIterator[object]:
    """Remember ids as a walk does that tells repeated rows, and do nothing else."""
    from uuid import UUID

    from billingual.pagination.dedupe import SeenIds

    seen, rows = SeenIds(), int(sys.argv[3])
    for first in range(0, rows, 100):
        page = [str(UUID(int=number)) for number in range(first, min(first + 100, rows))]
        seen.add(page)
        for each in page:
            yield each


async def raw(base: str) -> AsyncIterator[object]:
    """Walk pages by hand, as dicts."""
    import httpx

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as client:
        number, last = 1, 1
        while number <= last:
            response = await client.get(f"{base}/api/invoices?page={number}&per_page=100")
            response.raise_for_status()
            data = response.json()["data"]
            for row in data["items"]:
                yield row
            number, last = number + 1, data["_meta"]["total_pages"]


async def openai(base: str) -> AsyncIterator[object]:
    """Walk openai's paginator, its models holding every documented field."""
    import openai as sdk
    import pydantic
    from _records import pydantic_classes
    from openai._base_client import BaseAsyncPage, BasePage, PageInfo

    class Meta(sdk.BaseModel):
        page: int
        total_pages: int

    class Data(sdk.BaseModel, Generic[T]):
        items: list[T]
        meta: Meta = pydantic.Field(alias="_meta")

    class NumberedPage(BaseAsyncPage[T], BasePage[T], Generic[T]):  # type: ignore[misc]
        data: Data[T]

        def _get_page_items(self) -> list[T]:
            return self.data.items

        def next_page_info(self) -> Any:
            meta = self.data.meta
            more = meta.page < meta.total_pages
            return PageInfo(params={"page": meta.page + 1}) if more else None

    row = pydantic_classes(sdk.BaseModel)["Row"]
    async with sdk.AsyncOpenAI(api_key=KEY, base_url=base) as client:
        asked: Any = {"params": {"page": 1, "per_page": 100}}
        pager = client.get_api_list(
            "/api/invoices", model=row, page=NumberedPage[row], options=asked
        )
        async for each in pager:
            yield each


async def stripe(base: str) -> AsyncIterator[object]:
    """Walk stripe's auto paging."""
    import stripe as sdk

    http = sdk.HTTPXClient()
    client = sdk.StripeClient(KEY, base_addresses={"api": base}, http_client=http)
    first = await client.v1.invoices.list_async(params={"limit": 100})
    async for each in first.auto_paging_iter():
        yield each
    await http.close_async()


# What walks, and what is installed for it.
WALKS: Final = {
    OURS: (lambda base: ours(base, "httpx", 1), "billingual"),
    "billingual (httpx), every attribute read": (ours_touched, "billingual"),
    "billingual (httpx), prefetch 4": (lambda base: ours(base, "httpx", 4), "billingual"),
    "billingual (aiohttp), prefetch 4": (
        lambda base: ours(base, "aiohttp", 4),
        "billingual[aiohttp]",
    ),
    IDS: (ids, "billingual"),
    "raw httpx.AsyncClient + json": (raw, "httpx"),
    "openai AsyncPaginator (httpx2)": (openai, "openai"),
    "stripe auto paging (httpx)": (stripe, "stripe[async]"),
}


async def one(name: str, base: str, rows: int) -> None:
    """Walk one list and print what it took."""
    pinned()
    seen, at_first, at_tenth, at_end = 0, 0, 0, 0
    cpu = wall = 0.0
    last = None
    async for row in WALKS[name][0](base):
        seen += 1
        last = row
        if seen == 1:  # imports, the first connection and the first page are not counted
            at_first = resident()
            cpu, wall = time.process_time(), time.perf_counter()
        if seen == rows // 10:
            at_tenth = resident()
        if seen == rows:  # before the walk gives anything up
            at_end = resident()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if last is None or seen != rows:
        raise ValueError(seen)
    figures = {
        "cpu_us": cpu / rows * 1e6,
        "wall_us": wall / rows * 1e6,
        "first": at_first / MIB,
        "growth": (at_end - at_tenth) / MIB,
        "peak": peak() / MIB,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(one(sys.argv[1], sys.argv[2], int(sys.argv[3])))
