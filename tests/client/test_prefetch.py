"""Pages fetched at once: the same rows in the same order, no more than were asked for at a time."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from billingual import AsyncClient, Client, MemoryTransport, errors
from billingual.outcomes import Evidence
from billingual.wire import Bounds, WireRequest, WireResponse

PAGES = 11
SIZE = 3
DRIVERS = ["asyncio", "trio", "blocking"]
NOTHING = Evidence(connected=False, request_complete=False, answer_begun=False)


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

    supports = frozenset({"async", "sync"})

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
                time.sleep(seconds)  # noqa: ASYNC251 - the backend blocks
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


def walked(backend: str, transport: Slow, *, limit: int = 10_000, **options: Any) -> list[str]:
    """Walk a list and return the ids, at most *limit* of them."""
    if backend == "blocking":
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

    return anyio.run(walk, backend=backend)


@pytest.mark.parametrize("backend", DRIVERS)
@pytest.mark.parametrize("width", [1, 2, 4, 16, 64])
def test_the_same_rows_come_in_the_same_order(backend: str, width: int) -> None:
    """Whatever page is answered first; and no more requests are under way than were asked for."""
    transport = Slow()

    assert [uid(each) for each in range(PAGES * SIZE)] == walked(backend, transport, prefetch=width)
    assert list(range(1, PAGES + 1)) == sorted(transport.asked)
    assert min(width, 2) <= transport.most <= width


@pytest.mark.parametrize("backend", DRIVERS)
def test_who_stops_reading_stops_fetching(backend: str) -> None:
    """What was begun is no more than the window held, and nothing is begun after it."""
    transport = Slow()

    assert 2 * SIZE == len(walked(backend, transport, prefetch=2, limit=2 * SIZE))
    asked = sorted(transport.asked)

    assert list(range(1, len(asked) + 1)) == asked
    assert len(asked) <= 3 + 2 * 2 < PAGES
    assert backend == "blocking" or 0 == transport.under_way


class Gated(Slow):
    """Answer each page after the first when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = anyio.Event()

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        number = number_of(request)
        self.asked.append(number)
        self.under_way += 1
        try:
            if number > 1:
                await self.gate.wait()
        finally:
            self.under_way -= 1
        return page(number)


def client_of(transport: Any) -> AsyncClient:
    """Make an async client that never tries again."""
    return AsyncClient(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none"
    )


