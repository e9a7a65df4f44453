"""The aiohttp transport: the rules of the wire, and what is its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import hashlib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final
from unittest import mock

import aiohttp
import anyio
import pytest
import trio
import trustme
import uvloop
from aiohttp.client_proto import ResponseHandler

from _support.cancellation import cancelled_at, run_on
from _support.invoice_server import InvoiceServer, uid
from _support.wires.all_rules import OnAWire
from _support.wires.link import Link, a_request, bounds, contexts, with_length
from _support.wires.proxy_rules import ThroughASecureProxy
from billingual import AsyncClient, Client, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, running
from billingual.transports._aiohttp_protocol import WatchedProtocol
from billingual.transports.aiohttp import _TABLE, AiohttpTransport, _translated
from billingual.wire import Timeouts, WireResponse

LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
OK: Final = with_length(b"ok")


def a_transport(**options: Any) -> AiohttpTransport:
    """Make a transport."""
    return AiohttpTransport(TransportOptions(backend=AnyioBackend(), **options))


class TestAiohttpOnAWire(OnAWire, ThroughASecureProxy):
    """Each rule, on each event loop that aiohttp runs on."""

    @pytest.fixture(params=LOOPS)
    def link(self, request: pytest.FixtureRequest) -> Iterator[Link]:
        """Return a link over the loop."""
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            link = Link(AiohttpTransport, AnyioBackend(), runner.run)
            yield link
            link.close()


def test_another_event_loop_is_refused_with_the_way_out(serve: Any) -> None:
    """On trio it says which transport to use instead, before anything is sent."""
    server = serve()

    async def main() -> None:
        async with AsyncClient(
            "exante", base_url=server.url, token="t", transport=AiohttpTransport
        ) as client:
            await client.get(uid(1))

    with pytest.raises(errors.ConfigurationError, match='transport="httpx"') as caught:
        trio.run(main)

    assert caught.value.__context__ is None
    assert server.connections == 0


def test_a_client_that_blocks_is_refused_when_it_is_made() -> None:
    """The colour says so."""
    with pytest.raises(errors.ConfigurationError, match="only works on an event loop"):
        Client("exante", base_url="http://127.0.0.1", token="t", transport=AiohttpTransport)


def test_clients_speak_to_a_server_through_it() -> None:
    """A list and an invoice of it: awaited, and blocking through a portal."""
    account = ACCOUNTS["exante"]

    async def awaited(url: str) -> str | None:
        async with AsyncClient(
            "exante", base_url=url, token=account.token, transport=AiohttpTransport
        ) as client:
            row = await client.list().first()
            assert row is not None
            return (await client.get(row.id)).number

    with running() as server:
        url = f"{server.url}{account.prefix}"
        numbers = [asyncio.run(awaited(url))]
        with Client(
            "exante", base_url=url, token=account.token, transport=AiohttpTransport,
            backend="portal",
        ) as client:  # fmt: skip
            row = client.list().first()
            assert row is not None
            numbers.append(client.get(row.id).number)

    assert numbers[0] == numbers[1] is not None


@pytest.mark.parametrize("loop", LOOPS)
def test_a_hundred_calls_at_once_cross_no_answer(loop: str) -> None:
    """They share the connections there may be, and each gets its own answer."""

    async def main(url: str) -> list[bool]:
        transport = a_transport(connections=7)

        async def ask(number: int) -> bool:
            response = await transport.send(a_request(url, f"/invoices/{uid(number)}"), bounds())
            return uid(number).encode() in response.body

        try:
            return await asyncio.gather(*(ask(number) for number in range(100)))
        finally:
            await transport.aclose()

    with InvoiceServer() as server, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        answered = runner.run(main(server.url))

        assert [True] * 100 == answered
        assert server.most <= 7
        server.wait_for_open(0)


@pytest.mark.asyncio
async def test_a_full_pool_means_that_nothing_was_sent() -> None:
    """Waiting for a connection has its own error."""
    transport = a_transport(connections=1)
    with InvoiceServer() as server:
        server.hold()
        request = a_request(server.url, f"/invoices/{uid(1)}")
        first = asyncio.create_task(transport.send(request, bounds()))
        await anyio.to_thread.run_sync(server.wait_for_held)

        with pytest.raises(errors.PoolTimeoutError, match="1 connections stayed busy") as caught:
            await transport.send(request, bounds(timeouts=Timeouts(pool=0.02)))

        server.release()
        await first
        await transport.aclose()
        assert len(server.requests) == 1
    assert caught.value.evidence.request_complete is False


@pytest.mark.asyncio
async def test_closing_while_in_use_lets_the_exchange_end() -> None:
    """Its connection is closed when it comes back."""
    transport = a_transport()
    with InvoiceServer() as server:
        server.hold()
        request = a_request(server.url, f"/invoices/{uid(1)}")
        first = asyncio.create_task(transport.send(request, bounds()))
        await anyio.to_thread.run_sync(server.wait_for_held)

        await transport.aclose()
        server.release()
        response = await first

        await anyio.to_thread.run_sync(server.wait_for_open, 0)
    assert response.status == 200


@pytest.mark.asyncio
async def test_what_comes_unasked_on_an_idle_connection_ends_it() -> None:
    """The library alone would keep it and hand it to the next request as its answer."""
    ended = asyncio.Event()
    idle = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        if not idle.is_set():
            await idle.wait()
            writer.write(with_length(b"late"))
            with contextlib.suppress(ConnectionError):
                await reader.read()
            ended.set()
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = a_transport(keepalive_s=60.0)
        first = await transport.send(a_request(url), bounds())
        idle.set()
        with anyio.fail_after(20):
            await ended.wait()
        second = await transport.send(a_request(url), bounds())
        await transport.aclose()

    assert [b"ok", b"ok"] == [first.body, second.body]


def test_half_a_farewell_is_not_mixed_with_the_next_answer(serve: Any, say: Any) -> None:
    """What came after an answer, and with it, is none of the next one's business."""
    server = serve(say(OK + b"HTTP/1.1 408 La"), say(with_length(b"next")))
    transport = a_transport(keepalive_s=60.0)

    async def twice() -> list[tuple[int, bytes]]:
        request = a_request(server.url, method="PUT", body=b"{}")
        answers = [await transport.send(request, bounds()) for _ in range(2)]
        await transport.aclose()
        return [(each.status, each.body) for each in answers]

    assert [(200, b"ok"), (200, b"next")] == asyncio.run(twice())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_ends_when_its_time_is_over(loop: str) -> None:
    """Nobody need ask for it: no server is kept waiting for a client that has done."""

    async def main(server: InvoiceServer) -> None:
        transport = a_transport(keepalive_s=0.05)
        await transport.send(a_request(server.url, f"/invoices/{uid(1)}"), bounds())
        await anyio.to_thread.run_sync(server.wait_for_open, 0)
        answer = await transport.send(a_request(server.url, f"/invoices/{uid(2)}"), bounds())
        await transport.aclose()

        assert uid(2).encode() in answer.body
        assert server.connections == 2

    with InvoiceServer() as server, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main(server))


