"""The messages of the transport h11, beside the library h11 as an independent witness.

The transport parses with httptools. Whatever it accepts, the library must read in the same way.
"""

from __future__ import annotations

import gzip
import random
from typing import Final

import h11
import pytest

from billingual.errors import BillingualError
from billingual.outcomes import Safety
from billingual.transports.h11.http1 import BadResponseError, Http1, RequestWriter
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest

BOUNDS: Final = Bounds(timeouts=Timeouts(), deadline=Deadline(100.0, lambda: 0.0))
OK: Final = b"HTTP/1.1 200 OK\r\n"
Read = tuple[int, tuple[tuple[str, str], ...], bytes, bool]


def request(method: str = "GET", **headers: str) -> WireRequest:
    """Make a request."""
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    return WireRequest(
        method=method, url="http://h/x", route="/x", safety=Safety.READ, headers=fields
    )


def read(pieces: list[bytes], method: str = "GET") -> Read | None:
    """Read a response with the transport's parser, to its end; None where it is refused."""
    http = Http1()
    http.begin(RequestWriter().prepare(request(method)), BOUNDS)
    try:
        for number, piece in enumerate([*pieces, b""]):
            if http.feed(piece, request_complete=True):
                # A real connection sees bytes that come later when it is used next.
                late = any(pieces[number + 1 :])
                response = http.finish()
                keeps = http.start_next() and not late
                return response.status, tuple(response.headers), response.body, keeps
    except (BadResponseError, BillingualError):
        return None
    finally:
        http.close()
    raise AssertionError("an end is an end")


