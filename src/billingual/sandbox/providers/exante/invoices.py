"""Exante, as documented at https://docs.exante.app (read 2026-11): receivable invoices.

- `Authorization: Bearer ex_live_...`; a missing, malformed, unknown, expired or revoked key gives
  401, a key without the permission 403. Source: /api-reference/authentication.
- Success is `{status: "success", status_code, message, data}`. Source:
  /api-reference/invoices/create.
- `POST /api/invoices` requires `target_party_uid`, `owner_uid` and `document_uid`; an omitted or
  blank number is generated. Source: /api-reference/invoices/create.
- `PUT /api/invoices` takes an array of 1 to 100 and commits all of it or nothing; it is a partial
  update although it is a PUT, and knows no `document_uid`, `invoice_blueprint_uid` or
  `invoice_fields`. `PUT /api/invoices/{uid}` knows them. Sources:
  /api-reference/invoices/bulk-update, .../update.
- `DELETE /api/invoices` takes an array of 1 to 100 uids in its body. Source: .../bulk-delete.
- The list is scoped to one organization; a non-member is rejected. Source: .../list.

INFERRED, because undocumented: the error shapes (see `Settings`); 403 for a foreign organization;
404 for an invoice that does not exist or is another organization's; 409 for a number already taken
in its organization (see `Settings`); null refused in updates; `invoice_fields` of an update replace
the stored ones (see `Settings`); duplicate uids in one batch refused; amounts do not follow the
status; a new invoice has the collection method `send_invoice`.
"""

from __future__ import annotations

from typing import Any, cast

from starlette.routing import Route

from billingual.sandbox.accounts import Account, account_of_token
from billingual.sandbox.actions import Call, RefusalError, Reply, bearer_token, endpoint
from billingual.sandbox.fields import (
    Field,
    any_value,
    array_of,
    choice,
    date_time,
    object_of,
    open_map,
    read_object,
    text,
    uuid,
)
from billingual.sandbox.instants import day_of, second_text
from billingual.sandbox.json_text import json_text, stored_json
from billingual.sandbox.providers.exante.query import COLLECTION_METHODS
from billingual.sandbox.providers.exante.records import (
    Record,
    amounts_of,
    fields_array,
    find,
    invoice_record,
)
from billingual.sandbox.state import SandboxState
from billingual.sandbox.store import Row

__all__ = ["authorize", "envelope", "refuse", "routes"]

_INVOICE_FIELDS = open_map(
    object_of(Field("type", text(), required=True), Field("value", any_value))
)

_CREATE = (
    Field("target_party_uid", uuid, required=True),
    Field("owner_uid", uuid, required=True),
    Field("document_uid", uuid, required=True),
    Field("invoice_blueprint_uid", uuid, nullable=True),
    Field("issue_date", date_time, nullable=True),
    Field("due_date", date_time, nullable=True),
    Field("invoice_number", text(), nullable=True),
    Field("status", text(shortest=1)),
    Field("currency", text(shortest=3, longest=3)),
    Field("invoice_type", choice("ACCOUNTS_PAYABLE", "ACCOUNTS_RECEIVABLE")),
    Field("invoice_fields", _INVOICE_FIELDS),
)
_CHANGES = (
    Field("status", text(shortest=1)),
    Field("issue_date", date_time),
    Field("due_date", date_time),
    Field("paid_date", date_time),
    Field("invoice_number", text(shortest=1)),
    Field("collection_method", choice(*COLLECTION_METHODS)),
    Field("currency", text(shortest=3, longest=3)),
    Field("target_party_uid", uuid),
)
_UPDATE = (
    *_CHANGES,
    Field("document_uid", uuid),
    Field("invoice_blueprint_uid", uuid),
    Field("invoice_fields", _INVOICE_FIELDS),
)
_BULK_UPDATE = array_of(
    object_of(Field("uid", uuid, required=True), *_CHANGES), shortest=1, longest=100
)
_BULK_DELETE = array_of(uuid, shortest=1, longest=100)

_COLUMNS = {
    "status": "status",
    "issue_date": "issue_date",
    "due_date": "due_date",
    "paid_date": "paid_date",
    "invoice_number": "number",
    "collection_method": "collection_method",
    "target_party_uid": "party",
    "document_uid": "document",
    "invoice_blueprint_uid": "blueprint",
}


def routes(state: SandboxState) -> list[Route]:
    """List the writing half of the provider and the single read; `exante_reads` has the rest."""
    table = (
        ("POST", "/api/invoices", _create),
        ("PUT", "/api/invoices", _bulk_update),
        ("DELETE", "/api/invoices", _bulk_delete),
        ("GET", "/api/invoices/{uid}", _get),
        ("PUT", "/api/invoices/{uid}", _update),
    )
    return [
        Route(f"/exante{path}", endpoint(state, action, refuse), methods=[method])
        for method, path, action in table
    ]


