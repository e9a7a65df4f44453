"""Whatever a server answers, only errors of ours come out."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import msgspec
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
from billingual.dialects._kit.decoding import (
    UnreadableError,
    decode_json,
    is_plain,
)
from billingual.dialects._kit.responses import RecordReader, ResponseReader
from billingual.dialects.exante import records as exante
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant import records as tenant
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1 import records as v1
from billingual.dialects.v1.dialect import V1Dialect
from billingual.errors import BillingualError, ProtocolError
from billingual.model import Changes, Page, Query
from billingual.wire import Conversation, Headers, WireResponse, with_whole_texts

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


RECORDS: dict[str, tuple[RecordReader[Any, Any], Any]] = {
    "invoice": (exante.INVOICES, golden("exante_create")["response"]["data"]),
    "row": (exante.ROWS, golden("exante_list")["response"]["data"]["items"][0]),
    "tenant": (tenant.INVOICES, golden("tenant_partial_update")["response"]["data"]),
    "expanded": (
        tenant.INVOICES,
        {"id": INVOICE, "contract": {"id": "c", "x": 1, "client": {"id": "d", "y": []}}},
    ),
    "schema": (v1.RECEIPTS, {"invoiceId": UID, "amount": 5}),
    "example": (v1.RECEIPTS, golden("v1_update")["example"]["response"]),
}
"""For each kind of record, what reads it and a documented payload."""


def with_floats(value: object) -> Any:
    """Copy a sample with floats for Decimals, so that it can be written."""
    return json.loads(json.dumps(value, default=float))


def reader_of(body: bytes) -> ResponseReader:
    """Return what reads a response with that body."""
    return ResponseReader("any", "GET", "/", (), WireResponse(status=200, body=body))


def all_of(record: RecordReader[Any, Any], payload: object, body: bytes) -> object:
    """Read a record and everything of it; or return the error and its words."""
    try:
        model = record.read(reader_of(body), payload, "$")
    except UnreadableError as error:
        return error.path, error.problem
    problems = [(each.path, each.reason, repr(each.value)) for each in model.problems]
    return repr(model), dict(model.extra), dict(model.raw), problems


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=200)
def test_a_record_means_the_same_whichever_way_it_is_read(name: str, data: st.DataObject) -> None:
    """The compiled decoder gives what reading field by field gives: model, extra, raw, problems."""
    record, sample = RECORDS[name]
    sample = with_floats(sample)
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(paths(sample)))
        sample = replaced(sample, path, data.draw(ODD | JSON))
    body = json.dumps(sample).encode()
    if b"\\ud8" in body:
        return  # The compiled decoder is never shown half of a surrogate pair.

    slowly, quickly = decode_json(body), msgspec.Raw(body)

    assert all_of(record, slowly, body) == all_of(record, quickly, body)


@pytest.mark.parametrize("name", RECORDS)
def test_documented_records_are_read_by_the_compiled_decoder(name: str) -> None:
    """The samples of the documentation take the quick way, so the rule above compares two ways."""
    record, sample = RECORDS[name]
    body = json.dumps(with_floats(sample)).encode()

    more = body[:-1] + b', "undocumented": 1}'
    left = iter([msgspec.Raw(body), msgspec.Raw(body), msgspec.Raw(more), msgspec.Raw(body)])
    read: list[Any] = []
    problems: list[Any] = []

    assert more == bytes(record._exactly(left, read, problems))
    assert 2 == len(read)
    assert [] == problems
    assert 1 == len(list(left))
    assert () == record._with_more(more).problems


BROKEN = {"nested deeper than 64": b"[" * 65 + b"]" * 65, "is not UTF-8": b'"\xff"'}


@pytest.mark.parametrize("problem", BROKEN)
@pytest.mark.parametrize("name", CASES)
def test_no_part_of_a_body_escapes_the_rules_of_json(name: str, problem: str) -> None:
    """Bytes that are no UTF-8, and deep nesting, are found in every place of a response.

    Above all in what a decoder has no field for, and so would skip.
    """
    dialect, start, sample = CASES[name]
    containers = [path for path in paths(sample) if isinstance(at(sample, path), dict)]
    for path in containers:
        odd = replaced(sample, path, at(sample, path) | {"undocumented": "HERE"})
        body = json.dumps(odd).encode().replace(b'"HERE"', BROKEN[problem])
        with pytest.raises(ProtocolError, match=problem):
            converse(dialect, start(), WireResponse(status=200, body=body))
    for path in paths(sample):
        body = json.dumps(replaced(sample, path, "HERE")).encode()
        body = body.replace(b'"HERE"', BROKEN[problem])
        with pytest.raises(ProtocolError, match=problem):
            converse(dialect, start(), WireResponse(status=200, body=body))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at *path*."""
    for key in path:
        value = value[key]
    return value


