"""Models from mappings and back: exact, strict, and with the path of what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual.errors import InvalidInputError
from billingual.model import (
    Changes,
    CustomField,
    Discount,
    Draft,
    Filter,
    Money,
    Receipt,
    Replacement,
    ReplacementLine,
    Status,
    Tax,
)

DRAFT: dict[str, Any] = {
    "number": "INV-1", "total": "12.50 EUR", "due_at": "2026-12-31T00:00:00Z",
    "exchange_rate": "1.25", "fields": [{"key": "project", "value": "north"}],
}  # fmt: skip
REPLACEMENT: dict[str, Any] = {
    "counterparty": "c1", "counterparty_name": "A", "receiving_account": "a1", "account_name": "B",
    "due_at": "2026-12-31T00:00:00Z", "currency": "EUR",
    "lines": [{"product_id": "p1", "quantity": 2, "unit_price": "9.99"}],
    "taxes": [{"tax_id": "t1", "percentage": "19"}], "discount": {"type": 1, "value": "5"},
    "description": "", "billing_cycle": 1, "recurring": False, "payment_methods": [1],
    "notifications": [], "remind_days_before": [], "remind_days_after": [3],
    "remind_on_due_date": True,
}  # fmt: skip


def test_a_draft_is_made_from_a_json_object() -> None:
    """Keys are our field names; money, moments and numbers are read exactly."""
    expected = Draft(
        number="INV-1",
        total=Money(1250, "EUR"),
        due_at=datetime(2026, 12, 31, tzinfo=UTC),
        exchange_rate=Decimal("1.25"),
        fields=[CustomField("project", "north")],
    )

    assert expected == Draft.from_dict(json.loads(json.dumps(DRAFT)))


def test_a_whole_document_is_made_with_its_parts() -> None:
    """Lines, taxes and the discount are mappings too."""
    made = Replacement.from_dict(REPLACEMENT)

    assert made.lines == (ReplacementLine(product_id="p1", quantity=2, unit_price="9.99"),)
    assert made.taxes == (Tax(tax_id="t1", percentage="19"),)
    assert made.discount == Discount(type=1, value="5")
    assert Replacement.from_dict({**REPLACEMENT, "discount": None}).discount is None


def test_parts_that_are_models_already_are_taken() -> None:
    """A program may mix objects and mappings."""
    draft = Draft.from_dict({"total": Money(5, "JPY"), "fields": {"a": "b"}})

    assert draft.total == Money(5, "JPY")
    assert draft.fields == (CustomField("a", "b"),)
    assert Draft.from_dict(draft) is draft  # type: ignore[arg-type]  # a draft is no mapping


@pytest.mark.parametrize(
    "money", ["12.34 EUR", {"amount": "12.34", "currency": "EUR"},
              {"minor": 1234, "currency": "EUR"},
              {"amount": "12.34", "minor": 1234, "currency": "EUR"}],
)  # fmt: skip
def test_money_is_written_in_four_ways(money: object) -> None:
    """Each is the same amount."""
    assert Changes.from_dict({"total": money}).total == Money(1234, "EUR")


@pytest.mark.parametrize(
    ("kind", "record", "field", "problem"),
    [
        (Draft, {"due_date": "x"}, "due_date", "perhaps you meant due_at"),
        (Draft, {"total": 12.5}, "total", "float is no amount with a currency"),
        (Draft, {"total": "12.50"}, "total", "'12.50' is no amount with a currency"),
        (Draft, {"total": "EUR 12.50"}, "total", "EUR is before the amount; write '12.50 EUR'"),
        (Draft, {"total": "1.234 EUR"}, "total", "more decimal places"),
        (Draft, {"total": {"amount": 12.5, "currency": "EUR"}}, "total.amount", "not exact"),
        (Draft, {"total": {"minor": 1, "amount": "2", "currency": "EUR"}}, "total", "differ"),
        (Draft, {"exchange_rate": 1.25}, "exchange_rate", "not exact"),
        (Draft, {"due_at": "2026-12-31T00:00:00"}, "due_at", "no time zone"),
        (Draft, {"number": 5}, "number", "int is not text"),
        (Draft, {"fields": [{"key": "a", "value": 1}, {"value": 1}]}, "fields[1].key", "needs it"),
        (Draft, {"fields": [{"ky": "a", "value": 1}]}, "fields[0].ky", "perhaps you meant key"),
        (Draft, {"fields": [3]}, "fields[0]", "int is no object"),
        (Draft, [1], "draft", "list is no mapping"),
        (Replacement, {**REPLACEMENT, "lines": [{"product_id": "a"}]}, "lines[0].quantity",
         "give quantity, unit_price"),
        (Replacement, {**REPLACEMENT, "lines": "a"}, "lines", "not all of this"),
        (Replacement,
         {**REPLACEMENT, "lines": [{"product_id": "a", "quantity": 12.7, "unit_price": "1"}]},
         "lines[0].quantity", "float is not exact"),
        (Replacement, {"counterparty": "c1"}, "counterparty_name", "give counterparty_name, recei"),
        (Filter, {"statuses": "OVERDUE"}, "statuses", "perhaps you meant status"),
        (Filter, {"overdue_days": "many"}, "overdue_days", "is not a range"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(
    kind: Any, record: object, field: str, problem: str
) -> None:
    """The error says which field of the mapping, what is wrong, and what to do."""
    with pytest.raises(InvalidInputError) as caught:
        kind.from_dict(record)

    assert caught.value.field == field
    assert problem in str(caught.value)


def test_a_misspelt_name_is_told_before_the_one_it_leaves_missing() -> None:
    """The misspelling explains why the other is missing."""
    record = {("count" if key == "currency" else key): value for key, value in REPLACEMENT.items()}

    with pytest.raises(InvalidInputError, match=r"^count: Replacement has no such field"):
        Replacement.from_dict(record)


def test_a_filter_comes_back_from_its_dict() -> None:
    """Ranges and moments are written as they are read."""
    chosen = Filter(status="OVERDUE", overdue_days="> 30", due_from="2026-01-01T00:00:00Z")

    assert chosen == Filter.from_dict(chosen.to_dict())
    assert chosen == Filter.from_dict(json.loads(json.dumps(chosen.to_dict(json=True))))


def test_json_holds_no_float_and_no_object_of_ours() -> None:
    """A Decimal is text, a word is plain text, raw is left out."""
    receipt = Receipt(
        id="i1", amount=Decimal("1E+2"), status=Status("SENT"), raw={"a": Decimal("0.1")},
        created_at=datetime(2026, 1, 1, tzinfo=UTC), extra={"b": (Decimal("0.10"), None)},
    )  # fmt: skip

    written = receipt.to_dict(json=True)

    assert written == {
        "id": "i1", "amount": "100", "currency": None, "status": "SENT", "counterparty": None,
        "created_at": "2026-01-01T00:00:00Z", "due_at": None, "extra": {"b": ["0.10", None]},
    }  # fmt: skip
    assert type(written["status"]) is str
    assert receipt.to_dict()["amount"] == Decimal("1E+2")


def test_money_without_known_decimal_places_has_no_amount() -> None:
    """Nothing is guessed: minor units and the provider's word are all there is."""
    assert Money(5, "XYZ").to_json() == {"amount": None, "minor": 5, "currency": "XYZ"}
    assert Money(5).to_json() == {"amount": None, "minor": 5, "currency": None}
    assert Money.from_json(Money(5, "XYZ").to_json()) == Money(5, "XYZ")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.datetimes(
    datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip
FIELDS: dict[str, Any] = {
    "number": TEXTS, "currency": st.sampled_from(["EUR", "JPY"]), "counterparty": TEXTS,
    "document": st.none() | TEXTS, "issued_at": MOMENTS, "due_at": st.none() | MOMENTS,
    "total": st.builds(Money, st.integers(-(10**25), 10**25), st.sampled_from(["EUR", "JPY"])),
    "exchange_rate": st.decimals(allow_nan=False, allow_infinity=False, places=6, max_value=10**9,
                                 min_value=0),
    "fields": st.dictionaries(TEXTS, TEXTS, max_size=3),
}  # fmt: skip


@given(st.sampled_from([Draft, Changes]), st.fixed_dictionaries({}, optional=FIELDS))
def test_what_is_written_is_read_again(kind: Any, fields: dict[str, Any]) -> None:
    """A draft and changes come back from both dicts, exactly and with what is UNSET left out."""
    model = kind(**fields)

    assert model == kind.from_dict(model.to_dict())
    assert model == kind.from_dict(json.loads(json.dumps(model.to_dict(json=True))))
    assert set(model.to_dict()) == set(fields)


def test_moments_keep_their_fractions() -> None:
    """A microsecond is not lost in JSON."""
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)

    assert Changes.from_dict(Changes(due_at=moment).to_dict(json=True)).due_at == moment
