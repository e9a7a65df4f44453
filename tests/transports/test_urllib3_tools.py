"""A tool that takes the place of urllib3 is asked, and nothing goes past it."""

from __future__ import annotations

import json
from typing import Any, Final
from unittest import mock

import pook
import pytest
import urllib3
import vcr
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from _support.wires.link import with_length
from billingual import Client, NotConnectedError

ID: Final = "550e8400-e29b-41d4-a716-446655440000"
BASE: Final = "https://provider.invalid"
URL: Final = f"{BASE}/api/invoices/{ID}"
BODY: Final = {
    "status": "success", "status_code": 200, "message": "ok",
    "data": {"uid": ID, "invoice_number": "mocked"},
}  # fmt: skip


def number_of(base: str = BASE) -> str | None:
    """Read one invoice."""
    with Client("exante", base_url=base, token="t", retry="none", transport="urllib3") as client:
        return client.get(ID).number


def test_a_cassette_of_vcrpy_records_and_plays(tmp_path: Any, serve: Any, say: Any) -> None:
    """It replaces the classes of connections; the second call does not reach the server."""
    server = serve(say(with_length(json.dumps(BODY).encode())))
    tape = str(tmp_path / "tape.yaml")
    seen = []
    for mode in ("once", "none"):
        with vcr.use_cassette(tape, record_mode=mode):
            seen.append(number_of(server.url))

    assert ["mocked", "mocked"] == seen
    assert 1 == len(server.requests)


def test_pook_is_asked() -> None:
    """It replaces ``HTTPConnectionPool.urlopen``."""
    with pook.use():
        pook.get(URL, reply=200, response_json=BODY)

        assert number_of() == "mocked"


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (urllib3.PoolManager, "request"),
        (urllib3.PoolManager, "urlopen"),
        (urllib3.HTTPConnectionPool, "urlopen"),
    ],
    ids=["PoolManager.request", "PoolManager.urlopen", "HTTPConnectionPool.urlopen"],
)
@pytest.mark.parametrize("ready", [True, False], ids=["urllib3's", "by hand"])
def test_a_patched_method_is_asked(owner: Any, method: str, *, ready: bool) -> None:
    """It may return a response of urllib3, or one with no more than status, headers and data."""
    data = json.dumps(BODY).encode()
    response: Any = (
        urllib3.HTTPResponse(body=data, status=200, headers={"X-A": "1"})
        if ready
        else mock.Mock(status=200, headers={}, data=data)
    )
    with mock.patch.object(owner, method, return_value=response) as patched:
        assert number_of() == "mocked"

    patched.assert_called_once()


class Shown:
    """Takes the place of a function and shows its attributes, as wrapt's proxies do."""

    def __init__(self, function: Any, response: Any) -> None:
        self._function = function
        self._response = response
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.calls += 1
        return self._response


@pytest.mark.parametrize(
    "method", ["request", "urlopen", "connection_from_host", "connection_from_url"]
)
def test_what_replaces_a_method_of_the_manager_between_two_calls_is_asked(
    serve: Any, say: Any, method: str
) -> None:
    """Also where it shows the code of the function that it wraps; afterwards urllib3 is."""
    data = json.dumps(BODY).encode()
    server = serve(*[say(with_length(data))] * 3)
    response: Any = urllib3.HTTPResponse(body=data, status=200)
    if method.startswith("connection"):
        response = mock.Mock(**{"urlopen.return_value": response})
    shown = Shown(getattr(urllib3.PoolManager, method), response)
    # ``PoolManager.urlopen`` asks for the pool by host, and only programs ask for it by URL.
    asked = method != "connection_from_url"
    with Client(
        "exante", base_url=server.url, token="t", retry="none", transport="urllib3"
    ) as client:
        numbers = [client.get(ID).number]
        with mock.patch.object(urllib3.PoolManager, method, shown):
            numbers.append(client.get(ID).number)
        numbers.append(client.get(ID).number)

    assert ["mocked"] * 3 == numbers
    assert (int(asked), 3 - asked) == (shown.calls, len(server.requests))


def test_a_patched_method_fails_as_it_was_told() -> None:
    """Its exceptions become ours."""
    error = urllib3.exceptions.ConnectTimeoutError()
    with (
        mock.patch.object(urllib3.PoolManager, "request", side_effect=error),
        pytest.raises(NotConnectedError),
    ):
        number_of()


def test_opentelemetry_sees_each_request(serve: Any, say: Any) -> None:
    """Its instrumentation wraps ``HTTPConnectionPool.urlopen``."""
    server = serve(*[say(with_length(json.dumps(BODY).encode()))] * 2)
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentor: Any = URLLib3Instrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        numbers = [number_of(server.url) for _ in range(2)]
    finally:
        instrumentor.uninstrument()

    assert ["mocked", "mocked"] == numbers
    assert ["GET", "GET"] == [each.name for each in spans.get_finished_spans()]
