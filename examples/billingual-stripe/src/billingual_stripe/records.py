"""Stripe's invoice, field by field as documented, and its translation to the protocol's model.

- Amounts are whole minor units of ``currency``, a code in small letters. Three currencies are not
  counted as ISO 4217 counts them. https://docs.stripe.com/currencies, read 2026-11
- Times are whole seconds since 1970. https://docs.stripe.com/api/invoices/object, read 2026-11
- ``effective_at`` is the printed date of issue; ``lines`` holds the first few only. Same page.
- ``customer`` is an id, or an object where it was expanded. Same page.

Documented since ``basil``: ``total_taxes``. Older versions have ``tax``, which stays in ``extra``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from billingual import CustomField, Invoice, Kind, LineItem, Money, Party
from billingual.dialects import (
    Number,
    RecordReader,
    ResponseReader,
    UnreadableError,
    Whole,
    collection_method_of,
    decimal_of,
    status_of,
)
from billingual.model import Contact, Page, Query
from msgspec import Struct

from billingual_stripe.requests import EPOCH

__all__ = ["read_invoice", "read_page"]


class AmountRecord(Struct):
    """A tax or discount over the whole invoice."""

    amount: Whole


class LineRecord(Struct):
    """A line."""

    id: str | None = None
    type: str | None = None
    description: str | None = None
    quantity: Number = None
    amount: Whole | None = None
    currency: str | None = None


class LinesRecord(Struct):
    """The first few lines, and whether there are others."""

    data: list[LineRecord] | None = None
    has_more: bool | None = None


class TransitionsRecord(Struct):
    """When the invoice went from one status to another."""

    paid_at: Whole | None = None


class InvoiceRecord(Struct):
    """An invoice; what it has besides is in ``extra``."""

    id: str
    number: str | None = None
    status: str | None = None
    currency: str | None = None
    effective_at: Whole | None = None
    due_date: Whole | None = None
    created: Whole | None = None
    status_transitions: TransitionsRecord | None = None
    total: Whole | None = None
    subtotal: Whole | None = None
    total_discount_amounts: list[AmountRecord] | None = None
    total_taxes: list[AmountRecord] | None = None
    amount_due: Whole | None = None
    amount_paid: Whole | None = None
    amount_remaining: Whole | None = None
    collection_method: str | None = None
    customer: object = None
    customer_name: str | None = None
    customer_email: str | None = None
    account_name: str | None = None
    hosted_invoice_url: str | None = None
    lines: LinesRecord | None = None
    metadata: dict[str, object] | None = None
    description: str | None = None
    footer: str | None = None


_IN_PART: Final = ("lines", "status_transitions", "total_discount_amounts", "total_taxes")
"""The fields of which the model holds a part only, so that they stay in ``extra`` too."""
_COUNTED: Final[Mapping[str, tuple[int, int]]] = {"ISK": (1, 100), "UGX": (1, 100), "MGA": (100, 1)}
"""Currencies whose minor unit is another here than in ISO 4217: times this, divided by that."""


def invoice_from(record: InvoiceRecord) -> Invoice:
    """Make the invoice of a record."""
    currency = record.currency and record.currency.upper()
    name, times, lines = record.account_name, record.status_transitions, record.lines
    notes = {"description": record.description, "footer": record.footer}
    # Some of the lines would be taken for all, so there are none where others follow.
    all_lines = () if lines is None or lines.has_more else lines.data or ()
    return Invoice(
        id=record.id,
        number=record.number,
        status=status_of(record.status),
        kind=Kind(Kind.RECEIVABLE),
        issued_at=_moment("effective_at", record.effective_at),
        due_at=_moment("due_date", record.due_date),
        paid_at=_moment("status_transitions", None if times is None else times.paid_at),
        created_at=_moment("created", record.created),
        currency=currency,
        total=_money("total", record.total, currency),
        subtotal=_money("subtotal", record.subtotal, currency),
        discount=_sum("total_discount_amounts", record.total_discount_amounts, currency),
        tax=_sum("total_taxes", record.total_taxes, currency),
        amount_due=_money("amount_due", record.amount_due, currency),
        amount_paid=_money("amount_paid", record.amount_paid, currency),
        amount_remaining=_money("amount_remaining", record.amount_remaining, currency),
        collection_method=collection_method_of(record.collection_method),
        counterparty=_customer(record),
        seller=None if name is None else Party(name=name),
        link=record.hosted_invoice_url,
        lines=tuple(_line(each) for each in all_lines),
        fields=tuple(CustomField(*each) for each in (record.metadata or {}).items()),
        notes={name: text for name, text in notes.items() if text is not None},
    )


def _moment(name: str, seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise UnreadableError(name, "it is outside the years 1 to 9999") from None


def _money(name: str, amount: int | None, currency: str | None) -> Money | None:
    times, divided = _COUNTED.get(currency or "", (1, 1))
    minor, fraction = divmod((amount or 0) * times, divided)
    if fraction:
        raise UnreadableError(name, f"{currency} has no such fraction")
    return None if amount is None else Money(minor, currency)


def _sum(name: str, rows: list[AmountRecord] | None, currency: str | None) -> Money | None:
    return None if rows is None else _money(name, sum(row.amount for row in rows), currency)


def _customer(record: InvoiceRecord) -> Party | None:
    customer, email = record.customer, record.customer_email
    known = customer.get("id", 0) if isinstance(customer, dict) else customer
    if not isinstance(known, str | None):
        raise UnreadableError("customer", "it is neither an id nor an object with one")
    contact = None if email is None else Contact(email=email)
    return None if known is None else Party(id=known, name=record.customer_name, contact=contact)


def _line(row: LineRecord) -> LineItem:
    return LineItem(
        id=row.id,
        kind=row.type,
        name=row.description,
        quantity=decimal_of(row.quantity, "lines"),
        total=_money("lines", row.amount, row.currency and row.currency.upper()),
    )


def _left(given: Mapping[str, Any], _: Invoice) -> dict[str, object]:
    """Return the fields that the model holds in part; of an expanded customer it holds the id."""
    expanded = ("customer",) if isinstance(given.get("customer"), dict) else ()
    return {name: given[name] for name in (*_IN_PART, *expanded) if name in given}


INVOICES: Final = RecordReader(
    InvoiceRecord, invoice_from, watched=(*_IN_PART, "customer"), left=_left
)


def read_invoice(
    reader: ResponseReader, asked: str | None = None, given: Mapping[str, object] | None = None
) -> Invoice:
    """Read the invoice that a response is.

    Args:
        reader: the response.
        asked: the id that was asked for, if any.
        given: what a write asked for: the invoice has a problem for each value that is another.
    """
    return INVOICES.one(reader, reader.decode(), "$", asked=asked, given=given)


def read_page(reader: ResponseReader, query: Query) -> Page:
    """Read a page of a list."""
    body = reader.decode()
    rows, more = body.get("data"), body.get("has_more")
    if not isinstance(rows, list) or not isinstance(more, bool):
        raise reader.unreadable("$", "there are no rows, or nothing says whether others follow")
    items, problems = INVOICES.rows(reader, rows, "$.data")
    # A last row without a readable id comes again as the first of the next page.
    if more and not items:
        raise reader.unreadable("$.data", "more rows are promised, and none to go on from")
    return Page(
        items=items,
        number=query.page,
        has_next=more,
        next_cursor=items[-1].id if more else None,
        is_whole=query.cursor is None and not more,
        raw=body,
        problems=problems,
    )
