"""Exante's records, field by field as documented, and their translation to the protocol's models.

A record holds the documented fields that the models have a name for. The others (``age``,
``blueprint``, ``comments``, ``has_comments``, ``integrations``, ``parent_contract``,
``pre_payment_credit_notes_cents``, ``total``) and those nobody documented go to ``extra`` as they
came.

Source: https://docs.exante.app/api-reference/invoices/create and ``/list``, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, cast

import attrs

from billingual.dialects._http import Answer
from billingual.model import (
    CollectionMethod,
    Contact,
    CustomField,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Money,
    Party,
    Status,
    read_instant,
)

KINDS: Final[Mapping[str, str]] = {
    "receivable": "ACCOUNTS_RECEIVABLE",
    "payable": "ACCOUNTS_PAYABLE",
}
_KIND_WORDS: Final = {wire: Kind(word) for word, wire in KINDS.items()}
_MOMENTS: Final = ("issue_date", "due_date", "paid_date")


@attrs.frozen(kw_only=True)
class ContactRecord:
    """The person to write to at a party."""

    uid: str | None = None
    name: str | None = None
    title: str | None = None
    email: str | None = None
    phone: str | None = None


@attrs.frozen(kw_only=True)
class PartyRecord:
    """A client or a service provider."""

    uid: str | None = None
    name: str | None = None
    address: str | None = None
    role: str | None = None
    billing_contact: ContactRecord | None = None


@attrs.frozen(kw_only=True)
class PartiesRecord:
    """Both sides of an invoice; rows of a list show the client alone."""

    client: PartyRecord | None = None
    service_provider: PartyRecord | None = None


@attrs.frozen(kw_only=True)
class LineRecord:
    """One line; prices are whole minor units."""

    uid: str | None = None
    context_type: str | None = None
    context_name: str | None = None
    currency: str | None = None
    quantity: int | None = None
    unit_price: int | None = None
    line_total: int | None = None


@attrs.frozen(kw_only=True)
class FieldValueRecord:
    """The value of a custom field."""

    type: str | None = None
    original_type: str | None = None
    value: object = None


@attrs.frozen(kw_only=True)
class FieldRecord:
    """A custom field: an entry of an array here, a member of an object in requests."""

    key: str
    value: FieldValueRecord | None = None


@attrs.frozen(kw_only=True)
class RowRecord:
    """What a row of a list and a full invoice have in common."""

    uid: str
    invoice_number: str | None = None
    status: str | None = None
    collection_method: str | None = None
    issue_date: str | None = None
    due_date: str | None = None
    paid_date: str | None = None
    subtotal_cents: int | None = None
    discount_cents: int | None = None
    tax_cents: int | None = None
    total_cents: int | None = None
    amount_due_cents: int | None = None
    amount_paid_cents: int | None = None
    amount_remaining_cents: int | None = None
    overdue_days: int | None = None
    document_uid: str | None = None
    parties: PartiesRecord | None = None


@attrs.frozen(kw_only=True)
class InvoiceRecord(RowRecord):
    """An invoice in full."""

    invoice_type: str | None = None
    currency: str | None = None
    invoice_link: str | None = None
    invoice_blueprint_uid: str | None = None
    target_party_uid: str | None = None
    line_items: tuple[LineRecord, ...] | None = None
    invoice_fields: tuple[FieldRecord, ...] | None = None
    invoice_notes: dict[str, object] | None = None


@attrs.frozen(kw_only=True)
class MetaRecord:
    """Where a page stands in its list."""

    page: int | None = None
    total_pages: int | None = None
    total_items: int | None = None


@attrs.frozen(kw_only=True)
class PageRecord:
    """One page of a list; its links are never followed, so they are not read."""

    items: tuple[RowRecord, ...]
    meta: MetaRecord | None = attrs.field(default=None, alias="_meta")


_ROW: Final = frozenset(field.name for field in attrs.fields(RowRecord))
_FULL: Final = frozenset(field.name for field in attrs.fields(InvoiceRecord))


def read_invoice(answer: Answer, payload: object, path: str) -> Invoice:
    """Read a full invoice that stands at *path* of an answer.

    Raises:
        ProtocolError: if it is not as documented.
    """
    record = answer.record(payload, InvoiceRecord, path)
    return invoice_from(record, cast(Mapping[str, object], payload))


def summaries_from(records: Sequence[RowRecord], data: object) -> tuple[InvoiceSummary, ...]:
    """Translate the rows of a page whose payload was *data*."""
    rows = cast(dict[str, list[dict[str, object]]], data)["items"]
    return tuple(summary_from(record, row) for record, row in zip(records, rows, strict=True))


def summary_from(record: RowRecord, payload: Mapping[str, object]) -> InvoiceSummary:
    """Translate a row; its amounts carry no currency, because the provider states none."""
    parties = record.parties or PartiesRecord()
    return InvoiceSummary(
        id=record.uid,
        number=record.invoice_number,
        status=None if record.status is None else Status(record.status),
        issued_at=read_instant(record.issue_date),
        due_at=read_instant(record.due_date),
        paid_at=read_instant(record.paid_date),
        total=_money(record.total_cents, None),
        subtotal=_money(record.subtotal_cents, None),
        discount=_money(record.discount_cents, None),
        tax=_money(record.tax_cents, None),
        amount_due=_money(record.amount_due_cents, None),
        amount_paid=_money(record.amount_paid_cents, None),
        amount_remaining=_money(record.amount_remaining_cents, None),
        overdue_days=record.overdue_days,
        collection_method=_collection_method(record.collection_method),
        counterparty=_party(parties.client),
        document=record.document_uid,
        extra=_extra(payload, _ROW, {"parties": ("client",)}),
        raw=payload,
    )


def invoice_from(record: InvoiceRecord, payload: Mapping[str, object]) -> Invoice:
    """Translate a full invoice."""
    parties = record.parties or PartiesRecord()
    counterparty = _party(parties.client)
    texts = _texts(record.invoice_notes or {})
    known = {"parties": ("client", "service_provider"), "invoice_notes": tuple(texts)}
    extra = _extra(payload, _FULL, known)
    if counterparty is None and record.target_party_uid is not None:
        counterparty = Party(id=record.target_party_uid)
    elif counterparty is not None and record.target_party_uid not in {None, counterparty.id}:
        extra["target_party_uid"] = record.target_party_uid
    currency = record.currency
    return Invoice(
        id=record.uid,
        number=record.invoice_number,
        status=None if record.status is None else Status(record.status),
        kind=_kind(record.invoice_type),
        issued_at=read_instant(record.issue_date),
        due_at=read_instant(record.due_date),
        paid_at=read_instant(record.paid_date),
        currency=currency,
        total=_money(record.total_cents, currency),
        subtotal=_money(record.subtotal_cents, currency),
        discount=_money(record.discount_cents, currency),
        tax=_money(record.tax_cents, currency),
        amount_due=_money(record.amount_due_cents, currency),
        amount_paid=_money(record.amount_paid_cents, currency),
        amount_remaining=_money(record.amount_remaining_cents, currency),
        overdue_days=record.overdue_days,
        collection_method=_collection_method(record.collection_method),
        counterparty=counterparty,
        seller=_party(parties.service_provider),
        document=record.document_uid,
        blueprint=record.invoice_blueprint_uid,
        link=record.invoice_link,
        lines=tuple(_line(each) for each in record.line_items or ()),
        fields=tuple(_field(each) for each in record.invoice_fields or ()),
        notes=texts,
        extra=extra,
        raw=payload,
    )


def _texts(notes: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, text in notes.items() if isinstance(text, str)}


def _extra(
    payload: Mapping[str, object], known: frozenset[str], inner: Mapping[str, Iterable[str]]
) -> dict[str, object]:
    """Keep what the models have no name for, and timestamps that name no point in time."""
    extra = {name: value for name, value in payload.items() if name not in known}
    for name in _MOMENTS:
        text = payload.get(name)
        if isinstance(text, str) and read_instant(text) is None:
            extra[name] = text
    for name, members in inner.items():
        whole = payload.get(name)
        left = (
            {key: value for key, value in whole.items() if key not in members and value is not None}
            if isinstance(whole, dict)
            else {}
        )
        if left:
            extra[name] = left
    return extra


def _money(minor: int | None, currency: str | None) -> Money | None:
    return None if minor is None else Money(minor, currency)


def _collection_method(word: str | None) -> CollectionMethod | None:
    return None if word is None else CollectionMethod(word)


def _kind(word: str | None) -> Kind | None:
    return None if word is None else _KIND_WORDS.get(word, Kind(word))


def _party(record: PartyRecord | None) -> Party | None:
    if record is None:
        return None
    person = record.billing_contact
    return Party(
        id=record.uid,
        name=record.name,
        address=record.address,
        role=record.role,
        contact=None
        if person is None
        else Contact(
            id=person.uid,
            name=person.name,
            title=person.title,
            email=person.email,
            phone=person.phone,
        ),
    )


def _line(record: LineRecord) -> LineItem:
    # A line without a currency of its own gets none: the invoice's would be a guess.
    return LineItem(
        id=record.uid,
        kind=record.context_type,
        name=record.context_name,
        quantity=None if record.quantity is None else Decimal(record.quantity),
        unit_price=_money(record.unit_price, record.currency),
        total=_money(record.line_total, record.currency),
    )


def _field(record: FieldRecord) -> CustomField:
    value = record.value or FieldValueRecord()
    if value.type is None:
        return CustomField(record.key, value.value, original_type=value.original_type)
    return CustomField(record.key, value.value, value.type, value.original_type)
