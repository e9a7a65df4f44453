"""Lines and custom fields of an invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from billingual.errors import InvalidInputError
from billingual.model._mapping import FromDict, ToDict
from billingual.model._types import UNSET, UnsetType, checked_text, given_text, listed
from billingual.model.money import Money

__all__ = ["CustomField", "LineItem"]


@attrs.frozen(kw_only=True, repr=False)
class LineItem(ToDict):
    """One line as the provider states it.

    Attributes:
        id: the provider's id of the line.
        kind: the provider's word, such as ``PRODUCT`` or ``DISCOUNT``.
        name: what is sold.
        quantity: exact; None where the provider states none.
        unit_price: for one piece, before tax.
        total: of the line.
        product_id: the provider's id of what is sold.
    """

    id: str | None = None
    kind: str | None = None
    name: str | None = None
    quantity: Decimal | None = None
    unit_price: Money | None = None
    total: Money | None = None
    product_id: str | None = None


@attrs.frozen(repr=False)
class CustomField(FromDict):
    """A field of the provider's user, carried along with the invoice.

    Attributes:
        key: its name.
        value: any JSON value, as it came or is to be sent.
        type: the provider's word for the value's type; ``string`` unless said otherwise.
        original_type: the type before the provider converted it; only ever read.
    """

    key: str = attrs.field(converter=given_text)
    value: object = attrs.field(hash=False)
    type: str = attrs.field(default="string", converter=given_text)
    original_type: str | None = None


def custom_fields(
    value: Sequence[CustomField] | Mapping[str, str] | UnsetType,
) -> tuple[CustomField, ...] | UnsetType:
    """Accept a mapping of names to texts as the short form of custom fields.

    Raises:
        InvalidInputError: if a name comes twice, something is no custom field, or the short form
            holds anything but text.
    """
    if value is UNSET:
        return UNSET
    if isinstance(value, Mapping):
        value = tuple(_text_field(key, text) for key, text in value.items())
    fields = listed(value)
    if fields is None or not all(isinstance(each, CustomField) for each in fields):
        raise InvalidInputError(
            "fields", "these are no custom fields", "give {'name': 'text'} or CustomField objects"
        )
    for each in fields:
        checked_text(each.key, "fields", "give text for each name")
        checked_text(each.type, f"fields.{each.key}", "give the provider's word for its type")
    names = [each.key for each in fields]
    if len(set(names)) != len(names):
        raise InvalidInputError("fields", "a name comes twice", "give each name once")
    return fields


def _text_field(key: str, text: object) -> CustomField:
    checked_text(key, "fields", "give text for each name")
    fix = "give text, or a list of custom fields, which can hold any value"
    return CustomField(key, checked_text(text, f"fields.{key}", fix))
