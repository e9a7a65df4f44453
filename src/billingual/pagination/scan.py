"""Check that the pages of a list fit together, and count what they contain."""

from __future__ import annotations

from typing import Final

import attrs

from billingual.errors import PaginationError
from billingual.model import BadRow, InvoiceSummary, Page
from billingual.pagination.dedupe import SeenIds

__all__ = ["Scan", "ScanReport"]

MAX_PAGES: Final = 1_000_000
"""No list is followed for ever: this many pages of one row are still a million rows."""

MAX_PAGES_WITHOUT_NEW_ROWS: Final = 10_000
"""Pages in a row that bring no new row although each leads on.

A provider that filters while it scans may send many empty pages, each with a fresh cursor
(https://google.aip.dev/158). No number of them proves that the list has no end, so this one only
bounds the time: ten thousand requests take minutes.
"""

MAX_STANDSTILLS: Final = 5
"""Pages in a row without a new row after which a list counts as stuck.

Rows that are imported in front of a walk repeat as many pages as they fill, so that one repeated
page proves nothing. An import at one moment repeats at most as many pages as were read before it.
"""


@attrs.frozen(kw_only=True)
class ScanReport:
    """What a scan saw.

    Attributes:
        pages: responses read.
        rows: rows in the responses, without repeated ones.
        repeated: rows left out because a row of the same id came before.
        total_items: the total that the provider stated last, or None.
        complete: whether every row was provably seen at one moment.
        why: the reason for *complete*, in words.
    """

    pages: int
    rows: int
    repeated: int
    total_items: int | None
    complete: bool
    why: str


