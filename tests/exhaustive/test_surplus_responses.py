"""A peer that sends responses twice: over no transport is one taken for that of a later request.

A proxy or a load balancer that repeats itself is rare, and each response after it would be that of
the request before: another invoice's id and number, returned as a success. The session ``proofs``
makes thousands of requests over each transport, the gate some dozens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, BinaryIO, Final

import anyio
import pytest

from _support.wires.link import a_request, bounds, chunked, contexts, with_length
from _support.wires.rough_server import AUTHORITY, RoughServer
from billingual import AsyncClient, Client, Draft, OutcomeUnknown
from billingual.abc import TransportFactory, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SyncBackend
from billingual.errors import TransportError
from billingual.plugins import TRANSPORTS

pytestmark = pytest.mark.timeout(600)

ASYNC: Final = ("httpx", "httpx2", "aiohttp", "h11")
BLOCKING: Final = ("httpx", "httpx2", "urllib3", "h11")
WAYS: Final = [
    *((name, "asyncio") for name in ASYNC),
    *((name, "uvloop") for name in ("aiohttp", "h11")),
    *((name, "trio") for name in ("httpx", "httpx2", "h11")),
    *((name, "blocking") for name in BLOCKING),
]
HOW: Final = ("once", "together", "apart", "in two", "begun")
_, OURS = contexts(AUTHORITY, "127.0.0.1")
PARTY: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


class Duplicating:
    """Answer each request, often more than once; chance decides when and in which pieces.

    Attributes:
        said: set when all that is to come before the next request was sent.
        respond: makes the response to a request.
    """

    def __init__(self, respond: Callable[[bytes], bytes], chance: Random) -> None:
        self.respond = respond
        self.said = threading.Event()
        self._chance = chance

    def __call__(self, server: RoughServer, connection: Any) -> None:
        """Talk to one connection until it ends."""
        left = b""
        # Without it the second of two pieces waits until the first was acknowledged.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as reader:
            while (request := _request(reader)) is not None:
                left = self._say(connection, left, self.respond(request))
                self.said.set()

    def _say(self, connection: Any, left: bytes, response: bytes) -> bytes:
        """Send what is *left* and a response; return what is to come with the next."""
        cut = self._chance.randrange(1, len(response))
        pieces, rest = {
            "once": ([response], b""),
            "together": ([response * 2], b""),
            "apart": ([response, response], b""),
            "in two": ([response + response[:cut], response[cut:]], b""),
            "begun": ([response + response[:cut]], response[cut:]),
        }[self._chance.choice(HOW)]
        for piece in [left, *pieces]:
            connection.sendall(piece)
        return rest


def _request(reader: BinaryIO) -> bytes | None:
    """Read one request whole; None at the end. The next one may be there already."""
    lines = []
    while (line := reader.readline().lower()) not in {b"", b"\r\n"}:
        lines.append(line)
    if not lines:
        return None
    length = next((int(each[15:]) for each in lines if each.startswith(b"content-length:")), 0)
    return lines[0] + b"\r\n" + reader.read(length)


def run(waits: str, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run *work* as the transport waits."""

    async def main() -> Any:
        return await work()

    if waits == "blocking":
        return SyncBackend().run(main())
    if waits == "trio":
        return anyio.run(main, backend="trio")
    if waits == "uvloop":
        return anyio.run(main, backend_options={"use_uvloop": True})
    return asyncio.run(main())


