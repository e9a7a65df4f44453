"""Ways in which a call can fail, with responses and exceptions that hold the token if they can.

Each is a function of the request as a transport receives it: signed, so that a provider, a proxy
or a library under test can quote the credential.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import httpx

from billingual import errors
from billingual.outcomes import Evidence
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = [
    "ECHOES",
    "FAILURES",
    "FOREIGN",
    "LOST",
    "RESPONSES",
    "WRONG_KINDS",
    "Failure",
    "token_of",
]

Failure = Callable[[WireRequest], Any]
STATUSES: Final = (
    99, 100, 199, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406,
    407, 408, 409, 410, 412, 413, 415, 418, 422, 423, 425, 426, 428, 429, 431, 451, 499, 500, 501,
    502, 503, 504, 505, 511, 599, 600, 999,
)  # fmt: skip
SENT: Final = Evidence(connected=True, request_complete=True)


def token_of(request: WireRequest) -> str:
    """Read the token off a signed request."""
    return (request.headers.get("authorization") or "").removeprefix("Bearer ")


def _says(
    body: Callable[[str], bytes], status: int = 401, kind: str = "application/json"
) -> Failure:
    """Answer with a body made from the token."""

    def response(request: WireRequest) -> WireResponse:
        headers = Headers([("Content-Type", kind)])
        return WireResponse(status=status, headers=headers, body=body(token_of(request)))

    return response


def _heads(*names: str, status: int = 403) -> Failure:
    """Answer with the token in the given headers."""

    def response(request: WireRequest) -> WireResponse:
        value = f'Bearer error="{token_of(request)}"'
        headers = Headers([(name, value) for name in names])
        return WireResponse(status=status, headers=headers, body=b'{"message": "no"}')

    return response


def _status(status: int) -> Failure:
    """Answer with a status, the token quoted in body and headers."""

    def response(request: WireRequest) -> WireResponse:
        token = token_of(request)
        headers = Headers(
            [("WWW-Authenticate", f'Bearer error="{token}"'), ("Location", f"https://e/?t={token}")]
        )
        body = json.dumps({"status": "error", "message": f"Authorization: Bearer {token}"})
        return WireResponse(status=status, headers=headers, body=body.encode())

    return response


def _json(make: Callable[[str], object]) -> Callable[[str], bytes]:
    return lambda token: json.dumps(make(token)).encode()


def _in_escapes(token: str) -> str:
    return "".join(f"\\u{ord(each):04X}" for each in token)


RESPONSES: Final[dict[str, Failure]] = {
    **{f"status {status}": _status(status) for status in STATUSES},
    "echo in a list": _says(_json(lambda t: {"errors": [{"detail": [t, {"message": t}]}]})),
    "echo in a name": _says(_json(lambda t: {"errors": {t: ["is wrong"]}}), 422),
    "echo in plain text": _says(lambda t: f"no such key: {t}".encode(), 401, "text/plain"),
    "echo in HTML": _says(
        lambda t: f"<html><title>{t}</title><script>{t}</script><p>{t}</html>".encode(), 502,
        "text/html",
    ),
    "echo in a 200": _says(
        _json(lambda t: {"status": "error", "succeeded": False, "message": t}), 200
    ),
    "echo as every field": _says(
        _json(lambda t: {"status": t, "data": dict.fromkeys("abc", t), t: t, "succeeded": t}), 200
    ),
    "echo in bytes that are no text": _says(lambda t: b"\xff\xfe\xfa" + t.encode() + b"\xff", 500),
    "echo in broken JSON": _says(lambda t: b'{"data": "' + t.encode() + b"\n", 200),
    "echo in UTF-8 with a mark": _says(lambda t: b"\xef\xbb\xbf" + t.encode(), 400, "text/plain"),
    "echo in deep JSON": _says(lambda t: b"[" * 10_000 + t.encode() + b"]" * 10_000, 200),
    "echo in headers": _heads("WWW-Authenticate", "Location", "Set-Cookie", "X-Echo"),
    "echo in headers that are shown": _heads(
        "X-Request-Id", "Server", "Date", "Retry-After", "Allow", "Content-Type", "Sandbox-Rule",
        status=503,
    ),
    "echo in a redirect": _heads("Location", status=307),
    "an empty array": lambda _: WireResponse(status=200, body=b"[]"),
    "no UTF-8": lambda _: WireResponse(status=200, body=b"\xff\xfe"),
}  # fmt: skip
"""Responses that say no, or nothing, most of them quoting the token as it is."""

ECHOES: Final[dict[str, Failure]] = {
    "slashes escaped as JSON": _says(
        lambda t: json.dumps({"message": t}).replace("/", r"\/").encode()
    ),
    "escaped as a strict JSON writer does": _says(
        lambda t: json.dumps({"message": t}).replace("+", r"\u002B").encode()
    ),
    "all of it in JSON escapes": _says(
        lambda t: b'{"message": "' + _in_escapes(t).encode() + b'"}', 400
    ),
    "escaped as HTML": _says(
        lambda t: f"<html><title>{t.replace('/', '&#x2F;').replace('+', '&#43;')}".encode(), 500,
        "text/html",
    ),
    "in UTF-16": _says(lambda t: t.encode("utf-16"), 400, "text/plain; charset=utf-16"),
    "percent-encoded": _says(lambda t: f"/login?token={quote(t, safe='')}".encode(), 403),
    "percent-encoded in Location": lambda r: WireResponse(
        status=302,
        headers=Headers([("Location", f"https://e.example/?t={quote(token_of(r), safe='')}")]),
    ),
    "as the name of a header": lambda r: WireResponse(
        status=400, headers=Headers([(f"X-{token_of(r)}", "1")])
    ),
}  # fmt: skip
"""Responses that quote the token in another writing, as real frameworks do."""

LOST: Final[dict[str, Failure]] = {
    "late": lambda _: errors.TimedOutError("late", evidence=SENT),
    "lost": lambda _: errors.ConnectionLostError("lost", evidence=SENT),
    "refused": lambda _: errors.NotConnectedError("refused"),
    "busy": lambda _: errors.PoolTimeoutError("busy"),
    "large": lambda _: errors.ResponseTooLargeError("large", evidence=SENT),
    "unwritable": lambda _: errors.TransportError("unwritable"),
    "a usage error": lambda _: errors.ConfigurationError("not so"),
}
"""Errors of our own that a transport raises."""


def _raises(make: Callable[[WireRequest, str], BaseException]) -> Failure:
    def response(request: WireRequest) -> Any:
        raise make(request, token_of(request))

    return response


def _chained(request: WireRequest) -> Any:
    raise ValueError(dict(request.headers)) from KeyError(token_of(request))


def _noted(_: WireRequest, token: str) -> BaseException:
    error = OSError("see the notes")
    error.add_note(f"Authorization: Bearer {token}")
    return error


def _laden(request: WireRequest, token: str) -> BaseException:
    error = RuntimeError("see the attributes")
    vars(error).update(request=request, headers=list(request.headers), token=token)
    return error


def _of_httpx(request: WireRequest, token: str) -> BaseException:
    sent = httpx.Request(request.method, request.url, headers=list(request.headers))
    return httpx.ReadError(f"broke: {token}", request=sent)


FOREIGN: Final[dict[str, Failure]] = {
    "a text": _raises(lambda _, t: OSError(f"Illegal header value b'Bearer {t}'")),
    "an argument": _raises(lambda r, _: ValueError(dict(r.headers), r)),
    "a key": _raises(lambda _, t: KeyError(t)),
    "an encoding": _raises(lambda _, t: UnicodeEncodeError("ascii", t, 0, 1, "no")),
    "a decoding": _raises(lambda _, t: UnicodeDecodeError("utf-8", t.encode(), 0, 1, "no")),
    "notes": _raises(_noted),
    "attributes": _raises(_laden),
    "a chain": _chained,
    "a group": _raises(lambda _, t: ExceptionGroup(t, [OSError(t), ValueError(t)])),
    "httpx": _raises(_of_httpx),
    "a stop": _raises(lambda _, t: StopAsyncIteration(t)),
    "a recursion": _raises(lambda _, t: RecursionError(t)),
    "a lack of memory": _raises(lambda _, t: MemoryError(t)),
    "an assertion": _raises(lambda _, t: AssertionError(t)),
    "a cancellation": _raises(lambda _, __: asyncio.CancelledError()),
    "an interrupt": _raises(lambda _, __: KeyboardInterrupt()),
}
"""Exceptions of a third party's transport, which hold all that it was given."""

WRONG_KINDS: Final[dict[str, Failure]] = {
    "None": lambda _: None,
    "a dict": lambda _: {},
    "the request": lambda r: r,
    "a text for a body": lambda _: WireResponse(status=401, body="no"),  # type: ignore[arg-type]
    "a dict for headers": lambda _: WireResponse(
        status=401,
        headers={"Age": "1"},  # type: ignore[arg-type]
    ),
    "numbers for headers": lambda _: WireResponse(
        status=401,
        headers=Headers([("Age", 1)]),  # type: ignore[list-item]
    ),
    "a text for a status": lambda _: WireResponse(status="401"),  # type: ignore[arg-type]
    "no status": lambda _: WireResponse(status=None),  # type: ignore[arg-type]
}
"""What a third party's transport returns by mistake."""

FAILURES: Final[dict[str, Failure]] = {
    **RESPONSES,
    **LOST,
    **{f"foreign: {name}": failure for name, failure in FOREIGN.items()},
}
