"""Exante's records, field by field as documented, and their translation to the protocol's models.

A record holds the documented fields that the models have a name for. The others (``age``,
``blueprint``, ``comments``, ``has_comments``, ``integrations``, ``parent_contract``,
``pre_payment_credit_notes_cents``, ``total``) and those nobody documented go to ``extra`` as they
came.

Source: https://docs.exante.app/api-reference/invoices/create and ``/list``, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Final, TypedDict

from billingual.dialects._kit.records import (
    Reading,
    collection_method_of,
    moment,
    status_of,
    unclear_moments,
    unknown,
)
from billingual.dialects.exante.query import KINDS
from billingual.model import (
    Contact,
    CustomField,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Party,
)
from billingual.model.money import trusted_money

_KIND_WORDS: Final = {wire: Kind(word) for word, wire in KINDS.items()}


class ContactRecord(TypedDict, total=False):
    """The person to write to at a party."""

    uid: str | None
    name: str | None
    title: str | None
    email: str | None
    phone: str | None


class PartyRecord(TypedDict, total=False):
    """A client or a service provider."""

    uid: str | None
    name: str | None
    address: str | None
    role: str | None
    billing_contact: ContactRecord | None


class PartiesRecord(TypedDict, total=False):
    """Both sides of an invoice; rows of a list show the client alone."""

    client: PartyRecord | None
    service_provider: PartyRecord | None


class LineRecord(TypedDict, total=False):
    """One line; prices are whole minor units."""

    uid: str | None
    context_type: str | None
    context_name: str | None
    currency: str | None
    quantity: int | None
    unit_price: int | None
    line_total: int | None


class FieldValueRecord(TypedDict, total=False):
    """The value of a custom field."""

    type: str | None
    original_type: str | None
    value: object


# ``Required[]`` is not seen in annotations that are evaluated later, so what is required stands in
# a class of its own.
class _Keyed(TypedDict):
    key: str


class FieldRecord(_Keyed, total=False):
    """A custom field: an entry of an array here, a member of an object in requests."""

    value: FieldValueRecord | None


class _Identified(TypedDict):
    uid: str


class RowRecord(_Identified, total=False):
    """What a row of a list and a full invoice have in common."""

    invoice_number: str | None
    status: str | None
    collection_method: str | None
    issue_date: str | None
    due_date: str | None
    paid_date: str | None
    subtotal_cents: int | None
    discount_cents: int | None
    tax_cents: int | None
    total_cents: int | None
    amount_due_cents: int | None
    amount_paid_cents: int | None
    amount_remaining_cents: int | None
    overdue_days: int | None
    document_uid: str | None
    parties: PartiesRecord | None


class InvoiceRecord(RowRecord, total=False):
    """An invoice in full."""

    invoice_type: str | None
    currency: str | None
    invoice_link: str | None
    invoice_blueprint_uid: str | None
    target_party_uid: str | None
    line_items: list[LineRecord] | None
    invoice_fields: list[FieldRecord] | None
    invoice_notes: dict[str, object] | None


_ROW: Final = frozenset(RowRecord.__annotations__)
_FULL: Final = frozenset(InvoiceRecord.__annotations__)
_MOMENTS: Final = ("issue_date", "due_date", "paid_date")
_NOBODY: Final = PartiesRecord()


def _row_scalars(record: RowRecord) -> dict[str, object]:
    """Read a row; its amounts carry no currency, because the provider states none."""
    return _scalars(record, None)


def _full_scalars(record: InvoiceRecord) -> dict[str, object]:
    currency = record.get("currency")
    return {
        **_scalars(record, currency),
        "kind": _kind(record.get("invoice_type")),
        "currency": currency,
        "blueprint": record.get("invoice_blueprint_uid"),
        "link": record.get("invoice_link"),
    }


def _scalars(record: RowRecord, currency: str | None) -> dict[str, object]:
    return {
        "number": record.get("invoice_number"),
        "status": status_of(record.get("status")),
        "issued_at": moment(record.get("issue_date")),
        "due_at": moment(record.get("due_date")),
        "paid_at": moment(record.get("paid_date")),
        "total": trusted_money(record.get("total_cents"), currency),
        "subtotal": trusted_money(record.get("subtotal_cents"), currency),
        "discount": trusted_money(record.get("discount_cents"), currency),
        "tax": trusted_money(record.get("tax_cents"), currency),
        "amount_due": trusted_money(record.get("amount_due_cents"), currency),
        "amount_paid": trusted_money(record.get("amount_paid_cents"), currency),
        "amount_remaining": trusted_money(record.get("amount_remaining_cents"), currency),
        "overdue_days": record.get("overdue_days"),
        "collection_method": collection_method_of(record.get("collection_method")),
        "document": record.get("document_uid"),
    }


def _row_parts(record: RowRecord) -> dict[str, object]:
    return {"counterparty": _party((record.get("parties") or _NOBODY).get("client"))}


def _full_parts(record: InvoiceRecord) -> dict[str, object]:
    parties = record.get("parties") or _NOBODY
    client, target = _party(parties.get("client")), record.get("target_party_uid")
    if client is None and target is not None:
        client = Party(id=target)
    return {
        "counterparty": client,
        "seller": _party(parties.get("service_provider")),
        "lines": tuple([_line(each) for each in record.get("line_items") or ()]),
        "fields": tuple([_field(each) for each in record.get("invoice_fields") or ()]),
        "notes": _texts(record.get("invoice_notes") or {}),
    }


def _row_extra(record: RowRecord) -> dict[str, object]:
    return {
        **unknown(record, _ROW),
        **unclear_moments(record, _MOMENTS),
        **_left("parties", record.get("parties") or _NOBODY, ("client",)),
    }


def _full_extra(record: InvoiceRecord) -> dict[str, object]:
    parties, notes = record.get("parties") or _NOBODY, record.get("invoice_notes") or {}
    client, target = parties.get("client"), record.get("target_party_uid")
    extra = {
        **unknown(record, _FULL),
        **unclear_moments(record, _MOMENTS),
        **_left("parties", parties, ("client", "service_provider")),
        **_left("invoice_notes", notes, _texts(notes)),
    }
    if client is not None and target is not None and target != client.get("uid"):
        extra["target_party_uid"] = target
    return extra


def _texts(notes: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, text in notes.items() if isinstance(text, str)}


def _left(name: str, whole: Mapping[str, object], read: Container[str]) -> dict[str, object]:
    """Return what of a known field has no name of its own in the models, under the field's."""
    left = {key: value for key, value in whole.items() if key not in read and value is not None}
    return {name: left} if left else {}


