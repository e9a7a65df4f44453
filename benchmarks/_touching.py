"""Read every attribute of an invoice: what is made on first touch is made then."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

_ROW: Final = (
    "id", "number", "status", "issued_at", "due_at", "paid_at", "currency", "total", "subtotal",
    "discount", "tax", "amount_due", "amount_paid", "amount_remaining", "overdue_days",
    "collection_method", "counterparty", "document", "extra",
)  # fmt: skip
_OF_ROW: Final = attrgetter(*_ROW)
_OF_FULL: Final = attrgetter(
    *_ROW, "kind", "created_at", "updated_at", "link", "seller", "blueprint", "lines", "fields",
    "notes", "exchange_rate",
)  # fmt: skip
_OF_MONEY: Final = attrgetter("minor", "currency")
_OF_PARTY: Final = attrgetter("id", "name", "address", "role", "contact")
_OF_CONTACT: Final = attrgetter("id", "name", "title", "email", "phone")
_OF_LINE: Final = attrgetter("id", "kind", "name", "quantity", "unit_price", "total", "product_id")
_OF_FIELD: Final = attrgetter("key", "value", "type", "original_type")
_AMOUNTS: Final = slice(_ROW.index("total"), _ROW.index("amount_remaining") + 1)


def touch(invoices: Any, *, full: bool) -> None:
    """Read every attribute of every invoice and of its parts, but not ``raw``."""
    of_invoice = _OF_FULL if full else _OF_ROW
    for invoice in invoices:
        seen = of_invoice(invoice)
        for money in seen[_AMOUNTS]:
            _OF_MONEY(money)
        for party in (invoice.counterparty, invoice.seller if full else None):
            if party is not None:
                _OF_CONTACT(_OF_PARTY(party)[4])
        if full:
            for line in invoice.lines:
                parts = _OF_LINE(line)
                _OF_MONEY(parts[4])
                _OF_MONEY(parts[5])
            for field in invoice.fields:
                _OF_FIELD(field)
