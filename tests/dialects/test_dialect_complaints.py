"""What a provider says is wrong reaches the caller from any common shape, in bounded work."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _support.conversations import INVOICE, REPLACEMENT, UID, asked, read, response
from _support.readings import BULK, EXANTE, KATSU, KUKKINGU
from billingual import AsyncClient, Client, LockedError, MemoryTransport
from billingual.dialects._kit.complaint import (
    _FIELD_WORDS,
    _LISTS,
    _WORDS,
    complaint_of,
    complaints_of,
)
from billingual.errors import InvalidRequestError, ProviderError, RejectedError
from billingual.model import Changes, Draft, Invoice, Status
from billingual.wire import WireResponse

SHAPES: dict[str, tuple[object, str, dict[str, str]]] = {
    "xero": (
        {"ErrorNumber": 10, "Type": "ValidationException",
         "Message": "A validation exception occurred",
         "Elements": [{"InvoiceID": "x", "ValidationErrors": [
             {"Message": "Invoice Type must be specified"}]}]},
        "A validation exception occurred: Invoice Type must be specified", {},
    ),
    "languages": (
        {"error": {"code": "E1", "message": {"en": "it is late", "de-CH": "zu spät"}}},
        "it is late: zu spät: E1", {},
    ),
    "no language": ({"error": {"code": "E1", "details": {"id": "x", "no": 5}}}, "E1", {}),
    "array of strings": (["one is wrong", "two is wrong"], "one is wrong: two is wrong", {}),
    "errors as strings": ({"Errors": ["a", "b"]}, "a: b", {}),
    "laravel": (
        {"message": "The data was invalid.", "errors": {"invoice_number": ["is taken", "is odd"]}},
        "The data was invalid.: invoice_number: is taken, is odd", {"number": "is taken, is odd"},
    ),
    "spring": (
        {"timestamp": "2026-01-01", "status": 400, "error": "Bad Request", "path": "/api/invoices",
         "errors": [{"objectName": "invoice", "field": "dueDate", "defaultMessage": "must be later",
                     "rejectedValue": "2020", "codes": ["x"], "arguments": [{"code": "y"}]}]},
        "Bad Request: dueDate: must be later", {"due_at": "must be later"},
    ),
    "django": (
        {"invoice_number": ["This field is required."], "non_field_errors": ["Not so."]},
        "invoice_number: This field is required.: Not so", {"number": "This field is required"},
    ),
    "django nested": (
        {"lines": [{"quantity": ["too many"]}]}, "lines: quantity: too many",
        {"quantity": "too many", "lines": "quantity: too many"},
    ),
    "odata": (
        {"error": {"code": "", "message": {"lang": "en-US", "value": "The field is wrong"}}},
        "The field is wrong", {},
    ),
    "odata inner": (
        {"odata.error": {"message": {"value": "Outer"}, "innererror": {"message": "Inner"}}},
        "Outer: Inner", {},
    ),
    "graphql": (
        {"errors": [{"message": "is taken", "path": ["createInvoice", "invoiceNumber"],
                     "locations": [{"line": 1}], "extensions": {"code": "BAD_USER_INPUT"}}]},
        "createInvoice.invoiceNumber: is taken: BAD_USER_INPUT",
        {"createInvoice.number": "is taken"},
    ),
    "rfc 9457": (
        {"type": "about:blank", "title": "Not valid", "detail": "Two are wrong", "status": 422,
         "errors": [{"detail": "must be positive", "pointer": "#/amount"}],
         "invalid-params": [{"name": "due_date", "reason": "is past"}]},
        "Two are wrong: Not valid: amount: must be positive: due_date: is past",
        {"amount": "must be positive", "due_at": "is past"},
    ),
    "json api": (
        {"errors": [{"title": "Invalid", "detail": "is taken",
                     "source": {"pointer": "/data/attributes/invoice_number"}}]},
        "invoice_number: is taken: Invalid", {"number": "is taken"},
    ),
    "google": (
        {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Bad", "details": [
            {"@type": "x", "fieldViolations": [{"field": "DueDate", "description": "is past"}]}]}},
        "Bad: DueDate: is past", {"due_at": "is past"},
    ),
    "stripe": (
        {"error": {"message": "No such customer", "param": "target_party_uid", "code": "missing"}},
        "target_party_uid: No such customer: missing", {"counterparty": "No such customer"},
    ),
    "asp.net": (
        {"title": "One or more validation errors occurred.", "status": 400, "traceId": "00-1",
         "errors": {"DueDate": ["The DueDate field is required."]}},
        "One or more validation errors occurred.: DueDate: The DueDate field is required",
        {"due_at": "The DueDate field is required"},
    ),
    "asp.net, of json": (
        {"title": "Not valid", "errors": {"$.due_date": ["is no date"], "$.lines[0].note": ["no"]}},
        "Not valid: $.due_date: is no date: $.lines[0].note: no",
        {"due_at": "is no date", "lines[0].note": "no"},
    ),
    "ajv": (
        {"message": "Not valid", "validation": [
            {"instancePath": "/due_date", "keyword": "format", "message": "must match format"},
            {"instancePath": "", "keyword": "required", "message": "must have a currency"}]},
        "Not valid: due_date: must match format: must have a currency",
        {"due_at": "must match format"},
    ),
    "oauth": (
        {"error": "invalid_token", "error_description": "It expired"},
        "invalid_token: It expired", {},
    ),
    "jsend": (
        {"status": "fail", "data": {"due_date": "is past"}}, "due_date: is past",
        {"due_at": "is past"},
    ),
    "by index": (
        {"errors": {"0": {"due_date": ["is past"]}, "base": ["no"]}}, "due_date: is past: no",
        {"due_at": "is past"},
    ),
    "a type alone": ({"error": {"type": "api_error"}}, "", {}),
    "a trace alone": ({"errors": {"traceId": "00-1", "type": "x"}, "details": {}}, "", {}),
    "capitals": ({"ERROR": {"MESSAGE": "NO"}}, "NO", {}),
    "within data": ({"data": {"errors": [{"msg": "no"}]}}, "no", {}),
}  # fmt: skip


def refused(body: object, status: int = 422) -> ProviderError:
    """Read a refusal of a create at Exante."""
    draft = Draft(counterparty=UID, owner=UID, document=UID, number="N", due_at="2026-01-01T00:00Z")
    with pytest.raises(ProviderError) as caught:
        read(asked(EXANTE.create(draft)), response(body, status=status))
    return caught.value


@pytest.mark.parametrize("name", SHAPES)
def test_every_common_shape_is_understood(name: str) -> None:
    """The complaint is the provider's text, and the fields have our names where we know them."""
    body, complaint, fields = SHAPES[name]
    error = refused(body)

    assert complaint == error.complaint
    assert fields == error.fields


