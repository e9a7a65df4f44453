"""Responses that no documentation shows, and what they mean for a program."""

from __future__ import annotations

import json
from typing import Any

import anyio
import attrs
import pytest

from _support.conversations import REPLACEMENT
from billingual import AsyncClient, Client, Draft, MemoryTransport, errors
from billingual.providers import katsu
from billingual.wire import WireResponse

UID = "550e8400-e29b-41d4-a716-446655440000"
DRAFT = Draft(number="N-1", counterparty=UID, owner=UID, document=UID)
CLIENTS = [Client, AsyncClient]


def say(body: Any, status: int = 200) -> WireResponse:
    """Make a response with a body in JSON."""
    return MemoryTransport.json(json.dumps(body), status=status)


def ended(kind: Any, operation: Any, *responses: WireResponse, **options: Any) -> Any:
    """Return what an operation of either client returns over responses."""
    transport = MemoryTransport(responses)
    options = {"provider": "exante", "transport": transport, "retry": "none", **options}
    if kind is Client:
        with Client(**options) as client:
            return operation(client)

    async def main() -> Any:
        async with AsyncClient(**options) as client:
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


KUKKINGU = "inv_pfh0haxfpzowht3oi213cqos"
TENANT = "tnt_pfh0haxfpzowht3oi213cqos"
OF_KUKKINGU = {"provider": "kukkingu", "tenant": TENANT}
ROW = {"id": KUKKINGU, "invoiceNumber": "N-1", "status": "FINALIZED"}


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("beside", "path"),
    [
        ({"hasMore": True}, "$.hasMore"),
        ({"has_next_page": True}, "$.has_next_page"),
        ({"next": "https://kukkingu.example/?page=2"}, "$.next"),
        ({"meta": {"nextCursor": "abc"}}, "$.meta.nextCursor"),
        ({"pagination": {"total": 2, "page": 1}}, "$.pagination.total"),
        ({"meta": {"paging": {"total_pages": 2}}}, "$.meta.paging.total_pages"),
    ],
)
def test_a_list_that_promises_more_is_not_provably_whole(
    kind: Any, beside: dict[str, Any], path: str
) -> None:
    """A provider that begins to page makes old rows look as if they were gone."""
    pagers: list[Any] = []

    def collect(client: Any) -> Any:
        pagers.append(client.list())
        return pagers[0].collect(limit=9)

    problems: list[Any] = []
    (row,) = ended(
        kind, collect, say({"data": [ROW], **beside}), observers=[problems.append], **OF_KUKKINGU
    )

    assert KUKKINGU == row.id
    assert not pagers[0].report.complete
    assert [path] == [found[0] for each in problems for found in getattr(each, "problems", ())]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("field", "complete"),
    [
        (("Link", '<https://kukkingu.example/?page=2>; rel="next"'), False),
        (("Link", "<https://kukkingu.example/?page=2>; rel=next"), False),
        (("X-Total-Count", "2"), False),
        (("Link", '<https://kukkingu.example/?page=1>; rel="last"'), True),
        (("X-Total-Count", "1"), True),
        (("X-Total-Count", "many"), True),
    ],
    ids=str,
)
def test_a_promise_of_more_in_the_head_counts_as_well(
    kind: Any, field: tuple[str, str], *, complete: bool
) -> None:
    """Services put pages into Link fields too (RFC 8288)."""
    pagers: list[Any] = []

    def collect(client: Any) -> Any:
        pagers.append(client.list())
        return pagers[0].collect(limit=9)

    response = MemoryTransport.json(json.dumps({"data": [ROW]}), headers=dict([field]))
    ended(kind, collect, response, **OF_KUKKINGU)

    assert pagers[0].report.complete is complete


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    "beside",
    [
        {"hasMore": False, "next": None, "nextCursor": "", "total": 1, "totalPages": 1},
        {"requestId": "abc", "meta": {"count": 1, "page": 1, "took": 250}},
    ],
)
def test_a_list_that_promises_nothing_is_whole(kind: Any, beside: dict[str, Any]) -> None:
    """What else is said beside a list takes no proof away."""
    pagers: list[Any] = []

    def collect(client: Any) -> Any:
        pagers.append(client.list())
        return pagers[0].collect(limit=9)

    ended(kind, collect, say({"data": [ROW], **beside}), **OF_KUKKINGU)

    assert pagers[0].report.complete


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("beside", "paths"),
    [
        ({"errors": ["the due date was not taken"]}, ["$.errors"]),
        ({"error": {"message": "partly"}, "success": False}, ["$.error", "$.success"]),
        ({"status": "error"}, ["$.status"]),
        ({"errors": [], "success": True, "status": "ok", "warnings": None}, []),
    ],
)
def test_a_complaint_beside_an_invoice_is_heard_from_every_provider(
    kind: Any, beside: dict[str, Any], paths: list[str]
) -> None:
    """It was with Exante; of Kukkingu's updates it went into `extra` without a word."""
    invoice = ended(
        kind, lambda client: client.update(KUKKINGU, {"number": "N-1"}),
        say({"data": ROW, **beside}), **OF_KUKKINGU,
    )  # fmt: skip

    assert paths == [each.path for each in invoice.problems]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("name", ["error", "errors", "failed", "failures", "skipped"])
def test_a_complaint_beside_a_receipt_is_heard(kind: Any, name: str) -> None:
    """Under each name under which it is heard beside an invoice."""
    receipt = ended(
        kind, lambda client: client.update(UID, REPLACEMENT),
        say({"succeeded": True, "data": {"invoiceId": UID}, name: ["the tax was not taken"]}),
        provider=katsu(currencies={"USD": 1}),
    )  # fmt: skip

    assert [f"$.{name}"] == [each.path for each in receipt.problems]


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("code", "problem"),
    [("usd", "not in capital letters"), ("HRK", "withdrawn"), ("XXZ", "not a currency code")],
)
def test_a_currency_that_is_none_is_not_asked_a_number_for(
    kind: Any, code: str, problem: str
) -> None:
    """The advice to give a number for 'usd' would lead to a document in no currency."""
    replacement = attrs.evolve(REPLACEMENT, currency=code)
    with pytest.raises(errors.InvalidInputError, match=problem):
        ended(
            kind, lambda client: client.update(UID, replacement),
            provider=katsu(currencies={"USD": 1}),
        )  # fmt: skip
