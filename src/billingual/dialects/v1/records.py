"""What Katsu Pay answers with, in both shapes that its page shows.

Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypedDict

from billingual.dialects._kit.codec import Number
from billingual.dialects._kit.http import Answer
from billingual.dialects._kit.records import moment, status_of, unclear_moments, unknown
from billingual.errors import RejectedError
from billingual.model import Receipt


class _Identified(TypedDict):
    invoiceId: str


class ReceiptRecord(_Identified, total=False):
    """Either shape of the answer: the schema's two fields, or the example's seven."""

    amount: Number | None
    currency: object
    status: str | None
    counterpartyId: str | None
    counterPartyId: str | None
    createdDate: str | None
    dueDate: str | None


_MAPPED: Final = frozenset(ReceiptRecord.__annotations__)


def open_answer(answer: Answer) -> tuple[dict[str, object], object, str]:
    """Judge an answer in three layers; return its body, its payload and where that stands.

    Raises:
        ProviderError: if the status, ``succeeded`` or the lack of a payload says no.
    """
    answer.refuse_status()
    body = answer.read()
    succeeded = body.get("succeeded")
    if succeeded is False:
        raise answer.refusal(RejectedError)
    if succeeded is not None and succeeded is not True:
        raise answer.unreadable("$.succeeded", "it is neither true nor false")
    if succeeded is None:
        if not isinstance(body.get("invoiceId"), str):
            raise answer.unreadable("$", "there is neither 'succeeded' nor a bare invoice")
        return body, body, "$"
    if not isinstance(body.get("data"), dict):
        raise answer.unreadable("$.data", "there is no payload")
    return body, body["data"], "$.data"


def read_receipt(answer: Answer, asked: str) -> Receipt:
    """Read the receipt that an answer brings.

    Args:
        answer: the answer.
        asked: the id of the invoice that was replaced.

    Raises:
        ProtocolError: if it is not as documented, or is about another invoice.
    """
    body, payload, path = open_answer(answer)
    record = answer.record(payload, ReceiptRecord, path)
    # The id of the printed example is no UUID, so a bare invoice may go by another.
    by_schema = payload is not body
    answer.refuse_other(
        record["invoiceId"].lower(), asked.lower() if by_schema else None, f"{path}.invoiceId"
    )
    extra = unknown(record, _MAPPED)
    if by_schema:
        outside = unknown(body, {"succeeded", "data"})
        extra = {**{name: value for name, value in outside.items() if value}, **extra}
    amount, currency, status = record.get("amount"), record.get("currency"), record.get("status")
    small, capital = record.get("counterpartyId"), record.get("counterPartyId")
    if currency is not None and not isinstance(currency, str):
        extra["currency"] = currency
    if small is not None and capital is not None:
        extra["counterPartyId"] = capital
    extra |= unclear_moments(record, ("createdDate", "dueDate"))
    return Receipt(
        id=record["invoiceId"],
        amount=None if amount is None else Decimal(amount),
        currency=currency if isinstance(currency, str) else None,
        status=status_of(status),
        counterparty=small or capital,
        created_at=moment(record.get("createdDate")),
        due_at=moment(record.get("dueDate")),
        extra=extra,
        raw=body,
    )
