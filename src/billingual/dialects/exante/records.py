"""Exante's responses, field by field as documented, and their translation to our models.

A response is ``{status, status_code, message, data}``. Sibling pages leave out ``status_code``, or
say ``success: true`` instead of a status; one says ``skipped: true`` with a ``reason`` where it did
nothing; https://docs.exante.app/api-reference/invoices/bulk-delete calls ``data`` optional.

Source: https://docs.exante.app/api-reference/invoices/create and ``/list``, read 2026-11.
"""

# Annotations are not left as text here: each would be compiled again for each decoder of a record.

import functools
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, Struct

from billingual import model
from billingual.dialects._kit.decoding import (
    MARK,
    UnreadableError,
    as_it_came,
    decode_part,
    is_plain,
)
from billingual.dialects._kit.fields import (
    Moment,
    Number,
    Shallow,
    Unnamed,
    Whole,
    array_of,
    lenient,
)
from billingual.dialects._kit.responses import (
    BESIDE,
    COMPILING,
    METHODS,
    MISFIT,
    STATUSES,
    RecordReader,
    ResponseReader,
    Said,
    UnfrozenMoney,
    collection_method_of,
    decimal_of,
    doubts,
    error_class,
    exact,
    keep_body,
    money_of,
    nothing_of,
    said,
    status_of,
)
from billingual.dialects.exante.requests import KINDS
from billingual.errors import RejectedError
from billingual.model import (
    Contact,
    CustomField,
    Invoice,
    InvoiceSummary,
    Kind,
    LineItem,
    Money,
    Party,
    Problem,
)
from billingual.model.payload import payload_of
from billingual.wire import unfrozen, with_whole_texts

D = TypeVar("D")


class ContactRecord(Struct, gc=False):
    """The person to write to at a party."""

    uid: str | None = None
    party_uid: str | None = None
    name: str | None = None
    title: str | None = None
    email: str | None = None
    phone: str | None = None


class PartyRecord(Struct, gc=False):
    """A client or a service provider."""

    uid: str | None = None
    name: str | None = None
    address: str | None = None
    role: str | None = None
    billing_contact: ContactRecord | None = None


class PartiesRecord(Struct, gc=False, forbid_unknown_fields=True):
    """Both sides of an invoice; rows of a list show the client alone.

    Another party is no part of the model; that none is forgotten, parties with one are read
    leniently.
    """

    client: PartyRecord | None = None
    service_provider: PartyRecord | None = None


class LineRecord(Struct, gc=False):
    """One line; prices are whole minor units."""

    uid: str | None = None
    invoice_uid: str | None = None
    context_type_uid: str | None = None
    context_type: str | None = None
    context_name: str | None = None
    currency: str | None = None
    quantity: Number = None
    unit_price: Whole | None = None
    line_total: Whole | None = None


class FieldValueRecord(Struct, gc=False):
    """The value of a custom field."""

    type: str | None = None
    original_type: str | None = None
    value: object = None


class FieldRecord(Struct, gc=False):
    """A custom field: an entry of an array here, a member of an object in requests."""

    key: str
    value: FieldValueRecord | None = None


class RowRecord(Struct, gc=False):
    """What a row of a list and a full invoice have in common, in the order of a row.

    The decoder looks for each name behind the one before, so another order costs a tenth more.
    """

    uid: str
    parent_contract: Unnamed = UNSET
    subtotal_cents: Whole | None = None
    discount_cents: Whole | None = None
    tax_cents: Whole | None = None
    total: Unnamed = UNSET
    total_cents: Whole | None = None
    pre_payment_credit_notes_cents: Unnamed = UNSET
    amount_due_cents: Whole | None = None
    amount_paid_cents: Whole | None = None
    amount_remaining_cents: Whole | None = None
    overdue_days: Whole | None = None
    issue_date: Moment | None = None
    due_date: Moment | None = None
    paid_date: Moment | None = None
    invoice_number: str | None = None
    document_uid: str | None = None
    status: str | None = None
    collection_method: str | None = None
    blueprint: Unnamed = UNSET
    parties: PartiesRecord | None = None


