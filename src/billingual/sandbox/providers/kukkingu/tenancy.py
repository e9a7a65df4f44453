"""Kukkingu's frame: token, tenant header, envelope, errors, and the reads of tenants and contracts.

- `GET /api/v1/tenants?search=` finds a tenant and lists no `tenant-id` header. Source:
  /api-reference/tenants/*.
- `GET /api/v1/contracts?clientId=&expand=client` and `GET /api/v1/contracts/{id}`, the latter
  without the header.
  Source: /api-reference/contracts/*.

INFERRED: the error shapes (see `Settings`). `fastify` is the default body of the framework the
documentation's generator points to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from starlette.routing import Route

from billingual.sandbox.accounts import Account, account_of_token
from billingual.sandbox.actions import Call, RefusalError, Reply, bearer_token, endpoint
from billingual.sandbox.instants import millisecond_text
from billingual.sandbox.json_text import stored_json
from billingual.sandbox.state import SandboxState

__all__ = [
    "authorize",
    "contract_record",
    "expansions",
    "refuse",
    "routes",
    "tenant_of",
    "wrapped",
]

_TENANT = re.compile(r"tnt_[a-z0-9]{24}")


def routes(state: SandboxState) -> list[Route]:
    """List the reads around invoices."""
    table = (
        ("/api/v1/tenants", _tenants),
        ("/api/v1/contracts", _contracts),
        ("/api/v1/contracts/{id}", _contract),
    )
    return [
        Route(f"/kukkingu{path}", endpoint(state, action, refuse), methods=["GET"])
        for path, action in table
    ]


def refuse(state: SandboxState, refusal: RefusalError) -> Reply:
    """Answer an error; the shape is INFERRED and the `kukkingu_error_shape` setting chooses it."""
    code = refusal.rule.upper().replace("-", "_")
    issues = [{"path": path, "message": reason} for path, reason in refusal.details]
    shape = state.settings.kukkingu_error_shape
    body: dict[str, object]
    if shape == "nested":
        body = {"error": {"code": code, "message": refusal.message}}
    elif shape == "issues":
        body = {"message": refusal.message, "issues": issues}
    else:
        body = {
            "statusCode": refusal.status,
            "code": code,
            "error": _phrase(refusal.status),
            "message": refusal.message,
        }
    return Reply(body=body, status=refusal.status, rule=refusal.rule)


def authorize(call: Call) -> Account:
    """Find out who is calling.

    Raises:
        RefusalError: 401 if the token is missing, malformed or unknown (the status is INFERRED).
    """
    token = bearer_token(call)
    if token is None:
        raise RefusalError(401, "authorization-missing", "Authorization header is missing")
    account = account_of_token("kukkingu", token)
    if account is None:
        raise RefusalError(401, "token-unknown", "Invalid token")
    return account


def tenant_of(call: Call, account: Account) -> str:
    """Give the tenant the call is scoped to.

    Raises:
        RefusalError: 400 if the `tenant-id` header is missing or malformed, 403 if the tenant is
            not the caller's.
    """
    tenant = call.headers.get("tenant-id")
    if tenant is None:
        raise RefusalError(400, "tenant-missing", "Header tenant-id is required")
    if _TENANT.fullmatch(tenant) is None:
        raise RefusalError(400, "tenant-malformed", "Header tenant-id is not a tenant id")
    if tenant != account.tenant:
        raise RefusalError(403, "tenant-foreign", "You have no access to this tenant")
    return tenant


def expansions(parameters: Mapping[str, str], *allowed: str) -> frozenset[str]:
    """Read the comma-separated `expand` parameter.

    Raises:
        RefusalError: 400 if a value is not among *allowed*.
    """
    if "expand" not in parameters:
        return frozenset()
    wanted = frozenset(parameters["expand"].split(","))
    if not wanted <= set(allowed):
        raise RefusalError(
            400,
            "bad-parameter",
            "expand must be of " + ", ".join(allowed),
            (("expand", "is not expandable"),),
        )
    return wanted


def wrapped(data: object, status: int = 200) -> Reply:
    """Wrap a success."""
    return Reply(body={"data": data}, status=status)


def contract_record(
    state: SandboxState, tenant: str, id: str, *, with_client: bool = False
) -> dict[str, Any]:
    """Write a contract of a tenant, its client as an id or as an object.

    Raises:
        RefusalError: 404 if the tenant has no such contract.
    """
    row = state.store.row(
        "SELECT k.*, c.doc AS client_doc FROM kukkingu_contract k"
        " JOIN kukkingu_client c ON c.id = k.client WHERE k.id = ? AND k.tenant = ?",
        (id, tenant),
    )
    if row is None:
        raise RefusalError(404, "contract-not-found", "Contract not found")
    client = stored_json(row["client_doc"]) if with_client else row["client"]
    return {"id": row["id"], "client": client, **cast("dict[str, Any]", stored_json(row["doc"]))}


def _tenants(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    search = call.only("search").get("search", "")
    rows = state.store.rows(
        "SELECT * FROM kukkingu_tenant WHERE id = ? AND instr(fold(name), fold(?))",
        (account.tenant, search),
    )
    return wrapped(
        [
            {"id": row["id"], "name": row["name"], "createdAt": millisecond_text(row["created"])}
            for row in rows
        ]
    )


def _contracts(state: SandboxState, call: Call) -> Reply:
    tenant = tenant_of(call, authorize(call))
    parameters = call.only("clientId", "expand")
    expand = expansions(parameters, "client")
    client = parameters.get("clientId")
    rows = state.store.rows(
        "SELECT id FROM kukkingu_contract WHERE tenant = ? AND coalesce(?, client) = client"
        " ORDER BY rowid",
        (tenant, client),
    )
    return wrapped(
        [contract_record(state, tenant, row["id"], with_client="client" in expand) for row in rows]
    )


def _contract(state: SandboxState, call: Call) -> Reply:
    account = authorize(call)
    if "tenant-id" in call.headers:
        tenant_of(call, account)
    call.only()
    return wrapped(contract_record(state, str(account.tenant), call.parameters["id"]))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
