"""Prefetched pages: the same rows in the same order, and at most so many requests at once."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import pytest

from _support.small_provider import SMALL, SmallDialect
from billingual import AsyncClient, Client, MemoryTransport, Page, errors
from billingual.events import AttemptEnded
from billingual.model import Query
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Conversation, WireRequest, WireResponse

PAGES = 11
SIZE = 3
BACKENDS = ["asyncio", "trio", "blocking"]
NOTHING = Evidence(connected=False, request_complete=False, response_begun=False)


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
    """Respond after a short wait, and count how many requests are under way at once."""

    supports = frozenset({"async", "sync"})

    def __init__(self, response: Callable[[int], Any] = page) -> None:
        self.response = response
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
        response = self.response(number)
        if isinstance(response, Exception):
            raise response
        return response

    async def aclose(self) -> None: ...


def walked(
    backend: str, transport: Slow, *, limit: int = 10_000, retry: str = "none", **options: Any
) -> list[str]:
    """Walk a list and return the ids, at most *limit* of them."""
    if backend == "blocking":
        transport.blocks = True
        with Client(
            "exante", token="t", base_url="https://h.example", transport=transport, retry=retry
        ) as client:
            return [row.id for row, _ in zip(client.list(**options), range(limit), strict=False)]

    async def walk() -> list[str]:
        ids: list[str] = []
        async with AsyncClient(
            "exante", token="t", base_url="https://h.example", transport=transport, retry=retry
        ) as client:
            async for row in client.list(**options):
                ids.append(row.id)
                if len(ids) == limit:
                    break
        return ids

    return anyio.run(walk, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("width", [1, 2, 4, 16, 64])
def test_rows_keep_their_order_for_every_width(backend: str, width: int) -> None:
    """Pages may arrive in any order; and at most *prefetch* requests are under way."""
    transport = Slow()

    assert [uid(each) for each in range(PAGES * SIZE)] == walked(backend, transport, prefetch=width)
    assert list(range(1, PAGES + 1)) == sorted(transport.asked)
    assert min(width, 2) <= transport.most <= width


@pytest.mark.parametrize("backend", BACKENDS)
def test_leaving_a_walk_stops_its_requests(backend: str) -> None:
    """No more pages were requested than the window held, and none is requested afterwards."""
    transport = Slow()

    assert 2 * SIZE == len(walked(backend, transport, prefetch=2, limit=2 * SIZE))
    asked = sorted(transport.asked)

    assert list(range(1, len(asked) + 1)) == asked
    assert len(asked) <= 3 + 2 * 2 < PAGES
    assert backend == "blocking" or 0 == transport.under_way


class Gated(Slow):
    """Hold back each page after the first until the gate opens."""

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


async def started(prefetch: int = 4) -> tuple[Gated, Any]:
    """Read the first page of a walk, and let the requests of the window leave."""
    transport = Gated()
    walk = client_of(transport).list(prefetch=prefetch).pages()
    await anext(walk)
    await settle()
    assert prefetch == transport.under_way
    return transport, walk


@pytest.mark.anyio
async def test_pages_are_requested_while_the_reader_works() -> None:
    """They are requested once the first page is returned, and never more than *prefetch*."""
    transport, _ = await started()

    assert [1, 2, 3, 4, 5] == transport.asked


@pytest.mark.anyio
async def test_a_slow_reader_has_at_most_so_many_pages_waiting() -> None:
    """The next page is requested when the reader takes one."""
    transport, walk = await started()
    transport.gate.set()
    await settle()
    asked = [len(transport.asked)]
    for _ in range(3):
        await anext(walk)
        await settle()
        asked.append(len(transport.asked))

    assert [5, 6, 7, 8] == asked


class Watched(Slow):
    """Respond at once, and keep one record of requests sent and pages decoded."""

    def __init__(self, turns: int = 0) -> None:
        super().__init__()
        self.record: list[str] = []
        self.turns = turns

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        for _ in range(self.turns):
            await anyio.lowlevel.checkpoint()
        self.record.append("sent")
        await anyio.lowlevel.checkpoint()
        return page(number_of(request))

    def __call__(self, event: object) -> None:
        if isinstance(event, AttemptEnded):
            self.record.append("decoded")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio picks the next task by chance
@pytest.mark.parametrize("turns", [0, 2])
async def test_the_next_request_leaves_before_a_page_is_decoded(turns: int) -> None:
    """Decoding takes time, in which the provider would have nothing to do.

    Over h11 a request leaves in the turn of the event loop in which its task starts, over httpx in
    the second turn after that.
    """
    watched = Watched(turns)
    client = client_of(watched).with_options(observers=[watched])
    walk = client.list(prefetch=2).pages()
    await anext(walk)
    before = watched.record.copy()
    await anext(walk)
    await settle()

    assert ["sent", "decoded", "sent", "sent"] == before
    assert "sent" == watched.record[len(before)]
    assert 2 == watched.record.count("decoded")
    await walk.aclose()


@pytest.mark.anyio
async def test_a_page_that_waits_is_not_decoded_before_its_turn() -> None:
    """Pages wait as bytes; those that a walk never reaches are never decoded."""
    watched = Watched()
    client = client_of(watched).with_options(observers=[watched])
    walk = client.list(prefetch=8).pages()
    await anext(walk)
    await settle()

    assert (9, 1) == (watched.record.count("sent"), watched.record.count("decoded"))
    await walk.aclose()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_page_that_cannot_be_decoded_raises_when_its_turn_comes(backend: str) -> None:
    """The pages before it are returned, and the walk can go on with it."""
    broken = [4]

    def response(number: int) -> Any:
        if number in broken:
            broken.remove(number)
            return MemoryTransport.json("[")
        return page(number)

    with pytest.raises(errors.ProtocolError):
        walked(backend, Slow(response), prefetch=8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_page_whose_decoding_says_try_again_is_requested_again(backend: str) -> None:
    """A response of status 200 can carry an error that may pass; the reader waits for the retry."""
    refusals = [4]

    def response(number: int) -> Any:
        if number in refusals:
            refusals.remove(number)
            return MemoryTransport.json(
                '{"status": "error", "status_code": 503, "message": "busy"}'
            )
        return page(number)

    transport = Slow(response)

    ids = walked(backend, transport, prefetch=8, retry="standard")

    assert [uid(each) for each in range(PAGES * SIZE)] == ids
    assert 2 == transport.asked.count(4)


@pytest.mark.anyio
async def test_behind_a_page_that_hangs_at_most_twice_the_window_is_requested() -> None:
    """The pages behind it are requested while the reader waits, up to that bound."""
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
async def test_dropping_a_walk_cancels_its_requests() -> None:
    """The event loop cancels them at its next turn, and logs nothing."""
    transport, walk = await started()
    del walk
    gc.collect()
    await settle()

    assert 0 == transport.under_way


@pytest.mark.anyio
async def test_dropping_a_walk_in_another_thread_cancels_its_requests() -> None:
    """The garbage collector may run in any thread."""
    transport, walk = await started()
    held = [walk]
    del walk
    await anyio.to_thread.run_sync(held.clear)
    while transport.under_way:
        await anyio.lowlevel.checkpoint()

    assert [] == held


@pytest.mark.anyio
async def test_an_error_in_the_readers_loop_cancels_the_requests() -> None:
    """Nothing is under way for a ``for`` statement that was left."""
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
async def test_closing_a_walk_waits_for_its_requests() -> None:
    """Nothing is under way afterwards; the report says that the walk did not see the end."""
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
async def test_cancelling_the_reader_waits_for_the_requests() -> None:
    """Nothing is under way afterwards; a reader who goes on misses no page."""
    transport, walk = await started()
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
async def test_collect_requests_only_the_pages_it_needs(limit: int, asked: int) -> None:
    """Whatever *prefetch* allows."""
    transport = Slow()
    client = client_of(transport)

    assert limit == len(await client.list(prefetch=8).collect(limit=limit))
    assert list(range(1, asked + 1)) == sorted(transport.asked)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("rows", "limit", "asked"),
    [([0, 3, 3, 3, 3, 3, 3], 3, 2), ([3, 1, 3, 3, 3, 3, 3], 9, 4)],
    ids=["an-empty-page", "a-short-page"],
)
def test_collect_is_not_misled_by_a_page_that_is_short(
    backend: str, rows: list[int], limit: int, asked: int
) -> None:
    """It requests no page too many, however few rows the latest one has."""

    def respond(number: int) -> WireResponse:
        items = [{"uid": uid(number * SIZE + each)} for each in range(rows[number - 1])]
        meta = {"page": number, "total_pages": len(rows)}
        return MemoryTransport.json(json.dumps({"data": {"items": items, "_meta": meta}}))

    transport = Slow(respond)
    assert len(collected(backend, transport, limit)) == limit
    assert sorted(transport.asked) == list(range(1, asked + 1))


def collected(backend: str, transport: Slow, limit: int) -> list[str]:
    """Collect at most *limit* rows, prefetching."""
    options: Any = {"token": "t", "base_url": "https://h.example", "retry": "none"}
    if backend == "blocking":
        transport.blocks = True
        with Client("exante", transport=transport, **options) as client:
            return [row.id for row in client.list(prefetch=6).collect(limit=limit)]

    async def collect() -> list[str]:
        async with AsyncClient("exante", transport=transport, **options) as client:
            return [row.id for row in await client.list(prefetch=6).collect(limit=limit)]

    return anyio.run(collect, backend=backend)


@pytest.mark.anyio
async def test_first_requests_one_page() -> None:
    """It prefetches nothing."""
    transport = Slow()

    assert (await client_of(transport).list(prefetch=8).first()) is not None
    assert [1] == transport.asked


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("first", "then"), [(5, PAGES), (PAGES, 5)], ids=["grows", "shrinks"])
def test_the_latest_page_says_where_the_list_ends(backend: str, first: int, then: int) -> None:
    """A list that grows or shrinks during the walk is read to its end."""
    transport = Slow(lambda number: page(number, first if number < 3 else then))

    assert then * SIZE == len(walked(backend, transport, prefetch=4))


@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_a_client_ends_its_walks(backend: str) -> None:
    """Pages that were requested before are returned; the next request raises."""
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


def test_a_walk_can_go_on_in_another_event_loop() -> None:
    """Pages under way in the first loop are given up, and requested again in the second."""
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
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_page_delayed_by_others_is_requested_again(backend: str, error: Any) -> None:
    """It gets a deadline of its own, once the others are received; pages behind it are kept."""
    late = {4, 6}

    def response(number: int) -> Any:
        if number in late:
            late.discard(number)
            if error is errors.PoolTimeoutError:
                return error("busy", evidence=NOTHING)
            return error("too late")
        return page(number)

    transport = Slow(response)

    assert [uid(each) for each in range(PAGES * SIZE)] == walked(backend, transport, prefetch=8)
    assert PAGES + 2 == len(transport.asked)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_page_that_is_late_twice_fails(backend: str) -> None:
    """The second time no other page could delay it."""
    transport = Slow(lambda n: errors.DeadlineExceededError("late") if n == 4 else page(n))

    with pytest.raises(errors.DeadlineExceededError):
        walked(backend, transport, prefetch=8)

    assert 2 == transport.asked.count(4)


def test_a_page_that_failed_raises_when_its_turn_comes() -> None:
    """The pages before it are returned first; the error is the page's own."""
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


