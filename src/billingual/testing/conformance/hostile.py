"""What comes back from a server that means harm: bounds hold, and responses are not mixed up."""

from __future__ import annotations

import functools
import gzip
import zlib
from typing import Final

from billingual.errors import ResponseTooLargeError
from billingual.testing.conformance.harness import (
    Bench,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.raw_responses import chunked, to_the_end, with_length
from billingual.testing.conformance.report import expect
from billingual.testing.conformance.responses import BODY, GZIP, PACKED, breaks
from billingual.testing.conformance.server import Heard, Say
from billingual.wire import WireResponse

__all__ = ["HOSTILE_CHECKS"]


@transport_check
async def hostile_heads_end_as_a_response_or_our_error(bench: Bench) -> None:
    """Any bytes in a head end as a response or an error of ours, and the next request succeeds."""
    two = b"Content-Length: 2\r\n"
    heads = (
        two + b"X-Folded: a\r\n b\r\n", two + b"X-Latin: caf\xe9\r\n", two + b"X-Nul: a\x00b\r\n",
        two + b"X-Utf: \xf0\x9f\x92\xa9\r\n", two + b"no colon\r\n", two + b"X : spaced\r\n",
        two + b": no name\r\n", two + b"Content-Length: 3\r\n", b"Content-Length: -1\r\n",
        b"Content-Length: 2, 2\r\n", b"Content-Length: 1e9\r\n", b"Content-Length: +2\r\n",
        two + b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
        two + b"Content-Encoding: \xff\r\n", two + b"X-Bare: a\rb\r\n",
    )  # fmt: skip
    lines = (
        b"HTTP/1.1 99999 Odd\r\n", b"HTTP/1.1 20x OK\r\n", b"HTTP/9.9 200 OK\r\n",
        b"HTTP/1.1 200\r\n", b"HTTP/1.1 -12 Odd\r\n", b"HTTP/1.1 200 \xff\x00\r\n", b"\r\n\r\n",
    )  # fmt: skip
    responses = [b"HTTP/1.1 200 OK\r\n" + each + b"\r\nok" for each in heads]
    responses += [each + two + b"\r\nok" for each in lines]
    server = bench.server(
        script=lambda heard: (
            echoed(heard)
            if heard.target.startswith("/after")
            else Say(responses[int(heard.target[1:])], then="close")
        )
    )
    transport = bench.transport()

    for number in range(len(responses)):
        await bench.either(transport, request(server.url, f"/{number}"))
        asked = request(server.url, f"/after/{number}")
        after = await bench.either(transport, asked)
        if not isinstance(after, WireResponse):
            # It may have met the connection that the server was just about to close.
            after = await bench.response(transport, asked)
        expect(
            after.body == b"/after/%d" % number,
            expected=f"after {responses[number]!r} a response of its own",
            seen=described(after),
        )


@transport_check
async def surplus_bytes_are_no_response(bench: Bench) -> None:
    """Bytes after a whole response never become the response to another request."""
    ok, poison = with_length(b"ok"), with_length(b"poison")
    for said in ((ok + poison,), (ok, poison), (ok + poison[:-3],), (chunked(b"ok") + poison,)):
        for before in ([], ["/before"]):
            server = bench.server(script=functools.partial(_with_surplus, said))
            transport = bench.transport(connections=1)
            for path in [*before, "/x"]:
                await bench.response(transport, request(server.url, path))
            # What was sent apart is there by now.
            await bench.backend.sleep(0.01)
            for path in ("/next", "/and-the-next"):
                met = await bench.either(transport, request(server.url, path, method="POST"))

                expect(
                    not isinstance(met, WireResponse) or met.body == path.encode(),
                    expected="its own response, or an error",
                    seen=described(met),
                )


def _with_surplus(said: tuple[bytes, ...], heard: Heard) -> Say:
    return Say(said) if heard.target == "/x" else echoed(heard)


@transport_check
async def responses_are_bounded(bench: Bench) -> None:
    """Size on the wire, size unpacked and growth each have a bound; more is not read."""
    for name, say, bounds in (
        ("on the wire", Say(with_length(BODY)), {"wire_bytes": 1000}),
        ("on the wire, in chunks", Say(chunked(BODY)), {"wire_bytes": 1000}),
        ("packed, on the wire", Say(with_length(PACKED, GZIP)), {"wire_bytes": 20}),
        ("plain", Say(with_length(BODY)), {"body_bytes": 1000}),
        ("unpacked", Say(with_length(PACKED, GZIP)), {"body_bytes": 1000}),
        ("without end", Say(to_the_end(b""), then="drip"), {"wire_bytes": 5}),
    ):
        await breaks(bench, {name: say}, ResponseTooLargeError, **bounds)


@transport_check
async def bombs_are_not_unpacked(bench: Bench) -> None:
    """A small body that unpacks to too much is refused while it is unpacked."""
    bomb = bytes(8 * 2**20)
    await breaks(
        bench,
        {
            "gzip": Say(with_length(gzip.compress(bomb), GZIP)),
            "deflate": Say(with_length(zlib.compress(bomb), b"Content-Encoding: deflate")),
        },
        ResponseTooLargeError,
    )


@transport_check
async def a_response_as_large_as_its_bounds_arrives(bench: Bench) -> None:
    """A response exactly as large as a bound is accepted."""
    server = bench.server(Say(with_length(BODY)), Say(with_length(PACKED, GZIP)))
    transport = bench.transport()
    for size in (len(BODY), len(PACKED)):
        bounds = bench.bounds(wire_bytes=size, body_bytes=len(BODY))
        response = await bench.response(transport, request(server.url), bounds)
        expect(response.body == BODY, expected="the whole body", seen=described(response))


HOSTILE_CHECKS: Final = (
    hostile_heads_end_as_a_response_or_our_error,
    surplus_bytes_are_no_response,
    responses_are_bounded,
    bombs_are_not_unpacked,
    a_response_as_large_as_its_bounds_arrives,
)
