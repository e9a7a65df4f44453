"""Kukkingu's invoice, field by field as documented, and its translation to the protocol's model.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Final, TypedDict, cast

import msgspec

from billingual import model
from billingual.dialects._kit.codec import Number, is_plain
from billingual.dialects._kit.http import Answer
from billingual.dialects._kit.records import (
    MISFIT,
    Reading,
    moment,
    page_of,
    status_of,
    unclear_moments,
    unknown,
)
from billingual.model import Invoice, Party
from billingual.model.money import trusted_money

if TYPE_CHECKING:
    from billingual.model import Page


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
_MOMENTS: Final = ("issuedAt", "dueAt", "paidAt", "createdAt", "updatedAt")


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A body as it is nearly always: nothing beside the data."""

    data: msgspec.Raw


_read_plain: Final = msgspec.json.Decoder(_Plain).decode
_read_rows: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def open_answer(answer: Answer) -> msgspec.Raw | None:
    """Judge an answer in its layers; return its data unread, or None where another look is needed.

    Its envelope has no flag.

    Raises:
        ProviderError: if the status or the lack of a payload says no.
    """
    answer.refuse_status()
    plain = answer.response.read(_plainly)
    if plain is None and not isinstance(answer.read().get("data"), (dict, list)):
        raise answer.unreadable("$.data", "there is no payload")
    return plain


def _plainly(body: bytes) -> msgspec.Raw | None:
    if not is_plain(body):
        return None
    try:
        data = _read_plain(body).data
    except MISFIT:
        return None
    return data if bytes(memoryview(data)[:1]) in {b"{", b"["} else None


def read_invoice(answer: Answer, *, asked: str | None = None) -> Invoice:
    """Read the invoice that is the data of an answer.

    Args:
        answer: the answer.
        asked: the id that was asked for; None where the provider chooses it.

    Raises:
        ProtocolError: if it is not as documented, or is another invoice than the one asked for.
    """
    plain, invoice = open_answer(answer), None
    if plain is not None:
        with suppress(*MISFIT):
            (invoice,) = _INVOICE.deferred([plain])
    if invoice is None:
        body = answer.read()
        record = _record(answer, body["data"], "$.data")
        invoice = _INVOICE.at_once(record, unknown(body, {"data"}))
    answer.refuse_other(invoice.id, asked, "$.data.id")
    return invoice


def read_list(answer: Answer) -> Page:
    """Read the list, which is whole, that is the data of an answer.

    Raises:
        ProtocolError: if a row of it is not as documented.
    """
    plain = open_answer(answer)
    if plain is not None:
        with suppress(*MISFIT):
            rows = _INVOICE.deferred(_read_rows(plain))
            if all(row.id for row in rows):
                return page_of(answer.response.body, items=rows, is_whole=True)
    body = answer.read()
    data = body["data"]
    if not isinstance(data, list):
        raise answer.unreadable("$.data", "there is no array of invoices")
    read = []
    for index, row in enumerate(data):
        record = _record(answer, row, f"$.data[{index}]")
        answer.refuse_other(record["id"], None, f"$.data[{index}].id")
        read.append(_INVOICE.at_once(record, {}))
    return model.Page(items=tuple(read), is_whole=True, raw=body)


def _record(answer: Answer, payload: object, path: str) -> InvoiceRecord:
    record = answer.record(payload, InvoiceRecord, path)
    if not _fits(record):
        raise answer.unreadable(f"{path}.contract", "it is neither an id nor an object")
    return record


def _fits(record: InvoiceRecord) -> bool:
    return isinstance(record.get("contract"), (str, dict, NoneType))


def _scalars(record: InvoiceRecord) -> dict[str, object]:
    currency, rate = record.get("currencyCode"), record.get("exchangeRate")
    return {
        "number": record.get("invoiceNumber"),
        "status": status_of(record.get("status")),
        "issued_at": moment(record.get("issuedAt")),
        "due_at": moment(record.get("dueAt")),
        "paid_at": moment(record.get("paidAt")),
        "created_at": moment(record.get("createdAt")),
        "updated_at": moment(record.get("updatedAt")),
        "currency": currency,
        "total": trusted_money(record.get("amountMinor"), currency),
        "exchange_rate": None if rate is None else Decimal(rate),
        "document": _contract(record.get("contract"))[0],
    }


def _parts(record: InvoiceRecord) -> dict[str, object]:
    return {
        "counterparty": _contract(record.get("contract"))[1],
        "lines": (),
        "fields": (),
        "notes": {},
    }


def _extra(record: InvoiceRecord) -> dict[str, object]:
    rest = _contract(record.get("contract"))[2]
    return {
        **unknown(record, _MAPPED),
        **unclear_moments(record, _MOMENTS),
        **({"contract": rest} if rest else {}),
    }


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


_INVOICE: Final = Reading(
    Invoice,
    InvoiceRecord,
    "id",
    scalars=_scalars,
    parts=_parts,
    part_names=frozenset({"counterparty", "lines", "fields", "notes"}),
    extra=_extra,
    part_fields=frozenset(),
    accepts=_fits,
)
