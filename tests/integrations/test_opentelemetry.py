"""Spans and metrics of each call, collected in memory by OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar, Final

import attrs
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from billingual import (
    AsyncClient,
    Changes,
    Client,
    Limiter,
    MemoryTransport,
    NotFoundError,
    OutcomeUnknown,
    Retry,
)  # fmt: skip
from billingual.backends.sync import SyncBackend
from billingual.errors import NotConnectedError
from billingual.integrations.opentelemetry import OpenTelemetryObserver
from billingual.outcomes import Evidence
from billingual.testing import MemoryQuotaStore

UID: Final = "00000000-0000-4000-8000-000000000001"
SECRET: Final = "canary-7f3a"
FOUND: Final = MemoryTransport.json(json.dumps({"data": {"uid": UID, "invoice_number": SECRET}}))
UNSENT: Final = Evidence(connected=False, request_complete=False, response_begun=False)
AT_ONCE: Final = Retry(attempts=3, base_s=0.0)


@attrs.frozen
class Told:
    """What OpenTelemetry was told."""

    observer: OpenTelemetryObserver
    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    def named(self) -> list[str]:
        return [each.name for each in self.spans.get_finished_spans()]

    def whole(self) -> str:
        return "".join(each.to_json() for each in self.spans.get_finished_spans())

    def last(self, name: str) -> ReadableSpan:
        return next(each for each in self.spans.get_finished_spans()[::-1] if each.name == name)

    def metric(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics]
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def told() -> Iterator[Told]:
    """Collect what one observer tells."""
    spans, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader])
    yield Told(OpenTelemetryObserver(tracers, meters), spans, reader)
    tracers.shutdown()
    meters.shutdown()


def _client(told: Told, *responses: Any, **options: Any) -> Client:
    transport = MemoryTransport(responses)
    return Client("exante", transport=transport, observers=[told.observer], **options)


def test_a_call_is_a_span_with_a_client_span_for_each_attempt(told: Told) -> None:
    """Names are routes, attributes are those of the semantic conventions; no value is in them."""
    client = _client(told, FOUND)
    client.get(UID)

    attempt, call = told.spans.get_finished_spans()
    assert (call.name, call.kind) == ("billingual get", trace.SpanKind.INTERNAL)
    assert (attempt.name.split()[0], attempt.kind) == ("GET", trace.SpanKind.CLIENT)
    assert attempt.parent is not None
    assert attempt.parent.span_id == call.context.span_id
    assert attempt.attributes is not None
    assert attempt.attributes["http.request.method"] == "GET"
    assert attempt.attributes["http.response.status_code"] == 200
    assert attempt.attributes["server.address"] == "exante.memory.localhost"
    assert attempt.name.split()[1] == attempt.attributes["url.template"]
    assert call.attributes is not None
    assert call.attributes["billingual.outcome"] == "committed"
    assert UID not in told.whole()
    assert SECRET not in told.whole()


def test_a_lost_quota_store_is_an_event_of_the_call(told: Told) -> None:
    """And so is its return; neither says where the store is."""
    store = MemoryQuotaStore()
    store.failure = ConnectionError(SECRET)
    limiter = Limiter(1000, workers=1, store=store)
    backend = StoppedBackend()
    client = _client(told, FOUND, FOUND, limiter=limiter, backend=backend)
    client.get(UID)
    store.failure = None
    backend.ahead_s = 2.0
    client.get(UID)

    lost, found = (each for each in told.spans.get_finished_spans() if each.events)
    assert ["billingual.quota_store_lost"] == [each.name for each in lost.events]
    assert {"error.type": "ConnectionError"} == dict(lost.events[0].attributes or {})
    assert ["billingual.quota_store_found"] == [each.name for each in found.events]
    assert SECRET not in told.whole()


class StoppedBackend(SyncBackend):
    """The backend of a blocking client, on a clock that can be put forward."""

    ahead_s = 0.0

    def now(self) -> float:  # type: ignore[override]
        return SyncBackend.now() + self.ahead_s


def test_another_attempt_is_a_span_of_its_own_and_is_counted(told: Told) -> None:
    """It says how often the request was sent again; the wait and its reason are metrics."""
    limited = MemoryTransport.json("{}", status=429, headers={"Retry-After": "0"})
    _client(told, NotConnectedError("no", evidence=UNSENT), limited, FOUND, retry=AT_ONCE).get(UID)

    attempts = told.spans.get_finished_spans()[:-1]
    resent = [each.attributes.get("http.request.resend_count") for each in attempts]  # type: ignore[union-attr]
    assert resent == [None, 1, 2]
    assert [each.status.is_ok for each in attempts] == [False, False, True]
    assert attempts[0].attributes["error.type"] == "NotConnectedError"  # type: ignore[index]
    retries = told.metric("billingual.retries")
    assert {each.attributes["billingual.rate_limited"]: each.value for each in retries} == {
        False: 1, True: 1,
    }  # fmt: skip
    assert sum(each.count for each in told.metric("billingual.attempt.duration")) == 3
    assert sum(each.count for each in told.metric("billingual.operation.duration")) == 1


def test_a_failure_is_told_by_its_class_alone(told: Told) -> None:
    """A provider's words may hold personal data."""
    refusal = MemoryTransport.json(json.dumps({"error": {"message": SECRET}}), status=404)
    with pytest.raises(NotFoundError):
        _client(told, refusal).get(UID)

    call = told.last("billingual get")
    assert not call.status.is_ok
    assert call.attributes["error.type"] == "NotFoundError"  # type: ignore[index]
    assert SECRET not in told.whole()


