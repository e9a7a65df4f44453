"""Invoices, rows and receipts come back from their dicts: from a cache, a queue, a table."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import (
    Client,
    CustomField,
    InvalidInputError,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Money,
    Party,
    Receipt,
    Status,
)
from billingual.model import CollectionMethod, Contact
from billingual.sandbox import LANDMARKS

TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ZONES: Final = st.sampled_from(
    [UTC, timezone(timedelta(hours=-5)), timezone(timedelta(minutes=330))]
)
MOMENTS: Final = st.datetimes(timezones=ZONES) | st.dates()
AMOUNTS: Final = st.builds(
    Money, st.integers(-(10**25), 10**25), st.sampled_from(["EUR", "JPY", "HRK", "XYZ", None])
)
NUMBERS: Final = st.decimals(-(10**9), 10**9, allow_nan=False, places=6)
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda each: st.lists(each, max_size=2) | st.dictionaries(TEXTS, each, max_size=2),
    max_leaves=4,
)


def maybe(some: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw one or None."""
    return st.none() | some


CONTACTS: Final = st.builds(Contact, id=maybe(TEXTS), name=maybe(TEXTS), email=maybe(TEXTS))
PARTIES: Final = st.builds(Party, id=maybe(TEXTS), name=maybe(TEXTS), contact=maybe(CONTACTS))
LINES: Final = st.builds(
    LineItem, id=maybe(TEXTS), name=maybe(TEXTS), quantity=maybe(NUMBERS),
    unit_price=maybe(AMOUNTS), total=maybe(AMOUNTS),
)  # fmt: skip
FIELDS: Final = st.builds(CustomField, TEXTS, VALUES, TEXTS, maybe(TEXTS))
ROW: Final[dict[str, Any]] = {
    "id": TEXTS, "number": maybe(TEXTS), "status": maybe(st.builds(Status, TEXTS)),
    "issued_at": maybe(MOMENTS), "due_at": maybe(MOMENTS), "paid_at": maybe(MOMENTS),
    "currency": maybe(TEXTS), "total": maybe(AMOUNTS), "tax": maybe(AMOUNTS),
    "overdue_days": maybe(st.integers(-999, 999)), "counterparty": maybe(PARTIES),
    "collection_method": maybe(st.builds(CollectionMethod, TEXTS)), "document": maybe(TEXTS),
    "extra": st.dictionaries(TEXTS, VALUES, max_size=2),
}  # fmt: skip
WHOLE: Final[dict[str, Any]] = {
    **ROW, "kind": maybe(st.builds(Kind, TEXTS)), "created_at": maybe(MOMENTS),
    "seller": maybe(PARTIES), "lines": st.lists(LINES, max_size=2).map(tuple),
    "fields": st.lists(FIELDS, max_size=2).map(tuple), "exchange_rate": maybe(NUMBERS),
    "notes": st.dictionaries(TEXTS, TEXTS, max_size=2), "link": maybe(TEXTS),
}  # fmt: skip
RECEIPT: Final[dict[str, Any]] = {
    "id": TEXTS, "amount": maybe(NUMBERS), "status": maybe(st.builds(Status, TEXTS)),
    "due_at": maybe(MOMENTS), "extra": ROW["extra"],
}  # fmt: skip
MADE: Final = st.one_of(
    st.builds(InvoiceSummary, **ROW), st.builds(Invoice, **WHOLE), st.builds(Receipt, **RECEIPT)
)


@given(MADE)
def test_what_was_read_comes_back_exactly(model: Any) -> None:
    """From both dicts, with its types: unknown words, days, money without a currency."""
    kind = type(model)
    for record in (model.to_dict(), json.loads(json.dumps(model.to_dict(json=True)))):
        again = kind.from_dict(record)

        assert again == model
        assert hash(again) == hash(model)
        assert [type(getattr(again, name)) for name in record] == [
            type(getattr(model, name)) for name in record
        ]


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
def test_invoices_of_providers_come_back(provider: str) -> None:
    """All that the sandbox has, full invoices and rows."""
    with Client(provider, transport="sandbox") as client:
        rows = client.list().collect(limit=20)
        read = [*rows, *(client.get(each.id) for each in rows[:10])]

    assert len(read) > 11
    for each in read:
        text = json.dumps(each.to_dict(json=True))
        again = type(each).from_dict(json.loads(text))
        assert again == each
        assert (again.response, again.raw) == (None, {})


@pytest.mark.parametrize(
    ("record", "field", "problem"),
    [
        ({}, "id", "needs it"),
        ({"id": 5}, "id", "int is not text"),
        ({"id": "1", "totl": None}, "totl", "perhaps you meant total"),
        ({"id": "1", "total": 5}, "total", "int is no amount"),
        ({"id": "1", "due_at": "2026-12-31T00:00:00"}, "due_at", "names no day"),
        ({"id": "1", "due_at": datetime(2026, 1, 1)}, "due_at", "names no day"),  # noqa: DTZ001
        ({"id": "1", "due_at": 5}, "due_at", "names no day"),
        ({"id": "1", "overdue_days": "5"}, "overdue_days", "no whole number"),
        ({"id": "1", "overdue_days": True}, "overdue_days", "no whole number"),
        ({"id": "1", "status": 5}, "status", "int is not text"),
        ({"id": "1", "exchange_rate": 1.5}, "exchange_rate", "float is not exact"),
        ({"id": "1", "lines": [{}, {"quantity": 1.5}]}, "lines[1].quantity", "float is not exact"),
        ({"id": "1", "seller": {"contact": {"naem": "x"}}}, "seller.contact.naem", "meant name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_its_path(
    record: dict[str, Any], field: str, problem: str
) -> None:
    """Such a record was written by something else."""
    with pytest.raises(InvalidInputError, match=problem) as caught:
        Invoice.from_dict(record)

    assert caught.value.field == field


def test_a_receipt_of_katsu_comes_back() -> None:
    """Its amount stays a Decimal."""
    receipt = Receipt(
        id=LANDMARKS["katsu_invoice"], amount=Decimal("1.10"), due_at=date(2026, 1, 1)
    )

    assert Receipt.from_dict(json.loads(json.dumps(receipt.to_dict(json=True)))) == receipt
