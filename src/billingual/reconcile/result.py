"""What a look at the provider tells about a write whose end was unclear."""

from __future__ import annotations

import enum
from collections.abc import Generator
from typing import Any

import attrs

from billingual.model import Invoice, InvoiceSummary

__all__ = ["Finding", "Reconciliation"]


class Finding(enum.Enum):
    """What was found out."""

    ADOPTED = "adopted"
    """The write happened; what it made or changed is at hand."""

    ABSENT = "absent"
    """It is not there and no request can arrive any more, so it may be sent again.

    Values that an update set and somebody else has overwritten since look the same.
    """

    UNKNOWN = "unknown"
    """Still unclear; ``why`` says what is missing for a proof."""


@attrs.frozen(kw_only=True)
class Reconciliation:
    """The answer to "did it happen?".

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
        """Be awaitable, so that ``error.reconcile()`` has one type in both faces."""
        yield from ()
        return self
