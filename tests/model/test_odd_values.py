"""Values of other libraries are taken, or refused by our errors with the name of the field."""

from __future__ import annotations

import copy
import enum
import json
import pickle
import uuid
from decimal import Decimal

import attrs
import numpy as np
import pytest

from billingual import (
    Changes,
    Client,
    CustomField,
    Draft,
    Filter,
    InvalidInputError,
    MemoryTransport,
    Money,
    Range,
    Replacement,
    ReplacementLine,
    Sort,
)
from billingual.model import Discount, Tax

UID = "550e8400-e29b-41d4-a716-446655440000"


class Word(enum.StrEnum):
    PAID = "PAID"


class Exact(Decimal):
    """A Decimal of some library."""


class Rude:
    """Raises whatever is asked of it, as a missing value of pandas does."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


ODD: list[object] = [
    np.int64(3), np.float64(1.5), np.float64("nan"), np.str_("PAID"), np.bool_(True),
    np.datetime64("2026-12-31"), np.array(["a"]), np.array([1, 2]), np.array([]), np.array(5),
    uuid.UUID(int=5), Exact("1.5"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"),
    Decimal("1E+999999"), Decimal("1E-999999"), Word.PAID, True, 10**5000, float("inf"),
    b"x", "x" * 100_000, "1_000", "\N{FULLWIDTH DIGIT ONE}", Rude(), [Rude()], {}, (), object(),
]  # fmt: skip
LINE = {"product_id": "p", "quantity": 1, "unit_price": 1}
WHOLE = {
    "counterparty": "a", "counterparty_name": "a", "receiving_account": "a", "account_name": "a",
    "due_at": "2026-12-31", "currency": "EUR", "lines": [], "taxes": [], "discount": None,
    "description": "", "billing_cycle": 1, "recurring": False, "payment_methods": [],
    "notifications": [], "remind_days_before": [], "remind_days_after": [],
    "remind_on_due_date": False,
}  # fmt: skip
BASES: dict[type, dict[str, object]] = {
    Changes: {}, Draft: {}, Filter: {}, Replacement: WHOLE, ReplacementLine: LINE,
    Tax: {"tax_id": "t", "percentage": 1}, Discount: {"type": 1, "value": 1},
}  # fmt: skip
MAKERS = [Range.parse, Range.above, Range.below, Range.exactly, Sort.parse]
FIELDS = [(kind, field.name) for kind in BASES for field in attrs.fields(kind)]


def refusal_of(make: object) -> InvalidInputError | None:
    """Return our error where a value is refused; None where it is taken and can be shown."""
    try:
        repr(make())  # type: ignore[operator]
    except InvalidInputError as error:
        return error
    return None


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=str)
def test_no_value_raises_another_librarys_error(kind: type, field: str) -> None:
    """Whatever a row of a table holds, the error is ours; a useful value still goes through."""
    made = [refusal_of(lambda odd=odd: kind(**{**BASES[kind], field: odd})) for odd in ODD]
    refused = [error for error in made if error is not None]

    assert refused
    assert all(error.field.startswith(field) for error in refused)
    assert max(len(str(error)) for error in refused) < 300


def test_whole_numbers_of_other_libraries_are_whole_numbers() -> None:
    """A row of a table holds numpy's; a bool is no number, and a fraction is not cut off."""
    assert Money(np.int64(5), "EUR") == Money(5, "EUR")  # type: ignore[arg-type]
    assert type(Money(np.int64(5), "EUR").minor) is int  # type: ignore[arg-type]
    assert Money.of(np.int32(5), "EUR") == Money(500, "EUR")  # type: ignore[arg-type]
    assert Range.above(np.int64(5)) == Range(6, None)  # type: ignore[arg-type]
    assert Filter(overdue_days=np.int64(5)).overdue_days == Range(5, 5)  # type: ignore[arg-type]
    assert Changes(exchange_rate=Exact("1.5")).exchange_rate == Decimal("1.5")
    for wrong in (np.bool_(True), np.float64(5.0), np.array([5, 6]), True):
        with pytest.raises(InvalidInputError):
            Money(wrong, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__qualname__)
def test_ranges_and_sort_keys_are_refused_like_fields(make: object) -> None:
    """They have their own constructors, which are given the same rows."""
    fields = {"sort"} if make == Sort.parse else {"range"}
    for odd in (
        np.float64(1.5),
        None,
        b"x",
        object(),
        Rude(),
        [],
        10**5000,
        Decimal("sNaN"),
        "x y",
    ):
        with pytest.raises(InvalidInputError) as caught:
            make(odd)  # type: ignore[operator]
        assert caught.value.field in fields


@pytest.mark.parametrize(
    ("make", "field", "problem", "fix"),
    [
        (lambda: Changes(due_date="x"), "due_date", "no such field", "due_at"),  # type: ignore[call-arg]
        (lambda: Draft(customer="x"), "customer", "no such field", "counterparty"),  # type: ignore[call-arg]
        (lambda: Filter(statuses="x"), "statuses", "no such field", "status"),  # type: ignore[call-arg]
        (lambda: Draft({"number": "1"}), "draft", "takes its fields by name", "Draft.from_dict"),  # type: ignore[call-arg, arg-type, misc]
        (lambda: Tax(tax_id="1"), "percentage", "Tax needs it", "percentage"),  # type: ignore[call-arg]
        (lambda: CustomField("a", key="b"), "value", "needs it", "value"),  # type: ignore[call-arg, misc]
    ],
)  # fmt: skip
def test_a_constructor_says_which_field_it_has(
    make: object, field: str, problem: str, fix: str
) -> None:
    """A TypeError of Python names neither the nearest field nor the way out."""
    with pytest.raises(InvalidInputError) as caught:
        make()  # type: ignore[operator]

    assert caught.value.field == field
    assert problem in caught.value.problem
    assert fix in caught.value.fix


@pytest.mark.parametrize(("kind", "base"), BASES.items(), ids=lambda each: str(each)[:40])
def test_what_is_written_can_be_copied_and_hashed(kind: type, base: dict[str, object]) -> None:
    """Copies are equal to what they are of; equal values have equal hashes."""
    value = kind(**base)

    for made in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert made == value
        assert hash(made) == hash(value)


def test_an_id_in_an_error_is_cut() -> None:
    """A whole model or a file given for an id would put its contents into logs."""
    with Client("exante", transport="sandbox") as client:
        for wrong in ("x" * 1000, Draft(number="SECRET"), {"number": "SECRET"}, 10**5000):
            with pytest.raises(InvalidInputError) as caught:
                client.get(wrong)  # type: ignore[arg-type]
            assert len(str(caught.value)) < 150
            assert "SECRET" not in str(caught.value)


def test_what_is_read_can_be_hashed_and_copied() -> None:
    """Invoices go into sets, and between processes, whatever their provider sent along."""
    row = {
        "uid": UID, "due_date": "2026-12-31", "new": {"a": [1]}, "total_cents": 5,
        "currency": "EUR", "invoice_notes": {"memo": "x"},
        "invoice_fields": [{"key": "a", "value": {"type": "json", "value": {"b": 1}}}],
    }  # fmt: skip
    script = MemoryTransport([MemoryTransport.json(json.dumps({"data": row}))] * 2)
    with Client("exante", transport=script, token="t" * 12) as client:
        invoice, again = client.get(UID), client.get(UID)

    assert len({invoice, again}) == 1
    for made in (copy.copy(invoice), copy.deepcopy(invoice), pickle.loads(pickle.dumps(invoice))):  # noqa: S301
        assert made == invoice
        assert hash(made) == hash(invoice)
        assert made.raw == row
