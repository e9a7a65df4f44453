"""Exante's records, field by field as documented, and their translation to the protocol's models.

A record holds the documented fields that the models have a name for. The others (``age``,
``blueprint``, ``comments``, ``has_comments``, ``integrations``, ``parent_contract``,
``pre_payment_credit_notes_cents``, ``total``) and those nobody documented go to ``extra`` as they
came.

Source: https://docs.exante.app/api-reference/invoices/create and ``/list``, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypedDict

from billingual.dialects._http import Answer
from billingual.dialects._records import ENVELOPE, moment_of, unknown
from billingual.model import (
    CollectionMethod,
    Contact,
    CustomField,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Party,
    Status,
)
from billingual.model.money import trusted_money

KINDS: Final[Mapping[str, str]] = {
    "receivable": "ACCOUNTS_RECEIVABLE",
    "payable": "ACCOUNTS_PAYABLE",
}
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


class MetaRecord(TypedDict, total=False):
    """Where a page stands in its list."""

    page: int | None
    total_pages: int | None
    total_items: int | None


class _Listed(TypedDict):
    items: list[RowRecord]


class PageRecord(_Listed, total=False):
    """One page of a list; its links are never followed, so they are not read."""

    _meta: MetaRecord | None


_ROW: Final = frozenset(RowRecord.__annotations__)
_FULL: Final = frozenset(InvoiceRecord.__annotations__)


def read_invoice(
    answer: Answer,
    payload: object,
    path: str,
    *,
    asked: str | None = None,
    beside: Mapping[str, object] | None = None,
) -> Invoice:
    """Read a full invoice that stands at *path* of an answer.

    Args:
        answer: the answer.
        payload: what stands there.
        path: where that is.
        asked: the id that was asked for; None where the provider chooses it.
        beside: what the envelope says of its own, kept in ``extra``.

    Raises:
        ProtocolError: if it is not as documented, or is another invoice than the one asked for.
    """
    record = answer.record(payload, InvoiceRecord, path)
    answer.refuse_other(record["uid"].lower(), asked and asked.lower(), f"{path}.uid")
    return invoice_from(record, beside or {})


def summary_from(record: RowRecord) -> InvoiceSummary:
    """Translate a row; its amounts carry no currency, because the provider states none."""
    extra = unknown(record, _ROW)
    parties = _parties(record, ("client",), extra)
    return InvoiceSummary(
        id=record["uid"],
        number=record.get("invoice_number"),
        status=_status(record.get("status")),
        issued_at=moment_of(record, "issue_date", extra),
        due_at=moment_of(record, "due_date", extra),
        paid_at=moment_of(record, "paid_date", extra),
        total=trusted_money(record.get("total_cents"), None),
        subtotal=trusted_money(record.get("subtotal_cents"), None),
        discount=trusted_money(record.get("discount_cents"), None),
        tax=trusted_money(record.get("tax_cents"), None),
        amount_due=trusted_money(record.get("amount_due_cents"), None),
        amount_paid=trusted_money(record.get("amount_paid_cents"), None),
        amount_remaining=trusted_money(record.get("amount_remaining_cents"), None),
        overdue_days=record.get("overdue_days"),
        collection_method=_collection_method(record.get("collection_method")),
        counterparty=_party(parties.get("client")),
        document=record.get("document_uid"),
        extra=extra,
        raw=record,
    )


def invoice_from(record: InvoiceRecord, beside: Mapping[str, object]) -> Invoice:
    """Translate a full invoice."""
    extra = unknown(record, _FULL)
    parties = _parties(record, ("client", "service_provider"), extra)
    if beside:
        extra[ENVELOPE] = beside
    currency = record.get("currency")
    return Invoice(
        id=record["uid"],
        number=record.get("invoice_number"),
        status=_status(record.get("status")),
        kind=_kind(record.get("invoice_type")),
        issued_at=moment_of(record, "issue_date", extra),
        due_at=moment_of(record, "due_date", extra),
        paid_at=moment_of(record, "paid_date", extra),
        currency=currency,
        total=trusted_money(record.get("total_cents"), currency),
        subtotal=trusted_money(record.get("subtotal_cents"), currency),
        discount=trusted_money(record.get("discount_cents"), currency),
        tax=trusted_money(record.get("tax_cents"), currency),
        amount_due=trusted_money(record.get("amount_due_cents"), currency),
        amount_paid=trusted_money(record.get("amount_paid_cents"), currency),
        amount_remaining=trusted_money(record.get("amount_remaining_cents"), currency),
        overdue_days=record.get("overdue_days"),
        collection_method=_collection_method(record.get("collection_method")),
        counterparty=_counterparty(record, parties, extra),
        seller=_party(parties.get("service_provider")),
        document=record.get("document_uid"),
        blueprint=record.get("invoice_blueprint_uid"),
        link=record.get("invoice_link"),
        lines=tuple([_line(each) for each in record.get("line_items") or ()]),
        fields=tuple([_field(each) for each in record.get("invoice_fields") or ()]),
        notes=_notes(record.get("invoice_notes") or {}, extra),
        extra=extra,
        raw=record,
    )


def _parties(record: RowRecord, read: tuple[str, ...], extra: dict[str, object]) -> PartiesRecord:
    parties = record.get("parties") or PartiesRecord()
    _keep_left(parties, read, "parties", extra)
    return parties


def _notes(notes: Mapping[str, object], extra: dict[str, object]) -> dict[str, str]:
    texts = {name: text for name, text in notes.items() if isinstance(text, str)}
    _keep_left(notes, texts, "invoice_notes", extra)
    return texts


def _keep_left(
    whole: Mapping[str, object], read: Iterable[str], name: str, extra: dict[str, object]
) -> None:
    """Keep what of a known field has no name of its own in the models."""
    left = {key: value for key, value in whole.items() if key not in read and value is not None}
    if left:
        extra[name] = left


def _counterparty(
    record: InvoiceRecord, parties: PartiesRecord, extra: dict[str, object]
) -> Party | None:
    client, target = _party(parties.get("client")), record.get("target_party_uid")
    if client is None:
        return None if target is None else Party(id=target)
    if target is not None and target != client.id:
        extra["target_party_uid"] = target
    return client


def _status(word: str | None) -> Status | None:
    return None if word is None else Status(word)


def _collection_method(word: str | None) -> CollectionMethod | None:
    return None if word is None else CollectionMethod(word)


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
