"""Pages fetched before the reader asks for them.

The first page tells how many pages there are. From then on a window moves along the list: at most
*width* pages are under way or wait to be read, in order. When the reader takes one, the next is
requested, so the provider works while the reader does.

Two rules keep requests under way while pages are decoded. The task or thread that receives a
response sends the next request at once and decodes nothing: the reader decodes a page when its turn
comes. And while the reader waits, each response starts another request; otherwise all responses
would arrive in one burst, with nothing under way behind it. So at most twice as many pages as asked
for are held, as bytes.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, Protocol

import attrs

from billingual.abc import Backend, PoolJob, TaskPool
from billingual.errors import DeadlineExceededError, PoolTimeoutError
from billingual.model import Page, Query

__all__ = ["MAX_PREFETCH", "Fetch", "Prefetcher"]

MAX_PREFETCH: Final = 64
"""No list fetches more pages than this at once; more would be an attack on the provider."""

_LATE: Final = (DeadlineExceededError, PoolTimeoutError)
"""Errors caused by queueing behind earlier pages, at a limiter or at the connection pool."""

_TURNS_TO_CONNECT: Final = 5
"""Turns of the event loop in which the first requests of a walk start to connect.

The tasks start in the first turn, and in later ones the tasks that they start to connect. If a
program ended in between, anyio would leave a coroutine that was never awaited, and Python would
warn of it. Over httpx three turns were enough.
"""

_TURNS_TO_LEAVE: Final = 3
"""Turns of the event loop in which a request leaves over a connection that is open.

