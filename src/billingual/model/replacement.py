"""A complete invoice document, for providers that replace the whole at once, and their receipt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

import attrs

from billingual.errors import InvalidInputError
from billingual.model._mapping import FromDict
from billingual.model._types import checked_text, given_text, instant, listed
from billingual.model.enums import Status
from billingual.model.invoice import Problem
from billingual.model.money import exact_decimal
from billingual.model.payload import KeepsPayload
from billingual.model.write import given_decimal, given_instant

__all__ = ["Discount", "Receipt", "Replacement", "ReplacementLine", "Tax"]

T = TypeVar("T")


def _decimal(value: str | int | Decimal) -> Decimal:
    return cast(Decimal, given_decimal(value))


def _moment(value: datetime | date | str) -> datetime | date:
    return cast(datetime | date, given_instant(value))


def _must(
    check: Callable[[object, str], object],
) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Make a validator of *check*, which refuses by the field's name."""

    def validator(_: object, field: attrs.Attribute[Any], value: object) -> None:
        check(value, field.name)

    return validator


def _is_whole(value: object) -> bool:
    # JSON numbers beyond 64 bits are read differently everywhere.
    return type(value) is int and -(2**63) <= value < 2**63


def _whole(_: object, field: attrs.Attribute[int], value: object) -> None:
    if not _is_whole(value):
        raise InvalidInputError(
            field.name, f"{type(value).__name__} is not a whole number", "give a whole number"
        )


def _text(_: object, field: attrs.Attribute[str], value: object) -> None:
    checked_text(value, field.name)


def _yes_or_no(_: object, field: attrs.Attribute[bool], value: object) -> None:
    if type(value) is not bool:
        raise InvalidInputError(
            field.name, f"{type(value).__name__} is neither true nor false", "give true or false"
        )


def _listed(values: Iterable[T]) -> tuple[T, ...]:
    # Anything but a list is returned unchanged, so that the validator names the field.
    given = listed(values)
    return cast(tuple[T, ...], values if given is None else given)


def _whole_numbers(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, tuple) or not all(map(_is_whole, value)):
        raise InvalidInputError(
            field.name,
            "the provider documents these as whole numbers and does not say what they mean",
            "give ints that your account documents",
        )