@given(st.text(st.sampled_from('[]{}"\\a'), max_size=200))
def test_brackets_in_texts_nest_nothing(text: str) -> None:
    """However many brackets are in texts, the compiled decoder may read them."""
    assert is_plain(json.dumps({"a": [text], text: "]" * 200, "b": text + "{" * 200}).encode())


@pytest.mark.parametrize("name", RECORDS)
@given(data=st.data())
@settings(max_examples=150)
def test_no_field_but_the_id_costs_the_record(name: str, data: st.DataObject) -> None:
    """Any two values replaced by any JSON are read or told; what others hold is as it was."""
    record, sample = RECORDS[name]
    odd = sample = with_floats(sample)
    spots = [each for each in paths(sample) if each and each != (KEYS[name],)]
    changed = set()
    for path in data.draw(st.lists(st.sampled_from(spots), min_size=1, max_size=2)):
        if path in paths(odd):  # The first one may have replaced what held the second.
            odd = replaced(odd, path, data.draw(ODD | JSON))
            changed.add(path[0])
    whole, model = read_of(record, sample), read_of(record, odd)
    others = read_of(record, {name: each for name, each in sample.items() if name not in changed})
    for attribute in {each.name for each in attrs.fields(type(model))} - {
        "extra",
        "raw",
        "problems",
    }:
        before = getattr(whole, attribute)

        assert getattr(model, attribute) == before or getattr(others, attribute) != before
    for problem in model.problems:
        assert problem.path.startswith(tuple(f"$.{each}" for each in changed))
    assert json.loads(json.dumps(with_whole_texts(odd)), parse_float=Decimal) == model.raw


def read_of(record: RecordReader[Any, Any], payload: object) -> Any:
    """Read a record that JSON holds."""
    body = json.dumps(payload).encode()
    return record.read(reader_of(body), decode_json(body, half_surrogates=True), "$")


KEYS = {
    "invoice": "uid", "row": "uid", "tenant": "id", "expanded": "id", "schema": "invoiceId",
    "example": "invoiceId",
}  # fmt: skip


def survive(name: str, response: WireResponse) -> None:
    """Read a response to the end; an error of any other family passes through and fails."""
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
    """A documented response with one odd value, or with changed bytes, is read or refused."""
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
    """Read a response and everything of what it became; or return the error and its words."""
    dialect, start, _ = CASES[name]
    try:
        value = converse(dialect, start(), WireResponse(status=200, body=body))
    except BillingualError as error:
        return type(error), str(error), getattr(error, "path", None)
    rows = value.items if isinstance(value, Page) else value if isinstance(value, tuple) else ()
    return repr(value), value, getattr(value, "raw", None), [(row, row.raw) for row in rows]


PLAIN, BRACKETS = "(" * 200, "[" * 200


@pytest.mark.parametrize("name", ["get", "list", "bulk", "tenant", "tenant list"])
@given(data=st.data())
@settings(max_examples=120)
def test_a_response_means_the_same_whichever_reader_reads_it(
    name: str, data: st.DataObject
) -> None:
    """A text full of brackets, which might be deep nesting, sends a body to the slow reader."""
    sample = CASES[name][2]
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(paths(sample)))
        sample = replaced(sample, path, data.draw(ODD | JSON))
    body = json.dumps(sample, ensure_ascii=data.draw(st.booleans())).encode()
    if data.draw(st.booleans()):
        # What is not asked for is passed over, but must be as sound as the rest.
        spot = data.draw(st.integers(0, len(body)))
        odd = data.draw(st.sampled_from(BROKEN_BYTES))
        body = body[:spot] + odd + body[spot + data.draw(st.integers(0, 2)) :]
    assume(body.startswith(b'{"'))
    quick = told(name, b'{"zz":"%s",' % PLAIN.encode() + body[1:])
    slow = told(name, b'{"zz":"%s",' % BRACKETS.encode() + body[1:])

    assert repr(slow).replace(BRACKETS, PLAIN) == repr(quick)
