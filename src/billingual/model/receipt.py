"""The receipt of a provider that replaces an invoice and does not show it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import attrs

from billingual.model.enums import Status
from billingual.model.payload import KeepsPayload
from billingual.model.problem import Problem

__all__ = ["Receipt"]


@attrs.frozen(kw_only=True, repr=False)
class Receipt(KeepsPayload):
    """All that a provider tells after it replaced an invoice: not an invoice.

    Attributes:
        id: the provider's id of the invoice.
        amount: in *major* units, exactly as the provider wrote it; not Money, because its
            currency and rounding are not documented.
        currency: the provider's word, where it gives one.
        status: the provider's word, where it gives one.
        counterparty: the buyer's id, where it gives one.
        created_at: where it gives one.
        due_at: where it gives one.
        extra: what no attribute here has a name for.
        raw: the payload as it came, parsed.
        problems: what the provider sent and could not be read.
    """

    id: str
    amount: Decimal | None = None
    currency: str | None = None
    status: Status | None = None
    counterparty: str | None = None
    created_at: datetime | date | None = None
    due_at: datetime | date | None = None
    extra: Mapping[str, object] = attrs.field(factory=dict, repr=False, hash=False)
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)
    problems: tuple[Problem, ...] = attrs.field(default=(), repr=False)
