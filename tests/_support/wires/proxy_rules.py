"""How every transport over a socket must use a proxy."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from _support.invoice_server import InvoiceServer, uid
from _support.wires.link import (
    CANARY,
    NOTHING,
    Link,
    a_request,
    bounds,
    contexts,
    everything_held_by,
    with_length,
)
from _support.wires.tunnel_proxy import TunnelProxy
from billingual import errors

__all__ = ["ProxyRules", "ThroughASecureProxy"]


class ProxyRules:
    """The one that was given, and no other."""

    @pytest.mark.parametrize("proxy", ["nonsense", "ftp://127.0.0.1:1", "http://user:canary@[::1"])
    def test_a_proxy_that_cannot_be_used_is_a_matter_of_configuration(
        self, link: Link, serve: Any, proxy: str
    ) -> None:
        """Its URL may hold a password, so it is not shown."""
        with pytest.raises(errors.ConfigurationError, match="proxy") as caught:
            link.send(a_request(serve().url), bounds(), proxy=proxy)

        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None

    def test_a_proxy_that_was_given_is_used(self, link: Link, serve: Any, say: Any) -> None:
        """The request goes to the proxy with the full address and the proxy's credentials."""
        server = serve(say(with_length(b"proxied")))
        proxy = server.url.replace("http://", "http://user:p%40ss@")

        response = link.send(a_request("http://provider.invalid", "/a%2Fb"), bounds(), proxy=proxy)

        assert response.body == b"proxied"
        assert server.requests[0].startswith(
            b"GET http://provider.invalid/a%2Fb HTTP/1.1\r\nHost: provider.invalid\r\n"
        )
        assert b"proxy-authorization: basic dxnlcjpwqhnz" in server.requests[0].lower()

    def test_a_secure_request_goes_through_a_tunnel(self, link: Link, serve: Any, say: Any) -> None:
        """A proxy that refuses the tunnel had nothing of the request, and its password is safe."""
        server = serve(say(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", then="close"))
        proxy = server.url.replace("http://", f"http://user:{CANARY}@")
        token = (("Authorization", f"Bearer {CANARY}"),)
        request = a_request("https://provider.invalid", method="PUT", body=b"{}", headers=token)

        with pytest.raises(errors.NotConnectedError) as caught:
            link.send(request, bounds(), proxy=proxy)

        assert caught.value.evidence == NOTHING
        assert CANARY not in repr(caught.value)
        assert server.requests[0].startswith(b"CONNECT provider.invalid:443 HTTP/1.")
        assert b"proxy-authorization: basic " in server.requests[0].lower()
        assert b"Bearer" not in server.requests[0]

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    def test_a_proxy_carries_any_request(self, link: Link, *, secure: bool) -> None:
        """Plain ones as they are, secure ones in a tunnel: there it learns no token."""
        theirs, ours = contexts(trustme.CA(), "127.0.0.1")
        with InvoiceServer(theirs if secure else None) as server, TunnelProxy() as proxy:
            _through(link, server, proxy, "http", ours, secure=secure)

    def test_the_environment_names_no_proxy(
        self, link: Link, serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        """Neither a proxy nor a password comes from variables or files that others set."""
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        server = serve(say(with_length(b"direct")))

        response = link.send(a_request(server.url), bounds())

        assert response.body == b"direct"
        assert b"authorization" not in server.requests[0].lower()


class ThroughASecureProxy:
    """The rule of transports whose ``tls`` option speaks for a secure proxy too."""

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    def test_a_secure_proxy_carries_any_request(self, link: Link, *, secure: bool) -> None:
        """The proxy's certificate is checked as a server's is."""
        theirs, ours = contexts(trustme.CA(), "127.0.0.1")
        with InvoiceServer(theirs if secure else None) as server, TunnelProxy(theirs) as proxy:
            _through(link, server, proxy, "https", ours, secure=secure)

    def test_a_secure_proxy_that_cannot_be_trusted_is_refused(self, link: Link) -> None:
        """It has not seen the password, nor the request."""
        theirs, _ = contexts(trustme.CA(), "127.0.0.1")
        with TunnelProxy(theirs) as proxy:
            url = f"https://user:{CANARY}@127.0.0.1:{proxy.port}"

            with pytest.raises(errors.NotConnectedError, match="certificate was refused") as caught:
                link.send(a_request("http://provider.invalid"), bounds(), proxy=url)

            assert proxy.heads == []
        assert caught.value.evidence == NOTHING
        assert CANARY not in everything_held_by(caught.value)


def _through(
    link: Link, server: InvoiceServer, proxy: TunnelProxy, scheme: str, tls: ssl.SSLContext,
    *, secure: bool,
) -> None:  # fmt: skip
    request = a_request(server.url, f"/invoices/{uid(1)}", headers=(("Authorization", CANARY),))
    url = f"{scheme}://user:pass@127.0.0.1:{proxy.port}"

    response = link.send(request, bounds(), tls=tls, proxy=url)
    link.close()

    assert uid(1).encode() in response.body
    assert [b"CONNECT" if secure else b"GET"] == [head.split()[0] for head in proxy.heads]
    assert b"proxy-authorization: basic dxnlcjpwyxnz" in proxy.heads[0].lower()
    assert secure is (CANARY.encode() not in proxy.heads[0])
