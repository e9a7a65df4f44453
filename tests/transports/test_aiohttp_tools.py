"""A tool that takes the place of aiohttp is asked, and nothing goes past it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

import aiohttp
import pook
import pytest
import vcr
from aioresponses import aioresponses
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from _support.wires.link import with_length
from billingual import AsyncClient, ConnectionLostError, NotConnectedError, OutcomeUnknown

ID: Final = "550e8400-e29b-41d4-a716-446655440000"
BASE: Final = "https://provider.invalid"
URL: Final = f"{BASE}/api/invoices/{ID}"
BODY: Final = {
    "status": "success", "status_code": 200, "message": "ok",
    "data": {"uid": ID, "invoice_number": "mocked"},
}  # fmt: skip


class Response(aiohttp.ClientResponse):
    """What aioresponses 0.7.9 and pook 2.1.6 make: they do not know what aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, stream_writer=mock.Mock(), **kwargs)


ours_and_theirs = pytest.mark.parametrize("whose", ["ours", "theirs"])


async def read(whose: str, base: str) -> str | None:
    """Read one invoice: through the named transport, or through a session of the user's."""
    if whose == "theirs":
        async with aiohttp.ClientSession() as session:
            return await _read(session, base)
    return await _read("aiohttp", base)


async def _read(transport: Any, base: str) -> str | None:
    async with AsyncClient(
        "exante", base_url=base, token="t", retry="none", transport=transport
    ) as client:
        return (await client.get(ID)).number


def number_of(whose: str, base: str = BASE) -> str | None:
    """Read one invoice."""
    return asyncio.run(read(whose, base))


@ours_and_theirs
def test_aioresponses_is_asked(whose: str) -> None:
    """It replaces ``ClientSession._request``, and sees the request as it would go out."""
    with aioresponses() as mocked:
        mocked.get(URL, payload=BODY, response_class=Response)

        assert number_of(whose) == "mocked"

    mocked.assert_called_once()
    ((_, kwargs),) = [(call.args, call.kwargs) for call in next(iter(mocked.requests.values()))]
    assert kwargs["headers"]["Authorization"] == "Bearer t"


@ours_and_theirs
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ServerDisconnectedError(), ConnectionLostError),
        (aiohttp.ConnectionTimeoutError(), NotConnectedError),
    ],
    ids=["lost", "not-connected"],
)
def test_aioresponses_fails_as_it_was_told(
    whose: str, error: Exception, kind: type[Exception]
) -> None:
    """Its exceptions become ours."""
    with aioresponses() as mocked:
        mocked.get(URL, exception=error)
        with pytest.raises(kind):
            number_of(whose)


@ours_and_theirs
def test_a_cassette_of_vcrpy_records_and_plays(
    whose: str, tmp_path: Any, serve: Any, say: Any
) -> None:
    """It replaces ``ClientSession._request``; the second call does not reach the server."""
    server = serve(say(with_length(json.dumps(BODY).encode())))
    tape = str(tmp_path / "tape.yaml")
    seen = []
    for mode in ("once", "none"):
        with vcr.use_cassette(tape, record_mode=mode):
            seen.append(number_of(whose, server.url))

    assert ["mocked", "mocked"] == seen
    assert 1 == len(server.requests)


@ours_and_theirs
def test_pook_is_asked(whose: str) -> None:
    """It replaces ``ClientSession._request``."""
    made = pook.interceptors.aiohttp.HTTPResponse

    def fitting(session: Any, *args: Any) -> Any:
        session = mock.Mock(_response_class=Response, wraps=session)
        return made(session, *args)

    with mock.patch("pook.interceptors.aiohttp.HTTPResponse", fitting), pook.use():
        pook.get(URL, reply=200, response_json=BODY)

        assert number_of(whose) == "mocked"


def a_response() -> Any:
    """Write a response by hand, as tests do: no more than what is read of it."""
    made = mock.MagicMock(status=200, headers={"Content-Type": "application/json"})
    made.read = mock.AsyncMock(return_value=json.dumps(BODY).encode())
    made.__aenter__.return_value = made
    return made


def patched_request() -> Any:
    """Return what replaces ``ClientSession.request``: a context that gives the response."""
    context = mock.MagicMock()
    context.__aenter__.return_value = a_response()
    return mock.Mock(return_value=context)


PATCHES: Final[dict[str, Callable[[], Any]]] = {
    "request": patched_request,
    "_request": lambda: mock.AsyncMock(return_value=a_response()),
}


@ours_and_theirs
@pytest.mark.parametrize("method", PATCHES)
def test_a_patched_session_is_asked(whose: str, method: str) -> None:
    """Whether the public method was replaced, or the private one that most tests replace."""
    with mock.patch.object(aiohttp.ClientSession, method, PATCHES[method]()) as patched:
        assert number_of(whose) == "mocked"

    patched.assert_called_once()


def test_a_mock_that_was_there_before_the_client_is_asked(serve: Any, say: Any) -> None:
    """And one that is gone again is not."""
    server = serve(say(with_length(json.dumps(BODY).encode())))

    async def main() -> list[str | None]:
        with mock.patch.object(aiohttp.ClientSession, "request", patched_request()):
            client = AsyncClient(
                "exante", base_url=server.url, token="t", retry="none", transport="aiohttp"
            )
            first = (await client.get(ID)).number
        async with client:
            return [first, (await client.get(ID)).number]

    assert ["mocked", "mocked"] == asyncio.run(main())
    assert 1 == len(server.requests)


def test_a_mock_that_loses_a_write_leaves_it_unclear() -> None:
    """The mock acts as a server, which may have had the request."""

    async def main() -> None:
        async with AsyncClient(
            "exante", base_url=BASE, token="t", retry="none", transport="aiohttp"
        ) as client:
            await client.delete_many([ID])

    lost = mock.Mock(side_effect=aiohttp.ServerDisconnectedError())
    with (
        mock.patch.object(aiohttp.ClientSession, "request", lost),
        pytest.raises(OutcomeUnknown),
    ):
        asyncio.run(main())


@ours_and_theirs
def test_opentelemetry_sees_each_request(whose: str, serve: Any, say: Any) -> None:
    """Its instrumentation adds a ``TraceConfig`` to each new session."""
    server = serve(*[say(with_length(json.dumps(BODY).encode()))] * 2)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor: Any = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        numbers = [number_of(whose, server.url) for _ in range(2)]
    finally:
        instrumentor.uninstrument()

    assert ["mocked", "mocked"] == numbers
    assert ["GET", "GET"] == [each.name for each in spans.get_finished_spans()]
