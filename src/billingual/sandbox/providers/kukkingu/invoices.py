"""Kukkingu's invoices, as documented at https://docs.kukkingu.software (read 2026-11).

- `Authorization: Bearer <token>` and `tenant-id: tnt_` + 24 lower-case alphanumerics. Source:
  /api-reference/invoices/*.
- Success is always `{data: ...}` with status 200, also for a create. Source:
  /api-reference/tenants/list-tenants.md.
- `POST /api/v1/invoices` takes no status: an invoice begins as DRAFT. `contractId` goes in,
  `contract` comes out: an id, or an object with `expand=contract` or `contract.client`. Source:
  .../create-invoice, .../list-invoices.
- The list knows `contractId`, `status` and `expand`, and no paging. Source: .../list-invoices.
- `PATCH`: DRAFT every field, FINALIZED only `paidAt`, VOID none. Source:
  .../partially-update-invoice.
- `POST .../finalize` is irreversible; `POST .../void`. Sources: .../finalize-an-invoice-draft,
  .../void-an-invoice.
- `GET .../pdf` answers a link and does not list the `tenant-id` header. Source:
  .../get-invoice-pdf.

INFERRED, because undocumented: the error shapes and the status of a lock violation (see
`Settings`); a missing or malformed tenant header gives 400, a tenant that is not the caller's
403; another tenant's invoice 404; a number taken in the tenant 409; a void is allowed from DRAFT
and FINALIZED; null is refused; an unset instant reads as null; timestamps come back as they were
sent; the schema is checked before the lock. An empty PATCH is a no-op that leaves `updatedAt`
alone, except on a VOID invoice, which refuses every update.
"""

from __future__ import annotations

import re
from typing import Any, cast

from starlette.routing import Route

from billingual.sandbox.actions import Call, RefusalError, Reply, endpoint
from billingual.sandbox.fields import Field, integer, matching, number, read_object, text
from billingual.sandbox.instants import SECOND, millisecond_text
from billingual.sandbox.json_text import json_text, stored_json
from billingual.sandbox.providers.kukkingu.tenancy import (
    authorize,
    contract_record,
    expansions,
    refuse,
    tenant_of,
    wrapped,
)
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import Row

__all__ = ["TIMESTAMP", "TRANSITIONS", "UPDATABLE", "routes"]

Record = dict[str, Any]

TIMESTAMP = re.compile(
    r"^(?:(?:\d\d[2468][048]|\d\d[13579][26]|\d\d0[48]|[02468][048]00|[13579][26]00)-02-29|\d{4}-(?:(?:0[13578]|1[02])"
    r"-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|(?:02)-(?:0[1-9]|1\d|2[0-8])))"
    r"T(?:(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z))$",
    re.ASCII,
)
"""The documented pattern of every timestamp: a date that exists, a time, a literal Z."""

_timestamp = matching(TIMESTAMP, "a UTC timestamp such as 2023-10-05T14:48:00.000Z")
_contract_id = matching(re.compile(r"ctr_[a-z0-9]{24}"), "a contract id")

_WRITABLE = (
    ("invoiceNumber", text(shortest=1, longest=255)),
    ("exchangeRate", number(0)),
    ("currencyCode", matching(re.compile(r"[A-Z]{3}"), "an ISO 4217 code of three capitals")),
    ("amountMinor", integer(0, 2**53 - 1)),
)
_INSTANTS = ("issuedAt", "dueAt", "paidAt")
_CREATE = (
    Field("contractId", _contract_id, required=True),
    *(Field(name, check, required=True) for name, check in _WRITABLE),
    *(Field(name, _timestamp) for name in _INSTANTS),
)
_PATCH = (
    *(Field(name, check) for name, check in _WRITABLE),
    *(Field(name, _timestamp) for name in _INSTANTS),
)

UPDATABLE: dict[str, frozenset[str]] = {
    "DRAFT": frozenset(field.name for field in _PATCH),
    "FINALIZED": frozenset({"paidAt"}),
    "VOID": frozenset(),
}
"""The lock table: which fields a PATCH may name in which state."""

TRANSITIONS: dict[tuple[str, str], str] = {
    ("DRAFT", "finalize"): "FINALIZED",
    ("DRAFT", "void"): "VOID",
    ("FINALIZED", "void"): "VOID",
}
"""The state machine: (state, move) to state; what is not listed is refused."""

_PDF_LIFETIME_S = 900


def routes(state: SandboxState) -> list[Route]:
    """List the invoice endpoints."""
    one = "/api/v1/invoices/{id}"
    table = (
        ("GET", "/api/v1/invoices", _list),
        ("POST", "/api/v1/invoices", _create),
        ("GET", one, _get),
        ("PATCH", one, _patch),
        ("POST", f"{one}/finalize", _finalize),
        ("POST", f"{one}/void", _void),
        ("GET", f"{one}/pdf", _pdf),
    )
    return [
        Route(f"/kukkingu{path}", endpoint(state, action, refuse), methods=[method])
        for method, path, action in table
    ]


def _list(state: SandboxState, call: Call) -> Reply:
    tenant = tenant_of(call, authorize(call))
    parameters = call.only("contractId", "status", "expand")
    expand = expansions(parameters, "contract", "contract.client")
    sql, values = "SELECT * FROM kukkingu_invoice WHERE tenant = ?", [tenant]
    if "contractId" in parameters:
        _contract_id(parameters["contractId"], "contractId")
        sql, values = f"{sql} AND contract = ?", [*values, parameters["contractId"]]
    if "status" in parameters:
        if parameters["status"] not in UPDATABLE:
            raise RefusalError(
                400,
                "bad-parameter",
                "status must be one of " + ", ".join(UPDATABLE),
                (("status", "is not a status"),),
            )
        sql, values = f"{sql} AND status = ?", [*values, parameters["status"]]
    rows = state.store.rows(f"{sql} ORDER BY rowid", values)
    return wrapped([_record(state, row, expand) for row in rows])


