"""Katsu Pay: full replacement, exact arithmetic, and two contradictory shapes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from _support.sandbox_app import Caller, control
from billingual.sandbox import LANDMARKS, Sandbox

UPDATE = "/api/v1/Invoice/Update"
ID = LANDMARKS["katsu_invoice"]
OTHER = "00000000-0000-4000-8000-00000000beef"
FULL: dict[str, Any] = {
    "id": ID,
    "counterPartyId": OTHER,
    "counterPartyName": "Acme",
    "receivingAccountId": OTHER,
    "accountName": "Main",
    "dueDate": "2024-03-20T00:00:00.000Z",
    "currency": 1,
    "products": [{"productId": OTHER, "quantity": 3, "unitPrice": 19.99}],
    "taxes": [{"taxId": OTHER, "taxPercentageValue": 7.5}],
    "discount": {"discountType": 2, "discountValue": 5.5},
    "description": "Work",
    "billingCycle": 6,
    "recuringInvoice": True,
    "paymentMethods": [1, 2],
    "notification": [1],
    "beforeDueDates": [3, 1],
    "afterDueDates": [7],
    "onDueDate": True,
}


def stored(app: Sandbox, invoice: str = ID) -> dict[str, Any]:
    """Give an invoice as it is stored."""
    rows = control(app, "GET", "invoices?provider=katsu")["invoices"]
    doc: dict[str, Any] = next(row["doc"] for row in rows if row["id"] == invoice)
    return doc


def product(quantity: object, price: str) -> str:
    """Write a product whose price keeps its digits."""
    return f'{{"productId": "{OTHER}", "quantity": {quantity}, "unitPrice": {price}}}'


def amount_text(katsu: Caller, products: str, taxes: str = "", discount: str = "0") -> str:
    """Update with exact numbers and give the amount as written."""
    body = (
        f'{{"id": "{ID}", "products": [{products}], "taxes": [{taxes}],'
        f' "discount": {{"discountType": 1, "discountValue": {discount}}}}}'
    )
    reply = katsu("PUT", UPDATE, raw=body.encode())
    assert reply.status == 200, reply.body
    return reply.body.decode().rpartition('"amount":')[2].rstrip("}")


def tax(percent: str) -> str:
    """Write a tax whose percentage keeps its digits."""
    return f'{{"taxId": "{OTHER}", "taxPercentageValue": {percent}}}'


def test_an_update_answers_in_the_schema_shape(katsu: Caller) -> None:
    """The envelope says succeeded and carries the id and the computed amount."""
    reply = katsu("PUT", UPDATE, FULL)

    assert {
        "succeeded": True,
        "message": "Invoice updated successfully",
        "errors": [],
        "data": {"invoiceId": ID, "amount": Decimal("58.55525")},
    } == reply.json
    assert reply.headers["content-type"] == "application/json"


def test_every_field_is_stored(app: Sandbox, katsu: Caller) -> None:
    """What was sent is what is kept."""
    katsu("PUT", UPDATE, FULL)
    kept = stored(app)
    exact = {name: value for name, value in FULL.items() if isinstance(value, (str, int))}

    assert set(FULL) == set(kept)
    assert exact == {name: kept[name] for name in exact}


def test_an_update_replaces_the_whole_invoice(app: Sandbox, katsu: Caller) -> None:
    """A field the request leaves out is cleared."""
    katsu("PUT", UPDATE, FULL)
    katsu("PUT", UPDATE, {"id": ID, "description": "Only this"})
    kept = stored(app)

    assert {name: value for name, value in kept.items() if value is not None} == {
        "id": ID,
        "description": "Only this",
    }


AMOUNTS = [
    ((product(3, "0.1"),), "0.3"),
    ((product(1, "0.1"), product(1, "0.2")), "0.3"),
    ((product(3, "33.333333333333333333"),), "99.999999999999999999"),
    ((product(0, "9.99"),), "0"),
    ((product(2, "100"), tax("7.5")), "215"),
    ((product(1, "0.01"), tax("0.01")), "0.010001"),
    ((product(1, "100"), tax("10"), "50"), "55"),
    ((product(1, "100"), tax("10"), "100"), "0"),
    ((product(1, "100"), f"{tax('10')}, {tax('5')}", "20"), "92"),
    ((product(10, "1e-7"),), "0.000001"),
    ((product(1, "1e20"),), "100000000000000000000"),
]


@pytest.mark.parametrize(("arguments", "amount"), AMOUNTS)
def test_the_amount_is_exact(katsu: Caller, arguments: tuple[str, ...], amount: str) -> None:
    """Sums, taxes and discounts are decimal arithmetic without rounding."""
    if len(arguments) == 2 and "quantity" in arguments[1]:
        arguments = (", ".join(arguments),)

    assert amount == amount_text(katsu, *arguments)


NONSENSE: list[dict[str, Any]] = [
    {"products": [{"productId": OTHER, "quantity": -1, "unitPrice": 1}]},
    {"products": [{"productId": OTHER, "quantity": 1, "unitPrice": -0.01}]},
    {"taxes": [{"taxId": OTHER, "taxPercentageValue": -1}]},
    {"discount": {"discountType": 2, "discountValue": -1}},
    {"discount": {"discountType": 2, "discountValue": 60}},
]


@pytest.mark.parametrize("fields", NONSENSE, ids=str)
@pytest.mark.parametrize(("setting", "status"), [("in_200", 200), ("in_400", 400)])
def test_nonsense_is_a_logical_failure(
    app: Sandbox, katsu: Caller, fields: dict[str, Any], setting: str, status: int
) -> None:
    """`succeeded` is false, inside a 200 unless a setting says otherwise; nothing is stored."""
    control(app, "POST", "settings", {"katsu_logical_failure": setting})
    before = stored(app)
    reply = katsu("PUT", UPDATE, {**FULL, **fields})

    assert (status, "logical-failure", False) == (
        reply.status,
        reply.rule,
        reply.json["succeeded"],
    )
    assert reply.json["errors"]
    assert before == stored(app)


INVALID: list[dict[str, Any]] = [
    {"id": "1234567890"},
    {"id": None},
    {"counterpartyId": OTHER},
    {"recurringInvoice": True},
    {"amount": 1500.0},
    {"currency": "USD"},
    {"currency": 1.5},
    {"currency": 2**31},
    {"dueDate": "2024-03-20"},
    {"products": {}},
    {"products": [{"productId": OTHER, "quantity": 1.5, "unitPrice": 1}]},
    {"products": [{"productId": OTHER, "quantity": 1, "unitPrice": "1"}]},
    {"products": [{"productId": OTHER, "quantity": 1}]},
    {"taxes": [{"taxId": OTHER, "taxPercentageValue": 1, "name": "VAT"}]},
    {"discount": []},
    {"onDueDate": 1},
    {"paymentMethods": ["1"]},
]


@pytest.mark.parametrize("fields", INVALID, ids=str)
def test_an_invalid_update_is_refused(app: Sandbox, katsu: Caller, fields: dict[str, Any]) -> None:
    """Types are checked and the wire names are exactly those of the schema sample."""
    before = stored(app)
    reply = katsu("PUT", UPDATE, {**FULL, **fields})

    assert (reply.status, reply.rule, reply.json["succeeded"]) == (400, "invalid-field", False)
    assert before == stored(app)


def test_an_unknown_invoice_is_404(katsu: Caller) -> None:
    """The documented status for a missing resource, in the envelope."""
    reply = katsu("PUT", UPDATE, {**FULL, "id": OTHER})

    assert (reply.status, reply.rule, reply.json["succeeded"]) == (404, "invoice-not-found", False)


def test_the_prose_shape_can_be_had(app: Sandbox, katsu: Caller) -> None:
    """A bare invoice without an envelope, as the prose example shows."""
    control(app, "POST", "settings", {"katsu_response_shape": "prose"})
    reply = katsu("PUT", UPDATE, FULL).json

    assert {
        "invoiceId": ID,
        "counterpartyId": OTHER,
        "amount": Decimal("58.55525"),
        "currency": "USD",
        "status": "Pending",
        "dueDate": "2024-03-20T00:00:00.000Z",
    } == {name: value for name, value in reply.items() if name != "createdDate"}
    assert reply["createdDate"].endswith("T00:00:00.000Z")


def test_json_can_be_labelled_text_plain(app: Sandbox, katsu: Caller) -> None:
    """The body stays JSON, for a success and for an error."""
    control(app, "POST", "settings", {"katsu_content_type": "text/plain"})
    good, bad = katsu("PUT", UPDATE, FULL), katsu("PUT", UPDATE, {})

    assert [
        good.headers["content-type"],
        bad.headers["content-type"],
    ] == ["text/plain; charset=utf-8"] * 2
    assert (good.json["succeeded"], bad.json["succeeded"]) == (True, False)


def test_errors_can_be_problem_json(app: Sandbox, katsu: Caller) -> None:
    """There `errors` is an object of lists."""
    control(app, "POST", "settings", {"katsu_error_shape": "problem"})
    reply = katsu("PUT", UPDATE, {**FULL, "currency": "USD", "id": 7})

    assert reply.headers["content-type"] == "application/problem+json"
    assert (400, {"$.id", "$.currency"}) == (reply.json["status"], set(reply.json["errors"]))


@pytest.mark.parametrize("label", ["application/json", "text/json", "text/plain", "text/json; a=b"])
def test_three_content_types_are_accepted(katsu: Caller, label: str) -> None:
    """The documented trio, with or without parameters."""
    assert katsu("PUT", UPDATE, FULL, extra={"content-type": label}).status == 200


@pytest.mark.parametrize(
    ("setting", "statuses"),
    [
        ("optional", [200, 200, 401, 401]),
        ("required", [200, 401, 401, 401]),
        ("ignored", [200] * 4),
    ],
)
def test_authorization_is_a_setting(
    app: Sandbox, katsu: Caller, setting: str, statuses: list[int]
) -> None:
    """By default no token is needed, but one that is sent must be right."""
    control(app, "POST", "settings", {"katsu_auth": setting})

    assert statuses == [
        katsu("PUT", UPDATE, FULL).status,
        katsu("PUT", UPDATE, FULL, without="authorization").status,
        katsu("PUT", UPDATE, FULL, extra={"authorization": "Bearer wrong"}).status,
        katsu("PUT", UPDATE, FULL, extra={"authorization": "Token x"}).status,
    ]


def test_version_is_the_only_query_parameter(katsu: Caller) -> None:
    """`version` may be given, anything else is unknown."""
    assert katsu("PUT", UPDATE, FULL, version="1").status == 200
    assert katsu("PUT", UPDATE, FULL, Version="1").rule == "unknown-parameter"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_there_is_nothing_but_the_put(katsu: Caller, method: str) -> None:
    """Every other method is refused in the provider's shape."""
    reply = katsu(method, UPDATE)

    assert (reply.status, reply.json["succeeded"]) == (405, False)
