"""Lists that are longer than one answer.

A provider pages by offset while others write, so rows can repeat or be skipped. What we can do is
done: rows that repeat are dropped, pages that do not move on are an error, and the scan says at its
end whether it provably saw everything.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Generic, Self, TypeVar

import attrs

from billingual.abc import AsyncWalk, Backend
from billingual.errors import InvalidInputError
from billingual.model import InvoiceSummary, Page, Query
from billingual.pagination.prefetch import Fetch, Prefetcher
from billingual.pagination.scan import Scan, ScanReport

__all__ = ["Pager"]

T = TypeVar("T")


class Pager:
    """A list to be walked; nothing is requested before the first row is asked for.

    ``async for row in pager`` walks rows; :meth:`pages` walks answers. Each walk starts anew and
    holds one page at a time; where it fetches ahead, at most so many more are under way or wait to
    be read. Order is the provider's. A walk is *not* a snapshot: see :attr:`report` for whether it
    is provably complete.

    Who stops reading stops fetching: when a walk is dropped, the pages under way are given up. To
    be sure of the moment, keep the walk and close it: ``walk = aiter(pager)``, then
    ``await walk.aclose()``.

    Not safe to share between tasks while it is walked; make one pager for each.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: Query,
        *,
        backend: Backend | None = None,
        prefetch: int = 1,
    ) -> None:
        self._prefetcher = Prefetcher(fetch, backend, prefetch)
        self._query = query
        self._scan = Scan()

    @property
    def report(self) -> ScanReport:
        """What the latest walk saw so far, and whether that is provably everything."""
        return self._scan.report()

    def __aiter__(self) -> AsyncWalk[InvoiceSummary]:
        return _Rows(self._walk())

    def pages(self) -> AsyncWalk[Page]:
        """Walk the answers; rows that came before are left out of ``items``.

        Raises:
            PaginationError: if the pages do not fit together.
        """
        return self._walk()

    async def first(self) -> InvoiceSummary | None:
        """Return the first row, or None where there is none."""
        async for page in self._walk(ahead=1):
            if page.items:
                return page.items[0]
        return None

    async def collect(self, *, limit: int) -> list[InvoiceSummary]:
        """Return at most *limit* rows as a list; to hold more than fits in memory, walk instead.

        Raises:
            InvalidInputError: if *limit* is no int, or not at least 1.
        """
        if type(limit) is not int:
            raise InvalidInputError(
                "limit", f"{type(limit).__name__} is no number of rows", "give an int"
            )
        if limit < 1:
            raise InvalidInputError("limit", f"{limit} asks for no rows", "give at least 1")
        rows: list[InvoiceSummary] = []
        pages = self._walk(limit=limit)
        async for page in pages:
            rows.extend(page.items[: limit - len(rows)])
            if len(rows) == limit:
                await pages.aclose()
        return rows

    def _walk(self, *, ahead: int | None = None, limit: int | None = None) -> _Pages:
        self._scan = Scan()
        return _Pages(self._prefetcher.fresh(ahead), self._query, self._scan, limit)


class _Walk(abc.ABC, Generic[T]):
    """Walk what comes in batches. No generator: who leaves early leaves nothing open behind."""

    __slots__ = ("_at_hand",)

    def __init__(self) -> None:
        self._at_hand: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for each in self._at_hand:
                return each
            self._at_hand = iter(await self.batch())

    @abc.abstractmethod
    async def batch(self) -> Sequence[T]:
        """Return what comes next, all of it that is at hand."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Stop whatever is under way; the walk is over."""


class _Pages(_Walk[Page]):
    """Fetch page after page."""

    __slots__ = ("_closed", "_last", "_limit", "_prefetcher", "_query", "_scan", "_taken")

    def __init__(self, prefetcher: Prefetcher, query: Query, scan: Scan, limit: int | None) -> None:
        super().__init__()
        self._prefetcher = prefetcher
        self._query = query
        self._scan = scan
        self._limit = limit
        self._last: int | None = None
        self._taken: Page | None = None
        self._closed = False

    async def batch(self) -> Sequence[Page]:
        """Return the next page."""
        if self._taken is None:
            if self._scan.ended or self._closed:
                raise StopAsyncIteration
            page = await self._prefetcher.page(self._query, self._last)
            await self._take(page)
        else:
            await self._go_on()
        taken, self._taken = self._taken, None
        return () if taken is None else (taken,)

    async def _take(self, page: Page) -> None:
        try:
            fresh = self._scan.take(page)
        except BaseException:
            await self._prefetcher.stop()
            raise
        self._last = self._last_wanted(page)
        self._query = attrs.evolve(self._query, page=self._query.page + 1, cursor=page.next_cursor)
        # Kept until it is handed out: who is cancelled from here on loses no row by it.
        self._taken = page if fresh is page.items else attrs.evolve(page, items=fresh)
        await self._go_on()

    async def _go_on(self) -> None:
        """Begin what comes next, while the reader is at work."""
        if self._scan.ended:
            await self._prefetcher.stop()
        else:
            await self._prefetcher.go_on(self._query, self._last)

    def _last_wanted(self, page: Page) -> int | None:
        """Return the number of the last page that is sure to be needed."""
        if page.next_cursor is not None or page.total_pages is None:
            return None
        if self._limit is None or not page.items:
            return page.total_pages
        pages_left = -((self._scan.rows - self._limit) // len(page.items))
        return min(page.total_pages, self._query.page + max(0, pages_left))

    async def aclose(self) -> None:
        """Stop the pages that are under way; the walk is over."""
        self._closed = True
        self._taken = None
        await self._prefetcher.stop()


class _Rows(_Walk[InvoiceSummary]):
    """Walk the rows of page after page."""

    __slots__ = ("_pages",)

    def __init__(self, pages: _Pages) -> None:
        super().__init__()
        self._pages = pages

    async def batch(self) -> Sequence[InvoiceSummary]:
        """Return the rows of the next page."""
        return (await self._pages.__anext__()).items

    async def aclose(self) -> None:
        """Stop the pages that are under way; the walk is over."""
        self._at_hand = iter(())
        await self._pages.aclose()