def read_by_witness(data: bytes, method: str = "GET") -> Read | None:
    """Read it with h11."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method=method, target="/x", headers=[("Host", "h")]))
    http.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = b""
    try:
        http.receive_data(data)
        ended = False
        while True:
            event = http.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif event is h11.NEED_DATA and not ended:
                http.receive_data(b"")
                ended = True
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    assert head is not None
    fields = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in head.headers.raw_items()
    )
    keeps = http.their_state is h11.DONE and not any(http.trailing_data)
    return head.status_code, fields, body, keeps


GOOD: Final = {
    "length": OK + b"Content-Length: 2\r\n\r\nok",
    "no reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    "chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    "chunk extension": OK + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n",
    "trailer": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
    "to the end": OK + b"\r\nok",
    "http 1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
    "preliminary": b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n",
    "999": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "upgrade": OK + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok",
    "bytes": OK + b"X-B: caf\xe9\r\nx-b: 2\r\nContent-Length: 2\r\n\r\nok",
    "spaces": OK + b"X-A:   v  \r\nContent-Length: 2\r\n\r\nok",
    "surplus": OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "surplus junk": OK + b"Content-Length: 2\r\n\r\nokx",
    "surplus after close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nokx",
    "gzip": OK + b"Content-Length: 22\r\nX-Gzip: no\r\n\r\n" + gzip.compress(b"ok", mtime=0),
}  # fmt: skip
BAD: Final = {
    "nothing": b"",
    "half a head": OK,
    "no http": b"SSH-2.0\r\n\r\n",
    "http 2": b"HTTP/2.0 200 OK\r\n\r\n",
    "099": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
    "101 alone": b"HTTP/1.1 101 Switching\r\n\r\n",
    "cut": OK + b"Content-Length: 3\r\n\r\nok",
    "no chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n",
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "half a last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
    "no chunk size": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
    "negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
    "huge chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\nok",
    "unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no number": OK + b"Content-Length: 2x\r\n\r\nok",
    "plus": OK + b"Content-Length: +2\r\n\r\nok",
    "negative": OK + b"Content-Length: -2\r\n\r\nok",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok.",
    "space in a name": OK + b"Content Length: 2\r\n\r\nok",
    "space before colon": OK + b"Content-Length : 2\r\n\r\nok",
    "no colon": OK + b"Content-Length\r\n\r\nok",
    "null": OK + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "endless head": OK + b"X-A: " + b"x" * 200_000,
    "endless preliminaries": b"HTTP/1.1 103 Hints\r\n\r\n" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_response_is_read_as_by_the_witness(name: str) -> None:
    """Status, headers, body, and whether the connection may go on; whole or byte by byte."""
    data = GOOD[name]
    expected = read_by_witness(data)

    assert expected is not None
    assert read([data]) == expected
    assert read([data[each : each + 1] for each in range(len(data))]) == expected


@pytest.mark.parametrize("name", BAD)
def test_a_bad_response_is_refused(name: str) -> None:
    """Nothing short, garbled or ambiguous passes for a response; whole or byte by byte."""
    data = BAD[name]

    assert read([data]) is None
    assert read([data[each : each + 1] for each in range(len(data))]) is None


def test_a_cut_response_never_passes_for_a_whole_one() -> None:
    """At every byte, but for a body that ends with its connection."""
    for name in sorted(
        GOOD.keys() - {"to the end", "surplus", "surplus junk", "surplus after close"}
    ):
        data = GOOD[name]

        assert [read([data[:cut]]) for cut in range(len(data))] == [None] * len(data), name


def test_what_is_accepted_is_read_as_by_the_witness_after_any_damage() -> None:
    """Damaged responses, drawn with a seed: we may refuse more than h11, and never read other."""
    chance = random.Random(20261128)  # noqa: S311 - a seed, so that each run is the same
    # No NUL: in a reason phrase, which no code reads, the parser lets it pass.
    letters = b"\r\n \t:;,=0123456789abcfxzHTP/.-+\x7f\xff"
    accepted = 0
    for _ in range(6000):
        data = bytearray(chance.choice(list(GOOD.values())))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            damage = chance.randrange(3)
            if damage == 0:
                data[at] = chance.choice(letters)
            elif damage == 1:
                del data[at : at + chance.randint(1, 4)]
            else:
                data[at:at] = bytes(chance.choices(letters, k=chance.randint(1, 3)))
            data = data or bytearray(b"H")
        whole = bytes(data)
        cut = chance.randint(1, len(whole))
        ours = read([whole])

        assert read([whole[:cut], whole[cut:]]) == ours, whole
        if ours is None:
            continue
        accepted += 1
        theirs = read_by_witness(whole.lstrip(b"\r\n"))  # empty lines before it mean nothing

        assert theirs is not None, whole
        assert ours[:3] == theirs[:3], whole
        # Empty lines after it mean nothing either, though h11 closes the connection then.
        assert theirs[3] or not ours[3] or whole.endswith((b"\r", b"\n")), whole

    assert accepted > 500


def test_the_response_to_a_head_has_no_body() -> None:
    """Though its head states the length that a GET would bring."""
    data = OK + b"Content-Length: 2\r\n\r\n"

    response = read([data], "HEAD")

    assert response is not None
    assert (200, b"") == (response[0], response[2])


def test_a_304_that_states_a_length_has_no_body() -> None:
    """It is the length of what was not sent again."""
    response = read([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"])

    assert response is not None
    assert (304, b"") == (response[0], response[2])


@pytest.mark.parametrize("endless", [b"1\r\nx\r\n", b"X-T: 1\r\n" * 1000])
def test_the_framing_of_chunks_is_bounded(endless: bytes) -> None:
    """Sizes and trailers are no body, and still fill memory or time."""
    http = Http1()
    few = Bounds(timeouts=Timeouts(), deadline=BOUNDS.deadline, wire_bytes=50_000)
    http.begin(RequestWriter().prepare(request()), few)
    begun = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0\r\n" * endless.startswith(b"X")
    http.feed(begun, request_complete=True)

    def feed_on() -> None:
        for _ in range(40_000):
            http.feed(endless, request_complete=True)

    with pytest.raises(BillingualError, match="larger than 50000 bytes"):
        feed_on()
    http.close()


def test_a_request_that_asks_to_close_ends_the_connection() -> None:
    """Even if the server does not say so: it may close at any moment."""
    http = Http1()
    http.begin(RequestWriter().prepare(request(Connection="close")), BOUNDS)

    assert http.feed(GOOD["length"], request_complete=True)
    assert not http.start_next()


def test_a_tunnel_is_no_request() -> None:
    """CONNECT is for the proxy, and never for the server."""
    with pytest.raises(BillingualError, match="tunnel"):
        RequestWriter().prepare(request("CONNECT"))
