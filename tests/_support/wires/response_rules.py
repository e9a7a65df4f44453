"""What every transport over a socket must make of a response."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import attrs
import pytest

from _support.wires.link import (
    BODY,
    GZIP,
    GZIPPED,
    SENT,
    Link,
    a_request,
    bounds,
    chunked,
    ticking,
    with_length,
)
from billingual import errors
from billingual.wire import Deadline, Timeouts

__all__ = ["ResponseRules"]

RESPONSES: dict[str, tuple[bytes, str, int, bytes]] = {
    "content-length": (with_length(BODY), "keep", 200, BODY),
    "empty": (with_length(b""), "keep", 200, b""),
    "chunked": (chunked(BODY[:7], BODY[7:]), "keep", 200, BODY),
    "close-delimited": (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, "close", 200, BODY),
    "http-1.0": (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, "close", 200, BODY),
    "gzip": (with_length(GZIPPED, b"Content-Encoding: gzip"), "keep", 200, BODY),
    "x-gzip": (with_length(GZIPPED, b"Content-Encoding: X-GZIP"), "keep", 200, BODY),
    "deflate": (
        with_length(zlib.compress(BODY), b"Content-Encoding: deflate"), "keep", 200, BODY,
    ),
    "identity": (with_length(BODY, b"Content-Encoding: identity"), "keep", 200, BODY),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "keep", 204, b""),
    "204-gzip": (b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", "keep", 204, b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", "keep", 304, b""),
    "103": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + with_length(BODY), "keep", 200, BODY,
    ),
    "100": (b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(BODY), "keep", 200, BODY),
    "404": (with_length(b"no", status=b"404 Not Found"), "keep", 404, b"no"),
    "599": (with_length(b"no", status=b"599 Odd"), "keep", 599, b"no"),
    "then-reset": (with_length(BODY), "reset", 200, BODY),
}  # fmt: skip


BROKEN: dict[str, tuple[bytes, str, bool]] = {
    "silence-then-close": (b"", "close", False),
    "reset": (b"", "reset", False),
    "half-a-status": (b"HTTP/1.1 200", "close", True),
    "half-a-head": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "close", True),
    "half-a-header": (b"HTTP/1.1 200 OK\r\nContent-Le", "close", True),
    "only-a-103": (b"HTTP/1.1 103 Early Hints\r\n\r\n", "close", True),
    "not-http": (b"SSH-2.0-OpenSSH\r\n", "close", True),
    "body-cut": (with_length(BODY)[:-1], "close", True),
    "body-cut-reset": (with_length(BODY)[:-1], "reset", True),
    "no-last-chunk": (chunked(BODY, end=b""), "close", True),
    "half-a-last-chunk": (chunked(BODY, end=b"0\r\n"), "close", True),
    "no-chunk-size": (chunked(BODY, end=b"zz\r\n"), "keep", True),
    "gzip-cut": (with_length(GZIPPED[:-9], GZIP), "keep", True),
    "no-gzip": (with_length(b"<html>", GZIP), "keep", True),
    "brotli": (with_length(b"\x1b\x00\x00", b"Content-Encoding: br"), "keep", True),
    "gzip-once-too-few": (
        with_length(gzip.compress(b"<html>"), b"Content-Encoding: gzip, gzip"), "keep", True,
    ),
    "endless-headers": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000, "close", True),
    "two-lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "close", True,
    ),
}  # fmt: skip


TOO_LARGE: dict[str, tuple[dict[str, int], bytes]] = {
    "wire": ({"wire_bytes": 1000}, with_length(BODY)),
    "body": ({"body_bytes": 1000}, with_length(BODY)),
    "unpacked": ({"body_bytes": 1000}, with_length(GZIPPED, GZIP)),
    "packed": ({"wire_bytes": 20}, with_length(GZIPPED, GZIP)),
    "gzip-bomb": ({}, with_length(gzip.compress(bytes(8 * 2**20)), GZIP)),
    "deflate-bomb": (
        {}, with_length(zlib.compress(bytes(8 * 2**20)), b"Content-Encoding: deflate"),
    ),
}  # fmt: skip


class ResponseRules:
    """What is a response, and what is none."""

    @pytest.mark.parametrize("name", RESPONSES)
    def test_a_response_of_any_status_and_framing_is_a_response(
        self, link: Link, serve: Any, say: Any, name: str
    ) -> None:
        """The whole body arrives, unpacked."""
        data, then, status, body = RESPONSES[name]
        server = serve(say(data, then=then))

        response = link.send(a_request(server.url), bounds())

        assert (response.status, response.body) == (status, body)

    @pytest.mark.parametrize("name", BROKEN)
    @pytest.mark.parametrize("method", ["GET", "PUT"])
    def test_a_broken_response_is_a_lost_connection(
        self, link: Link, serve: Any, say: Any, method: str, name: str
    ) -> None:
        """Nothing short or garbled passes for a response, and the request is not sent again."""
        data, then, begun = BROKEN[name]
        server = serve(say(data, then=then), say(with_length(b"again")))
        body = b"{}" if method == "PUT" else None

        with pytest.raises(errors.ConnectionLostError) as caught:
            link.send(a_request(server.url, method=method, body=body), bounds())

        assert type(caught.value) is errors.ConnectionLostError
        assert caught.value.evidence.connected is True
        assert caught.value.evidence.response_begun is begun
        assert caught.value.evidence.request_complete is not False
        assert caught.value.__cause__ is None
        assert isinstance(caught.value.__context__, zlib.error | None)
        assert len(server.requests) == 1

    def test_every_cut_of_a_packed_response_is_noticed(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """A close-delimited body has no length, but gzip has an end: no prefix passes."""
        data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED
        cuts = range(1, len(data))
        head = data.index(b"\r\n\r\n") + 4
        server = serve(*(say(data[:cut], then="close") for cut in cuts if cut != head))

        for cut in cuts:
            if cut != head:
                with pytest.raises(errors.ConnectionLostError):
                    link.send(a_request(server.url), bounds())

        assert len(server.requests) == len(cuts) - 1

    @pytest.mark.parametrize("name", TOO_LARGE)
    def test_a_response_that_breaks_a_bound_is_not_read_to_its_end(
        self, link: Link, serve: Any, say: Any, name: str
    ) -> None:
        """Size on the wire, size unpacked and growth each have a bound; the next call is fine."""
        changes, data = TOO_LARGE[name]
        server = serve(say(data), say(with_length(b"fine")))

        with pytest.raises(errors.ResponseTooLargeError) as caught:
            link.send(a_request(server.url), bounds(**changes), connections=1)
        response = link.send(a_request(server.url), bounds())

        assert caught.value.evidence == attrs.evolve(SENT, response_begun=True)
        assert response.body == b"fine"
        assert server.connections == 2

    @pytest.mark.timeout(120)
    def test_a_response_that_is_too_large_is_left_at_once(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """A server that never ends cannot hold a caller who has seen enough."""
        server = serve(say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", then="drip"))

        with pytest.raises(errors.ResponseTooLargeError):
            link.send(a_request(server.url), bounds(wire_bytes=20))

    def test_each_piece_of_a_response_has_a_time_of_its_own(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """A server that is slow but steady is listened to for longer than the read timeout."""
        server = serve(say(b"HTTP/1.1 200 OK\r\n\r\n", then="drip"))
        within = bounds(timeouts=Timeouts(read=0.25), wire_bytes=200)

        with pytest.raises(errors.ResponseTooLargeError):
            link.send(a_request(server.url), within)

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize(
        "start",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Endless: ",
            b"HTTP/1.1 200 ",
        ],
        ids=["body", "close-delimited", "header", "status-line"],
    )
    def test_a_server_that_drips_holds_nobody(
        self, link: Link, serve: Any, say: Any, start: bytes
    ) -> None:
        """The deadline is looked at for each piece, wherever in the response it drips."""
        server = serve(say(start, then="drip"))

        with pytest.raises(errors.TimedOutError) as caught:
            link.send(a_request(server.url), bounds(deadline=Deadline(60.0, ticking())))

        assert caught.value.evidence.response_begun is True

    def test_the_responses_headers_arrive(self, link: Link, serve: Any, say: Any) -> None:
        """Repeated fields stay apart, and bytes beyond ASCII do not break anything."""
        server = serve(say(with_length(b"", b"X-A: 1", b"x-a: 2", b"X-B: caf\xe9")))

        response = link.send(a_request(server.url), bounds())

        assert response.headers.get_all("X-A") == ("1", "2")
        assert response.headers.get("x-b") == "café"
