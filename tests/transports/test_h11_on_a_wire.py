"""The httpx transport against a real server that misbehaves in every way it can."""

from __future__ import annotations

import gzip
import itertools
import socket
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence, Safety
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

pytestmark = pytest.mark.anyio

BODY = b'{"status": "success", "data": "' + b"ab" * 700 + b'"}'
GZIPPED = gzip.compress(BODY, mtime=0)


def bounds(**changes: Any) -> Bounds:
    """Make bounds that do not matter, but for *changes*."""
    settings: dict[str, Any] = {
        "timeouts": Timeouts.each(10),
        "deadline": Deadline(100.0, lambda: 0.0),
    }
    return Bounds(**{**settings, **changes})


def impatient(**phases: float) -> Bounds:
    """Make bounds with one short phase."""
    return bounds(timeouts=Timeouts(**phases))


def get(server: Any, path: str = "/x") -> WireRequest:
    """Make a GET to *server*."""
    return WireRequest(method="GET", url=f"{server.url}{path}", route="/x", safety=Safety.READ)


def with_length(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Write an answer whose length is announced."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Write an answer in chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + end


@pytest.fixture
async def transport() -> AsyncIterator[H11Transport]:
    """Make a transport and close it at the end."""
    made = H11Transport(TransportOptions(backend=AnyioBackend()))
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("data", "then", "status", "body"),
    [
        (with_length(BODY), "keep", 200, BODY),
        (with_length(b""), "keep", 200, b""),
        (chunked(BODY[:7], BODY[7:]), "keep", 200, BODY),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, "close", 200, BODY),
        (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, "close", 200, BODY),
        (with_length(GZIPPED, b"Content-Encoding: gzip"), "keep", 200, BODY),
        (with_length(GZIPPED, b"Content-Encoding: X-GZIP"), "keep", 200, BODY),
        (with_length(zlib.compress(BODY), b"Content-Encoding: deflate"), "keep", 200, BODY),
        (with_length(BODY, b"Content-Encoding: identity"), "keep", 200, BODY),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "keep", 204, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", "keep", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "keep", 304, b""),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + with_length(BODY), "keep", 200, BODY),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(BODY), "keep", 200, BODY),
        (with_length(b"no", status=b"404 Not Found"), "keep", 404, b"no"),
        (with_length(b"no", status=b"599 Odd"), "keep", 599, b"no"),
        (with_length(BODY), "reset", 200, BODY),
    ],
    ids=[
        "content-length", "empty", "chunked", "close-delimited", "http-1.0", "gzip", "x-gzip",
        "deflate", "identity", "204", "204-gzip", "304", "103", "100", "404", "599", "then-reset",
    ],
)  # fmt: skip
async def test_an_answer_of_any_status_and_framing_is_an_answer(
    transport: H11Transport,
    serve: Any,
    say: Any,
    data: bytes,
    then: str,
    status: int,
    body: bytes,
) -> None:
    """The whole body arrives, unpacked."""
    server = serve(say(data, then=then))

    response = await transport.send(get(server), bounds())

    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(
    ("data", "then", "kind", "begun"),
    [
        (b"", "close", errors.ConnectionLostError, False),
        (b"", "reset", errors.ConnectionLostError, False),
        (b"HTTP/1.1 200", "close", errors.ConnectionLostError, True),
        (b"SSH-2.0-OpenSSH\r\n", "close", errors.ConnectionLostError, True),
        (with_length(BODY)[:-1], "close", errors.ConnectionLostError, True),
        (with_length(BODY)[:-1], "reset", errors.ConnectionLostError, True),
        (chunked(BODY, end=b""), "close", errors.ConnectionLostError, True),
        (chunked(BODY, end=b"0\r\n"), "close", errors.ConnectionLostError, True),
        (chunked(BODY, end=b"zz\r\n"), "keep", errors.ConnectionLostError, True),
        (
            with_length(GZIPPED[:-9], b"Content-Encoding: gzip"),
            "keep", errors.ConnectionLostError, True,
        ),
        (with_length(BODY, b"Content-Encoding: gzip"), "keep", errors.ConnectionLostError, True),
        (with_length(BODY, b"Content-Encoding: br"), "keep", errors.ConnectionLostError, True),
        (
            with_length(gzip.compress(GZIPPED), b"Content-Encoding: gzip, gzip"),
            "keep", errors.ConnectionLostError, True,
        ),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000, "close", errors.ConnectionLostError, True),
    ],
    ids=[
        "silence-then-close", "reset", "half-a-status", "not-http", "body-cut", "body-cut-reset",
        "no-last-chunk", "half-a-last-chunk", "no-chunk-size", "gzip-cut", "no-gzip", "brotli",
        "gzip-twice", "endless-headers",
    ],
)  # fmt: skip
async def test_a_broken_answer_is_a_lost_connection(
    transport: H11Transport, serve: Any, say: Any, data: bytes, then: str,
    kind: type[errors.TransportError], begun: bool | None,  # noqa: FBT001
) -> None:  # fmt: skip
    """Nothing short or garbled passes for an answer, and the evidence says how far it got."""
    server = serve(say(data, then=then))

    with pytest.raises(kind) as caught:
        await transport.send(get(server), bounds())

    assert type(caught.value) is kind
    assert caught.value.evidence.connected is True
    assert caught.value.evidence.answer_begun is begun
    assert caught.value.evidence.request_complete is not False


