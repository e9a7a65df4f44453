"""The sandbox over a real loopback socket: what only the wire can show."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from billingual.sandbox import ACCOUNTS, LANDMARKS, Running, running, serve
from billingual.sandbox.index import curl_commands

AUTH = {"Authorization": f"Bearer {ACCOUNTS['exante'].token}"}
KUKKINGU = {
    "Authorization": f"Bearer {ACCOUNTS['kukkingu'].token}",
    "tenant-id": ACCOUNTS["kukkingu"].tenant or "",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One server for the module; each test resets it."""
    with running(invoices=30) as up:
        yield up


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    """A client on a fresh state."""
    with httpx.Client() as client:
        client.post(f"{server.url}/_sandbox/reset", json={}).raise_for_status()
        yield client


def fault(client: httpx.Client, server: Running, **fields: object) -> None:
    """Queue a fault."""
    client.post(f"{server.url}/_sandbox/faults", json=fields).raise_for_status()


def create(client: httpx.Client, server: Running) -> httpx.Response:
    """Create a Kukkingu draft."""
    body = {
        "contractId": LANDMARKS["kukkingu_contract"],
        "invoiceNumber": "WIRE",
        "exchangeRate": 1,
        "currencyCode": "EUR",
        "amountMinor": 1,
    }
    url = f"{server.base_url('kukkingu')}/api/v1/invoices"
    return client.post(url, json=body, headers=KUKKINGU)


def committed(client: httpx.Client, server: Running) -> bool:
    """Tell whether the create took effect."""
    rows = client.get(f"{server.url}/_sandbox/invoices?provider=kukkingu").json()["invoices"]
    return any(row["number"] == "WIRE" for row in rows)


def test_every_provider_answers_at_its_base_url(client: httpx.Client, server: Running) -> None:
    """One call each, over one kept connection."""
    katsu = {"id": LANDMARKS["katsu_invoice"]}

    assert [
        client.get(f"{server.base_url('exante')}/api/invoices", headers=AUTH).status_code,
        create(client, server).status_code,
        client.put(f"{server.base_url('katsu')}/api/v1/Invoice/Update", json=katsu).status_code,
    ] == [200, 200, 200]


@pytest.mark.parametrize(
    ("kind", "effect"), [("drop_before_commit", False), ("drop_after_commit", True)]
)
def test_a_drop_closes_the_socket_without_a_response(
    client: httpx.Client,
    server: Running,
    kind: str,
    effect: bool,  # noqa: FBT001
) -> None:
    """The client sees a closed connection, no 500; the server goes on."""
    fault(client, server, kind=kind)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        create(client, server)
    assert effect == committed(client, server)


def test_a_drop_is_a_clean_end_of_stream_for_a_plain_socket(
    client: httpx.Client, server: Running
) -> None:
    """Not one byte comes before the end of the stream."""
    fault(client, server, kind="drop_before_commit")
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as plain:
        plain.sendall(b"GET /exante/api/user HTTP/1.1\r\nHost: x\r\n\r\n")

        assert plain.recv(100) == b""


def test_a_truncated_body_ends_before_its_length(client: httpx.Client, server: Running) -> None:
    """The client is promised more than it gets."""
    fault(client, server, kind="truncate", after_bytes=20)

    with pytest.raises(httpx.RemoteProtocolError, match="received 20 bytes"):
        create(client, server)
    assert committed(client, server)


def test_a_rate_limit_travels_with_its_header(client: httpx.Client, server: Running) -> None:
    """429 and `Retry-After` arrive, once."""
    fault(client, server, kind="rate_limit", retry_after=60)
    url = f"{server.base_url('exante')}/api/user"
    limited, free = client.get(url, headers=AUTH), client.get(url, headers=AUTH)

    assert (
        limited.status_code,
        limited.headers["retry-after"],
        free.status_code,
    ) == (429, "60", 200)


