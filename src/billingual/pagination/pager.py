"""Walk a list page by page.

A provider pages by offset while others write, so a row can be repeated or skipped. A walk leaves
repeated rows out, raises an error if the pages do not move on, and reports at its end whether it
provably saw everything. A skipped row cannot be noticed.
"""

from __future__ import annotations

import abc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, NoReturn, Self, TypeVar

import attrs

from billingual.abc import AsyncWalk, Backend
from billingual.errors import (
    BillingualError,
    InvalidInputError,
    NotFoundError,
    PaginationError,
    ProtocolError,
    ResponseTooLargeError,
    ServerError,
    refuse_copy,
    refuse_name,
    shown,
)
from billingual.model import BadPage, InvoiceSummary, Page, Query
from billingual.model.page import RowList
from billingual.pagination.checkpoint import Place
from billingual.pagination.prefetch import Fetch, Prefetcher
from billingual.pagination.scan import MAX_PAGES, Scan, ScanReport
from billingual.pagination.skips import MAX_BAD_PAGES, Skips

if TYPE_CHECKING:
    from billingual.pagination.columns import AsyncColumns

__all__ = ["AsyncPager"]

T = TypeVar("T")

SEARCHED: Final = 10
"""Pages on either side of a checkpoint where its last rows are looked for: 21 requests at most."""

_UNREADABLE: Final = (ProtocolError, ResponseTooLargeError, ServerError)
"""Errors that one page can cause: its response is no page, or the provider cannot make one."""
_SHORTER: Final = "the pages before it came, so the list may be shorter now; walk it anew"


class AsyncPager:
    """A list to walk; nothing is requested before you ask for the first row.

    ``async for row in pager`` walks rows; :meth:`pages` walks pages. Each walk starts at the first
    page, or where *resume* says, and holds one page at a time; with *prefetch*, so many more are
    under way or wait to be read. Rows keep the provider's order. A walk is *not* a snapshot:
    :attr:`report` says whether it is provably complete.

    If you stop reading, fetching stops: when a walk is dropped, its requests are cancelled. To do
    that at a certain moment, keep the walk and close it: ``walk = aiter(pager)``, then
    ``await walk.aclose()``.

    Not safe to share between tasks during a walk; make one pager for each.
    """

    if not TYPE_CHECKING:  # or type checkers would take any name
        __getattr__ = refuse_name

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __init__(
        self,
        fetch: Fetch,
        query: Query,
        start: Place,
        *,
        backend: Backend | None = None,
        prefetch: int = 1,
        full_page: int | None = None,
        skips: Skips = Skips(),  # noqa: B008 - frozen
    ) -> None:
        self._prefetcher = Prefetcher(fetch, backend, prefetch)
        self._query = query
        self._start = start
        self._full_page = full_page
        self._skips = skips
        self._scan = Scan()
        self._place = start.fresh()

    def __repr__(self) -> str:
        how = "iterate, or take first(), collect(limit=...), pages() or arrow()"
        return f"<{type(self).__name__}: {how}>"

    @property
    def report(self) -> ScanReport:
        """What the latest walk saw so far, and whether that is provably the whole list."""
        return self._scan.report()

    @property
    def checkpoint(self) -> str:
        """How far the latest walk got, for ``list(..., resume=checkpoint)`` with the same filter.

        A short JSON text without credentials. It holds no row: fingerprints of the ids of the last
        16, and the provider's cursor if there is one. That walk goes on behind the last row that
        was handed out (of :meth:`pages`: the last page; of :meth:`arrow`: the last batch). Rows
        that were fetched and not handed out come again.
        """
        return self._place.text()

    def __aiter__(self) -> AsyncWalk[InvoiceSummary]:
        pages = self._walk()
        return _Rows(pages, self._place)

    def pages(self) -> AsyncWalk[Page]:
        """Walk the pages; rows that came before are left out of ``items``.

        Raises:
            PaginationError: if the pages do not fit together, or none of the last rows before
                *resume* is found.
        """
        return self._walk()

    def arrow(self, *, raw: bool = True, max_rows: int = 10_000) -> AsyncColumns:
        """Read the rows as Arrow columns, a record batch at a time, with the extra ``arrow``.

        Args:
            raw: whether each row's payload as it came is in it, as JSON text in the last column.
            max_rows: rows of a batch at most, 1 to 1,000,000. A batch ends before that where it has
                grown to 64 MiB. Default 10,000.

        Raises:
            InvalidInputError: if *raw* is no bool, or *max_rows* is no int or out of bounds.
            MissingExtraError: if arro3 is not installed.
        """
        from billingual.pagination.columns import AsyncColumns  # noqa: PLC0415 - of an extra

        return AsyncColumns(self._pages_apart, lambda: self.report, raw=raw, max_rows=max_rows)

    def _pages_apart(self) -> tuple[AsyncWalk[Page], Place, Callable[[], None]]:
        """Start a walk whose checkpoint moves on when it is told to."""
        pages, place = self._walk(), self._place
        self._place = place.now()

        def hand_out() -> None:
            self._place = place.now()

        return pages, place, hand_out

    async def first(self) -> InvoiceSummary | None:
        """Return the first row, or None if the list is empty."""
        async for page in self._walk(prefetch=1):
            for row in self._place.rows_of(page):
                return row
        return None

    async def collect(self, *, limit: int) -> list[InvoiceSummary]:
        """Return at most *limit* rows as a list; if that is too much for memory, walk instead.

        A notebook shows the list as a table.

        Raises:
            InvalidInputError: if *limit* is no int, or not at least 1.
        """
        if type(limit) is not int:
            raise InvalidInputError(
                "limit", f"{type(limit).__name__} is no number of rows", "give a whole number"
            )
        if limit < 1:
            raise InvalidInputError("limit", f"{shown(limit)} asks for no rows", "give at least 1")
        limit = min(limit, sys.maxsize)  # islice() takes no more.
        rows = RowList()
        pages = self._walk(limit=limit)
        async for page in pages:
            rows.extend(islice(self._place.rows_of(page), limit - len(rows)))
            if len(rows) == limit:
                await pages.aclose()
        return rows

    def _walk(self, *, prefetch: int | None = None, limit: int | None = None) -> _Pages:
        self._scan, self._place = Scan(self._full_page), self._start.fresh()
        return _Pages(
            self._prefetcher.fresh(prefetch),
            self._query,
            self._scan,
            self._place,
            self._skips,
            limit=limit,
        )


