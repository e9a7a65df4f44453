"""The one schema of invoices in columns: it holds the rows of lists and full invoices alike.

How values become columns, and why so:

* **Money** is an int64 of minor units, as in :class:`~billingual.Money`, in ``..._minor``; the code
  of all amounts of an invoice is in ``currency``. Exante's lists state no currency, so it is null
  there. The amounts are exact all the same, because the provider states minor units: where the
  decimal point goes cannot be known, and a decimal column would have to guess it.
* **A point in time** is a timestamp in UTC, in ``..._at``. Where the provider states a *day*, that
  is in ``..._on``, and ``..._at`` is null: a day begins at another instant in each time zone.
* **Numbers with a fraction** (quantities, rates) are decimal128(38, 18).
* **JSON** is text: ``raw`` as it came, byte for byte unless the envelope around it had to be taken
  apart leniently; ``extra``, ``problems`` and the values of custom fields. All numbers keep all
  their digits.
* **Rows of a list** have null in ``lines``, ``fields`` and ``notes``; a full invoice without lines
  has an empty list.
* **What does not fit** its column is never rounded. The column is null there, and ``misfits`` holds
  the exact value as JSON, by its path in the model:
  ``{"total": {"minor": 12, "currency": "USD"}}``. That is a number that 64 bits or
  decimal128(38, 18) cannot hold, an amount in another currency than its invoice's (or, of a line,
  its line's), and a point in time outside the years 1 to 9999. ``misfits`` is null in nearly all
  rows.
"""

from __future__ import annotations

import functools
from typing import Final

from arro3.core import DataType, Field, Schema

__all__ = ["schema"]

MONEY: Final = (
    "total", "subtotal", "discount", "tax", "amount_due", "amount_paid", "amount_remaining",
)  # fmt: skip
"""The amounts of an invoice, each in a column ``..._minor``."""

PLACES: Final = 18
"""Decimal places of a number with a fraction: a third of a piece keeps the 16 of a double."""

MAX_WHOLE_DIGITS: Final = 38 - PLACES

TEXT: Final = DataType.string()
WHOLE: Final = DataType.int64()
NUMBER: Final = DataType.decimal128(38, PLACES)
# Microseconds, because Python's datetimes have no more and pandas, Delta and Spark take them.
MOMENT: Final = DataType.timestamp("us", tz="UTC")
DAY: Final = DataType.date32()


def _struct(**kinds: DataType) -> DataType:
    return DataType.struct([Field(name, kind) for name, kind in kinds.items()])


def _list(kind: DataType) -> DataType:
    # No entry is null. The name is the one that the Arrow format recommends.
    return DataType.list(Field("item", kind, nullable=False))


CONTACT: Final = _struct(id=TEXT, name=TEXT, title=TEXT, email=TEXT, phone=TEXT)
PARTY: Final = _struct(id=TEXT, name=TEXT, address=TEXT, role=TEXT, contact=CONTACT)
LINE: Final = _struct(
    id=TEXT,
    kind=TEXT,
    name=TEXT,
    quantity=NUMBER,
    unit_price_minor=WHOLE,
    total_minor=WHOLE,
    currency=TEXT,
    product_id=TEXT,
)
CUSTOM_FIELD: Final = _struct(key=TEXT, value=TEXT, type=TEXT, original_type=TEXT)
# Not a map: Polars has none, and each reader takes a list.
NOTE: Final = _struct(name=TEXT, text=TEXT)

_KINDS: Final = {
    "id": TEXT,
    "number": TEXT,
    "status": TEXT,
    "kind": TEXT,
    "issued_at": MOMENT,
    "issued_on": DAY,
    "due_at": MOMENT,
    "due_on": DAY,
    "paid_at": MOMENT,
    "paid_on": DAY,
    "currency": TEXT,
    **{f"{name}_minor": WHOLE for name in MONEY},
    "overdue_days": WHOLE,
    "collection_method": TEXT,
    "counterparty": PARTY,
    "document": TEXT,
    "created_at": MOMENT,
    "created_on": DAY,
    "updated_at": MOMENT,
    "updated_on": DAY,
    "link": TEXT,
    "seller": PARTY,
    "blueprint": TEXT,
    "lines": _list(LINE),
    "fields": _list(CUSTOM_FIELD),
    "notes": _list(NOTE),
    "exchange_rate": NUMBER,
    "extra": TEXT,
    "problems": TEXT,
    "misfits": TEXT,
    "raw": TEXT,
}


@functools.cache
def schema(*, raw: bool = True) -> Schema:
    """Return the schema of invoices in columns.

    Args:
        raw: whether the payloads as they came are in it, as JSON text in the last column.
    """
    kinds = _KINDS if raw else {name: kind for name, kind in _KINDS.items() if name != "raw"}
    return Schema([Field(name, kind, nullable=name != "id") for name, kind in kinds.items()])
