"""What the transports httpx and httpx2 keep beyond the conformance suite, each in both halves."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from _support.wires.link import a_request, bounds, with_length
from _support.wires.rough_server import OURS, THEIRS, RoughServer
from billingual import errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.outcomes import Outcome
from billingual.plugins import TRANSPORTS
from billingual.retry.classify import classify
from billingual.wire import Headers, Timeouts

both_libraries = pytest.mark.parametrize("library", ["httpx", "httpx2"])
both_halves = pytest.mark.parametrize("waits", ["asyncio", "trio", "blocking"])


def over(library: str, waits: str, work: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """Run *work* with a transport of one library, which is closed after it."""
    make: Any = TRANSPORTS.load(library)
    backend: Any = SyncBackend() if waits == "blocking" else AnyioBackend()

    async def main() -> Any:
        transport = make(TransportOptions(backend=backend, **options))
        try:
            return await work(transport)
        finally:
            await transport.aclose()

    return step(main()) if waits == "blocking" else anyio.run(main, backend=waits)


@both_halves
@both_libraries
def test_a_cookie_stays_with_its_response(library: str, waits: str, serve: Any, say: Any) -> None:
    """On one connection too, where a client of the library would keep it."""
    server = serve(*[say(with_length(b"ok", b"Set-Cookie: a=b; Path=/"))] * 2)

    async def work(transport: Any) -> None:
        for _ in range(2):
            await transport.send(a_request(server.url), bounds())

    over(library, waits, work)

    assert server.connections == 1
    assert [b"cookie" in each.lower() for each in server.requests] == [False, False]


def in_one_segment(connection: Any, replies: list[list[bytes]]) -> None:
    """Speak TLS; the records of one reply leave together, so that they arrive together."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = THEIRS.wrap_bio(incoming, outgoing, server_side=True)

    def until_done(work: Callable[[], Any]) -> Any:
        while True:
            try:
                done = work()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                piece = connection.recv(65_536)
                if not piece:
                    raise ConnectionAbortedError from None
                incoming.write(piece)
            else:
                connection.sendall(outgoing.read())
                return done

    until_done(tls.do_handshake)
    while replies:
        head = b""
        while not head.endswith(b"{}"):
            head += until_done(lambda: tls.read(65_536))
        for record in replies.pop(0):
            tls.write(record)
        connection.sendall(outgoing.read())


@both_halves
@both_libraries
@pytest.mark.parametrize("records", [1, 2])
def test_a_response_that_is_sent_twice_over_tls_counts_once(
    library: str, waits: str, records: int
) -> None:
    """Neither in one record of TLS nor in two; the connection ends before the next request."""
    first, ok, own = with_length(b"first"), with_length(b"ok"), with_length(b"own")
    twice = [ok, ok] if records == 2 else [ok + ok]
    replies = [[[first], twice], [twice], [[own]]]

    def talk(server: RoughServer, connection: Any) -> None:
        in_one_segment(connection, replies[server.connections - 1])
        connection.recv(1)

    async def work(transport: Any) -> list[bytes]:
        request = a_request(server.url.replace("http", "https"), method="POST", body=b"{}")
        return [(await transport.send(request, bounds())).body for _ in range(4)]

    with RoughServer(talk) as server:
        bodies = over(library, waits, work, tls=OURS, connections=1)

    assert bodies == [b"first", b"ok", b"ok", b"own"]


@both_halves
@both_libraries
def test_a_body_that_quotes_http_is_whole(library: str, waits: str, serve: Any, say: Any) -> None:
    """It costs a connection at most."""
    body = b"HTTP/1.1 200 OK\r\n\r\nsaid HTTP/1.1"
    server = serve(*[say(with_length(body))] * 2)

    async def work(transport: Any) -> list[bytes]:
        return [(await transport.send(a_request(server.url), bounds())).body for _ in range(2)]

    assert over(library, waits, work) == [body, body]


@both_libraries
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_handshake_that_is_cancelled_leaves_no_socket(library: str, loop: str) -> None:
    """The library forgets the stream of a TLS handshake that was cancelled."""
    with socket.create_server(("127.0.0.1", 0)) as silent, warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"

        async def work(transport: Any) -> None:
            with anyio.move_on_after(0.1):
                await transport.send(a_request(url), bounds())
            accepted, _ = silent.accept()
            with accepted:
                accepted.settimeout(10)
                while accepted.recv(65536):
                    pass

        over(library, loop, work, tls=OURS, connections=1)
        gc.collect()


@both_libraries
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_deadline_that_ends_a_handshake_proves_that_nothing_was_sent(
    library: str, loop: str
) -> None:
    """The connect timeout starts anew for TLS, so the deadline may come first."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"

        async def work(transport: Any) -> errors.TransportError:
            limits = bounds(timeouts=Timeouts.each(0.2))
            with pytest.raises(errors.TransportError) as caught:
                await transport.send(a_request(url, method="POST", body=b"{}"), limits)
            return caught.value

        failed = over(library, loop, work, tls=OURS)

    assert type(failed) is errors.NotConnectedError
    assert classify(failed) is Outcome.NOT_SENT


def test_one_client_is_made_for_each_connection_and_used_again(
    serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed one is closed whole, and the next call gets another."""
    server = serve(
        say(with_length(b"1")), say(with_length(b"2")), say(b"", then="close"),
        say(with_length(b"3")),
    )  # fmt: skip
    made: list[httpx.Client] = []

    class Counted(httpx.Client):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(httpx, "Client", Counted)

    async def work(transport: Any) -> list[Any]:
        seen: list[Any] = []
        for _ in range(4):
            try:
                seen.append((await transport.send(a_request(server.url), bounds())).body)
            except errors.ConnectionLostError:
                seen.append("lost")
        return seen

    seen = over("httpx", "blocking", work)

    assert seen == [b"1", b"2", "lost", b"3"]
    assert [each.is_closed for each in made] == [True, True]


@both_halves
@both_libraries
def test_a_response_that_comes_before_the_request_is_whole_says_so(
    library: str, waits: str
) -> None:
    """The library reads a response after a failed write, so the request may be incomplete."""
    listening = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        accepted, _ = listening.accept()
        with accepted:
            accepted.recv(1024)
            accepted.sendall(with_length(b"no", status=b"413 Too Large"))

    async def work(transport: Any) -> Any:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        asked = a_request(url, method="POST", body=bytes(32 * 2**20))
        try:
            return (await transport.send(asked, bounds())).request_complete
        except errors.TransportError as error:
            return error.evidence.request_complete

    refusing = threading.Thread(target=refuse)
    refusing.start()
    complete = over(library, waits, work)
    refusing.join()
    listening.close()

    assert complete is None


@both_halves
def test_headers_that_contradict_the_body_are_told_truly(waits: str, serve: Any, say: Any) -> None:
    """The library notices a wrong length only while it sends."""
    server = serve(say(with_length(b"ok")))
    request = a_request(
        server.url, method="POST", body=b"12345", headers=Headers([("Content-Length", "3")])
    )

    async def work(transport: Any) -> errors.TransportError:
        with pytest.raises(errors.TransportError) as caught:
            await transport.send(request, bounds())
        return caught.value

    failed = over("httpx", waits, work)

    assert "cannot be written as HTTP" in str(failed) or "broke" in str(failed)
    assert failed.evidence.request_complete is None