@pytest.mark.asyncio
async def test_a_lane_that_goes_elsewhere_leaves_where_it_was() -> None:
    """It is one connection at most, and each host is called by its own name."""
    transport = a_transport(connections=1)
    with InvoiceServer() as there, InvoiceServer() as elsewhere:
        for server, host in ((there, "127.0.0.1"), (elsewhere, "localhost"), (there, "localhost")):
            url = f"http://{host}:{server.port}"
            answer = await transport.send(a_request(url, f"/invoices/{uid(1)}"), bounds())

            assert uid(1).encode() in answer.body
        await anyio.to_thread.run_sync(elsewhere.wait_for_open, 0)
        await anyio.to_thread.run_sync(there.wait_for_open, 1)
        await transport.aclose()


def test_an_answer_to_head_has_no_body(serve: Any, say: Any) -> None:
    """Its length is that of the answer to a GET, which then comes over the same connection."""
    head = with_length(b"ok")[:-2]
    server = serve(say(head), say(OK), say(head))
    transport = a_transport(keepalive_s=60.0)

    async def each(*methods: str) -> list[bytes]:
        requests = [a_request(server.url, method=method) for method in methods]
        bodies = [(await transport.send(request, bounds())).body for request in requests]
        await transport.aclose()
        return bodies

    assert [b"", b"ok", b""] == asyncio.run(each("HEAD", "GET", "HEAD"))
    assert server.connections == 1


