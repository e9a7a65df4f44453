"""The canonical model: one shape and one set of names for every provider.

Each part is loaded on first use: who reads invoices needs nothing of what others write.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.model._mapping import as_json
    from billingual.model._types import (
        UNSET,
        Unset,
        UnsetType,
        checked_text,
        first_moment,
        instant,
        instant_text,
        last_moment,
        read_instant,
    )
    from billingual.model.dicts import (
        ChangesDict,
        CustomFieldDict,
        DiscountDict,
        DraftDict,
        FilterDict,
        MoneyDict,
        ReplacementDict,
        ReplacementLineDict,
        TaxDict,
    )
    from billingual.model.diff import differing_fields
    from billingual.model.enums import CollectionMethod, Kind, OpenWord, Status
    from billingual.model.invoice import (
        BadRow,
        Contact,
        CustomField,
        Invoice,
        InvoiceSummary,
        LineItem,
        Party,
        Problem,
    )
    from billingual.model.money import Money, checked_currency, exact_decimal, minor_unit_exponent
    from billingual.model.page import BadPage, Page
    from billingual.model.query import Filter, Query, Range, Sort
    from billingual.model.replacement import Discount, Receipt, Replacement, ReplacementLine, Tax
    from billingual.model.write import Changes, Draft

__all__ = [
    "UNSET",
    "BadPage",
    "BadRow",
    "Changes",
    "ChangesDict",
    "CollectionMethod",
    "Contact",
    "CustomField",
    "CustomFieldDict",
    "Discount",
    "DiscountDict",
    "Draft",
    "DraftDict",
    "Filter",
    "FilterDict",
    "Invoice",
    "InvoiceSummary",
    "Kind",
    "LineItem",
    "Money",
    "MoneyDict",
    "OpenWord",
    "Page",
    "Party",
    "Problem",
    "Query",
    "Range",
    "Receipt",
    "Replacement",
    "ReplacementDict",
    "ReplacementLine",
    "ReplacementLineDict",
    "Sort",
    "Status",
    "Tax",
    "TaxDict",
    "Unset",
    "UnsetType",
    "as_json",
    "checked_currency",
    "checked_text",
    "differing_fields",
    "exact_decimal",
    "first_moment",
    "instant",
    "instant_text",
    "last_moment",
    "minor_unit_exponent",
    "read_instant",
]

if not TYPE_CHECKING:  # To a type checker, __getattr__ would mean that every name exists.
    __getattr__, __dir__ = attach(
        __name__,
        {
            "_mapping": "as_json",
            "_types": "UNSET Unset UnsetType checked_text first_moment instant instant_text "
            "last_moment read_instant",
            "dicts": "ChangesDict CustomFieldDict DiscountDict DraftDict FilterDict MoneyDict "
            "ReplacementDict ReplacementLineDict TaxDict",
            "diff": "differing_fields",
            "enums": "CollectionMethod Kind OpenWord Status",
            "invoice": "BadRow Contact CustomField Invoice InvoiceSummary LineItem Party Problem",
            "money": "Money checked_currency exact_decimal minor_unit_exponent",
            "page": "BadPage Page",
            "query": "Filter Query Range Sort",
            "replacement": "Discount Receipt Replacement ReplacementLine Tax",
            "write": "Changes Draft",
        },
    )
