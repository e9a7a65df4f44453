"""Dialects to test with, and a payload read by each as its provider's response."""

from __future__ import annotations

from _support.conversations import (
    INVOICE,
    REPLACEMENT,
    TENANT,
    UID,
    converse,
    enveloped,
    response,
    tenant_payload,
)
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.model import Changes, Invoice, Page, Query, Receipt

EXANTE = ExanteDialect()
BULK = BulkDialect()
KUKKINGU = TenantDialect(tenant=TENANT)
KATSU = V1Dialect(currencies={"USD": 1})
SENT = Changes(status="SENT")


def exante(payload: object, **envelope: object) -> Invoice:
    """Read a payload as Exante's response to a get."""
    return converse(EXANTE, EXANTE.get(UID), response(enveloped(payload, **envelope)))


def kukkingu(**fields: object) -> Invoice:
    """Read Kukkingu's documented invoice with other values."""
    return converse(KUKKINGU, KUKKINGU.get(INVOICE), response({"data": tenant_payload(**fields)}))


def katsu(body: object) -> Receipt:
    """Read a body as Katsu Pay's response to a replacement."""
    return converse(KATSU, KATSU.replace(UID, REPLACEMENT), response(body))


def listed(data: object, page: int = 1) -> Page:
    """Read a payload as Exante's response to a list."""
    return converse(EXANTE, EXANTE.list_page(Query(page=page)), response(enveloped(data)))
