"""Kukkingu's invoice, field by field as documented, and its translation to the protocol's model.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, cast

import attrs

from billingual.dialects._http import Answer
from billingual.model import Invoice, Money, Party, Status, read_instant


@attrs.frozen(kw_only=True)
class InvoiceRecord:
    """An invoice; ``contract`` is an id, or an object where it was expanded."""

    id: str
    contract: object = None
    status: str | None = None
    invoice_number: str | None = attrs.field(default=None, alias="invoiceNumber")
    exchange_rate: Decimal | None = attrs.field(default=None, alias="exchangeRate")
    currency_code: str | None = attrs.field(default=None, alias="currencyCode")
    amount_minor: int | None = attrs.field(default=None, alias="amountMinor")
    issued_at: str | None = attrs.field(default=None, alias="issuedAt")
    due_at: str | None = attrs.field(default=None, alias="dueAt")
    paid_at: str | None = attrs.field(default=None, alias="paidAt")
    created_at: str | None = attrs.field(default=None, alias="createdAt")
    updated_at: str | None = attrs.field(default=None, alias="updatedAt")


_MAPPED: Final = frozenset(field.alias for field in attrs.fields(InvoiceRecord))
_MOMENTS: Final = ("issuedAt", "dueAt", "paidAt", "createdAt", "updatedAt")


def read_invoice(answer: Answer, payload: object, path: str) -> Invoice:
    """Read an invoice that stands at *path* of an answer.

    Raises:
        ProtocolError: if it is not as documented.
    """
    record = answer.record(payload, InvoiceRecord, path)
    if not isinstance(record.contract, (str, dict, type(None))):
        raise answer.unreadable(f"{path}.contract", "it is neither an id nor an object")
    return invoice_from(record, cast(Mapping[str, object], payload))


def invoice_from(record: InvoiceRecord, payload: Mapping[str, object]) -> Invoice:
    """Translate an invoice."""
    document, counterparty, rest = _contract(record.contract)
    extra = {name: value for name, value in payload.items() if name not in _MAPPED}
    if rest:
        extra["contract"] = rest
    for name in _MOMENTS:
        text = payload.get(name)
        if isinstance(text, str) and read_instant(text) is None:
            extra[name] = text
    return Invoice(
        id=record.id,
        number=record.invoice_number,
        status=None if record.status is None else Status(record.status),
        issued_at=read_instant(record.issued_at),
        due_at=read_instant(record.due_at),
        paid_at=read_instant(record.paid_at),
        created_at=read_instant(record.created_at),
        updated_at=read_instant(record.updated_at),
        currency=record.currency_code,
        total=None
        if record.amount_minor is None
        else Money(record.amount_minor, record.currency_code),
        exchange_rate=record.exchange_rate,
        document=document,
        counterparty=counterparty,
        extra=extra,
        raw=payload,
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
