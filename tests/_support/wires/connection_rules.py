"""How every transport over a socket must treat connections."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from _support.invoice_server import InvoiceServer, uid
from _support.wires.link import (
    NOTHING,
    SENT,
    Link,
    a_request,
    bounds,
    contexts,
    turn,
    with_length,
)
from billingual import errors
from billingual.wire import Deadline, Timeouts

__all__ = ["ConnectionRules"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class ConnectionRules:
    """When there is none, when it is used again, and whom it trusts."""

    @pytest.mark.parametrize("body", [None, b"{}"], ids=["get", "put"])
    def test_silence_ends_with_the_read_timeout(
        self, link: Link, serve: Any, say: Any, body: bytes | None
    ) -> None:
        """The request was sent whole; whether it was carried out is unknown."""
        server = serve(say(then="hang"))
        request = a_request(server.url, method="GET" if body is None else "PUT", body=body)

        with pytest.raises(errors.TimedOutError) as caught:
            link.send(request, bounds(timeouts=Timeouts(read=0.05)))

        assert caught.value.evidence == SENT

    def test_silence_ends_with_the_deadline(self, link: Link, serve: Any, say: Any) -> None:
        """A phase is never longer than what the deadline leaves."""
        server = serve(say(then="hang"))

        with pytest.raises(errors.TimedOutError) as caught:
            link.send(a_request(server.url), bounds(deadline=Deadline(0.05, lambda: 0.0)))

        assert caught.value.evidence == SENT

    @pytest.mark.timeout(120)
    def test_a_server_that_does_not_take_the_request_ends_with_the_write_timeout(
        self, link: Link
    ) -> None:
        """What part of it the server has is unknown."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            request = a_request(url, method="PUT", body=b"z" * 30_000_000)

            with pytest.raises(errors.TimedOutError) as caught:
                link.send(request, bounds(timeouts=Timeouts(write=0.1)))

        assert caught.value.evidence.connected is True
        assert caught.value.evidence.request_complete is None

    def test_a_refused_connection_means_that_nothing_was_sent(self, link: Link) -> None:
        """The text names the address and what to check."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(errors.NotConnectedError, match="nothing listens there") as caught:
            link.send(a_request(url, method="POST", body=b"{}"), bounds())

        assert caught.value.evidence == NOTHING
        assert f"{url}: " in str(caught.value)

    def test_a_name_without_a_host_means_that_nothing_was_sent(self, link: Link) -> None:
        """A wrong name reads otherwise than a closed port."""
        with pytest.raises(errors.NotConnectedError, match="no host of that name") as caught:
            link.send(a_request("http://no-such-host.invalid", method="PUT", body=b"{}"), bounds())

        assert caught.value.evidence == NOTHING

    @pytest.mark.parametrize("farewell", [b"", with_length(b"late", status=b"408 Late")])
    def test_a_connection_that_ended_meanwhile_is_not_used_again(
        self, link: Link, serve: Any, say: Any, farewell: bytes
    ) -> None:
        """Neither its end nor a farewell on it becomes the next response."""
        server = serve(say(with_length(b"first") + farewell, then="close"), say(with_length(b"2")))

        first = link.send(a_request(server.url, method="PUT", body=b"{}"), bounds())
        server._threads[1].join(timeout=120)
        second = link.send(a_request(server.url, method="PUT", body=b"{}"), bounds())

        assert (first.body, second.body) == (b"first", b"2")
        assert (server.connections, len(server.requests)) == (2, 2)

    def test_a_stale_connection_is_told_from_a_refused_one(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """A server that closes as the request comes may have it: nothing is sent again."""
        server = serve(say(with_length(b"ok")), say(then="close"), say(with_length(b"again")))
        link.send(a_request(server.url), bounds())

        with pytest.raises(errors.ConnectionLostError) as caught:
            link.send(a_request(server.url, method="PUT", body=b"{}"), bounds())

        assert caught.value.evidence.response_begun is False
        assert caught.value.evidence.request_complete is not False
        assert (server.connections, len(server.requests)) == (1, 2)

    def test_closing_is_no_end(self, link: Link, serve: Any, say: Any) -> None:
        """Closing twice is no error, also before the first request, nor is a request after it."""
        server = serve(*[say(with_length(b""))] * 2)
        transport = link.transport()
        link.run(transport.aclose())
        link.send(a_request(server.url), bounds())
        link.run(transport.aclose())
        link.run(transport.aclose())
        link.send(a_request(server.url), bounds())

        assert server.connections == 2
        assert repr(transport) == f"{type(transport).__name__}()"
        assert transport.account("exante") is None

    def test_what_is_dropped_is_closed(self, link: Link) -> None:
        """It says how many connections there were; none is left."""
        with InvoiceServer() as server:
            link.send(a_request(server.url, f"/invoices/{uid(1)}"), bounds())
            transport: Any = link._made[0]

            dropped = [transport.drop(), transport.drop()]
            link.run(turn())

            server.wait_for_open(0)

        assert dropped == [1, 0]

    @pytest.mark.parametrize("mutual", [False, True], ids=["server", "mutual"])
    def test_a_context_of_the_callers_is_used(self, link: Link, *, mutual: bool) -> None:
        """A private authority is trusted where the caller says so; it may want our name too."""
        authority = trustme.CA()
        theirs, ours = contexts(authority, "127.0.0.1")
        if mutual:
            authority.configure_trust(theirs)
            theirs.verify_mode = ssl.CERT_REQUIRED
            authority.issue_cert("client@ours.example").configure_cert(ours)
        with InvoiceServer(theirs) as server:
            for number in (1, 2):
                response = link.send(
                    a_request(server.url, f"/invoices/{uid(number)}"), bounds(), tls=ours
                )

                assert uid(number).encode() in response.body
            assert server.connections == 1
            link.close()
            server.wait_for_open(0)

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
    def test_a_certificate_that_cannot_be_trusted_is_refused(
        self, link: Link, names: str, options: dict[str, Any], trusts: str | None, why: str
    ) -> None:
        """NotConnectedError says why; nothing was sent."""
        authority = trustme.CA()
        theirs, ours = contexts(authority, names, **options)
        if trusts == "other":
            ours = contexts(trustme.CA(), names)[1]
        with InvoiceServer(theirs) as server:
            request = a_request(server.url, method="PUT", body=b"{}")

            with pytest.raises(errors.NotConnectedError, match=why) as caught:
                link.send(request, bounds(), tls=None if trusts is None else ours)

            assert caught.value.evidence == NOTHING
            assert "tls=" in str(caught.value)
            assert server.requests == []
            server.wait_for_open(0)

    def test_a_server_that_speaks_no_tls_had_nothing(
        self, link: Link, serve: Any, say: Any
    ) -> None:
        """A handshake that fails comes before the first byte of a request."""
        server = serve(say(b"HTTP/1.1 400 Bad\r\n\r\n", then="close"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"

            with pytest.raises(errors.NotConnectedError) as silent:
                link.send(a_request(url), bounds(timeouts=Timeouts(connect=0.1)))
        with pytest.raises(errors.NotConnectedError) as plain:
            link.send(
                a_request(server.url.replace("http:", "https:")),
                bounds(timeouts=Timeouts(connect=0.3)),
            )

        assert silent.value.evidence == plain.value.evidence == NOTHING
        assert server.requests == []
