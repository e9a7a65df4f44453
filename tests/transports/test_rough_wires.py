"""Cuts, leftovers, contradictions and haste, which transports that speak HTTP have to withstand."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import anyio.to_thread
import pytest
import uvloop

from _support.wires.link import (
    CANARY,
    GZIP,
    a_request,
    bounds,
    chunked,
    everything_held_by,
    with_length,
)
from _support.wires.rough_server import (
    ALL_WAYS,
    WAYS,
    RoughServer,
    cork,
    cut,
    lay_over,
    reset,
)
from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.outcomes import Evidence
from billingual.transports.h11 import asyncio as h11_asyncio
from billingual.transports.h11.connection import Connection
from billingual.transports.h11.http1 import RequestWriter
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest

OK: Final = with_length(b"ok")
HALF: Final = b'HTTP/1.1 200 OK\r\n\r\n{"half": '
REALLY_EVERY_WAY: Final = pytest.mark.parametrize("way", ALL_WAYS)
EVERY_WAY: Final = pytest.mark.parametrize("way", WAYS)
OF_H11: Final = pytest.mark.parametrize("way", [way for way in WAYS if "h11" in way])
AWAITED: Final = [way for way in WAYS if "blocking" not in way]
LOOPS: Final = pytest.mark.parametrize("factory", [None, uvloop.new_event_loop])
UNSENT: Final = Evidence(connected=True, request_complete=False, response_begun=False)
TOKEN: Final = (("Authorization", f"Bearer {CANARY}"), ("X-Odd", CANARY))


def sent(*requests: WireRequest, within: Bounds | None = None) -> Callable[[Any], Awaitable[Any]]:
    """Send *requests* one after another, and return what became of each: a response or an error."""

    async def send(transport: Any) -> list[Any]:
        ended: list[Any] = []
        for each in requests:
            try:
                ended.append(await transport.send(each, within or bounds()))
            except errors.BillingualError as error:
                ended.append(error)
        return ended

    return send


def answering(first: bytes) -> Callable[[RoughServer, Any], None]:
    """Answer the first request of all so, and each later one with OK."""

    def talk(server: RoughServer, connection: Any) -> None:
        while True:
            server.request(connection)
            with cork(connection):
                connection.sendall(first if len(server.requests) == 1 else OK)

    return talk


@REALLY_EVERY_WAY
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_two_responses_in_one_breath_are_never_two_responses(way: str, *, secure: bool) -> None:
    """What TLS has taken off the socket, and not unpacked yet, is not the next response."""

    def talk(server: RoughServer, connection: Any) -> None:
        while True:
            server.request(connection)
            with cork(connection):
                connection.sendall(OK)
                if len(server.requests) == 1:
                    connection.sendall(with_length(b"unasked"))

    with RoughServer(talk, secure=secure) as server:
        first, second = lay_over(way, sent(*[a_request(server.url)] * 2))

        assert [b"ok", b"ok"] == [first.body, second.body]
        # Without TLS urllib3 throws away what came with a response, and keeps the connection.
        assert server.connections == (1 if "urllib3" in way and not secure else 2)


@EVERY_WAY
def test_a_response_that_overtakes_its_request_ends_the_connection(way: str) -> None:
    """What is left of the request would be read as the next one."""

    def talk(server: RoughServer, connection: Any) -> None:
        if server.connections == 1:
            connection.recv(10)
            connection.sendall(with_length(b"early"))
            server.over.wait(120)
        else:
            server.request(connection)
            connection.sendall(OK)

    with RoughServer(talk) as server:
        # More than the buffers of a system take.
        large = a_request(server.url, method="POST", body=bytes(32 * 2**20))
        within = bounds(timeouts=Timeouts(write=0.2, read=2.0))
        early, after = lay_over(
            way, sent(large, a_request(server.url), within=within), connections=1
        )

        assert (early.body, early.request_complete) == (b"early", None)
        assert after.body == b"ok"
        assert server.connections == 2


@REALLY_EVERY_WAY
def test_what_a_full_buffer_left_in_tls_is_never_a_response(way: str) -> None:
    """A response that fills a reader to the brim leaves the next one where no reader looks."""
    head = len(with_length(b"x" * 8000)) - 8000
    brim = with_length(b"x" * (8192 - head))

    def talk(server: RoughServer, connection: Any) -> None:
        while True:
            server.request(connection)
            first = len(server.requests) == 1
            connection.sendall(brim + with_length(b"unasked") if first else OK)

    with RoughServer(talk, secure=True) as server:
        first, second = lay_over(way, sent(*[a_request(server.url)] * 2))

    assert (8192 - head, b"ok") == (len(first.body), second.body)


@REALLY_EVERY_WAY
def test_a_response_with_two_words_of_its_length_ends_the_connection(way: str) -> None:
    """Where it ends, not all on the way may have seen alike."""
    response = chunked(b"hello").replace(b"OK\r\n", b"OK\r\nContent-Length: 3\r\n")
    with RoughServer(answering(response)) as server:
        _, second = lay_over(way, sent(*[a_request(server.url)] * 2))

        assert second.body == b"ok"
        assert server.connections == 2


@OF_H11
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_body_without_a_length_that_a_reset_ends_is_not_whole(way: str, *, secure: bool) -> None:
    """Only an end is an end."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        connection.sendall(HALF)
        reset(connection)

    with RoughServer(talk, secure=secure) as server:
        (ended,) = lay_over(way, sent(a_request(server.url)))

    assert type(ended) is errors.ConnectionLostError
    assert ended.evidence.request_complete is not False


