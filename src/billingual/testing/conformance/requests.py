"""What goes out: the request as it was given, and nothing of the transport's own that matters."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from billingual.errors import BillingualError, TransportError
from billingual.testing.conformance.harness import (
    CANARY,
    Bench,
    described,
    echo,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.report import checks_in, expect
from billingual.testing.conformance.server import LoopbackServer, Say, with_length
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = ["REQUEST_CHECKS"]

OK: Final = Say(with_length(b"ok"))
_TARGETS: Final = (
    "/api/invoices?sort=%2Bdue_at&days=%3E30&party=Acme%7CGlobex",
    "/a%2Fb/..%2F/%7Bx%7D/%2e%2e/z",
    "/caf%C3%A9/%25/%20?q=%C3%A9%26%3D%23",
    "/letters%41/~tilde-._?empty=&&twice=1&twice=2",
    "//two/slashes;p=1,2?a=b?c/d:e@f",
    "/",
)
_BODIES: Final = (
    ("GET", None),
    ("DELETE", None),
    ("POST", None),
    ("POST", b""),
    ("POST", b'{"a":1}'),
    ("PUT", bytes(range(256)) * 1200),
    ("PATCH", b"{}"),
    ("DELETE", b'["a","b"]'),
    ("GET", b'{"odd":true}'),
)
_HARMLESS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "host", "user-agent"}
)
_ESCAPE: Final = re.compile("%[0-9a-fA-F]{2}")


def _folded(target: str) -> str:
    return _ESCAPE.sub(lambda found: found[0].upper(), target)


@transport_check
async def targets_go_out_as_they_are(bench: Bench) -> None:
    """Path and query arrive as given: nothing is decoded, encoded again, sorted or tidied."""
    place = bench.answering(echo)

    for target in _TARGETS:
        await bench.response(place.transport, request(place.url, target))
        arrived = place.heard()[-1]

        expect(
            _folded(arrived) == _folded(target),
            expected=f"the target {target!r} on the wire",
            seen=arrived,
        )


@transport_check
async def methods_and_bodies_go_out_as_they_are(bench: Bench) -> None:
    """With any method a body arrives whole, with its length; so does a request without one."""
    server = bench.server(script=lambda heard: OK)  # noqa: ARG005 - a script's signature
    transport = bench.transport()

    for method, body in _BODIES:
        size = "no body" if body is None else f"{len(body)} bytes"
        met = await bench.response(transport, request(server.url, method=method, body=body))
        heard = server.requests[-1]

        expect(
            met.request_complete is not False,
            expected=f"{method} with {size}: no claim that the request was not sent whole",
            seen=met.request_complete,
        )

        expect(
            (heard.method, heard.body) == (method, body or b""),
            expected=f"{method} with {size}",
            seen=f"{heard.method} with {len(heard.body)} bytes",
        )
        if body:
            expect(
                heard.values("content-length") == [str(len(body))]
                and not heard.values("transfer-encoding"),
                expected=f"Content-Length: {len(body)} and no Transfer-Encoding",
                seen=heard.headers,
            )


@transport_check
async def headers_go_out_as_they_are(bench: Bench) -> None:
    """Each header arrives with its value; of its own the transport adds harmless ones only."""
    server = bench.server(OK)
    given = [
        ("Authorization", f"Bearer {CANARY}"),
        ("Tenant-Id", "T-1"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
        ("X-Empty", ""),
        # Where the library has a value of its own, ours wins.
        ("User-Agent", "ours"),
        ("Accept", "a/b"),
        ("Accept-Encoding", "gzip"),
        ("X-Odd", 'a, b; c="d"  e'),
    ]
    await bench.response(bench.transport(), request(server.url, headers=given))
    heard = server.requests[0]

    for name, value in given:
        if name != "X-Twice":
            expect(heard.values(name) == [value], expected=f"{name} once", seen=heard.headers)
    expect(
        ",".join(heard.values("X-Twice")).replace(" ", "") == "1,2",
        expected="X-Twice with both its values in order",
        seen=heard.headers,
    )
    names = {key.lower() for key, _ in heard.headers}
    added = names - {name.lower() for name, _ in given} - _HARMLESS
    expect(not added, expected="no header added but harmless ones", seen=sorted(added))


@transport_check
async def what_cannot_be_a_header_is_refused(bench: Bench) -> None:
    """A line break in a header, or an invalid name, is never sent, and no error quotes it."""
    server = bench.server(script=lambda heard: OK)  # noqa: ARG005 - a script's signature
    transport = bench.transport()

    for name, value in (
        ("X-A", f"{CANARY}\r\nX-Evil: 1"),
        ("X-A", f"{CANARY}\nX-Evil: 1"),
        ("X-A", f"{CANARY}\n"),
        ("X-A", f"{CANARY}\r\n folded"),
        ("X-A: 1\r\nX-Evil", CANARY),
        ("X A", CANARY),
        ("", CANARY),
        ("X-A", f"{CANARY}\x00"),
    ):
        asked = request(server.url, headers=[(name, value)])
        error = await bench.failure(transport, asked, kind=BillingualError)

        if isinstance(error, TransportError):
            expect(
                error.evidence.request_complete is False,
                expected="evidence that the request was not complete",
                seen=described(error),
            )
        expect(
            CANARY not in f"{error}{error!r}",
            expected="an error that does not quote the header",
            seen=f"the value of the header {name!r} in its text",
        )
    expect(not server.requests, expected="nothing on the wire", seen=server.requests)


@transport_check
async def an_address_that_is_none_is_refused(bench: Bench) -> None:
    """An address that cannot be requested gives an error of ours, and smuggles in no header."""
    server = bench.server(script=lambda heard: OK)  # noqa: ARG005 - a script's signature
    transport = bench.transport()
    smuggling = "/x HTTP/1.1\r\nX-Evil: 1\r\nX-Rest: "

    for url in (
        f"{server.url}{smuggling}", f"{server.url}/a b", f"{server.url}/caf\u00e9",
        f"{server.url}/\udcff", "http://", "http:///x", "http://a b/x", "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/", "http://[::1/", "ftp://127.0.0.1/x", "/only/a/path", "",
        f"http://{'a' * 64}.invalid/",
    ):  # fmt: skip
        met = await bench.either(transport, request("", url))
        if isinstance(met, TransportError):
            expect(
                met.evidence.request_complete is False,
                expected=f"{url!r}: evidence that nothing was sent",
                seen=described(met),
            )
    await bench.either(
        transport, request(server.url, method="GET /evil HTTP/1.1\r\nX-Evil: 1\r\nX:")
    )
    evil = [each.raw for each in server.requests if each.values("X-Evil")]

    expect(not evil, expected="no header from the text of an address", seen=evil)


@transport_check
async def cookies_are_not_kept(bench: Bench) -> None:
    """Nothing of one response comes back in the next request."""
    baked = WireResponse(status=200, headers=Headers([("Set-Cookie", "a=b; Path=/")]))
    seen: list[str | None] = []

    def handler(asked: WireRequest) -> WireResponse:
        seen.append(asked.headers.get("cookie"))
        return baked

    place = bench.answering(handler)
    for path in ("/x", "/x"):
        await bench.response(place.transport, request(place.url, path))

    expect(seen == [None, None], expected="no Cookie in any request", seen=seen)


@contextmanager
def _environment(proxy: LoopbackServer) -> Iterator[None]:
    """Set every variable that HTTP libraries like to read; put back what was there."""
    with tempfile.TemporaryDirectory() as folder:
        netrc = Path(folder) / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login {CANARY} password {CANARY}\n", encoding="ascii")
        netrc.chmod(0o600)
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        wanted = {each: proxy.url for name in names for each in (name, name.lower())}
        wanted |= {"NETRC": str(netrc), "HOME": folder, "NO_PROXY": "", "no_proxy": ""}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@transport_check
async def the_environment_is_not_read(bench: Bench) -> None:
    """Proxies and passwords of environment variables and .netrc are left alone."""
    proxy = bench.server(script=lambda heard: OK)  # noqa: ARG005 - a script's signature
    server = bench.server(script=echoed)

    with _environment(proxy):
        await bench.response(bench.transport(), request(server.url))

    expect(proxy.connections == 0, expected="no proxy is asked", seen="the one of HTTP_PROXY was")
    given = server.requests[0].values("authorization")
    expect(not given, expected="no Authorization of .netrc", seen=given)


REQUEST_CHECKS: Final = checks_in(globals())
