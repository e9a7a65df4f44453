"""Invoices as they are read, with parties, lines and problems: one shape for every provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import attrs

from billingual.errors import InvalidInputError
from billingual.model._mapping import FromDict, ToDict
from billingual.model._types import UNSET, UnsetType, checked_text, given_text, listed
from billingual.model.enums import CollectionMethod, Kind, Status
from billingual.model.money import Money
from billingual.model.payload import KeepsPayload
from billingual.wire import with_whole_texts

__all__ = [
    "BadRow",
    "Contact",
    "CustomField",
    "Invoice",
    "InvoiceSummary",
    "LineItem",
    "Party",
    "Problem",
]


@attrs.frozen(kw_only=True, repr=False)
class Contact(ToDict):
    """A person to write to about an invoice."""

    id: str | None = None
    name: str | None = None
    title: str | None = None
    email: str | None = attrs.field(default=None, repr=False)
    phone: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True, repr=False)
class Party(ToDict):
    """A buyer or seller; what a provider does not state is None."""

    id: str | None = None
    name: str | None = None
    address: str | None = attrs.field(default=None, repr=False)
    role: str | None = None
    contact: Contact | None = None


@attrs.frozen
class Problem:
    """One value that does not fit what the provider documents, or what a write asked for.

    Where it cannot be read, the attribute it belongs to is None, or the entry is left out; the
    value itself stays in ``extra`` and in ``raw``. Where the provider shows another value than a
    write asked for, the attribute has what is shown.

    Attributes:
        path: its place in the response, like ``$.data.items[3].total_cents``; our name for
            the field, like ``due_at``, where another value was asked for.
        reason: what is wrong with it; it never quotes the value.
        value: the value as it came, parsed. It may be personal, so ``repr`` does not show it.
    """

    path: str
    reason: str
    value: object = attrs.field(default=None, converter=with_whole_texts, repr=False, hash=False)


class BadRow(Problem):
    """A row of a list that was left out, because its id cannot be read.

    ``value`` is the row as it came, parsed.
    """

    __slots__ = ()


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


@attrs.frozen(kw_only=True, repr=False)
class InvoiceSummary(KeepsPayload):
    """An invoice as a row of a list shows it.

    What a provider does not state is None: it is never filled with a guess. Amounts of a row may
    carry no currency (Exante's do not).

    Attributes:
        id: the provider's id.
        number: the number printed on the invoice.
        status: the provider's word; unknown words stay readable.
        issued_at: when it was issued: an aware datetime, or a date where the provider states a day.
        due_at: when it is to be paid; likewise, as all dates here.
        paid_at: when it was paid.
        currency: ISO 4217 code, or None.
        total: the whole amount, tax included.
        subtotal: before discount and tax.
        discount: taken off.
        tax: added.
        amount_due: to be paid.
        amount_paid: paid so far.
        amount_remaining: still open.
        overdue_days: days since ``due_at``, as the provider counts them.
        collection_method: how the money is collected.
        counterparty: the buyer of a receivable.
        document: the provider's id of the contract or document behind the invoice.
        extra: what the provider sent and no attribute here has a name for; what was beside a
            single invoice in its envelope is under ``envelope``.
        raw: the payload as it came, parsed; numbers with a fraction are Decimals.
        problems: what the provider sent and could not be read; empty where all is as documented.
    """

    id: str
    number: str | None = None
    status: Status | None = None
    issued_at: datetime | date | None = None
    due_at: datetime | date | None = None
    paid_at: datetime | date | None = None
    currency: str | None = None
    total: Money | None = None
    subtotal: Money | None = None
    discount: Money | None = None
    tax: Money | None = None
    amount_due: Money | None = None
    amount_paid: Money | None = None
    amount_remaining: Money | None = None
    overdue_days: int | None = None
    collection_method: CollectionMethod | None = None
    counterparty: Party | None = None
    document: str | None = None
    extra: Mapping[str, object] = attrs.field(factory=dict, repr=False, hash=False)
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)
    problems: tuple[Problem, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(kw_only=True, repr=False)
class Invoice(InvoiceSummary):
    """An invoice in full.

    Attributes:
        kind: receivable or payable.
        created_at: when the provider first stored it.
        updated_at: when it last changed.
        link: where a person can look at it; never requested by this package.
        seller: the other side of the counterparty.
        blueprint: the provider's id of what recurring invoices are made from.
        lines: its lines, in the provider's order.
        fields: custom fields, in the provider's order.
        notes: texts printed on it, by the provider's name for each.
        exchange_rate: applied where currencies are converted; exact.
    """

    kind: Kind | None = None
    created_at: datetime | date | None = None
    updated_at: datetime | date | None = None
    link: str | None = attrs.field(default=None, repr=False)
    seller: Party | None = None
    blueprint: str | None = None
    lines: tuple[LineItem, ...] = ()
    fields: tuple[CustomField, ...] = ()
    notes: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)
    exchange_rate: Decimal | None = None