def _all(kind: type) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Make a validator that takes a tuple of *kind* only."""

    def validator(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, tuple) or not all(isinstance(each, kind) for each in value):
            raise InvalidInputError(
                field.name,
                f"not all of this is a {kind.__name__}",
                f"give a list of {kind.__name__} objects; an empty one for none",
            )

    return validator


def _discount_or_none(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Discount):
        raise InvalidInputError(
            field.name, f"{type(value).__name__} is no Discount", "give a Discount or None"
        )


@attrs.frozen(kw_only=True, repr=False)
class ReplacementLine(FromDict):
    """One product: its id, how many or how much, and the exact price of one in major units."""

    product_id: str = attrs.field(converter=given_text, validator=_text)
    quantity: Decimal = attrs.field(converter=_decimal, validator=_must(exact_decimal))
    unit_price: Decimal = attrs.field(converter=_decimal, validator=_must(exact_decimal))


@attrs.frozen(kw_only=True, repr=False)
class Tax(FromDict):
    """A tax by its id, and its rate in per cent, exactly."""

    tax_id: str = attrs.field(converter=given_text, validator=_text)
    percentage: Decimal = attrs.field(converter=_decimal, validator=_must(exact_decimal))


@attrs.frozen(kw_only=True, repr=False)
class Discount(FromDict):
    """A discount; what the numbers of *type* mean is not documented, so they have no names."""

    type: int = attrs.field(validator=_whole)
    value: Decimal = attrs.field(converter=_decimal, validator=_must(exact_decimal))


# A type checker takes the parameter of a converter for the type of the argument, and loses its way
# in a generic one.
def _lines(values: Iterable[ReplacementLine]) -> tuple[ReplacementLine, ...]:
    return _listed(values)


def _taxes(values: Iterable[Tax]) -> tuple[Tax, ...]:
    return _listed(values)


def _ints(values: Iterable[int]) -> tuple[int, ...]:
    return _listed(values)


@attrs.frozen(kw_only=True, repr=False)
class Replacement(FromDict):
    """A whole invoice that takes the place of the one stored.

    There are no defaults: a field left out could be cleared at the provider, so each must be
    said. Empty tuples are values too. Lists of ints carry the provider's own codes, whose
    meanings it does not document.

    Attributes:
        counterparty: the id of who is to pay.
        counterparty_name: their name.
        receiving_account: the id of the account that receives the money.
        account_name: its name.
        due_at: a day, an aware datetime, or ISO text, as in :class:`Draft`.
        currency: ISO 4217 code, translated through the caller's table of currency codes.
        lines: what is sold.
        taxes: what is added.
        discount: what is taken off; None for nothing (the field is then not sent).
        description: a text.
        billing_cycle: the provider's code.
        recurring: whether it repeats.
        payment_methods: the provider's codes.
        notifications: the provider's codes; a value here may send mail at each delivery.
        remind_days_before: days before ``due_at`` on which a reminder goes out.
        remind_days_after: days after it.
        remind_on_due_date: whether one goes out on the day.

    Raises:
        InvalidInputError: if a value is of the wrong type, ``due_at`` has no time zone, or a
            number is a float.
    """

    counterparty: str = attrs.field(converter=given_text, validator=_text)
    counterparty_name: str = attrs.field(converter=given_text, validator=_text)
    receiving_account: str = attrs.field(converter=given_text, validator=_text)
    account_name: str = attrs.field(converter=given_text, validator=_text)
    due_at: datetime | date = attrs.field(converter=_moment, validator=_must(instant))
    currency: str = attrs.field(converter=given_text, validator=_text)
    lines: tuple[ReplacementLine, ...] = attrs.field(
        converter=_lines, validator=_all(ReplacementLine)
    )
    taxes: tuple[Tax, ...] = attrs.field(converter=_taxes, validator=_all(Tax))
    discount: Discount | None = attrs.field(validator=_discount_or_none)
    description: str = attrs.field(converter=given_text, validator=_text)
    billing_cycle: int = attrs.field(validator=_whole)
    recurring: bool = attrs.field(validator=_yes_or_no)
    payment_methods: tuple[int, ...] = attrs.field(converter=_ints, validator=_whole_numbers)
    notifications: tuple[int, ...] = attrs.field(converter=_ints, validator=_whole_numbers)
    remind_days_before: tuple[int, ...] = attrs.field(converter=_ints, validator=_whole_numbers)
    remind_days_after: tuple[int, ...] = attrs.field(converter=_ints, validator=_whole_numbers)
    remind_on_due_date: bool = attrs.field(validator=_yes_or_no)


@attrs.frozen(kw_only=True, repr=False)
class Receipt(KeepsPayload):
    """All that a provider tells after it replaced an invoice: not an invoice.

    Attributes:
        id: the provider's id of the invoice.
        amount: in *major* units, exactly as the provider wrote it; not Money, because its
            currency and rounding are not documented.
        currency: the provider's word, where it gives one.
        status: the provider's word, where it gives one.
        counterparty: the buyer's id, where it gives one.
        created_at: where it gives one.
        due_at: where it gives one.
        extra: what no attribute here has a name for.
        raw: the payload as it came, parsed.
        problems: what the provider sent and could not be read.
    """

    id: str
    amount: Decimal | None = None
    currency: str | None = None
    status: Status | None = None
    counterparty: str | None = None
    created_at: datetime | date | None = None
    due_at: datetime | date | None = None
    extra: Mapping[str, object] = attrs.field(factory=dict, repr=False, hash=False)
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)
    problems: tuple[Problem, ...] = attrs.field(default=(), repr=False)
