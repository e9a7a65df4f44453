"""The refusal of a change by the invoice's status."""

from __future__ import annotations

from collections.abc import Iterable

from billingual.errors.root import BillingualError
from billingual.wire import Exchange

__all__ = [
    "LockedError",
]


class LockedError(BillingualError):
    """The invoice's status forbids the change, which was not made.

    Attributes:
        provider: the provider's name.
        invoice_id: the invoice.
        status: its status as last seen.
        locked: the fields of the change that the status locks.
        still_open: the fields that may still be changed; empty for none.
        exchange: the provider's refusal, or None where the client refused by itself.
    """

    def __init__(
        self,
        *,
        provider: str,
        invoice_id: str,
        status: str,
        locked: Iterable[str],
        still_open: Iterable[str],
        exchange: Exchange | None = None,
    ) -> None:
        self.locked = tuple(sorted(locked))
        self.still_open = tuple(sorted(still_open))
        rest = (
            f"only {', '.join(self.still_open)} may still be changed"
            if self.still_open
            else "nothing may be changed any more"
        )
        by = provider if exchange is not None else f"the rules of {provider}"
        super().__init__(
            f"invoice {invoice_id} is {status}: {by} locked {', '.join(self.locked)}; {rest}."
        )
        self.provider = provider
        self.invoice_id = invoice_id
        self.status = status
        self.exchange = exchange
