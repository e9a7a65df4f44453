"""Katsu Pay's responses, in both shapes that its page shows, and their translation to our model.

Source: https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice, read 2026-11.
"""

# Annotations are not left as text here: each would be compiled again for each decoder of a record.

from collections.abc import Mapping
from typing import Any, Final

import attrs
from msgspec import Struct

from billingual.dialects._kit.fields import Moment, Number
from billingual.dialects._kit.requests import is_uuid
from billingual.dialects._kit.responses import (
    RecordReader,
    ResponseReader,
    Said,
    decimal_of,
    doubts,
    said,
    status_of,
)
from billingual.errors import RejectedError
from billingual.model import Problem, Receipt
from billingual.wire import with_whole_texts


class ReceiptRecord(Struct):
    """Either shape of the payload: the schema's two fields, or the example's seven."""

    invoiceId: str
    amount: Number = None
    currency: object = None
    status: str | None = None
    counterpartyId: str | None = None
    counterPartyId: str | None = None
    createdDate: Moment | None = None
    dueDate: Moment | None = None


def receipt_from(record: ReceiptRecord) -> Receipt:
    """Make the model of a receipt."""
    return Receipt(
        id=record.invoiceId,
        amount=decimal_of(record.amount, "amount"),
        currency=record.currency if isinstance(record.currency, str) else None,
        status=status_of(record.status),
        counterparty=record.counterpartyId or record.counterPartyId,
        created_at=record.createdDate,
        due_at=record.dueDate,
    )


def _left(given: Mapping[str, Any], _: Receipt) -> dict[str, object]:
    left: dict[str, object] = {}
    currency = given.get("currency")
    if currency is not None and not isinstance(currency, str):
        left["currency"] = currency
    small, capital = given.get("counterpartyId"), given.get("counterPartyId")
    if small is not None and capital is not None:
        left["counterPartyId"] = capital
    return left


RECEIPTS: Final = RecordReader(
    ReceiptRecord,
    receipt_from,
    watched=("currency", "counterpartyId", "counterPartyId"),
    left=_left,
    any_case=True,
)


def read_receipt(
    reader: ResponseReader, asked: str, given: Mapping[str, object] | None = None
) -> Receipt:
    """Read the receipt that a response brings.

    Args:
        reader: the response.
        asked: the id of the invoice that was replaced.
        given: what was asked for.

    Raises:
        ProviderError: if ``succeeded`` says no, there is no payload, or it is about another
            invoice.
    """
    body = reader.decode()
    succeeded = body.get("succeeded")
    meaning = said(succeeded)
    if meaning is Said.NO:
        raise reader.refusal(RejectedError)
    if succeeded is not None and meaning is not Said.YES:
        reader.problems.append(Problem("$.succeeded", "it is neither true nor false", succeeded))
    if succeeded is None:
        found = body.get("invoiceId")
        if not isinstance(found, str):
            raise reader.no_payload("$", "there is neither 'succeeded' nor a bare invoice")
        if not is_uuid(found):
            # The id of the printed example is no UUID either, so it may be another kind of id.
            problem = "it is no UUID, so it cannot be compared with the id that was asked for"
            reader.problems.append(Problem("$.invoiceId", problem, found))
            return RECEIPTS.one(reader, body, "$", given=given)
        return RECEIPTS.one(reader, body, "$", asked=asked, given=given)
    if not isinstance(body.get("data"), dict):
        raise reader.no_payload()
    problem = "the provider says so beside the receipt that it shows"
    reader.problems += [Problem(f"$.{name}", problem, doubt) for name, doubt in doubts(body)]
    receipt = RECEIPTS.one(reader, body["data"], "$.data", asked=asked, given=given)
    beside = {name: each for name, each in body.items() if name not in {"succeeded", "data"}}
    told = {name: each for name, each in beside.items() if each}
    extra = {**with_whole_texts(told), **receipt.extra}
    return attrs.evolve(receipt, extra=extra, raw=with_whole_texts(body))
