"""What a reminder says; no client is needed for that."""

from __future__ import annotations

import pytest
from billingual import Invoice, Money
from billingual.testing import InvoiceFactory
from billingual.testing.strategies import invoices
from hypothesis import given, settings

from reminders import reminder


@pytest.mark.parametrize(("amount", "text"), [("99.00", "99.00 EUR"), ("1234.50", "1234.50 EUR")])
def test_the_amount_is_what_remains(
    invoice_factory: InvoiceFactory, amount: str, text: str
) -> None:
    """What was paid already is not asked for again."""
    total = Money.of(amount, "EUR") + Money.of("10.00", "EUR")
    invoice = invoice_factory(total=total, amount_paid=Money.of("10.00", "EUR"))

    assert f"{text} of invoice {invoice.number} are due since 2026-12-21" in reminder(invoice).text


@settings(derandomize=True, deadline=None)  # the same in each run, on a slow machine too
@given(invoices())
def test_any_invoice_can_be_reminded_of(invoice: Invoice) -> None:
    """Also one without number, day or customer."""
    said = reminder(invoice)

    assert invoice.id == said.invoice_id
    assert str(invoice.amount_remaining) in said.text
    assert "None" not in said.text or "None" in f"{invoice.number}{invoice.counterparty}"
