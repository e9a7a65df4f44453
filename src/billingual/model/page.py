"""One page of a list, with what the provider says about the whole."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from billingual.errors import BillingualError
from billingual.model.invoice import InvoiceSummary, Problem
from billingual.model.payload import KeepsPayload

__all__ = ["BadPage", "Page"]


@attrs.frozen(kw_only=True, repr=False)
class Page(KeepsPayload):
    """A part of a list as one response brought it.

    Attributes:
        items: the rows in the provider's order.
        number: the page, counted from 1.
        total_pages: how many there are, or None where the provider does not say.
        total_items: how many rows there are in all, or None likewise.
        has_next: whether there are more pages, where the provider says so by itself; None leaves
            it to the totals.
        next_cursor: what the next page is asked for with, where the provider pages by cursor.
        is_whole: the response is the entire list, because the provider has no pages.
        raw: the payload as it came, parsed.
        problems: what could not be read: of the page itself, of rows that were left out because
            their ids cannot be read, and of the rows in :attr:`items`.
    """

    items: tuple[InvoiceSummary, ...]
    number: int = 1
    total_pages: int | None = None
    total_items: int | None = None
    has_next: bool | None = None
    next_cursor: str | None = None
    is_whole: bool = False
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)
    problems: tuple[Problem, ...] = attrs.field(default=(), repr=False)

    def _repr_html_(self) -> str:
        """Show its rows in a notebook."""
        from billingual.model._html import rows_table  # noqa: PLC0415 - of notebooks

        of = "" if self.total_items is None else f" of {self.total_items:,}"
        return rows_table(self.items, f"page {self.number}: {len(self.items)}{of} invoices")


class RowList(list[InvoiceSummary]):
    """Rows of a list, which a notebook shows as a table; otherwise a list as any."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from billingual.model._html import rows_table  # noqa: PLC0415 - of notebooks

        return rows_table(self)


@attrs.frozen(kw_only=True)
class BadPage:
    """A page of a list that was skipped, because it cannot be read.

    Attributes:
        number: the page, counted from 1.
        first_row: the place of its first row in the list, counted from 1; None if the number of
            rows on a page is not known.
        last_row: likewise its last row, if the page was full.
        error: why it cannot be read; ``error.body`` keeps a response that came.
    """

    number: int
    first_row: int | None
    last_row: int | None
    error: BillingualError
