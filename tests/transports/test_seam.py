"""What every transport must do, and what each does of its own."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock

from billingual import MemoryTransport, errors
from billingual.abc import Transport, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence, Safety
from billingual.retry.classify import classify
from billingual.transports._body import BodyReader
from billingual.transports.asgi import AsgiTransport
from billingual.transports.httpx import HttpxTransport
from billingual.transports.memory import memory
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest, WireResponse

CANARY = "canary-0dd5ee"


def bounds(now: Callable[[], float] = lambda: 0.0, **changes: int) -> Bounds:
    """Make bounds that do not matter, but for *changes*."""
    return Bounds(timeouts=Timeouts.each(10), deadline=Deadline(100.0, now), **changes)


def a_request(base: str, body: bytes | None = b'{"a": 1}') -> WireRequest:
    """Make a signed request with a query and a body."""
    return WireRequest(
        method="POST" if body is not None else "GET",
        url=f"{base}/api/in%2Fvoices?sort=%2Bdue_at",
        route="/api/x",
        safety=Safety.CREATE,
        headers=Headers([("Authorization", f"Bearer {CANARY}"), ("X-B", "1"), ("X-B", "2")]),
        body=body,
    )


def echo(status: int) -> Callable[..., Awaitable[None]]:
    """Make an ASGI app that answers with what it was asked."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert (await receive())["type"] == "http.disconnect"
        seen = b"|".join(
            [
                scope["method"].encode(), scope["raw_path"], scope["query_string"],
                dict(scope["headers"]).get(b"authorization", b""), message["body"],
            ]
        )  # fmt: skip
        start = {
            "type": "http.response.start", "status": status, "headers": [(b"X-Echo", b"yes")],
        }  # fmt: skip
        await send(start)
        for part in (seen[:5], seen[5:]):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def in_memory(status: int) -> MemoryTransport:
    """Make a memory transport that answers like :func:`echo`."""

    def response(request: WireRequest) -> WireResponse:
        path, _, query = request.url.removeprefix("http://127.0.0.1").partition("?")
        signature = request.headers.get("authorization") or ""
        seen = "|".join([request.method, path, query, signature, (request.body or b"").decode()])
        return WireResponse(status=status, headers=Headers([("X-Echo", "yes")]), body=seen.encode())

    return MemoryTransport(response)


async def start_memory(status: int, serve: Any, say: Any) -> tuple[Transport, str]:
    """Start the memory transport."""
    return in_memory(status), "http://127.0.0.1"


async def start_asgi(status: int, serve: Any, say: Any) -> tuple[Transport, str]:
    """Start the ASGI transport."""
    return AsgiTransport(echo(status)), "http://127.0.0.1"


async def start_httpx(status: int, serve: Any, say: Any) -> tuple[Transport, str]:
    """Start the httpx transport and a server that says what the others echo."""
    body = b'POST|/api/in%2Fvoices|sort=%2Bdue_at|Bearer canary-0dd5ee|{"a": 1}'
    server = serve(
        say(b"HTTP/1.1 %d X\r\nX-Echo: yes\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(body), body))
    )  # fmt: skip
    return HttpxTransport(TransportOptions(backend=AnyioBackend())), server.url


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 404, 429, 500])
@pytest.mark.parametrize("start", [start_memory, start_asgi, start_httpx])
async def test_any_status_is_a_response(start: Any, status: int, serve: Any, say: Any) -> None:
    """A transport judges nothing: that is for dialect and policy."""
    transport, base = await start(status, serve, say)

    response = await transport.send(a_request(base), bounds())
    await transport.aclose()
    await transport.aclose()

    assert response.status == status
    assert response.headers.get("x-echo") == "yes"
    assert response.body == (b'POST|/api/in%2Fvoices|sort=%2Bdue_at|Bearer canary-0dd5ee|{"a": 1}')


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


