"""What the transport h11 does beside what every transport does, on each event loop and blocking.

The rules of every transport are in ``billingual.testing``; tests/conformance holds it to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import trio
import trustme
import uvloop

from _support.invoice_server import InvoiceServer, uid
from _support.wires.link import (
    BODY,
    CANARY,
    NOTHING,
    Link,
    a_request,
    bounds,
    chunked,
    contexts,
    everything_held_by,
    ticking,
    turn,
    with_length,
)
from _support.wires.tunnel_proxy import TunnelProxy
from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.transports.h11 import asyncio as h11_asyncio
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Deadline, Timeouts

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LOOPS: dict[str, Callable[[], Any] | None] = {"asyncio": None, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def looped(request: pytest.FixtureRequest) -> Iterator[Link]:
    """Return a link over an event loop of asyncio's kind."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        link = Link(H11Transport, AnyioBackend(), runner.run)
        yield link
        link.close()


@pytest.fixture(params=[*LOOPS, "blocking"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    """Return a link over an event loop of asyncio's kind, and a blocking one."""
    if request.param == "blocking":
        link = Link(H11Transport, SyncBackend(), step)
        yield link
        link.close()
        return
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        link = Link(H11Transport, AnyioBackend(), runner.run)
        yield link
        link.close()


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", None, []), ("DELETE", None, []), ("POST", None, [b"Content-Length: 0"]),
        ("PUT", b"[]", [b"Content-Length: 2"]),
    ],
)  # fmt: skip
def test_the_request_goes_out_byte_for_byte(
    link: Link, serve: Any, say: Any, method: str, body: bytes | None, length: list[bytes]
) -> None:
    """Nothing is added but the host and the length, and the headers keep their order."""
    path = "/a%2Fb/..%2F/%7Bx%7D;v=1,2/@:!$'()*+?a=%7E~&b=&c&d=%2f&e=%3D="
    server = serve(say(with_length(b"")))
    headers = (("User-Agent", "ours"), ("X-B", "1"), ("X-B", "2"), ("tenant-ID", "T"))

    link.send(a_request(server.url, path, method=method, body=body, headers=headers), bounds())

    head, _, rest = server.requests[0].partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert f"{method} {path} HTTP/1.1".encode() == line
    host = f"Host: 127.0.0.1:{server.port}".encode()
    assert [host, *(f"{name}: {value}".encode() for name, value in headers), *length] == fields
    assert (body or b"") == rest


