"""A request carries how its response is read; it is read once, inside the attempt."""

from __future__ import annotations

import json
import logging
import pickle
from typing import Any

import attrs
import pytest

from _support.small_provider import SMALL, SmallDialect, client_of, say
from billingual import Draft, Invoice, errors
from billingual.events import ProblemsFound
from billingual.model import Problem
from billingual.outcomes import Safety
from billingual.wire import Conversation, Exchange, WireRequest, WireResponse


class ReadingDialect(SmallDialect):
    """A dialect whose requests read their own responses."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.reads = 0
        self.problems: list[Problem] = []

    def scoped(self, _: Any) -> ReadingDialect:
        return self

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return (yield self._request("GET", invoice_id, Safety.READ))

    def create(self, draft: Draft) -> Conversation[Invoice]:
        return (yield self._request("POST", str(draft.number), Safety.CREATE))

    def _request(self, method: str, name: str, safety: Safety) -> WireRequest:
        request = WireRequest(
            method=method, url=f"/invoices/{name}", route="/invoices/{id}", safety=safety
        )
        return attrs.evolve(request, read=lambda response: self._read(request, response))

    def _read(self, request: WireRequest, response: WireResponse) -> Invoice:
        self.reads += 1
        exchange = Exchange.of(request, response)
        if response.status == 503:
            raise errors.ServerError("down.", provider="small", exchange=exchange)
        if response.body == b"bug":
            raise KeyError("id")
        try:
            invoice_id = json.loads(response.body)["id"]
        except ValueError:
            raise errors.ProtocolError("no JSON.", provider="small", exchange=exchange) from None
        return Invoice(id=invoice_id, problems=tuple(self.problems))


def reading_client(backend: Any, responses: list[Any]) -> tuple[Any, ReadingDialect]:
    """Make a client of the reading dialect."""
    dialect = ReadingDialect()
    client, _ = client_of(backend, responses, provider=attrs.evolve(SMALL, dialects=(dialect,)))
    return client, dialect


def test_the_conversation_is_sent_what_was_read(step: Any, backend: Any) -> None:
    """One response is opened once."""
    client, dialect = reading_client(backend, [say(200, '{"id": "i1"}')])

    assert "i1" == step(client.get("i1")).id
    assert 1 == dialect.reads


def test_an_error_of_reading_is_retried_like_any_other(step: Any, backend: Any) -> None:
    """Reading is part of the attempt, so the policy decides about its errors."""
    client, dialect = reading_client(backend, [say(503), say(200, '{"id": "i1"}')])

    assert "i1" == step(client.get("i1")).id
    assert 2 == dialect.reads


@pytest.mark.parametrize("body", ["<html>", "bug"])
def test_a_write_whose_success_cannot_be_read_is_unclear_and_pickles(
    step: Any, backend: Any, body: str
) -> None:
    """The error keeps the request without the function that reads."""
    client, _ = reading_client(backend, [say(200, body)])

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(Draft(number="1")))

    assert caught.value.request.read is None
    assert caught.value.request == pickle.loads(pickle.dumps(caught.value)).request  # noqa: S301 - our own


def test_the_transport_and_the_preview_do_not_see_how_a_response_is_read(
    step: Any, backend: Any
) -> None:
    """They get the request as it goes out."""
    dialect = ReadingDialect()
    client, transport = client_of(
        backend, [say(200, '{"id": "i1"}')], provider=attrs.evolve(SMALL, dialects=(dialect,))
    )

    step(client.get("i1"))

    assert transport.requests[0].read is None
    assert client.preview.get("i1").read is None


FLAWS = [
    Problem("$.lines[0].price", "it is no amount", "Jane Doe"),
    Problem("$.lines[7].price", "it is no amount", "Jane Doe"),
    Problem("$.due", "it is no date", "Jane Doe"),
]


def flawed_client(backend: Any, **options: Any) -> Any:
    """Make a client of a provider whose responses hold values that do not fit."""
    dialect = ReadingDialect()
    dialect.problems = FLAWS
    provider = attrs.evolve(SMALL, dialects=(dialect,))
    client, _ = client_of(backend, lambda _: say(200, '{"id": "i1"}'), provider=provider, **options)
    return client


def test_values_that_do_not_fit_are_told_once_for_each_kind(
    step: Any, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The invoice comes all the same; neither log nor event holds a value."""
    seen: list[Any] = []
    client = flawed_client(backend, observers=[seen.append])

    with caplog.at_level(logging.WARNING, "billingual"):
        invoice = step(client.get("i1"))
        step(client.with_options(deadline=5).create(Draft(number="1")))
        step(client.get("i1"))

    found = [each for each in seen if isinstance(each, ProblemsFound)]
    assert invoice.id == "i1"
    assert [each.problems for each in found] == [
        tuple((flaw.path, flaw.reason) for flaw in FLAWS)
    ] * 3
    assert found[0].explain() == (
        "call 1: 3 value(s) do not fit, the first at $.lines[0].price: it is no amount"
    )
    assert [each.getMessage() for each in caplog.records] == [
        "small GET /invoices/{id}: at $.lines[].price, it is no amount; logged once",
        "small GET /invoices/{id}: at $.due, it is no date; logged once",
    ]
    assert "Jane" not in caplog.text + repr(seen)


def test_strict_reading_fails_a_read(step: Any, backend: Any) -> None:
    """The error names the first problem and keeps the body."""
    client = flawed_client(backend, reading="strict")

    with pytest.raises(errors.ProtocolError, match=r"at \$\.lines\[0\]\.price, it is no") as caught:
        step(client.get("i1"))

    assert caught.value.path == "$.lines[0].price"
    assert caught.value.body == b'{"id": "i1"}'
    assert len(caught.value.attempts) == 1


def test_strict_reading_leaves_a_write_unclear(step: Any, backend: Any) -> None:
    """The provider said yes, so the write was probably carried out."""
    client = flawed_client(backend).with_options(reading="strict")

    with pytest.raises(errors.OutcomeUnknown) as caught:
        step(client.create(Draft(number="1")))

    assert caught.value.likely == "applied"
    assert isinstance(caught.value.__cause__, errors.ProtocolError)


def test_a_provider_cannot_fill_the_log_with_kinds_of_problems(
    step: Any, backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Names that the provider chooses may be in a path."""
    dialect = ReadingDialect()
    dialect.problems = [Problem(f"$.fields.{n}", "it is no text", n) for n in range(1_000)]
    provider = attrs.evolve(SMALL, dialects=(dialect,))
    client, _ = client_of(backend, [say(200, '{"id": "i1"}')], provider=provider)

    step(client.get("i1"))

    assert len(caplog.records) == 100


@pytest.mark.parametrize("reading", ["lenient", None, True])
def test_another_way_to_read_is_refused(backend: Any, reading: Any) -> None:
    """There are two."""
    client, _ = client_of(backend)
    for make in (lambda **given: client_of(backend, **given), client.with_options):
        with pytest.raises(errors.ConfigurationError, match="'tolerant'"):
            make(reading=reading)
