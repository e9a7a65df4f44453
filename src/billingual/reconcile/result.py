"""What reading back shows about a write whose end was unclear."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import attrs

from billingual.model import Invoice, InvoiceSummary
from billingual.outcomes import Finding

__all__ = ["Reconciliation"]


@attrs.frozen(kw_only=True)
class Reconciliation:
    """Whether an unclear write happened.

    Attributes:
        finding: adopted, absent or still unknown.
        why: what was seen, in words.
        invoices: those that the write made or changed, as they are now; for ADOPTED.
        candidates: invoices that resemble what was looked for without proving anything.
        ask_again_s: seconds until another look can tell more, or None where time will not help.
    """

    finding: Finding
    why: str
    invoices: tuple[Invoice, ...] = ()
    candidates: tuple[InvoiceSummary, ...] = ()
    ask_again_s: float | None = None

    @property
    def adopted(self) -> bool:
        """Whether the write happened."""
        return self.finding is Finding.ADOPTED

    @property
    def absent(self) -> bool:
        """Whether the write provably did not happen."""
        return self.finding is Finding.ABSENT

    @property
    def invoice(self) -> Invoice | None:
        """The invoice, where the write happened and was about one."""
        return self.invoices[0] if len(self.invoices) == 1 else None

    def __await__(self) -> Generator[Any, Any, Reconciliation]:
        """Return itself, so that ``error.reconcile()`` has one type with both clients."""
        yield from ()
        return self