class InvoiceRecord(RowRecord, gc=False):
    """An invoice in full."""

    invoice_type: str | None = None
    currency: str | None = None
    invoice_link: str | None = None
    invoice_blueprint_uid: str | None = None
    target_party_uid: str | None = None
    age: Unnamed = UNSET
    has_comments: Unnamed = UNSET
    line_items: list[LineRecord] | None = None
    invoice_fields: list[FieldRecord] | None = None
    integrations: Unnamed = UNSET
    invoice_notes: dict[str, object] | None = None
    comments: Unnamed = UNSET


class MetaRecord(Struct, gc=False):
    """The place of a page in its list."""

    page: Whole | None = None
    total_pages: Whole | None = None
    total_items: Whole | None = None
    per_page: object = None


class PageRecord(Struct, gc=False, rename={"meta": "_meta", "links": "_links"}):
    """One page of a list; its links are never followed."""

    items: list[Raw]
    meta: MetaRecord | None = None
    links: object = None


class EnvelopeRecord(Struct, Generic[D], gc=False, forbid_unknown_fields=True):
    """An envelope as it is nearly always: it has data, and nothing that is not documented."""

    data: D
    status: str | None = None
    status_code: Whole | None = None
    success: bool | None = None
    message: Shallow = None


class OpenEnvelopeRecord(EnvelopeRecord[D], Generic[D], gc=False, forbid_unknown_fields=False):
    """An envelope with more in it, which only ``raw`` of a page has a place for."""


_Row: Final = unfrozen(InvoiceSummary)
_Invoice: Final = unfrozen(Invoice)
_Party: Final = unfrozen(Party)
_Contact: Final = unfrozen(Contact)
_Line: Final = unfrozen(LineItem)
_Field: Final = unfrozen(CustomField)
# Most quantities are one of a few numbers, and to find one takes a third as long as to make it.
_count: Final = functools.lru_cache(maxsize=256)(Decimal)
_NOTHING: Final = nothing_of(None)
_KINDS: Final = {wire: Kind(word) for word, wire in KINDS.items()}


def row_from(
    record: RowRecord,
    begin: Any = _Row,
    currency: str | None = None,
    nothing: Money = _NOTHING,
) -> Any:
    """Make the draft of a row, or begin that of a full invoice, which has all that a row has.

    The amounts of a row carry no currency, because the provider states none.
    """
    draft = begin()
    draft.id = record.uid
    draft.number = record.invoice_number
    word = record.status
    draft.status = STATUSES.get(word) or status_of(word)
    draft.issued_at, draft.due_at = record.issue_date, record.due_date
    draft.paid_at = record.paid_date
    draft.currency = currency
    # Money that nearly every record needs is made in place: a call takes half as long again.
    whole = cents = record.total_cents
    if cents:
        draft.total = total = UnfrozenMoney()
        total.minor, total.currency = cents, currency
        total.__class__ = Money
    else:
        draft.total = total = nothing if cents == 0 else None
    cents = record.subtotal_cents
    if cents:
        draft.subtotal = money = UnfrozenMoney()
        money.minor, money.currency = cents, currency
        money.__class__ = Money
    else:
        draft.subtotal = nothing if cents == 0 else None
    cents = record.discount_cents
    if cents:
        draft.discount = money = UnfrozenMoney()
        money.minor, money.currency = cents, currency
        money.__class__ = Money
    else:
        draft.discount = nothing if cents == 0 else None
    cents = record.tax_cents
    if cents:
        draft.tax = money = UnfrozenMoney()
        money.minor, money.currency = cents, currency
        money.__class__ = Money
    else:
        draft.tax = nothing if cents == 0 else None
    # Most of what is due, paid or open is the total or nothing. Equal amounts share one object,
    # because to compare two numbers costs a tenth of making money.
    cents = record.amount_due_cents
    draft.amount_due = total if cents == whole else money_of(cents, currency)
    cents = record.amount_paid_cents
    draft.amount_paid = (
        total if cents == whole else nothing if cents == 0 else money_of(cents, currency)
    )
    cents = record.amount_remaining_cents
    draft.amount_remaining = (
        total if cents == whole else nothing if cents == 0 else money_of(cents, currency)
    )
    draft.overdue_days = record.overdue_days
    word = record.collection_method
    draft.collection_method = METHODS.get(word) or collection_method_of(word)
    draft.document = record.document_uid
    draft.problems = ()
    parties = record.parties
    draft.counterparty = None if parties is None else party_from(parties.client)
    return draft


