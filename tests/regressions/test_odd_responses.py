"""Responses that no documentation shows, and what they mean for a program."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from billingual import AsyncClient, Client, Draft, MemoryTransport, errors
from billingual.wire import WireResponse

UID = "550e8400-e29b-41d4-a716-446655440000"
DRAFT = Draft(number="N-1", counterparty=UID, owner=UID, document=UID)
CLIENTS = [Client, AsyncClient]


def say(body: Any, status: int = 200) -> WireResponse:
    """Make a response with a body in JSON."""
    return MemoryTransport.json(json.dumps(body), status=status)


def ended(kind: Any, operation: Any, *responses: WireResponse, **options: Any) -> Any:
    """Return what an operation of either client returns over responses."""
    options = {"transport": MemoryTransport(responses), "retry": "none", **options}
    if kind is Client:
        with Client("exante", **options) as client:
            return operation(client)

    async def main() -> Any:
        async with AsyncClient("exante", **options) as client:
            return await operation(client)

    return anyio.run(main)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_create_that_a_gateway_gave_up_is_unclear(kind: Any) -> None:
    """499 is what gateways make of gRPC's CANCELLED: the provider may have gone on."""
    with pytest.raises(errors.OutcomeUnknown) as caught:
        ended(kind, lambda client: client.create(DRAFT), say({"message": "cancelled"}, 499))

    assert isinstance(caught.value.__cause__, errors.InvalidRequestError)
    assert "look first whether it happened" in str(caught.value.__cause__)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_read_that_a_gateway_gave_up_is_tried_again(kind: Any) -> None:
    """It may pass."""
    invoice = ended(
        kind, lambda client: client.get(UID),
        say({}, 499), say({"status": "success", "data": {"uid": UID}}), retry="standard",
    )  # fmt: skip

    assert UID == invoice.id


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("status", "advice"),
    [(402, "something is to be paid"), (407, "in proxy="), (423, "try again later"),
     (451, "for legal reasons")],
)  # fmt: skip
def test_the_advice_fits_a_status_that_the_request_is_not_to_blame_for(
    kind: Any, status: int, advice: str
) -> None:
    """'Correct the request' would send a reader to the wrong place."""
    with pytest.raises(errors.InvalidRequestError, match=advice) as caught:
        ended(kind, lambda client: client.get(UID), say({}, status))

    assert "correct the request" not in str(caught.value)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("data", [{"items": None}, {}])
def test_null_rows_are_none_where_the_provider_counts_none(kind: Any, data: dict[str, Any]) -> None:
    """Go writes an empty list as null, or leaves it out."""
    page = {**data, "_meta": {"page": 1, "total_pages": 0, "total_items": 0}}
    response = say({"status": "success", "data": page})

    assert [] == ended(kind, lambda client: client.list().collect(limit=9), response)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("meta", [None, {"page": 1}, {"page": 1, "total_items": 3}])
def test_null_rows_are_an_error_where_rows_may_be_lost(kind: Any, meta: Any) -> None:
    """A list that says nothing, or counts rows and shows none, is not an empty one."""
    page = {"items": None, "_meta": meta}
    with pytest.raises(errors.ProtocolError) as caught:
        ended(
            kind,
            lambda client: client.list().collect(limit=9),
            say({"status": "success", "data": page}),
        )

    assert "$.data.items" == caught.value.path