def test_a_header_beyond_ascii_is_refused(link: Link, serve: Any, say: Any) -> None:
    """It is not sent, and nothing of the library hangs on the error."""
    server = serve(say(with_length(b"")))

    with pytest.raises(errors.TransportError) as caught:
        link.send(a_request(server.url, headers=(("X-A", f"\u00fc{CANARY}"),)), bounds())

    assert caught.value.evidence.request_complete is False
    assert CANARY not in repr(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert server.requests == []


def test_no_frame_of_an_error_holds_what_a_response_said(link: Link, serve: Any, say: Any) -> None:
    """Neither token, cookie nor body is in a variable of the frames that an error keeps."""
    cookie = b"Set-Cookie: s=" + CANARY.encode()
    server = serve(
        say(with_length(BODY, cookie)),
        say(with_length(BODY, cookie)[:-1], then="close"),
        say(b"HTTP/1.1 200 OK\r\n" + cookie + b"\r\n\r\n", then="drip"),
    )
    token = (("Authorization", f"Bearer {CANARY}"), ("X-Odd", CANARY))
    asked = a_request(server.url, method="PUT", body=CANARY.encode() + b"{}", headers=token)

    for within in (bounds(wire_bytes=10), bounds(), bounds(deadline=Deadline(60.0, ticking()))):
        with pytest.raises(errors.TransportError) as caught:
            link.send(asked, within)

        assert CANARY not in everything_held_by(caught.value)


def test_each_piece_of_a_response_has_a_time_of_its_own(link: Link, serve: Any, say: Any) -> None:
    """A server that is slow but steady is listened to for longer than the read timeout."""
    server = serve(say(b"HTTP/1.1 200 OK\r\n\r\n", then="drip"))
    within = bounds(timeouts=Timeouts(read=0.5), wire_bytes=300)

    with pytest.raises(errors.ResponseTooLargeError):
        link.send(a_request(server.url), within)


@pytest.mark.parametrize("farewell", [b"", with_length(b"late", status=b"408 Late")])
def test_a_connection_that_ended_meanwhile_is_not_used_again(
    link: Link, serve: Any, say: Any, farewell: bytes
) -> None:
    """Neither its end nor a farewell on it becomes the next response, nor an error."""
    server = serve(say(with_length(b"first") + farewell, then="close"), say(with_length(b"2")))

    first = link.send(a_request(server.url, method="PUT", body=b"{}"), bounds())
    server._threads[1].join(timeout=120)
    second = link.send(a_request(server.url, method="PUT", body=b"{}"), bounds())

    assert (first.body, second.body) == (b"first", b"2")
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_closed_transport_begins_anew(link: Link, serve: Any, say: Any) -> None:
    """Closing ends the connections, not the transport."""
    server = serve(*[say(with_length(b""))] * 2)
    transport = link.transport()
    for _ in range(2):
        link.run(transport.aclose())
        link.send(a_request(server.url), bounds())

    assert server.connections == 2
    assert repr(transport) == "H11Transport()"


def test_what_is_dropped_is_closed(link: Link) -> None:
    """It says how many connections there were; none is left."""
    with InvoiceServer() as server:
        link.send(a_request(server.url, f"/invoices/{uid(1)}"), bounds())
        transport: Any = link._made[0]

        dropped = [transport.drop(), transport.drop()]
        link.run(turn())

        server.wait_for_open(0)

    assert dropped == [1, 0]


def test_an_error_says_why_there_is_no_connection(link: Link, closed_port: int) -> None:
    """A wrong name reads otherwise than a closed port."""
    closed = f"http://127.0.0.1:{closed_port}"
    for url, why in ((closed, "nothing listens there"), ("http://no.invalid", "no host of that")):
        with pytest.raises(errors.NotConnectedError, match=f"{url}: .*{why}"):
            link.send(a_request(url), bounds())


@pytest.mark.parametrize(
    ("names", "options", "trusts", "why"),
    [
        ("127.0.0.1", {}, None, "unable to get local issuer certificate"),
        ("127.0.0.1", {}, "other", "unable to get local issuer|self.signed"),
        ("127.0.0.1", {"not_after": LONG_AGO}, "same", "certificate has expired"),
        ("elsewhere.example", {}, "same", "not valid for '127.0.0.1'"),
    ],
    ids=["unknown", "another authority", "expired", "wrong host"],
)
def test_an_error_says_why_a_certificate_is_refused(
    link: Link, names: str, options: dict[str, Any], trusts: str | None, why: str
) -> None:
    """And it names the option that mends it."""
    authority = trustme.CA()
    theirs, ours = contexts(authority, names, **options)
    if trusts == "other":
        ours = contexts(trustme.CA(), names)[1]
    with InvoiceServer(theirs) as server:
        with pytest.raises(errors.NotConnectedError, match=why) as caught:
            link.send(a_request(server.url), bounds(), tls=None if trusts is None else ours)

        assert "tls=" in str(caught.value)
        server.wait_for_open(0)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_secure_proxy_carries_any_request(link: Link, *, secure: bool) -> None:
    """The proxy's certificate is checked as a server's is; in a tunnel it learns no token."""
    theirs, ours = secured()
    with InvoiceServer(theirs if secure else None) as server, TunnelProxy(theirs) as proxy:
        token = (("Authorization", CANARY),)
        request = a_request(server.url, f"/invoices/{uid(1)}", headers=token)
        url = f"https://user:pass@127.0.0.1:{proxy.port}"

        response = link.send(request, bounds(), tls=ours, proxy=url)
        link.close()

        assert uid(1).encode() in response.body
        assert [b"CONNECT" if secure else b"GET"] == [head.split()[0] for head in proxy.heads]
        assert b"proxy-authorization: basic dxnlcjpwyxnz" in proxy.heads[0].lower()
        assert secure is (CANARY.encode() not in proxy.heads[0])


def test_a_secure_proxy_that_cannot_be_trusted_is_refused(link: Link) -> None:
    """It has not seen the password, nor the request."""
    theirs, _ = secured()
    with TunnelProxy(theirs) as proxy:
        url = f"https://user:{CANARY}@127.0.0.1:{proxy.port}"

        with pytest.raises(errors.NotConnectedError, match="certificate was refused") as caught:
            link.send(a_request("http://provider.invalid"), bounds(), proxy=url)

        assert proxy.heads == []
    assert caught.value.evidence == NOTHING
    assert CANARY not in everything_held_by(caught.value)


def idle_stream(link: Link) -> Any:
    """Return the stream of the one idle connection there is."""
    transport: Any = link._made[0]
    ((connection, _),) = [
        each
        for pool in transport._pools.values()
        for local in pool._locals.values()
        for each in local.idle
    ]
    return connection._stream


def secured() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server's context, and a client's that trusts it."""
    return contexts(trustme.CA(), "127.0.0.1")


def test_tls_keeps_its_connection_too(looped: Link) -> None:
    """Several requests, one handshake; and nothing is left when it is closed."""
    theirs, ours = secured()
    with InvoiceServer(theirs) as server:
        for number in range(5):
            path = f"/invoices/{uid(number)}"
            response = looped.send(a_request(server.url, path), bounds(), tls=ours)

            assert uid(number).encode() in response.body
        looped.close()
        server.wait_for_open(0)

    assert server.connections == 1


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext, takes: int, response: bytes = b"") -> Iterator[str]:
    """Shake hands, take so many bytes, response, and then wait; yield the URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secure:
                left = takes
                while left > 0:
                    left -= len(secure.recv(65_536))
                secure.sendall(response)
                over.wait(120)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        server.join(120)


def test_a_large_request_goes_out_whole_under_tls(looped: Link) -> None:
    """What no kernel takes at once is written piece by piece, and counted as handed over."""
    theirs, ours = secured()
    with tls_server(theirs, 8_000_000, with_length(b"ok")) as url:
        request = a_request(url, method="PUT", body=b"z" * 8_000_000)

        response = looped.send(request, bounds(), tls=ours)
        looped.close()

    assert response.body == b"ok"


@pytest.mark.timeout(120)
def test_a_server_that_does_not_take_all_under_tls_ends_with_the_write_timeout(
    looped: Link,
) -> None:
    """The buffer below TLS is looked at too: not all of the request was handed over."""
    theirs, ours = secured()
    with tls_server(theirs, 0) as url:
        request = a_request(url, method="PUT", body=b"z" * 30_000_000)

        with pytest.raises(
            errors.TimedOutError, match="did not take the request in time"
        ) as caught:
            looped.send(request, bounds(timeouts=Timeouts(write=0.1)), tls=ours)

    assert caught.value.evidence.connected is True
    assert caught.value.evidence.request_complete is None


@pytest.mark.timeout(120)
def test_bytes_without_a_request_end_the_connection(looped: Link, serve: Any, say: Any) -> None:
    """Bytes after a response that the loop reads meanwhile are not the next response."""
    late = with_length(b"late", status=b"408 Late")
    server = serve(say(with_length(b"1"), then="drip"), say(late), say(with_length(b"2")))

    first = looped.send(a_request(server.url), bounds())
    while (stream := idle_stream(looped)) is not None and not stream.is_readable():
        looped.run(turn())
    second = looped.send(a_request(server.url), bounds())

    assert (first.body, second.status) == (b"1", 408)
    assert server.connections == 2


def test_a_response_in_many_pieces_is_one_response(looped: Link, serve: Any, say: Any) -> None:
    """The waiting task is woken once, whatever the network makes of it."""
    body = BODY * 2000
    server = serve(say(with_length(body)), say(chunked(*[BODY] * 500)))

    plain, in_chunks = (looped.send(a_request(server.url), bounds()) for _ in range(2))

    assert (plain.body, in_chunks.body) == (body, BODY * 500)
    assert server.connections == 1


def test_a_connection_serves_one_origin(looped: Link, serve: Any, say: Any) -> None:
    """A transport that is asked for another one connects anew."""
    servers = [serve(*[say(with_length(b"%d" % each))] * 2) for each in range(2)]

    bodies = [looped.send(a_request(each.url), bounds()).body for each in servers * 2]

    assert [b"0", b"1", b"0", b"1"] == bodies
    assert [each.connections for each in servers] == [2, 2]


def test_headers_that_change_with_each_request_are_each_written(
    looped: Link, serve: Any, say: Any
) -> None:
    """What was made ready for one request is not taken for another's."""
    server = serve(*[say(with_length(b""))] * 40)
    values = [f"key-{each // 2}" for each in range(40)]

    for value in values:
        looped.send(a_request(server.url, headers=(("X-Key", value),)), bounds())

    sent = [request.decode().split("X-Key: ")[1].split("\r\n")[0] for request in server.requests]
    assert values == sent


def test_a_host_that_the_caller_names_is_kept(looped: Link, serve: Any, say: Any) -> None:
    """There is one Host, and it is the caller's; the port is left out where it is the usual."""
    server = serve(say(with_length(b"")))

    looped.send(a_request(server.url, headers=(("host", "named.example"),)), bounds())

    lines = server.requests[0].lower().split(b"\r\n")
    assert [b"host: named.example"] == [each for each in lines if each.startswith(b"host")]


def test_a_switch_to_another_protocol_is_no_response(looped: Link, serve: Any, say: Any) -> None:
    """Also where a header asks for it: no code here could go on."""
    response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: odd\r\nConnection: upgrade\r\n\r\n"
    server = serve(say(response))
    headers = (("Upgrade", "odd"), ("Connection", "upgrade"))

    with pytest.raises(errors.ConnectionLostError, match="switched to another protocol"):
        looped.send(a_request(server.url, headers=headers), bounds())


def test_a_host_that_cannot_be_written_is_refused(looped: Link) -> None:
    """A label of a name has 63 letters at most; Python says so in an error of its own."""
    with pytest.raises(errors.TransportError) as caught:
        looped.send(a_request(f"http://{'a' * 64}.example"), bounds())

    assert caught.value.evidence.request_complete is False


def test_a_timer_of_an_earlier_exchange_ends_no_later_one(looped: Link) -> None:
    """One timer serves a connection: when it goes off too early it is set again."""
    with InvoiceServer() as server:
        request = a_request(server.url, f"/invoices/{uid(1)}")
        looped.send(request, bounds(timeouts=Timeouts(read=1.0)))
        server.hold()
        threading.Timer(1.1, server.release).start()

        response = looped.send(request, bounds())

        assert server.connections == 1

    assert response.status == 200


def test_a_timer_without_a_waiter_does_nothing(looped: Link) -> None:
    """The connection it was set for is idle, and stays."""
    with InvoiceServer() as server:
        request = a_request(server.url, f"/invoices/{uid(1)}")
        looped.send(request, bounds(timeouts=Timeouts(read=1.0)))
        looped.run(asyncio.sleep(1.05))
        looped.send(request, bounds())

        assert server.connections == 1


@attrs.frozen
class Somewhere:
    """A place that does not say what its event loop is."""

    def is_inherited(self) -> bool:
        return False

    def is_alive(self) -> bool:
        return True

    def call_soon(self, call: Callable[[], object]) -> bool:
        return False


class ForeignBackend(AnyioBackend):
    """A foreign backend."""

    def execution_scope(self) -> Any:
        """Return no more than the seam asks for."""
        return Somewhere()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_backend_that_does_not_name_its_loop_is_served(*, secure: bool) -> None:
    """Its event loop is found without it."""
    theirs, ours = secured()
    with InvoiceServer(theirs if secure else None) as server, asyncio.Runner() as runner:
        link = Link(H11Transport, ForeignBackend(), runner.run)
        responses = [
            link.send(a_request(server.url, f"/invoices/{uid(each)}"), bounds(), tls=ours)
            for each in range(3)
        ]
        link.close()

        assert server.connections == 1

    assert [uid(each).encode() in responses[each].body for each in range(3)] == [True] * 3


@pytest.mark.timeout(120)
def test_a_server_that_floods_an_idle_connection_fills_no_memory(looped: Link) -> None:
    """The event loop stops reading after the first unasked bytes."""
    idle = threading.Event()
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            nonlocal sent
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                connection.sendall(with_length(b"ok"))
                connection.settimeout(0.2)
                idle.wait(120)
                while sent < 64 * 1024 * 1024:
                    sent += connection.send(bytes(65_536))

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        looped.send(a_request(f"http://127.0.0.1:{listener.getsockname()[1]}"), bounds())
        idle.set()
        while server.is_alive():
            looped.run(turn())
        kept = sum(map(len, idle_stream(looped)._received))

    assert kept <= 1024 * 1024
    assert sent < 64 * 1024 * 1024


WAYS_TO_CONNECT: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "asyncio": lambda work: asyncio.run(work()),
    "trio": trio.run,
    "blocking": lambda work: step(work()),
}