def test_the_framing_of_a_request_is_not_the_callers(serve: Any, say: Any) -> None:
    """A second word of where a request ends would hide another in it; the host may be theirs."""
    server = serve(say(OK), say(OK))
    headers = (
        ("host", "ours.example"), ("Content-Length", "1"), ("Transfer-Encoding", "chunked"),
        ("X-A", "1"),
    )  # fmt: skip
    request = a_request(server.url, method="PUT", body=b"{}", headers=headers)

    async def twice() -> None:
        transport = a_transport()
        for _ in range(2):
            await transport.send(request, bounds())
        await transport.aclose()

    asyncio.run(twice())

    expected = b"PUT /x HTTP/1.1\r\nhost: ours.example\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
    assert [expected, expected] == server.requests


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_large_request_arrives_whole(loop: str, *, secure: bool) -> None:
    """It goes out piece by piece, as the server takes it."""
    body = b"".join(b"%07d " % number for number in range(1_000_000))
    theirs, ours = contexts(trustme.CA(), "127.0.0.1")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        taken = await reader.readexactly(len(body))
        writer.write(with_length(hashlib.sha256(taken).hexdigest().encode()))
        await writer.drain()
        writer.close()

    async def main() -> bytes:
        tls = theirs if secure else None
        transport = a_transport(tls=ours)
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
            answer = await transport.send(a_request(url, method="PUT", body=body), bounds())
            await transport.aclose()
        assert answer.request_complete is True
        return answer.body

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert hashlib.sha256(body).hexdigest().encode() == runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_that_does_not_wait_for_the_request_ends_the_connection(loop: str) -> None:
    """It is an answer, but nobody knows how much of the request the server has."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(with_length(b"enough", status=b"413 Too Large"))
        if len(heads) == 1:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await second.wait()
        await writer.drain()
        writer.close()

    async def main() -> list[tuple[int, bool | None]]:
        transport = a_transport(connections=1)
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            large = a_request(url, method="PUT", body=b"z" * 30_000_000)
            first = await transport.send(large, bounds())
            after = await transport.send(a_request(url), bounds())
            second.set()
            await transport.aclose()
        return [(each.status, each.request_complete) for each in (first, after)]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        second = asyncio.Event()

        assert [(413, None), (413, True)] == runner.run(main())
    assert [b"PUT", b"GET"] == [head.split()[0] for head in heads]


@pytest.mark.asyncio
async def test_a_connection_that_ended_before_the_request_had_nothing_of_it() -> None:
    """Where no byte was handed over, that is known, and another attempt doubles nothing."""
    ended = WatchedProtocol([], 5.0, asyncio.get_running_loop())

    with pytest.raises(aiohttp.ClientConnectionResetError):
        ended.begin(bounds(), b"PUT /x HTTP/1.1\r\n\r\n", b"{}", without_body=False)

    expected = Evidence(connected=True, request_complete=False, answer_begun=False)
    assert expected == ended.evidence()


def test_an_aiohttp_that_works_otherwise_is_refused(
    serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without our end of the connection there are no bounds and no evidence: nothing is sent."""
    server = serve(say(OK))

    async def connected(self: Any, *_: Any) -> Any:
        made = functools.partial(ResponseHandler, self._loop)
        return (await self._loop.create_connection(made, "127.0.0.1", server.port))[1]

    async def main() -> None:
        transport = a_transport()
        with pytest.raises(errors.ConfigurationError, match="does not know") as caught:
            await transport.send(a_request(server.url), bounds())
        await transport.aclose()

        assert caught.value.__context__ is None

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", connected)
    asyncio.run(main())

    assert server.requests == []


