"""Lists that are longer than one answer.

A provider pages by offset while others write, so rows can repeat or be skipped. What we can do is
done: rows that repeat are dropped, pages that do not move on are an error, and the scan says at its
end whether it provably saw everything.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Self, TypeAlias

import attrs

from billingual.driver import Driver
from billingual.errors import (
    BillingualError,
    DeadlineExceededError,
    InvalidInputError,
    PaginationError,
)
from billingual.model import InvoiceSummary, Page, Query

__all__ = ["MAX_AHEAD", "Pager", "Scan", "ScanReport"]

Fetch: TypeAlias = Callable[[Query], Awaitable[Page]]

MAX_PAGES: Final = 1_000_000
"""No list is followed for ever: this many pages of one row are still a million rows."""

MAX_AHEAD: Final = 64
"""No list fetches more pages than this at once."""

MAX_BARREN: Final = 5
"""So many pages in a row without a new row are no gap, but a list that does not end."""


@attrs.frozen(kw_only=True)
class ScanReport:
    """What a scan saw.

    Attributes:
        pages: answers read.
        rows: rows that the answers brought, without those that came before.
        repeated: rows dropped because their id had come before.
        total_items: what the provider last said the total is, or None.
        complete: whether every row was provably seen at one moment.
        why: the reason, in words.
    """

    pages: int
    rows: int
    repeated: int
    total_items: int | None
    complete: bool
    why: str


@attrs.define
class Scan:
    """Follow the pages of one scan; pure bookkeeping."""

    pages: int = 0
    rows: int = 0
    repeated: int = 0
    total_items: int | None = None
    ended: bool = False
    _whole: bool = False
    _seen: set[str] = attrs.field(factory=set, repr=False)
    _cursors: set[str] = attrs.field(factory=set, repr=False)
    _last_ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    _barren: int = 0

    def take(self, page: Page) -> tuple[InvoiceSummary, ...]:
        """Take one page and return its rows that did not come before.

        Raises:
            PaginationError: if it repeats the page before it, it is one of several in a row that
                bring no new row, or there is no end to the pages.
        """
        ids = tuple(row.id for row in page.items)
        if ids and ids == self._last_ids:
            raise PaginationError(
                f"page {page.number} repeats the rows of the page before it: the provider does "
                "not move on, so the list was stopped."
            )
        if page.has_next and page.next_cursor is not None:
            if page.next_cursor in self._cursors:
                raise PaginationError(
                    f"after page {page.number} the provider leads back to a page that came "
                    "before, so the list was stopped."
                )
            self._cursors.add(page.next_cursor)
        if self.pages >= MAX_PAGES:
            raise PaginationError(f"the list did not end after {MAX_PAGES} pages.")
        fresh = tuple(row for row in page.items if not self._came_before(row.id))
        self.pages += 1
        self.rows += len(fresh)
        self.repeated += len(ids) - len(fresh)
        self.total_items = page.total_items
        self._last_ids = ids
        self._whole = page.is_whole or (
            page.number == 1 and page.total_items is not None and len(ids) == page.total_items
        )
        self.ended = self._whole or not self._has_next(page)
        self._barren = 0 if fresh else self._barren + 1
        if self._barren >= MAX_BARREN and not self.ended:
            raise PaginationError(
                f"the last {self._barren} pages, up to page {page.number}, brought no new row and "
                "the provider says there are more, so the list was stopped."
            )
        return fresh

    def report(self) -> ScanReport:
        """Say what was seen so far."""
        complete = self.ended and self._whole and self.repeated == 0
        if complete:
            why = "one answer held the whole list"
        elif self.pages == 0:
            why = "nothing was read yet"
        elif not self.ended:
            why = "the scan was left before its end"
        elif self.pages > 1:
            why = "several pages were read one after another, and others may write in between"
        else:
            why = "the provider does not say how many rows there are, or counts otherwise"
        return ScanReport(
            pages=self.pages,
            rows=self.rows,
            repeated=self.repeated,
            total_items=self.total_items,
            complete=complete,
            why=why,
        )

    def _came_before(self, row_id: str) -> bool:
        before = len(self._seen)
        self._seen.add(row_id)
        return len(self._seen) == before

    @staticmethod
    def _has_next(page: Page) -> bool:
        # An empty page is not the end while the provider says there are more.
        if page.has_next is not None:
            return page.has_next
        if page.total_pages is not None:
            return page.number < page.total_pages
        return bool(page.items)


class Pager:
    """A list to be walked; nothing is requested before the first row is asked for.

    ``async for row in pager`` walks rows; :meth:`pages` walks answers. Each walk starts anew and
    holds one page at a time, or as many as it fetches at once. Order is the provider's. A walk is
    *not* a snapshot: see :attr:`report` for whether it is provably complete.

    Not safe to share between tasks while it is walked; make one pager for each.
    """

    def __init__(
        self,
        fetch: Fetch,
        query: Query,
        *,
        driver: Driver | None = None,
        prefetch: int = 1,
    ) -> None:
        self._ahead = _Ahead(fetch, driver, prefetch)
        self._query = query
        self._scan = Scan()

    @property
    def report(self) -> ScanReport:
        """What the latest walk saw so far, and whether that is provably everything."""
        return self._scan.report()

    def __aiter__(self) -> AsyncIterator[InvoiceSummary]:
        return _Rows(self._walk())

    def pages(self) -> AsyncIterator[Page]:
        """Walk the answers; rows that came before are left out of ``items``.

        Raises:
            PaginationError: if the pages do not fit together.
        """
        return self._walk()

    async def first(self) -> InvoiceSummary | None:
        """Return the first row, or None where there is none."""
        async for page in self._walk():
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
        async for page in self._walk():
            rows.extend(page.items[: limit - len(rows)])
            if len(rows) == limit:
                break
        return rows

    def _walk(self) -> _Pages:
        self._scan = Scan()
        return _Pages(attrs.evolve(self._ahead), self._query, self._scan)


@attrs.define
class _Ahead:
    """Fetch pages, several at once where their numbers are known beforehand.

    A batch is fetched whole before its first page is handed out, and nothing is under way while the
    reader is at work: who stops reading has nothing left to stop. Pages after one that failed are
    thrown away; who asks on begins with that one again.
    """

    _fetch: Fetch
    _driver: Driver | None
    _width: int
    _ready: list[tuple[int, Page | BillingualError]] = attrs.field(factory=list, init=False)

    async def page(self, query: Query, last: int | None) -> Page:
        """Return the page that *query* asks for.

        Args:
            query: for one page.
            last: the number of the last page, or None where it is not known.
        """
        if not self._ready or self._ready[0][0] != query.page:
            self._ready = []
            ahead = min(self._width, 1 if last is None else last - query.page + 1)
            if self._driver is None or ahead < 2:
                return await self._fetch(query)
            await self._fetch_batch(self._driver, query, ahead)
        _, result = self._ready.pop(0)
        if isinstance(result, BillingualError):
            self._ready = []
            raise result
        return result

    async def _fetch_batch(self, driver: Driver, query: Query, count: int) -> None:
        async def kept(number: int) -> tuple[int, Page | BillingualError]:
            try:
                return number, await self._fetch(attrs.evolve(query, page=number))
            except BillingualError as error:
                return number, error

        jobs = [functools.partial(kept, query.page + each) for each in range(count)]
        batch = await driver.gather(jobs, limit=count)
        # Pages of one batch hold each other up at a limiter. One that was not let through in time
        # because of those before it is asked for anew, with time of its own.
        late = (at for at, (_, end) in enumerate(batch) if isinstance(end, DeadlineExceededError))
        self._ready = batch[: next(late, None) or count]


class _Pages:
    """Fetch page after page. No generator: who leaves early leaves nothing open behind."""

    __slots__ = ("_ahead", "_last", "_query", "_scan")

    def __init__(self, ahead: _Ahead, query: Query, scan: Scan) -> None:
        self._ahead = ahead
        self._query = query
        self._scan = scan
        self._last: int | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        if self._scan.ended:
            raise StopAsyncIteration
        page = await self._ahead.page(self._query, self._last)
        fresh = self._scan.take(page)
        self._last = None if page.next_cursor is not None else page.total_pages
        self._query = attrs.evolve(self._query, page=self._query.page + 1, cursor=page.next_cursor)
        return attrs.evolve(page, items=fresh)


class _Rows:
    """Walk the rows of page after page."""

    __slots__ = ("_page", "_pages")

    def __init__(self, pages: _Pages) -> None:
        self._pages = pages
        self._page: Iterator[InvoiceSummary] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> InvoiceSummary:
        while True:
            for row in self._page:
                return row
            self._page = iter((await self._pages.__anext__()).items)
