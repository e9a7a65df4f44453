"""Bill customers once, and remind those who are late."""

from __future__ import annotations

from dataclasses import dataclass

from billingual import AsyncClient, Client, Draft, Filter, Invoice, OutcomeUnknown

__all__ = ["Reminder", "bill", "chase", "chase_async", "main", "reminder"]


@dataclass(frozen=True)
class Reminder:
    """A text for the customer of one invoice."""

    invoice_id: str
    text: str


def bill(invoices: Client, draft: Draft) -> Invoice:
    """Create an invoice; where the response is lost, look whether it is there.

    Raises:
        OutcomeUnknown: if that cannot be told; creating it again might bill the customer twice.
    """
    try:
        return invoices.create(draft)
    except OutcomeUnknown as unclear:
        found = invoices.reconcile(unclear)
        if isinstance(found.invoice, Invoice):
            return found.invoice
        raise


def chase(invoices: Client, *, late_days: int = 30) -> list[Reminder]:
    """Write a reminder for each invoice that is overdue for more than *late_days*."""
    rows = invoices.list(_late(late_days), sort="due_at")
    # A row of a list has no currency, so each invoice is read whole.
    return [reminder(invoices.get(row.id)) for row in rows]


async def chase_async(invoices: AsyncClient, *, late_days: int = 30) -> list[Reminder]:
    """Do the same in a program with an event loop."""
    rows = invoices.list(_late(late_days), sort="due_at")
    return [reminder(await invoices.get(row.id)) async for row in rows]


def reminder(invoice: Invoice) -> Reminder:
    """Write what is still to be paid, and since when."""
    name = invoice.counterparty.name if invoice.counterparty else None
    due = f" since {invoice.due_at:%Y-%m-%d}" if invoice.due_at else ""
    return Reminder(
        invoice.id,
        f"Dear {name or 'customer'}, {invoice.amount_remaining} of invoice "
        f"{invoice.number or invoice.id} are due{due}.",
    )


def main() -> None:
    """Print the reminders of the account that the environment names."""
    with Client.from_env() as invoices:
        for each in chase(invoices):
            print(each.text)


def _late(days: int) -> Filter:
    return Filter(overdue_days=f"> {days}")
