"""Whatever a server answers, only errors of ours come out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from _support.conversations import (
    INVOICE,
    REPLACEMENT,
    SAMPLE_UID,
    TENANT,
    UID,
    converse,
    enveloped,
    golden,
    invoice_payload,
)
from billingual.abc import Dialect
from billingual.dialects._kit.codec import decode_json
from billingual.dialects._kit.structure import _check_of, _converter
from billingual.dialects.exante import answers as exante
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant import records as tenant
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.dialects.v1.records import ReceiptRecord
from billingual.errors import BillingualError
from billingual.model import Changes, InvoiceSummary, Page, Query
from billingual.wire import Conversation, Headers, WireResponse

EXANTE = ExanteDialect()
BULK = BulkDialect()
KUKKINGU = TenantDialect(tenant=TENANT)
KATSU = V1Dialect(currencies={"USD": 1})
SENT = Changes(status="SENT")

CASES: dict[str, tuple[Dialect, Callable[[], Conversation[Any]], Any]] = {
    "get": (EXANTE, lambda: EXANTE.get(SAMPLE_UID), golden("exante_create")["response"]),
    "list": (
        EXANTE,
        lambda: EXANTE.list_page(Query(page=123)),
        golden("exante_list")["response"],
    ),
    "bulk": (
        BULK,
        lambda: BULK.update_many([(SAMPLE_UID, SENT)]),
        golden("exante_bulk_update")["response"],
    ),
    "delete": (BULK, lambda: BULK.delete_many([UID]), {"status": "success", "data": {}}),
    "tenant": (
        KUKKINGU,
        lambda: KUKKINGU.get(INVOICE),
        json.loads(json.dumps(golden("tenant_partial_update")["response"], default=float).encode()),
    ),
    "tenant list": (
        KUKKINGU,
        lambda: KUKKINGU.list_page(Query()),
        {"data": [{"id": INVOICE, "contract": {"id": "c", "client": {"id": "d"}}}]},
    ),
    "v1": (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        {"succeeded": True, "errors": None, "data": {"invoiceId": UID, "amount": 5}},
    ),
    "v1 bare": (
        KATSU,
        lambda: KATSU.replace(UID, REPLACEMENT),
        json.loads(json.dumps(golden("v1_update")["example"]["response"], default=float)),
    ),
}

ODD = st.sampled_from(
    [None, True, False, 0, -1, 2**70, 1.5, "", "x", "0001-01-01T00:00:00+23:59", [], {}, [[]]]
)
JSON = st.recursive(
    ODD | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "status_code", "data", "uid", "id", "items", "succeeded"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
STATUS = st.sampled_from([0, 100, 200, 200, 200, 204, 302, 400, 404, 429, 500, 999])
LABEL = st.sampled_from(["application/json", "text/html", "text/plain; charset=utf-16", "\x00"])


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List the way to every value inside a value."""
    pairs: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    return [path, *(deeper for key, each in pairs for deeper in paths(each, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """Copy a value with another one at *path*."""
    if not path:
        return new
    key, *rest = path
    twin = value.copy()
    twin[key] = replaced(value[key], tuple(rest), new)
    return twin


RECORDS: dict[str, tuple[type, Any]] = {
    "exante": (exante.InvoiceRecord, golden("exante_create")["response"]["data"]),
    "row": (exante.PageRecord, golden("exante_list")["response"]["data"]),
    "tenant": (tenant.InvoiceRecord, golden("tenant_partial_update")["response"]["data"]),
    "schema": (ReceiptRecord, {"invoiceId": UID, "amount": 5}),
    "example": (ReceiptRecord, golden("v1_update")["example"]["response"]),
}


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=200)
def test_the_quick_check_and_the_converter_agree(name: str, data: st.DataObject) -> None:
    """Both take the same payloads, and what the converter makes of one is the payload itself."""
    record, sample = RECORDS[name]
    sample = json.loads(json.dumps(sample, default=float))
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(paths(sample)))
        sample = replaced(sample, path, data.draw(ODD | JSON))
    payload = decode_json(json.dumps(sample).encode())
    fits = _check_of(record)(payload)

    if fits:
        assert payload == _converter().structure(payload, record)
    else:
        with pytest.raises((BaseExceptionGroup, TypeError)):
            _converter().structure(payload, record)


def survive(name: str, response: WireResponse) -> None:
    """Read an answer to the end; an error of any other family passes through and fails."""
    dialect, start, _ = CASES[name]
    try:
        converse(dialect, start(), response)
    except BillingualError as error:
        assert str(error)  # noqa: PT017 - which error it is does not matter here


@pytest.mark.parametrize("name", CASES)
@given(status=STATUS, label=LABEL, body=st.binary(max_size=200))
@settings(max_examples=40)
def test_random_bytes_end_in_our_errors(name: str, status: int, label: str, body: bytes) -> None:
    """Any bytes under any status and label are read or refused."""
    headers = Headers([("Content-Type", label), ("Retry-After", label)])
    survive(name, WireResponse(status=status, headers=headers, body=body))


@pytest.mark.parametrize("name", CASES)
@given(status=STATUS, value=JSON)
@settings(max_examples=60)
def test_random_json_ends_in_our_errors(name: str, status: int, value: object) -> None:
    """Any JSON made of the right names in the wrong places is read or refused."""
    survive(name, WireResponse(status=status, body=json.dumps(value).encode()))


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=80)
def test_a_mutated_sample_ends_in_our_errors(name: str, data: st.DataObject) -> None:
    """A documented answer with one odd value, or with bytes cut or changed, is read or refused."""
    sample = CASES[name][2]
    path = data.draw(st.sampled_from(paths(sample)))
    body = bytearray(json.dumps(replaced(sample, path, data.draw(ODD | JSON))).encode())
    if data.draw(st.booleans()) and body:
        spot = data.draw(st.integers(0, len(body) - 1))
        body[spot : spot + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=2))
    survive(name, WireResponse(status=200, body=bytes(body)))


