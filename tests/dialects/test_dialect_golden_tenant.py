"""What Kukkingu's documentation prints is what we send and what we can read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from _support.conversations import (
    INVOICE,
    TENANT,
    asked,
    assert_documented,
    body_of,
    converse,
    golden,
    response,
)
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.model import (
    Changes,
    Money,
    Status,
)


def test_a_tenant_update_is_sent_as_documented() -> None:
    """Each printed field goes out under its name, exactly, with the tenant in its header."""
    page = golden("tenant_partial_update")
    moment = "2023-10-05T14:48:00.000Z"
    changes = Changes(
        number="INV-2025-0001",
        exchange_rate="1.12",
        total=Money(5000, "EUR"),
        issued_at=moment,
        due_at=moment,
        paid_at=moment,
    )
    request = asked(TenantDialect(tenant=TENANT).update(INVOICE, changes, None))

    assert_documented(request, page)
    assert page["request"] == body_of(request)
    assert list(page["request"]) == list(request.keys)
    assert b'"exchangeRate":1.12,' in (request.body or b"")


@pytest.mark.parametrize(
    "moment",
    [
        "2024-02-29T00:00:00Z",
        "2026-12-31T23:59:59.999999+14:00",
        "0001-01-02T00:00:00+00:00",
        "2026-03-30T12:00:00.5-03:30",
    ],
)
def test_timestamps_fit_the_pattern_the_tenant_dialect_prints(moment: str) -> None:
    """Whatever the offset and fraction, what goes out is UTC with milliseconds and a ``Z``."""
    request = asked(TenantDialect(tenant=TENANT).update(INVOICE, Changes(due_at=moment), None))

    assert re.fullmatch(golden("tenant_partial_update")["timestamp"], body_of(request)["dueAt"])


def test_a_tenant_invoice_is_read_as_documented() -> None:
    """The documented fields become an invoice with an exact exchange rate."""
    page = golden("tenant_partial_update")["response"]
    dialect = TenantDialect(tenant=TENANT)
    invoice = converse(dialect, dialect.get(INVOICE), response(page))
    moment = datetime(2023, 10, 5, 14, 48, tzinfo=UTC)

    assert INVOICE == invoice.id
    assert Status.DRAFT == invoice.status
    assert Money(5000, "EUR") == invoice.total
    assert Decimal("1.12") == invoice.exchange_rate
    assert page["data"]["contract"] == invoice.document
    assert {moment} == {
        invoice.issued_at,
        invoice.due_at,
        invoice.paid_at,
        invoice.created_at,
        invoice.updated_at,
    }
    assert {} == invoice.extra
    assert page["data"] == invoice.raw