class _Walk(abc.ABC, Generic[T]):
    """Walk items that come in batches.

    Not a generator: one that is left early stays open until the event loop closes it.
    """

    __slots__ = ("_ready",)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

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
    async def batch(self) -> Iterable[T]:
        """Return the next items, as many as one page has."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """End the walk, and stop its requests."""


class _Pages(_Walk[Page]):
    """Fetch page after page."""

    __slots__ = (
        "_bad_pages",
        "_closed",
        "_last",
        "_limit",
        "_place",
        "_prefetcher",
        "_query",
        "_scan",
        "_skips",
        "_unread",
    )

    def __init__(
        self,
        prefetcher: Prefetcher,
        query: Query,
        scan: Scan,
        place: Place,
        skips: Skips,
        *,
        limit: int | None,
    ) -> None:
        super().__init__()
        self._prefetcher = prefetcher
        self._query = attrs.evolve(query, page=place.page, cursor=place.cursor)
        self._scan = scan
        self._place = place
        self._skips = skips
        self._limit = limit
        self._last: int | None = None
        self._unread: tuple[Page, Query] | None = None
        self._bad_pages = 0
        self._closed = False

    async def batch(self) -> Sequence[Page]:
        """Return the next page."""
        # Before the next page is decoded, so that a walk never holds the rows of two.
        self._place.settle()
        if self._unread is None:
            if self._scan.ended or self._closed:
                raise StopAsyncIteration
            self._scan.refuse_to_go_on()
            page = await self._fetch()
            if page is None:
                return ()
            await self._add(page)
        else:
            await self._go_on()
        unread, self._unread = self._unread, None
        if unread is None:
            return ()
        self._place.hand_out(*unread, self._scan.next_cursor)
        return (unread[0],)

    async def _fetch(self) -> Page | None:
        """Fetch a page; None if it cannot be read and is skipped."""
        if self._scan.pages == 0 and self._place.taken:
            return await self._find()
        try:
            page = await self._prefetcher.page(self._query, self._last)
        except NotFoundError as error:
            if self._scan.pages:  # The address is right: it led to the pages before.
                error.args = (f"{error.summary}; {_SHORTER}.",)
            raise
        except _UNREADABLE as error:
            if not self._skip_page(error):
                raise
            return None
        self._bad_pages = 0
        return page

    async def _find(self) -> Page:
        """Find the page with the last rows that an earlier walk handed out: it may have moved.

        Raises:
            PaginationError: if it is not near the page where they were.
        """
        place = self._place
        first = attrs.evolve(self._query, page=place.page, cursor=place.cursor)
        by_cursor = place.by_cursor
        page = await (self._find_by_cursor() if by_cursor else self._find_by_number())
        if page is None and place.knows_all:
            self._query = first if by_cursor else attrs.evolve(first, page=1)
            page = await self._prefetcher.page(self._query, None)
        if page is None:
            raise PaginationError(
                f"none of the last rows before the checkpoint is near page {place.page} any more, "
                "so the walk cannot go on behind them; walk the list anew, without resume=."
            )
        return page

    async def _find_by_cursor(self) -> Page | None:
        """Look on the page of the checkpoint and behind it: rows in front push the first page."""
        for _ in range(SEARCHED + 1):
            page = await self._prefetcher.page(self._query, None)
            if self._place.is_on(page):
                return page
            if page.has_next is False or not (page.next_cursor and page.next_cursor.strip()):
                return None
            self._query = attrs.evolve(
                self._query, page=self._query.page + 1, cursor=page.next_cursor
            )
        return None

    async def _find_by_number(self) -> Page | None:
        """Look on the page of the checkpoint, or the last one, and then to either side."""
        page, last = await self._page_number(self._place.page)
        centre = max(1, min(self._place.page, last))
        if page is not None and self._place.is_on(page):
            return page
        for distance in range(SEARCHED + 1):
            for number in sorted({centre - distance, centre + distance}):
                if 1 <= number <= last and number != self._place.page:
                    page, end = await self._page_number(number)
                    if page is not None and self._place.is_on(page):
                        return page
                    last = min(last, end)
        return None

    async def _page_number(self, number: int) -> tuple[Page | None, int]:
        """Fetch a page, None if there is no such page; and return the number of the last one."""
        self._query = attrs.evolve(self._query, page=number)
        try:
            page = await self._prefetcher.page(self._query, None)
        except NotFoundError:
            if number == 1:
                raise
            return None, number - 1
        if page.is_whole or page.has_next is False:
            return page, number
        if page.total_pages is not None:
            return page, page.total_pages
        return page, MAX_PAGES if page.items or page.has_next else number - 1

    async def _add(self, page: Page) -> None:
        if self._scan.pages == 0 and not self._place.is_start:
            self._scan.resume(self._place.rows, self._place.cursor)
        fresh = self._scan.add(page, self._place.handed_out_before(page))
        self._last = self._last_needed(page)
        # Kept until it is returned: a reader who is cancelled from here on loses no row.
        handed_out = page if fresh is page.items else attrs.evolve(page, items=fresh)
        self._unread = (handed_out, self._query)
        self._query = attrs.evolve(
            self._query, page=self._query.page + 1, cursor=self._scan.next_cursor
        )
        if self._scan.new_bad_rows:
            self._skips.report_rows(self._scan.new_bad_rows)
        await self._go_on()

    def _skip_page(self, error: BillingualError) -> bool:
        """Skip the page that cannot be read, if its number leads behind it and the caller agrees.

        Only what the caller's own function raises is raised here.
        """
        number, size = self._query.page, self._scan.page_size or self._scan.fullest
        if (
            self._skips.on_bad_page == "raise"
            # A walk that began nowhere cannot know whether pages have numbers here.
            or self._scan.pages == 0
            or self._query.cursor is not None
            or self._bad_pages >= MAX_BAD_PAGES
        ):
            return False
        self._skips.report_page(
            BadPage(
                number=number,
                first_row=(number - 1) * size + 1 if size else None,
                last_row=number * size if size else None,
                error=error,
            )
        )
        self._bad_pages += 1
        self._scan.skip(number)
        self._query = attrs.evolve(self._query, page=number + 1)
        return True

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

    __slots__ = ("_pages", "_place")

    def __init__(self, pages: _Pages, place: Place) -> None:
        super().__init__()
        self._pages = pages
        self._place = place

    async def batch(self) -> Iterable[InvoiceSummary]:
        """Return the rows of the next page."""
        page = await self._pages.__anext__()
        return self._place.rows_of(page)

    async def aclose(self) -> None:
        """End the walk, and stop its requests."""
        self._ready = iter(())
        await self._pages.aclose()
