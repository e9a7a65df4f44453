"""A tool that takes the place of httpx or httpx2 is asked, and nothing goes past it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

import httpx
import httpx2
import pook
import pytest
import respx
import vcr
from pytest_httpx import HTTPXMock

from _support.wires.link import with_length
from billingual import AsyncClient, Client, InternalError, NotConnectedError, NotFoundError

ID: Final = "550e8400-e29b-41d4-a716-446655440000"
BASE: Final = "https://provider.invalid"
URL: Final = f"{BASE}/api/invoices/{ID}"
BODY: Final = {
    "status": "success", "status_code": 200, "message": "ok",
    "data": {"uid": ID, "invoice_number": "mocked"},
}  # fmt: skip
LIBRARIES: Final[dict[str, Any]] = {"httpx": httpx, "httpx2": httpx2}

both_halves = pytest.mark.parametrize("waits", ["async", "blocking"])
both_libraries = pytest.mark.parametrize("library", LIBRARIES)


def number_of(waits: str, library: str = "httpx", base: str = BASE) -> str | None:
    """Read one invoice, in one of the two halves."""
    options: dict[str, Any] = {
        "base_url": base, "token": "t", "retry": "none", "transport": library,
    }  # fmt: skip

    async def awaited() -> str | None:
        async with AsyncClient("exante", **options) as client:
            return (await client.get(ID)).number

    if waits == "async":
        return asyncio.run(awaited())
    with Client("exante", **options) as client:
        return client.get(ID).number


@both_halves
def test_pytest_httpx_is_asked(httpx_mock: HTTPXMock, waits: str) -> None:
    """It sees the request as it would go out."""
    httpx_mock.add_response(url=URL, match_headers={"Authorization": "Bearer t"}, json=BODY)

    assert number_of(waits) == "mocked"


@both_halves
def test_pytest_httpx_fails_as_it_was_told(httpx_mock: HTTPXMock, waits: str) -> None:
    """Its exceptions become ours."""
    httpx_mock.add_exception(httpx.ConnectError("no"))

    with pytest.raises(NotConnectedError):
        number_of(waits)


@both_halves
def test_an_error_of_the_system_from_within_is_translated(
    httpx_mock: HTTPXMock, waits: str
) -> None:
    """Neither the library nor anyio translates everything."""
    httpx_mock.add_exception(OSError("canary-0dd5ee"))

    with pytest.raises(NotConnectedError) as caught:
        number_of(waits)

    assert "canary" not in str(caught.value)


RESPX: Final = [("httpx", "httpx"), ("httpx", "httpcore")]


@both_halves
@pytest.mark.parametrize(("library", "using"), RESPX)
def test_respx_is_asked(library: str, using: str, waits: str) -> None:
    """In both its modes: above the library's pool and below it."""
    with respx.mock(using=using) as router:
        route = router.get(URL).mock(return_value=httpx.Response(200, json=BODY))

        assert number_of(waits, library) == "mocked"

    assert route.called


@both_halves
def test_an_assertion_of_respx_is_no_failure_of_the_network(waits: str) -> None:
    """A request that no route expects is a mistake in the test; the error says whose it is."""
    with respx.mock, pytest.raises(InternalError, match="AllMockedAssertion"):
        number_of(waits)


@both_halves
@both_libraries
def test_a_cassette_of_vcrpy_records_and_plays(
    library: str, waits: str, tmp_path: Any, serve: Any, say: Any
) -> None:
    """The first call reaches the server, the second one the cassette."""
    server = serve(say(with_length(json.dumps(BODY).encode())))
    tape = str(tmp_path / "tape.yaml")
    seen = []
    for mode in ("once", "none"):
        with vcr.use_cassette(tape, record_mode=mode):
            seen.append(number_of(waits, library, server.url))

    assert seen == ["mocked", "mocked"]
    assert len(server.requests) == 1


@both_halves
def test_pook_is_asked(waits: str) -> None:
    """Its interceptor is in the transport of httpx."""
    with pook.use():
        pook.get(URL, reply=200, response_json=BODY)

        assert number_of(waits) == "mocked"


@both_halves
@both_libraries
@pytest.mark.parametrize("method", ["send", "request"])
def test_a_patched_client_is_asked(library: str, waits: str, method: str) -> None:
    """It may return a response that is whole, as tests write them."""
    module = LIBRARIES[library]
    kind = module.AsyncClient if waits == "async" else module.Client
    ready = module.Response(200, json=BODY)

    with mock.patch.object(kind, method, return_value=ready) as patched:
        assert number_of(waits, library) == "mocked"

    assert patched.call_count == 1