async def half(scope: Any, receive: Any, send: Any) -> None:
    """Begin a response and leave."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ha", "more_body": True})


async def raising(scope: Any, receive: Any, send: Any) -> None:
    """Fail at once."""
    raise RuntimeError("the app broke")


async def raising_late(scope: Any, receive: Any, send: Any) -> None:
    """Fail in the middle of a response."""
    await half(scope, receive, send)
    raise RuntimeError("the app broke")


async def dropping(scope: Any, receive: Any, send: Any) -> None:
    """Break the connection before the response."""
    scope["extensions"]["sandbox.drop"]()
    await echo(200)(scope, receive, send)


@pytest.mark.parametrize(
    ("app", "begun", "cause"),
    [
        (silent, False, None),
        (half, True, None),
        (raising, False, RuntimeError),
        (raising_late, True, RuntimeError),
        (dropping, False, None),
    ],
)
def test_an_application_that_breaks_off_is_a_lost_connection(
    step: Any,
    app: Any,
    begun: bool,  # noqa: FBT001
    cause: type[Exception] | None,
) -> None:
    """It had the whole request, so what it did is unknown."""
    with pytest.raises(errors.ConnectionLostError) as caught:
        step(AsgiTransport(app).send(a_request("http://h"), bounds()))

    assert caught.value.evidence == Evidence(
        connected=True, request_complete=True, response_begun=begun
    )
    assert type(caught.value.__cause__) is (type(None) if cause is None else cause)


def test_an_application_may_fail_after_its_response_was_whole(step: Any) -> None:
    """A server would have sent the response before it noticed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(200)(scope, receive, send)
        raise RuntimeError("in a background task")

    response = step(AsgiTransport(app).send(a_request("http://h"), bounds()))

    assert response.status == 200


def test_an_application_answers_within_bounds_too(step: Any) -> None:
    """What a server could not do to us, an application cannot either."""
    transport = AsgiTransport(echo(200))

    with pytest.raises(errors.ResponseTooLargeError):
        step(transport.send(a_request("http://h"), bounds(wire_bytes=10)))
    with pytest.raises(errors.TimedOutError):
        step(transport.send(a_request("http://h"), bounds(now=lambda: 101.0)))


