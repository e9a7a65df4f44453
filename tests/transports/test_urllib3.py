"""The urllib3 transport: the rules of the wire, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from unittest import mock

import anyio
import anyio.to_thread
import pytest
import trio
import trustme
import urllib3
from urllib3 import exceptions

from _support.invoice_server import InvoiceServer, uid
from _support.wires.link import a_request, bounds, everything_held_by, with_length
from billingual import AsyncClient, Client, errors
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.backends.threads import ThreadedTransport
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, running
from billingual.transports.urllib3 import Urllib3Transport
from billingual.wire import Timeouts

RUNS: Final = {"asyncio": asyncio.run, "trio": lambda work: trio.run(_awaiting, work)}


async def _awaiting(work: Any) -> Any:
    return await work


def a_transport(**options: Any) -> Urllib3Transport:
    """Make a transport."""
    return Urllib3Transport(TransportOptions(backend=SyncBackend(), **options))


def test_a_client_speaks_to_a_server_through_it() -> None:
    """A list and an invoice of it."""
    account = ACCOUNTS["exante"]
    with (
        running() as server,
        Client(
            "exante", base_url=f"{server.url}{account.prefix}", token=account.token,
            transport=Urllib3Transport,
        ) as client,
    ):  # fmt: skip
        row = client.list().first()
        assert row is not None
        invoice = client.get(row.id)

    assert row.number == invoice.number


@pytest.mark.parametrize("loop", RUNS)
def test_a_client_that_awaits_has_it_in_worker_threads(loop: str) -> None:
    """Many calls at once on either event loop; each gets its own response."""

    async def main(url: str) -> list[str | None]:
        numbers: list[str | None] = []
        async with AsyncClient(
            "exante", base_url=url, token="t", transport=Urllib3Transport
        ) as client:

            async def ask(number: int) -> None:
                numbers.append((await client.get(uid(number))).number)

            async with anyio.create_task_group() as tasks:
                for number in range(30):
                    tasks.start_soon(ask, number)
        return numbers

    with InvoiceServer() as server:
        numbers = RUNS[loop](main(server.url))

        server.wait_for_open(0)
    assert [uid(number) for number in range(30)] == sorted(str(each) for each in numbers)


@pytest.mark.asyncio
async def test_in_worker_threads_a_full_pool_has_its_own_error_too() -> None:
    """The places are those of threads, whatever backend waits for them."""
    backend = AnyioBackend()
    transport = ThreadedTransport(
        Urllib3Transport(TransportOptions(backend=backend, connections=1)), backend
    )
    with InvoiceServer() as server:
        server.hold()
        request = a_request(server.url, f"/invoices/{uid(1)}")
        first = asyncio.create_task(transport.send(request, bounds()))
        await anyio.to_thread.run_sync(server.wait_for_held)

        with pytest.raises(errors.PoolTimeoutError):
            await transport.send(request, bounds(timeouts=Timeouts(pool=0.02)))

        server.release()
        await first
        await transport.aclose()
        assert len(server.requests) == 1
        await anyio.to_thread.run_sync(server.wait_for_open, 0)


def test_a_hundred_calls_at_once_cross_no_response() -> None:
    """Threads share the connections there may be, and each gets its own response."""
    transport = a_transport(connections=7)

    def ask(url: str, number: int) -> bool:
        response = step(transport.send(a_request(url, f"/invoices/{uid(number)}"), bounds()))
        return uid(number).encode() in response.body

    with InvoiceServer() as server, ThreadPoolExecutor(25) as threads:
        answered = list(threads.map(ask, [server.url] * 100, range(100)))
        step(transport.aclose())

        assert [True] * 100 == answered
        assert server.most <= 7
        server.wait_for_open(0)


def test_one_connection_serves_origins_in_turn(serve: Any, say: Any) -> None:
    """A request goes where its own address leads, and back again."""
    servers = [serve(*[say(with_length(name)) for _ in range(2)]) for name in (b"a", b"b")]
    transport = a_transport()
    bodies = [
        step(transport.send(a_request(server.url, "/x/%2E/../y?z=%20"), bounds())).body
        for server in servers * 2
    ]
    step(transport.aclose())

    assert [b"a", b"b"] * 2 == bodies
    lines = {asked.split(b"\r\n")[0] for server in servers for asked in server.requests}
    assert {b"GET /x/%2E/../y?z=%20 HTTP/1.1"} == lines


def test_a_full_pool_means_that_nothing_was_sent() -> None:
    """Waiting for a connection has its own error."""
    transport = a_transport(connections=1)
    with InvoiceServer() as server:
        server.hold()
        request = a_request(server.url, f"/invoices/{uid(1)}")
        first = threading.Thread(target=lambda: step(transport.send(request, bounds())))
        first.start()
        server.wait_for_held()

        with pytest.raises(errors.PoolTimeoutError, match="1 connections stayed busy") as caught:
            step(transport.send(request, bounds(timeouts=Timeouts(pool=0.02))))

        server.release()
        first.join()
        step(transport.aclose())
        assert len(server.requests) == 1
    assert caught.value.evidence.request_complete is False


def test_closing_while_in_use_lets_the_exchange_end() -> None:
    """Its connection is closed when it comes back."""
    transport = a_transport()
    with InvoiceServer() as server, ThreadPoolExecutor(1) as threads:
        server.hold()
        request = a_request(server.url, f"/invoices/{uid(1)}")
        first = threads.submit(lambda: step(transport.send(request, bounds())))
        server.wait_for_held()

        step(transport.aclose())
        server.release()
        response = first.result()

        server.wait_for_open(0)
    assert response.status == 200


def test_a_status_below_200_is_no_response_and_ends_the_connection(serve: Any, say: Any) -> None:
    """After 101 the server speaks something else there, which is no response to what follows."""
    switched = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    server = serve(say(switched), say(with_length(b"ok")))
    transport = a_transport()

    with pytest.raises(errors.ConnectionLostError, match="unexpected status 101"):
        step(transport.send(a_request(server.url), bounds()))
    second = step(transport.send(a_request(server.url), bounds()))
    step(transport.aclose())

    assert 200 == second.status
    assert server.connections == 2


@pytest.mark.parametrize(
    "more",
    [(), (("Host", "a.example"), ("host", "b.example")), (("X-A", "canary-0dd5ee\n"),)],
    ids=["no server", "two hosts", "newline"],
)
def test_no_frame_of_an_error_shows_a_header(more: tuple[tuple[str, str], ...]) -> None:
    """Neither the first time, nor when the headers are known already."""
    token = (("Authorization", "Bearer canary-0dd5ee"),)
    request = a_request("http://127.0.0.1:9", headers=token + more)
    transport = a_transport()
    for _ in range(2):
        with pytest.raises(errors.TransportError) as caught:
            step(transport.send(request, bounds()))
        assert "canary-0dd5ee" not in everything_held_by(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nok",
        with_length(b"ok!")[:-1],
    ],
    ids=["no-last-chunk", "half-a-chunk", "below-zero", "beyond-memory", "short"],
)
def test_a_body_that_breaks_off_is_a_lost_connection(serve: Any, say: Any, data: bytes) -> None:
    """The limit about chunks is of what follows the last one alone."""
    server = serve(say(data, then="close"))
    transport = a_transport()

    with pytest.raises(errors.ConnectionLostError) as caught:
        step(transport.send(a_request(server.url, method="PUT", body=b"{}"), bounds()))
    step(transport.aclose())

    assert (True, 200) == (caught.value.evidence.response_begun, caught.value.evidence.status)


@pytest.mark.parametrize(
    "line",
    [b"nonsense", b"X A: b", b"X-A : b", b" folded", b"X-A: a\rb", b"Content-Length: -2",
     b"Content-Length: two", b"Content-Length: +2"],
)  # fmt: skip
def test_a_malformed_line_of_a_head_ends_the_call_at_once(
    serve: Any, say: Any, line: bytes
) -> None:
    """Http.client forgets the fields below it; the length lost, reading would last for ever."""
    head = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n"
    if not line.startswith(b"Content-Length"):
        head += b"Content-Length: 2\r\n"
    server = serve(say(head + b"\r\nok", then="hang"))
    transport = a_transport()
    with pytest.raises(errors.ConnectionLostError, match="not HTTP") as caught:
        step(transport.send(a_request(server.url), bounds()))
    step(transport.aclose())

    assert caught.value.evidence == Evidence(connected=True, response_begun=True)


@pytest.mark.parametrize(
    ("written", "password"),
    [("p%C3%A4ss", "päss"), ("%D0%BF%3A%40", "п:@"), ("p%40ss", "p@ss")],
)
def test_the_password_of_a_proxy_goes_out_as_utf_8(
    serve: Any, say: Any, written: str, password: str
) -> None:
    """As RFC 7617 advises, and as on every transport."""
    server = serve(say(with_length(b"ok")))
    proxy = server.url.replace("http://", f"http://user:{written}@")
    transport = a_transport(proxy=proxy)
    step(transport.send(a_request("http://provider.invalid"), bounds()))
    step(transport.aclose())

    expected = base64.b64encode(f"user:{password}".encode())
    assert b"Proxy-Authorization: Basic " + expected in server.requests[0]


def test_a_context_that_checks_less_is_left_as_it_is() -> None:
    """What the caller chose not to check is not checked, as with every other transport."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(theirs)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname = False
    ours.verify_mode = ssl.CERT_NONE
    transport = a_transport(tls=ours)
    with InvoiceServer(theirs) as server:
        request = a_request(server.url, f"/invoices/{uid(1)}")

        with pytest.warns(exceptions.InsecureRequestWarning):
            response = step(transport.send(request, bounds()))
        step(transport.aclose())

    assert response.status == 200
    assert (ours.check_hostname, ours.verify_mode) == (False, ssl.CERT_NONE)


