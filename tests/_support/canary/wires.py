"""Ways in which a real wire can fail, byte by byte, quoting the token where that is possible."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Final

from _support.hostile.server import Bytes, header_of

__all__ = ["WIRES", "WireFault"]

WireFault = Callable[[bytes], Bytes]


def _whole(body: bytes, *fields: bytes, status: bytes = b"401 No") -> bytes:
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def _raw(*pieces: bytes, then: str = "close") -> WireFault:
    return lambda _: Bytes(pieces, then)  # type: ignore[arg-type]


def _quoting(make: Callable[[bytes], bytes], then: str = "close") -> WireFault:
    """Answer with bytes made from the Authorization header that came."""

    def response(request: bytes) -> Bytes:
        said = header_of(request, "authorization") or header_of(request, "proxy-authorization")
        return Bytes((make(said.encode("latin-1")),), then)  # type: ignore[arg-type]

    return response


def _message(quoted: bytes) -> bytes:
    return json.dumps({"message": quoted.decode()}).encode()


WIRES: Final[dict[str, WireFault]] = {
    "silence": _raw(then="hang"),
    "closed at once": _raw(),
    "reset at once": _raw(then="reset"),
    "reset in the head": _raw(b"HTTP/1.1 200", then="reset"),
    "cut in the head": _quoting(lambda q: b"HTTP/1.1 200 OK\r\nX-Echo: " + q),
    "cut in the body": _quoting(
        lambda q: b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + _message(q)
    ),
    "cut in a chunk": _quoting(
        lambda q: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + _message(q)
    ),
    "stalled in the body": _quoting(
        lambda q: b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + _message(q), then="hang"
    ),
    "no HTTP": _quoting(lambda q: b"SSH-2.0-server " + q + b"\r\n\r\n"),
    "the request itself": lambda request: Bytes((request,)),
    "a status beyond all": _quoting(lambda q: b"HTTP/1.1 1000 " + q + b"\r\n\r\n"),
    "a reason that quotes": _quoting(lambda q: _whole(b"{}", status=b"403 " + q)),
    "a header without a colon": _quoting(lambda q: b"HTTP/1.1 200 OK\r\n" + q + b"\r\n\r\n"),
    "a header with NUL": _quoting(lambda q: _whole(b"", b"X-Echo: \0" + q)),
    "a header beyond ASCII": _quoting(lambda q: _whole(b"", b"X-Echo: \xff\xfe")),
    "a header name with a space": _quoting(lambda q: _whole(b"", b"X Echo: " + q)),
    "a head without an end": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000),
    "two lengths": _quoting(lambda q: _whole(_message(q), b"Content-Length: 1")),
    "a negative length": _quoting(
        lambda q: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + _message(q)
    ),
    "a bad chunk": _quoting(
        lambda q: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + q + b"\r\n"
    ),
    "no gzip": _quoting(lambda q: _whole(_message(q), b"Content-Encoding: gzip")),
    "half of a gzip": _quoting(
        lambda q: _whole(gzip.compress(_message(q))[:-9], b"Content-Encoding: gzip")
    ),
    "a coding that quotes": _quoting(lambda q: _whole(b"x", b"Content-Encoding: " + q)),
    "a packed quote": _quoting(
        lambda q: _whole(gzip.compress(_message(q)), b"Content-Encoding: gzip")
    ),
    "a quote": _quoting(lambda q: _whole(_message(q), status=b"500 Oh")),
    "a body that is no text": _quoting(lambda q: _whole(b"\xff" + q, status=b"200 OK")),
}
"""Faults by name: what a server does with a request."""
