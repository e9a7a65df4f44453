"""Pages fetched before the reader asks for them.

Once the first page has told how many there are, a window moves along the list: at most so many
pages are under way or wait to be read, in order. As soon as the reader takes one, the next is
begun, so the provider works while the reader does. While the reader waits for a page, each that
comes in makes place for another, or all would set out together and come back together, to be
decoded one after another with nothing under way. So at most twice as many are ever held.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs

from billingual.abc import Backend, Job, TaskPool
from billingual.errors import DeadlineExceededError, PoolTimeoutError
from billingual.model import Page, Query

__all__ = ["MAX_AHEAD", "Ahead", "Fetch"]

Fetch: TypeAlias = Callable[[Query], Awaitable[Page]]

MAX_AHEAD: Final = 64
"""No list fetches more pages than this at once."""

_LATE: Final = (DeadlineExceededError, PoolTimeoutError)
"""What befalls a page that those before it held up, at a limiter or at the pool."""


@attrs.define(eq=False)
class _Begun:
    """A page that was begun.

    Attributes:
        number: of the page.
        job: brings the page, or the error in its place.
        behind: whether others of the window were begun before it and could hold it up.
    """

    number: int
    job: Job[Page | Exception]
    behind: bool


class Ahead:
    """Fetch pages, several at once where their numbers are known beforehand.

    A page that fails does so when its turn comes. Those after it are thrown away; who asks on
    begins with that one again. Dropping this, from any thread, stops all that it began.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_fetch",
        "_last",
        "_pool",
        "_query",
        "_waited_for",
        "_width",
        "_window",
    )

    def __init__(self, fetch: Fetch, backend: Backend | None, width: int) -> None:
        self._fetch = fetch
        self._backend = backend
        self._width = width
        self._window: deque[_Begun] = deque()
        self._pool: TaskPool | None = None
        self._query = Query()
        self._last = 0
        self._waited_for = False

    def afresh(self, width: int | None = None) -> Ahead:
        """Return another that has begun nothing, as wide or with its own *width*."""
        return Ahead(self._fetch, self._backend, self._width if width is None else width)

    async def page(self, query: Query, last: int | None) -> Page:
        """Return the page that *query* asks for.

        Args:
            query: for one page.
            last: the number of the last page, or None where it is not known.
        """
        pool = self._pool
        if pool is None or not self._fits(pool, query):
            await self.stop()
            pool = self._begin(query, last) if last is not None and last > query.page else None
            if pool is None:
                return await self._fetch(query)
        try:
            end = await self._end_of_first(pool)
        except BaseException as left:
            await self._leave(left)
            raise
        with pool.paused():
            self._window.popleft()
        if isinstance(end, Exception):
            await self.stop()
            try:
                raise end
            finally:
                del end  # or its traceback would hold it, and so itself
        return end

    async def go_on(self, query: Query, last: int | None) -> None:
        """Begin the pages from *query* on, and let them set out before the reader goes on."""
        if self._begin(query, last) is None or self._backend is None:
            return
        try:
            await self._backend.sleep(0)
        except BaseException as left:
            await self._leave(left)
            raise

    async def stop(self) -> None:
        """Throw away all that was begun, and begin nothing more for it."""
        self._window.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _fits(self, pool: TaskPool, query: Query) -> bool:
        window = self._window
        return (
            bool(window)
            and window[0].number == query.page
            and query.cursor is None
            and pool.is_here()
        )

    def _begin(self, query: Query, last: int | None) -> TaskPool | None:
        """Begin the pages from *query* on, up to the *last*, as far as there is room."""
        if self._backend is None or self._width < 2 or query.cursor is not None or last is None:
            return self._pool
        if self._pool is None:
            if last < query.page:
                return None
            self._pool = self._backend.task_pool(self._width)
        if self._pool.is_here():
            with self._pool.paused():
                self._query, self._last = query, last
                self._begin_to(self._pool, query.page + self._width - 1)
        return self._pool

    def _begin_to(self, pool: TaskPool, number: int) -> None:
        window = self._window
        following = window[-1].number + 1 if window else self._query.page
        for each in range(following, min(number, self._last) + 1):
            window.append(_Begun(each, self._begun(pool, each), bool(window)))

    def _begun(self, pool: TaskPool, number: int) -> Job[Page | Exception]:
        # Bound to nothing that holds self, which could not be dropped while a page is under way.
        work = functools.partial(_kept, self._fetch, attrs.evolve(self._query, page=number))
        return pool.start(work, functools.partial(_one_more, weakref.ref(self), pool))

    def begin_one_more(self, pool: TaskPool) -> None:
        """Let whoever brought a page go on with another, because the reader waits for one."""
        if self._waited_for and pool is self._pool and self._window:
            following = self._window[-1].number + 1
            if following < self._window[0].number + 2 * self._width:
                self._begin_to(pool, following)

    async def _end_of_first(self, pool: TaskPool) -> Page | Exception:
        first = self._window[0]
        self._waited_for = True
        try:
            end = await first.job.result()
        finally:
            self._waited_for = False
        if first.behind and isinstance(end, _LATE):
            # Asked for anew with time of its own, and with nobody beside it: all others are done,
            # and those that came too late as well have their turn when they are first.
            for each in list(self._window):
                await each.job.result()
            with pool.paused():
                first.behind = False
                first.job = self._begun(pool, first.number)
            end = await first.job.result()
        return end

    async def _leave(self, left: BaseException) -> None:
        """Stop because the reader was cancelled or interrupted."""
        if isinstance(left, GeneratorExit):
            self._abandon()  # nothing can be awaited any more
        else:
            await self.stop()

    def _abandon(self) -> None:
        self._window.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.abandon()

    def __del__(self) -> None:
        self._abandon()


def _one_more(ahead: weakref.ref[Ahead], pool: TaskPool) -> None:
    alive = ahead()
    if alive is not None:
        alive.begin_one_more(pool)


async def _kept(fetch: Fetch, query: Query) -> Page | Exception:
    try:
        return await fetch(query)
    except Exception as error:  # noqa: BLE001 - it is raised when the page's turn comes
        return error
