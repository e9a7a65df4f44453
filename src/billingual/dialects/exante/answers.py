"""What Exante answers with: one invoice, several, or a page of a list.

Each is read in one of two ways that mean the same: as plain JSON whose records are read on first
touch, or, where that fails or something stands beside the data, at once and with a word on what is
wrong.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

import msgspec

from billingual import model
from billingual.dialects._kit.http import Answer
from billingual.dialects._kit.records import MISFIT, page_of
from billingual.dialects.exante.envelope import (
    Envelope,
    Meta,
    PlainPage,
    beside_data,
    open_envelope,
)
from billingual.dialects.exante.records import FULL, ROW, InvoiceRecord, RowRecord

if TYPE_CHECKING:
    from billingual.model import Invoice, Page


class MetaRecord(TypedDict, total=False):
    """Where a page stands in its list."""

    page: int | None
    total_pages: int | None
    total_items: int | None


class _Listed(TypedDict):
    items: list[RowRecord]


class PageRecord(_Listed, total=False):
    """One page of a list; its links are never followed, so they are not read."""

    _meta: MetaRecord | None


def read_invoice(answer: Answer, *, asked: str | None = None) -> Invoice:
    """Read a full invoice that is the data of an answer.

    Args:
        answer: the answer.
        asked: the id that was asked for; None where the provider chooses it.

    Raises:
        ProtocolError: if it is not as documented, or is another invoice than the one asked for.
    """
    envelope, invoice = open_envelope(answer, needs_data=True), None
    if isinstance(envelope.plain, PlainPage):
        with suppress(*MISFIT):
            (invoice,) = FULL.deferred([envelope.plain_data])
    if invoice is None:
        body = envelope.body
        record = answer.record(body["data"], InvoiceRecord, "$.data")
        invoice = FULL.at_once(record, beside_data(body))
    answer.refuse_other(invoice.id.lower(), asked and asked.lower(), "$.data.uid")
    return invoice


def read_invoices(answer: Answer) -> tuple[Invoice, ...]:
    """Read full invoices that are the data of an answer.

    Raises:
        ProtocolError: if one is not as documented.
    """
    envelope = open_envelope(answer, needs_data=True)
    if isinstance(envelope.plain, list):
        with suppress(*MISFIT):
            invoices = FULL.deferred(envelope.plain)
            if all(each.id for each in invoices):
                return invoices
    body = envelope.body
    data, beside = body["data"], beside_data(body)
    if not isinstance(data, list):
        raise answer.unreadable("$.data", "there is no array of invoices")
    read = []
    for index, payload in enumerate(data):
        record = answer.record(payload, InvoiceRecord, f"$.data[{index}]")
        answer.refuse_other(record["uid"], None, f"$.data[{index}].uid")
        read.append(FULL.at_once(record, beside))
    return tuple(read)


def read_page(answer: Answer, number: int) -> Page:
    """Read one page of a list.

    Raises:
        ProtocolError: if it is not as documented, or is another page than *number*.
    """
    envelope = open_envelope(answer, needs_data=True)
    plain = envelope.plain
    if isinstance(plain, PlainPage) and plain.items is not msgspec.UNSET:
        meta = plain.meta or Meta()
        with suppress(*MISFIT):
            rows = ROW.deferred(plain.items)
            if meta.page in {None, number} and all(row.id for row in rows):
                return page_of(
                    answer.response.body,
                    items=rows,
                    number=number,
                    total_pages=meta.total_pages,
                    total_items=meta.total_items,
                )
    return _page_at_once(envelope, number)


def _page_at_once(envelope: Envelope, number: int) -> Page:
    answer, body = envelope.answer, envelope.body
    data = answer.record(body["data"], PageRecord, "$.data")
    meta = data.get("_meta") or MetaRecord()
    if meta.get("page") not in {None, number}:
        raise answer.unreadable(
            "$.data._meta.page",
            f"it is page {meta.get('page')}, but page {number} was asked for",
        )
    for index, row in enumerate(data["items"]):
        answer.refuse_other(row["uid"], None, f"$.data.items[{index}].uid")
    return model.Page(
        items=tuple([ROW.at_once(row, {}) for row in data["items"]]),
        number=number,
        total_pages=meta.get("total_pages"),
        total_items=meta.get("total_items"),
        raw=body,
    )
