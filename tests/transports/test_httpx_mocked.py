"""Who puts something in the place of httpx's own sending, in a test say, is still asked."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpcore
import httpx
import pytest
from pytest_httpx import HTTPXMock

from _support.wires.link import a_request, bounds, with_length
from billingual import AsyncClient, Client, NotConnectedError
from billingual.abc import TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SyncBackend, step
from billingual.transports.httpx import HttpxTransport

ID = "550e8400-e29b-41d4-a716-446655440000"
BASE = "https://provider.invalid"
ANSWER = {
    "status": "success", "status_code": 200, "message": "ok",
    "data": {"uid": ID, "invoice_number": "mocked"},
}  # fmt: skip

PLACES: dict[str, tuple[type[Any], str]] = {
    "the transport": (httpx.AsyncHTTPTransport, "handle_async_request"),
    "the pool": (httpcore.AsyncConnectionPool, "handle_async_request"),
    "a connection": (httpcore.AsyncHTTPConnection, "handle_async_request"),
    "its protocol": (httpcore.AsyncHTTP11Connection, "handle_async_request"),
}
BLOCKING_PLACES: dict[str, tuple[type[Any], str]] = {
    "the transport": (httpx.HTTPTransport, "handle_request"),
    "the pool": (httpcore.ConnectionPool, "handle_request"),
    "a connection": (httpcore.HTTPConnection, "handle_request"),
    "its protocol": (httpcore.HTTP11Connection, "handle_request"),
}


@pytest.mark.anyio
async def test_httpx_mock_answers_an_async_client(httpx_mock: HTTPXMock) -> None:
    """No request reaches the network, and the mock sees it as it would go out."""
    httpx_mock.add_response(
        url=f"{BASE}/api/invoices/{ID}", match_headers={"Authorization": "Bearer t"}, json=ANSWER
    )

    async with AsyncClient("exante", base_url=BASE, token="t") as client:
        invoice = await client.get(ID)

    assert invoice.number == "mocked"


def test_httpx_mock_answers_a_client(httpx_mock: HTTPXMock) -> None:
    """Likewise where it blocks."""
    httpx_mock.add_response(url=f"{BASE}/api/invoices/{ID}", json=ANSWER)

    with Client("exante", base_url=BASE, token="t") as client:
        invoice = client.get(ID)

    assert invoice.number == "mocked"


def test_httpx_mock_fails_as_it_was_told(httpx_mock: HTTPXMock) -> None:
    """Its exceptions become ours."""
    httpx_mock.add_exception(httpx.ConnectError("no"))

    with (
        Client("exante", base_url=BASE, token="t", retry="none") as client,
        pytest.raises(NotConnectedError),
    ):
        client.get(ID)


def test_an_error_of_the_system_from_within_is_translated(httpx_mock: HTTPXMock) -> None:
    """Neither the library nor anyio translates everything."""
    httpx_mock.add_exception(OSError("canary-0dd5ee"))

    with (
        Client("exante", base_url=BASE, token="t", retry="none") as client,
        pytest.raises(NotConnectedError) as caught,
    ):
        client.get(ID)

    assert "canary" not in str(caught.value)


@pytest.fixture
async def awaited() -> AsyncIterator[HttpxTransport]:
    """Make a transport that suspends."""
    made = HttpxTransport(TransportOptions(backend=AnyioBackend()))
    yield made
    await made.aclose()


def listening(real: Callable[..., Any], heard: list[str], *, named: bool) -> Callable[..., Any]:
    """Wrap what sends, as an instrumentation does; it may take over the other's names."""

    def wrapper(self: Any, request: Any) -> Any:
        heard.append(type(self).__name__)
        return real(self, request)

    return functools.wraps(real)(wrapper) if named else wrapper


@pytest.mark.anyio
@pytest.mark.parametrize("named", [False, True], ids=["plain", "wraps"])
@pytest.mark.parametrize("place", PLACES)
async def test_an_instrumentation_hears_each_request(
    awaited: HttpxTransport, serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch, place: str,
    *, named: bool,
) -> None:  # fmt: skip
    """Also one that comes when a connection stands already; and it may leave again."""
    server = serve(*[say(with_length(b"ok"))] * 4)
    heard: list[str] = []
    owner, name = PLACES[place]
    await awaited.send(a_request(server.url), bounds())

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, listening(getattr(owner, name), heard, named=named))
        for _ in range(2):
            await awaited.send(a_request(server.url), bounds())
    last = await awaited.send(a_request(server.url), bounds())

    assert [owner.__name__] * 2 == heard
    assert last.body == b"ok"


@pytest.mark.parametrize("named", [False, True], ids=["plain", "wraps"])
@pytest.mark.parametrize("place", BLOCKING_PLACES)
def test_an_instrumentation_hears_each_blocking_request(
    serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch, place: str, *, named: bool
) -> None:
    """Likewise where it blocks."""
    server = serve(*[say(with_length(b"ok"))] * 4)
    transport = HttpxTransport(TransportOptions(backend=SyncBackend()))
    heard: list[str] = []
    owner, name = BLOCKING_PLACES[place]
    step(transport.send(a_request(server.url), bounds()))

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, listening(getattr(owner, name), heard, named=named))
        for _ in range(2):
            step(transport.send(a_request(server.url), bounds()))
    last = step(transport.send(a_request(server.url), bounds()))
    step(transport.aclose())

    assert [owner.__name__] * 2 == heard
    assert last.body == b"ok"


def test_a_class_in_the_librarys_place_is_asked(
    monkeypatch: pytest.MonkeyPatch, serve: Any, say: Any
) -> None:
    """Where the client's class was exchanged, that one is made."""

    class Other(httpx.Client):
        def send(self, *_: Any, **__: Any) -> httpx.Response:
            return httpx.Response(204)

    server = serve(say(with_length(b"ok")))
    monkeypatch.setattr(httpx, "Client", Other)
    transport = HttpxTransport(TransportOptions(backend=SyncBackend()))

    answer = step(transport.send(a_request(server.url), bounds()))
    step(transport.aclose())

    assert answer.status == 204
    assert server.requests == []


MOCKED_FIRST: Final = """
import asyncio, socket, sys
import httpx

def no_network(*_, **__):
    raise SystemExit("it reached for the network")

def answer(self, request):
    return httpx.Response(404, stream=httpx.ByteStream(b"{}"))

async def answer_later(self, request):
    return answer(self, request)

httpx.HTTPTransport.handle_request = answer
httpx.AsyncHTTPTransport.handle_async_request = answer_later
assert "httpcore" not in sys.modules
socket.socket.connect = socket.socket.connect_ex = no_network

from billingual import AsyncClient, Client, NotFoundError
UID = "00000000-0000-4000-8000-000000000001"

async def awaited():
    async with AsyncClient("exante", base_url="http://127.0.0.1:9", token="t") as client:
        await client.get(UID)

def blocking():
    with Client("exante", base_url="http://127.0.0.1:9", token="t") as client:
        client.get(UID)

try:
    {call}
except NotFoundError:
    print("asked")
"""


@pytest.mark.parametrize("call", ["blocking()", "asyncio.run(awaited())"])
def test_a_mock_that_was_there_before_us_is_asked(call: str) -> None:
    """Also where nothing of ours, and nothing below httpx, was imported when it was put there."""
    program = MOCKED_FIRST.replace("{call}", call)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("asked\n", "") == (done.stdout, done.stderr)