def test_going_on_after_a_failed_page_starts_with_that_page() -> None:
    """No row is skipped, and none is returned twice."""
    broken = [4]

    def response(number: int) -> Any:
        if number in broken:
            broken.remove(number)
            return errors.ConnectionLostError("it broke.")
        return page(number)

    transport = Slow(response)
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


def test_without_a_known_number_of_pages_they_are_requested_one_by_one() -> None:
    """No page number is guessed."""

    def response(number: int) -> Any:
        if number <= 3:
            return page(number, None)
        return MemoryTransport.json('{"data": {"items": [], "_meta": {}}}')

    transport = Slow(response)

    assert 3 * SIZE == len(walked("asyncio", transport, prefetch=8))
    assert 1 == transport.most


@pytest.mark.parametrize("prefetch", [0, -1, 65, 2.0, True, "4", None])
def test_an_unusable_prefetch_is_refused(prefetch: Any) -> None:
    """The call fails before anything is sent; the width is bounded."""
    client = AsyncClient("exante", transport="memory")

    with pytest.raises(errors.InvalidInputError, match="prefetch"):
        client.list(prefetch=prefetch)


def test_pages_that_a_limiter_delays_past_their_deadline_are_requested_again() -> None:
    """A walk that passes with one page at a time also passes with several at once."""
    transport = Slow()
    transport.blocks = True
    with Client(
        "exante", token="t", base_url="https://h.example", transport=transport, retry="none",
        limiter=10, deadline=0.75,
    ) as client:  # fmt: skip
        rows = [row.id for row in client.list(prefetch=16)]

    assert [uid(each) for each in range(PAGES * SIZE)] == rows


class WorkingLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own: it jumps to the next timer, and work moves it on."""

    def __init__(self) -> None:
        loop = self
        self.seconds = 0.0

        class Jump(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> list[Any]:
                loop.seconds += max(0.0, timeout or 0.0)
                return []

        super().__init__(Jump())

    def time(self) -> float:
        return self.seconds


def work(milliseconds: float) -> None:
    """Spend time of the event loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WorkingLoop)
    loop.seconds += milliseconds / 1000


class Distant(Slow):
    """Respond after 20 ms; sending and receiving take a quarter of a millisecond together."""

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        work(0.1)
        await asyncio.sleep(0.02)
        work(0.15)
        return MemoryTransport.json(json.dumps({"rows": [request.url], "total_pages": 200}))


class DecodingDialect(SmallDialect):
    """Decode each page in half a millisecond."""

    def list_page(self, query: Query) -> Conversation[Page]:
        listed = yield from super().list_page(query)
        work(0.45)
        return listed


@pytest.mark.parametrize(("width", "most"), [(4, 1.04), (8, 1.08), (16, 1.13)])
def test_a_list_comes_in_nearly_the_ideal_time(width: int, most: float) -> None:
    """200 pages take little more than the waits of 20 ms for them take, *width* at once.

    The clock is our own, and the work for a page takes the millisecond that a page of 100 rows was
    measured to take. One wait is for the first page, which says how many pages there are: at
    sixteen pages it takes 8 of the 13 per cent. Decoding before sending would take 14.
    """
    provider = attrs.evolve(SMALL, dialects=(DecodingDialect(),))

    async def main() -> float:
        async with AsyncClient(provider, base_url="https://h.example", transport=Distant()) as used:
            async for _ in used.list(prefetch=width):
                work(0.3)
            return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=WorkingLoop) as runner:
        seconds = runner.run(main())

    assert seconds <= most * math.ceil(200 / width) * 0.02
