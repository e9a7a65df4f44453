"""What the service answers, over a sandbox in the same process."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from billingual import AsyncClient
from billingual.sandbox import LANDMARKS, Sandbox
from billingual.testing import PlannedFaults
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from invoice_service import create_app

DRAFT = {
    "counterparty": LANDMARKS["exante_party"],
    "owner": LANDMARKS["exante_owner"],
    "document": LANDMARKS["exante_document"],
    "due_at": "2026-12-31",
}


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The spans that ended."""
    return InMemorySpanExporter()


@pytest.fixture
def service(
    request: pytest.FixtureRequest,
    sandbox_transport: PlannedFaults,
    spans: InMemorySpanExporter,
    tmp_path: Path,
) -> Iterator[TestClient]:
    """The service, started and in the end shut down."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    connect = partial(
        AsyncClient,
        "exante",
        organization=LANDMARKS["exante_organization"],
        transport=sandbox_transport,
    )
    app = create_app(
        unclear=tmp_path / "unclear.db",
        connect=connect,
        tracers=tracers,
        late_arrival_s=getattr(request, "param", 120.0),
    )
    with TestClient(app) as client:
        yield client


def test_an_invoice_is_created_once(service: TestClient, sandbox: Sandbox) -> None:
    """A PUT that is repeated finds the invoice of the first one."""
    first = service.put("/invoices/INV-1", json=DRAFT)
    again = service.put("/invoices/INV-1", json=DRAFT)

    assert (201, 200) == (first.status_code, again.status_code)
    assert first.json()["id"] == again.json()["id"] == service.get("/invoices/INV-1").json()["id"]
    assert 1 == [each["method"] for each in sandbox.requests()].count("POST")


def test_a_draft_that_cannot_be_right_is_refused(service: TestClient, sandbox: Sandbox) -> None:
    """The text names the field; nothing was sent to create it."""
    response = service.put("/invoices/INV-1", json={**DRAFT, "due_at": "tomorrow"})

    assert 422 == response.status_code
    assert "due_at" in response.json()["detail"][0]["msg"]
    assert "POST" not in {each["method"] for each in sandbox.requests()}


def test_what_the_provider_lacks_is_refused(service: TestClient) -> None:
    """The text says what to do."""
    response = service.put("/invoices/INV-1", json={**DRAFT, "exchange_rate": "1"})

    assert 422 == response.status_code
    assert "exchange_rate" in response.json()["problem"]


def test_the_routes_are_described(service: TestClient) -> None:
    """For OpenAPI a draft and an invoice are objects."""
    told = service.get("/openapi.json").json()["paths"]["/invoices/{number}"]["put"]

    body = told["requestBody"]["content"]["application/json"]["schema"]
    assert "object" == body["type"]


def test_an_unclear_create_names_the_place_that_will_know(
    service: TestClient, faults: PlannedFaults, sandbox: Sandbox
) -> None:
    """The provider acted, but its response is lost: 202, then the invoice."""
    faults.next("response_lost", of="create")

    unclear = service.put("/invoices/INV-1", json=DRAFT)
    assert (202, "/invoices/INV-1/outcome") == (unclear.status_code, unclear.headers["Location"])

    told = service.get(unclear.headers["Location"])
    assert (200, "INV-1") == (told.status_code, told.json()["number"])
    assert 200 == service.put("/invoices/INV-1", json=DRAFT).status_code
    assert 1 == [each["method"] for each in sandbox.requests()].count("POST")


def test_what_is_not_known_yet_is_not_sent_again(
    service: TestClient, faults: PlannedFaults, sandbox: Sandbox
) -> None:
    """The request never arrived, but it still might: a second PUT gets the same 202."""
    faults.next("no_response", of="create")

    first = service.put("/invoices/INV-1", json=DRAFT)
    again = service.put("/invoices/INV-1", json=DRAFT)

    assert (202, 202) == (first.status_code, again.status_code)
    assert int(again.headers["Retry-After"]) > 0
    assert "POST" not in {each["method"] for each in sandbox.requests()}


@pytest.mark.parametrize("service", [0.0], indirect=True)  # no request arrives late here
def test_what_provably_did_not_happen_is_sent_again(
    service: TestClient, faults: PlannedFaults, sandbox: Sandbox
) -> None:
    """Once no request can arrive any more, and a search that works finds nothing."""
    faults.next("no_response", of="create")

    assert 202 == service.put("/invoices/INV-1", json=DRAFT).status_code
    assert 201 == service.put("/invoices/INV-1", json=DRAFT).status_code
    assert 1 == [each["method"] for each in sandbox.requests()].count("POST")


def test_the_deadline_of_the_request_bounds_the_calls(
    service: TestClient, sandbox: Sandbox
) -> None:
    """A provider that lets itself be waited for an hour costs the sender what it allowed."""
    sandbox.add_fault("rate_limit", times=10, retry_after="3600")

    response = service.get("/invoices/INV-1", headers={"X-Request-Timeout": "0.5"})

    assert response.status_code in {503, 504}
    assert "hour" not in response.text


def test_the_request_id_goes_all_the_way(service: TestClient, faults: PlannedFaults) -> None:
    """The provider gets the id that the sender chose, and so does the sender."""
    sent: list[str | None] = []

    def note(request: Any) -> bool:
        sent.append(request.headers.get("X-Request-Id"))
        return False

    faults.next("bad_gateway", of=note)
    response = service.get("/invoices/INV-1", headers={"X-Request-Id": "order-7"})
    faults.clear()

    assert "order-7" == response.headers["X-Request-Id"]
    assert {"order-7"} == set(sent)


@pytest.mark.parametrize("given", ["a b", "x" * 65, "ä", "'; drop table"])
def test_an_unsound_request_id_is_replaced(service: TestClient, given: str) -> None:
    """It would end in logs."""
    response = service.get("/invoices/INV-1", headers=[(b"X-Request-Id", given.encode())])

    assert given != response.headers["X-Request-Id"]


def test_a_trace_spans_sender_service_and_provider(
    service: TestClient, spans: InMemorySpanExporter
) -> None:
    """The call's span is within the request's, and the attempt's within the call's."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    service.get("/invoices/INV-1", headers={"traceparent": f"00-{trace}-{parent}-01"})

    named = {each.name: each for each in spans.get_finished_spans()}
    names = ("GET /invoices/{number}", "billingual list", "GET /api/invoices")
    contexts = [named[name].get_span_context() for name in names]
    parents = [named[name].parent for name in names]
    assert all(each is not None and f"{each.trace_id:032x}" == trace for each in contexts)
    assert [f"{each.span_id:016x}" if each else None for each in parents] == [
        parent,
        *(f"{each.span_id:016x}" for each in contexts[:2] if each),
    ]


def test_a_failure_of_the_provider_is_no_secret_of_its(
    service: TestClient, sandbox: Sandbox
) -> None:
    """The sender learns that it may come back, and not what the provider said."""
    sandbox.add_fault("status", times=10, status=500)

    response = service.get("/invoices/INV-1", headers={"X-Request-Timeout": "1"})

    assert response.status_code in {502, 504}
    assert "exante" not in response.text
