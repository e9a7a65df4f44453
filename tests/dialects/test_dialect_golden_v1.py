"""What Katsu Pay's documentation prints is what we send and what we can read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from _support.conversations import (
    REPLACEMENT,
    UID,
    asked,
    assert_documented,
    body_of,
    converse,
    golden,
    response,
)
from billingual.dialects.v1.dialect import V1Dialect
from billingual.model import ReplacementLine


def shape(value: Any) -> Any:
    """Keep names, their order and nesting; forget their values."""
    if isinstance(value, dict):
        return [(name, shape(each)) for name, each in value.items()]
    return [shape(each) for each in value] if isinstance(value, list) else None


def test_a_replacement_is_sent_as_documented() -> None:
    """Names, their order and their nesting are the schema's, misspelling included."""
    page = golden("v1_update")
    request = asked(V1Dialect(currencies={"USD": 1}).replace(UID, REPLACEMENT))
    sent = body_of(request)

    assert_documented(request, page)
    assert shape(page["schema"]["request"]) == shape(sent)
    assert {name: sent[name] for name in ("currency", "billingCycle")} == {
        "currency": page["schema"]["request"]["currency"],
        "billingCycle": page["schema"]["request"]["billingCycle"],
    }
    assert {"discountType": 2, "discountValue": 5} == sent["discount"]
    assert Decimal("19.90") == sent["products"][0]["unitPrice"]
    assert b'"unitPrice":19.90' in (request.body or b"")
    assert page["example"]["response"]["dueDate"] == sent["dueDate"]


@pytest.mark.parametrize(
    ("quantity", "sent"), [("2.00", b"2"), ("1E+2", b"100"), ("1.50", b"1.50")]
)
def test_a_whole_quantity_is_sent_as_the_integer_that_is_documented(
    quantity: str, sent: bytes
) -> None:
    """A column of a database may keep it with decimal places; a fraction is sent as it is."""
    line = ReplacementLine(product_id=UID, quantity=quantity, unit_price="2.00")
    given = attrs.evolve(REPLACEMENT, lines=[line])
    request = asked(V1Dialect(currencies={"USD": 1}).replace(UID, given))

    assert b'"quantity":%s,"unitPrice":2.00}' % sent in (request.body or b"")


def test_the_schema_response_to_a_replacement_is_read() -> None:
    """The schema's envelope, its placeholders filled, becomes a receipt with an exact amount."""
    page = golden("v1_update")["schema"]["response"]
    dialect = V1Dialect(currencies={"USD": 1})
    body = (
        b'{"succeeded":true,"message":"<string>","errors":["<string>","<string>"],'
        b'"data":{"invoiceId":"%s","amount":1500.10}}' % UID.encode()
    )
    receipt = converse(dialect, dialect.replace(UID, REPLACEMENT), response(body))

    assert shape(page) == shape(receipt.raw)
    assert (UID, Decimal("1500.10")) == (receipt.id, receipt.amount)
    assert "1500.10" == str(receipt.amount)
    assert {"message": "<string>", "errors": ["<string>", "<string>"]} == receipt.extra


def test_the_example_response_to_a_replacement_is_read() -> None:
    """The bare invoice of the printed example becomes a receipt with nothing lost."""
    page = golden("v1_update")["example"]["response"]
    dialect = V1Dialect(currencies={"USD": 1})
    receipt = converse(dialect, dialect.replace(UID, REPLACEMENT), response(page))

    assert ("1234567890", Decimal(1500), "USD") == (receipt.id, receipt.amount, receipt.currency)
    assert ("0987654321", "Pending") == (receipt.counterparty, receipt.status)
    assert datetime(2024, 2, 19, tzinfo=UTC) == receipt.created_at
    assert datetime(2024, 3, 20, tzinfo=UTC) == receipt.due_at
    assert {} == receipt.extra
    assert page == receipt.raw