def invoice_from(record: InvoiceRecord) -> Invoice:
    """Make the draft of a full invoice."""
    currency, parties = record.currency, record.parties
    invoice = row_from(record, _Invoice, currency, nothing_of(currency))
    if invoice.counterparty is None and record.target_party_uid is not None:
        invoice.counterparty = Party(id=record.target_party_uid)
    kind, notes = record.invoice_type, record.invoice_notes or {}
    lines, fields = record.line_items or (), record.invoice_fields or ()
    invoice.kind = None if kind is None else _KINDS.get(kind) or Kind(kind)
    invoice.created_at = invoice.updated_at = None
    invoice.link = record.invoice_link
    invoice.seller = None if parties is None else party_from(parties.service_provider)
    invoice.blueprint = record.invoice_blueprint_uid
    invoice.lines = tuple([line_from(each) for each in lines])
    invoice.fields = tuple([field_from(each) for each in fields])
    for text in notes.values():
        if type(text) is not str:
            notes = {name: text for name, text in notes.items() if isinstance(text, str)}
            break
    invoice.notes = notes
    invoice.exchange_rate = None
    made: Invoice = invoice
    return made


def party_from(record: PartyRecord | None) -> Party | None:
    """Make the model of a party."""
    if record is None:
        return None
    party, person, contact = _Party(), record.billing_contact, None
    if person is not None:
        contact = _Contact()
        contact.id, contact.name, contact.title = person.uid, person.name, person.title
        contact.email, contact.phone = person.email, person.phone
        contact.__class__ = Contact
    party.id, party.name, party.address = record.uid, record.name, record.address
    party.role, party.contact = record.role, contact
    party.__class__ = Party
    made: Party = party
    return made


def line_from(record: LineRecord) -> LineItem:
    """Make the model of a line."""
    # A line without a currency of its own gets none: the invoice's would be a guess.
    line, currency, quantity = _Line(), record.currency, record.quantity
    line.id, line.kind, line.name = record.uid, record.context_type, record.context_name
    line.quantity = (
        _count(quantity) if type(quantity) is int else decimal_of(quantity, "line_items")
    )
    whole = cents = record.line_total
    if cents:
        line.total = total = UnfrozenMoney()
        total.minor, total.currency = cents, currency
        total.__class__ = Money
    else:
        line.total = total = money_of(cents, currency)
    cents = record.unit_price
    if cents == whole:
        line.unit_price = total
    elif cents:
        line.unit_price = money = UnfrozenMoney()
        money.minor, money.currency = cents, currency
        money.__class__ = Money
    else:
        line.unit_price = money_of(cents, currency)
    line.product_id = None
    line.__class__ = LineItem
    made: LineItem = line
    return made


def field_from(record: FieldRecord) -> CustomField:
    """Make the model of a custom field."""
    field, value = _Field(), record.value
    if value is None:
        value = FieldValueRecord()
    field.key, field.value = record.key, value.value
    field.type, field.original_type = value.type or "string", value.original_type
    field.__class__ = CustomField
    made: CustomField = field
    return made


def _left_of_row(given: Mapping[str, Any], _: InvoiceSummary) -> dict[str, object]:
    return _rest("parties", given.get("parties"), ("client",))


def _left_of_invoice(given: Mapping[str, Any], invoice: Invoice) -> dict[str, object]:
    left: dict[str, object] = {}
    if "parties" in given:
        left = _rest("parties", given["parties"], ("client", "service_provider"))
    notes = given.get("invoice_notes")
    if notes is not invoice.notes and notes != invoice.notes:
        left |= _rest("invoice_notes", notes, invoice.notes)
    target, client = given.get("target_party_uid"), invoice.counterparty
    if target is not None and (client is None or client.id != target):
        left["target_party_uid"] = target
    return left