@pytest.mark.slow
def test_a_slow_response_outlasts_an_impatient_client(
    client: httpx.Client, server: Running
) -> None:
    """The client gives up; the request is carried out later all the same."""
    fault(client, server, kind="latency", seconds=0.3)
    client.timeout = httpx.Timeout(10, read=0.05)

    with pytest.raises(httpx.ReadTimeout):
        create(client, server)
    client.timeout = httpx.Timeout(10)
    done = threading.Event()
    while not done.wait(0.02) and not committed(client, server):
        pass

    assert committed(client, server)


def test_a_body_over_four_mebibytes_is_refused(client: httpx.Client, server: Running) -> None:
    """The limit itself is fine, one byte more is a 413 in the provider's shape."""
    url = f"{server.base_url('exante')}/api/invoices"
    headers = {**AUTH, "Content-Type": "application/json"}
    limit = 4 * 1024 * 1024
    under = client.post(url, content=b" " * limit, headers=headers)
    over = client.post(url, content=b" " * (limit + 1), headers=headers)

    assert (under.status_code, under.headers["sandbox-rule"]) == (400, "unreadable-json")
    assert (
        over.status_code,
        over.headers["sandbox-rule"],
        over.json()["status_code"],
    ) == (413, "body-size", 413)


@pytest.mark.slow
def test_a_file_outlives_its_server(tmp_path: Path) -> None:
    """What one server wrote, the next one reads."""
    path = str(tmp_path / "kept.db")
    for expected in (200, 409):
        with running(db=path, invoices=5) as up, httpx.Client() as client:
            assert expected == create(client, up).status_code


@pytest.mark.slow
def test_stopping_leaves_no_thread_and_no_listener() -> None:
    """After the block the thread is gone and the port is free, even with a kept connection."""
    before = set(threading.enumerate())
    with httpx.Client() as client:
        with running(invoices=1) as up:
            client.get(up.url)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", up.port), timeout=120)

    # A thread of another test may have ended meanwhile.
    assert before >= set(threading.enumerate())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com"])  # noqa: S104
def test_a_host_others_can_reach_is_refused(host: str) -> None:
    """The credentials are public, so only loopback addresses are served unasked."""
    with pytest.raises(ValueError, match="loopback"), running(host=host):
        raise AssertionError
    with pytest.raises(ValueError, match="loopback"):
        serve(host, 0, announce=print)


