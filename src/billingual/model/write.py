"""What a caller writes: drafts of invoices and changes to them.

Each field starts as UNSET and is checked as it is given, so that an error names the field before
anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs

from billingual.errors import InvalidInputError
from billingual.model._mapping import FromDict
from billingual.model._types import UNSET, UnsetType, checked_text, instant
from billingual.model.invoice import CustomField, custom_fields
from billingual.model.money import Money, exact_decimal
from billingual.wire import plain_text

__all__ = ["Changes", "Draft"]

GivenInstant: TypeAlias = datetime | date | str | None | UnsetType
"""A point in time as a caller may give it."""

GivenFields: TypeAlias = Sequence[CustomField] | Mapping[str, str] | UnsetType
"""Custom fields as a caller may give them."""

# A type checker follows plain converter functions only, and those do not learn the field's name.
# So a converter returns unchanged what it cannot read, and the validator refuses it by name.


def text_or_unset(value: str | None | UnsetType) -> str | None | UnsetType:
    """Accept text, also of a derived class."""
    return plain_text(value)


def given_instant(
    value: datetime | date | str | None | UnsetType,
) -> datetime | date | None | UnsetType:
    """Accept an aware datetime, a day or ISO text."""
    try:
        return instant(value, "") if value is not UNSET and value is not None else value
    except InvalidInputError:
        return cast(datetime, value)


def instant_if_given(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """Refuse anything but an aware datetime, a day, None or UNSET."""
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
        checked_text(value, field.name, "give text or leave it out")


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
            f"{type(value).__name__} is no Money",
            "give Money.of('12.34', 'EUR') or Money(1234, 'EUR')",
        )


@attrs.frozen(kw_only=True, repr=False)
class WrittenFields(FromDict):
    """Fields of an invoice that a caller may set; each starts as UNSET."""

    number: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
    status: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=word_if_given
    )
    issued_at: datetime | date | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    due_at: datetime | date | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    paid_at: datetime | date | None | UnsetType = attrs.field(
        default=UNSET, converter=given_instant, validator=instant_if_given
    )
    currency: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
    counterparty: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
    document: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
    blueprint: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
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


@attrs.frozen(kw_only=True, repr=False)
class Draft(WrittenFields):
    """An invoice to be created. Which fields a provider takes is in its capabilities.

    A field left out is not sent; ``None`` sends an explicit null, where the provider allows it.

    Attributes:
        number: the number to be printed; where it is left out the provider may choose one.
        counterparty: the provider's id of who is to pay.
        owner: the provider's id of the invoice's owner.
        document: the provider's id of the contract or document behind the invoice.
        blueprint: the provider's id of what recurring invoices are made from.
        issued_at: a day as a date or ``"2026-12-31"``, an aware datetime, or ISO text with an
            offset or ``Z``. Midnight in a zone other than UTC is that day. Where the provider
            takes timestamps, a day is sent as its first moment in UTC.
        due_at: likewise.
        paid_at: likewise.
        status: the provider's word; sent as it is given.
        currency: ISO 4217 code; where *total* is given its currency counts instead. Where neither
            is, the provider chooses: Exante takes USD.
        kind: ``"receivable"`` or ``"payable"``.
        total: the whole amount, where the provider does not compute it.
        exchange_rate: text, an int or a Decimal; never a float.
        fields: custom fields: ``{"name": "text"}`` or :class:`CustomField` objects.

    Raises:
        InvalidInputError: if a value is of the wrong type, a datetime has no time zone, a number
            is a float, or a text holds half of a surrogate pair.
    """

    owner: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )
    kind: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )

    if TYPE_CHECKING:
        # What attrs makes of the fields above. Some type checkers do not follow converters.
        def __init__(
            self,
            *,
            number: str | None | UnsetType = UNSET,
            status: str | None | UnsetType = UNSET,
            issued_at: GivenInstant = UNSET,
            due_at: GivenInstant = UNSET,
            paid_at: GivenInstant = UNSET,
            currency: str | None | UnsetType = UNSET,
            counterparty: str | None | UnsetType = UNSET,
            document: str | None | UnsetType = UNSET,
            blueprint: str | None | UnsetType = UNSET,
            total: Money | None | UnsetType = UNSET,
            exchange_rate: str | int | Decimal | None | UnsetType = UNSET,
            fields: GivenFields = UNSET,
            owner: str | None | UnsetType = UNSET,
            kind: str | None | UnsetType = UNSET,
        ) -> None: ...


@attrs.frozen(kw_only=True, repr=False)
class Changes(WrittenFields):
    """New values for some fields of an invoice; fields left out stay as they are.

    ``UNSET`` (left out), ``None`` and a value are three things: ``None`` sends an explicit null,
    which no provider documents, so expect a refusal. Which fields a provider takes is in its
    capabilities.

    Attributes:
        number: the number printed on the invoice.
        status: the provider's word; sent as it is given.
        issued_at: a day as a date or ``"2026-12-31"``, an aware datetime, or ISO text with an
            offset or ``Z``. Midnight in a zone other than UTC is that day. Where the provider
            takes timestamps, a day is sent as its first moment in UTC.
        due_at: likewise.
        paid_at: likewise.
        currency: ISO 4217 code; where *total* is given its currency counts instead.
        collection_method: how the money is collected.
        counterparty: the provider's id of who is to pay.
        document: the provider's id of the contract or document behind the invoice.
        blueprint: the provider's id of what recurring invoices are made from.
        total: the whole amount, where the provider does not compute it.
        exchange_rate: text, an int or a Decimal; never a float.
        fields: custom fields: ``{"name": "text"}`` or :class:`CustomField` objects. Give those too
            that are to stay: whether a provider keeps what is left out is not documented.

    Raises:
        InvalidInputError: if a value is of the wrong type, a datetime has no time zone, a number
            is a float, or a text holds half of a surrogate pair.
    """

    collection_method: str | None | UnsetType = attrs.field(
        default=UNSET, converter=text_or_unset, validator=text_if_given
    )

    if TYPE_CHECKING:
        # What attrs makes of the fields above. Some type checkers do not follow converters.
        def __init__(
            self,
            *,
            number: str | None | UnsetType = UNSET,
            status: str | None | UnsetType = UNSET,
            issued_at: GivenInstant = UNSET,
            due_at: GivenInstant = UNSET,
            paid_at: GivenInstant = UNSET,
            currency: str | None | UnsetType = UNSET,
            counterparty: str | None | UnsetType = UNSET,
            document: str | None | UnsetType = UNSET,
            blueprint: str | None | UnsetType = UNSET,
            total: Money | None | UnsetType = UNSET,
            exchange_rate: str | int | Decimal | None | UnsetType = UNSET,
            fields: GivenFields = UNSET,
            collection_method: str | None | UnsetType = UNSET,
        ) -> None: ...