def refuse(state: SandboxState, refusal: RefusalError) -> Reply:
    """Answer an error; the shape is INFERRED and the `exante_error_shape` setting chooses it."""
    settings = state.settings
    status = refusal.status
    if status == 400:
        status = settings.exante_validation_status
    details = [f"{path} {reason}" for path, reason in refusal.details]
    if settings.exante_error_shape == "details":
        return Reply(
            body={"error": refusal.message, "details": details}, status=status, rule=refusal.rule
        )
    body: Record = {"status": "error", "status_code": status, "message": refusal.message}
    if details:
        body["data"] = {"errors": details}
    http_status = 200 if settings.exante_error_shape == "envelope_in_200" else status
    return Reply(body=body, status=http_status, rule=refusal.rule)


def authorize(call: Call, *, write: bool = False) -> Account:
    """Find out who is calling.

    Raises:
        RefusalError: 401 if the key is missing, malformed, unknown, expired or revoked; 403 if it
            may not write.
    """
    token = bearer_token(call)
    if token is None:
        raise RefusalError(401, "authorization-missing", "Authorization header is missing")
    account = account_of_token("exante", token)
    if account is None:
        raise RefusalError(401, "key-unknown", "API key is invalid")
    if account.state != "active":
        raise RefusalError(401, f"key-{account.state}", f"API key is {account.state}")
    if write and not account.may_write():
        raise RefusalError(403, "key-scope", "API key lacks the permission to change invoices")
    return account


def envelope(data: object, message: str = "Success", status: int = 200) -> Reply:
    """Wrap a success."""
    return Reply(
        body={"status": "success", "status_code": status, "message": message, "data": data},
        status=status,
    )


def _create(state: SandboxState, call: Call) -> Reply:
    account = authorize(call, write=True)
    call.only()
    body = cast("Record", read_object(call.json(), _CREATE))
    organization = _organization_of_party(state, account, body["target_party_uid"])
    _check_references(state, organization, body)
    number = body.get("invoice_number") or ""
    if not number.strip():
        number = _next_number(state, organization)
    _check_number(state, organization, number)
    uid = state.store.ids.uuid()
    due = body.get("due_date")
    state.store.insert(
        "exante_invoice",
        {
            "uid": uid,
            "organization": organization,
            "number": number,
            "type": body.get("invoice_type", "ACCOUNTS_RECEIVABLE"),
            "status": body.get("status", "DRAFT"),
            "collection_method": "send_invoice",
            "issue_date": body.get("issue_date"),
            "due_date": due,
            "due_day": None if due is None else day_of(due),
            "total": 0,
            "party": body["target_party_uid"],
            "document": body["document_uid"],
            "blueprint": body.get("invoice_blueprint_uid"),
            "doc": json_text(_new_doc(body)),
        },
    )
    record = invoice_record(state, _existing(state, account, uid))
    return envelope(record, status=state.settings.exante_create_status)