async def test_every_cut_of_a_packed_answer_is_noticed(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """A close-delimited body has no length, but gzip has an end: no prefix passes."""
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED
    head = data.index(b"\r\n\r\n") + 4
    cuts = range(head + 1, len(data))
    server = serve(*(say(data[:cut], then="close") for cut in cuts))

    for _ in cuts:
        with pytest.raises(errors.ConnectionLostError):
            await transport.send(get(server), bounds())

    assert len(server.requests) == len(cuts)


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"wire_bytes": 1000}, with_length(BODY)),
        ({"body_bytes": 1000}, with_length(BODY)),
        ({"body_bytes": 1000}, with_length(GZIPPED, b"Content-Encoding: gzip")),
        ({"wire_bytes": 20}, with_length(GZIPPED, b"Content-Encoding: gzip")),
        ({}, with_length(gzip.compress(bytes(8 * 2**20)), b"Content-Encoding: gzip")),
        ({}, with_length(zlib.compress(bytes(8 * 2**20)), b"Content-Encoding: deflate")),
    ],
    ids=["wire", "body", "unpacked", "packed", "gzip-bomb", "deflate-bomb"],
)
async def test_an_answer_that_breaks_a_bound_is_not_read_to_its_end(
    transport: H11Transport, serve: Any, say: Any, changes: dict[str, int], data: bytes
) -> None:
    """Size on the wire, size unpacked and growth each have a bound."""
    server = serve(say(data))

    with pytest.raises(errors.ResponseTooLargeError) as caught:
        await transport.send(get(server), bounds(**changes))

    assert caught.value.evidence == Evidence(
        connected=True, request_complete=True, answer_begun=True
    )


