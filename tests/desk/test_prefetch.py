"""Pages fetched at once: the same rows in the same order, no more than were asked for at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.wire import Bounds, WireRequest, WireResponse

PAGES = 11
SIZE = 3
DRIVERS = ["asyncio", "trio", "blocking"]


def uid(number: int) -> str:
    """Make the id of a row."""
    return f"{number:08d}-0000-4000-8000-000000000000"


def number_of(request: WireRequest) -> int:
    """Read which page is asked for."""
    pairs = dict(pair.split("=") for pair in request.url.partition("?")[2].split("&"))
    return int(pairs.get("page", "1"))


def page(number: int, pages: int | None = PAGES) -> WireResponse:
    """Make one page."""
    rows = [{"uid": uid((number - 1) * SIZE + each)} for each in range(SIZE)]
    meta = {"page": number, "total_pages": pages}
    return MemoryTransport.json(json.dumps({"data": {"items": rows, "_meta": meta}}))


class Slow:
    """Answer after a little while, and count how many requests are under way at once."""

    colours = frozenset({"async", "blocking"})

    def __init__(self, answer: Callable[[int], Any] = page) -> None:
        self.answer = answer
        self.asked: list[int] = []
        self.under_way = self.most = 0
        self.lock = threading.Lock()
        self.blocks = False

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        number = number_of(request)
        with self.lock:
            self.asked.append(number)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            # The first of a batch comes last.
            seconds = 0.02 if number % 4 else 0.001
            if self.blocks:
                time.sleep(seconds)  # noqa: ASYNC251 - the driver blocks
            else:
                await anyio.sleep(seconds)
        finally:
            with self.lock:
                self.under_way -= 1
        answer = self.answer(number)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None: ...

    def account(self, provider: str) -> None: ...


def walked(driver: str, transport: Slow, *, limit: int = 10_000, **options: Any) -> list[str]:
    """Walk a list and return the ids, at most *limit* of them."""
    if driver == "blocking":
        transport.blocks = True
        with Client(
            "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
        ) as client:
            return [row.id for row, _ in zip(client.list(**options), range(limit), strict=False)]

    async def walk() -> list[str]:
        ids: list[str] = []
        async with AsyncClient(
            "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
        ) as client:
            async for row in client.list(**options):
                ids.append(row.id)
                if len(ids) == limit:
                    break
        return ids

    return anyio.run(walk, backend=driver)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("width", [1, 2, 4, 16, 64])
def test_the_same_rows_come_in_the_same_order(driver: str, width: int) -> None:
    """Whatever page is answered first; and no more requests are under way than were asked for."""
    transport = Slow()

    assert [uid(each) for each in range(PAGES * SIZE)] == walked(driver, transport, prefetch=width)
    assert list(range(1, PAGES + 1)) == sorted(transport.asked)
    assert min(width, 2) <= transport.most <= width


@pytest.mark.parametrize("driver", DRIVERS)
def test_who_stops_reading_stops_fetching(driver: str) -> None:
    """The batch that was begun is whole; nothing is asked for after it."""
    transport = Slow()

    assert 2 * SIZE == len(walked(driver, transport, prefetch=4, limit=2 * SIZE))
    assert [1, 2, 3, 4, 5] == sorted(transport.asked)
    assert 0 == transport.under_way


def test_a_failed_page_fails_when_its_turn_comes() -> None:
    """The pages before it are handed out first; the error is the page's own."""
    lost = errors.ConnectionLostError("it broke.")
    transport = Slow(lambda number: lost if number == 4 else page(number))
    transport.blocks = True
    with Client(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
    ) as client:
        walk = iter(client.list(prefetch=8))
        rows = [next(walk).id for _ in range(3 * SIZE)]
        with pytest.raises(errors.ConnectionLostError, match="it broke"):
            next(walk)

    assert [uid(each) for each in range(3 * SIZE)] == rows


def test_who_asks_on_after_a_failed_page_begins_with_it() -> None:
    """Nothing is skipped, and nothing comes twice."""
    broken = [4]

    def answer(number: int) -> Any:
        if number in broken:
            broken.remove(number)
            return errors.ConnectionLostError("it broke.")
        return page(number)

    transport = Slow(answer)
    transport.blocks = True
    rows: list[str] = []
    with Client(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
    ) as client:
        walk = iter(client.list(prefetch=8))
        with pytest.raises(errors.ConnectionLostError):
            rows.extend(row.id for row in walk)
        rows.extend(row.id for row in walk)

    assert [uid(each) for each in range(PAGES * SIZE)] == rows


def test_without_a_known_end_pages_come_one_by_one() -> None:
    """Which pages there are is not guessed."""

    def answer(number: int) -> Any:
        if number <= 3:
            return page(number, None)
        return MemoryTransport.json('{"data": {"items": [], "_meta": {}}}')

    transport = Slow(answer)

    assert 3 * SIZE == len(walked("asyncio", transport, prefetch=8))
    assert 1 == transport.most


@pytest.mark.parametrize("prefetch", [0, -1, 65, 2.0, True, "4", None])
def test_a_number_that_is_none_is_refused(prefetch: Any) -> None:
    """Before anything is sent; nothing is endless."""
    client = AsyncClient("exante", transport="memory")

    with pytest.raises(errors.InvalidInputError, match="prefetch"):
        client.list(prefetch=prefetch)


def test_pages_that_a_limiter_let_through_too_late_are_asked_for_anew() -> None:
    """Pages of one batch hold each other up; that fails no walk that one page at a time passes."""
    transport = Slow()
    transport.blocks = True
    with Client(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none",
        limiter=25, deadline=0.3,
    ) as client:  # fmt: skip
        rows = [row.id for row in client.list(prefetch=16)]

    assert [uid(each) for each in range(PAGES * SIZE)] == rows
