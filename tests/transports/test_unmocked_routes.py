"""What a mock says of a request that meets no route of it reaches the program, without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
import pytest
import respx
from aioresponses import aioresponses

from billingual import (
    AsyncClient,
    Changes,
    Client,
    ConnectionLostError,
    InternalError,
    MemoryTransport,
    OutcomeUnknown,
    TimedOutError,
)
from billingual.outcomes import Safety
from billingual.transports._failures import told
from billingual.wire import Headers, WireRequest, WireResponse

UID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TOKEN = "tok_1234567890"
URL = "https://api.acme.example"


def _blocking(transport: Any = "httpx") -> None:
    with Client("exante", token=TOKEN, base_url=URL, transport=transport, retry="none") as client:
        client.get(UID)


async def _awaited(transport: Any = "httpx") -> None:
    options: dict[str, Any] = {"token": TOKEN, "base_url": URL, "transport": transport}
    async with AsyncClient("exante", **options, retry="none") as client:
        await client.get(UID)


@pytest.mark.parametrize("ask", [_blocking, lambda: asyncio.run(_awaited())])
def test_respx_says_which_request_meets_no_route(ask: Callable[[], None]) -> None:
    """The text names method and URL, as respx does, and the route."""
    said = rf"failed in the transport for GET /api/invoices/\{{invoice_uid\}}: .*{URL}.*not mocked"
    with respx.mock, pytest.raises(InternalError, match=said):
        ask()


def test_an_assertion_in_a_handler_is_told_and_not_tried_again() -> None:
    """No resend helps: the program under test sends what the test does not expect."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise AssertionError(f"no route, with {request.headers['Authorization']}")

    with (
        httpx.Client(transport=httpx.MockTransport(handler)) as http,
        Client("exante", token=TOKEN, base_url=URL, transport=http) as client,
        pytest.raises(InternalError, match=r"AssertionError: no route, with \*\*\*") as caught,
    ):
        client.get(UID)

    assert len(seen) == 1
    assert TOKEN not in caught.value.explain()


def test_an_unmocked_write_is_unclear_and_says_why() -> None:
    """Nothing tells a mock from a transport with an assertion, which may have sent it."""
    with (
        respx.mock,
        Client("exante", token=TOKEN, base_url=URL) as client,
        pytest.raises(OutcomeUnknown, match="not mocked"),
    ):
        client.update(UID, Changes(number="N-1"))


def test_the_timeout_of_a_mock_says_what_it_says() -> None:
    """pytest-httpx raises the class that the library's own timeouts are subclasses of."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.TimeoutException(f"No response for {request.method} with {request.headers!r}")

    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    with pytest.raises(TimedOutError, match="TimeoutException of httpx: No response for GET"):
        asyncio.run(_awaited(http))


def test_aioresponses_says_which_request_meets_no_route() -> None:
    """Over a session of ours and over the user's."""

    async def over_a_session() -> None:
        async with aiohttp.ClientSession() as session:
            await _awaited(session)

    for ask in (lambda: _awaited("aiohttp"), over_a_session):
        with aioresponses(), pytest.raises(ConnectionLostError, match=f"refused: GET {URL}"):
            asyncio.run(ask())


def test_an_assertion_below_a_session_is_told() -> None:
    """A middleware of the user's may assert too."""

    async def expect_nothing(request: Any, handler: Any) -> Any:
        raise AssertionError(f"no {request.method} was expected")

    async def over_a_session() -> None:
        async with aiohttp.ClientSession(middlewares=[expect_nothing]) as session:
            await _awaited(session)

    with pytest.raises(InternalError, match="no GET was expected"):
        asyncio.run(over_a_session())


def test_a_function_of_responses_that_fails_is_told() -> None:
    """Its error is the test's own, so its text is shown."""

    def respond(request: WireRequest) -> WireResponse:
        raise KeyError(request.route)

    with pytest.raises(InternalError, match=r"for GET .*KeyError: '/api/invoices/\{invoice_uid\}'"):
        _blocking(MemoryTransport(respond))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no route for a=1", "no route for a=1"),
        ("Bearer tok'en\\1234 was sent", "*** was sent"),
        (repr({"Authorization": "Bearer tok'en\\1234"}), "{'Authorization': ***}"),
        ("with b'client_secret=s%2Fcret&x=1'", "with b'***'"),
        ("the secret is s/cret", "the secret is ***"),
        ("GET https://x.example/?search=Ada%20L", "GET https://x.example/?***"),
        ("two\n lines", "two lines"),
        ("x" * 400, "x" * 299 + "…"),
        ("", ""),
    ],
)
def test_credentials_query_and_body_are_struck_out(said: str, shown: str) -> None:
    """However a mock writes them."""
    request = WireRequest(
        method="POST",
        url="https://x.example/?search=Ada%20L",
        route="/",
        safety=Safety.CREATE,
        headers=Headers([("Authorization", "Bearer tok'en\\1234"), ("Accept", "no route")]),
        body=b"client_secret=s%2Fcret&x=1",
    )

    assert told(AssertionError(said), request).replace('"***"', "***") == shown


def test_an_error_that_cannot_be_shown_is_told_by_its_class() -> None:
    """A class of another may raise in its own text."""

    class OddError(AssertionError):
        def __str__(self) -> str:
            raise ValueError

    def respond(request: WireRequest) -> WireResponse:
        raise OddError

    with pytest.raises(InternalError, match=r"for GET .*: OddError"):
        _blocking(MemoryTransport(respond))
