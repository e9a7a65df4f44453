"""What every transport over a socket must make of a request."""

from __future__ import annotations

from typing import Any

import pytest

from _support.wires.link import (
    BODY,
    CANARY,
    GZIP,
    Link,
    a_request,
    bounds,
    everything_held_by,
    ticking,
    with_length,
)
from billingual import errors
from billingual.wire import Bounds, Deadline, Timeouts

__all__ = ["RequestRules"]

REQUESTS: dict[str, tuple[str, str, bytes | None, bytes]] = {
    "get": ("GET", "/api/invoices?sort=%2Bdue_at&days=%3E30", None, b""),
    "odd-path": ("GET", "/a%2Fb/..%2F/%7Bx%7D/a%20b/%C3%BC;v=1,2/@:!$'()*+", None, b""),
    "odd-query": ("GET", "/x?a=%7E~&b=&c&d=%2f&e=%3D=", None, b""),
    "post": ("POST", "/api/invoices", b'{"a":1}', b"Content-Length: 7\r\n"),
    "post-empty": ("POST", "/api/invoices", b"", b"Content-Length: 0\r\n"),
    "post-none": ("POST", "/api/x/finalize", None, b"Content-Length: 0\r\n"),
    "put": ("PUT", "/api/bulk", b"[]", b"Content-Length: 2\r\n"),
    "patch": ("PATCH", "/api/x", b"{}", b"Content-Length: 2\r\n"),
    "delete-body": ("DELETE", "/api/bulk", b'["a","b"]', b"Content-Length: 9\r\n"),
    "delete": ("DELETE", "/api/bulk", None, b""),
    "large": ("PUT", "/api/bulk", b"y" * 3_000_000, b"Content-Length: 3000000\r\n"),
}


class RequestRules:
    """What goes out, what does not, and what is never told."""

    @pytest.mark.parametrize("name", REQUESTS)
    def test_the_request_goes_out_byte_for_byte(
        self, link: Link, serve: Any, say: Any, name: str
    ) -> None:
        """Nothing is added but the host and the length: no default headers of the library."""
        method, path, body, length = REQUESTS[name]
        server = serve(say(with_length(b"")))
        headers = (("Authorization", "Bearer abc"), ("X-B", "1"), ("X-B", "2"), ("tenant-ID", "T"))

        link.send(a_request(server.url, path, method=method, body=body, headers=headers), bounds())

        sent, _, rest = server.requests[0].partition(b"\r\n\r\n")
        line, *fields = sent.split(b"\r\n")
        expected = [
            b"Authorization: Bearer abc", b"X-B: 1", b"X-B: 2", b"tenant-ID: T",
            f"Host: 127.0.0.1:{server.port}".encode(), *length.splitlines(),
        ]  # fmt: skip
        assert f"{method} {path} HTTP/1.1".encode() == line
        assert sorted(expected) == sorted(fields)
        assert (body or b"") == rest
        assert len(server.requests) == 1

    def test_the_callers_own_headers_go_out_as_they_are(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """Where the library has a default of its own, the caller's word stands."""
        headers = (
            ("User-Agent", "ours"), ("Accept", "a/b"), ("Accept-Encoding", "gzip"),
            ("Content-Type", "application/json"),
        )  # fmt: skip
        server = serve(say(with_length(b"")))

        link.send(a_request(server.url, method="PUT", body=b"{}", headers=headers), bounds())

        lines = server.requests[0].split(b"\r\n")
        assert [f"{name}: {value}".encode() for name, value in headers] == lines[2:6]

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("X-A", f"line\r\nbreak-{CANARY}"), ("X-A", f"{CANARY}\n"), ("X A", CANARY),
            ("X-A", f"ü{CANARY}"), ("", CANARY), ("X-A", f"{CANARY}\r\n folded"),
            ("X-A", f"{CANARY}\x00"), (f"X-{CANARY}\r\nB", "v"),
        ],
        ids=["crlf", "newline", "bad-name", "not-ascii", "no-name", "fold", "nul", "split-name"],
    )  # fmt: skip
    def test_a_header_that_cannot_be_written_is_not_sent(
        self, link: Link, serve: Any, say: Any, header: str, value: str
    ) -> None:
        """It is refused before a byte goes out, and its value is not quoted."""
        server = serve(say(with_length(b"")))

        with pytest.raises(errors.TransportError) as caught:
            link.send(a_request(server.url, headers=((header, value),)), bounds())

        assert caught.value.evidence.request_complete is False
        assert CANARY not in repr(caught.value)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)
        assert server.requests == []

    @pytest.mark.parametrize(
        "url", ["http://[::1/x", "http://a b/x", "/x", "ftp://h/x", "x", "http:///x"]
    )
    def test_an_address_that_is_none_is_refused(self, link: Link, url: str) -> None:
        """No exception of the library gets out, whatever the address looks like."""
        with pytest.raises(errors.TransportError) as caught:
            link.send(a_request(url, ""), bounds())

        assert caught.value.evidence.request_complete is False

    @pytest.mark.parametrize(
        "fault", ["refused", "silence", "cut", "not-http", "too-large", "late", "no-gzip"]
    )
    def test_no_secret_hangs_on_an_error(
        self, link: Link, serve: Any, say: Any, fault: str
    ) -> None:
        """Neither the error nor any frame it holds shows a token, a cookie or a body."""
        cookie = b"Set-Cookie: s=" + CANARY.encode()
        faults: dict[str, tuple[Any, Bounds]] = {
            "refused": (say(), bounds()),
            "silence": (say(then="hang"), bounds(timeouts=Timeouts(read=0.05))),
            "cut": (say(with_length(BODY, cookie)[:-1], then="close"), bounds()),
            "not-http": (say(CANARY.encode() + b"\r\n\r\n", then="close"), bounds()),
            "too-large": (say(with_length(BODY, cookie)), bounds(wire_bytes=10)),
            "late": (
                say(b"HTTP/1.1 200 OK\r\n" + cookie + b"\r\n\r\n", then="drip"),
                bounds(deadline=Deadline(60.0, ticking())),
            ),
            "no-gzip": (say(with_length(b"<html>", cookie, GZIP)), bounds()),
        }
        response, within = faults[fault]
        server = serve(response)
        base = "http://127.0.0.1:9" if fault == "refused" else server.url
        token = (("Authorization", f"Bearer {CANARY}"), ("X-Odd", CANARY))

        with pytest.raises(errors.TransportError) as caught:
            link.send(
                a_request(base, method="PUT", body=CANARY.encode() + b"{}", headers=token), within
            )

        assert CANARY not in everything_held_by(caught.value)
