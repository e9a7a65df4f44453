"""Read one window so that it is provably whole, or say why it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import attrs

from billingual.errors import PaginationError
from billingual.model import Filter, Invoice, InvoiceSummary

if TYPE_CHECKING:
    from billingual.capabilities import Capabilities
    from billingual.pagination import AsyncPager, ScanReport

__all__ = ["Lists", "Proof", "WindowReader"]

Keep: TypeAlias = Callable[[Sequence[InvoiceSummary]], Awaitable[None]]
"""Awaited with the rows of each page."""

MAX_PAIRS: Final = 3
"""Pairs of passes that are tried. A list that changes under each of them is told as it is."""

_FULLNESS: Final = 0.8
"""How full the responses are to be that a window is divided into: dates are not spread evenly."""


class Previews(Protocol):
    """What a client's ``preview`` has of this."""

    def list(self, filter: Filter) -> object:
        """Refuse what ``list`` would refuse; nothing is sent."""
        ...


class Lists(Protocol):
    """What a landing asks: :class:`~billingual.AsyncClient` has it."""

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do."""
        ...

    @property
    def preview(self) -> Previews:
        """What would be sent."""
        ...

    def list(
        self, filter: Filter | None = None, *, sort: str | None = None, prefetch: int = 1
    ) -> AsyncPager:
        """List invoices."""
        ...

    async def get(self, invoice_id: str) -> Invoice:
        """Read one invoice."""
        ...


@attrs.frozen
class Proof:
    """Whether a window was read whole.

    Attributes:
        complete: whether it was.
        how: what proves that, or why it is not proven.
    """

    complete: bool
    how: str


class WindowReader:
    """Read windows and count the requests.

    Rows that are read page after page are no picture of one moment: while others write, a row can
    move to a page that was read before. So a window is divided by days until each part fits into
    one response, which is one moment. What cannot be divided (one day, or no dates) is read twice,
    from both ends where the provider sorts, until two passes agree.
    """

    def __init__(self, lists: Lists, *, prefetch: int) -> None:
        self._lists = lists
        self._prefetch = prefetch
        self.requests: int = 0
        sorts = lists.capabilities.sorts
        self._sorts = ("number", "-number") if "number" in sorts else (None, None)

    async def read(self, filter: Filter, keep: Keep) -> Proof:
        """Read all invoices that match, and hand them to *keep* page by page."""
        pager = self._lists.list(filter)
        walk = pager.pages()
        try:
            page = await anext(walk, None)
        finally:
            await walk.aclose()
        report = pager.report
        self.requests += report.pages
        if page is None or report.complete:
            await keep(() if page is None else page.items)
            return Proof(complete=True, how="each part was one response")
        parts = divided(filter, report.total_items or 0, len(page.items))
        if not parts:
            return await self._read_twice(filter, keep)
        proofs = [await self.read(part, keep) for part in parts]
        wrong = next((each for each in proofs if not each.complete), None)
        return wrong or max(proofs, key=lambda each: len(each.how))

    async def _read_twice(self, filter: Filter, keep: Keep) -> Proof:
        why = ""
        for _ in range(MAX_PAIRS):
            try:
                first = await self._pass(filter, self._sorts[0], keep)
                second = await self._pass(filter, self._sorts[1], _drop)
            except PaginationError as error:
                why = str(error)
                continue
            why = first.differs_from(second)
            if not why:
                return Proof(complete=True, how="two passes over its pages agree")
        return Proof(complete=False, how=why)

    async def _pass(self, filter: Filter, sort: str | None, keep: Keep) -> _Pass:
        pager = self._lists.list(filter, sort=sort, prefetch=self._prefetch)
        seen = 0
        try:
            async for page in pager.pages():
                seen += sum(_number_of(row.id) for row in page.items)
                await keep(page.items)
        finally:
            self.requests += pager.report.pages
        return _Pass(pager.report, seen)


@attrs.frozen
class _Pass:
    """What one walk over all pages saw.

    Attributes:
        report: counts.
        ids: the sum of a number for each id. Equal sums are equal sets, in any order, but for a
            chance of 1 in 10^38; a million ids would need a hundred megabytes.
    """

    report: ScanReport
    ids: int

    def differs_from(self, other: _Pass) -> str:
        """Say why two passes do not show the same whole list; empty if they do."""
        for each in (self.report, other.report):
            if each.total_items is not None and each.rows != each.total_items:
                return f"the provider counts {each.total_items} invoices and showed {each.rows}"
        if (self.report.rows, self.ids) != (other.report.rows, other.ids):
            return "two passes over its pages saw different invoices"
        return ""


async def _drop(_: Sequence[InvoiceSummary]) -> None:
    """Keep nothing: the rows were kept by the pass before."""


def _number_of(invoice_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(invoice_id.encode(), digest_size=16).digest())


def divided(filter: Filter, total: int, page_size: int) -> list[Filter]:
    """Divide a filter by days of issue, so that each part probably fits into one response.

    Returns:
        At least two filters, in order; none where it cannot be divided.
    """
    first, last = filter.issued_from, filter.issued_to
    if not (_is_day(first) and _is_day(last)) or first == last or page_size < 1:
        return []
    assert first is not None  # noqa: S101 - for the type checker
    assert last is not None  # noqa: S101 - likewise
    days = (last - first).days + 1
    parts = min(days, max(2, -(-total // max(1, int(page_size * _FULLNESS)))))
    bounds = [days * n // parts for n in range(parts + 1)]
    return [
        attrs.evolve(
            filter,
            issued_from=first + timedelta(days=begin),
            issued_to=first + timedelta(days=end - 1),
        )
        for begin, end in pairwise(bounds)
    ]


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)
