"""What a caller gives is checked as it is given, field by field."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from billingual import (
    UNSET,
    Changes,
    CustomField,
    Draft,
    Filter,
    InvalidInputError,
    Money,
    Range,
    Replacement,
    Sort,
)
from billingual.model import Discount, Query, ReplacementLine, Tax

NAIVE = datetime(2026, 12, 31)  # noqa: DTZ001 - refused, which is the point
AWARE = datetime(2026, 12, 31, tzinfo=UTC)

WHOLE: Mapping[str, Any] = {
    "counterparty": "c1",
    "counterparty_name": "Buyer",
    "receiving_account": "a1",
    "account_name": "Main",
    "due_at": AWARE,
    "currency": "EUR",
    "lines": [ReplacementLine(product_id="p1", quantity=2, unit_price="9.99")],
    "taxes": [Tax(tax_id="t1", percentage="7.7")],
    "discount": None,
    "description": "",
    "billing_cycle": 1,
    "recurring": False,
    "payment_methods": [1],
    "notifications": [],
    "remind_days_before": [],
    "remind_days_after": [],
    "remind_on_due_date": False,
}


def test_unset_none_and_a_value_are_three_things() -> None:
    """A field left out is not listed; one set to None is."""
    nothing, null, value = Changes(), Changes(number=None), Changes(number="R-1")

    assert nothing.given() == {}
    assert null.given() == {"number": None}
    assert value.given() == {"number": "R-1"}
    assert nothing != null


def test_unset_is_falsy_single_and_survives_a_pickle() -> None:
    """There is one UNSET, in this process and the next."""
    assert not UNSET
    assert repr(UNSET) == "UNSET"
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET  # noqa: S301


@pytest.mark.parametrize("empty", ["", Decimal(0), Money(0, "EUR")])
def test_a_falsy_value_is_still_given(empty: object) -> None:
    """Empty text, zero and no money are values, not gaps."""
    name = {str: "number", Decimal: "exchange_rate", Money: "total"}[type(empty)]

    assert Changes(**{name: empty}).given() == {name: empty}


@pytest.mark.parametrize("other", [3, 162, 27_000, 10**20])
def test_a_rate_that_was_divided_is_taken(other: int) -> None:
    """It has as many digits as Python gives it, behind the zeros of a small rate."""
    assert Draft(exchange_rate=Decimal(1) / other).exchange_rate == Decimal(1) / other


@pytest.mark.parametrize("kind", [Changes, Draft])
@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("number", 7, "int is not text"),
        ("status", b"PAID", "bytes is not text"),
        ("currency", 978, "int is not text"),
        ("counterparty", ["c"], "list is not text"),
        ("document", 1.0, "float is not text"),
        ("blueprint", ..., "ellipsis is not text"),
        ("issued_at", NAIVE, "no time zone"),
        ("due_at", "2026-12-31T00:00:00", "no time zone"),
        ("due_at", "tomorrow", "not a date and time"),
        ("due_at", "", "not a date and time"),
        ("paid_at", 1_800_000_000, "int is not a point in time"),
        ("paid_at", "2026-02-30", "not a date and time"),
        ("paid_at", "0001-01-01T00:30:00+01:00", "outside the years"),
        ("total", 12.34, "float is no Money"),
        ("total", "12.34", "str is no Money"),
        ("total", Decimal("12.34"), "Decimal is no Money"),
        ("exchange_rate", 1.1, "float is not exact"),
        ("exchange_rate", True, "bool is not exact"),
        ("exchange_rate", "1E+999999", "30 digits"),
        ("exchange_rate", "NaN", "finite"),
        ("fields", None, "no custom fields"),
        ("fields", 5, "no custom fields"),
        ("fields", "ab", "no custom fields"),
        ("fields", [("a", "b")], "no custom fields"),
        ("fields", [CustomField("a", 1), CustomField("a", 2)], "comes twice"),
        ("fields", {1: "a"}, "int is not text"),
        ("fields", {"\ud800": "a"}, "surrogate"),
        ("fields", [CustomField(1, "a")], "int is not text"),
        ("number", "\ud800", "surrogate"),
        ("document", "a\udc00", "surrogate"),
        ("status", "", "it is empty"),
        ("status", " ", "it is empty"),
    ],
    ids=repr,
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    kind: type[Draft | Changes], field: str, value: object, word: str
) -> None:
    """Naive datetimes, floats and wrong types never get past the constructor."""
    with pytest.raises(InvalidInputError) as caught:
        kind(**{field: value})

    assert caught.value.field == field
    assert word in caught.value.problem
    assert caught.value.fix


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("search", "", "not text"),
        ("search", "  ", "not text"),
        ("search", 5, "not text"),
        ("document", [], "not text"),
        ("status", "", "empty or not text"),
        ("status", ["PAID", ""], "empty or not text"),
        ("status", [1], "empty or not text"),
        ("status", b"PAID", "empty or not text"),
        ("status", 5, "empty or not text"),
        ("status", [], "an empty list would select nothing or everything"),
        ("status", (), "an empty list"),
        ("counterparty", set(), "an empty list"),
        ("counterparty_ids", range(0), "an empty list"),
        ("collection_method", {}, "an empty list"),
        ("expand", [], "an empty list"),
        ("status", "\ud800", "surrogate"),
        ("search", "a\udfff", "surrogate"),
        ("document", "\ud800", "surrogate"),
        ("include_inactive", "no", "neither true nor false"),
        ("include_inactive", 1, "neither true nor false"),
        ("include_inactive", None, "neither true nor false"),
        ("extra_params", None, "no mapping"),
        ("extra_params", [("a", "b")], "no mapping"),
        ("extra_params", {"a": 1}, "not a pair"),
        ("extra_params", {"": "a"}, "not a pair"),
        ("extra_params", {"a": "\ud800"}, "surrogate"),
        ("counterparty", [None], "empty or not text"),
        ("counterparty_ids", " ", "empty or not text"),
        ("expand", [""], "empty or not text"),
        ("issued_from", NAIVE, "no time zone"),
        ("issued_to", "2026-12-31T00:00:00", "no time zone"),
        ("due_from", 0, "not a point in time"),
        ("due_to", "x", "not a date"),
        ("paid_from", NAIVE, "no time zone"),
        ("paid_to", 1.5, "not a point in time"),
        ("updated_from", NAIVE, "no time zone"),
        ("updated_to", "x", "not a date"),
        ("overdue_days", 1.5, "not a range"),
        ("overdue_days", True, "not a range"),
        ("overdue_days", "many", "not a range"),
        ("overdue_days", "", "not a range"),
        ("total", "30-1", "is above"),
        ("total", Money(1, "EUR"), "not a range"),
    ],
    ids=repr,
)
def test_a_wrong_filter_is_refused_by_name(field: str, value: object, word: str) -> None:
    """A filter that cannot be meant is refused before it lists too much."""
    with pytest.raises(InvalidInputError) as caught:
        Filter(**{field: value})

    assert word in caught.value.problem
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["issued", "due", "paid", "updated"])
def test_a_filter_of_dates_has_its_ends_in_order(name: str) -> None:
    """No invoice lies between a later and an earlier date; one moment may be both ends."""
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:01:00+23:01"
    Filter(**{f"{name}_from": early, f"{name}_to": early})
    Filter(**{f"{name}_from": late, f"{name}_to": "2026-01-01T01:00:00Z"})

    with pytest.raises(InvalidInputError, match="is later than") as caught:
        Filter(**{f"{name}_from": "2026-01-01T00:00:01Z", f"{name}_to": early})

    assert caught.value.field == f"{name}_from"


def test_none_is_no_filter() -> None:
    """What is None, or False where that is the rule, narrows nothing and is not given."""
    nothing = Filter(status=None, expand=None, search=None, include_inactive=False, extra_params={})

    assert nothing == Filter()
    assert nothing.given() == {}


def test_a_filter_does_not_change_with_what_it_was_made_of() -> None:
    """Parameters are copied as they are checked."""
    params = {"a": "b"}
    narrow = Filter(extra_params=params)
    params["c"] = "d"

    assert narrow.given() == {"extra_params": {"a": "b"}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filter", None),
        ("filter", {"status": "PAID"}),
        ("sort", ["due_at"]),
        ("sort", "due_at"),
        ("page", 0),
        ("page", True),
        ("page", "1"),
        ("page_size", "5"),
        ("page_size", True),
        ("page_size", 0),
        ("page_size", 5.0),
    ],
    ids=repr,
)
def test_a_wrong_query_is_refused_by_name(field: str, value: object) -> None:
    """A page is asked for in whole numbers, by a filter and a sort."""
    with pytest.raises(InvalidInputError) as caught:
        Query(**{field: value})

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Sort(["due_at"]), "sort"),
        (lambda: Sort("\ud800"), "sort"),
        (lambda: Sort("due_at", descending="no"), "descending"),
    ],
    ids=["list", "surrogate", "direction"],
)
def test_a_wrong_sort_is_refused(make: Any, field: str) -> None:
    """A key has a name, and a direction that is yes or no."""
    with pytest.raises(InvalidInputError) as caught:
        make()

    assert caught.value.field == field


def test_a_filter_takes_one_text_or_many() -> None:
    """A single text is a list of one."""
    assert Filter(status="PAID") == Filter(status=["PAID"]) == Filter(status=("PAID",))


def test_a_filter_lists_what_was_set() -> None:
    """Only what narrows the list is given; range texts and ints are ranges by then."""
    narrow = Filter(status="PAID", overdue_days="> 30", total=0, include_inactive=True)

    assert narrow.given() == {
        "status": ("PAID",),
        "overdue_days": Range(31, None),
        "total": Range(0, 0),
        "include_inactive": True,
    }
    assert Filter().given() == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("counterparty", None),
        ("counterparty_name", 5),
        ("receiving_account", b"a"),
        ("account_name", UNSET),
        ("due_at", NAIVE),
        ("due_at", None),
        ("due_at", "soon"),
        ("currency", 1),
        ("lines", None),
        ("lines", "p1"),
        ("lines", ["p1"]),
        ("lines", [{"product_id": "p1"}]),
        ("taxes", [ReplacementLine(product_id="p", quantity=1, unit_price=1)]),
        ("taxes", 5),
        ("discount", "10 %"),
        ("discount", {}),
        ("description", "\ud800"),
        ("discount", UNSET),
        ("description", None),
        ("billing_cycle", "1"),
        ("billing_cycle", True),
        ("recurring", 1),
        ("payment_methods", 5),
        ("payment_methods", ["1"]),
        ("payment_methods", "12"),
        ("notifications", [1.0]),
        ("notifications", [True]),
        ("remind_days_before", None),
        ("remind_days_after", ["x"]),
        ("remind_on_due_date", "yes"),
    ],
    ids=repr,
)
def test_a_replacement_refuses_wrong_values(field: str, value: object) -> None:
    """A document that replaces everything is checked field by field."""
    with pytest.raises(InvalidInputError) as caught:
        Replacement(**{**WHOLE, field: value})

    assert caught.value.field == field


@pytest.mark.parametrize("field", sorted(WHOLE))
def test_a_replacement_has_no_defaults(field: str) -> None:
    """What is left out could be cleared at the provider, so nothing may be left out."""
    rest = {name: value for name, value in WHOLE.items() if name != field}

    with pytest.raises(InvalidInputError, match=field):
        Replacement(**rest)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: ReplacementLine(product_id=1, quantity=1, unit_price=1), "product_id"),
        (lambda: ReplacementLine(product_id="p", quantity=1.0, unit_price=1), "quantity"),
        (lambda: ReplacementLine(product_id="p", quantity=1, unit_price=0.1), "unit_price"),
        (lambda: Tax(tax_id=None, percentage=1), "tax_id"),
        (lambda: Tax(tax_id="t", percentage=7.7), "percentage"),
        (lambda: Discount(type="1", value=1), "type"),
        (lambda: Discount(type=1, value="x"), "value"),
    ],
)
def test_the_parts_of_a_replacement_are_checked_too(make: Any, field: str) -> None:
    """Lines, taxes and discounts take exact numbers only."""
    with pytest.raises(InvalidInputError) as caught:
        make()

    assert caught.value.field == field


def test_a_replacement_keeps_exact_values() -> None:
    """Lists become tuples, texts become Decimals, and ``due_at`` an aware datetime in UTC."""
    whole = Replacement(**{**WHOLE, "due_at": "2026-12-31T01:00:00+01:00"})

    assert whole.lines[0].unit_price == Decimal("9.99")
    assert whole.taxes[0].percentage == Decimal("7.7")
    assert whole.due_at == AWARE
    assert whole.payment_methods == (1,)


def test_custom_fields_may_be_given_as_a_mapping() -> None:
    """The short form makes text fields in the mapping's order."""
    changes = Changes(fields={"po": "4711", "ref": "x"})

    assert changes.fields == (CustomField("po", "4711"), CustomField("ref", "x"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": 1}, "int is not text; give text, or a list of custom fields"),
        ({"a": None}, "NoneType is not text"),
        ({"a": "\ud800"}, "surrogate"),
        ([CustomField("a", 1, type=5)], "int is not text"),
    ],
    ids=repr,
)
def test_a_custom_field_is_refused_by_its_own_name(fields: Any, words: str) -> None:
    """The short form takes texts only, and says how to give anything else."""
    with pytest.raises(InvalidInputError) as caught:
        Changes(fields=fields)

    assert caught.value.field == "fields.a"
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "2026-12-31T00:00:00Z",
        "2026-12-31T00:00:00+00:00",
        "2026-12-31T02:00:00+02:00",
        "2026-12-30T19:00:00-05:00",
        datetime(2026, 12, 31, 9, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_every_way_to_write_a_moment_is_the_same_moment(given: str | datetime) -> None:
    """Whatever its offset, a moment is kept in UTC."""
    due_at = Changes(due_at=given).due_at

    assert due_at == AWARE
    assert due_at.utcoffset() == timedelta(0)


def test_given_values_do_not_change() -> None:
    """What was checked stays as it was checked."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Changes(number="1").number = "2"  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Draft(number="1").number = "2"  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    """A misspelt field is no silent no-op."""
    with pytest.raises(InvalidInputError, match="due_date"):
        Changes(due_date=AWARE)  # type: ignore[call-arg]