@attrs.define
class Scan:
    """Follow the pages of one walk; pure bookkeeping, without I/O.

    Attributes:
        page_size: rows of a full page, if that is known.
        next_cursor: what the next page is asked for with, where the provider pages by cursor.
        fullest: rows on the fullest page so far.
        new_bad_rows: rows of the latest page that were left out and did not come before.
    """

    page_size: int | None = None
    pages: int = 0
    rows: int = 0
    repeated: int = 0
    total_items: int | None = None
    ended: bool = False
    next_cursor: str | None = None
    fullest: int = 0
    new_bad_rows: tuple[BadRow, ...] = ()
    _fault: str = ""
    _whole: bool = False
    _left_out: bool = False
    _resumed: bool = False
    _rows_before: int = 0
    _seen: SeenIds = attrs.field(factory=SeenIds, repr=False)
    _bad_rows: SeenIds = attrs.field(factory=SeenIds, repr=False)
    _cursors: SeenIds = attrs.field(factory=SeenIds, repr=False)
    _last_ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    _last_total_pages: int | None = None
    _total_changed: bool = False
    _pages_of_new_rows: int = 0
    _without_new_rows: int = 0
    _repeats: int = 0
    _standstills: int = 0

    def resume(self, rows: int, cursor: str | None) -> None:
        """Note that an earlier walk handed out *rows*; *cursor* asks for the first page of this."""
        self._resumed, self._rows_before = True, rows
        self.next_cursor = cursor
        if cursor is not None:
            self._cursors.add((cursor,))

    def add(
        self, page: Page, handed_out: frozenset[str] = frozenset()
    ) -> tuple[InvoiceSummary, ...]:
        """Add one page, and return its rows without those that came before.

        Rows are returned even if no page can follow; :meth:`refuse_to_go_on` raises then.

        Args:
            page: the page.
            handed_out: the ids of rows that an earlier walk handed out.
        """
        ids = tuple([row.id for row in page.items])
        fresh = self._fresh(page.items, ids)
        self.new_bad_rows = ()
        in_all = len(ids)
        if page.problems:
            # A page has the problems of its rows, and those of rows that could not be handed out.
            of_rows = sum(len(row.problems) for row in page.items)
            self._left_out = self._left_out or len(page.problems) > of_rows
            bad_rows = [each for each in page.problems if isinstance(each, BadRow)]
            self.new_bad_rows = self._new(bad_rows)
            in_all += len(bad_rows)
        moved_on = bool(fresh or self.new_bad_rows)
        self.pages += 1
        self.repeated += len(ids) - len(fresh)
        if handed_out:
            fresh = tuple(row for row in fresh if row.id not in handed_out)
        self.rows += len(fresh)
        self._whole = page.is_whole or (
            page.number == 1 and len(ids) == page.total_items and not _promises_more(page)
        )
        self._total_changed |= self.pages > 1 and page.total_items != self.total_items
        self._follow(page, in_all)
        if not self.ended and not self._fault:
            self._watch(page, ids, moved_on=moved_on)
        self.total_items = page.total_items
        self.fullest = max(self.fullest, in_all)
        self._last_ids = ids
        self._last_total_pages = page.total_pages
        self._pages_of_new_rows += moved_on
        return fresh

    @property
    def stopped(self) -> bool:
        """Whether :meth:`refuse_to_go_on` raises."""
        return bool(self._fault)

    def skip(self, number: int) -> None:
        """Note that a page cannot be read and is passed over."""
        self._left_out = True
        self.ended = self._last_total_pages is not None and number >= self._last_total_pages

    def refuse_to_go_on(self) -> None:
        """Pass if the list goes on, or has ended.

        Raises:
            PaginationError: if the provider leads back to an earlier page, promises more without
                saying where, or sends page after page without a new row; or if there are too many
                pages.
        """
        if self._fault:
            raise PaginationError(f"{self._fault}, so the list was stopped.")

    def report(self) -> ScanReport:
        """Report what was seen so far."""
        complete = self.ended and self._whole and self.repeated == 0
        complete = complete and not self._left_out and not self._resumed
        if complete:
            why = "one response held the whole list"
        elif self._left_out:
            why = "a part of a page could not be read; its problems say which"
        elif self.pages == 0:
            why = "nothing was read yet"
        elif not self.ended:
            why = "the scan was left before its end"
        elif self._resumed:
            why = "the walk went on from a checkpoint"
        elif self.total_items is not None and self.rows + self.repeated < self.total_items:
            why = f"the provider counts {self.total_items} rows and showed {self.rows}"
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

    def _fresh(
        self, rows: tuple[InvoiceSummary, ...], ids: tuple[str, ...]
    ) -> tuple[InvoiceSummary, ...]:
        repeated = self._seen.add(ids)
        if not repeated:
            return rows
        dropped = set(repeated)
        return tuple(row for index, row in enumerate(rows) if index not in dropped)

    def _new(self, bad_rows: list[BadRow]) -> tuple[BadRow, ...]:
        repeated = self._bad_rows.add([repr(each.value) for each in bad_rows])
        return tuple(row for index, row in enumerate(bad_rows) if index not in repeated)

    def _follow(self, page: Page, in_all: int) -> None:
        """Find out whether a page follows, and how it is asked for."""
        by_cursor, self.next_cursor = self.next_cursor is not None, None
        if self._whole or page.has_next is False:
            self.ended = True
        elif page.next_cursor is not None and page.next_cursor.strip():
            if self._cursors.add((page.next_cursor,)):
                self._fault = (
                    f"after page {page.number} the provider leads back to a page that came before"
                )
            self.next_cursor = page.next_cursor
        elif page.next_cursor is not None and (page.has_next or page.total_pages is None):
            # Services that cannot leave a field out say "" for no cursor, gRPC gateways above all.
            self.ended = True
        elif by_cursor and page.has_next:
            self._fault = f"page {page.number} promises more and has no cursor that leads there"
        else:
            self.ended = by_cursor or not self._has_next_number(page, in_all)
        if self.pages >= MAX_PAGES and not self.ended:
            self._fault = f"the list did not end after {MAX_PAGES} pages"

    def _has_next_number(self, page: Page, in_all: int) -> bool:
        # An empty page is not the end if the provider says that there are more.
        if page.has_next is not None:
            return page.has_next
        total = page.total_items
        # Services that do not count write 0 or -1. Where there are rows, that is no count.
        if page.total_pages is None or (page.total_pages < 1 and (total or 0) < 1):
            return in_all > 0
        seen = self._rows_before + self.rows + self.repeated
        missing = total is not None and seen < total
        if page.number < page.total_pages:
            # Providers compute the number of pages, and it can be wrong. If rows were deleted while
            # the list was read, as many rows as the total can have come, and others be missing.
            return in_all > 0 or total is None or missing or self._total_changed
        return missing and 0 < (self.page_size or self.fullest) <= in_all

    def _watch(self, page: Page, ids: tuple[str, ...], *, moved_on: bool) -> None:
        """Find out whether the list moves on."""
        if moved_on:
            self._without_new_rows = self._repeats = self._standstills = 0
            return
        self._without_new_rows += 1
        if ids:
            grown = (page.total_items or 0) > (self.total_items or 0) > 0
            self._repeats += not grown
            self._standstills += ids == self._last_ids and not grown
        elif page.total_pages is not None and self.next_cursor is None:
            # An end that moves away from one empty page to the next is none.
            self._standstills += page.total_pages > (self._last_total_pages or page.total_pages)
        if (
            self._standstills >= MAX_STANDSTILLS
            or self._repeats > max(MAX_STANDSTILLS - 1, self._pages_of_new_rows)
            or self._without_new_rows >= MAX_PAGES_WITHOUT_NEW_ROWS
        ):
            self._fault = (
                f"the last {self._without_new_rows} pages, up to page {page.number}, brought no "
                "new row and the provider says there are more"
            )


def _promises_more(page: Page) -> bool:
    """Tell whether the provider says that there are more pages, whatever it counts."""
    if page.next_cursor is not None:
        return bool(page.next_cursor.strip())
    return bool(page.has_next) or (page.has_next is None and (page.total_pages or 1) > page.number)
