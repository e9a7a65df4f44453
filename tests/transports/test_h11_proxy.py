"""The proxy of the transport h11, without a network."""

from __future__ import annotations

import pytest

from billingual.errors import ConfigurationError
from billingual.transports.h11.http1 import ProxyRefusedError
from billingual.transports.h11.proxy import Proxy
from billingual.transports.h11.tunnel import Tunnel


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:3128", None),
        ("http://user:pass@h", "Basic dXNlcjpwYXNz"),
        ("http://Aladdin:open%20sesame@h", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("http://test:123%C2%A3@h", "Basic dGVzdDoxMjPCow=="),
        ("http://user@h", "Basic dXNlcjo="),
        ("http://a%3Ab:c@h", "Basic YTpiOmM="),
    ],
    ids=["none", "plain", "percent-encoded", "utf-8", "no password", "colon"],
)
def test_credentials_go_as_utf_8(url: str, expected: str | None) -> None:
    """Source: RFC 7617, sections 2 and 2.1, read 2026-11: the examples are its own."""
    proxy = Proxy.from_url(url)

    assert proxy.authorization == expected
    assert repr(expected) not in repr(proxy)


@pytest.mark.parametrize(
    "url", ["", "h:3128", "socks5://h", "http://", "http://h:0", "http://h:99999", "http://[::1"]
)
def test_an_address_that_is_no_proxy_is_a_configuration_error(url: str) -> None:
    """It is not shown, because it may hold a password."""
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        Proxy.from_url(url)

    assert caught.value.__context__ is None


def tunnel() -> Tunnel:
    """Ask for a tunnel."""
    asked = Tunnel(Proxy.from_url("http://user:pass@p:3128"), "::1", 443)
    assert asked.request() == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"
        b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n"
    )
    return asked


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nVia: p\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_a_tunnel_is_open_after_a_response_of_200(response: bytes) -> None:
    """However the bytes of the response arrive."""
    at_once, by_byte = tunnel(), tunnel()

    assert at_once.feed(response)
    assert [False] * (len(response) - 1) + [True] == [
        by_byte.feed(response[each : each + 1]) for each in range(len(response))
    ]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n", "status 407"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\n\r\nsurplus", "before the tunnel was used"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "does not speak HTTP"),
    ],
    ids=["407", "redirect", "surplus", "no http", "end", "endless"],
)
def test_anything_else_is_a_refusal(response: bytes, why: str) -> None:
    """What a proxy says before the tunnel is open never reaches the caller as a response."""
    with pytest.raises(ProxyRefusedError, match=why):
        tunnel().feed(response)
