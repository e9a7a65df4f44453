"""What drafts and changes share: fields that may be left out, checked as they are given."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import attrs

from billingual.errors import InvalidInputError
from billingual.model._text import checked_text
from billingual.model.instant import instant
from billingual.model.lines import CustomField, custom_fields
from billingual.model.money import Money, exact_decimal
from billingual.model.unset import UNSET, UnsetType

# A type checker follows plain converter functions only, and those do not learn the field's name.
# So what a converter cannot read it hands on as it is, and the validator refuses it by name.


def given_instant(value: datetime | str | None | UnsetType) -> datetime | None | UnsetType:
    """Accept an aware datetime or ISO text."""
    try:
        return instant(value, "") if value is not UNSET and value is not None else value
    except InvalidInputError:
        return cast(datetime, value)


def instant_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but an aware datetime, None or UNSET."""
    if value is not UNSET and value is not None:
        instant(value, field.name)


def given_decimal(value: str | int | Decimal | None | UnsetType) -> Decimal | None | UnsetType:
    """Accept an exact number."""
    try:
        return exact_decimal(value, "") if value is not UNSET and value is not None else value
    except InvalidInputError:
        return cast(Decimal, value)


def decimal_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but an exact number, None or UNSET; floats above all."""
    if value is not UNSET and value is not None:
        exact_decimal(value, field.name)


def text_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but text, None or UNSET."""
    if value is not UNSET and value is not None:
        checked_text(value, field.name, "give a str, None or leave it out")


def word_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but text with something in it, None or UNSET."""
    text_if_given(_, field, value)
    if isinstance(value, str) and not value.strip():
        raise InvalidInputError(field.name, "it is empty", "give the provider's word for it")


def money_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but Money, None or UNSET; floats above all."""
    if value is not UNSET and value is not None and not isinstance(value, Money):
        raise InvalidInputError(
            field.name,
            f"{type(value).__name__} is not exact money",
            "give Money.of('12.34', 'EUR') or Money(1234, 'EUR')",
        )


@attrs.frozen(kw_only=True)
class Given:
    """Fields of an invoice that a caller may set; each starts as UNSET."""

    number: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    status: str | None | UnsetType = attrs.field(default=UNSET, validator=word_if_given)
    issued_at: datetime | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    due_at: datetime | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    paid_at: datetime | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    currency: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    counterparty: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    document: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    blueprint: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    total: Money | None | UnsetType = attrs.field(default=UNSET, validator=money_if_given)
    exchange_rate: Decimal | None | UnsetType = attrs.field(
        default=UNSET, converter=given_decimal, validator=decimal_if_given
    )
    fields: tuple[CustomField, ...] | UnsetType = attrs.field(
        default=UNSET, converter=custom_fields
    )

    def given(self) -> dict[str, object]:
        """List the fields that were set, ``None`` included, by their names."""
        return {
            field.name: value
            for field in attrs.fields(type(self))
            if (value := getattr(self, field.name)) is not UNSET
        }
