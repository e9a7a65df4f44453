"""Whom a transport trusts, and whom it goes through: TLS and proxies."""

from __future__ import annotations

import ssl
from typing import Final

from billingual.errors import BillingualError, NotConnectedError, TransportError
from billingual.testing.conformance import certificates
from billingual.testing.conformance.harness import (
    CANARY,
    Bench,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.proxy import LoopbackProxy
from billingual.testing.conformance.report import expect
from billingual.testing.conformance.server import LoopbackServer
from billingual.wire import Timeouts

__all__ = ["TRUST_CHECKS"]

_SECRET: Final = [("Authorization", f"Bearer {CANARY}")]


@transport_check
async def a_trusted_certificate_is_taken(bench: Bench) -> None:
    """With a context of the caller's, a private authority is trusted; connections are kept."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=certificates.serving())
    transport = bench.transport(tls=certificates.trusting())
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
    server = bench.server(script=echoed, tls=certificates.serving())
    await _refused(bench, server, None)
    await _refused(bench, server, certificates.trusting(1))


@transport_check
async def an_expired_certificate_is_refused(bench: Bench) -> None:
    """A certificate that is out of date is no certificate."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=certificates.serving(expired=True))
    await _refused(bench, server, certificates.trusting())


@transport_check
async def a_certificate_of_another_host_is_refused(bench: Bench) -> None:
    """A certificate must be for the host that was asked for."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=certificates.serving("elsewhere.example"))
    await _refused(bench, server, certificates.trusting())


@transport_check
async def a_certificate_of_the_clients_is_shown(bench: Bench) -> None:
    """A server that demands a certificate gets the context's; without one it refuses us."""
    bench.needs_network()
    server = bench.server(script=echoed, tls=certificates.serving(demands=True))
    asked = request(server.url)
    response = await bench.response(bench.transport(tls=certificates.trusting(shows=True)), asked)
    expect(response.body == b"/x", expected="a response", seen=described(response))
    before = len(server.requests)
    # A server refuses after the handshake, so it shows in a write or a read: try a few times.
    for _ in range(10):
        await bench.failure(
            bench.transport(tls=certificates.trusting()), asked, kind=TransportError
        )

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
    server = bench.server(script=echoed, tls=certificates.serving())
    transport = bench.transport(
        tls=certificates.trusting(), proxy=f"http://user:pa%20{CANARY}@127.0.0.1:{proxy.port}"
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
    server = bench.server(script=echoed, tls=certificates.serving())
    for port in (proxy.port, bench.closed_port()):
        transport = bench.transport(
            tls=certificates.trusting(), proxy=f"http://user:{CANARY}@127.0.0.1:{port}"
        )
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


TRUST_CHECKS: Final = (
    a_trusted_certificate_is_taken,
    an_unknown_authority_is_refused,
    an_expired_certificate_is_refused,
    a_certificate_of_another_host_is_refused,
    a_certificate_of_the_clients_is_shown,
    a_server_without_tls_had_nothing,
    a_proxy_is_asked_for_a_tunnel,
    a_proxy_passes_plain_requests_on,
    a_proxy_that_refuses_means_nothing_was_sent,
    a_proxy_that_cannot_be_is_refused,
)