def _kind(word: str | None) -> Kind | None:
    return None if word is None else _KIND_WORDS.get(word) or Kind(word)


def _party(record: PartyRecord | None) -> Party | None:
    if record is None:
        return None
    person = record.get("billing_contact")
    return Party(
        id=record.get("uid"),
        name=record.get("name"),
        address=record.get("address"),
        role=record.get("role"),
        contact=None
        if person is None
        else Contact(
            id=person.get("uid"),
            name=person.get("name"),
            title=person.get("title"),
            email=person.get("email"),
            phone=person.get("phone"),
        ),
    )


def _line(record: LineRecord) -> LineItem:
    # A line without a currency of its own gets none: the invoice's would be a guess.
    currency, quantity = record.get("currency"), record.get("quantity")
    return LineItem(
        id=record.get("uid"),
        kind=record.get("context_type"),
        name=record.get("context_name"),
        quantity=None if quantity is None else Decimal(quantity),
        unit_price=trusted_money(record.get("unit_price"), currency),
        total=trusted_money(record.get("line_total"), currency),
    )


def _field(record: FieldRecord) -> CustomField:
    value = record.get("value") or FieldValueRecord()
    kind, original = value.get("type"), value.get("original_type")
    if kind is None:
        return CustomField(record["key"], value.get("value"), original_type=original)
    return CustomField(record["key"], value.get("value"), kind, original)


ROW: Final = Reading(
    InvoiceSummary,
    RowRecord,
    "uid",
    scalars=_row_scalars,
    parts=_row_parts,
    part_names=frozenset({"counterparty"}),
    part_fields=frozenset({"parties"}),
    extra=_row_extra,
)
FULL: Final = Reading(
    Invoice,
    InvoiceRecord,
    "uid",
    scalars=_full_scalars,
    parts=_full_parts,
    part_names=frozenset({"counterparty", "seller", "lines", "fields", "notes"}),
    part_fields=frozenset(
        {"parties", "target_party_uid", "line_items", "invoice_fields", "invoice_notes"}
    ),
    extra=_full_extra,
)
