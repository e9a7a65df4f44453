"""Through a proxy the transport h11 keeps the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from _support.wires.link import BODY, GZIP, Link, a_request, bounds, chunked, turn, with_length
from billingual import errors
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.transports.h11.transport import H11Transport
from billingual.wire import Timeouts

TARGET = "http://provider.invalid"


@pytest.fixture(params=["asyncio", "blocking"])
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    """Return a link over the backend."""
    if request.param == "blocking":
        link = Link(H11Transport, SyncBackend(), step)
        yield link
        link.close()
        return
    with asyncio.Runner() as runner:
        link = Link(H11Transport, AnyioBackend(), runner.run)
        yield link
        link.close()


@pytest.mark.parametrize("response", [with_length(b"ok"), chunked(b"o", b"k")])
def test_a_connection_to_a_proxy_is_used_again(
    link: Link, serve: Any, say: Any, response: bytes
) -> None:
    """Three requests in a row need one."""
    proxy = serve(*[say(response)] * 3)

    bodies = [
        link.send(a_request(TARGET, method="PUT", body=b"{}"), bounds(), proxy=proxy.url).body
        for _ in range(3)
    ]

    assert [b"ok"] * 3 == bodies
    assert proxy.connections == 1


def test_bytes_after_a_response_end_the_connection(link: Link, serve: Any, say: Any) -> None:
    """They are not taken for the next response."""
    late = with_length(b"late", status=b"408 Late")
    proxy = serve(say(with_length(b"1") + late), say(with_length(b"2")))

    bodies = [link.send(a_request(TARGET), bounds(), proxy=proxy.url).body for _ in range(2)]

    assert bodies == [b"1", b"2"]
    assert proxy.connections == 2


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (with_length(BODY), errors.ResponseTooLargeError),
        (chunked(*[b"x" * 100] * 9), errors.ResponseTooLargeError),
        (with_length(b"x" * 100, GZIP), errors.ConnectionLostError),
        (with_length(b"x" * 100)[:-1], errors.ConnectionLostError),
    ],
    ids=["length", "chunks", "no-gzip", "cut"],
)
def test_a_broken_or_large_response_is_refused(
    link: Link, serve: Any, say: Any, response: bytes, kind: type[errors.TransportError]
) -> None:
    """The next request has a new connection."""
    proxy = serve(say(response, then="close"), say(with_length(b"fine")))

    with pytest.raises(kind) as caught:
        link.send(a_request(TARGET), bounds(wire_bytes=500), proxy=proxy.url)
    following = link.send(a_request(TARGET), bounds())

    assert caught.value.evidence.response_begun is True
    assert following.body == b"fine"


def test_silence_ends_with_the_read_timeout(link: Link, serve: Any, say: Any) -> None:
    """A silent proxy holds no call beyond the read timeout."""
    proxy = serve(say(then="hang"))

    with pytest.raises(errors.TimedOutError, match="no response came in time"):
        link.send(a_request(TARGET), bounds(timeouts=Timeouts(read=0.05)), proxy=proxy.url)


def test_an_address_that_is_none_is_refused(link: Link) -> None:
    """Before the proxy is spoken to."""
    with pytest.raises(errors.TransportError) as caught:
        link.send(a_request("http://[::1"), bounds(), proxy="http://127.0.0.1:9")

    assert caught.value.evidence.request_complete is False


def test_what_is_dropped_is_closed(link: Link, serve: Any, say: Any) -> None:
    """From outside the loop, and once."""
    proxy = serve(*[say(with_length(b"ok"))] * 2)
    link.send(a_request(TARGET), bounds(), proxy=proxy.url)
    transport: Any = link._made[0]

    dropped = [transport.drop(), transport.drop()]
    link.run(turn())
    proxy._threads[1].join(timeout=120)

    assert dropped == [1, 0]
    assert not proxy._threads[1].is_alive()
