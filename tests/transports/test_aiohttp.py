"""The aiohttp transport: the rules of the wire, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import ssl
import subprocess
import sys
import threading
from typing import Any, Final
from unittest import mock

import aiohttp
import anyio
import pytest
import trio
import trustme
import uvloop

from _support.cancellation import cancelled_at, run_on
from _support.invoice_server import InvoiceServer, uid
from _support.wires.link import a_request, bounds, contexts, with_length
from _support.wires.rough_server import OURS, RoughServer
from billingual import AsyncClient, Client, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, running
from billingual.transports.aiohttp import AiohttpTransport
from billingual.wire import Deadline, Timeouts

LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
OK: Final = with_length(b"ok")


def a_transport(**options: Any) -> AiohttpTransport:
    """Make a transport."""
    return AiohttpTransport(TransportOptions(backend=AnyioBackend(), **options))


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
def test_a_hundred_calls_at_once_cross_no_response(loop: str) -> None:
    """They share the connections there may be, and each gets its own response."""

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


@pytest.mark.parametrize("turns", [0, 10], ids=["not yet read", "read by the loop"])
@pytest.mark.parametrize("late", [with_length(b"late"), b"HTTP/1.1 200"], ids=["whole", "begun"])
@pytest.mark.parametrize("loop", LOOPS)
def test_what_came_while_idle_ends_the_connection(loop: str, late: bytes, turns: int) -> None:
    """Aiohttp alone would return it for the next request, and each response after it one late."""
    idle, said = threading.Event(), threading.Event()

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        connection.sendall(OK)
        if not said.is_set():
            idle.wait(120)
            connection.sendall(late)
            said.set()
        connection.recv(1)

    async def main(url: str) -> list[bytes]:
        transport = a_transport(keepalive_s=60.0)
        first = await transport.send(a_request(url), bounds())
        idle.set()
        said.wait(120)
        for _ in range(turns):
            await asyncio.sleep(0)
        second = await transport.send(a_request(url, method="POST", body=b"{}"), bounds())
        await transport.aclose()
        return [first.body, second.body]

    with RoughServer(talk) as server, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert [b"ok", b"ok"] == runner.run(main(server.url))
        assert server.connections == 2


def test_half_a_close_notify_is_not_mixed_with_the_next_response(serve: Any, say: Any) -> None:
    """What came after a response, and with it, is none of the next one's business."""
    server = serve(say(OK + b"HTTP/1.1 408 La"), say(with_length(b"next")))
    transport = a_transport(keepalive_s=60.0)

    async def twice() -> list[tuple[int, bytes]]:
        request = a_request(server.url, method="PUT", body=b"{}")
        responses = [await transport.send(request, bounds()) for _ in range(2)]
        await transport.aclose()
        return [(each.status, each.body) for each in responses]

    assert [(200, b"ok"), (200, b"next")] == asyncio.run(twice())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_ends_when_its_time_is_over(loop: str) -> None:
    """It ends by itself: no server is kept waiting for a client that is done."""

    async def main(server: InvoiceServer) -> None:
        transport = a_transport(keepalive_s=0.05)
        await transport.send(a_request(server.url, f"/invoices/{uid(1)}"), bounds())
        await anyio.to_thread.run_sync(server.wait_for_open, 0)
        response = await transport.send(a_request(server.url, f"/invoices/{uid(2)}"), bounds())
        await transport.aclose()

        assert uid(2).encode() in response.body
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
            response = await transport.send(a_request(url, f"/invoices/{uid(1)}"), bounds())

            assert uid(1).encode() in response.body
        await anyio.to_thread.run_sync(elsewhere.wait_for_open, 0)
        await anyio.to_thread.run_sync(there.wait_for_open, 1)
        await transport.aclose()


def test_a_response_to_head_has_no_body(serve: Any, say: Any) -> None:
    """Its length is that of the response to a GET, which then comes over the same connection."""
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
            response = await transport.send(a_request(url, method="PUT", body=body), bounds())
            await transport.aclose()
        assert response.request_complete is True
        return response.body

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert hashlib.sha256(body).hexdigest().encode() == runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_response_that_does_not_wait_for_the_request_ends_the_connection(loop: str) -> None:
    """It is a response, but the client cannot know how much of the request the server has."""
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


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts the timers that are set."""

    timers = 0

    def call_at(self, *args: Any, **options: Any) -> asyncio.TimerHandle:
        """Count, and set the timer."""
        self.timers += 1
        return super().call_at(*args, **options)


def test_a_warm_request_sets_no_timer(serve: Any, say: Any) -> None:
    """The connection has one, which finds out by itself that it has to wait longer."""
    server = serve(*[say(OK)] * 12)

    async def main(loop: CountingLoop) -> int:
        transport = a_transport(keepalive_s=60.0)
        for _ in range(2):
            await transport.send(a_request(server.url), bounds())
        before = loop.timers
        for _ in range(10):
            await transport.send(a_request(server.url), bounds())
        await transport.aclose()
        return loop.timers - before

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop: Any = runner.get_loop()

        assert 0 == runner.run(main(loop))
    assert server.connections == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_a_timer_that_goes_off_between_requests_ends_nothing(loop: str) -> None:
    """Nor does it end a request that has begun since, before that one's own time is up."""

    async def main(server: InvoiceServer) -> None:
        transport = a_transport(keepalive_s=60.0)
        request = a_request(server.url, f"/invoices/{uid(1)}")
        await transport.send(request, bounds(timeouts=Timeouts(read=1.0)))
        await asyncio.sleep(1.05)
        await transport.send(request, bounds(timeouts=Timeouts(read=1.0)))
        server.hold()
        held = asyncio.create_task(transport.send(request, bounds(timeouts=Timeouts(read=10.0))))
        await anyio.to_thread.run_sync(server.wait_for_held)
        await asyncio.sleep(1.05)
        server.release()

        assert uid(1).encode() in (await held).body
        await transport.aclose()
        assert server.connections == 1

    with InvoiceServer() as server, asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main(server))


