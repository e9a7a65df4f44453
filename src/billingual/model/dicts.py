"""The shapes of the mappings that are taken in the place of models, for type checkers.

At run time nothing here is used: any mapping is read by the ``from_dict`` of its model, which
checks it. A test holds each of these to the fields of its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NotRequired, TypeAlias, TypedDict

from billingual.model.invoice import CustomField
from billingual.model.money import Money
from billingual.model.query import Range
from billingual.model.replacement import Discount, ReplacementLine, Tax

__all__ = [
    "ChangesDict",
    "CustomFieldDict",
    "DiscountDict",
    "DraftDict",
    "FilterDict",
    "MoneyDict",
    "ReplacementDict",
    "ReplacementLineDict",
    "TaxDict",
]

Instant: TypeAlias = datetime | date | str
Number: TypeAlias = str | int | Decimal
Texts: TypeAlias = str | Iterable[str]


class MoneyDict(TypedDict):
    """Money: ``amount`` in major units, or ``minor`` units, or both where they agree."""

    amount: NotRequired[Number | None]
    minor: NotRequired[int]
    currency: str | None


class CustomFieldDict(TypedDict):
    """A :class:`~billingual.CustomField`."""

    key: str
    value: object
    type: NotRequired[str]
    original_type: NotRequired[str | None]


class _WrittenDict(TypedDict, total=False):
    number: str | None
    status: str | None
    issued_at: Instant | None
    due_at: Instant | None
    paid_at: Instant | None
    currency: str | None
    counterparty: str | None
    document: str | None
    blueprint: str | None
    total: Money | MoneyDict | str | None
    exchange_rate: Number | None
    fields: Iterable[CustomField | CustomFieldDict] | Mapping[str, str]


class DraftDict(_WrittenDict, total=False):
    """A :class:`~billingual.Draft`."""

    owner: str | None
    kind: str | None


class ChangesDict(_WrittenDict, total=False):
    """:class:`~billingual.Changes`."""

    collection_method: str | None


class FilterDict(TypedDict, total=False):
    """A :class:`~billingual.Filter`."""

    search: str | None
    counterparty: Texts | None
    counterparty_ids: Texts | None
    status: Texts | None
    collection_method: Texts | None
    document: str | None
    issued_from: Instant | None
    issued_to: Instant | None
    due_from: Instant | None
    due_to: Instant | None
    paid_from: Instant | None
    paid_to: Instant | None
    updated_from: Instant | None
    updated_to: Instant | None
    overdue_days: Range | str | int | None
    total: Range | str | int | None
    include_inactive: bool
    expand: Texts | None
    extra_params: Mapping[str, str]


class ReplacementLineDict(TypedDict):
    """A :class:`~billingual.ReplacementLine`."""

    product_id: str
    quantity: Number
    unit_price: Number


class TaxDict(TypedDict):
    """A :class:`~billingual.Tax`."""

    tax_id: str
    percentage: Number


class DiscountDict(TypedDict):
    """A :class:`~billingual.Discount`."""

    type: int
    value: Number


class ReplacementDict(TypedDict):
    """A :class:`~billingual.Replacement`."""

    counterparty: str
    counterparty_name: str
    receiving_account: str
    account_name: str
    due_at: Instant
    currency: str
    lines: Iterable[ReplacementLine | ReplacementLineDict]
    taxes: Iterable[Tax | TaxDict]
    discount: Discount | DiscountDict | None
    description: str
    billing_cycle: int
    recurring: bool
    payment_methods: Iterable[int]
    notifications: Iterable[int]
    remind_days_before: Iterable[int]
    remind_days_after: Iterable[int]
    remind_on_due_date: bool