def test_an_application_sees_a_request_like_a_servers(step: Any) -> None:
    """Names in lower case, the path decoded and raw, the host and the length."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)
        await echo(200)(scope, receive, send)

    step(AsgiTransport(app).send(a_request("https://host:8443/base"), bounds()))

    assert seen["path"] == "/base/api/in/voices"
    assert seen["raw_path"] == b"/base/api/in%2Fvoices"
    assert seen["server"] == ("host", 8443)
    assert seen["scheme"] == "https"
    assert seen["headers"][1:] == [
        (b"x-b", b"1"), (b"x-b", b"2"), (b"host", b"host:8443"), (b"content-length", b"8"),
    ]  # fmt: skip


def test_the_memory_transport_keeps_what_was_sent(step: Any) -> None:
    """Errors in a script are raised, and an empty script says that nothing was sent."""
    lost = errors.ConnectionLostError("lost")
    transport = MemoryTransport([MemoryTransport.json('{"a": 1}', headers={"X": "y"}), lost])
    request = a_request("http://h")

    response = step(transport.send(request, bounds()))
    with pytest.raises(errors.ConnectionLostError) as caught:
        step(transport.send(request, bounds()))
    with pytest.raises(errors.ConfigurationError, match="no response left for POST /api/x") as over:
        step(transport.send(request, bounds()))

    assert caught.value is lost
    assert classify(over.value).value == "not_sent"
    assert transport.requests == [request] * 3
    assert (response.body, response.headers.get("x")) == (b'{"a": 1}', "y")


def test_the_registered_memory_transport_has_no_responses(step: Any) -> None:
    """It is good for previews."""
    transport = memory(TransportOptions(backend=AnyioBackend()))

    assert transport.account("exante").base_url == "http://exante.memory.localhost"
    with pytest.raises(errors.ConfigurationError):
        step(transport.send(a_request("http://h"), bounds()))


FOREIGN: list[tuple[type[Exception], type[errors.TransportError], Evidence]] = [
    (httpx.ConnectError, errors.NotConnectedError, Evidence(
        connected=False, request_complete=False, response_begun=False)),
    (httpx.ConnectTimeout, errors.NotConnectedError, Evidence(
        connected=False, request_complete=False, response_begun=False)),
    (httpx.ProxyError, errors.NotConnectedError, Evidence(
        connected=False, request_complete=False, response_begun=False)),
    (httpx.UnsupportedProtocol, errors.NotConnectedError, Evidence(
        connected=False, request_complete=False, response_begun=False)),
    (httpx.PoolTimeout, errors.PoolTimeoutError, Evidence(
        connected=False, request_complete=False, response_begun=False)),
    (httpx.LocalProtocolError, errors.TransportError, Evidence(
        connected=None, request_complete=False, response_begun=False)),
    # A mock takes no piece of the body, so how far the request got cannot be told.
    (httpx.WriteTimeout, errors.TimedOutError, Evidence()),
    (httpx.ReadTimeout, errors.TimedOutError, Evidence()),
    (httpx.WriteError, errors.ConnectionLostError, Evidence()),
    (httpx.ReadError, errors.ConnectionLostError, Evidence()),
    (httpx.RemoteProtocolError, errors.ConnectionLostError, Evidence()),
    (httpx.CloseError, errors.ConnectionLostError, Evidence()),
    (httpx.DecodingError, errors.ConnectionLostError, Evidence()),
    (httpx.TooManyRedirects, errors.ConnectionLostError, Evidence()),
    (httpx.InvalidURL, errors.TransportError, Evidence(
        connected=None, request_complete=False, response_begun=False)),
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize(("foreign", "kind", "evidence"), FOREIGN, ids=lambda value: (
    value.__name__ if isinstance(value, type) else ""))  # fmt: skip
async def test_each_exception_of_httpx_becomes_ours_with_its_evidence(
    httpx_mock: HTTPXMock,
    foreign: type[Exception],
    kind: type[errors.TransportError],
    evidence: Evidence,
) -> None:
    """The most specific row wins, and no text of the library comes along."""
    httpx_mock.add_exception(foreign(f"Illegal header value b'Bearer {CANARY}'"))
    transport = HttpxTransport(TransportOptions(backend=AnyioBackend()))

    with pytest.raises(errors.TransportError) as caught:
        await transport.send(a_request("https://provider.invalid"), bounds())
    await transport.aclose()

    assert type(caught.value) is kind
    assert caught.value.evidence == evidence
    assert CANARY not in f"{caught.value!r}{vars(caught.value)!r}"
    assert foreign.__name__ in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_every_exception_of_httpx_is_in_the_table() -> None:
    """A new class of the library shows up here first."""
    raised = {
        each
        for each in vars(httpx).values()
        if isinstance(each, type) and issubclass(each, httpx.HTTPError)
    }
    families = {
        httpx.HTTPError, httpx.RequestError, httpx.TransportError, httpx.TimeoutException,
        httpx.NetworkError, httpx.ProtocolError, httpx.HTTPStatusError,
    }  # fmt: skip

    assert raised - families == {row[0] for row in FOREIGN} - {httpx.InvalidURL}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_packed_body_may_come_in_pieces_of_any_size(size: int) -> None:
    """The pieces of a wire have nothing to do with those of a body."""
    import gzip  # noqa: PLC0415

    body = bytes(range(256)) * 40
    packed = gzip.compress(body)
    reader = BodyReader("gzip", bounds())

    for start in range(0, len(packed), size):
        reader.feed(packed[start : start + size])

    assert reader.finish() == body


@pytest.mark.parametrize("size", range(2**21 - 200, 2**21 + 200, 40))
def test_a_bare_deflate_is_read_to_its_last_byte(size: int) -> None:
    """What the unpacker holds back when a step is full comes out in the next one."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    reader = BodyReader("deflate", bounds(ratio=10_000))

    reader.feed(packer.compress(bytes(size)) + packer.flush())

    assert len(reader.finish()) == size


def test_a_body_of_countless_members_is_refused() -> None:
    """Empty members cost time and give nothing, so there is a bound to them."""
    import gzip  # noqa: PLC0415

    reader = BodyReader("gzip", bounds())
    reader.feed(gzip.compress(b"") * 5000)

    with pytest.raises(errors.ResponseTooLargeError, match="4096 gzip members"):
        reader.finish()


def test_a_small_body_may_grow_much() -> None:
    """The growth of a body counts from a mebibyte on: a short text of one letter is no bomb."""
    import gzip  # noqa: PLC0415

    body = b"a" * (1024 * 1024)
    reader = BodyReader("gzip", bounds(ratio=2))

    reader.feed(gzip.compress(body))

    assert len(reader.finish()) == len(body)
