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
from decimal import Decimal
from typing import Final, TypedDict, cast

from billingual import CustomField, Invoice, Kind, LineItem, Money, Party, Status
from billingual.dialects import Answer, UnreadableError
from billingual.model import CollectionMethod, Contact

from billingual_stripe.forms import EPOCH

__all__ = ["read_invoice"]


class AmountRecord(TypedDict):
    """A tax or discount over the whole invoice."""

    amount: int


class LineRecord(TypedDict, total=False):
    """A line."""

    id: str | None
    type: str | None
    description: str | None
    quantity: int | None
    amount: int | None
    currency: str | None


class LinesRecord(TypedDict, total=False):
    """The first few lines, and whether there are others."""

    data: list[LineRecord] | None
    has_more: bool | None


class TransitionsRecord(TypedDict, total=False):
    """When the invoice went from one status to another."""

    paid_at: int | None


class _Identified(TypedDict):
    id: str


class InvoiceRecord(_Identified, total=False):
    """An invoice; what it has besides is in ``extra``."""

    number: str | None
    status: str | None
    currency: str | None
    effective_at: int | None
    due_date: int | None
    created: int | None
    status_transitions: TransitionsRecord | None
    total: int | None
    subtotal: int | None
    total_discount_amounts: list[AmountRecord] | None
    total_taxes: list[AmountRecord] | None
    amount_due: int | None
    amount_paid: int | None
    amount_remaining: int | None
    collection_method: str | None
    customer: object
    customer_name: str | None
    customer_email: str | None
    account_name: str | None
    hosted_invoice_url: str | None
    lines: LinesRecord | None
    metadata: dict[str, object] | None
    description: str | None
    footer: str | None


_WHOLE: Final = frozenset(InvoiceRecord.__annotations__) - {
    "lines", "status_transitions", "total_discount_amounts", "total_taxes",
}  # fmt: skip
"""The fields of which the model holds all; what it holds in part stays in ``extra`` too."""
_COUNTED: Final[Mapping[str, tuple[int, int]]] = {"ISK": (1, 100), "UGX": (1, 100), "MGA": (100, 1)}
"""Currencies whose minor unit is another here than in ISO 4217: times this, divided by that."""


def read_invoice(answer: Answer, payload: object, path: str, asked: str | None = None) -> Invoice:
    """Read an invoice that stands at *path* of an answer.

    Args:
        answer: the answer.
        payload: what stands there.
        path: where that is.
        asked: the id that was asked for; None where any will do.

    Raises:
        ProtocolError: if it is not as documented, or another invoice than the one asked for.
    """
    record = answer.record(payload, InvoiceRecord, path)
    answer.refuse_other(record["id"], asked, f"{path}.id")
    try:
        return _invoice_from(record)
    except UnreadableError as problem:
        raise answer.unreadable(f"{path}.{problem.path}", problem.problem) from problem


def _invoice_from(record: InvoiceRecord) -> Invoice:
    status, method = record.get("status"), record.get("collection_method")
    currency = _upper(record.get("currency"))
    notes = {"description": record.get("description"), "footer": record.get("footer")}
    return Invoice(
        id=record["id"],
        number=record.get("number"),
        status=None if status is None else Status(status),
        kind=Kind(Kind.RECEIVABLE),
        issued_at=_moment(record, "effective_at"),
        due_at=_moment(record, "due_date"),
        paid_at=_moment(record.get("status_transitions") or {}, "paid_at"),
        created_at=_moment(record, "created"),
        currency=currency,
        total=_money(record, "total", currency),
        subtotal=_money(record, "subtotal", currency),
        discount=_sum(record.get("total_discount_amounts"), currency),
        tax=_sum(record.get("total_taxes"), currency),
        amount_due=_money(record, "amount_due", currency),
        amount_paid=_money(record, "amount_paid", currency),
        amount_remaining=_money(record, "amount_remaining", currency),
        collection_method=None if method is None else CollectionMethod(method),
        counterparty=_customer(record),
        seller=_seller(record.get("account_name")),
        link=record.get("hosted_invoice_url"),
        lines=_lines(record.get("lines") or {}),
        fields=tuple(CustomField(*each) for each in (record.get("metadata") or {}).items()),
        notes={name: text for name, text in notes.items() if text is not None},
        extra={name: value for name, value in record.items() if not _is_told(name, value)},
        raw=cast(Mapping[str, object], record),
    )


def _is_told(name: str, value: object) -> bool:
    """Tell whether the model holds all of a field; of an expanded customer it holds the id."""
    expanded = name == "customer" and isinstance(value, dict)
    return name in _WHOLE and not expanded


def _upper(code: str | None) -> str | None:
    return None if code is None else code.upper()


def _moment(record: Mapping[str, object], name: str) -> datetime | None:
    seconds = cast(int | None, record.get(name))
    try:
        return None if seconds is None else EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise UnreadableError(name, "it is outside the years 1 to 9999") from None


def _money(record: Mapping[str, object], name: str, currency: str | None) -> Money | None:
    amount = cast(int | None, record.get(name))
    if amount is None:
        return None
    times, divided = _COUNTED.get(currency or "", (1, 1))
    minor, fraction = divmod(amount * times, divided)
    if fraction:
        raise UnreadableError(name, f"{currency} has no such fraction")
    return Money(minor, currency)


def _sum(rows: list[AmountRecord] | None, currency: str | None) -> Money | None:
    """Add up amounts; None where there is no list."""
    if rows is None:
        return None
    return _money({"amount": sum(row["amount"] for row in rows)}, "amount", currency)


def _customer(record: InvoiceRecord) -> Party | None:
    customer, email = record.get("customer"), record.get("customer_email")
    known = customer.get("id") if isinstance(customer, dict) else customer
    if customer is None:
        return None
    if not isinstance(known, str):
        raise UnreadableError("customer", "it is neither an id nor an object with one")
    contact = None if email is None else Contact(email=email)
    return Party(id=known, name=record.get("customer_name"), contact=contact)


def _seller(name: str | None) -> Party | None:
    return None if name is None else Party(name=name)


def _lines(lines: LinesRecord) -> tuple[LineItem, ...]:
    """Read the lines if all are there: some of them would be taken for all."""
    return () if lines.get("has_more") else tuple(_line(row) for row in lines.get("data") or ())


def _line(row: LineRecord) -> LineItem:
    quantity = row.get("quantity")
    return LineItem(
        id=row.get("id"),
        kind=row.get("type"),
        name=row.get("description"),
        quantity=None if quantity is None else Decimal(quantity),
        total=_money(row, "amount", _upper(row.get("currency"))),
    )