FORKING: Final = """
import os, sys
from billingual import Client
from billingual.transports.urllib3 import Urllib3Transport
def uid(number):
    return f"00000000-0000-4000-8000-{number:012x}"
def crossed(numbers):
    return sum(client.get(uid(n)).number != uid(n) for n in numbers)
with Client("exante", base_url=sys.argv[1], token="t", retry="none",
            transport=Urllib3Transport) as client:
    wrong = crossed([1])
    for child in range(2):
        if (pid := os.fork()) == 0:
            os._exit(crossed(range(100 * child + 1, 100 * child + 60)))
        wrong += os.waitpid(pid, 0)[1]
    print(wrong + crossed([2]))
"""


def test_a_forked_child_crosses_no_response() -> None:
    """It makes connections of its own, and the parent keeps the one it has."""
    with InvoiceServer() as server:
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", FORKING, server.url],
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip

        assert (b"0\n", b"") == (said.stdout, said.stderr)
        assert server.connections == 1 + 2


PERHAPS: Final = Evidence(connected=True)
NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
UNSENT: Final = Evidence(connected=None, request_complete=False, response_begun=False)


@pytest.mark.parametrize(
    ("error", "kind", "evidence"),
    [
        (exceptions.ReadTimeoutError(None, "", ""), errors.TimedOutError, PERHAPS),  # type: ignore[arg-type]
        (exceptions.ProtocolError("canary", TimeoutError()), errors.TimedOutError, PERHAPS),
        (exceptions.ProtocolError("canary", OSError()), errors.ConnectionLostError, PERHAPS),
        (http.client.BadStatusLine("canary"), errors.ConnectionLostError, PERHAPS),
        (exceptions.SSLError("canary"), errors.ConnectionLostError, PERHAPS),
        (exceptions.ConnectTimeoutError(), errors.NotConnectedError, NOTHING),
        (exceptions.ProxyError("canary", OSError()), errors.NotConnectedError, NOTHING),
        (exceptions.LocationParseError("canary"), errors.TransportError, UNSENT),
        (UnicodeError("canary"), errors.TransportError, UNSENT),
    ],
    ids=[
        "read-timeout", "write-timeout", "reset", "not-http", "tls", "connect-timeout", "proxy",
        "address", "unicode",
    ],
)  # fmt: skip
def test_each_exception_of_urllib3_becomes_ours_with_what_it_proves(
    error: Exception, kind: type[Exception], evidence: Evidence
) -> None:
    """The most specific row wins, and no text of urllib3 is kept."""
    transport = a_transport()
    with (
        mock.patch.object(urllib3.PoolManager, "request", side_effect=error),
        pytest.raises(errors.TransportError) as caught,
    ):
        step(transport.send(a_request("http://h.invalid"), bounds()))
    found = caught.value

    assert (kind, evidence) == (type(found), found.evidence)
    assert type(error).__name__ in str(found)
    assert "canary" not in f"{found}{found.__cause__}{found.__context__}"


def test_only_urllib3_is_imported_for_it() -> None:
    """Each library is imported for its own transport alone."""
    program = (
        "import sys, billingual.transports.urllib3\n"
        "print(*({'aiohttp', 'httpcore', 'httpx', 'httpx2', 'requests'} & {*sys.modules}))"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert said.stdout.strip() == b""


def test_it_says_what_it_is() -> None:
    """For lists of transports."""
    made = a_transport()

    assert (made.library, made.http2, made.supports) == ("urllib3", False, {"sync"})
