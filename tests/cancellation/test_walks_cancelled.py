"""A reader cancelled wherever it waits misses no row, and leaves nothing under way."""

from __future__ import annotations

import json
from typing import Any, Final

import anyio
import anyio.lowlevel
import pytest

from _support.cancellation import WAYS, cancelled_at, run_on
from billingual import AsyncClient, MemoryTransport
from billingual.wire import Bounds, WireRequest, WireResponse

PAGES: Final = 7
SIZE: Final = 2


def uid(number: int) -> str:
    """Make the id of a row."""
    return f"{number:08d}-0000-4000-8000-000000000000"


class Waiting:
    """Answer after suspending a few times, each page a different number of times."""

    supports = frozenset({"async"})

    def __init__(self) -> None:
        self.under_way = 0

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        pairs = dict(pair.split("=") for pair in request.url.partition("?")[2].split("&"))
        number = int(pairs.get("page", "1"))
        self.under_way += 1
        try:
            for _ in range(1 + 3 * number % 5):
                await anyio.lowlevel.checkpoint()
        finally:
            self.under_way -= 1
        rows = [{"uid": uid((number - 1) * SIZE + each)} for each in range(SIZE)]
        meta = {"page": number, "total_pages": PAGES}
        return MemoryTransport.json(json.dumps({"data": {"items": rows, "_meta": meta}}))

    async def aclose(self) -> None: ...


async def read_on(rows: list[str], walk: Any) -> None:
    """Read one more row."""
    rows.append((await anext(walk)).id)


async def read(prefetch: int, point: int, how: str) -> tuple[list[str], int]:
    """Read to the end; cancel each reading at *point*, then let one end, and so on."""
    transport = Waiting()
    client = AsyncClient(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
    )
    walk = aiter(client.list(prefetch=prefetch))
    rows: list[str] = []
    met = 0
    try:
        while True:
            if await cancelled_at(read_on(rows, walk), point, how):
                met += 1
                if how != "twice":
                    assert 0 == transport.under_way
            await read_on(rows, walk)
    except StopAsyncIteration:
        return rows, met


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prefetch", [1, 3])
def test_a_cancelled_reader_misses_no_row(way: str, prefetch: int) -> None:
    """At every suspension point, by every way to cancel, on every event loop."""
    loop, how = WAYS[way]
    met = point = 1
    while met:
        rows, met = run_on(loop, lambda at=point: read(prefetch, at, how))  # type: ignore[misc]
        point += 1

        assert [uid(each) for each in range(PAGES * SIZE)] == rows

    assert point > 3