def test_a_mocked_session_sends_nothing_to_the_network(serve: Any, say: Any) -> None:
    """Who mocks aiohttp's session for a test does not mean to reach the network past it."""
    server = serve(say(OK))
    transport = a_transport()

    async def main() -> WireResponse:
        try:
            return await transport.send(a_request(server.url), bounds())
        finally:
            await transport.aclose()

    asked = mock.create_autospec(aiohttp.ClientSession._request)
    with (
        mock.patch.object(aiohttp.ClientSession, "_request", asked),
        pytest.raises(errors.ConfigurationError, match="is mocked"),
    ):
        asyncio.run(main())

    assert 0 == asked.call_count == server.connections
    assert asyncio.run(main()).body == b"ok"


MOCKED_FIRST: Final = """
import asyncio
from unittest import mock
import aiohttp
from billingual import AsyncClient, ConfigurationError

async def main():
    async with AsyncClient(
        "exante", base_url="http://127.0.0.1:9", token="t", transport="aiohttp"
    ) as client:
        await client.get("00000000-0000-4000-8000-000000000001")

with mock.patch.object(aiohttp.ClientSession, "_request", autospec=True):
    try:
        asyncio.run(main())
    except ConfigurationError:
        print("refused")
"""


def test_a_session_that_was_mocked_before_us_sends_nothing_either() -> None:
    """A test that mocks first and names the transport then is the usual one."""
    done = subprocess.run(
        [sys.executable, "-c", MOCKED_FIRST],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ("refused\n", "") == (done.stdout, done.stderr)


def test_a_transport_works_on_the_next_event_loop(serve: Any, say: Any) -> None:
    """What the old loop left is dropped without a word, and a new connection is made."""
    server = serve(*[say(OK)] * 4)
    transport = a_transport(keepalive_s=60.0)

    async def twice(*, close: bool) -> list[bytes]:
        bodies = [(await transport.send(a_request(server.url), bounds())).body for _ in range(2)]
        if close:
            await transport.aclose()
        return bodies

    bodies = asyncio.run(twice(close=False)) + asyncio.run(twice(close=True))
    gc.collect()

    assert [b"ok"] * 4 == bodies
    assert server.connections == 2


FORKING: Final = """
import asyncio, os, sys
from billingual import AsyncClient
from billingual.transports.aiohttp import AiohttpTransport
def uid(number):
    return f"00000000-0000-4000-8000-{number:012x}"
async def crossed(client, numbers):
    return sum([(await client.get(uid(n))).number != uid(n) for n in numbers])
async def main():
    async with AsyncClient("exante", base_url=sys.argv[1], token="t", retry="none",
                           transport=AiohttpTransport) as client:
        wrong = await crossed(client, [1])
        for child in range(2):
            if (pid := os.fork()) == 0:
                os._exit(asyncio.run(crossed(client, range(100 * child + 1, 100 * child + 60))))
            wrong += os.waitpid(pid, 0)[1]
        print(wrong + await crossed(client, [2]))
asyncio.run(main())
"""


def test_a_forked_child_crosses_no_answer() -> None:
    """It makes connections of its own, and the parent keeps the one it has."""
    with InvoiceServer() as server:
        said = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING,
             server.url],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip

        assert (b"0\n", b"") == (said.stdout, said.stderr)
        assert server.connections == 1 + 2


WAYS: Final = {
    f"{loop}, {how}": (loop, how)
    for loop in ("asyncio", "uvloop")
    for how in ("cancel", "twice", "scope")
}


async def cancel_everywhere(
    server: InvoiceServer, how: str, options: dict[str, Any], *, warm: bool
) -> int:
    """Cancel at the first, second ... suspension until there is none; return how many there are."""
    point, met = 0, True
    request = a_request(server.url, "/invoices", method="PUT", body=b'[{"uid": "a"}]')
    while met:
        point += 1
        transport = a_transport(connections=2, **options)
        if warm:
            await transport.send(request, bounds())
        met = await cancelled_at(transport.send(request, bounds()), point, how)
        idle = 0
        for lanes in transport._lanes.values():
            for stack in lanes._stacks.values():
                assert [True, True] == [await stack.slots.acquire(0) for _ in range(2)]
                stack.slots.release()
                stack.slots.release()
                idle += sum(len(lane.open) for lane, _ in stack.free)
        await anyio.to_thread.run_sync(server.wait_for_open, idle)
        await transport.send(request, bounds())
        await transport.aclose()
        await anyio.to_thread.run_sync(server.wait_for_open, 0)
        assert [asyncio.current_task()] == list(asyncio.all_tasks())
    return point - 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_cancelled_call_leaves_nothing_behind(way: str, *, warm: bool, secure: bool) -> None:
    """At every suspension point there is no slot, socket or task left; the next call works."""
    loop, how = WAYS[way]
    theirs, options = None, {}
    if secure:
        authority = trustme.CA()
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(theirs)
        options["tls"] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(options["tls"])
    with InvoiceServer(theirs) as server:
        points = run_on(loop, lambda: cancel_everywhere(server, how, options, warm=warm))

    assert points >= (1 if warm else 2)


