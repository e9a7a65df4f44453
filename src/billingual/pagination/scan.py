"""Check that the pages of a list fit together, and count what they contain."""

from __future__ import annotations

from typing import Final

import attrs

from billingual.errors import PaginationError
from billingual.model import InvoiceSummary, Page
from billingual.pagination.dedupe import SeenIds

__all__ = ["Scan", "ScanReport"]

MAX_PAGES: Final = 1_000_000
"""No list is followed for ever: this many pages of one row are still a million rows."""

MAX_PAGES_WITHOUT_NEW_ROWS: Final = 5
"""Rows deleted during a walk can empty a page or two; five in a row are a list without an end."""


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
    """Follow the pages of one walk; pure bookkeeping, without I/O."""

    pages: int = 0
    rows: int = 0
    repeated: int = 0
    total_items: int | None = None
    ended: bool = False
    _whole: bool = False
    _left_out: bool = False
    _seen: SeenIds = attrs.field(factory=SeenIds, repr=False)
    _cursors: SeenIds = attrs.field(factory=SeenIds, repr=False)
    _last_ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    _without_new_rows: int = 0

    def add(self, page: Page) -> tuple[InvoiceSummary, ...]:
        """Add one page, and return its rows without those that came before.

        Raises:
            PaginationError: if it repeats the page before it, its cursor leads back to an earlier
                page, it is one of several in a row without a new row, or there are too many pages.
        """
        ids = tuple([row.id for row in page.items])
        if ids and ids == self._last_ids:
            raise PaginationError(
                f"page {page.number} repeats the rows of the page before it: the provider does "
                "not move on, so the list was stopped."
            )
        next_cursor = page.next_cursor if page.has_next else None
        if next_cursor is not None and self._cursors.add((next_cursor,)):
            raise PaginationError(
                f"after page {page.number} the provider leads back to a page that came before, "
                "so the list was stopped."
            )
        if self.pages >= MAX_PAGES:
            raise PaginationError(f"the list did not end after {MAX_PAGES} pages.")
        fresh = self._fresh(page.items, ids)
        self.pages += 1
        self.rows += len(fresh)
        self.repeated += len(ids) - len(fresh)
        self.total_items = page.total_items
        self._last_ids = ids
        if page.problems:
            # A page has the problems of its rows, and those of rows that could not be handed out.
            of_rows = sum(len(row.problems) for row in page.items)
            self._left_out = self._left_out or len(page.problems) > of_rows
        self._whole = page.is_whole or (
            page.number == 1 and page.total_items is not None and len(ids) == page.total_items
        )
        self.ended = self._whole or not self._has_next(page)
        self._without_new_rows = 0 if fresh else self._without_new_rows + 1
        if self._without_new_rows >= MAX_PAGES_WITHOUT_NEW_ROWS and not self.ended:
            raise PaginationError(
                f"the last {self._without_new_rows} pages, up to page {page.number}, brought no "
                "new row and the provider says there are more, so the list was stopped."
            )
        return fresh

    def report(self) -> ScanReport:
        """Report what was seen so far."""
        complete = self.ended and self._whole and self.repeated == 0 and not self._left_out
        if complete:
            why = "one response held the whole list"
        elif self._left_out:
            why = "a part of a page could not be read; its problems say which"
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

    def _fresh(
        self, rows: tuple[InvoiceSummary, ...], ids: tuple[str, ...]
    ) -> tuple[InvoiceSummary, ...]:
        repeated = self._seen.add(ids)
        if not repeated:
            return rows
        dropped = set(repeated)
        return tuple(row for index, row in enumerate(rows) if index not in dropped)

    @staticmethod
    def _has_next(page: Page) -> bool:
        # An empty page is not the end if the provider says that there are more.
        if page.has_next is not None:
            return page.has_next
        if page.total_pages is not None:
            return page.number < page.total_pages
        return bool(page.items or page.problems)