async def settle() -> None:
    """Let all tasks run as far as they come."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


async def begun(prefetch: int = 4) -> tuple[Gated, Any]:
    """Read the first page of a walk, and let the window set out."""
    transport = Gated()
    walk = client_of(transport).list(prefetch=prefetch).pages()
    await anext(walk)
    await settle()
    assert prefetch == transport.under_way
    return transport, walk


@pytest.mark.anyio
async def test_pages_are_fetched_while_the_reader_is_at_work() -> None:
    """As soon as the first page is handed out, and never more than were asked for."""
    transport, _ = await begun()

    assert [1, 2, 3, 4, 5] == transport.asked


@pytest.mark.anyio
async def test_a_slow_reader_is_not_run_ahead_of() -> None:
    """As many pages wait as were asked for, and the next is begun when one is taken."""
    transport, walk = await begun()
    transport.gate.set()
    await settle()
    asked = [len(transport.asked)]
    for _ in range(3):
        await anext(walk)
        await settle()
        asked.append(len(transport.asked))

    assert [5, 6, 7, 8] == asked


@pytest.mark.anyio
async def test_one_page_that_hangs_holds_a_bounded_number_back() -> None:
    """Those behind it go on while the reader waits, up to twice the window."""
    transport = Slow(lambda number: page(number, 100))
    hung = anyio.Event()
    send = transport.send

    async def hang(request: WireRequest, bounds: Bounds) -> WireResponse:
        if number_of(request) == 2:
            transport.asked.append(2)
            await hung.wait()
        return await send(request, bounds)

    transport.send = hang  # type: ignore[method-assign]  # its own double
    walk = client_of(transport).list(prefetch=4).pages()
    await anext(walk)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, walk)
        while len(transport.asked) < 9:
            await anyio.lowlevel.checkpoint()
        while transport.under_way:
            await anyio.lowlevel.checkpoint()
        await settle()
        asked = sorted(transport.asked)
        hung.set()

    assert list(range(1, 10)) == asked
    await walk.aclose()


@pytest.mark.anyio
async def test_a_walk_that_is_dropped_gives_up_its_pages() -> None:
    """Without a word, as soon as the loop comes round."""
    transport, walk = await begun()
    del walk
    gc.collect()
    await settle()

    assert 0 == transport.under_way


@pytest.mark.anyio
async def test_a_walk_dropped_in_another_thread_gives_up_its_pages() -> None:
    """The garbage collector works wherever it likes."""
    transport, walk = await begun()
    held = [walk]
    del walk
    await anyio.to_thread.run_sync(held.clear)
    while transport.under_way:
        await anyio.lowlevel.checkpoint()

    assert [] == held


@pytest.mark.anyio
async def test_an_error_of_the_readers_gives_up_the_pages() -> None:
    """Nothing is under way for a loop that was left."""
    transport = Gated()

    async def read() -> None:
        async for _ in client_of(transport).list(prefetch=4):
            await settle()
            raise LookupError

    with pytest.raises(LookupError):
        await read()
    await settle()

    assert (5, 0) == (len(transport.asked), transport.under_way)


@pytest.mark.anyio
async def test_a_walk_that_is_closed_has_nothing_under_way() -> None:
    """When it returns, all has ended; the walk is over, and says that it did not see the end."""
    transport = Gated()
    pager = client_of(transport).list(prefetch=4)
    walk = aiter(pager)
    await anext(walk)
    await settle()
    before = transport.under_way
    await walk.aclose()
    await walk.aclose()

    assert (4, 0) == (before, transport.under_way)
    assert "the end" == await anext(walk, "the end")
    assert "the scan was left before its end" == pager.report.why


@pytest.mark.anyio
async def test_a_cancelled_reader_has_nothing_under_way() -> None:
    """When the cancellation goes up, all pages have ended; who asks on misses none."""
    transport, walk = await begun()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, walk)
            await settle()
            scope.cancel()
    left = transport.under_way
    transport.gate.set()
    numbers = [each.number async for each in walk]

    assert (0, list(range(2, PAGES + 1))) == (left, numbers)


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "asked"), [(1, 1), (SIZE, 1), (SIZE + 1, 2), (4 * SIZE, 4)])
async def test_collecting_fetches_no_page_that_is_not_needed(limit: int, asked: int) -> None:
    """However far ahead it may look."""
    transport = Slow()
    client = client_of(transport)

    assert limit == len(await client.list(prefetch=8).collect(limit=limit))
    assert list(range(1, asked + 1)) == sorted(transport.asked)


@pytest.mark.anyio
async def test_the_first_row_takes_one_page() -> None:
    """Nothing is fetched ahead for it."""
    transport = Slow()

    assert (await client_of(transport).list(prefetch=8).first()) is not None
    assert [1] == transport.asked


@pytest.mark.parametrize("backend", DRIVERS)
@pytest.mark.parametrize(("first", "then"), [(5, PAGES), (PAGES, 5)], ids=["grows", "shrinks"])
def test_the_end_is_where_the_latest_page_says(backend: str, first: int, then: int) -> None:
    """A list that grows or shrinks meanwhile is read to its end."""
    transport = Slow(lambda number: page(number, first if number < 3 else then))

    assert then * SIZE == len(walked(backend, transport, prefetch=4))


@pytest.mark.parametrize("backend", DRIVERS)
def test_a_client_that_is_closed_ends_its_walks(backend: str) -> None:
    """What had been begun is handed out; nothing is begun after it."""
    transport = Slow()
    if backend == "blocking":
        transport.blocks = True
        client = Client("exante", token="t", base_url="https://h.example", transport=transport)
        walk = iter(client.list(prefetch=2))
        next(walk)
        client.close()
        with pytest.raises(errors.ClosedError):
            list(walk)
        return

    async def main() -> None:
        client = client_of(transport)
        walk = aiter(client.list(prefetch=2))
        await anext(walk)
        await client.aclose()
        with pytest.raises(errors.ClosedError):
            [row async for row in walk]

    anyio.run(main, backend=backend)


def test_a_walk_goes_on_on_another_event_loop() -> None:
    """What was under way on the first is given up, and fetched anew."""
    transport = Slow()
    walk = aiter(client_of(transport).list(prefetch=4))

    async def some(count: int) -> list[str]:
        return [row.id async for row, _ in _counted(walk, count)]

    rows = anyio.run(some, SIZE + 1, backend="asyncio")
    rows += anyio.run(some, SIZE + 1, backend="trio")
    rows += anyio.run(some, 10_000, backend="asyncio")

    assert [uid(each) for each in range(PAGES * SIZE)] == rows


async def _counted(walk: Any, count: int) -> Any:
    for number in range(count):
        row = await anext(walk, None)
        if row is None:
            return
        yield row, number


@pytest.mark.parametrize("error", [errors.DeadlineExceededError, errors.PoolTimeoutError])
@pytest.mark.parametrize("backend", DRIVERS)
def test_a_page_that_others_held_up_is_asked_for_anew(backend: str, error: Any) -> None:
    """With its own time, once those before it are done; the pages behind it are kept."""
    late = {4, 6}

    def answer(number: int) -> Any:
        if number in late:
            late.discard(number)
            if error is errors.PoolTimeoutError:
                return error("busy", evidence=NOTHING)
            return error("too late")
        return page(number)

    transport = Slow(answer)

    assert [uid(each) for each in range(PAGES * SIZE)] == walked(backend, transport, prefetch=8)
    assert PAGES + 2 == len(transport.asked)


@pytest.mark.parametrize("backend", DRIVERS)
def test_a_page_that_is_late_on_its_own_fails(backend: str) -> None:
    """Nobody held it up the second time."""
    transport = Slow(lambda n: errors.DeadlineExceededError("late") if n == 4 else page(n))

    with pytest.raises(errors.DeadlineExceededError):
        walked(backend, transport, prefetch=8)

    assert 2 == transport.asked.count(4)


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
