"""The canonical model: one shape and one set of names for every provider.

Each part is loaded on first use: who reads invoices needs nothing of what others write.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.model._mapping import as_json
    from billingual.model._types import (
        UNSET,
        Unset,
        UnsetType,
        checked_text,
        instant,
        instant_text,
        read_instant,
    )
    from billingual.model.diff import differing_fields
    from billingual.model.enums import CollectionMethod, Kind, OpenWord, Status
    from billingual.model.invoice import Invoice, InvoiceSummary
    from billingual.model.lines import CustomField, LineItem
    from billingual.model.money import Money, checked_currency, exact_decimal, minor_unit_exponent
    from billingual.model.page import Page
    from billingual.model.party import Contact, Party
    from billingual.model.query import Filter, Query, Range, Sort
    from billingual.model.receipt import Receipt
    from billingual.model.replacement import Discount, Replacement, ReplacementLine, Tax
    from billingual.model.write import Changes, Draft

__all__ = [
    "UNSET",
    "Changes",
    "CollectionMethod",
    "Contact",
    "CustomField",
    "Discount",
    "Draft",
    "Filter",
    "Invoice",
    "InvoiceSummary",
    "Kind",
    "LineItem",
    "Money",
    "OpenWord",
    "Page",
    "Party",
    "Query",
    "Range",
    "Receipt",
    "Replacement",
    "ReplacementLine",
    "Sort",
    "Status",
    "Tax",
    "Unset",
    "UnsetType",
    "as_json",
    "checked_currency",
    "checked_text",
    "differing_fields",
    "exact_decimal",
    "instant",
    "instant_text",
    "minor_unit_exponent",
    "read_instant",
]

_HOMES = {
    "as_json": "_mapping",
    "Changes": "write",
    "CollectionMethod": "enums",
    "Contact": "party",
    "CustomField": "lines",
    "Discount": "replacement",
    "Draft": "write",
    "Filter": "query",
    "Invoice": "invoice",
    "InvoiceSummary": "invoice",
    "Kind": "enums",
    "LineItem": "lines",
    "Money": "money",
    "OpenWord": "enums",
    "Page": "page",
    "Party": "party",
    "Query": "query",
    "Range": "query",
    "Receipt": "receipt",
    "Replacement": "replacement",
    "ReplacementLine": "replacement",
    "Sort": "query",
    "Status": "enums",
    "Tax": "replacement",
    "UNSET": "_types",
    "Unset": "_types",
    "UnsetType": "_types",
    "checked_currency": "money",
    "checked_text": "_types",
    "exact_decimal": "money",
    "minor_unit_exponent": "money",
    "differing_fields": "diff",
    "instant": "_types",
    "instant_text": "_types",
    "read_instant": "_types",
}


def __getattr__(name: str) -> object:
    """Import a name on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
