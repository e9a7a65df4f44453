"""Walk a list page by page.

A provider pages by offset while others write, so a row can be repeated or skipped. A walk leaves
repeated rows out, raises an error if the pages do not move on, and reports at its end whether it
provably saw everything. A skipped row cannot be noticed.
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
    """A list to walk; nothing is requested before you ask for the first row.

    ``async for row in pager`` walks rows; :meth:`pages` walks pages. Each walk starts at the first
    page and holds one page at a time; with *prefetch*, so many more are under way or wait to be
    read. Rows keep the provider's order. A walk is *not* a snapshot: :attr:`report` says whether it
    is provably complete.

    If you stop reading, fetching stops: when a walk is dropped, its requests are cancelled. To do
    that at a certain moment, keep the walk and close it: ``walk = aiter(pager)``, then
    ``await walk.aclose()``.

    Not safe to share between tasks during a walk; make one pager for each.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: Query,
        *,
        backend: Backend | None = None,
        prefetch: int = 1,
        page_size: int | None = None,
    ) -> None:
        self._prefetcher = Prefetcher(fetch, backend, prefetch)
        self._query = query
        self._page_size = page_size
        self._scan = Scan()

    @property
    def report(self) -> ScanReport:
        """What the latest walk saw so far, and whether that is provably the whole list."""
        return self._scan.report()

    def __aiter__(self) -> AsyncWalk[InvoiceSummary]:
        return _Rows(self._walk())

    def pages(self) -> AsyncWalk[Page]:
        """Walk the pages; rows that came before are left out of ``items``.

        Raises:
            PaginationError: if the pages do not fit together.
        """
        return self._walk()

    async def first(self) -> InvoiceSummary | None:
        """Return the first row, or None if the list is empty."""
        async for page in self._walk(prefetch=1):
            if page.items:
                return page.items[0]
        return None

    async def collect(self, *, limit: int) -> list[InvoiceSummary]:
        """Return at most *limit* rows as a list; if that is too much for memory, walk instead.

        Raises:
            InvalidInputError: if *limit* is no int, or not at least 1.
        """
        if type(limit) is not int:
            raise InvalidInputError(
                "limit", f"{type(limit).__name__} is no number of rows", "give a whole number"
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

    def _walk(self, *, prefetch: int | None = None, limit: int | None = None) -> _Pages:
        self._scan = Scan(self._page_size)
        return _Pages(self._prefetcher.fresh(prefetch), self._query, self._scan, limit)


class _Walk(abc.ABC, Generic[T]):
    """Walk items that come in batches.

    Not a generator: one that is left early stays open until the event loop closes it.
    """

    __slots__ = ("_ready",)

    def __init__(self) -> None:
        self._ready: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for each in self._ready:
                return each
            self._ready = iter(await self.batch())

    @abc.abstractmethod
    async def batch(self) -> Sequence[T]:
        """Return the next items, as many as one page has."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """End the walk, and stop its requests."""


class _Pages(_Walk[Page]):
    """Fetch page after page."""

    __slots__ = ("_closed", "_last", "_limit", "_prefetcher", "_query", "_scan", "_unread")

    def __init__(self, prefetcher: Prefetcher, query: Query, scan: Scan, limit: int | None) -> None:
        super().__init__()
        self._prefetcher = prefetcher
        self._query = query
        self._scan = scan
        self._limit = limit
        self._last: int | None = None
        self._unread: Page | None = None
        self._closed = False

    async def batch(self) -> Sequence[Page]:
        """Return the next page."""
        if self._unread is None:
            if self._scan.ended or self._closed:
                raise StopAsyncIteration
            self._scan.refuse_to_go_on()
            page = await self._prefetcher.page(self._query, self._last)
            await self._add(page)
        else:
            await self._go_on()
        unread, self._unread = self._unread, None
        return () if unread is None else (unread,)

    async def _add(self, page: Page) -> None:
        fresh = self._scan.add(page)
        self._last = self._last_needed(page)
        self._query = attrs.evolve(
            self._query, page=self._query.page + 1, cursor=self._scan.next_cursor
        )
        # Kept until it is returned: a reader who is cancelled from here on loses no row.
        self._unread = page if fresh is page.items else attrs.evolve(page, items=fresh)
        await self._go_on()

    async def _go_on(self) -> None:
        """Request the next pages while the reader works."""
        if self._scan.ended or self._scan.stopped:
            await self._prefetcher.stop()
        else:
            await self._prefetcher.go_on(self._query, self._last)

    def _last_needed(self, page: Page) -> int | None:
        """Return the number of the last page that the walk needs; None if it is not known."""
        if self._scan.next_cursor is not None or page.total_pages is None:
            return None
        if self._limit is None:
            return page.total_pages
        # A page may be empty, or short because of rows that were deleted or came before.
        pages_left = -((self._scan.rows - self._limit) // (self._scan.fullest or self._limit))
        return min(page.total_pages, self._query.page + max(0, pages_left))

    async def aclose(self) -> None:
        """End the walk, and stop its requests."""
        self._closed = True
        self._unread = None
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
        """End the walk, and stop its requests."""
        self._ready = iter(())
        await self._pages.aclose()
