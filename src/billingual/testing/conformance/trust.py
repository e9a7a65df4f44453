"""Whom a transport trusts, and whom it goes through: TLS and proxies."""

from __future__ import annotations

import base64
import contextlib
import functools
import socket
import ssl
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import attrs

from billingual.errors import BillingualError, NotConnectedError, TransportError
from billingual.testing.conformance.harness import (
    CANARY,
    Bench,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.report import NotApplicableError, checks_in, expect
from billingual.testing.conformance.server import LoopbackServer
from billingual.wire import Timeouts

if TYPE_CHECKING:
    import trustme

__all__ = ["TRUST_CHECKS", "LoopbackProxy", "serving", "trusting"]

_SECRET: Final = [("Authorization", f"Bearer {CANARY}")]


@transport_check
async def a_trusted_certificate_is_taken(bench: Bench) -> None:
    """With a context of the caller's, a private authority is trusted; connections are kept."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=serving())
    transport = bench.transport(tls=trusting())
    for path in ("/one", "/two"):
        response = await bench.response(transport, request(server.url, path))
        expect(response.body == path.encode(), expected=path, seen=described(response))

    expect(server.connections == 1, expected="one connection", seen=f"{server.connections}")


async def _refused(bench: Bench, server: LoopbackServer, tls: ssl.SSLContext | None) -> None:
    asked = request(server.url, method="POST", body=b"{}", headers=_SECRET)
    error = await bench.failure(bench.transport(tls=tls), asked, kind=NotConnectedError)

    expect(
        error.evidence.request_complete is False and not error.evidence.response_begun,
        expected="evidence that nothing was sent",
        seen=described(error),
    )
    expect(not server.requests, expected="no request to an untrusted server", seen=server.requests)


@transport_check
async def an_unknown_authority_is_refused(bench: Bench) -> None:
    """Neither the default context nor one for another authority trusts an unknown server."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=serving())
    await _refused(bench, server, None)
    await _refused(bench, server, trusting(1))


@transport_check
async def an_expired_certificate_is_refused(bench: Bench) -> None:
    """A certificate that is out of date is no certificate."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=serving(expired=True))
    await _refused(bench, server, trusting())


@transport_check
async def a_certificate_of_another_host_is_refused(bench: Bench) -> None:
    """A certificate must be for the host that was asked for."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=serving("elsewhere.example"))
    await _refused(bench, server, trusting())


@transport_check
async def a_certificate_of_the_clients_is_shown(bench: Bench) -> None:
    """A server that demands a certificate gets the context's; without one it refuses us."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=serving(demands=True))
    asked = request(server.url)
    response = await bench.response(bench.transport(tls=trusting(shows=True)), asked)
    expect(response.body == b"/x", expected="a response", seen=described(response))
    before = len(server.requests)
    # A server refuses after the handshake, so it shows in a write or a read: try a few times.
    for _ in range(10):
        await bench.failure(bench.transport(tls=trusting()), asked, kind=TransportError)

    expect(len(server.requests) == before, expected="no request without it", seen=server.requests)


@transport_check
async def a_server_without_tls_had_nothing(bench: Bench) -> None:
    """Where the handshake fails, or does not end in time, the error says that nothing was sent."""
    bench.needs_network()
    for greeting in (b"HTTP/1.1 400 Bad\r\n\r\n", b""):
        server = bench.server(reads="nothing", greets=greeting)
        asked = request(f"https://{server.host}:{server.port}", method="POST", headers=_SECRET)
        bounds = bench.bounds(timeouts=Timeouts(connect=0.2))
        error = await bench.failure(bench.transport(), asked, bounds, kind=NotConnectedError)

        expect(
            error.evidence.request_complete is False and not error.evidence.response_begun,
            expected="evidence that nothing was sent",
            seen=described(error),
        )


def _proxy(bench: Bench, **options: bool) -> LoopbackProxy:
    bench.needs_network()
    proxy = LoopbackProxy(**options)
    bench.keep(proxy.close)
    return proxy


@transport_check
async def a_proxy_is_asked_for_a_tunnel(bench: Bench) -> None:
    """TLS goes through CONNECT; the proxy gets its credentials, the server does not."""
    proxy = _proxy(bench)
    server = bench.server(script=echoed, tls=serving())
    transport = bench.transport(
        tls=trusting(), proxy=f"http://user:pa%20{CANARY}@127.0.0.1:{proxy.port}"
    )
    for path in ("/one", "/two"):
        response = await bench.response(transport, request(server.url, path, headers=_SECRET))
        expect(response.body == path.encode(), expected=path, seen=described(response))

    asked = [(each.line.rpartition(" ")[0], each.credentials) for each in proxy.asked]
    expected = (f"CONNECT 127.0.0.1:{server.port}", f"user:pa {CANARY}")
    expect(set(asked) == {expected}, expected=f"{expected}", seen=asked)
    seen = [each.values("proxy-authorization") for each in server.requests]
    expect(seen == [[], []], expected="a server that knows nothing of the proxy", seen=seen)


@transport_check
async def a_proxy_passes_plain_requests_on(bench: Bench) -> None:
    """Plain HTTP goes through the proxy too, with its credentials."""
    proxy = _proxy(bench)
    server = bench.server(script=echoed)
    transport = bench.transport(proxy=f"http://user:{CANARY}@127.0.0.1:{proxy.port}")
    response = await bench.response(transport, request(server.url, "/a%2Fone"))

    expect(response.body.endswith(b"/a%2Fone"), expected="a response", seen=described(response))
    asked = [each.credentials for each in proxy.asked]
    expect(asked == [f"user:{CANARY}"], expected="the proxy with its credentials", seen=asked)


@transport_check
async def a_proxy_that_refuses_means_nothing_was_sent(bench: Bench) -> None:
    """A proxy that refuses or is not there gives NotConnectedError, without secrets."""
    proxy = _proxy(bench, refuses=True)
    server = bench.server(script=echoed, tls=serving())
    for port in (proxy.port, bench.closed_port()):
        transport = bench.transport(tls=trusting(), proxy=f"http://user:{CANARY}@127.0.0.1:{port}")
        error = await bench.failure(transport, request(server.url), kind=NotConnectedError)
        shown = f"{error}{error!r}{vars(error)!r}{transport!r}"

        expect(
            error.evidence.request_complete is False,
            expected="evidence that nothing was sent",
            seen=described(error),
        )
        expect(CANARY not in shown, expected="no password in any text", seen="it is there")


@transport_check
async def a_proxy_that_cannot_be_is_refused(bench: Bench) -> None:
    """A proxy URL that cannot be used is refused with an error of ours that does not quote it."""
    server = bench.server(script=echoed)
    for url in (f"gopher://user:{CANARY}@127.0.0.1:1", f"http://user:{CANARY}@127.0.0.1:port"):
        try:
            met = await bench.either(bench.transport(proxy=url), request(server.url))
        except BillingualError as error:
            met = error
        expect(isinstance(met, BillingualError), expected="an error of ours", seen=met)
        expect(
            CANARY not in f"{met}{met!r}", expected="no password in its text", seen="it is there"
        )
    expect(not server.requests, expected="no request past the proxy", seen=server.requests)


TRUST_CHECKS: Final = checks_in(globals())


@functools.cache
def authority(number: int) -> trustme.CA:  # noqa: ARG001 - each number is another one
    """Return an authority.

    Raises:
        NotApplicableError: if the package that makes certificates is not installed.
    """
    try:
        import trustme  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise NotApplicableError('install "billingual[testing]", which brings trustme') from None
    return trustme.CA()


def serving(
    name: str = "127.0.0.1", *, expired: bool = False, demands: bool = False
) -> ssl.SSLContext:
    """Make a server's context, with a certificate for *name*.

    Args:
        name: whom the certificate is for.
        expired: whether it has been out of date for years.
        demands: whether clients must show a certificate too.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    until = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
    authority(0).issue_cert(name, not_after=until).configure_cert(context)
    if demands:
        authority(0).configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting(number: int = 0, *, shows: bool = False) -> ssl.SSLContext:
    """Make a client's context that trusts one authority alone.

    Args:
        number: which authority; only 0 has signed the servers' certificates.
        shows: whether it has a certificate to show.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(number).configure_trust(context)
    if shows:
        authority(0).issue_cert("client.example").configure_cert(context)
    return context


_LIMIT: Final = 65_536


@attrs.frozen
class Asked:
    """What a proxy was asked: the first line, and the credentials as they were before encoding."""

    line: str
    credentials: str


class LoopbackProxy:
    """Take CONNECT and absolute targets.

    Args:
        refuses: answer 407 to every client.

    Attributes:
        asked: what it was asked, in order.
        port: where it listens.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._over = False
        self.asked: list[Asked] = []
        self.port: int = int(self._listener.getsockname()[1])
        self._begin(self._accept)

    def close(self) -> None:
        """Close all connections and end all threads."""
        self._over = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._over:
                connection.close()
                return
            self._sockets.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(_LIMIT)
                if not piece:
                    return
                data += piece
            head, _, rest = data.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            named = {
                key.lower(): value.strip() for key, _, value in (f.partition(":") for f in fields)
            }
            self.asked.append(Asked(line, _decoded(named.get("proxy-authorization", ""))))
            if self._refuses:
                connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
                return
            self._pass_on(connection, line, data, rest)

    def _pass_on(self, connection: socket.socket, line: str, data: bytes, rest: bytes) -> None:
        method, target, _ = line.split(" ")
        host, _, port = (target if method == "CONNECT" else urlsplit(target).netloc).rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as beyond:
            beyond.settimeout(None)
            self._sockets.append(beyond)
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                beyond.sendall(rest)
            else:
                beyond.sendall(data)
            self._begin(_pump, beyond, connection)
            _pump(connection, beyond)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_LIMIT):
            sink.sendall(piece)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _decoded(credentials: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.b64decode(credentials.partition(" ")[2]).decode("utf-8")
    return credentials
