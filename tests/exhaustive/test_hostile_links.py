"""The token stays home: links in responses are not followed, and neither are redirects."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

import anyio
import pytest

from _support.hostile.calls import BASE_URLS, CALLS, INVOICE, READS, UUID, Call, client_for
from _support.hostile.links import PLACES, Link, answered, links
from _support.hostile.server import Bytes, ByteServer, serving
from billingual import Client, MemoryTransport, errors
from billingual.wire import Headers, WireRequest, WireResponse

TOKEN: Final = "a-token-of-twenty-four-chars"
CODES: Final = (301, 302, 303, 307, 308)
TARGETS: Final = {
    "another host": "https://evil.example/take",
    "another scheme": "//evil.example/take",
    "the same host": "/api/invoices",
    "the host as a user": "https://exante.example@evil.example/",
}
BACKENDS: Final = ("asyncio", "blocking", "portal", "trio")


def page_of(number: int) -> dict[str, Any]:
    """Make the body of one of two pages, as Exante answers."""
    row = {"uid": UUID[:-1] + str(number)}
    return {
        "status": "success",
        "data": {"items": [row], "_meta": {"page": number, "total_pages": 2, "total_items": 2}},
    }


def test_no_link_of_a_paged_list_is_followed(proof: Any, step: Any, make_backend: Any) -> None:
    """Whatever link is in a page, the next one is asked for below our own base URL."""
    expected = [
        f"{BASE_URLS['exante']}/api/invoices?page={number}&per_page=100" for number in (1, 2)
    ]
    backend, link = make_backend(), Link("", "next")

    def response(request: WireRequest) -> WireResponse:
        return answered(page_of(len(transport.requests)), link)

    transport = MemoryTransport(response)
    client = client_for("exante", token=TOKEN, transport=transport, backend=backend, retry="none")
    for link in links(proof.seed, proof.amount(1_000, 10_000)):
        transport.requests.clear()
        rows = step(client.list().collect(limit=9))

        assert (2, expected) == (len(rows), [each.url for each in transport.requests]), (
            proof.seed,
            link,
        )


def test_no_link_of_a_whole_list_is_followed(proof: Any, step: Any, make_backend: Any) -> None:
    """A list without pages asks once, whatever it is offered."""
    link = Link("", "next")
    transport = MemoryTransport(lambda _: answered({"data": []}, link))
    client = client_for("kukkingu", token=TOKEN, transport=transport, backend=make_backend())
    for link in links(proof.seed + 1, proof.amount(1_000, 10_000)):
        transport.requests.clear()
        rows = step(client.list().collect(limit=9))

        assert ([], [f"{BASE_URLS['kukkingu']}/api/v1/invoices"]) == (
            rows,
            [each.url for each in transport.requests],
        ), (proof.seed, link)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_no_response_of_any_call_sends_us_elsewhere(
    proof: Any, step: Any, make_backend: Any, call: Call
) -> None:
    """Whatever links a response holds, each request stays below the base URL, and is one."""
    for each in links(proof.seed + 2, proof.amount(100, 2_000)):
        transport = MemoryTransport(
            lambda _, link=each: answered({"status": "success", "data": {"id": "x"}}, link)
        )
        client = client_for(
            call.provider, token=TOKEN, transport=transport, backend=make_backend(), retry="none"
        )
        with suppress(errors.BillingualError):
            step(call.make(client))

        assert strays(transport.requests, call) == [], (proof.seed, each)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("code", CODES)
def test_no_redirect_is_followed(step: Any, make_backend: Any, code: int, target: str) -> None:
    """Each operation of each dialect sends one request: an error for reads, unknown for writes."""
    for call in CALLS:
        headers = Headers([("Location", TARGETS[target])])
        transport = MemoryTransport(lambda _, h=headers: WireResponse(status=code, headers=h))
        client = client_for(call.provider, token=TOKEN, transport=transport, backend=make_backend())
        with pytest.raises(errors.BillingualError) as caught:
            step(call.make(client))
        kind = errors.RedirectedError if call.name in READS else errors.OutcomeUnknown

        assert kind is type(caught.value), str(call)
        assert strays(transport.requests, call) == []


def strays(requests: list[WireRequest], call: Call) -> list[str]:
    """List the requests of *call* that ought not to be.

    There is one, below the base URL. Only after an unclear finalize or void may the invoice itself
    be read, once, to see what became of it.
    """
    first, *others = [f"{each.method} {each.url}" for each in requests]
    expected = f" {BASE_URLS[call.provider]}/api/"
    look = [f"GET {BASE_URLS['kukkingu']}/api/v1/invoices/{INVOICE}"]
    allowed = look if call.name in {"finalize", "void"} else []
    return [
        *([] if expected in first else [first]),
        *(others if others != allowed else []),
    ]


def calls_by(backend: str, calls: list[Call], url: str) -> None:
    """Make the calls over real sockets, whatever they end with."""
    options = {"base_url": url, "token": TOKEN, "retry": "none", "timeout": 5}
    if backend in {"blocking", "portal"}:
        for call in calls:
            with (
                client_for(call.provider, Client, backend=backend, **options) as client,
                suppress(errors.BillingualError),
            ):
                call.make(client)
        return

    async def use() -> None:
        for call in calls:
            async with client_for(call.provider, **options) as client:
                with suppress(errors.BillingualError):
                    await call.make(client)

    anyio.run(use, backend=backend)


def evil_urls(evil: ByteServer, home: ByteServer) -> list[str]:
    """Write the evil server's address in the ways that a client could fall for."""
    port = evil.port
    return [
        f"http://127.0.0.1:{port}/take", f"//127.0.0.1:{port}/take", f"http://localhost:{port}/",
        f"http://127.0.0.1:{home.port}@127.0.0.1:{port}/", f"http://2130706433:{port}/",
        f"\\\\127.0.0.1:{port}\\take", f"http:127.0.0.1:{port}/", f"HTTP://127.0.0.1:{port}",
    ]  # fmt: skip


