"""One page of a list, with what the provider says about the whole."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from billingual.model.deferred import Deferred
from billingual.model.invoice import InvoiceSummary

__all__ = ["Page"]


@attrs.frozen(kw_only=True)
class Page(Deferred):
    """A part of a list as one answer brought it.

    Attributes:
        items: the rows in the provider's order.
        number: the page, counted from 1.
        total_pages: how many there are, or None where the provider does not say.
        total_items: how many rows there are in all, or None likewise.
        has_next: whether there are more pages, where the provider says so by itself; None leaves
            it to the totals.
        next_cursor: what the next page is asked for with, where the provider pages by cursor.
        is_whole: the answer is the entire list, because the provider has no pages.
        raw: the payload as it came, parsed.
    """

    items: tuple[InvoiceSummary, ...]
    number: int = 1
    total_pages: int | None = None
    total_items: int | None = None
    has_next: bool | None = None
    next_cursor: str | None = None
    is_whole: bool = False
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)