Over h11 it takes one, over httpx three. A request that does not leave before a page is decoded
leaves a page later, or two, while the provider has nothing to do.
"""

_RECEIVED: Final = object()


class Fetch(Protocol):
    """Fetch the page that a query asks for."""

    def __call__(
        self, query: Query, *, received: Callable[[], Awaitable[None]] | None = None
    ) -> Coroutine[Any, Any, Page]:
        """Fetch it; await *received* between the response and its decoding."""
        ...


@types.coroutine
def _received() -> Generator[object, None, None]:
    """Tell the :class:`_PageCall` around this call that its response is in."""
    yield _RECEIVED


class _PageCall:
    """A call for one page: one task or thread receives the response, another decodes it.

    It drives the call's coroutine by hand, and passes on to the event loop what the coroutine waits
    for. A coroutine may be continued by another task as long as it is inside no cancel scope, and
    between a response and its decoding it is inside none.
    """

    __slots__ = ("_done", "_page", "_work", "error")

    _page: Page

    def __init__(self, work: Coroutine[Any, Any, Page]) -> None:
        self._work = work
        self._done = False
        self.error: Exception | None = None

    async def receive(self) -> _PageCall:
        """Wait for the response, or the error that :meth:`page` is going to raise."""
        try:
            await self._go_on(stop_when_received=True)
        except Exception as error:  # noqa: BLE001 - the page's turn has not come
            self.error = error
        return self

    async def page(self) -> Page:
        """Decode the page; called once."""
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame, and so to itself
        if not self._done:
            await self._go_on(stop_when_received=False)
        return self._page

    @types.coroutine
    def _go_on(self, *, stop_when_received: bool) -> Generator[Any, Any, None]:
        resume: Callable[[Any], Any] = self._work.send
        sent: Any = None
        while True:
            try:
                waits_for = resume(sent)
            except StopIteration as done:
                self._page, self._done = done.value, True
                return
            finally:
                sent = None  # an error that was thrown in refers to this frame
            resume = self._work.send
            if waits_for is _RECEIVED:
                if stop_when_received:
                    return
                continue
            try:
                sent = yield waits_for
            except BaseException as stop:  # noqa: BLE001 - the coroutine has to be told
                resume, sent = self._work.throw, stop


@attrs.define(eq=False)
class _Requested:
    """A page of the window.

    Attributes:
        number: of the page.
        job: receives the response.
        behind: whether the window held pages before it, which could delay it.
    """

    number: int
    job: PoolJob[_PageCall]
    behind: bool


class Prefetcher:
    """Fetch pages, several at once if their numbers are known beforehand.

    If a page fails, its error is raised when its turn comes and the pages behind it are thrown
    away; a reader who goes on starts again with that page. Dropping a prefetcher, in any thread,
    stops all that it started.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_fetch",
        "_last",
        "_next",
        "_pool",
        "_query",
        "_reader_waits",
        "_total",
        "_width",
        "_window",
    )

    def __init__(self, fetch: Fetch, backend: Backend | None, width: int) -> None:
        self._fetch = fetch
        self._backend = backend
        self._width = width
        self._window: deque[_Requested] = deque()
        self._pool: TaskPool | None = None
        self._query = Query()
        self._next = 0
        self._last = 0
        self._reader_waits = False
        self._total = 0

    def fresh(self, width: int | None = None) -> Prefetcher:
        """Return another one that has started nothing, as wide or with its own *width*."""
        return Prefetcher(self._fetch, self._backend, self._width if width is None else width)

    async def page(self, query: Query, last: int | None) -> Page:
        """Return the page that *query* asks for.

        Args:
            query: for one page.
            last: the number of the last page, or None if it is not known.
        """
        if self._pool is None or not self._fits(self._pool, query):
            await self.stop()
            if last is not None and last > query.page:
                self._start_window(query, last)
        pool = self._pool
        try:
            if pool is None:
                return self._counted(await self._fetch(query))
            number = self._window[0].number
            page = await self._take_first(pool)
            if page.total_items is not None and page.total_items < self._total:
                # The provider read this page first, then rows were added, then it read the page in
                # front: a row that moved from that one to this one is on neither. Read again, it is
                # not older. If rows were deleted instead, this costs one request.
                page = await self._fetch(attrs.evolve(self._query, page=number))
            return self._counted(page)
        except BaseException as stopped:
            await self._leave(stopped)
            raise

    async def go_on(self, query: Query, last: int | None) -> None:
        """Start the pages from *query* on; their requests leave before the reader goes on."""
        if self._start_window(query, last):
            try:
                await self._let_them_leave(_TURNS_TO_CONNECT)
            except BaseException as stopped:
                await self._leave(stopped)
                raise

    async def stop(self) -> None:
        """Throw away all pages of the window, and stop their calls."""
        self._window.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _counted(self, page: Page) -> Page:
        self._total = page.total_items or 0
        return page

    def _fits(self, pool: TaskPool, query: Query) -> bool:
        window = self._window
        return (
            bool(window)
            and window[0].number == query.page
            and query.cursor is None
            and pool.is_here()
        )

    def _start_window(self, query: Query, last: int | None) -> bool:
        """Start the pages from *query* up to *last* that the window has room for, if any."""
        if self._backend is None or self._width < 2 or query.cursor is not None or last is None:
            return False
        if self._pool is None:
            if last < query.page:
                return False
            self._pool = self._backend.task_pool(self._width)
        if not self._pool.is_here():
            return False
        with self._pool.paused():
            self._query, self._last = query, last
            if not self._window:
                self._next = query.page
            return self._start_up_to(self._pool, query.page + self._width - 1)

    def _start_up_to(self, pool: TaskPool, number: int) -> bool:
        before = self._next
        while self._next <= min(number, self._last):
            query = attrs.evolve(self._query, page=self._next)
            # Neither the job nor its callback refers to this object, so that it can be dropped
            # while pages are under way.
            call = functools.partial(_receive, self._fetch, query)
            job = pool.start(call, functools.partial(_one_more, weakref.ref(self), pool))
            self._window.append(_Requested(self._next, job, bool(self._window)))
            self._next += 1
        return self._next > before

    def start_one_more(self, pool: TaskPool) -> None:
        """Start another page because a response is in and the reader waits."""
        if self._reader_waits and pool is self._pool and self._window:
            most = self._window[0].number + 2 * self._width - 1
            self._start_up_to(pool, min(self._next, most))

    async def _take_first(self, pool: TaskPool) -> Page:
        first = self._window[0]
        self._reader_waits = True
        try:
            call = await first.job.result()
        finally:
            self._reader_waits = False
        if not isinstance(call.error, _LATE):
            with pool.paused():
                self._window.popleft()
                self._start_up_to(pool, first.number + self._width)
            await self._let_them_leave(_TURNS_TO_LEAVE)
            return await call.page()
        if first.behind:
            # Fetched again with a deadline of its own, once all others are received, so that
            # nothing can delay it. If others came too late as well, their turn comes.
            for each in list(self._window):
                await each.job.result()
            call = await _receive(self._fetch, attrs.evolve(self._query, page=first.number))
        self._window.popleft()
        return await call.page()

    async def _let_them_leave(self, turns: int) -> None:
        if self._backend is not None:
            # Where callers block, one turn lets a thread send all it has. Each further one makes
            # the threads change places twice more.
            for _ in range(1 if self._backend.blocks else turns):
                await self._backend.sleep(0)

    async def _leave(self, stopped: BaseException) -> None:
        """Stop because a page failed, or the reader was cancelled or interrupted."""
        if isinstance(stopped, GeneratorExit):
            self._abandon()  # the reader is being closed, so nothing can be awaited any more
        else:
            await self.stop()

    def _abandon(self) -> None:
        self._window.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.abandon()

    def __del__(self) -> None:
        self._abandon()


def _one_more(prefetcher: weakref.ref[Prefetcher], pool: TaskPool) -> None:
    alive = prefetcher()
    if alive is not None:
        alive.start_one_more(pool)


async def _receive(fetch: Fetch, query: Query) -> _PageCall:
    return await _PageCall(fetch(query, received=_received)).receive()
