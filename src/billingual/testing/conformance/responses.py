"""What comes back: whole responses in every framing, bounded and never mixed up, or our errors."""

from __future__ import annotations

import functools
import gzip
import zlib
from typing import Any, Final

from billingual.errors import (
    ConnectionLostError,
    ResponseTooLargeError,
    TimedOutError,
    TransportError,
)
from billingual.testing.conformance.harness import (
    Bench,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.report import checks_in, expect
from billingual.testing.conformance.server import Heard, Say, chunked, to_the_end, with_length
from billingual.wire import Headers, Timeouts, WireRequest, WireResponse

__all__ = ["BODY", "GZIP", "PACKED", "RESPONSE_CHECKS", "breaks"]

BODY: Final = b'{"status": "success", "data": "' + b"ab" * 700 + b'"}'
PACKED: Final = gzip.compress(BODY, mtime=0)
GZIP: Final = b"Content-Encoding: gzip"
_STATUSES: Final = (200, 201, 204, 304, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503, 599)


async def _arrives(bench: Bench, says: dict[str, Say]) -> None:
    """Expect the body from each of the responses, all by one transport."""
    server = bench.server(*says.values())
    transport = bench.transport()
    for name, say in says.items():
        response = await bench.response(transport, request(server.url))
        expect(
            (response.status, response.body) == (200, BODY),
            expected=f"{name}: 200 with the whole body of {len(BODY)} bytes",
            seen=described(response),
        )
        if say.then != "keep":
            # The next request could meet the connection just as the server closes it.
            transport = bench.transport()


async def breaks(
    bench: Bench,
    says: dict[str, Say],
    kind: type[TransportError] = ConnectionLostError,
    **bounds: Any,
) -> None:
    """Expect an error from each of the responses, and evidence that fits; then a good response."""
    server = bench.server(
        *(each for say in says.values() for each in (say, Say(with_length(b"ok"))))
    )
    transport = bench.transport(connections=1)
    for name, say in says.items():
        error = await bench.failure(
            transport, request(server.url), bench.bounds(**bounds), kind=kind
        )
        # A reset may overtake, on its way through the system, what was sent before it.
        begun = error.evidence.response_begun is not False or say.then == "reset"
        expect(
            error.evidence.request_complete is not False and begun,
            expected=f"{name}: evidence of a request that went out and a response that began",
            seen=described(error),
        )
        after = await bench.response(transport, request(server.url))
        expect(
            after.body == b"ok", expected=f"{name}: the next response whole", seen=described(after)
        )


@transport_check
async def any_status_is_a_response(bench: Bench) -> None:
    """The transport judges no status, and tries none again."""
    asked_for: list[int] = []

    def handler(asked: WireRequest) -> WireResponse:
        asked_for.append(int(asked.url.rpartition("/")[2]))
        return WireResponse(status=asked_for[-1], body=b"said")

    place = bench.answering(handler)
    for status in _STATUSES:
        response = await bench.response(place.transport, request(place.url, f"/{status}"))

        expect(response.status == status, expected=f"the status {status}", seen=described(response))
        times = asked_for.count(status)
        expect(times == 1, expected=f"a request whose response is {status} sent once", seen=times)


@transport_check
async def redirects_are_not_followed(bench: Bench) -> None:
    """A redirect is a response: the token is not carried to wherever it points."""
    at = ""

    def handler(asked: WireRequest) -> WireResponse:
        status = asked.url.rpartition("/")[2]
        moved = Headers([("Location", f"{at}/200")])
        return WireResponse(status=int(status), headers=moved if status[0] == "3" else Headers())

    place = bench.answering(handler)
    at = place.url
    for method in ("GET", "POST"):
        for status in (301, 302, 303, 307, 308):
            asked = request(place.url, f"/{status}", method=method)
            response = await bench.response(place.transport, asked)
            expect(
                response.status == status, expected=f"the status {status}", seen=described(response)
            )

    expect(len(place.heard()) == 10, expected="one request for each", seen=place.heard())


@transport_check
async def interim_responses_are_passed_over(bench: Bench) -> None:
    """A preliminary response (1xx) is skipped; the final one is returned."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    await _arrives(
        bench,
        {
            "100": Say(b"HTTP/1.1 100 Continue\r\n\r\n" + with_length(BODY)),
            "103": Say(hints + with_length(BODY)),
            "103 twice": Say((hints, hints, with_length(BODY))),
        },
    )


@transport_check
async def statuses_without_a_body_end_at_once(bench: Bench) -> None:
    """Responses of 204 and 304 have no body, whatever their headers say; more may follow."""
    server = bench.server(
        Say(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Say(b"HTTP/1.1 204 No Content\r\n" + GZIP + b"\r\n\r\n"),
        Say(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        Say(with_length(b"")),
        Say(with_length(BODY)),
    )
    transport = bench.transport()
    responses = [await bench.response(transport, request(server.url)) for _ in range(5)]

    expect(
        [(each.status, each.body) for each in responses]
        == [(204, b""), (204, b""), (304, b""), (200, b""), (200, BODY)],
        expected="204, 204, 304 and 200 without a body, then 200 with one",
        seen="; ".join(described(each) for each in responses),
    )


@transport_check
async def headers_of_a_response_are_kept(bench: Bench) -> None:
    """Fields that come twice stay two; names are found in any case."""
    pairs = [("X-Twice", "1"), ("Retry-After", "7"), ("X-Twice", "2")]
    place = bench.answering(lambda asked: WireResponse(status=200, headers=Headers(pairs)))  # noqa: ARG005
    response = await bench.response(place.transport, request(place.url))

    seen = (response.headers.get_all("x-twice"), response.headers.get("retry-AFTER"))
    expect(seen == (("1", "2"), "7"), expected="(('1', '2'), '7')", seen=seen)


@transport_check
async def a_large_head_is_read(bench: Bench) -> None:
    """A header of 60 KB, or 150 of them, is fine: proxies add cookies, policies and traces."""
    await _arrives(
        bench,
        {
            "9 KB": Say(with_length(BODY, b"Set-Cookie: a=" + b"b" * 9_000)),
            "60 KB": Say(with_length(BODY, b"X-Trace: " + b"c" * 60_000)),
            "150 fields": Say(with_length(BODY, *(b"X-%d: d" % each for each in range(150)))),
        },
    )


@transport_check
async def a_malformed_head_ends_at_once(bench: Bench) -> None:
    """A line that is not a header field is skipped or gives an error at once."""
    for line in (b"no field", b"X Y: two words", b"X-Y : a space", b"X: a\rY: b", b": no name"):
        head = b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        server = bench.server(Say(head + BODY))
        transport = bench.transport()
        bounds = bench.bounds(timeouts=Timeouts.each(1.0))
        met = await bench.either(transport, request(server.url), bounds)
        expect(
            met.body == BODY
            if isinstance(met, WireResponse)
            else not isinstance(met, TimedOutError),
            expected=f"the response or an error after {line!r}, before any time is up",
            seen=described(met),
        )


@transport_check
async def an_announced_length_is_read(bench: Bench) -> None:
    """A body with Content-Length is read to its end, in whatever pieces it comes."""
    data = with_length(BODY)
    await _arrives(
        bench,
        {
            "at once": Say(data),
            "in pieces": Say((data[:9], data[9:60], data[60:61], data[61:])),
            "and then closed": Say(data, then="close"),
            "and then reset": Say(data, then="reset"),
            "closed as announced": Say(with_length(BODY, b"Connection: close"), then="close"),
        },
    )


@transport_check
async def chunks_are_joined(bench: Bench) -> None:
    """A chunked body is put together; extensions and trailers are no part of it."""
    data = chunked(BODY[:7], BODY[7:])
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    extended = head + b'%x;a=b;c="d"\r\n%b\r\n0;e\r\n\r\n' % (len(BODY), BODY)
    await _arrives(
        bench,
        {
            "two chunks": Say(data),
            "chunks of one byte": Say(chunked(*(bytes([each]) for each in BODY))),
            "in pieces": Say((data[:-3], data[-3:-2], data[-2:])),
            "extensions": Say(extended),
            "trailers": Say(chunked(BODY, end=b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")),
            "after trailers": Say(with_length(BODY)),
        },
    )


@transport_check
async def a_body_may_end_with_its_connection(bench: Bench) -> None:
    """Without a length, what came until the server closed is the body."""
    await _arrives(
        bench,
        {
            "HTTP/1.1": Say(to_the_end(BODY), then="close"),
            "HTTP/1.0": Say(to_the_end(BODY, version=b"1.0"), then="close"),
            "packed": Say(to_the_end(PACKED, GZIP), then="close"),
        },
    )


@transport_check
async def packed_bodies_are_unpacked(bench: Bench) -> None:
    """A body packed by gzip or deflate is unpacked, in whatever pieces it comes."""
    deflated = zlib.compress(BODY)
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    twice = gzip.compress(deflated)
    await _arrives(
        bench,
        {
            "gzip": Say(with_length(PACKED, GZIP)),
            "GZip": Say(with_length(PACKED, b"content-encoding: GZip")),
            "gzip in chunks": Say(chunked(PACKED[:3], PACKED[3:11], PACKED[11:], headers=(GZIP,))),
            "deflate": Say(with_length(deflated, b"Content-Encoding: deflate")),
            "deflate without zlib's frame": Say(
                with_length(bare.compress(BODY) + bare.flush(), b"Content-Encoding: deflate")
            ),
            "two members": Say(with_length(_members(BODY[:9], BODY[9:]), GZIP)),
            "padding": Say(with_length(PACKED + bytes(64), GZIP)),
            "garbage after it": Say(with_length(PACKED + b"garbage", GZIP)),
            "twice": Say(with_length(twice, b"Content-Encoding: deflate, gzip")),
            "twice, in two fields": Say(with_length(twice, b"Content-Encoding: deflate", GZIP)),
        },
    )


def _members(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(each) for each in parts)


@transport_check
async def odd_words_for_a_coding_are_passed_over(bench: Bench) -> None:
    """A Content-Encoding that names no coding says nothing; nor does one of a body that is JSON."""
    plain = (
        b"identity", b"", b"UTF-8", b"utf8", b"none", b"binary", b"x-unheard-of", b"gzip", b"br",
        b"deflate", b"identity, identity",
    )  # fmt: skip
    packed = (
        b"gzip, identity",
        b"identity, gzip",
        b"x-gzip",
        b"GZIP",
        b"gzip, utf-8",
        b"gzip,gzip",
    )
    says = {each.decode(): Say(with_length(BODY, b"Content-Encoding: " + each)) for each in plain}
    await _arrives(bench, says)
    says = {
        each.decode(): Say(with_length(PACKED, b"Content-Encoding: " + each)) for each in packed
    }
    await _arrives(bench, says)


@transport_check
async def the_status_decides_before_the_coding(bench: Bench) -> None:
    """A refusal whose body cannot be unpacked is a response, with its headers and its bytes."""
    later = b"Retry-After: 7"
    bodies = {
        "unknown": (b"\x1b\x00\x00", b"Content-Encoding: br"),
        "broken": (b"no gzip", GZIP),
        "cut": (PACKED[:-9], GZIP),
        "a bomb": (gzip.compress(bytes(8 * 2**20)), GZIP),
    }
    for status in (b"401 No", b"404 No", b"422 No", b"429 Later", b"503 Later"):
        server = bench.server(
            *(
                Say(with_length(body, coding, later, status=status))
                for body, coding in bodies.values()
            )
        )
        transport = bench.transport()
        for name, (body, _) in bodies.items():
            response = await bench.response(transport, request(server.url))
            seen = (response.status, response.headers.get("retry-after"), response.body)
            expect(
                seen == (int(status[:3]), "7", body),
                expected=f"{name}: {status.decode()} with its bytes",
                seen=described(response),
            )


@transport_check
async def a_large_response_arrives_whole(bench: Bench) -> None:
    """A response of many pieces is put together in order."""
    body = b"".join(b"%07d " % number for number in range(40_000))
    place = bench.answering(lambda asked: WireResponse(status=200, body=body))  # noqa: ARG005
    response = await bench.response(place.transport, request(place.url))

    expect(response.body == body, expected="320000 bytes in order", seen=described(response))


@transport_check
async def a_response_cut_short_is_an_error(bench: Bench) -> None:
    """Less than the announced length is no response, however the connection ends."""
    data = with_length(BODY)
    head = data.index(b"\r\n\r\n") + 4
    await breaks(
        bench,
        {
            "no body": Say(data[:head], then="close"),
            "half a body": Say(data[:700], then="close"),
            "a byte too few": Say(data[:-1], then="close"),
            "a byte too few, reset": Say(data[:-1], then="reset"),
            "half a header": Say(data[: head - 6], then="close"),
            "no response after a preliminary one": Say(
                b"HTTP/1.1 103 Early Hints\r\n\r\n", then="close"
            ),
            "an error cut short": Say(with_length(BODY, status=b"500 Sorry")[:-1], then="close"),
        },
    )


@transport_check
async def chunks_cut_short_are_an_error(bench: Bench) -> None:
    """A body without its last chunk, or with a malformed one, is an error."""
    await breaks(
        bench,
        {
            "no last chunk": Say(chunked(BODY, end=b""), then="close"),
            "half a last chunk": Say(chunked(BODY, end=b"0\r\n"), then="close"),
            "half a chunk": Say(chunked(BODY, end=b"")[:-9], then="close"),
            "no size": Say(chunked(BODY, end=b"zz\r\n"), then="close"),
            "no body": Say(chunked(end=b""), then="reset"),
        },
    )


@transport_check
async def a_packed_body_that_is_broken_is_an_error(bench: Bench) -> None:
    """A success in an encoding that was not offered, or cut short, is an error."""
    await breaks(
        bench,
        {
            "cut": Say(with_length(PACKED[:-9], GZIP)),
            "cut by the connection": Say(to_the_end(PACKED[:-1], GZIP), then="close"),
            "not packed": Say(with_length(b"<html>", GZIP)),
            "a second member cut": Say(with_length(PACKED + PACKED[:-1], GZIP)),
            "packed once too few": Say(
                with_length(gzip.compress(b"<html>"), b"Content-Encoding: gzip, gzip")
            ),
            "a wrong sum": Say(with_length(PACKED[:-8] + bytes(8), GZIP)),
            "another way": Say(with_length(b"\x1b\x00\x00", b"Content-Encoding: br")),
        },
        TransportError,
    )


@transport_check
async def what_is_no_http_is_an_error(bench: Bench) -> None:
    """A greeting of another protocol, or half a status line, is no response."""
    await breaks(
        bench,
        {
            "ssh": Say(b"SSH-2.0-OpenSSH_9.6\r\n", then="close"),
            "half a status line": Say(b"HTTP/1.1 200", then="close"),
            "html": Say(b"<html>sorry</html>\r\n\r\n", then="close"),
            "endless headers": Say(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 400_000, then="close"),
        },
        TransportError,
    )


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


RESPONSE_CHECKS: Final = checks_in(globals())