@given(data=st.data())
def test_whatever_can_be_read_is_kept(data: st.DataObject) -> None:
    """After any one change that can be read, ``raw`` is the payload and ``extra`` is part of it."""
    payload = json.loads(json.dumps(invoice_payload()))
    name = data.draw(st.sampled_from([*payload, "new"]))
    payload[name] = data.draw(JSON.filter(lambda value: "." not in json.dumps(value)))
    body = json.dumps(enveloped({**payload, "uid": UID})).encode()
    try:
        invoice = converse(EXANTE, EXANTE.get(UID), WireResponse(status=200, body=body))
    except BillingualError:
        return

    assert {**payload, "uid": UID} == invoice.raw
    assert "new" not in payload or payload["new"] == invoice.extra["new"]


BROKEN_BYTES = [
    b"", b"\\", b"\\q", b"\\u12", b"\\ud800", b'"', b"\x01", b"\xff", b"{", b"]", b",", b":",
    b"0", b"-", b"e", b"E9", b".", b"1" * 31, b"[" * 65, b"nul",
]  # fmt: skip


def told(name: str, body: bytes) -> object:
    """Read an answer and everything of what it became; or return the error and its words."""
    dialect, start, _ = CASES[name]
    try:
        value = converse(dialect, start(), WireResponse(status=200, body=body))
    except BillingualError as error:
        return type(error), str(error), getattr(error, "path", None)
    rows = value.items if isinstance(value, Page) else value if isinstance(value, tuple) else ()
    return repr(value), value, getattr(value, "raw", None), [(row, row.raw) for row in rows]


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
@settings(max_examples=120)
def test_an_answer_means_the_same_whichever_reader_reads_it(name: str, data: st.DataObject) -> None:
    """What is read on first touch is what is read at once, and the same answers are refused.

    With a byte order mark before it, which means nothing, an answer is read at once.
    """
    sample = CASES[name][2]
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(paths(sample)))
        sample = replaced(sample, path, data.draw(ODD | JSON))
    body = json.dumps(sample, ensure_ascii=data.draw(st.booleans())).encode()
    if data.draw(st.booleans()):
        # What nobody asks for is passed over, but must be as sound as the rest.
        spot = data.draw(st.integers(0, len(body)))
        odd = data.draw(st.sampled_from(BROKEN_BYTES))
        body = body[:spot] + odd + body[spot + data.draw(st.integers(0, 2)) :]
    assume(not body.startswith(b"\xef\xbb\xbf"))

    assert told(name, b"\xef\xbb\xbf" + body) == told(name, body)


def test_documented_answers_are_read_on_first_touch() -> None:
    """The samples of the documentation take the quick way, so the rule above compares two ways."""
    for name in ("get", "list", "bulk", "tenant", "tenant list"):
        dialect, start, sample = CASES[name]
        body = json.dumps(sample).encode()
        value = converse(dialect, start(), WireResponse(status=200, body=body))
        if isinstance(value, Page):
            (value,) = value.items[:1]
        elif isinstance(value, tuple):
            (value,) = value[:1]

        assert pending(value) > 10
        assert "status" in repr(value)
        assert pending(value) <= 3


def pending(value: InvoiceSummary) -> int:
    """Count the attributes that nobody has read yet."""
    slots = [getattr(type(value), field.name) for field in attrs.fields(type(value))]
    return sum(not is_set(slot, value) for slot in slots)


def is_set(slot: Any, value: object) -> bool:
    """Look into a slot without filling it."""
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("name", ["get", "list", "bulk", "tenant", "tenant list"])
def test_an_empty_id_is_told_alike(name: str) -> None:
    """Whichever reader meets it, it is the id that is wrong, and not what comes of it."""
    sample = CASES[name][2]
    for path in paths(sample):
        if path[-1:] in {("uid",), ("id",)} and len(path) <= 4:
            body = json.dumps(replaced(sample, path, "")).encode()

            assert told(name, b"\xef\xbb\xbf" + body) == told(name, body)