@both_halves
@both_libraries
def test_a_patched_transport_is_asked(
    library: str, waits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handlers of ``MockTransport`` return such responses, and httpx takes them."""
    module = LIBRARIES[library]

    def response(_self: Any, request: Any) -> Any:
        assert str(request.url) == URL
        return module.Response(200, json=BODY)

    async def response_async(self: Any, request: Any) -> Any:
        return response(self, request)

    monkeypatch.setattr(module.HTTPTransport, "handle_request", response)
    monkeypatch.setattr(module.AsyncHTTPTransport, "handle_async_request", response_async)

    assert number_of(waits, library) == "mocked"


@both_halves
@both_libraries
def test_a_mock_finds_the_body_of_a_request(library: str, waits: str) -> None:
    """In ``request.content``, without reading it."""
    from _support.wires.link import a_request, bounds  # noqa: PLC0415 - of this test alone
    from billingual.abc import TransportOptions  # noqa: PLC0415 - likewise
    from billingual.backends.anyio import AnyioBackend  # noqa: PLC0415 - likewise
    from billingual.backends.stepping import step  # noqa: PLC0415 - likewise
    from billingual.backends.sync import SyncBackend  # noqa: PLC0415 - likewise
    from billingual.plugins import TRANSPORTS  # noqa: PLC0415 - likewise

    module = LIBRARIES[library]
    backend = AnyioBackend() if waits == "async" else SyncBackend()
    kind = module.AsyncClient if waits == "async" else module.Client
    make: Any = TRANSPORTS.load(library)
    sending = make(TransportOptions(backend=backend)).send(
        a_request(BASE, method="POST", body=b'{"a": 1}'), bounds()
    )

    with mock.patch.object(kind, "send", return_value=module.Response(201)) as patched:
        response = asyncio.run(sending) if waits == "async" else step(sending)

    request = patched.call_args.args[0]
    read = asyncio.run(request.aread()) if waits == "async" else request.read()
    assert request.content == read == b'{"a": 1}'
    assert request.stream is request.stream.__iter__()
    assert (response.status, response.request_complete) == (201, True)


class Shown:
    """Takes the place of a function and shows its attributes, as wrapt's proxies do."""

    def __init__(self, function: Any, response: Any) -> None:
        self._function = function
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._response


@both_libraries
def test_a_wrapper_that_shows_the_code_it_wraps_is_asked(library: str) -> None:
    """It is no function of the library, though its code looks like one."""
    module = LIBRARIES[library]
    shown = Shown(module.Client.request, module.Response(200, json=BODY))

    with mock.patch.object(module.Client, "request", shown):
        assert number_of("blocking", library) == "mocked"


@both_halves
@both_libraries
@pytest.mark.parametrize(
    ("method", "body", "more"),
    [
        ("GET", None, ()), ("DELETE", None, ()), ("DELETE", b"[1]", ()), ("POST", b"", ()),
        ("POST", None, ()), ("put", None, ()), ("PATCH", b"{}", ()),
        ("POST", b"{}", (("content-length", "2"),)), ("GET", None, (("host", "a.example"),)),
    ],
)  # fmt: skip
def test_a_request_has_the_fields_that_the_library_would_write(
    serve: Any, say: Any, library: str, waits: str,
    method: str, body: bytes | None, more: tuple[tuple[str, str], ...],
) -> None:  # fmt: skip
    """The host, and the length of a body or of none."""
    from _support.wires.link import a_request, bounds  # noqa: PLC0415 - of this test alone
    from billingual.abc import TransportOptions  # noqa: PLC0415 - likewise
    from billingual.backends.anyio import AnyioBackend  # noqa: PLC0415 - likewise
    from billingual.backends.stepping import step  # noqa: PLC0415 - likewise
    from billingual.backends.sync import SyncBackend  # noqa: PLC0415 - likewise
    from billingual.plugins import TRANSPORTS  # noqa: PLC0415 - likewise

    module = LIBRARIES[library]
    server = serve(*[say(with_length(b"ok"), then="close")] * 2)
    backend = AnyioBackend() if waits == "async" else SyncBackend()
    make: Any = TRANSPORTS.load(library)
    transport = make(TransportOptions(backend=backend))
    request = a_request(server.url, method=method, body=body, headers=(("X-A", "1"), *more))

    async def sent() -> None:
        await transport.send(request, bounds())
        await transport.aclose()

    asyncio.run(sent()) if waits == "async" else step(sent())
    theirs = module.Request(method, request.url, headers=[*request.headers], content=body)
    with module.Client() as client:
        client.send(theirs)

    ours, raw = (sorted(each.lower().split(b"\r\n")) for each in server.requests)
    assert raw == ours


@both_halves
def test_a_client_class_that_was_replaced_is_used(
    waits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection looks the class up when it is made."""

    class Blocking(httpx.Client):
        def send(self, *_: Any, **__: Any) -> httpx.Response:
            return httpx.Response(200, json=BODY)

    class Async(httpx.AsyncClient):
        async def send(self, *_: Any, **__: Any) -> httpx.Response:
            return httpx.Response(200, json=BODY)

    monkeypatch.setattr(httpx, "Client", Blocking)
    monkeypatch.setattr(httpx, "AsyncClient", Async)

    assert number_of(waits) == "mocked"


SPIES: Final[list[tuple[str, str, str]]] = [
    ("httpx", "Client", "send"), ("httpx", "AsyncClient", "send"),
    ("httpx", "Client", "request"), ("httpx", "AsyncClient", "request"),
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("httpcore", "ConnectionPool", "handle_request"),
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
    ("httpcore", "HTTP11Connection", "handle_request"),
    ("httpcore", "AsyncHTTP11Connection", "handle_async_request"),
]  # fmt: skip


@pytest.mark.parametrize("suffix", ["", "2"], ids=["httpx", "httpx2"])
@pytest.mark.parametrize(("module", "kind", "method"), SPIES)
def test_an_instrumentation_hears_each_request(
    serve: Any, say: Any, monkeypatch: pytest.MonkeyPatch,
    module: str, kind: str, method: str, suffix: str,
) -> None:  # fmt: skip
    """Also one that comes when a connection is open already; and it may leave again."""
    response = say(with_length(json.dumps(BODY).encode()))
    server = serve(*[response] * 4)
    options: dict[str, Any] = {
        "base_url": server.url, "token": "t", "transport": f"httpx{suffix}",
    }  # fmt: skip
    owner = getattr(sys.modules.get(f"{module}{suffix}") or __import__(f"{module}{suffix}"), kind)
    real: Callable[..., Any] = getattr(owner, method)
    heard: list[str] = []

    def listening(self: Any, *args: Any, **kwargs: Any) -> Any:
        heard.append(type(self).__name__)
        return real(self, *args, **kwargs)

    async def awaited() -> None:
        async with AsyncClient("exante", **options) as client:
            await client.get(ID)
            with monkeypatch.context() as patch:
                patch.setattr(owner, method, listening)
                await client.get(ID)
                await client.get(ID)
            await client.get(ID)

    if kind.startswith("Async"):
        asyncio.run(awaited())
    else:
        with Client("exante", **options) as client:
            client.get(ID)
            with monkeypatch.context() as patch:
                patch.setattr(owner, method, listening)
                client.get(ID)
                client.get(ID)
            client.get(ID)

    assert heard == [kind, kind]
    assert len(server.requests) == 4


TRACED: Final = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
HTTPXClientInstrumentor().instrument()

from billingual import AsyncClient, Client
options = {"base_url": sys.argv[1], "token": "t", "retry": "none"}
async def awaited():
    async with AsyncClient("exante", **options) as client:
        await client.get(sys.argv[2])
if sys.argv[3] == "async":
    asyncio.run(awaited())
else:
    with Client("exante", **options) as client:
        client.get(sys.argv[2])
print(*[each.name for each in spans.get_finished_spans()])
"""


@both_halves
def test_opentelemetry_makes_a_span_and_its_header_goes_out(
    serve: Any, say: Any, waits: str
) -> None:
    """In a program of its own, because it patches the library for good."""
    server = serve(say(with_length(json.dumps(BODY).encode())))
    done = subprocess.run(
        [sys.executable, "-c", TRACED, server.url, ID, waits],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert ("GET\n", "", 0) == (done.stdout, done.stderr, done.returncode)
    assert b"traceparent: 00-" in server.requests[0].lower()


MOCKED_FIRST: Final = """
import asyncio, socket, sys
import httpx

def no_network(*_, **__):
    raise SystemExit("it reached for the network")

def answer(self, request):
    return httpx.Response(404, json={})

async def answer_later(self, request):
    return answer(self, request)

httpx.HTTPTransport.handle_request = answer
httpx.AsyncHTTPTransport.handle_async_request = answer_later
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
    """It makes no difference which was imported first."""
    program = MOCKED_FIRST.replace("{call}", call)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )

    assert ("asked\n", "") == (done.stdout, done.stderr)


@both_halves
@both_libraries
@pytest.mark.parametrize("method", ["send", "request"])
def test_a_status_that_a_patched_client_raises_is_kept(
    library: str, waits: str, method: str
) -> None:
    """A wrapper that calls ``raise_for_status`` hides the response in its exception."""
    module = LIBRARIES[library]
    kind = module.AsyncClient if waits == "async" else module.Client
    request = module.Request("GET", URL)
    refused = module.HTTPStatusError(
        "no", request=request, response=module.Response(404, json={}, request=request)
    )

    with mock.patch.object(kind, method, side_effect=refused), pytest.raises(NotFoundError):
        number_of(waits, library)