TEXTS = [
    (b"<Error><Code>NoSuchKey</Code><Message>It is gone</Message></Error>", "NoSuchKey It is gone"),
    (b"<soap:Fault><faultstring><![CDATA[a < b]]></faultstring></soap:Fault>", "a < b"),
    (b"<!-- x --><html><body><h1>Sorry</h1><script>x()</script></body></html>", "Sorry"),
    (b"<3 is no markup", "<3 is no markup"),
    (b"Quota exceeded\n", "Quota exceeded"),
]


@pytest.mark.parametrize(("body", "complaint"), TEXTS)
def test_text_and_markup_are_told_without_tags(body: bytes, complaint: str) -> None:
    """Plain text, XML of any root and HTML give their words."""
    assert complaint == complaint_of(WireResponse(status=400, body=body))


DIALECTS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "exante": (lambda: EXANTE.update(UID, Changes(due_at=None), None), "due_date", "due_at"),
    "bulk": (lambda: BULK.update_many([(UID, Changes(due_at=None))]), "[0].due_date", "[0].due_at"),
    "tenant": (lambda: KUKKINGU.update(INVOICE, Changes(number="1"), None), "amountMinor", "total"),
    "v1": (lambda: KATSU.replace(UID, REPLACEMENT), "recuringInvoice", "recurring"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_each_dialect_knows_its_own_fields(name: str) -> None:
    """A field is named as the caller wrote it, wherever the provider puts the path to it."""
    start, theirs, ours = DIALECTS[name]
    with pytest.raises(ProviderError) as caught:
        read(asked(start()), response({"errors": [{"field": theirs, "message": "no"}]}, status=400))

    assert {ours: "no"} == caught.value.fields
    assert f"{theirs}: no" == caught.value.complaint


def test_an_invoice_beside_a_refusal_is_not_quoted() -> None:
    """A 2xx that says no may show the invoice, which is no complaint."""
    person = {"uid": UID, "message": "jsmith@example.com", "errors": ["jsmith@example.com"]}
    error = refused({"status": "error", "message": "locked", "data": person}, status=200)

    assert isinstance(error, RejectedError)
    assert "locked" == error.complaint


PIECES = [
    "\\", '\\"', "\\u00", "<", "</", "<a ", "<script", "<script>", "</script ", "<title", "<!--",
    "<![CDATA[", "bearer ", "Bearer\t", "ex_live_", "%25", "&#0", "&amp;", " ", "\n", "\0", "[",
    "{", '{"errors":[', '{"message":"', "charset=", "aaaa", "0", "\u202e", "é",
]  # fmt: skip


def work_of(body: bytes) -> int:
    """Count the calls, Python's and C's, that reading a complaint takes."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        complaint_of(WireResponse(status=400, body=body))
    finally:
        sys.setprofile(None)
    return calls


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3), st.sampled_from(["", '{"a":"']))
def test_the_work_does_not_grow_with_a_hostile_body(pieces: list[str], before: str) -> None:
    """Beyond 64 KiB nothing is looked at, and a text is cut before it is looked at by character."""
    piece = "".join(pieces)
    works = [
        work_of((before + piece * (size // len(piece))).encode()) for size in (100_000, 800_000)
    ]

    assert works[1] <= works[0] + 100
    assert works[1] <= 30_000


def test_a_body_of_very_many_values_is_looked_at_in_part() -> None:
    """Lists in lists would else be looked at 12 to the power of their depth times."""
    value: object = [["x"] * 12] * 12
    for _ in range(2):
        value = [value] * 12
    body = json.dumps(value).encode()[:65_000]

    assert work_of(json.dumps([[["y"] * 12] * 12] * 12).encode()) < 30_000
    assert work_of(body) < 30_000


def test_a_credential_is_struck_out_of_a_field_too() -> None:
    """The provider may quote it anywhere."""
    error = refused({"errors": {"due_date": ["key ex_live_abc is bad"]}})

    assert {"due_at": "key *** is bad"} == error.fields


def locked_script() -> MemoryTransport:
    """Refuse an update with words, then show the invoice as final."""
    final = {"data": {"id": INVOICE, "status": "FINALIZED"}}
    return MemoryTransport([response({"message": "it is final"}, status=409), response(final)])


OPTIONS: dict[str, Any] = {"tenant": "tnt_" + "a" * 24, "token": "t", "retry": "none"}


def test_a_locked_error_keeps_the_complaint() -> None:
    """It says what the provider said beside which fields are open."""
    with (
        Client("kukkingu", transport=locked_script(), **OPTIONS) as client,
        pytest.raises(LockedError, match="It says: it is final") as caught,
    ):
        client.update(INVOICE, Changes(number="N"))

    assert "it is final" == caught.value.complaint


@pytest.mark.anyio
async def test_a_locked_error_of_the_async_client_keeps_the_complaint() -> None:
    """Likewise."""
    async with AsyncClient("kukkingu", transport=locked_script(), **OPTIONS) as client:
        with pytest.raises(LockedError) as caught:
            await client.update(INVOICE, Changes(number="N"))

    assert "it is final" == caught.value.complaint


def test_a_lock_that_the_client_sees_itself_has_no_complaint() -> None:
    """The client did not ask, so the provider said nothing."""
    with pytest.raises(LockedError) as caught:
        next(
            KUKKINGU.update(
                INVOICE, Changes(number="N"), Invoice(id=INVOICE, status=Status("VOID"))
            )
        )

    assert "" == caught.value.complaint


def test_fields_survive_a_pickle() -> None:
    """Errors are sent between processes."""
    error = refused({"errors": {"due_date": ["no"]}})

    assert {"due_at": "no"} == pickle.loads(pickle.dumps(error)).fields  # noqa: S301 - its own
    assert isinstance(error, InvalidRequestError)
    assert ({}, "") == (refused({}).fields, refused({}).complaint)
    assert ("", {}) == complaints_of(WireResponse(status=400))


NAMES = st.one_of(st.sampled_from([*_WORDS, *_LISTS, *_FIELD_WORDS, "value"]), st.text(max_size=5))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=5),
    max_leaves=30,
)


@given(VALUES, st.sampled_from([200, 400, 502]))
def test_no_body_breaks_the_reading_of_its_complaint(value: object, status: int) -> None:
    """Whatever is under the known names, it is one short line and 12 fields at most."""
    complaint, fields = complaints_of(WireResponse(status=status, body=json.dumps(value).encode()))

    assert len(complaint) <= 500
    assert "\n" not in complaint
    assert len(fields) <= 12