SEEN: Final = Evidence(connected=True, request_complete=True, answer_begun=False)
NOTHING: Final = Evidence(connected=False, request_complete=False, answer_begun=False)
# They belong to redirects, web sockets and checks of the body, which are not used here.
ELSEWHERE: Final = {
    "ClientError", "ClientConnectionError", "ContentTypeError", "InvalidURL",
    "InvalidUrlClientError", "InvalidUrlRedirectClientError", "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError", "RedirectClientError", "ServerConnectionError",
    "ServerFingerprintMismatch", "TooManyRedirects", "UnixClientConnectorError",
    "UploadAbortedError", "WSServerHandshakeError",
}  # fmt: skip


def test_every_exception_of_aiohttp_is_in_the_table_or_cannot_happen() -> None:
    """A new class of the library shows up here first."""
    named = {each for each in _TABLE if issubclass(each, aiohttp.ClientError)}
    general = {aiohttp.ClientError, aiohttp.ClientOSError, aiohttp.ClientConnectorError}
    unknown = {
        each.__name__
        for each in vars(aiohttp.client_exceptions).values()
        if isinstance(each, type) and issubclass(each, aiohttp.ClientError) and each not in named
        and not {*each.__mro__} & (named - general)
    }  # fmt: skip

    assert set() == unknown - ELSEWHERE


@pytest.mark.parametrize(
    ("error", "seen", "kind", "evidence"),
    [
        (aiohttp.ServerDisconnectedError(), SEEN, errors.ConnectionLostError, SEEN),
        (aiohttp.SocketTimeoutError(), SEEN, errors.TimedOutError, SEEN),
        (TimeoutError(), SEEN, errors.TimedOutError, SEEN),
        (ConnectionResetError(), SEEN, errors.ConnectionLostError, SEEN),
        (aiohttp.ClientPayloadError(), SEEN, errors.ConnectionLostError, SEEN),
        (aiohttp.ConnectionTimeoutError(), NOTHING, errors.NotConnectedError, NOTHING),
        (aiohttp.ServerDisconnectedError(), NOTHING, errors.NotConnectedError, NOTHING),
        (TimeoutError(), NOTHING, errors.NotConnectedError, NOTHING),
        (aiohttp.InvalidURL("canary"), NOTHING, errors.NotConnectedError, NOTHING),
    ],
    ids=[
        "disconnected", "silent", "timeout", "reset", "payload", "connect-timeout",
        "disconnected-early", "timeout-early", "address",
    ],
)  # fmt: skip
def test_each_exception_of_aiohttp_becomes_ours_with_what_was_seen(
    error: Exception, seen: Evidence, kind: type[Exception], evidence: Evidence
) -> None:
    """The most specific row wins; before a connection stood nothing was sent."""
    found = _translated("http://x.example", error, seen)

    assert found is not None
    assert (kind, evidence) == (type(found), found.evidence)
    assert f"{type(error).__name__} of aiohttp" in str(found)
    assert "canary" not in str(found)


def test_only_aiohttp_is_imported_for_it() -> None:
    """Each library is imported for its own transport alone."""
    program = (
        "import sys, billingual.transports.aiohttp\n"
        "print(*({'httpcore', 'httpx', 'httpx2', 'urllib3'} & {*sys.modules}))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert said.stdout.strip() == b""


def test_it_says_what_it_is() -> None:
    """For lists of transports."""
    made = a_transport()

    assert (made.library, made.http2, made.supports) == ("aiohttp", False, {"async"})
