"""The canonical model: one shape and one set of names for every provider."""

from __future__ import annotations

from billingual.model._text import checked_text
from billingual.model.changes import Changes
from billingual.model.draft import Draft
from billingual.model.filter import Filter, Query, Range, Sort
from billingual.model.instant import instant, instant_text, read_instant
from billingual.model.invoice import Invoice, InvoiceSummary, Receipt
from billingual.model.likeness import misfits
from billingual.model.lines import CustomField, LineItem
from billingual.model.money import Money, checked_currency, exact_decimal, minor_unit_exponent
from billingual.model.openenum import CollectionMethod, Kind, OpenWord, Status
from billingual.model.page import Page
from billingual.model.party import Contact, Party
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