@OF_H11
def test_a_body_without_a_length_that_is_cut_under_tls_is_not_whole(way: str) -> None:
    """Any machine on the way can end a connection; only the server can send close_notify."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        connection.sendall(HALF)
        cut(connection)

    with RoughServer(talk, secure=True) as server:
        (ended,) = lay_over(way, sent(a_request(server.url)))

    assert type(ended) is errors.ConnectionLostError
    expected = Evidence(connected=True, request_complete=True, response_begun=True, status=200)
    assert expected == ended.evidence


@REALLY_EVERY_WAY
@pytest.mark.parametrize("response", [OK, chunked(b"ok")], ids=["length", "chunks"])
def test_a_response_with_a_length_is_whole_however_tls_ends(way: str, response: bytes) -> None:
    """Servers that leave without a farewell are many."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        connection.sendall(response)
        cut(connection)

    with RoughServer(talk, secure=True) as server:
        (ended,) = lay_over(way, sent(a_request(server.url)))

    assert ended.body == b"ok"


@REALLY_EVERY_WAY
def test_a_body_without_a_length_is_whole_after_a_close_notify(way: str) -> None:
    """That is the server's word."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        connection.sendall(HALF)
        connection.unwrap()

    with RoughServer(talk, secure=True) as server:
        (ended,) = lay_over(way, sent(a_request(server.url)))

    assert ended.body == b'{"half": '


@EVERY_WAY
@pytest.mark.parametrize(
    "response",
    [b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"],
    ids=["101", "099"],
)
def test_a_status_that_is_none_of_a_response_is_no_response(way: str, response: bytes) -> None:
    """Below 200 nothing is said about the request."""
    with RoughServer(answering(response)) as server:
        first, second = lay_over(way, sent(*[a_request(server.url)] * 2))

    assert type(first) is errors.ConnectionLostError
    assert second.body == b"ok"


@EVERY_WAY
@pytest.mark.timeout(120)
def test_a_response_before_the_request_is_taken_is_read(way: str) -> None:
    """Also where it takes a write timeout to look; how much the server has is unknown."""

    def talk(server: RoughServer, connection: Any) -> None:
        connection.recv(1000)
        connection.sendall(with_length(b"enough", status=b"413 Too Large"))
        server.over.wait(120)

    with RoughServer(talk) as server:
        request = a_request(server.url, method="PUT", body=b"z" * 30_000_000)
        within = bounds(timeouts=Timeouts(write=0.2))
        (ended,) = lay_over(way, sent(request, within=within))

    assert (413, None) == (ended.status, ended.request_complete)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", [each for each in WAYS if each != "h11, blocking"])
def test_each_piece_of_a_request_has_a_time_of_its_own(way: str) -> None:
    """A server that reads slowly but steadily may take longer than the write timeout in all."""
    body = b"z" * 12_000_000

    def talk(server: RoughServer, connection: Any) -> None:
        left = len(body)
        while left > 0 and not server.over.wait(0.02):
            left -= len(connection.recv(131_072))
        connection.sendall(OK)
        server.over.wait(120)

    with RoughServer(talk) as server:
        request = a_request(server.url, method="PUT", body=body)
        (ended,) = lay_over(way, sent(request, within=bounds(timeouts=Timeouts(write=1.0))))

    assert (b"ok", True) == (ended.body, ended.request_complete)


@REALLY_EVERY_WAY
def test_nothing_goes_out_once_the_deadline_has_passed(way: str) -> None:
    """A request without time for a response would only become unclear."""
    with RoughServer(answering(OK)) as server:

        async def work(transport: Any) -> Any:
            await transport.send(a_request(server.url), bounds())
            late = bounds(deadline=Deadline(0.0, lambda: 0.0))
            with pytest.raises(errors.TimedOutError) as caught:
                await transport.send(a_request(server.url, method="PUT", body=b"{}"), late)
            return caught.value.evidence.request_complete

        assert lay_over(way, work) is False
        assert len(server.requests) == 1


@pytest.mark.parametrize("way", ["h11, blocking", "h11, trio", "h11, uvloop"])
def test_a_wait_that_no_socket_takes_is_shortened(way: str) -> None:
    """It would be refused when the request is out, and the request be called unsent."""
    within = bounds(timeouts=Timeouts(read=1e15), deadline=Deadline(1e16, lambda: 0.0))
    with RoughServer(answering(OK)) as server:
        (ended,) = lay_over(
            way, sent(a_request(server.url, method="PUT", body=b"{}"), within=within)
        )

    assert ended.body == b"ok"


@pytest.mark.parametrize("way", ["h11, blocking", "h11, asyncio", "h11, trio"])
def test_a_handshake_has_what_the_connection_left_of_its_time(way: str) -> None:
    """The connect timeout is for the name, the connection, a proxy and TLS together."""
    clock = itertools.count()

    def talk(server: RoughServer, connection: Any) -> None:
        raise AssertionError("there was no time left for a request")

    # One look at the clock is a second, and connecting with a handshake takes more than two.
    within = bounds(
        timeouts=Timeouts(connect=2.0), deadline=Deadline(1000.0, lambda: float(next(clock)))
    )
    with RoughServer(talk, secure=True) as server:
        (ended,) = lay_over(way, sent(a_request(server.url), within=within))

    assert type(ended) is errors.NotConnectedError
    assert "timed out while connecting" in str(ended)


@OF_H11
@pytest.mark.parametrize(
    ("body", "on_the_wire"), [(b"{}", b"2\r\n{}\r\n0\r\n\r\n"), (None, b"0\r\n\r\n")]
)
def test_chunks_that_the_caller_asks_for_have_an_end(
    way: str, body: bytes | None, on_the_wire: bytes
) -> None:
    """Without the last one a server would wait for it for ever."""

    def talk(server: RoughServer, connection: Any) -> None:
        data = b""
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += connection.recv(65_536)
        server.requests.append(data)
        connection.sendall(OK)

    with RoughServer(talk) as server:
        headers = (("Transfer-Encoding", "chunked"),)
        (ended,) = lay_over(
            way, sent(a_request(server.url, method="PUT", body=body, headers=headers))
        )

        assert ended.body == b"ok"
        assert server.requests[0].partition(b"\r\n\r\n")[2] == on_the_wire


@EVERY_WAY
@pytest.mark.parametrize(
    "headers",
    [
        (("Host", "a.example"), ("host", "b.example")),
        (("Content-Length", "12x"),),
        (("Content-Length", "1"), ("Content-Length", "2")),
        (("Content-Length", "1"),),
        (("Content-Length", "1000"),),
        (("X-A", f"{CANARY}\n"),),
    ],
    ids=["two hosts", "no length", "two lengths", "too short", "too long", "newline"],
)
def test_headers_that_contradict_each_other_are_not_sent(
    way: str, headers: tuple[tuple[str, str], ...]
) -> None:
    """The error is ours, says that nothing was sent, and no frame on it shows the token.

    aiohttp frames a request itself, whatever the headers say of a length.
    """
    framed = headers[0][0] == "Content-Length"
    with RoughServer(answering(OK)) as server:
        request = a_request(server.url, method="PUT", body=CANARY.encode(), headers=TOKEN + headers)
        (ended,) = lay_over(way, sent(request))

        if framed and "aiohttp" in way:
            assert ended.body == b"ok"
            return
        assert type(ended) is errors.TransportError
        assert ended.evidence.request_complete is False
        assert ended.__cause__ is ended.__context__ is None
        assert CANARY not in everything_held_by(ended)
        assert server.requests == []


@pytest.mark.parametrize("way", AWAITED)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("begun", [False, True], ids=["silent", "begun"])
def test_no_secret_hangs_on_a_cancellation(way: str, *, secure: bool, begun: bool) -> None:
    """A report of a task's end with the variables of its frames shows no token of ours."""
    start = with_length(b"ok", b"Set-Cookie: s=" + CANARY.encode())[:-1]

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        if begun:
            connection.sendall(start)
        server.over.wait(120)

    with RoughServer(talk, secure=secure) as server:

        async def work(transport: Any) -> str:
            seen = "not cancelled"
            request = a_request(server.url, method="PUT", body=CANARY.encode(), headers=TOKEN)
            async with anyio.create_task_group() as tasks:

                async def call() -> None:
                    nonlocal seen
                    try:
                        await transport.send(request, bounds())
                    except BaseException as error:
                        seen = everything_held_by(error)
                        raise

                tasks.start_soon(call)
                await anyio.to_thread.run_sync(server.read.wait)
                for _ in range(20):
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()
            return seen

        seen = lay_over(way, work)

    assert "exchange" in seen
    assert CANARY not in seen


