"""A request carries how its response is read; it is read once, inside the attempt."""

from __future__ import annotations

import json
import pickle
from typing import Any

import attrs
import pytest

from _support.pocket import POCKET, PocketDialect, client_of, say
from billingual import Draft, Invoice, errors
from billingual.outcomes import Safety
from billingual.wire import Conversation, Exchange, WireRequest, WireResponse


class ReadingDialect(PocketDialect):
    """A dialect whose requests read their own responses."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.reads = 0

    def scoped(self, _: Any) -> ReadingDialect:
        return self

    def check(self, *_: Any) -> None:
        raise AssertionError("a request that reads is not checked as well")

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
            raise errors.ServerError("down.", provider="pocket", exchange=exchange)
        if response.body == b"bug":
            raise KeyError("id")
        try:
            return Invoice(id=json.loads(response.body)["id"])
        except ValueError:
            raise errors.ProtocolError("no JSON.", provider="pocket", exchange=exchange) from None


def reading_client(backend: Any, responses: list[Any]) -> tuple[Any, ReadingDialect]:
    """Make a client of the reading dialect."""
    dialect = ReadingDialect()
    client, _ = client_of(backend, responses, provider=attrs.evolve(POCKET, dialects=(dialect,)))
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
        backend, [say(200, '{"id": "i1"}')], provider=attrs.evolve(POCKET, dialects=(dialect,))
    )

    step(client.get("i1"))

    assert transport.requests[0].read is None
    assert client.preview.get("i1").read is None
