"""The canonical model: one shape and one set of names for every provider.

Each part is loaded on first use: who reads invoices needs nothing of what others write.
"""

from __future__ import annotations

# One of its functions has the module's name, which the module would take if it came first.
from billingual.model.instant import instant, instant_text, read_instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.model._text import checked_text
    from billingual.model.changes import Changes
    from billingual.model.draft import Draft
    from billingual.model.filter import Filter, Query, Range, Sort
    from billingual.model.invoice import Invoice, InvoiceSummary
    from billingual.model.likeness import misfits
    from billingual.model.lines import CustomField, LineItem
    from billingual.model.money import Money, checked_currency, exact_decimal, minor_unit_exponent
    from billingual.model.openenum import CollectionMethod, Kind, OpenWord, Status
    from billingual.model.page import Page
    from billingual.model.party import Contact, Party
    from billingual.model.receipt import Receipt
    from billingual.model.replacement import Discount, Replacement, ReplacementLine, Tax
    from billingual.model.unset import UNSET, Unset, UnsetType

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
    "checked_currency",
    "checked_text",
    "exact_decimal",
    "instant",
    "instant_text",
    "minor_unit_exponent",
    "misfits",
    "read_instant",
]

_HOMES = {
    "Changes": "changes",
    "CollectionMethod": "openenum",
    "Contact": "party",
    "CustomField": "lines",
    "Discount": "replacement",
    "Draft": "draft",
    "Filter": "filter",
    "Invoice": "invoice",
    "InvoiceSummary": "invoice",
    "Kind": "openenum",
    "LineItem": "lines",
    "Money": "money",
    "OpenWord": "openenum",
    "Page": "page",
    "Party": "party",
    "Query": "filter",
    "Range": "filter",
    "Receipt": "receipt",
    "Replacement": "replacement",
    "ReplacementLine": "replacement",
    "Sort": "filter",
    "Status": "openenum",
    "Tax": "replacement",
    "UNSET": "unset",
    "Unset": "unset",
    "UnsetType": "unset",
    "checked_currency": "money",
    "checked_text": "_text",
    "exact_decimal": "money",
    "minor_unit_exponent": "money",
    "misfits": "likeness",
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