FAULTS: Final[dict[str, Callable[[RoughServer, Any], object]]] = {
    "reset": lambda server, connection: reset(connection),
    "silence": lambda server, connection: server.over.wait(120),
    "no http": lambda server, connection: connection.sendall(b"nonsense\r\n\r\n"),
    "cut": lambda server, connection: connection.sendall(OK[:-1]),
    "no gzip": lambda server, connection: connection.sendall(with_length(b"x", GZIP)),
}


@pytest.mark.sampled(2)
@EVERY_WAY
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_call_leaves_nothing_to_the_collector(way: str, fault: str) -> None:
    """What was raised, and all that hangs on it, goes with the error."""

    def talk(server: RoughServer, connection: Any) -> None:
        server.request(connection)
        FAULTS[fault](server, connection)

    with RoughServer(talk) as server:

        async def work(transport: Any) -> list[str]:
            request = a_request(server.url, method="PUT", body=b"{}")
            within = bounds(timeouts=Timeouts(read=0.02 if fault == "silence" else 10.0))

            async def fail() -> None:
                with pytest.raises(errors.TransportError):
                    await transport.send(request, within)

            await fail()
            # What was there before is not looked at: others left it, and there is much of it.
            gc.freeze()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(3):
                    with contextlib.suppress(errors.TransportError):
                        await transport.send(request, within)
                gc.collect()
                return sorted({type(each).__module__ for each in gc.garbage})
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.unfreeze()
                gc.enable()

        left = lay_over(way, work)

    assert [each for each in left if each.startswith(("billingual", "h11", "httpcore"))] == []


