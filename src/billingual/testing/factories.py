"""Factories of what tests need most: drafts that a sandbox accepts, and invoices to feed a program.

They draw nothing at random and read no clock. Each counts from 1, so that the same test makes the
same things wherever and in whatever order it runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import attrs

from billingual._arguments import expected
from billingual.errors import ConfigurationError, shown
from billingual.model import Draft, Invoice, Kind, LineItem, Money, Party, Status
from billingual.model._mapping import unknown_field
from billingual.sandbox import LANDMARKS

__all__ = ["DraftFactory", "InvoiceFactory"]

_ISSUED: Final = datetime(2026, 11, 21, 9, tzinfo=UTC)
"""The time at which the clock of a new sandbox begins."""

_TERM: Final = timedelta(days=30)
_TOTAL: Final = Money(12_500, "EUR")
_DRAFTS: Final[dict[str, dict[str, object]]] = {
    "exante": {
        "counterparty": LANDMARKS["exante_party"],
        "owner": LANDMARKS["exante_owner"],
        "document": LANDMARKS["exante_document"],
        "currency": "EUR",
        "kind": "receivable",
    },
    "kukkingu": {
        "document": LANDMARKS["kukkingu_contract"],
        "total": _TOTAL,
        "exchange_rate": "1",
    },
}


class DraftFactory:
    """Make drafts that the sandbox of *provider* accepts, numbered ``TEST-0001``, ``TEST-0002``...

    Call it with the fields that matter to the test; ``UNSET`` leaves one out::

        invoices.create(draft_factory(due_at="2026-12-31"))

    Args:
        provider: ``"exante"`` or ``"kukkingu"``.

    Raises:
        ConfigurationError: if the provider takes no drafts.
    """

    def __init__(self, provider: str = "exante") -> None:
        if provider not in list(_DRAFTS):
            raise ConfigurationError(
                f"no drafts are known for {shown(provider)}; there are some for "
                f"{', '.join(_DRAFTS)}."
            )
        self._defaults = _DRAFTS[provider]
        self._numbers = itertools.count(1)

    def __call__(self, **fields: object) -> Draft:
        """Make the next draft; *fields* are those of :class:`~billingual.Draft`.

        Raises:
            InvalidInputError: if a field is unknown or its value cannot be right.
        """
        given = {
            "number": f"TEST-{next(self._numbers):04}",
            "issued_at": _ISSUED,
            "due_at": _ISSUED + _TERM,
            **self._defaults,
            **fields,
        }
        return Draft(**cast("dict[str, Any]", given))


class InvoiceFactory:
    """Make invoices as a client returns them, without one: for the code that reads them.

    The amounts fit each other: what is left out follows from ``total``, ``amount_paid`` and
    ``status``::

        invoice_factory(status="PAID", total=Money.of("99.00", "EUR")).amount_remaining  # 0.00 EUR
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, **fields: object) -> Invoice:
        """Make the next invoice; *fields* are those of :class:`~billingual.Invoice`.

        Raises:
            InvalidInputError: if a field is unknown, or an amount is no Money.
        """
        known = {each.name for each in attrs.fields(Invoice)}
        for name in fields.keys() - known:
            raise unknown_field(Invoice, name)
        number = next(self._numbers)
        total = _money(fields, "total", _TOTAL)
        status = Status(str(fields.get("status") or Status.SENT))
        none = total - total
        paid = _money(fields, "amount_paid", total if status == Status.PAID else none)
        given = {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "number": f"TEST-{number:04}",
            "kind": Kind(Kind.RECEIVABLE),
            "issued_at": _ISSUED,
            "due_at": _ISSUED + _TERM,
            "paid_at": _ISSUED + _TERM if status == Status.PAID else None,
            "created_at": _ISSUED,
            "updated_at": _ISSUED,
            "currency": total.currency,
            "total": total,
            "subtotal": total,
            "discount": none,
            "tax": none,
            "amount_due": total,
            "amount_paid": paid,
            "amount_remaining": total - paid,
            "counterparty": Party(id=LANDMARKS["exante_party"], name="Example Buyer"),
            "seller": Party(id=LANDMARKS["exante_owner"], name="Example Seller"),
            "document": LANDMARKS["exante_document"],
            "lines": (LineItem(id=f"line-{number}", name="Example", total=total),),
            **fields,
            "status": status,
        }
        return Invoice(**cast("dict[str, Any]", given))


def _money(fields: Mapping[str, object], name: str, default: Money) -> Money:
    """Return the amount of that name, which may be nothing at all (0.00), or else *default*."""
    given = fields.get(name)
    return default if given is None else expected(given, Money, name)
