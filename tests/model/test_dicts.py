"""The typed dicts agree with the classes that they describe."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billingual import model
from billingual.model import (
    Changes,
    CustomField,
    Discount,
    Draft,
    Filter,
    Money,
    Range,
    Unset,
    dicts,
)
from billingual.testing import strategies

PAIRS: Final[dict[Any, Any]] = {
    getattr(model, name.removesuffix("Dict")): getattr(dicts, name)
    for name in dicts.__all__
    if name != "MoneyDict"
}
WIDER: Final[dict[Any, set[Any]]] = {
    Decimal: {str, int, Decimal}, Money: {Money, dicts.MoneyDict, str},
    Range: {Range, str, int}, datetime: {datetime, date, str}, date: {datetime, date, str},
}  # fmt: skip


def alternatives(hint: object) -> set[Any]:
    """List the types of a union."""
    if get_origin(hint) in {typing.Required, typing.NotRequired}:
        (hint,) = get_args(hint)
    return set(get_args(hint)) if get_origin(hint) in {UnionType, typing.Union} else {hint}


def accepted(hint: object) -> set[Any]:
    """List what may be given for a field of that type."""
    wanted: set[Any] = set()
    for each in alternatives(hint):
        if get_origin(each) is tuple:
            item = get_args(each)[0]
            items = item | PAIRS[item] if item in PAIRS else item
            wanted |= {Iterable[items], *({str} if item is str else ())}  # type: ignore[valid-type]
            wanted |= {Mapping[str, str]} if item is CustomField else set()
        elif each in PAIRS:
            wanted |= {each, PAIRS[each]}
        elif get_args(each) != (Unset.UNSET,):
            wanted |= WIDER.get(each, {each})
    return wanted


@pytest.mark.parametrize("kind", PAIRS, ids=lambda kind: kind.__name__)
def test_each_key_is_a_field_and_takes_what_the_field_takes(kind: Any) -> None:
    """A field that is added, dropped or given another type has to be so in both."""
    shape = PAIRS[kind]
    fields = {each.alias: each for each in attrs.fields(kind)}
    hints, shown = typing.get_type_hints(kind), typing.get_type_hints(shape)

    assert {name: accepted(hints[each.name]) for name, each in fields.items()} == {
        name: alternatives(hint) for name, hint in shown.items()
    }
    required = {name for name, each in fields.items() if each.default is attrs.NOTHING}
    # Not ``__required_keys__``: it does not see ``NotRequired`` in a module whose hints are text.
    extras = typing.get_type_hints(shape, include_extras=True).items()
    optional = {name for name, hint in extras if get_origin(hint) is typing.NotRequired}
    assert required == (fields.keys() - optional if shape.__total__ else set())


def test_money_is_read_by_the_keys_of_its_dict() -> None:
    """Any other key is refused."""
    assert set(Money(5, "EUR").to_json()) == dicts.MoneyDict.__annotations__.keys()


@pytest.mark.parametrize("provider", ["exante", "kukkingu"])
@given(data=st.data())
def test_what_is_written_is_read_again(provider: str, data: st.DataObject) -> None:
    """Exactly, from both dicts: days, instants, money and ranges."""
    for made in (strategies.drafts, strategies.changes, strategies.filters):
        written: Draft | Changes | Filter = data.draw(made(provider))  # type: ignore[operator]
        kind = type(written)

        assert written == kind.from_dict(written.to_dict())
        assert written == kind.from_dict(json.loads(json.dumps(written.to_dict(json=True))))


DECIMALS: Final = st.decimals(-(10**9), 10**9, allow_nan=False, places=4)
WHOLE: Final = st.lists(st.integers(0, 10**6), max_size=3)


@given(
    st.lists(st.tuples(st.text("ab", min_size=1), DECIMALS, DECIMALS), max_size=3),
    st.lists(st.tuples(st.text("ab", min_size=1), DECIMALS), max_size=3),
    st.none() | st.builds(Discount, type=st.integers(0, 9), value=DECIMALS),
    st.dates() | st.just("2026-01-01T10:00:00.000001Z"), WHOLE,
)  # fmt: skip
def test_a_whole_document_is_read_again(
    lines: Any, taxes: Any, discount: Discount | None, due_at: Any, numbers: list[int]
) -> None:
    """With its parts."""
    whole = model.Replacement(
        counterparty="c", counterparty_name="n", receiving_account="r", account_name="a",
        due_at=due_at, currency="EUR", discount=discount, description="", billing_cycle=1,
        lines=[model.ReplacementLine(product_id=p, quantity=q, unit_price=u) for p, q, u in lines],
        taxes=[model.Tax(tax_id=t, percentage=p) for t, p in taxes], recurring=False,
        payment_methods=numbers, notifications=numbers, remind_days_before=numbers,
        remind_days_after=numbers, remind_on_due_date=True,
    )  # fmt: skip

    assert whole == model.Replacement.from_dict(whole.to_dict())
    text = json.dumps(whole.to_dict(json=True))
    assert whole == model.Replacement.from_dict(json.loads(text))


def test_none_is_something_else_than_left_out() -> None:
    """In both directions."""
    assert Changes.from_dict({"due_at": None}).to_dict() == {"due_at": None}
    assert NoneType not in {type(each) for each in Changes.from_dict({}).given().values()}