@pytest.mark.parametrize(
    ("option", "value", "bound"),
    [
        ("port", -1, "65535"),
        ("port", 65_536, "65535"),
        ("invoices", -3, "100000"),
        ("invoices", 100_001, "100000"),
        ("seed", 2**63, "9223372036854775807"),
        ("seed", -(2**63), "9223372036854775807"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_name(option: str, value: int, bound: str) -> None:
    """The error names the argument and its bound, before a socket or a file is opened."""
    given = {"invoices": 1, "port": 0, option: value}
    with pytest.raises(ValueError, match=f"{option}={value} is out of bounds.* {bound}$"):
        serve("127.0.0.1", announce=print, **given)
    with (
        pytest.raises(ValueError, match=f"{option}={value} is out of bounds.* {bound}$"),
        running(**given),
    ):
        raise AssertionError


@pytest.mark.parametrize("provider", sorted(ACCOUNTS))
def test_a_printed_command_works_when_it_is_pasted(
    client: httpx.Client, server: Running, provider: str
) -> None:
    """A shell takes each command as it is, and the provider answers 200 to its words."""
    command = curl_commands(server.url)[provider]
    request = _pasted(command)
    response = client.send(request)

    assert response.status_code == 200, response.text


def test_the_pasted_replacement_leaves_nothing_out(client: httpx.Client, server: Running) -> None:
    """The provider clears what a document lacks, so the printed one says every field."""
    rows = f"{server.url}/_sandbox/invoices?provider=katsu"
    before = client.get(rows).json()["invoices"][0]["doc"]
    response = client.send(_pasted(curl_commands(server.url)["katsu"]))
    after = next(
        row["doc"]
        for row in client.get(rows).json()["invoices"]
        if row["id"] == LANDMARKS["katsu_invoice"]
    )

    assert (True, 107.5) == (response.json()["succeeded"], response.json()["data"]["amount"])
    assert set(before) == set(after)
    assert None not in after.values()


def _pasted(command: str) -> httpx.Request:
    """Make the request that curl would send: a real shell splits the words, we read the options."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}\n"
    done = subprocess.run(
        ["sh"],  # noqa: S607 - the shell of the reader
        input=script,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    words = iter(done.stdout.removesuffix("\0").split("\0"))
    method, url, headers, body = "GET", "", [], None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers.append((name, value))
        elif word == "-d":
            body = next(words)
        else:
            url = word
    return httpx.Request(method, url, headers=headers, content=body)


@pytest.mark.slow
def test_the_blocking_server_announces_itself_and_ends_on_interrupt() -> None:
    """It prints a URL and three curl commands, and Ctrl-C ends it without a traceback."""
    program = (
        "from billingual.sandbox import serve\n"
        "serve('127.0.0.1', 0, invoices=1, announce=lambda line: print(line, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        response = httpx.get(f"{url}/_sandbox/clock")
        process.send_signal(2)
        commands = [line for line in process.stdout if line.startswith("curl ")]
        errors = process.stderr.read()
        status = process.wait(timeout=120)

    assert response.status_code == 200
    assert len(ACCOUNTS) == len(commands)
    assert all(f"'{url}/" in command for command in commands)
    assert (errors, status) == ("", 0)


@pytest.mark.slow
def test_an_interrupt_ends_the_blocking_server_quietly() -> None:
    """In a program's main thread too: the call returns, and the port is free again."""
    lines: list[str] = []

    def announce(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            signal.raise_signal(signal.SIGINT)

    serve("localhost", 0, invoices=1, announce=announce)

    assert lines[0].startswith("http://localhost:")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(lines[0].rpartition(":")[2])), timeout=120)


def test_a_port_that_is_taken_is_an_error(server: Running) -> None:
    """The error is the operating system's."""
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", server.port, invoices=1, announce=print)


def _received(server: Running, fields: bytes = b"") -> bytes:
    """Send a list request over a plain socket and give all that comes until the server closes."""
    request = (
        b"GET /kukkingu/api/v1/invoices HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Authorization: " + KUKKINGU["Authorization"].encode() + b"\r\n"
        b"tenant-id: " + KUKKINGU["tenant-id"].encode() + b"\r\n" + fields + b"\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        connection.sendall(request)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_duplicate_comes_twice_byte_for_byte(client: httpx.Client, server: Running) -> None:
    """Also where the connection ends with it; the next response comes once again."""
    fault(client, server, kind="duplicate")
    twice = _received(server, b"Connection: close\r\n")
    once = _received(server, b"Connection: close\r\n")

    assert once * 2 == twice
    assert once.count(b"HTTP/1.1 200") == 1


def test_a_duplicate_on_a_kept_connection_is_of_one_response(
    client: httpx.Client, server: Running
) -> None:
    """The connection is kept, and the fault is used up by the one request."""
    fault(client, server, kind="duplicate", provider="kukkingu")
    request = b"GET /kukkingu/api/v1/invoices HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        connection.sendall(request + b"\r\n")
        received = b""
        # Its duplicate begins where the first response ends, so both are here when it does.
        while received.count(b"HTTP/1.1 401") < 2:
            piece = connection.recv(65536)

            assert piece, received
            received += piece
        connection.sendall(request + b"Connection: close\r\n\r\n")
        while piece := connection.recv(65536):
            received += piece

    assert received.count(b"HTTP/1.1 401") == 3


def test_an_idle_connection_is_closed_after_its_keep_alive(
    client: httpx.Client, server: Running
) -> None:
    """The server ends the connection by itself, long before its usual five seconds."""
    fault(client, server, kind="keep_alive", seconds=0.05, provider="kukkingu")
    received = _received(server)

    assert b"\r\nkeep-alive: timeout=1\r\n" in received