def _rest(name: str, whole: object, read: Container[str]) -> dict[str, object]:
    """Return what of a known field has no name of its own in the models, under the field's."""
    if not isinstance(whole, dict):
        return {}
    left = {key: value for key, value in whole.items() if key not in read and value is not None}
    return {name: left} if left else {}


ROWS: Final = RecordReader(
    RowRecord, row_from, becomes=InvoiceSummary, left=_left_of_row, any_case=True
)
INVOICES: Final = RecordReader(
    InvoiceRecord,
    invoice_from,
    becomes=Invoice,
    watched=("invoice_notes", "target_party_uid"),
    left=_left_of_invoice,
    any_case=True,
)

_Envelope: Any = EnvelopeRecord  # of a type that is made here, so no type checker knows it


# A program gets few of these, so none is made before its first response.
@functools.cache
def _read_body() -> Callable[[bytes], InvoiceRecord]:
    with COMPILING:
        decode = msgspec.json.Decoder(_Envelope[exact(InvoiceRecord)], float_hook=as_it_came).decode

    def read(body: bytes) -> InvoiceRecord:
        plain = decode(body)
        if not _says_yes(plain):
            raise UnreadableError("$", "it does not plainly say yes")
        record: InvoiceRecord = plain.data
        return record

    return read


def _raw_in_body(invoice: Invoice) -> object:
    return decode_part(payload_of(invoice))["data"]


@functools.cache
def _read_one() -> Any:
    with COMPILING:
        return msgspec.json.Decoder(EnvelopeRecord[Raw]).decode


def _text_in_body(invoice: Invoice) -> bytes:
    return bytes(_read_one()(payload_of(invoice)).data)


_IN_BODY: Final = {"raw": _raw_in_body, "text": _text_in_body}


@functools.cache
def read_many() -> Any:
    """Make the decoder of the response to a batch."""
    with COMPILING:
        return msgspec.json.Decoder(EnvelopeRecord[list[Raw]]).decode


HEAD: Final = {
    "status": "status",
    "number": "invoice_number",
    "issued_at": "issue_date",
    "due_at": "due_date",
    "paid_at": "paid_date",
    "collection_method": "collection_method",
    "currency": "currency",
}
"""The fields in the head of an invoice that a batch can change, by our names."""


@functools.cache
def _read_heads() -> Any:
    # It has all fields that are documented, so that no complaint among them is passed over.
    read = {"uid", *HEAD.values()}
    field: Any = msgspec.field  # As in *exact*.
    fields = [
        (each.name, each.type if each.name in read else Raw, field(default=each.default))
        for each in msgspec.structs.fields(InvoiceRecord)
    ]
    head = msgspec.defstruct(
        "HeadRecord", fields, forbid_unknown_fields=True, gc=False, kw_only=True
    )
    with COMPILING:
        return msgspec.json.Decoder(_Envelope[list[head]]).decode  # type: ignore[valid-type]


def read_heads(reader: ResponseReader) -> list[Any]:
    """Read what is in :data:`HEAD` of the invoices of a batch; none where that takes another look.

    It takes a tenth of the time in which invoices are read.
    """
    # What is skipped has to keep the rules too.
    if not is_plain(reader.response.body.removeprefix(MARK)):
        return []
    plain = opened(reader, _read_heads)
    return [] if plain is None else cast("list[Any]", plain.data)


@functools.cache
def _read_page() -> Any:
    with COMPILING:
        return msgspec.json.Decoder(_Envelope[exact(PageRecord)]).decode


@functools.cache
def _read_page_with_more() -> Any:
    with COMPILING:
        return msgspec.json.Decoder(OpenEnvelopeRecord[PageRecord]).decode


_OWN: Final = frozenset({"status", "status_code", "success", "message", "data"})