def _get(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    call.only()
    return envelope(invoice_record(state, _existing(state, account, call.parameters["uid"])))


def _update(state: SandboxState, call: Call) -> Reply:
    account = authorize(call, write=True)
    call.only()
    changes = cast("Record", read_object(call.json(), _UPDATE))
    row = _existing(state, account, call.parameters["uid"])
    _change(state, row, changes)
    return envelope(invoice_record(state, _existing(state, account, row["uid"])))


def _bulk_update(state: SandboxState, call: Call) -> Reply:
    """Update 1 to 100 invoices; the request's one transaction makes it all or nothing."""
    account = authorize(call, write=True)
    call.only()
    batch = cast("list[Record]", _BULK_UPDATE(call.json(), "$"))
    uids = [change.pop("uid") for change in batch]
    _check_distinct(uids)
    for uid, change in zip(uids, batch, strict=True):
        _change(state, _existing(state, account, uid), change)
    records = [invoice_record(state, _existing(state, account, uid)) for uid in uids]
    if state.settings.exante_bulk_order == "reversed":
        records.reverse()
    return envelope(records, f"Successfully updated {len(records)} invoice(s)")


def _bulk_delete(state: SandboxState, call: Call) -> Reply:
    """Delete 1 to 100 invoices; whether all or nothing is undocumented, and a setting."""
    account = authorize(call, write=True)
    call.only()
    uids = cast("list[str]", _BULK_DELETE(call.json(), "$"))
    _check_distinct(uids)
    for uid in uids:
        try:
            row = _existing(state, account, uid)
        except RefusalError as refusal:
            if state.settings.exante_bulk_delete == "partial":
                return refuse(state, refusal)
            raise
        state.store.run("DELETE FROM exante_invoice WHERE uid = ?", (row["uid"],))
    return envelope({}, f"Successfully deleted {len(uids)} invoice(s)")


def _change(state: SandboxState, row: Row, changes: Record) -> None:
    """Apply a partial update to one invoice."""
    organization = row["organization"]
    if "target_party_uid" in changes:
        _check_party(state, organization, changes["target_party_uid"])
    _check_references(state, organization, changes)
    columns = {_COLUMNS[name]: value for name, value in changes.items() if name in _COLUMNS}
    if "number" in columns:
        _check_number(state, organization, columns["number"], besides=row["uid"])
    if "due_date" in columns:
        columns["due_day"] = day_of(columns["due_date"])
    doc = cast("Record", stored_json(row["doc"]))
    if "currency" in changes:
        doc["currency"] = changes["currency"]
    if "invoice_fields" in changes:
        merges = state.settings.exante_fields_update == "merged"
        kept = doc["invoice_fields"] if merges else []
        fields = [*kept, *fields_array(changes["invoice_fields"])]
        doc["invoice_fields"] = list({field["key"]: field for field in fields}.values())
    columns["doc"] = json_text(doc)
    state.store.update("exante_invoice", ("uid", row["uid"]), columns)


def _existing(state: SandboxState, account: Account, uid: str) -> Row:
    row = find(state, account.organizations, uid)
    if row is None:
        raise RefusalError(404, "invoice-not-found", f"Invoice {uid[:80]} not found")
    return row


def _organization_of_party(state: SandboxState, account: Account, party: str) -> str:
    """Find the organization a party is billed from; the body names none (INFERRED)."""
    row = state.store.row("SELECT organization FROM exante_party WHERE uid = ?", (party,))
    if row is None or row["organization"] not in account.organizations:
        raise _bad_reference("target_party_uid", "is not a party you may bill")
    return str(row["organization"])


def _check_party(state: SandboxState, organization: str, party: str) -> None:
    found = state.store.row(
        "SELECT 1 FROM exante_party WHERE uid = ? AND organization = ?", (party, organization)
    )
    if found is None:
        raise _bad_reference("target_party_uid", "is not a party this organization may bill")


def _check_references(state: SandboxState, organization: str, body: Record) -> None:
    """Check that the document and the blueprint exist in the invoice's organization."""
    tables = {"document_uid": "exante_document", "invoice_blueprint_uid": "exante_blueprint"}
    for name, table in tables.items():
        query = f"SELECT 1 FROM {table} WHERE uid = ? AND organization = ?"  # noqa: S608  ours
        if body.get(name) is not None and not state.store.row(query, (body[name], organization)):
            raise _bad_reference(name, "does not exist in this organization")


def _check_number(state: SandboxState, organization: str, number: str, besides: str = "") -> None:
    if not number.strip():
        raise RefusalError(
            400, "blank-number", "$.invoice_number is blank", (("$.invoice_number", "is blank"),)
        )
    if state.settings.exante_number_taken == "accepted":
        return
    taken = state.store.row(
        "SELECT 1 FROM exante_invoice WHERE organization = ? AND number = ? AND uid <> ?",
        (organization, number, besides),
    )
    if taken is not None:
        raise RefusalError(409, "number-taken", f"Invoice number {number[:80]!r} is already taken")


def _check_distinct(uids: list[str]) -> None:
    if len(set(uids)) != len(uids):
        raise RefusalError(400, "duplicate-uid", "The same invoice appears twice in the batch")


def _next_number(state: SandboxState, organization: str) -> str:
    """Generate the number after the last one generated, skipping those taken."""
    year = second_text(state.clock.now())[:4]
    while True:
        serial = (state.store.meta("exante_serial") or 0) + 1
        state.store.set_meta("exante_serial", serial)
        number = f"INV-{year}-{serial:05d}"
        if not state.store.row(
            "SELECT 1 FROM exante_invoice WHERE organization = ? AND number = ?",
            (organization, number),
        ):
            return number


def _new_doc(body: Record) -> dict[str, Any]:
    return {
        **amounts_of([]),
        "currency": body.get("currency", "USD"),
        "owner_uid": body["owner_uid"],
        "line_items": [],
        "invoice_fields": fields_array(body.get("invoice_fields", {})),
        "integrations": [],
        "invoice_notes": {"invoice_memo": None, "invoice_footer": None},
        "comments": [],
    }


def _bad_reference(name: str, reason: str) -> RefusalError:
    return RefusalError(400, "bad-reference", f"$.{name} {reason}", ((f"$.{name}", reason),))