def saying(status: bytes, body: bytes, *fields: str) -> Bytes:
    """Make the bytes of a response."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body)]
    lines = [*head, *(each.encode("latin-1") for each in fields)]
    return Bytes((b"\r\n".join(lines) + b"\r\n\r\n" + body,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_second_server_is_never_called(proof: Any, backend: str) -> None:
    """A real server that links and redirects point to receives no connection at all."""
    calls = list(CALLS) if proof.full else list(CALLS)[BACKENDS.index(backend) :: 4]
    said: dict[str, Any] = {}
    with (
        serving(lambda _: saying(b"200 OK", b"{}")) as evil,
        serving(lambda _: said["response"]) as home,
    ):
        expected = 0
        for url in evil_urls(evil, home):
            for code in CODES[:: 1 if proof.full else 4]:
                said["response"] = saying(b"%d Go" % code, b"", f"Location: {url}")
                calls_by(backend, calls, home.url)
                expected += len(calls)
            for place in PLACES[:: 1 if proof.full else 3]:
                made = answered({"status": "success", "data": {"items": []}}, Link(url, place))
                fields = [f"{key}: {value}" for key, value in made.headers]
                said["response"] = saying(b"200 OK", made.body, *fields)
                calls_by(backend, calls, home.url)
                expected += len(calls)

        assert 0 == evil.connections
        assert expected <= len(home.requests)
        assert all(f"Bearer {TOKEN}".encode() in each for each in home.requests)


def test_a_second_server_is_never_called_by_a_list_of_many_pages() -> None:
    """Pages linked to another server are all fetched from the first one."""
    with serving(lambda _: saying(b"200 OK", b"{}")) as evil:
        pages = iter((1, 2))

        def response(_: bytes) -> Bytes:
            link = Link(f"http://127.0.0.1:{evil.port}/api/invoices?page=2", PLACES[0])
            return saying(b"200 OK", answered(page_of(next(pages)), link).body)

        with (
            serving(response) as home,
            client_for("exante", Client, base_url=home.url, token=TOKEN) as client,
        ):
            rows = list(client.list())

            assert 2 == len(rows)
            assert 2 == len(home.requests)
        assert 0 == evil.connections


def test_the_generated_links_are_hostile(proof: Any) -> None:
    """The generator works: many distinct links, all places, JSON can carry them all."""
    drawn = list(links(proof.seed, 10_000))

    assert set(PLACES) == {each.place for each in drawn}
    assert len({each.url for each in drawn}) > 9_000
    assert sum("evil.example" in each.url for each in drawn) > 1_000
    assert all(json.loads(json.dumps(each.url)) for each in drawn if each.url)