@LOOPS
def test_a_connection_that_ended_with_its_handshake_had_nothing(factory: Any) -> None:
    """Nothing is written to it, and no call waits for its bytes."""

    async def work(server: RoughServer) -> Evidence:
        options = TransportOptions(backend=AnyioBackend())
        connection = Connection(options, None, secure=False)
        request = RequestWriter().prepare(a_request(server.url, method="PUT", body=b"{}"))
        await connection._connect(request.origin, bounds())
        stream: Any = connection._stream
        stream.is_readable = lambda: False
        stream._transport.abort()
        with anyio.fail_after(120), pytest.raises(ConnectionAbortedError) as caught:
            await connection.exchange(request, bounds())
        failure = connection.failure(caught.value, request.origin)
        await connection.aclose()
        assert failure is not None
        return failure.evidence

    with RoughServer(answering(OK)) as server, asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(work(server)) == UNSENT


@LOOPS
def test_what_a_reset_connection_threw_away_was_not_handed_over(factory: Any) -> None:
    """An empty buffer proves nothing once the connection closes."""

    async def work(server: RoughServer) -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()
        port = int(server.url.rpartition(":")[2])
        stream = await h11_asyncio.connect(loop, "127.0.0.1", port, bounds())
        await stream.send(b"z" * 30_000_000, bounds())
        before = stream.flushed
        stream._transport.abort()
        with pytest.raises(OSError, match="closed here"):
            await stream.receive(bounds())
        return before, stream.flushed

    def talk(server: RoughServer, connection: Any) -> None:
        server.over.wait(120)

    with RoughServer(talk) as server, asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(work(server)) == (False, False)
