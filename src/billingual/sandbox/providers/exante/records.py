"""Exante's records: one stored row, two shapes of response.

Documented facts (sources: https://docs.exante.app/api-reference/invoices/create, .../bulk-update,
.../list, read 2026-11):

- The *invoice* is what create, get and update response; the *list row* is another shape: it adds
  `parent_contract` and `blueprint`, shows only `parties.client`, and lacks `currency`,
  `invoice_type`, `line_items`, `target_party_uid`, `invoice_fields`, `invoice_link`,
  `integrations`, `invoice_notes`, `comments`, `age`, `has_comments` and `invoice_blueprint_uid`.
- `invoice_fields` goes in as a map and comes out as an array of `{key, value: {type,
  original_type, value}}`.
- `owner_uid` goes in and never comes out.

INFERRED: `total` equals `total_cents`; amounts follow from the line items, so a new invoice
totals zero; `age` counts days since the issue date; a date that is not set is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from billingual.sandbox.instants import day_of, second_text
from billingual.sandbox.json_text import stored_json
from billingual.sandbox.providers.exante.query import OVERDUE_DAYS, shown_status
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import Row

__all__ = [
    "AMOUNTS",
    "FROM",
    "LISTED",
    "Record",
    "amounts_of",
    "columns_of",
    "fields_array",
    "find",
    "invoice_record",
    "list_row",
]

Record = dict[str, Any]

AMOUNTS = (
    "subtotal_cents",
    "discount_cents",
    "tax_cents",
    "total",
    "total_cents",
    "pre_payment_credit_notes_cents",
    "amount_due_cents",
    "amount_paid_cents",
    "amount_remaining_cents",
)
"""The money fields both shapes share, in integer cents."""

FROM = """exante_invoice i JOIN exante_party p ON p.uid = i.party
    JOIN exante_document d ON d.uid = i.document
    JOIN exante_organization o ON o.uid = i.organization
    LEFT JOIN exante_blueprint b ON b.uid = i.blueprint"""
"""The joined tables a record is made of."""

LISTED = "exante_invoice i JOIN exante_party p ON p.uid = i.party"
"""The tables that filters and orders of the list look at."""


def columns_of(state: SandboxState) -> str:
    """Give the SELECT list `invoice_record` and `list_row` read; it needs a value for `today`."""
    return f"""i.uid, i.organization, i.number, i.type, {shown_status(state)} AS status,
    i.collection_method, i.issue_date, i.due_date, i.paid_date, {OVERDUE_DAYS} AS overdue_days,
    i.party, i.document, i.blueprint, i.doc, p.doc AS client, o.doc AS provider,
    d.filename, d.archived, coalesce(b.active, 1) AS active"""


def find(state: SandboxState, organizations: Sequence[str], uid: str) -> Row | None:
    """Find one invoice of one of the given organizations, of either type."""
    marks = ", ".join(f":o{index}" for index in range(len(organizations)))
    values: dict[str, object] = {f"o{index}": name for index, name in enumerate(organizations)}
    values |= {"uid": uid.lower(), "today": day_of(state.clock.now())}
    return state.store.row(
        f"SELECT {columns_of(state)} FROM {FROM}"  # noqa: S608  our own columns
        f" WHERE i.uid = :uid AND i.organization IN ({marks})",
        values,
    )


def invoice_record(state: SandboxState, row: Row) -> Record:
    """Write the full invoice."""
    doc = cast("Record", stored_json(row["doc"]))
    age = (
        None if row["issue_date"] is None else day_of(state.clock.now()) - day_of(row["issue_date"])
    )
    return {
        "uid": row["uid"],
        "invoice_number": row["number"],
        "invoice_type": row["type"],
        "status": row["status"],
        "collection_method": row["collection_method"],
        **_dates(row),
        **{name: doc[name] for name in AMOUNTS},
        "overdue_days": row["overdue_days"],
        "currency": doc["currency"],
        "invoice_link": f"https://pay.exante.example/i/{row['uid']}",
        "document_uid": row["document"],
        "invoice_blueprint_uid": row["blueprint"],
        "target_party_uid": row["party"],
        "age": age,
        "has_comments": bool(doc["comments"]),
        "line_items": doc["line_items"],
        "invoice_fields": doc["invoice_fields"],
        "parties": {
            "client": stored_json(row["client"]),
            "service_provider": cast("Record", stored_json(row["provider"]))["party"],
        },
        "integrations": doc["integrations"],
        "invoice_notes": doc["invoice_notes"],
        "comments": doc["comments"],
    }


def list_row(row: Row) -> Record:
    """Write the row of a list, which is not the invoice."""
    doc = cast("Record", stored_json(row["doc"]))
    return {
        "uid": row["uid"],
        "parent_contract": {
            "filename": row["filename"],
            "uid": row["document"],
            "is_archived": bool(row["archived"]),
        },
        "invoice_number": row["number"],
        **{name: doc[name] for name in AMOUNTS},
        "overdue_days": row["overdue_days"],
        **_dates(row),
        "document_uid": row["document"],
        "status": row["status"],
        "collection_method": row["collection_method"],
        "blueprint": {"is_active": bool(row["active"])},
        "parties": {"client": stored_json(row["client"])},
    }


def fields_array(fields: Mapping[str, Mapping[str, object]]) -> list[Record]:
    """Turn the map a request carries into the array a response shows."""
    return [
        {
            "key": key,
            "value": {
                "type": field["type"],
                "original_type": field["type"],
                "value": field.get("value"),
            },
        }
        for key, field in fields.items()
    ]


def amounts_of(
    line_items: Sequence[Mapping[str, Any]], *, tax_percent: int = 0, credit: int = 0, paid: int = 0
) -> dict[str, int]:
    """Compute the money fields, in cents; the tax is rounded down (INFERRED)."""
    subtotal = sum(item["line_total"] for item in line_items if item["context_type"] == "PRODUCT")
    discount = sum(item["line_total"] for item in line_items if item["context_type"] == "DISCOUNT")
    tax = (subtotal - discount) * tax_percent // 100
    total = subtotal - discount + tax
    due = total - credit
    values = (subtotal, discount, tax, total, total, credit, due, paid, due - paid)
    return dict(zip(AMOUNTS, values, strict=True))


def _dates(row: Row) -> Record:
    return {
        name: None if row[name] is None else second_text(row[name])
        for name in ("issue_date", "due_date", "paid_date")
    }
