"""What goes out to Katsu Pay: the fields of a whole invoice.

Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from billingual.dialects._kit.requests import Field, moment_with_milliseconds, uuid, verbatim
from billingual.outcomes import Safety

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from billingual.model import Discount, Replacement, ReplacementLine, Tax

__all__ = ["replacement_fields", "safety_of"]


def replacement_fields(currency_number: Callable[[object, str], int]) -> dict[str, Field]:
    """Return the table of a whole invoice; *currency_number* is the caller's of a currency."""
    return {
        "counterparty": Field("counterPartyId", uuid),
        "receiving_account": Field("receivingAccountId", uuid),
        "counterparty_name": Field("counterPartyName", verbatim),
        "account_name": Field("accountName", verbatim),
        "due_at": Field("dueDate", moment_with_milliseconds),
        "currency": Field("currency", currency_number),
        "lines": Field("products", _lines),
        "taxes": Field("taxes", _taxes),
        "discount": Field("discount", _discount),
        "description": Field("description", verbatim),
        "billing_cycle": Field("billingCycle", verbatim),
        "recurring": Field("recuringInvoice", verbatim),
        "payment_methods": Field("paymentMethods", verbatim),
        "notifications": Field("notification", verbatim),
        "remind_days_before": Field("beforeDueDates", verbatim),
        "remind_days_after": Field("afterDueDates", verbatim),
        "remind_on_due_date": Field("onDueDate", verbatim),
    }


def _lines(value: object, name: str) -> list[dict[str, object]]:
    return [
        {
            "productId": uuid(line.product_id, f"{name}[{index}].product_id"),
            "quantity": _count(line.quantity),
            "unitPrice": line.unit_price,
        }
        for index, line in enumerate(cast("tuple[ReplacementLine, ...]", value))
    ]


def _count(quantity: Decimal) -> int | Decimal:
    # Documented as an integer, and 2.00, as a database keeps it, is none to a strict reader.
    whole = int(quantity)
    return whole if whole == quantity else quantity


def _taxes(value: object, name: str) -> list[dict[str, object]]:
    return [
        {"taxId": uuid(tax.tax_id, f"{name}[{index}].tax_id"), "taxPercentageValue": tax.percentage}
        for index, tax in enumerate(cast("tuple[Tax, ...]", value))
    ]


def _discount(value: object, _: str) -> dict[str, object]:
    discount = cast("Discount", value)
    return {"discountType": discount.type, "discountValue": discount.value}


def safety_of(given: Replacement) -> Safety:
    """Say whether a second delivery could send a second mail."""
    mails = (
        given.notifications,
        given.remind_days_before,
        given.remind_days_after,
        given.remind_on_due_date,
    )
    return Safety.SIDE_EFFECTS if any(mails) else Safety.IDEMPOTENT
