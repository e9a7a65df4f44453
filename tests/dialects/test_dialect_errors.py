"""Each bad response becomes the one error that fits: by status, then envelope, then payload."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from _support.conversations import (
    CONTRACT,
    INVOICE,
    REPLACEMENT,
    TENANT,
    UID,
    asked,
    converse,
    enveloped,
    ids,
    read,
    response,
)
from billingual.abc import Dialect
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
)
from billingual.model import Changes, Draft, Money, Query
from billingual.wire import Conversation, Headers, WireResponse

EXANTE = ExanteDialect()
BULK = BulkDialect()
KUKKINGU = TenantDialect(tenant=TENANT)
KATSU = V1Dialect(currencies={"USD": 1})
Start = Callable[[], Conversation[Any]]

DIALECTS: dict[str, tuple[Dialect, Start]] = {
    "exante": (EXANTE, lambda: EXANTE.update(UID, Changes(status="SENT"), None)),
    "bulk": (BULK, lambda: BULK.update_many([(UID, Changes(status="SENT"))])),
    "tenant": (KUKKINGU, lambda: KUKKINGU.update(INVOICE, Changes(number="1"), None)),
    "v1": (KATSU, lambda: KATSU.replace(UID, REPLACEMENT)),
}

STATUSES: dict[int, type[ProviderError]] = {
    0: ProtocolError,
    100: ProtocolError,
    199: ProtocolError,
    301: RedirectedError,
    304: RedirectedError,
    308: RedirectedError,
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: InvalidRequestError,
    408: InvalidRequestError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    418: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    500: ServerError,
    503: ServerError,
    599: ServerError,
    600: ProtocolError,
}


def refused(name: str, response: WireResponse) -> ProviderError:
    """Check a response with a dialect and return the error it makes of it."""
    _, start = DIALECTS[name]
    with pytest.raises(ProviderError) as caught:
        read(asked(start()), response)
    return caught.value


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(("status", "kind"), STATUSES.items(), ids=[str(n) for n in STATUSES])
def test_the_status_decides_the_class(name: str, status: int, kind: type[ProviderError]) -> None:
    """Each status means the same error in every dialect, whatever its body says."""
    for body in (b"", b"\xff\x00", b'{"status":"success","succeeded":true,"data":{"uid":"1"}}'):
        error = refused(name, WireResponse(status=status, body=body))

        assert kind is type(error)
        assert (status, body) == (error.status, error.body)


BODIES: list[tuple[bytes, str]] = [
    (b'{"message":"no such party"}', "no such party"),
    (b'{"status":"error","status_code":400,"message":"bad","data":null}', "bad"),
    (b'{"error":"bad","details":["one","two"]}', "bad: one: two"),
    (b'{"error":{"message":"bad","code":"E17"}}', "bad: E17"),
    (b'{"statusCode":400,"code":"FST_ERR","error":"Bad Request","message":"body/x must be y"}',
     "body/x must be y: Bad Request: FST_ERR"),
    (b'{"detail":"bad"}', "bad"),
    (b'{"detail":[{"loc":["body","x"],"message":"missing"}]}', "x: missing"),
    (b'{"type":"about:blank","title":"Oops","status":400,"errors":{"due":["late","odd"]}}',
     "Oops: due: late, odd"),
    (b'{"title":"Oops","detail":"It broke"}', "It broke: Oops"),
    (b'{"succeeded":false,"message":null,"errors":["a","b","a"]}', "a: b"),
    (b'{"issues":[{"path":["x"],"message":"too small"}]}', "x: too small"),
    (b'{"validation":[{"message":"must be string"}]}', "must be string"),
    (b'{"errors":{"number":[]}}', "number"),
    (b'"just text"', "just text"),
    (b'["a",["b"]]', "a: b"),
    (b"plain words", "plain words"),
    (b"  two\r\n\tlines. ", "two lines"),
    (b"<html><head><title>502 Bad &amp; Gateway</title></head><body>x</body></html>",
     "502 Bad & Gateway"),
    (b"<!DOCTYPE html><style>b{}</style><script>x()</script><b>Sorry</b>, gone", "Sorry , gone"),
    (b"<?xml version='1.0'?><Error><Code>Denied</Code></Error>", "Denied"),
    (b"", ""),
    (b"{}", ""),
    (b"[]", ""),
    (b"null", "null"),
    (b"17", "17"),
    (b'{"message":17,"errors":[1,null]}', ""),
    (b"\x00\x01\x02\x03\xff\xfe", ""),
    (b"\x1f\x8b\x08\x00" + bytes(range(128, 256)), ""),
    (b'{"message":"\\u0000a\\u001bb\\u202ec"}', "a b c"),
    (b'{"message":"key ex_live_abc123 is revoked"}', "key *** is revoked"),
    (b'{"message":"saw Authorization: Bearer abc.def-1"}', "saw Authorization: ***"),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, ""),
    (b'{"message":"' + b"x" * 100_000 + b'"}', '{"message":"' + "x" * 487 + "…"),
    (b"x" * 600, "x" * 499 + "…"),
    (b'{"error":' * 10 + b'"deep"' + b"}" * 10, ""),
    ("the caf\xe9 is closed".encode("latin-1"), "the caf\ufffd is closed"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "complaint"), BODIES, ids=[f"{n}" for n in range(len(BODIES))])
@pytest.mark.parametrize("kind", [InvalidRequestError, ServerError, RateLimitedError])
@pytest.mark.parametrize("label", ["application/json", "text/plain", "text/html; charset=klingon"])
def test_the_complaint_is_found_in_any_shape(
    body: bytes, complaint: str, kind: type[ProviderError], label: str
) -> None:
    """What the provider said is read whatever the shape or label, and never changes the class."""
    status = {InvalidRequestError: 422, ServerError: 502, RateLimitedError: 429}[kind]
    error = refused(
        "exante",
        WireResponse(status=status, headers=Headers([("Content-Type", label)]), body=body),
    )

    assert (kind, complaint) == (type(error), error.complaint)
    assert complaint in str(error)


LATIN = "the caf\xe9 is closed".encode("latin-1")
CHARSETS: list[tuple[str, bytes, str]] = [
    ("iso-8859-1", LATIN, "the caf\xe9 is closed"),
    ('"windows-1252"', LATIN, "the caf\xe9 is closed"),
    ("UTF-16BE", "the caf\xe9 \ud55c".encode("utf-16-be"), "the caf\xe9 \ud55c"),
    ("utf-8", LATIN, "the caf\ufffd is closed"),
    ("punycode", LATIN, "the caf\ufffd is closed"),
    ("iso-8859-99", LATIN, "the caf\ufffd is closed"),
]


@pytest.mark.parametrize(("charset", "body", "complaint"), CHARSETS, ids=ids(CHARSETS))
def test_a_charset_is_followed_where_the_body_is_not_utf_8(
    charset: str, body: bytes, complaint: str
) -> None:
    """A label names the charset only of what cannot be read as UTF-8, and only a known one."""
    label = ("Content-Type", f"text/plain; charset={charset}")
    error = refused("exante", WireResponse(status=500, headers=Headers([label]), body=body))

    assert complaint == error.complaint


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (None, ""),
        ("60", "(Retry-After: 60)"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "(Retry-After: Wed, 21 Oct 2026 07:28:00 GMT)"),
        ("", ""),
        ("9" * 400, ""),
        ("\u0663", ""),
        ("1\x1b[2J", ""),
    ],
    ids=["absent", "seconds", "date", "empty", "huge", "arabic", "escape"],
)
def test_a_wait_that_is_asked_for_is_shown(header: str | None, shown: str) -> None:
    """The text shows the header if it is short and printable; the client reads it."""
    headers = Headers([] if header is None else [("retry-after", header)])
    for status in (429, 503):
        error = refused("tenant", WireResponse(status=status, headers=headers))

        assert isinstance(error, (RateLimitedError, ServerError))
        assert shown in str(error)
        assert bool(shown) == ("Retry-After" in str(error))
        assert header == error.exchange.headers.get("Retry-After")


def test_an_error_tells_what_happened_and_what_to_do() -> None:
    """Provider, request, status, complaint and advice are all in the text."""
    error = refused("tenant", response({"message": "number is taken"}, status=409))

    assert (
        "kukkingu responded to PATCH /api/v1/invoices/{invoiceId} with 409: number is taken; "
        "read the invoice again and decide by its present state."
    ) == str(error)
    assert ("kukkingu", 409, "number is taken") == (error.provider, error.status, error.complaint)
    assert ("PATCH", ("invoiceNumber",)) == (error.exchange.method, error.exchange.keys)
    assert {"message": "number is taken"} == error.json()


ADVICE: list[tuple[int, str, str]] = [
    (304, "between you and the provider", "base URL"),
    (301, "correct the base URL", "between"),
    (408, "try again later", "correct the request"),
    (425, "try again later", "correct the request"),
    (422, "correct the request", "try again later"),
]


@pytest.mark.parametrize(("status", "said", "unsaid"), ADVICE, ids=ids(ADVICE))
def test_the_advice_fits_the_status(status: int, said: str, unsaid: str) -> None:
    """A status that means something else than others of its class gets advice of its own."""
    for error in (
        refused("v1", WireResponse(status=status)),
        refused("exante", response(enveloped({}, status="error", status_code=status)))
        if status >= 400
        else None,
    ):
        if error is not None:
            assert said in str(error)
            assert unsaid not in str(error)


def test_what_happened_is_told_apart_from_what_to_do() -> None:
    """A caller with advice of its own can use the first part alone."""
    refusal = refused("exante", response({"message": "no"}, status=500))
    misfit = refused("exante", response(enveloped(None)))

    assert "exante responded to PUT /api/invoices/{invoice_uid} with 500: no" == refusal.summary
    assert misfit.summary.endswith("at $.data, there is no payload")
    for error in (refusal, misfit):
        assert str(error).startswith(f"{error.summary}; ")


def test_an_error_holds_no_credential() -> None:
    """Cookies of the response are dropped, and no value that was sent is in the text."""
    cookie = Headers([("Set-Cookie", "session=canary"), ("X-Request-Id", "17")])
    error = refused("tenant", WireResponse(status=500, headers=cookie))

    assert "canary" not in repr(error.exchange) + str(error)
    assert error.exchange.headers.get("set-cookie") is None
    assert "17" == error.exchange.headers.get("x-request-id")


def failed(code: object) -> dict[str, object]:
    """Make an envelope that says no and why."""
    return enveloped({}, status="error", status_code=code)


ENVELOPES: list[tuple[str, object, type[ProviderError], str]] = [
    ("exante", {"status": "error", "message": "no", "data": {"uid": UID}}, RejectedError, "no"),
    ("exante", {"status": "fail", "data": None}, RejectedError, "did not say why"),
    ("exante", {"success": False, "message": "no", "data": {"uid": UID}}, RejectedError, "no"),
    ("exante", failed(400), InvalidRequestError, "and 400 inside"),
    ("exante", failed(404), NotFoundError, "and 404 inside"),
    ("exante", failed(429), RateLimitedError, "and 429 inside"),
    ("exante", failed(500), ServerError, "and 500 inside"),
    ("exante", failed(999), RejectedError, "with 200: Success"),
    ("exante", failed("404"), NotFoundError, "and 404 inside"),
    ("exante", enveloped(None), ProtocolError, "at $.data, there is no payload"),
    ("exante", {"status": "success"}, ProtocolError, "at $.data, there is no payload"),
    ("exante", enveloped("yes"), ProtocolError, "at $.data, there is no payload"),
    ("exante", [], ProtocolError, "there is no JSON object"),
    ("exante", b"", ProtocolError, "at $, there is nothing"),
    ("exante", b"<html>Welcome</html>", ProtocolError, "in the place of JSON; check the base URL"),
    ("exante", b'{"status":"success","data":{"uid":NaN}}', ProtocolError, "NaN"),
    ("bulk", enveloped(None), ProtocolError, "at $.data, there is no payload"),
    ("bulk", enveloped([], status="failed"), RejectedError, "with 200: Success"),
    ("tenant", {}, ProtocolError, "at $.data, there is no payload"),
    ("tenant", {"data": None}, ProtocolError, "at $.data, there is no payload"),
    ("tenant", {"error": "x"}, ProtocolError, "at $.data, there is no payload"),
    ("tenant", b"OK", ProtocolError, "at $, no JSON"),
    ("v1", {"succeeded": False, "errors": ["no", "way"]}, RejectedError, "no: way"),
    ("v1", {"succeeded": False, "errors": {"tax": ["no"]}}, RejectedError, "tax: no"),
    ("v1", {"succeeded": False, "errors": None}, RejectedError, "did not say why"),
    ("v1", {"succeeded": False, "data": {"invoiceId": "1"}}, RejectedError, "did not say"),
    ("v1", {"succeeded": "false", "data": {}}, RejectedError, "did not say why"),
    ("v1", {"succeeded": True}, ProtocolError, "at $.data, there is no payload"),
    ("v1", {"succeeded": True, "data": []}, ProtocolError, "at $.data"),
    ("v1", {"message": "hello"}, ProtocolError, "nor a bare invoice (hello)"),
    ("v1", {"invoiceId": 5}, ProtocolError, "neither 'succeeded' nor a bare invoice"),
    ("v1", [], ProtocolError, "there is no JSON object"),
]


@pytest.mark.parametrize(("name", "body", "kind", "words"), ENVELOPES, ids=ids(ENVELOPES))
def test_a_2xx_that_says_no_is_an_error(
    name: str, body: object, kind: type[ProviderError], words: str
) -> None:
    """The envelope and the payload are judged even where the status says yes."""
    error = refused(name, response(body))

    assert kind is type(error)
    assert words in str(error)
    assert 200 == error.status


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"error","message":"no"}',
        b'{"success":false}',
        b'{"message":"done","skipped":true,"reason":"locked"}',
    ],
)
def test_a_refused_deletion_is_an_error(body: bytes) -> None:
    """A response without a payload can still say no."""
    with pytest.raises(RejectedError):
        converse(BULK, BULK.delete_many([UID]), response(body))


def test_a_deletion_answered_by_a_page_of_html_is_an_error() -> None:
    """What needs no payload still needs a response that can be read."""
    with pytest.raises(ProtocolError, match="in the place of JSON"):
        converse(BULK, BULK.delete_many([UID]), response(b"<html></html>"))


@pytest.mark.parametrize("name", DIALECTS)
def test_errors_can_be_pickled_and_copied(name: str) -> None:
    """An error crosses processes with its class, text and data."""
    for made in (
        response({"message": "slow"}, status=429, headers=(("Retry-After", "2"),)),
        response(b"{"),
    ):
        error = refused(name, made)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
            assert (type(error), str(error), error.__dict__) == (
                type(twin),
                str(twin),
                twin.__dict__,
            )


def test_a_broken_response_is_not_quoted() -> None:
    """A protocol error says where and what, never the payload, which may be personal."""
    secret = "jsmith@example.com"
    error = refused("exante", response(json.dumps(enveloped(secret)).encode()))

    assert secret not in str(error)
    assert secret.encode() in error.body


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("dialect", [EXANTE, KUKKINGU], ids=["exante", "tenant"])
def test_a_404_on_a_list_speaks_of_the_address(dialect: Dialect, status: int) -> None:
    """Nothing was asked for by its id; a read of one invoice speaks of that."""
    missing = response({}, status=status)
    invoice_id = UID if dialect is EXANTE else INVOICE

    with pytest.raises(NotFoundError, match="check the address: the base URL") as caught:
        converse(dialect, dialect.list_page(Query()), missing)
    assert "the id" not in str(caught.value)
    with pytest.raises(NotFoundError, match="check the id"):
        converse(dialect, dialect.get(invoice_id), missing)


def test_a_create_that_collides_is_told_to_look_for_the_other_invoice() -> None:
    """There is no invoice of its own yet whose state could be read."""
    create = KUKKINGU.create(
        Draft(number="1", document=CONTRACT, total=Money(100, "EUR"), exchange_rate="1")
    )
    with pytest.raises(ConflictError, match="look for the invoice that is there already"):
        converse(KUKKINGU, create, response({"message": "number is taken"}, status=409))


def test_a_404_on_ids_in_a_body_speaks_of_ids() -> None:
    """The address of a batch holds none, but its body does."""
    dialect, start = DIALECTS["bulk"]

    with pytest.raises(NotFoundError, match="check the id"):
        converse(dialect, start(), response({}, status=404))
