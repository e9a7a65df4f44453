"""What Acme calls a bill, and how it is made of an invoice."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billingual import Draft, Invoice, InvoiceSummary, Money

__all__ = ["Bill", "bill_of", "draft_of"]


@dataclass(frozen=True)
class Bill:
    """A bill of Acme.

    Attributes:
        id: names it for ever.
        number: what is printed on it.
        state: ``"open"``, ``"sent"``, ``"cancelled"`` or a word that Acme invented since.
        amount: what is to be paid.
        currency: ISO 4217 code of *amount*.
    """

    id: str
    number: str | None
    state: str
    amount: Decimal | None
    currency: str | None


_STATES = {"DRAFT": "open", "FINALIZED": "sent", "VOID": "cancelled"}


def bill_of(invoice: Invoice | InvoiceSummary) -> Bill:
    """Read a bill out of an invoice."""
    total, word = invoice.total, str(invoice.status)
    known = total is not None and total.currency is not None
    return Bill(
        id=invoice.id,
        number=invoice.number,
        state=_STATES.get(word, word),
        amount=total.amount if total is not None and known else None,
        currency=total.currency if total is not None else None,
    )


def draft_of(contract: str, number: str, amount: Decimal | str, currency: str) -> Draft:
    """Write a bill to be created; the number is what an uncertain one is found by."""
    total = Money.of(amount, currency)
    return Draft(document=contract, number=number, total=total, exchange_rate="1")
