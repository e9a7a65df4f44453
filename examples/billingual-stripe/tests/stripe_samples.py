"""What Stripe's documentation prints, as values; each file says where and when it was read."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from billingual.wire import WireRequest, WireResponse

from billingual_stripe import StripeDialect

GOLDEN: Final = Path(__file__).parent / "golden"
DIALECT: Final = StripeDialect()
CUSTOMER: Final = "cus_NeZwdNtLEOXuvB"
DRAFT: Final = "in_1MtHbELkdIwHu7ixl4OzzPMv"
FINAL: Final = "in_1MtGmCLkdIwHu7ix6PgS6g8S"


def golden(name: str) -> dict[str, Any]:
    """Read a sample."""
    page: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return page


def written(value: object) -> bytes:
    """Write a response's body as Stripe does."""
    return json.dumps(value, indent=2).encode()


def asked(conversation: Generator[WireRequest, Any, Any]) -> WireRequest:
    """Return the first request of a conversation."""
    return next(conversation)


def told(conversation: Generator[WireRequest, Any, Any], body: object, status: int = 200) -> Any:
    """Hold a conversation of one request and return what it returns."""
    request = next(conversation)
    response = WireResponse(status=status, body=written(body))
    assert request.read is not None
    try:
        conversation.send(request.read(response))
    except StopIteration as end:
        return end.value
    raise AssertionError("there is a second request")


def form_of(request: WireRequest) -> dict[str, str]:
    """Read the form of a request."""
    return dict(parse_qsl((request.body or b"").decode(), keep_blank_values=True))
