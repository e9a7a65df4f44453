"""Drive a conversation of a dialect by hand: no loop, no transport, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from billingual.abc import Dialect
from billingual.model import Discount, Replacement, ReplacementLine, Tax
from billingual.wire import Conversation, Headers, WireRequest, WireResponse

T = TypeVar("T")

UID = "550e8400-e29b-41d4-a716-446655440000"
OTHER_UID = "550e8400-e29b-41d4-a716-446655440001"
THIRD_UID = "550e8400-e29b-41d4-a716-446655440002"
TENANT = "tnt_pfh0haxfpzowht3oi213cqos"
INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
CONTRACT = "ctr_mqxd1kc6bgtcc676xoqzax47"
SAMPLE_UID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
REPLACEMENT = Replacement(
    counterparty=OTHER_UID,
    counterparty_name="Acme",
    receiving_account=THIRD_UID,
    account_name="Main",
    due_at="2024-03-20T00:00:00Z",
    currency="USD",
    lines=[ReplacementLine(product_id=UID, quantity=2, unit_price="19.90")] * 2,
    taxes=[Tax(tax_id=UID, percentage="7.50")] * 2,
    discount=Discount(type=2, value="5"),
    description="Hosting",
    billing_cycle=6,
    recurring=True,
    payment_methods=[1, 2],
    notifications=[1, 2],
    remind_days_before=[7, 1],
    remind_days_after=[1, 7],
    remind_on_due_date=True,
)


def golden(name: str) -> dict[str, Any]:
    """Read what a provider's documentation prints, with the date it was read."""
    path = Path(__file__).parents[1] / "dialects" / "golden" / f"{name}.json"
    value: dict[str, Any] = json.loads(path.read_bytes(), parse_float=Decimal)
    return value


def response(
    value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> WireResponse:
    """Make a response whose body is *value*: bytes as they are, anything else as JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value, default=_number).encode()
    return WireResponse(status=status, headers=Headers(headers), body=body)


def asked(conversation: Conversation[Any]) -> WireRequest:
    """Return the first request of a conversation."""
    return next(conversation)


def converse(dialect: Dialect, conversation: Conversation[T], response: WireResponse) -> T:
    """Ask, read the response as a client does, and return what the conversation makes of it."""
    try:
        conversation.send(read(next(conversation), response))
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the conversation asks a second time")


def read(request: WireRequest, response: WireResponse) -> object:
    """Read a response as its request says."""
    assert request.read is not None

    return request.read(response)


def body_of(request: WireRequest) -> Any:
    """Read a request's body with numbers as exact as they were written."""
    assert request.body is not None

    return json.loads(request.body, parse_float=Decimal)


def query_of(request: WireRequest) -> dict[str, str]:
    """Read a request's query as a server does."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True, strict_parsing=True))


def invoice_payload(uid: str = UID, **fields: object) -> dict[str, object]:
    """Make Exante's documented invoice with other values in some fields."""
    return {**golden("exante_create")["response"]["data"], "uid": uid, **fields}


def tenant_payload(**fields: object) -> dict[str, object]:
    """Make Kukkingu's documented invoice with other values in some fields."""
    return {**golden("tenant_partial_update")["response"]["data"], **fields}


def enveloped(data: object, **fields: object) -> dict[str, object]:
    """Put a payload into Exante's envelope."""
    return {"status": "success", "status_code": 200, "message": "Success", "data": data, **fields}


def _number(value: object) -> object:
    # Only test data passes here; each Decimal in it is short enough for a float to print back.
    return float(value) if isinstance(value, Decimal) else str(value)


def ids(rows: Sequence[Sequence[object]]) -> list[str]:
    """Number the rows of a table, and name each by its last column."""
    return [f"{index}-{row[-1]}"[:60] for index, row in enumerate(rows)]


def assert_documented(request: WireRequest, page: Mapping[str, Any]) -> None:
    """Compare method, path and every header but the signature, which is not a dialect's."""
    assert (page["method"], urlsplit(page["url"]).path) == (
        request.method,
        urlsplit(request.url).path,
    )

    for name, value in page["headers"].items():
        if name != "Authorization":
            assert value == request.headers.get(name)
