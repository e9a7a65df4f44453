"""Katsu Pay's record of a whole invoice, field by field as documented.

Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billingual.dialects._kit.requests import moment_with_milliseconds, uuid
from billingual.outcomes import Safety

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from billingual.model import Replacement

__all__ = ["record_from", "safety_of"]


def record_from(
    invoice_id: str, given: Replacement, currency_number: Callable[[str], int]
) -> dict[str, object]:
    """Write a whole document as the provider's record.

    Args:
        invoice_id: a UUID.
        given: the document.
        currency_number: returns the provider's number of a currency. It is called after the ids
            before it are checked, so that a wrong id is reported before a missing option.

    Raises:
        InvalidInputError: if an id in the document is no UUID.
    """
    discount = given.discount
    return {
        "id": invoice_id,
        "counterPartyId": uuid(given.counterparty, "counterparty"),
        "receivingAccountId": uuid(given.receiving_account, "receiving_account"),
        "counterPartyName": given.counterparty_name,
        "accountName": given.account_name,
        "dueDate": moment_with_milliseconds(given.due_at, "due_at"),
        "currency": currency_number(given.currency),
        "products": [
            {
                "productId": uuid(line.product_id, f"lines[{index}].product_id"),
                "quantity": _count(line.quantity),
                "unitPrice": line.unit_price,
            }
            for index, line in enumerate(given.lines)
        ],
        "taxes": [
            {
                "taxId": uuid(tax.tax_id, f"taxes[{index}].tax_id"),
                "taxPercentageValue": tax.percentage,
            }
            for index, tax in enumerate(given.taxes)
        ],
        **(
            {"discount": {"discountType": discount.type, "discountValue": discount.value}}
            if discount is not None
            else {}
        ),
        "description": given.description,
        "billingCycle": given.billing_cycle,
        "recuringInvoice": given.recurring,
        "paymentMethods": given.payment_methods,
        "notification": given.notifications,
        "beforeDueDates": given.remind_days_before,
        "afterDueDates": given.remind_days_after,
        "onDueDate": given.remind_on_due_date,
    }


def _count(quantity: Decimal) -> int | Decimal:
    # Documented as an integer, and 2.00, as a database keeps it, is none to a strict reader.
    whole = int(quantity)
    return whole if whole == quantity else quantity


def safety_of(given: Replacement) -> Safety:
    """Say whether a second delivery could send a second mail."""
    mails = (
        given.notifications,
        given.remind_days_before,
        given.remind_days_after,
        given.remind_on_due_date,
    )
    return Safety.SIDE_EFFECTS if any(mails) else Safety.IDEMPOTENT