def read_invoice(
    reader: ResponseReader, asked: str | None = None, given: Mapping[str, object] | None = None
) -> Invoice:
    """Read a full invoice that is the data of a response.

    Args:
        reader: the response.
        asked: the id that was asked for; None where the provider chooses it.
        given: what a write asked for.

    Raises:
        ProviderError: if the envelope says no, or the invoice is another than the one asked for.
    """
    invoice = INVOICES.in_body(reader, _read_body(), _IN_BODY, "$.data", asked=asked, given=given)
    if invoice is not None:
        return invoice
    plain = opened(reader, _read_one)
    if plain is not None:
        return INVOICES.one(reader, plain.data, "$.data", asked=asked, given=given)
    data, beside = judged(reader)
    return INVOICES.one(reader, data, "$.data", asked=asked, given=given, beside=beside)


def read_page(reader: ResponseReader, number: int) -> model.Page:
    """Read one page of a list.

    Raises:
        ProviderError: if the envelope says no, or it is another page than *number*.
    """
    plain = opened(reader, _read_page, _read_page_with_more)
    payloads: Sequence[object]
    body: dict[str, object] = {}
    if plain is not None:
        payloads, meta = plain.data.items, plain.data.meta or MetaRecord()
    else:
        data, _ = judged(reader)
        payloads, meta = _page_of(reader, data)
        body = reader.decode()
    if meta.page not in {None, number}:
        raise reader.unreadable(
            "$.data._meta.page", f"it is page {meta.page}, but page {number} was asked for"
        )
    rows, problems = ROWS.rows(reader, payloads, "$.data.items")
    page = model.Page(
        items=rows,
        number=number,
        total_pages=meta.total_pages,
        total_items=meta.total_items,
        raw=with_whole_texts(body),
        problems=problems,
    )
    if plain is not None:
        keep_body(page, reader.response.body.removeprefix(MARK))
    return page


# Names, without case and punctuation, by which services say what of a batch was deleted, and what
# was not. None is documented.
_DELETED: Final = frozenset(
    {
        "affected", "affectedrows", "deleted", "deletedcount", "deletedids", "numdeleted",
        "removed", "removedcount", "succeeded", "succeededcount", "successcount", "totaldeleted",
    }
)  # fmt: skip
_NOT_DELETED: Final = frozenset(
    {
        "error", "errorcount", "errors", "failed", "failedcount", "failedids", "failurecount",
        "failures", "ignored", "missing", "notdeleted", "notfound", "rejected", "skipped",
        "skippedcount",
    }
)  # fmt: skip
_FLAGS: Final = frozenset({"deleted", "ok", "status", "succeeded", "success"})


def _not_deleted(told: object, asked: int, path: str) -> Iterator[tuple[str, object]]:
    """Yield the path and value of what says that less than *asked* invoices were deleted."""
    if isinstance(told, list):
        if 0 < len(told) < asked and all(isinstance(each, (dict, str)) for each in told):
            yield path, told
        for index, each in enumerate(told):
            yield from _not_deleted(each, 1, f"{path}[{index}]")
    for name, value in told.items() if isinstance(told, dict) else ():
        word = re.sub("[^a-z]", "", name.lower())
        done = len(value) if isinstance(value, (dict, list)) else value
        if (
            (word in _NOT_DELETED and value)
            or (word in _DELETED and type(done) is int and done < asked)
            or (word in _FLAGS and said(value) in {Said.NO, Said.PARTLY})
        ):
            yield f"{path}.{name}", value


def read_deletion(reader: ResponseReader, asked: int) -> None:
    """Read the response to a deletion of *asked* invoices, which needs no data.

    Raises:
        ProviderError: if the envelope says no, or does not clearly say yes.
    """
    if reader.response.status in {204, 205}:
        return
    body = reader.decode()
    meaning = _judge(reader, body)
    if body.get("skipped") is True:
        # With a payload, the caller sees it there. Here only this error can tell.
        raise reader.refusal(RejectedError)
    if meaning is not Said.YES and body.get("status"):
        raise reader.unreadable(
            "$.status", "it is no word that is known to mean success", doubtful=True
        )
    # There is no invoice to hold a problem, and some may be deleted: nowhere is it said that a
    # batch is deleted as a whole or not at all.
    for part, path in ((body, "$"), (body.get("data"), "$.data")):
        for where, told in _not_deleted(part, asked, path):
            from billingual.dialects._kit.complaint import complaint_in  # noqa: PLC0415 - rare

            problem = "the provider says that not all was deleted"
            raise reader.unreadable(where, problem, complaint=complaint_in(told), doubtful=True)


