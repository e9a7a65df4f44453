"""A text cut in the middle of an emoji costs its field alone, and no model that is made has it.

Such a text cannot be written as UTF-8: a program that stores what it read would fail there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from billingual import Changes, Client, Draft, MemoryTransport, Money, OutcomeUnknown, providers
from billingual.model import Discount, Replacement, ReplacementLine, as_json

UID = "550e8400-e29b-41d4-a716-446655440000"
INVOICE = "inv_" + "d" * 24
CONTRACT = "ctr_" + "c" * 24
HALF = "cut \ud83d"
REPLACEMENT = Replacement(
    counterparty=UID, counterparty_name="Acme", receiving_account=UID, account_name="Account",
    due_at="2026-12-31", currency="EUR", taxes=[], discount=Discount(type=1, value=1),
    lines=[ReplacementLine(product_id=UID, quantity=1, unit_price=1)], description="text",
    billing_cycle=1, recurring=False, payment_methods=[], notifications=[],
    remind_days_before=[], remind_days_after=[], remind_on_due_date=False,
)  # fmt: skip
PROVIDERS: dict[str, tuple[Any, dict[str, Any], dict[str, Any], Callable[[Client], Any]]] = {
    "get": (
        "exante", {}, {"status": "success", "data": {"uid": UID}}, lambda client: client.get(UID),
    ),
    "update_many": (
        "exante", {}, {"status": "success", "data": [{"uid": UID}]},
        lambda client: client.update_many({UID: Changes(number="N")})[0],
    ),
    "list": (
        "exante", {}, {"status": "success", "data": {"items": [{"uid": UID}], "_meta": {}}},
        lambda client: next(iter(client.list().pages())),
    ),
    "get of a tenant": (
        "kukkingu", {"tenant": "tnt_" + "a" * 24}, {"data": {"id": INVOICE}},
        lambda client: client.get(INVOICE),
    ),
    "create of a tenant": (
        "kukkingu", {"tenant": "tnt_" + "a" * 24}, {"data": {"id": INVOICE}},
        lambda client: client.create(
            Draft(number="N", document=CONTRACT, total=Money(1, "EUR"), exchange_rate=1)
        ),
    ),
    "replace": (
        providers.katsu(currencies={"EUR": 1}), {}, {"succeeded": True, "data": {"invoiceId": UID}},
        lambda client: client.update(UID, REPLACEMENT),
    ),
}  # fmt: skip
PLACES = [
    "$.$", "$.message", "$.errors", "$.status", "$.data.$", "$.data.contract", "$.data.currency",
    "$.data.invoice_notes", "$.data.invoice_fields", "$.data.comments", "$.data.number",
]  # fmt: skip
VALUES: list[object] = [HALF, {"a": HALF}, {HALF: 1}, [{"key": "k", "value": {"value": HALF}}]]


def written(model: Any) -> bytes:
    """Write all that a program can find in a model as JSON in UTF-8."""
    problems = [(each.path, each.value) for each in model.problems]
    found = [model.raw, getattr(model, "extra", None), problems, model.to_dict(json=True)]
    return json.dumps(as_json(found), ensure_ascii=False).encode()


def put(body: dict[str, Any], place: str, value: object) -> None:
    """Put a value at a place of a body, such as ``$.data.currency``."""
    *path, name = place.removeprefix("$.").split(".")
    at: Any = body
    for each in path:
        at = at[each]
        at = at[0] if isinstance(at, list) else at["items"][0] if "items" in at else at
    at[name] = value


@pytest.mark.parametrize("value", VALUES, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", PROVIDERS)
def test_nothing_that_is_handed_out_has_half_of_a_pair(
    case: str, place: str, value: object
) -> None:
    """What a program reads of a response can be written as UTF-8, wherever the half was."""
    if (case, place) == ("update_many", "$.status"):
        value = HALF  # A status that is no text leaves it unclear what became of a batch.
    provider, options, good, call = PROVIDERS[case]
    body = json.loads(json.dumps(good))
    put(body, place, value)
    transport = MemoryTransport([MemoryTransport.json(json.dumps(body))])
    with Client(
        provider, transport=transport, base_url="https://x.example", token="t", **options
    ) as client:
        model = call(client)

    assert b"" != written(model)


def test_an_id_behind_an_invoice_is_not_altered() -> None:
    """An id with a letter replaced would be another id, so it is left out and reported."""
    for contract in (HALF, {"id": HALF}, {"id": CONTRACT, "client": {"id": HALF}}):
        body = json.dumps({"data": {"id": INVOICE, "contract": contract}})
        transport = MemoryTransport([MemoryTransport.json(body)])
        with Client("kukkingu", transport=transport, token="t", tenant="tnt_" + "a" * 24) as client:
            invoice = client.get(INVOICE)

        assert (None, None) == (invoice.document, invoice.counterparty)
        assert ["$.data.contract"] == [each.path for each in invoice.problems]


def test_an_id_with_half_of_a_pair_is_refused() -> None:
    """It names no invoice; after a write that leaves unclear which one is shown."""
    body = json.dumps({"status": "success", "data": {"uid": HALF}})
    transport = MemoryTransport([MemoryTransport.json(body)])
    client = Client("exante", transport=transport, base_url="https://x.example", token="t")
    with client, pytest.raises(OutcomeUnknown, match="half of a surrogate pair"):
        client.update(UID, Changes(number="N"))