@pytest.mark.parametrize("bound", ["read", "deadline"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_response_that_time_cuts_short_is_not_whole(
    serve: Any, say: Any, loop: str, bound: str
) -> None:
    """Without a length, the end of its connection would be its end."""
    server = serve(say(b"HTTP/1.1 200 OK\r\n\r\n[1, 2", then="hang"))
    within = bounds(timeouts=Timeouts(read=1.0))
    if bound == "deadline":
        within = bounds(deadline=Deadline(1.0, lambda: 0.0))

    async def main() -> None:
        transport = a_transport()
        try:
            await transport.send(a_request(server.url, method="PUT", body=b"{}"), within)
        finally:
            await transport.aclose()

    with (
        asyncio.Runner(loop_factory=LOOPS[loop]) as runner,
        pytest.raises(errors.TimedOutError, match="no whole response came") as caught,
    ):
        runner.run(main())

    assert caught.value.evidence == Evidence(
        connected=True, request_complete=True, response_begun=True, status=200
    )
    assert caught.value.__context__ is None


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.timeout(120)
def test_a_request_that_the_server_does_not_take_ends_with_the_write_timeout(
    loop: str, *, secure: bool
) -> None:
    """What part of it the server has is unknown; no deadline is near."""

    def talk(server: RoughServer, connection: Any) -> None:
        connection.recv(10)
        server.over.wait(120)

    async def main(url: str) -> None:
        transport = a_transport(tls=OURS)
        request = a_request(url, method="PUT", body=bytes(30_000_000))
        try:
            await transport.send(request, bounds(timeouts=Timeouts(write=0.1, read=0.3)))
        finally:
            await transport.aclose()

    with (
        RoughServer(talk, secure=secure) as server,
        asyncio.Runner(loop_factory=LOOPS[loop]) as runner,
        pytest.raises(errors.TimedOutError) as caught,
    ):
        runner.run(main(server.url))

    assert caught.value.evidence == Evidence(connected=True)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("loop", LOOPS)
def test_a_request_whose_connection_breaks_is_sent_once(loop: str, method: str) -> None:
    """Aiohttp by itself would send it again, over another connection; the first is unclear."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        if server.connections == 1 and len(server.requests) == 1:
            connection.sendall(OK)
            server.request(connection)

    async def main(url: str) -> None:
        transport = a_transport(keepalive_s=60.0)
        await transport.send(a_request(url), bounds())
        try:
            await transport.send(a_request(url, method=method), bounds())
        finally:
            await transport.aclose()

    with (
        RoughServer(talk) as server,
        asyncio.Runner(loop_factory=LOOPS[loop]) as runner,
        pytest.raises(errors.ConnectionLostError, match="ServerDisconnectedError") as caught,
    ):
        runner.run(main(server.url))

    assert [b"GET", method.encode()] == [each.split()[0] for each in server.requests]
    assert caught.value.evidence == CONNECTED


def test_a_tool_that_adds_to_the_headers_adds_to_one_request(serve: Any, say: Any) -> None:
    """Tools that trace requests do so; the next request is none of theirs."""
    server = serve(say(OK), say(OK))
    request = aiohttp.ClientSession._request

    async def traced(session: Any, *args: Any, headers: Any, **options: Any) -> Any:
        headers["traceparent"] = "1"
        return await request(session, *args, headers=headers, **options)

    async def main() -> None:
        transport = a_transport()
        with mock.patch.object(aiohttp.ClientSession, "_request", traced):
            await transport.send(a_request(server.url), bounds())
        await transport.send(a_request(server.url), bounds())
        await transport.aclose()

    asyncio.run(main())

    assert [True, False] == [b"traceparent: 1" in each for each in server.requests]


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


def test_a_forked_child_crosses_no_response() -> None:
    """It makes connections of its own, and the parent keeps the one it has."""
    with InvoiceServer() as server:
        said = subprocess.run(
            [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING,
             server.url],
            capture_output=True, check=False, timeout=120,
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
        # Both slots are free, or the second of these would wait in vain.
        await asyncio.gather(*(transport.send(request, bounds()) for _ in range(2)))
        await anyio.to_thread.run_sync(server.wait_for_open, 2)
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


CONNECTED: Final = Evidence(connected=True)
NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
UNSENT: Final = Evidence(connected=None, request_complete=False, response_begun=False)
BEGUN: Final = Evidence(connected=True, response_begun=True)


@pytest.mark.parametrize(
    ("error", "kind", "evidence"),
    [
        (aiohttp.ServerDisconnectedError(), errors.ConnectionLostError, CONNECTED),
        (aiohttp.ClientOSError(), errors.ConnectionLostError, CONNECTED),
        (aiohttp.SocketTimeoutError(), errors.TimedOutError, CONNECTED),
        (TimeoutError(), errors.TimedOutError, CONNECTED),
        (ConnectionResetError(), errors.ConnectionLostError, CONNECTED),
        (aiohttp.ClientPayloadError(), errors.ConnectionLostError, CONNECTED),
        (aiohttp.ClientResponseError(mock.Mock(), ()), errors.ConnectionLostError, BEGUN),
        (aiohttp.ConnectionTimeoutError(), errors.NotConnectedError, NOTHING),
        (
            aiohttp.ClientConnectorCertificateError(mock.Mock(), ValueError("canary")),
            errors.NotConnectedError,
            NOTHING,
        ),
        (aiohttp.InvalidURL("canary"), errors.TransportError, UNSENT),
        (ValueError("canary"), errors.TransportError, UNSENT),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_each_exception_of_aiohttp_becomes_ours_with_what_it_proves(
    error: Exception, kind: type[Exception], evidence: Evidence
) -> None:
    """The most specific row wins, and no text of aiohttp is kept."""
    found = raised_by(error)

    assert (kind, evidence) == (type(found), found.evidence)
    assert f"{type(error).__name__} of aiohttp" in str(found)
    assert "canary" not in f"{found}{found.__cause__}{found.__context__}"


def raised_by(error: Exception) -> errors.TransportError:
    """Return what the transport raises where a session raises *error*."""

    async def main() -> None:
        transport = a_transport()
        with mock.patch.object(aiohttp.ClientSession, "request", side_effect=error):
            try:
                await transport.send(a_request("http://h.invalid"), bounds())
            finally:
                await transport.aclose()

    with pytest.raises(errors.TransportError) as caught:
        asyncio.run(main())
    return caught.value


def test_an_exception_that_is_not_of_aiohttp_passes() -> None:
    """A bug is not a lost connection."""
    transport = a_transport()

    async def main() -> None:
        with mock.patch.object(aiohttp.ClientSession, "request", side_effect=KeyError("bug")):
            try:
                await transport.send(a_request("http://h.invalid"), bounds())
            finally:
                await transport.aclose()

    with pytest.raises(KeyError):
        asyncio.run(main())


@pytest.mark.asyncio
async def test_long_and_many_headers_of_a_response_are_read(serve: Any, say: Any) -> None:
    """Aiohttp's own limits are lower than those of the proxies before many providers."""
    lines = [b"X-Long: " + b"a" * 9_000, *(b"X-%d: 1" % number for number in range(150))]
    server = serve(say(with_length(b"ok", *lines)))
    transport = a_transport()

    response = await transport.send(a_request(server.url), bounds())
    await transport.aclose()

    assert b"ok" == response.body
    assert 9_000 == len(response.headers.get("x-long") or "")
    assert "x-149" in response.headers


@pytest.mark.parametrize(
    ("written", "password"),
    [("p%C3%A4ss", "päss"), ("%D0%BF%3A%40", "п:@"), ("p%40ss", "p@ss")],
)
@pytest.mark.asyncio
async def test_the_password_of_a_proxy_goes_out_as_utf_8(
    serve: Any, say: Any, written: str, password: str
) -> None:
    """As RFC 7617 advises, and as on every transport."""
    server = serve(say(OK))
    proxy = server.url.replace("http://", f"http://user:{written}@")
    transport = a_transport(proxy=proxy)
    await transport.send(a_request("http://provider.invalid"), bounds())
    await transport.aclose()

    expected = base64.b64encode(f"user:{password}".encode())
    assert b"Proxy-Authorization: Basic " + expected in server.requests[0]


@pytest.mark.parametrize("line", [b"nonsense", b"X A: b", b" folded", b"X-A: a\rb"])
@pytest.mark.asyncio
async def test_a_malformed_line_of_a_head_ends_the_call_at_once(
    serve: Any, say: Any, line: bytes
) -> None:
    """No timeout is waited for."""
    head = b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 2\r\n\r\nok"
    server = serve(say(head, then="hang"))
    transport = a_transport()
    with pytest.raises(errors.ConnectionLostError, match="not HTTP") as caught:
        await transport.send(a_request(server.url), bounds())
    await transport.aclose()

    assert caught.value.evidence == Evidence(connected=True, response_begun=True)


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
