"""Kukkingu's responses, field by field as documented, and their translation to our models.

A response is ``{data: ...}``, without a flag: an invoice, or an array of them.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

# Annotations are not left as text here: each would be compiled again for each decoder of a record.

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from billingual import model
from billingual.dialects._kit.decoding import MARK, UnreadableError, as_it_came, decode_part
from billingual.dialects._kit.fields import Moment, Number, Whole, array_of
from billingual.dialects._kit.responses import (
    BESIDE,
    COMPILING,
    MISFIT,
    RecordReader,
    ResponseReader,
    Said,
    decimal_of,
    doubts,
    exact,
    keep_body,
    money_of,
    said,
    status_of,
)
from billingual.model import Invoice, Party, Problem
from billingual.model.payload import payload_of
from billingual.wire import Headers, unfrozen, with_whole_texts

if TYPE_CHECKING:
    from billingual.model import Page

D = TypeVar("D")


class InvoiceRecord(Struct, gc=False):
    """An invoice; ``contract`` is an id, or an object where it was expanded."""

    id: str
    contract: object = None
    status: str | None = None
    invoiceNumber: str | None = None
    exchangeRate: Number = None
    currencyCode: str | None = None
    amountMinor: Whole | None = None
    issuedAt: Moment | None = None
    dueAt: Moment | None = None
    paidAt: Moment | None = None
    createdAt: Moment | None = None
    updatedAt: Moment | None = None


class DataRecord(Struct, Generic[D], gc=False, forbid_unknown_fields=True):
    """A body as it is nearly always: nothing beside the data."""

    data: D


_Invoice: Final = unfrozen(Invoice)


def invoice_from(record: InvoiceRecord) -> Invoice:
    """Make the draft of an invoice."""
    document, client, _ = _contract(record.contract)
    invoice = _Invoice()
    invoice.id = record.id
    invoice.number = record.invoiceNumber
    invoice.status = status_of(record.status)
    invoice.issued_at, invoice.due_at = record.issuedAt, record.dueAt
    invoice.paid_at = record.paidAt
    invoice.created_at, invoice.updated_at = record.createdAt, record.updatedAt
    invoice.currency = record.currencyCode
    invoice.total = money_of(record.amountMinor, record.currencyCode)
    invoice.exchange_rate = decimal_of(record.exchangeRate, "exchangeRate")
    invoice.document, invoice.counterparty = document, client
    invoice.notes = {}
    # What Kukkingu has no field for.
    invoice.subtotal = invoice.discount = invoice.tax = None
    invoice.amount_due = invoice.amount_paid = invoice.amount_remaining = None
    invoice.overdue_days = invoice.collection_method = invoice.kind = invoice.link = None
    invoice.seller = invoice.blueprint = None
    invoice.lines = invoice.fields = invoice.problems = ()
    made: Invoice = invoice
    return made


def _contract(contract: object) -> tuple[str | None, Party | None, dict[str, object]]:
    """Take apart the contract of an invoice: its id, its client, and what has no name here."""
    if contract is None or contract == []:
        return None, None, {}
    if type(contract) is str:
        return contract, None, {}
    if type(contract) is not dict:
        raise UnreadableError("contract", "it is neither an id nor an object")
    rest = dict(contract)
    document = rest.pop("id") if type(contract.get("id")) is str else None
    client = rest.pop("client", None)
    if type(client) is str:
        return document, Party(id=client), rest
    if type(client) is not dict or type(client.get("id")) is not str:
        return document, None, rest if client is None else {**rest, "client": client}
    name = client.get("name") if type(client.get("name")) is str else None
    read = {"id"} if name is None else {"id", "name"}
    left = {key: value for key, value in client.items() if key not in read}
    party = Party(id=client["id"], name=name)
    return document, party, {**rest, "client": left} if left else rest


def _left(given: Mapping[str, Any], _: Invoice) -> dict[str, object]:
    contract = given.get("contract")
    rest = _contract(contract)[2] if type(contract) is dict else {}
    return {"contract": rest} if rest else {}


INVOICES: Final = RecordReader(
    InvoiceRecord, invoice_from, becomes=Invoice, watched=("contract",), left=_left
)

_Data: Any = DataRecord  # of a type that is made here, so no type checker knows it


@functools.cache
def _read_body() -> Callable[[bytes], InvoiceRecord]:
    with COMPILING:
        decode = msgspec.json.Decoder(_Data[exact(InvoiceRecord)], float_hook=as_it_came).decode

    def read(body: bytes) -> InvoiceRecord:
        record: InvoiceRecord = decode(body).data
        return record

    return read


def _raw_in_body(invoice: Invoice) -> object:
    return decode_part(payload_of(invoice))["data"]


_read_one: Final = msgspec.json.Decoder(DataRecord[Raw]).decode


def _text_in_body(invoice: Invoice) -> bytes:
    return bytes(_read_one(payload_of(invoice)).data)


_IN_BODY: Final = {"raw": _raw_in_body, "text": _text_in_body}
_read_many: Final = msgspec.json.Decoder(DataRecord[list[Raw]]).decode


def read_invoice(
    reader: ResponseReader, asked: str | None = None, given: Mapping[str, object] | None = None
) -> Invoice:
    """Read the invoice that is the data of a response.

    Args:
        reader: the response.
        asked: the id that was asked for; None where the provider chooses it.
        given: what a write asked for.

    Raises:
        ProtocolError: if there is none, or it is another than the one asked for.
    """
    invoice = INVOICES.in_body(reader, _read_body(), _IN_BODY, "$.data", asked=asked, given=given)
    if invoice is not None:
        return invoice
    plain = _opened(reader, _read_one)
    if plain is not None and bytes(memoryview(plain.data)[:1]) == b"{":
        return INVOICES.one(reader, plain.data, "$.data", asked=asked, given=given)
    body = _judged(reader)
    beside = {name: value for name, value in body.items() if name != "data"}
    if reader.writes:
        flags = {name: beside.get(name) for name in _FLAGS}
        told = [*doubts(beside), *((name, flag) for name, flag in flags.items() if _denies(flag))]
        reader.problems += [Problem(f"$.{name}", BESIDE, value) for name, value in told]
    return INVOICES.one(reader, body["data"], "$.data", asked=asked, given=given, beside=beside)


# None is documented. With an invoice beside it, one is no refusal, which would invite the caller to
# send the write again.
_FLAGS: Final = ("ok", "status", "succeeded", "success")


def _denies(flag: object) -> bool:
    return said(flag) in {Said.NO, Said.PARTLY}


# Names, without case and punctuation, by which services say that a list goes on. None is
# documented; but a list that is taken for whole proves that an invoice is not there.
_MORE: Final = frozenset({"hasmore", "hasnext", "hasnextpage", "istruncated", "more", "truncated"})
_NEXT: Final = frozenset(
    {
        "continuationtoken", "next", "nextcursor", "nextlink", "nextoffset", "nextpage",
        "nextpagetoken", "nexttoken", "nexturl",
    }
)  # fmt: skip
_ROWS: Final = frozenset(
    {"count", "total", "totalcount", "totalelements", "totalitems", "totalrecords", "totalresults"}
)
_PAGES: Final = frozenset({"lastpage", "pagecount", "pages", "totalpages"})


def _promises(told: Mapping[str, object], rows: int, path: str) -> Iterator[Problem]:
    """Yield what says beside a list that it has more rows than it shows."""
    for name, value in told.items():
        word, number = re.sub("[^a-z]", "", name.lower()), value if type(value) is int else 0
        goes_on = (
            (word in _MORE and value is True)
            or (word in _NEXT and isinstance(value, (str, int)) and bool(value))
            or (word in _ROWS and number > rows)
            or (word in _PAGES and number > 1)
        )
        if goes_on:
            reason = "the provider says that there are more rows than it shows"
            yield Problem(f"{path}.{name}", reason, value)
        elif isinstance(value, dict):
            yield from _promises(value, rows, f"{path}.{name}")


def _told_in_head(headers: Headers) -> dict[str, object]:
    """Return what the usual header fields say about pages, as a body would."""
    told: dict[str, object] = {}
    link, total = ", ".join(headers.get_all("link")), headers.get("x-total-count") or ""
    if re.search(r'\brel="?next\b', link):
        told["next"] = link
    if re.fullmatch(r"(?a)\d{1,9}", total):
        told["total"] = int(total)
    return told


def read_page(reader: ResponseReader) -> "Page":
    """Read the list, which is whole, that is the data of a response.

    Raises:
        ProtocolError: if there is none.
    """
    plain = _opened(reader, _read_many)
    payloads: Sequence[object]
    body: dict[str, object] = {}
    if plain is not None:
        payloads = plain.data
    else:
        body = _judged(reader)
        payloads = array_of(body["data"], "$.data")
    rows, problems = INVOICES.rows(reader, payloads, "$.data")
    beside = {name: value for name, value in body.items() if name != "data"}
    told = {**beside, **_told_in_head(reader.response.headers)}
    problems = (*problems, *_promises(told, len(payloads), "$"))
    page = model.Page(items=rows, is_whole=True, raw=with_whole_texts(body), problems=problems)
    if plain is not None:
        keep_body(page, reader.response.body.removeprefix(MARK))
    return page


def _opened(reader: ResponseReader, decode: Any) -> Any:  # what *decode* makes: a DataRecord
    """Open a body in the quick way; None where another look is needed."""
    try:
        return decode(reader.response.body.removeprefix(MARK))
    except MISFIT:
        return None


def _judged(reader: ResponseReader) -> dict[str, object]:
    """Read a body in the slow way.

    Raises:
        ProtocolError: if there is no payload.
    """
    body = reader.decode()
    if not isinstance(body.get("data"), (dict, list)):
        raise reader.no_payload()
    return body