def _create(state: SandboxState, call: Call) -> Reply:
    tenant = tenant_of(call, authorize(call))
    call.only()
    body = cast("Record", read_object(call.json(), _CREATE))
    contract_record(state, tenant, body["contractId"])
    _check_number(state, tenant, body["invoiceNumber"])
    invoice_id = state.store.ids.prefixed("inv_")
    now = state.clock.now()
    state.store.insert(
        "kukkingu_invoice",
        {
            "id": invoice_id,
            "tenant": tenant,
            "contract": body["contractId"],
            "status": "DRAFT",
            "number": body["invoiceNumber"],
            "created": now,
            "updated": now,
            "doc": json_text({field.name: body.get(field.name) for field in _PATCH}),
        },
    )
    record = _record(state, _existing(state, tenant, invoice_id))
    return wrapped(record, state.settings.kukkingu_create_status)


def _get(state: SandboxState, call: Call) -> Reply:
    tenant = tenant_of(call, authorize(call))
    expand = expansions(call.only("expand"), "contract", "contract.client")
    return wrapped(_record(state, _existing(state, tenant, call.parameters["id"]), expand))


def _patch(state: SandboxState, call: Call) -> Reply:
    tenant = tenant_of(call, authorize(call))
    call.only()
    changes = cast("Record", read_object(call.json(), _PATCH))
    row = _existing(state, tenant, call.parameters["id"])
    _check_lock(state, row["status"], changes)
    if changes:
        if "invoiceNumber" in changes:
            _check_number(state, tenant, changes["invoiceNumber"], besides=row["id"])
        doc = {**cast("Record", stored_json(row["doc"])), **changes}
        columns = {
            "number": doc["invoiceNumber"],
            "updated": state.clock.now(),
            "doc": json_text(doc),
        }
        state.store.update("kukkingu_invoice", ("id", row["id"]), columns)
    return wrapped(_record(state, _existing(state, tenant, row["id"])))


def _finalize(state: SandboxState, call: Call) -> Reply:
    return _move(state, call, "finalize")


def _void(state: SandboxState, call: Call) -> Reply:
    return _move(state, call, "void")


def _move(state: SandboxState, call: Call, move: str) -> Reply:
    """Move an invoice along the state machine."""
    tenant = tenant_of(call, authorize(call))
    call.only()
    if call.body.strip():
        raise RefusalError(400, "body-not-allowed", f"{move} takes no body")
    row = _existing(state, tenant, call.parameters["id"])
    target = TRANSITIONS.get((row["status"], move))
    if target is None:
        raise RefusalError(
            state.settings.kukkingu_lock_status,
            "transition",
            f"Cannot {move} an invoice in {row['status']} status",
        )
    columns = {"status": target, "updated": state.clock.now()}
    state.store.update("kukkingu_invoice", ("id", row["id"]), columns)
    return wrapped(_record(state, _existing(state, tenant, row["id"])))


def _pdf(state: SandboxState, call: Call) -> Reply:
    """Answer a link to a PDF on another host; its lifetime is in seconds (INFERRED)."""
    account = authorize(call)
    if "tenant-id" in call.headers:
        tenant_of(call, account)
    call.only()
    row = _existing(state, str(account.tenant), call.parameters["id"])
    now = state.clock.now()
    return wrapped(
        {
            "id": row["id"],
            "url": f"https://files.kukkingu.example/{row['id']}.pdf",
            "fileName": f"{row['id']}.pdf",
            "expiresIn": _PDF_LIFETIME_S,
            "expiresAt": millisecond_text(now + _PDF_LIFETIME_S * SECOND),
            "createdAt": millisecond_text(now),
        }
    )


def _check_lock(state: SandboxState, status: str, changes: Record) -> None:
    """Refuse a PATCH the state does not allow, whether or not it would change a value."""
    locked = sorted(set(changes) - UPDATABLE[status])
    if locked or status == "VOID":
        details = tuple((f"$.{name}", "is locked") for name in locked)
        raise RefusalError(
            state.settings.kukkingu_lock_status,
            "status-lock",
            f"Invoice in {status} status: {', '.join(locked) or 'the invoice'} cannot be updated",
            details,
        )


def _check_number(state: SandboxState, tenant: str, value: str, besides: str = "") -> None:
    taken = state.store.row(
        "SELECT 1 FROM kukkingu_invoice WHERE tenant = ? AND number = ? AND id <> ?",
        (tenant, value, besides),
    )
    if taken is not None:
        raise RefusalError(409, "number-taken", f"Invoice number {value!r} is already taken")


def _existing(state: SandboxState, tenant: str, id: str) -> Row:
    row = state.store.row(
        "SELECT * FROM kukkingu_invoice WHERE id = ? AND tenant = ?", (id, tenant)
    )
    if row is None:
        raise RefusalError(404, "invoice-not-found", "Invoice not found")
    return row


def _record(state: SandboxState, row: Row, expand: frozenset[str] = frozenset()) -> Record:
    doc = cast("Record", stored_json(row["doc"]))
    contract: object = row["contract"]
    if expand:
        contract = contract_record(
            state, row["tenant"], row["contract"], with_client="contract.client" in expand
        )
    return {
        "id": row["id"],
        "contract": contract,
        "status": row["status"],
        **doc,
        "createdAt": millisecond_text(row["created"]),
        "updatedAt": millisecond_text(row["updated"]),
    }