def test_an_unclear_write_is_counted(told: Told) -> None:
    """It is what a service wants to be woken up for."""
    with pytest.raises(OutcomeUnknown):
        _client(told, MemoryTransport.json("{}", status=500)).update(UID, Changes(number=SECRET))

    (point,) = told.metric("billingual.unclear_writes")
    assert (point.value, point.attributes["billingual.operation"]) == (1, "update")
    assert SECRET not in told.whole()
    assert SECRET not in str(point)


def test_the_trace_goes_out_with_each_attempt_and_never_over_our_own_fields(told: Told) -> None:
    """The header names the attempt's span, so that the provider's spans are within it."""
    transport = MemoryTransport([FOUND])
    client = Client(
        "exante", transport=transport, observers=[told.observer], headers={"X-Gateway": "g"}
    )
    client.get(UID)

    attempt = told.spans.get_finished_spans()[0]
    (request,) = transport.requests
    sent = request.headers.get("traceparent")
    assert sent is not None
    assert f"{attempt.context.trace_id:032x}-{attempt.context.span_id:016x}" in sent
    assert request.headers.get("x-gateway") == "g"


def test_an_observers_fields_never_replace_the_clients_own() -> None:
    """Neither the signature nor what a dialect wrote; and its errors harm nothing."""

    class Forging:
        def __call__(self, event: object) -> None:
            """Take it."""

        def headers(self) -> dict[str, str]:
            return {"authorization": "Bearer forged", "User-Agent": "me", "X-More": "1"}

    class Broken(Forging):
        def headers(self) -> dict[str, str]:
            raise RuntimeError(SECRET)

    transport = MemoryTransport([FOUND])
    client = Client(
        "exante", token="right", transport=transport, base_url="http://127.0.0.1:9",
        observers=[Forging(), Broken()],
    )  # fmt: skip
    client.get(UID)

    (request,) = transport.requests
    assert request.headers.get("x-more") == "1"
    assert "forged" not in str(list(request.headers))
    assert request.headers.get_all("user-agent")[0].startswith("billingual/")
    assert len(request.headers.get_all("user-agent")) == 1


def test_calls_that_run_at_once_keep_their_spans_apart(told: Told) -> None:
    """Each attempt is within its own call, and each call within what was current outside."""

    async def work() -> None:
        async with AsyncClient(
            "exante", transport=MemoryTransport(lambda _: FOUND), observers=[told.observer]
        ) as client:
            await asyncio.gather(*(client.get(UID) for _ in range(20)))

    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("outside") as outside:
        asyncio.run(work())
        assert trace.get_current_span() is outside

    spans = told.spans.get_finished_spans()
    calls = {each.context.span_id for each in spans if each.name == "billingual get"}
    assert len(calls) == 20
    parents = [each.parent.span_id for each in spans if each.name != "billingual get"]  # type: ignore[union-attr]
    assert sorted(parents) == sorted(calls)
    outer = {each.parent.span_id for each in spans if each.context.span_id in calls}  # type: ignore[union-attr]
    assert outer == {outside.get_span_context().span_id}


def test_a_call_within_a_call_leaves_the_outer_one_current(told: Told) -> None:
    """An act with an unclear end is read back; behind it no span of ours is current."""
    transport = MemoryTransport([MemoryTransport.json("{}", status=500)] * 2)
    client = Client(
        "kukkingu", tenant="tnt_" + "0" * 24, transport=transport, observers=[told.observer],
        retry="none",
    )  # fmt: skip
    with pytest.raises(OutcomeUnknown):
        client.void("inv_" + "0" * 24)

    assert told.named().count("billingual void") == 1
    assert len(transport.requests) == 2
    assert trace.get_current_span() is trace.INVALID_SPAN


BESIDE: Final = """
import json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from billingual import Client
spans, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
HTTPXClientInstrumentor().instrument()
with Client("exante", base_url=sys.argv[1], token="t", observers=["opentelemetry"]) as client:
    client.get(sys.argv[2])
inner, attempt, call = spans.get_finished_spans()
print(inner.parent.span_id == attempt.context.span_id, end=" ")
print(attempt.parent.span_id == call.context.span_id)
print(f"{inner.context.span_id:016x}")
"""


class Finding(BaseHTTPRequestHandler):
    """Answer every GET with an invoice, and keep the headers."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[list[tuple[str, str]]]] = []

    def do_GET(self) -> None:
        self.seen.append([(name.lower(), text) for name, text in self.headers.items()])
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(FOUND.body)))
        self.end_headers()
        self.wfile.write(FOUND.body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_the_spans_of_an_instrumented_library_are_within_ours() -> None:
    """The header is that of the innermost span, and there is one; the name finds the observer."""
    with HTTPServer(("127.0.0.1", 0), Finding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = subprocess.run(
            [sys.executable, "-c", BESIDE, url, UID],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        server.shutdown()

    assert (done.returncode, done.stderr) == (0, "")
    nested, innermost = done.stdout.splitlines()
    assert nested == "True True"
    traces = [text for name, text in Finding.seen[0] if name == "traceparent"]
    assert len(traces) == 1
    assert innermost in traces[0]
