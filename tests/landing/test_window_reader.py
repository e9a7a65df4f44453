"""What counts as a window that was read whole, where one response cannot hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from billingual.landing import WindowReader
from billingual.model import Filter, InvoiceSummary, Page
from billingual.pagination import ScanReport


class Moving:
    """A list that shows other ids at each walk: a first look, and then pass after pass."""

    def __init__(self, *walks: str, total: int = 3) -> None:
        self._walks = iter(walks)
        self._total = total
        self.capabilities = SimpleNamespace(sorts=frozenset({"number"}))

    def list(self, _: Filter, **__: Any) -> Any:
        rows = [InvoiceSummary(id=each) for each in next(self._walks)]

        async def pages() -> AsyncIterator[Page]:
            yield Page(items=tuple(rows), total_items=self._total)

        report = ScanReport(
            pages=1, rows=len(rows), repeated=0, total_items=self._total, complete=False, why=""
        )
        return SimpleNamespace(pages=pages, report=report)


@pytest.mark.parametrize(
    ("walks", "complete", "how"),
    [
        (("abc", "abc", "cba"), True, "two passes over its pages agree"),
        (("abc", "abc", "abd", "abd", "dba"), True, "two passes over its pages agree"),
        (("abc", *("abc", "abd") * 3), False, "saw different invoices"),
        (("ab", *("ab", "ab") * 3), False, "counts 3 invoices and showed 2"),
    ],
)
def test_a_window_is_whole_where_two_passes_agree(
    walks: Sequence[str], *, complete: bool, how: str
) -> None:
    """Three pairs are tried; then the window is told as it is, with the reason."""
    kept: list[str] = []

    async def keep(rows: Sequence[InvoiceSummary]) -> None:
        kept.extend(row.id for row in rows)

    lists: Any = Moving(*walks)
    proof = anyio.run(WindowReader(lists, prefetch=1).read, Filter(), keep)

    assert (proof.complete, how in proof.how) == (complete, True)
    assert set(kept) >= set(walks[1])