def opened(
    reader: ResponseReader,
    decode: Callable[[], Any],
    with_more: Callable[[], Any] | None = None,
) -> Any:  # what *decode* reads: an EnvelopeRecord
    """Open an envelope that plainly says yes in the quick way; None where it takes another look.

    Args:
        reader: the response.
        decode: returns a decoder that skips nothing.
        with_more: returns one that skips what is not documented.
    """
    body = reader.response.body.removeprefix(MARK)
    try:
        plain = decode()(body)
    except MISFIT:
        if with_more is None or not is_plain(body):
            return None
        try:
            plain = with_more()(body)
        except MISFIT:
            return None
    if isinstance(plain.data, Raw) and bytes(memoryview(plain.data)[:1]) != b"{":
        return None
    return plain if _says_yes(plain) else None


def _says_yes(plain: EnvelopeRecord[Any]) -> bool:
    # Some sibling pages leave the status out; what is not there says nothing.
    status, code = plain.status, plain.status_code
    says_yes = (status is None or said(status) is Said.YES) and plain.success is not False
    return says_yes and (code is None or 100 <= code < 400)


def judged(reader: ResponseReader) -> tuple[object, dict[str, object]]:
    """Open an envelope in the slow way: return its data, and the members beside it.

    Raises:
        ProviderError: if the envelope says no, or there is no payload.
    """
    body = reader.decode()
    meaning = _judge(reader, body)
    data = body.get("data")
    if not isinstance(data, (dict, list)):
        raise reader.no_payload()
    if reader.writes:
        reader.problems += [Problem(f"$.{name}", BESIDE, doubt) for name, doubt in doubts(body)]
    # A word that does not plainly say yes is kept for the caller, with the message beside it.
    own = _OWN if meaning is Said.YES or not body.get("status") else {"data"}
    return data, {name: value for name, value in body.items() if name not in own}


class _Told(Struct):
    """What an envelope says about its data."""

    status: Unnamed = None
    status_code: Whole | None = None
    success: bool | None = None


def _judge(reader: ResponseReader, body: dict[str, object]) -> Said:
    """Tell what an envelope says.

    Raises:
        ProviderError: if it says no.
        ProtocolError: if it says both yes and no to a write, which may then have happened.
    """
    told = lenient(_Told, body, "$", reader.problems)
    code, status = told.status_code, told.status
    if status is not None and not isinstance(status, (str, bool)):
        reader.problems.append(Problem("$.status", "it is no text", status))
    says = {said(status), said(body.get("success"))}
    kind = error_class(code) if code is not None and 400 <= code <= 599 else None
    if kind is not None or Said.NO in says:
        if reader.writes and Said.YES in says:
            raise reader.unreadable("$", "the envelope says both yes and no", doubtful=True)
        raise reader.refusal(kind or RejectedError, None if kind is None else code)
    if code is not None and not 100 <= code <= 599:
        reader.problems.append(Problem("$.status_code", "it is no HTTP status", code))
    if Said.PARTLY in says:
        problem = "the provider says that it did only a part"
        reader.problems.append(Problem("$.status", problem, status))
        return Said.PARTLY
    return Said.YES if Said.YES in says else Said.NOTHING


def _page_of(reader: ResponseReader, data: object) -> tuple[Sequence[object], MetaRecord]:
    """Take a page apart leniently."""
    given = data if isinstance(data, dict) else {}
    told, meta = given.get("_meta"), MetaRecord()
    if isinstance(told, dict):
        meta = lenient(MetaRecord, told, "$.data._meta", reader.problems)
    elif told not in (None, []):
        reader.problems.append(Problem("$.data._meta", "it is no object", told))
    items = given.get("items")
    if items is None and meta.total_items == 0:
        # Go writes an empty list as null, or leaves it out. Where nothing says that there are no
        # rows, it may be that they are lost.
        return (), meta
    return array_of(items, "$.data.items"), meta