@pytest.mark.parametrize("way", WAYS_TO_CONNECT)
@pytest.mark.parametrize("listens", [[False, True], [True, True], [False, False]])
def test_every_address_of_a_host_is_tried(
    way: str,
    listens: list[bool],
    serve: Any,
    say: Any,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host is reached if any of its addresses accepts; the error tells why none did."""
    server = serve(say(with_length(b"ok")))
    addresses = [("127.0.0.1", server.port if each else closed_port) for each in listens]
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in {"two.example", b"two.example"}:
            return real(host, *arguments, **options)
        if options.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def work() -> Any:
        backend: Any = SyncBackend() if way == "blocking" else AnyioBackend()
        transport = H11Transport(TransportOptions(backend=backend))
        try:
            return (await transport.send(a_request("http://two.example"), bounds())).body
        except errors.NotConnectedError as error:
            return str(error)
        finally:
            await transport.aclose()

    ended = WAYS_TO_CONNECT[way](work)

    if any(listens):
        assert ended == b"ok"
    else:
        assert "nothing listens there" in ended


def test_an_address_that_says_nothing_holds_up_no_other(
    serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an event loop the next address is tried after a quarter of a second."""
    server = serve(say(with_length(b"ok")))
    tried: list[Any] = []

    async def connect_to(loop: Any, address: Any) -> Any:
        tried.append(address)
        if len(tried) == 1:
            await asyncio.sleep(60)
        return await real(loop, address)

    real = h11_asyncio._connect_to
    monkeypatch.setattr(h11_asyncio, "_connect_to", connect_to)

    async def work() -> Any:
        loop = asyncio.get_running_loop()
        addresses = [(0, 0, 0, "", ("127.0.0.1", server.port))] * 2
        stream = await h11_asyncio._first_of(loop, addresses)
        await stream.aclose()

    asyncio.run(work())

    assert len(tried) == 2
