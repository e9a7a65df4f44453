"""Whether the pages of a list fit together, and what they brought."""

from __future__ import annotations

from typing import Final

import attrs

from billingual.errors import PaginationError
from billingual.model import InvoiceSummary, Page
from billingual.pagination.dedupe import Seen

__all__ = ["Scan", "ScanReport"]

MAX_PAGES: Final = 1_000_000
"""No list is followed for ever: this many pages of one row are still a million rows."""

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
    _seen: Seen = attrs.field(factory=Seen, repr=False)
    _cursors: Seen = attrs.field(factory=Seen, repr=False)
    _last_ids: tuple[str, ...] = attrs.field(default=(), repr=False)
    _barren: int = 0

    def take(self, page: Page) -> tuple[InvoiceSummary, ...]:
        """Take one page and return its rows that did not come before.

        Raises:
            PaginationError: if it repeats the page before it, it is one of several in a row that
                bring no new row, or there is no end to the pages.
        """
        ids = tuple([row.id for row in page.items])
        if ids and ids == self._last_ids:
            raise PaginationError(
                f"page {page.number} repeats the rows of the page before it: the provider does "
                "not move on, so the list was stopped."
            )
        led_to = page.next_cursor if page.has_next else None
        if led_to is not None and self._cursors.repeats((led_to,)):
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

    def _fresh(
        self, rows: tuple[InvoiceSummary, ...], ids: tuple[str, ...]
    ) -> tuple[InvoiceSummary, ...]:
        repeated = self._seen.repeats(ids)
        if not repeated:
            return rows
        dropped = set(repeated)
        return tuple(row for index, row in enumerate(rows) if index not in dropped)

    @staticmethod
    def _has_next(page: Page) -> bool:
        # An empty page is not the end while the provider says there are more.
        if page.has_next is not None:
            return page.has_next
        if page.total_pages is not None:
            return page.number < page.total_pages
        return bool(page.items)