def over(ways: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Run a test over each of these transports, as each waits."""
    names = [f"{name}, {waits}" for name, waits in ways]
    return pytest.mark.parametrize(("name", "waits"), ways, ids=names)


def factory(name: str) -> TransportFactory:
    """Return the factory of a transport."""
    made: Any = TRANSPORTS.load(name)
    return made  # type: ignore[no-any-return]


# A transport that cannot see surplus declares it; what a client makes of that is tried below.
SEEING: Final = [
    each
    for each in WAYS
    if "surplus-bytes-are-no-response" not in getattr(factory(each[0]), "limits", {})
]


@over(SEEING)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_what_came_before_a_request_is_no_response_to_it(
    name: str, waits: str, proof: Any, *, secure: bool
) -> None:
    """All surplus is there when the next request begins, whether or not it was read."""
    chance = Random(f"{proof.seed} {name} {waits}")  # noqa: S311 - no secret
    count = proof.amount(60, 3000)

    def respond(request: bytes) -> bytes:
        path = request.split(b" ", 2)[1]
        return chunked(path[:1], path[1:]) if chance.random() < 0.3 else with_length(path)

    talk = Duplicating(respond, chance)
    ended: list[tuple[str, str]] = []

    async def work() -> None:
        backend: Any = SyncBackend() if waits == "blocking" else AnyioBackend()
        transport = factory(name)(TransportOptions(backend=backend, tls=OURS, keepalive_s=60.0))
        for number in range(count):
            path = f"/{number}"
            talk.said.clear()
            body = b"{}" if number % 2 else None
            request = a_request(server.url, path, method="PUT" if body else "GET", body=body)
            try:
                response = await transport.send(request, bounds())
                ended.append((path, response.body.decode()))
            except TransportError:
                ended.append((path, "lost"))
            talk.said.wait(1)  # a lost request may bring nothing more
            for _ in range(chance.randrange(4)):
                await backend.sleep(0)
        await transport.aclose()

    with RoughServer(talk, secure=secure) as server:
        run(waits, work)

    wrong = [each for each in ended if each[1] not in {each[0], "lost"}]
    assert wrong == []
    lost = [each for each in ended if each[1] == "lost"]
    # urllib3 forgets what http.client has read too far, and the rest makes no sense to it. httpx
    # may read surplus while it sends; the transport then refuses the response.
    may_lose = name in {"httpx", "httpx2", "urllib3"}
    assert len(lost) < count / 2 if may_lose else not lost


@over([each for each in WAYS if each[1] != "uvloop"])
def test_a_create_never_returns_the_invoice_of_another(name: str, waits: str, proof: Any) -> None:
    """Surplus may also come while a request is on its way; then the invoice itself tells."""
    chance = Random(f"{proof.seed} {name} {waits}")  # noqa: S311 - no secret
    count = proof.amount(40, 3000)
    made: dict[str, str] = {}

    def respond(request: bytes) -> bytes:
        number = json.loads(request.partition(b"\r\n\r\n")[2])["invoice_number"]
        made[number] = f"00000000-0000-4000-8000-{len(made):012x}"
        invoice = {
            "uid": made[number], "invoice_number": number, "status": "DRAFT", "currency": "EUR",
            "total_cents": 1250,
        }  # fmt: skip
        envelope = {"status": "success", "status_code": 201, "message": "ok", "data": invoice}
        return with_length(json.dumps(envelope).encode(), b"Content-Type: application/json")

    def draft(number: int) -> Draft:
        return Draft(number=f"N-{number}", counterparty=PARTY, owner=PARTY, document=PARTY)

    returned: list[tuple[str, str]] = []

    async def work() -> None:
        options: Any = {"base_url": server.url, "transport": name, "token": "t", "retry": "none"}
        if waits == "blocking":
            with Client("exante", **options) as client:
                for number in range(count):
                    with contextlib.suppress(OutcomeUnknown):
                        returned.append((f"N-{number}", client.create(draft(number)).id))
            return
        async with AsyncClient("exante", **options) as client:
            for number in range(count):
                with contextlib.suppress(OutcomeUnknown):
                    returned.append((f"N-{number}", (await client.create(draft(number))).id))

    with RoughServer(Duplicating(respond, chance)) as server:
        run(waits, work)

    assert [] == [each for each in returned if made.get(each[0]) != each[1]]
    assert returned
