"""Kukkingu's invoice, field by field as documented, and its translation to the protocol's model.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypedDict, cast

from billingual.dialects._codec import Number
from billingual.dialects._http import Answer
from billingual.dialects._records import ENVELOPE, moment_of, unknown
from billingual.model import Invoice, Party, Status
from billingual.model.money import trusted_money


class _Identified(TypedDict):
    id: str


class InvoiceRecord(_Identified, total=False):
    """An invoice; ``contract`` is an id, or an object where it was expanded."""

    contract: object
    status: str | None
    invoiceNumber: str | None
    exchangeRate: Number | None
    currencyCode: str | None
    amountMinor: int | None
    issuedAt: str | None
    dueAt: str | None
    paidAt: str | None
    createdAt: str | None
    updatedAt: str | None


_MAPPED: Final = frozenset(InvoiceRecord.__annotations__)


def read_invoice(
    answer: Answer,
    payload: object,
    path: str,
    *,
    asked: str | None = None,
    beside: Mapping[str, object] | None = None,
) -> Invoice:
    """Read an invoice that stands at *path* of an answer.

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
    if not isinstance(record.get("contract"), (str, dict, type(None))):
        raise answer.unreadable(f"{path}.contract", "it is neither an id nor an object")
    answer.refuse_other(record["id"], asked, f"{path}.id")
    return invoice_from(record, beside or {})


def invoice_from(record: InvoiceRecord, beside: Mapping[str, object]) -> Invoice:
    """Translate an invoice."""
    document, counterparty, rest = _contract(record.get("contract"))
    extra = unknown(record, _MAPPED)
    if rest:
        extra["contract"] = rest
    if beside:
        extra[ENVELOPE] = beside
    status, rate, currency = (
        record.get("status"),
        record.get("exchangeRate"),
        record.get("currencyCode"),
    )
    return Invoice(
        id=record["id"],
        number=record.get("invoiceNumber"),
        status=None if status is None else Status(status),
        issued_at=moment_of(record, "issuedAt", extra),
        due_at=moment_of(record, "dueAt", extra),
        paid_at=moment_of(record, "paidAt", extra),
        created_at=moment_of(record, "createdAt", extra),
        updated_at=moment_of(record, "updatedAt", extra),
        currency=currency,
        total=trusted_money(record.get("amountMinor"), currency),
        exchange_rate=None if rate is None else Decimal(rate),
        document=document,
        counterparty=counterparty,
        extra=extra,
        raw=record,
    )


def _contract(contract: object) -> tuple[str | None, Party | None, dict[str, object]]:
    """Take apart what stands behind an invoice: its id, its client, and what has no name here."""
    if not isinstance(contract, dict):
        return (contract if isinstance(contract, str) else None), None, {}
    rest: dict[str, object] = dict(contract)
    document = rest.pop("id") if isinstance(contract.get("id"), str) else None
    client = contract.get("client")
    if isinstance(client, str):
        del rest["client"]
        return cast(str | None, document), Party(id=client), rest
    if isinstance(client, dict) and isinstance(client.get("id"), str):
        name = client.get("name")
        read = {"id", "name"} if isinstance(name, str) else {"id"}
        left = {key: value for key, value in client.items() if key not in read}
        rest = (
            {**rest, "client": left} if left else {k: v for k, v in rest.items() if k != "client"}
        )
        party = Party(id=client["id"], name=name if isinstance(name, str) else None)
        return cast(str | None, document), party, rest
    return cast(str | None, document), None, rest