async def test_an_answer_as_large_as_its_bounds_is_fine(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """A bound is the largest that is taken, not the smallest that is refused."""
    server = serve(say(with_length(BODY)), say(with_length(GZIPPED, b"Content-Encoding: gzip")))
    plain = bounds(wire_bytes=len(BODY), body_bytes=len(BODY))
    packed = bounds(wire_bytes=len(GZIPPED), body_bytes=len(BODY))

    answers = [await transport.send(get(server), each) for each in (plain, packed)]

    assert [answer.body for answer in answers] == [BODY, BODY]


def ticking() -> Callable[[], float]:
    """Make a clock that goes on by a second at each look."""
    return itertools.count().__next__


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
async def test_a_server_that_drips_holds_nobody(
    transport: H11Transport, serve: Any, say: Any, start: bytes
) -> None:
    """The deadline is looked at for each piece, wherever in the answer it drips."""
    server = serve(say(start, then="drip"))

    with pytest.raises(errors.TimedOutError):
        await transport.send(get(server), bounds(deadline=Deadline(30.0, ticking())))


async def test_silence_ends_with_the_read_timeout(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """The request was sent whole; whether it was carried out is unknown."""
    server = serve(say(then="hang"))

    with pytest.raises(errors.TimedOutError) as caught:
        await transport.send(get(server), impatient(read=0.05))

    assert caught.value.evidence == Evidence(
        connected=True, request_complete=True, answer_begun=False
    )


async def test_a_refused_connection_means_that_nothing_was_sent(
    transport: H11Transport,
) -> None:
    """Nobody listens on the port of a socket that was just closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    request = WireRequest(
        method="POST", url=f"http://127.0.0.1:{port}/x", route="/x", safety=Safety.CREATE
    )

    with pytest.raises(errors.NotConnectedError) as caught:
        await transport.send(request, bounds())

    assert caught.value.evidence == Evidence(
        connected=False, request_complete=False, answer_begun=False
    )


async def test_a_full_pool_means_that_nothing_was_sent(serve: Any, say: Any) -> None:
    """Waiting for a connection has its own error."""
    server = serve(say(then="hang"))
    transport = H11Transport(TransportOptions(backend=AnyioBackend(), connections=1))
    caught: list[BaseException] = []

    async def first() -> None:
        with pytest.raises(errors.TimedOutError):
            await transport.send(get(server), impatient(read=0.3))

    async def second() -> None:
        try:
            await transport.send(get(server), impatient(pool=0.02))
        except errors.BillingualError as error:
            caught.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        while not server.requests:  # noqa: ASYNC110 - the server is a thread
            await anyio.sleep(0.001)
        group.start_soon(second)
    await transport.aclose()

    assert [type(each) for each in caught] == [errors.PoolTimeoutError]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    transport: H11Transport, serve: Any, say: Any, status: int
) -> None:
    """The token is not carried to wherever the answer points."""
    location = b"Location: http://127.0.0.1:1/elsewhere"
    server = serve(say(with_length(b"", location, status=b"%d Moved" % status)))

    response = await transport.send(get(server), bounds())

    assert response.status == status
    assert len(server.requests) == 1


async def test_a_connection_is_used_again(transport: H11Transport, serve: Any, say: Any) -> None:
    """Three requests in a row need one connection."""
    server = serve(*[say(with_length(b"ok"))] * 3)

    for _ in range(3):
        await transport.send(get(server), bounds())

    assert (server.connections, len(server.requests)) == (1, 3)


async def test_a_connection_with_unread_answer_is_not_used_again(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """What is left of an answer that was too large cannot become the next one's."""
    server = serve(say(with_length(b"y" * 300_000)), say(with_length(b"fine")))
    with pytest.raises(errors.ResponseTooLargeError):
        await transport.send(get(server), bounds(wire_bytes=10))

    response = await transport.send(get(server), bounds())

    assert response.body == b"fine"
    assert server.connections == 2


async def test_nothing_is_kept_from_one_answer_for_the_next_request(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """Cookies are not stored."""
    server = serve(say(with_length(b"", b"Set-Cookie: a=b")), say(with_length(b"")))

    for _ in range(2):
        await transport.send(get(server), bounds())

    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/api/invoices?sort=%2Bdue_at&days=%3E30", None, b""),
        ("GET", "/a%2Fb/..%2F/%7Bx%7D", None, b""),
        ("POST", "/api/invoices", b'{"a":1}', b"Content-Length: 7\r\n"),
        ("PUT", "/api/bulk", b"[]", b"Content-Length: 2\r\n"),
        ("PATCH", "/api/x", b"{}", b"Content-Length: 2\r\n"),
        ("DELETE", "/api/bulk", b'["a","b"]', b"Content-Length: 9\r\n"),
        ("DELETE", "/api/bulk", None, b""),
    ],
    ids=["get", "odd-path", "post", "put", "patch", "delete-body", "delete"],
)
async def test_the_request_goes_out_byte_for_byte(
    transport: H11Transport, serve: Any, say: Any,
    method: str, path: str, body: bytes | None, expected: bytes,
) -> None:  # fmt: skip
    """Nothing is added but the host and the length: no default headers of the library."""
    server = serve(say(with_length(b"")))
    request = WireRequest(
        method=method,
        url=f"{server.url}{path}",
        route="/x",
        safety=Safety.IDEMPOTENT,
        headers=Headers([("Authorization", "Bearer abc"), ("Tenant-Id", "T")]),
        body=body,
    )

    await transport.send(request, bounds())

    assert server.requests == [
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Authorization: Bearer abc\r\nTenant-Id: T\r\n".encode()
        + expected
        + b"\r\n"
        + (body or b"")
    ]


async def test_a_post_without_a_body_says_so(transport: H11Transport, serve: Any, say: Any) -> None:
    """Some servers refuse a POST whose length is not announced."""
    server = serve(say(with_length(b"")))
    request = WireRequest(
        method="POST", url=f"{server.url}/finalize", route="/x", safety=Safety.IDEMPOTENT
    )

    await transport.send(request, bounds())

    assert server.requests[0].count(b"Content-Length: 0\r\n") == 1


@pytest.mark.parametrize(
    ("header", "value"),
    [("X-A", "line\r\nbreak"), ("X-A", "trailing\n"), ("X A", "v"), ("X-A", "ü"), ("", "v")],
    ids=["crlf", "newline", "bad-name", "not-ascii", "no-name"],
)
async def test_a_header_that_cannot_be_written_is_not_sent(
    transport: H11Transport, serve: Any, say: Any, header: str, value: str
) -> None:
    """It is refused before a byte goes out, and its value is not quoted."""
    server = serve(say(with_length(b"")))
    headers = Headers([(header, f"{value}-canary-99")])
    if value.endswith("\n"):
        headers = Headers([(header, f"canary-99{value}")])
    request = WireRequest(
        method="GET", url=f"{server.url}/x", route="/x", safety=Safety.READ, headers=headers
    )

    with pytest.raises(errors.TransportError) as caught:
        await transport.send(request, bounds())

    assert caught.value.evidence.request_complete is False
    assert "canary" not in repr(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert server.requests == []


@pytest.mark.parametrize("url", ["http://[::1/x", "http://a b/x", "/x", "ftp://h/x", "x"])
async def test_an_address_that_is_none_is_refused(transport: H11Transport, url: str) -> None:
    """No exception of the library gets out, whatever the address looks like."""
    request = WireRequest(method="GET", url=url, route="/x", safety=Safety.READ)

    with pytest.raises(errors.TransportError) as caught:
        await transport.send(request, bounds())

    assert caught.value.evidence.request_complete is False


@pytest.mark.parametrize("proxy", ["nonsense", "ftp://127.0.0.1:1", "http://user:canary@[::1"])
async def test_a_proxy_that_cannot_be_used_is_a_matter_of_configuration(
    proxy: str, serve: Any
) -> None:
    """Its URL may hold a password, so it is not shown."""
    with pytest.raises(errors.ConfigurationError, match="proxy") as caught:
        H11Transport(TransportOptions(backend=AnyioBackend(), proxy=proxy))

    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_the_environment_names_no_proxy(
    transport: H11Transport, serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that somebody else set does not send the token through their proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    server = serve(say(with_length(b"direct")))

    response = await transport.send(get(server), bounds())

    assert response.body == b"direct"


async def test_a_proxy_that_was_given_is_used(serve: Any, say: Any) -> None:
    """The request goes to the proxy with the full address."""
    server = serve(say(with_length(b"proxied")))
    transport = H11Transport(TransportOptions(backend=AnyioBackend(), proxy=server.url))
    request = WireRequest(
        method="GET", url="http://provider.invalid/x", route="/x", safety=Safety.READ
    )

    response = await transport.send(request, bounds())
    await transport.aclose()

    assert response.body == b"proxied"
    assert server.requests[0].startswith(b"GET http://provider.invalid/x HTTP/1.1\r\n")


async def test_closing_twice_is_no_error(serve: Any, say: Any) -> None:
    """Also before the first request, when there is nothing to close."""
    server = serve(say(with_length(b"")))
    transport = H11Transport(TransportOptions(backend=AnyioBackend()))
    await transport.aclose()
    await transport.send(get(server), bounds())

    await transport.aclose()
    await transport.aclose()

    assert repr(transport) == "H11Transport()"
    assert transport.account("exante") is None


async def test_the_answers_headers_arrive_in_order(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """Repeated fields stay apart, and bytes beyond ASCII do not break anything."""
    server = serve(say(with_length(b"", b"X-A: 1", b"x-a: 2", b"X-B: caf\xe9")))

    response: WireResponse = await transport.send(get(server), bounds())

    assert response.headers.get_all("X-A") == ("1", "2")
    assert response.headers.get("x-b") == "café"


@pytest.mark.timeout(20)
async def test_an_answer_that_is_too_large_is_left_at_once(
    transport: H11Transport, serve: Any, say: Any
) -> None:
    """A server that never ends cannot hold a caller who has seen enough."""
    server = serve(say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", then="drip"))

    with pytest.raises(errors.ResponseTooLargeError):
        await transport.send(get(server), bounds(wire_bytes=20))


@pytest.mark.parametrize(
    "data",
    [
        with_length(BODY, b"Content-Encoding: br"),
        with_length(GZIPPED[:-9], b"Content-Encoding: gzip"),
        with_length(BODY),
    ],
    ids=["unknown-coding", "cut", "too-large"],
)
async def test_a_failed_answer_gives_its_place_in_the_pool_back(
    serve: Any, say: Any, data: bytes
) -> None:
    """With one connection in all, the next request still gets one."""
    server = serve(say(data), say(with_length(b"fine")))
    transport = H11Transport(TransportOptions(backend=AnyioBackend(), connections=1))
    with pytest.raises(errors.TransportError):
        await transport.send(get(server), bounds(wire_bytes=1000))

    response = await transport.send(get(server), impatient(pool=0.2))
    await transport.aclose()

    assert response.body == b"fine"
