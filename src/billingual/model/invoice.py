"""Invoices as they are read: one shape and one set of names for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import attrs

from billingual.model.enums import CollectionMethod, Kind, Status
from billingual.model.lines import CustomField, LineItem
from billingual.model.money import Money
from billingual.model.party import Party
from billingual.model.payload import KeepsPayload
from billingual.model.problem import Problem

__all__ = ["Invoice", "InvoiceSummary"]


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
