"""The sandbox keeps to its own OpenAPI documents, which schemathesis reads and fuzzes."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from _support.sandbox_app import Caller
from billingual.sandbox import ACCOUNTS, LANDMARKS, create_app

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = {
    "exante": [
        "GET /api/invoices",
        "POST /api/invoices",
        "PUT /api/invoices",
        "DELETE /api/invoices",
        "GET /api/invoices/{invoice_uid}",
        "PUT /api/invoices/{invoice_uid}",
        "GET /api/organization/{organization_uid}/invoices/stats",
        "GET /api/organization/{organization_uid}/invoices/filter-options",
        "GET /api/user",
    ],
    "katsu": ["PUT /api/v1/Invoice/Update"],
    "kukkingu": [
        "GET /api/v1/invoices",
        "POST /api/v1/invoices",
        "GET /api/v1/invoices/{invoiceId}",
        "PATCH /api/v1/invoices/{invoiceId}",
        "POST /api/v1/invoices/{invoiceId}/finalize",
        "POST /api/v1/invoices/{invoiceId}/void",
        "GET /api/v1/invoices/{invoiceId}/pdf",
        "GET /api/v1/contracts",
        "GET /api/v1/contracts/{contractId}",
        "GET /api/v1/tenants",
    ],
}
EXAMPLES = 12


def known_ids(provider: str, app: Any) -> dict[str, str]:
    """Give ids that exist, by the name under which a request carries them."""
    if provider == "exante":
        listed = Caller(app, "exante")("GET", "/api/invoices").json["data"]["items"]
        return {
            "invoice_uid": listed[0]["uid"],
            "uid": listed[1]["uid"],
            "bare": listed[2]["uid"],
            "organization_uid": LANDMARKS["exante_organization"],
            "target_party_uid": LANDMARKS["exante_party"],
            "document_uid": LANDMARKS["exante_document"],
            "invoice_blueprint_uid": LANDMARKS["exante_blueprint"],
        }
    if provider == "kukkingu":
        drafts = Caller(app, "kukkingu")("GET", "/api/v1/invoices", status="DRAFT").json["data"]
        contract = LANDMARKS["kukkingu_contract"]
        return {"invoiceId": drafts[0]["id"], "contractId": contract}
    return {"id": LANDMARKS["katsu_invoice"]}


def with_known_ids(value: Any, ids: dict[str, str]) -> Any:
    """Replace made-up ids by ones that exist, so that requests get past the 404."""
    if isinstance(value, list):
        if "bare" in ids and value and all(isinstance(item, str) for item in value):
            return [ids["bare"]]
        return [with_known_ids(item, ids) for item in value]
    if isinstance(value, dict):
        return {
            name: ids[name] if name in ids and isinstance(item, str) else with_known_ids(item, ids)
            for name, item in value.items()
        }
    return value


@pytest.mark.slow
@pytest.mark.parametrize("provider", sorted(OPERATIONS))
def test_responses_conform_to_the_document(provider: str) -> None:
    """Valid and invalid requests alike get documented statuses, labels and shapes, never a 5xx."""
    app = create_app(invoices=20)
    account = ACCOUNTS[provider]
    headers = {"Authorization": f"Bearer {account.token}"}
    if account.tenant is not None:
        headers["tenant-id"] = account.tenant
    schema = schemathesis.openapi.from_asgi(f"/{provider}/openapi.json", app)
    ids = known_ids(provider, app)
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        statuses = seen.setdefault(operation.label, set())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            cases = operation.as_strategy(generation_mode=mode)
            _exchange(cases, headers, ids if mode is GenerationMode.POSITIVE else {}, statuses)

    assert list(seen) == OPERATIONS[provider]
    assert [label for label, statuses in seen.items() if 200 not in statuses] == []


def _exchange(cases: Any, headers: dict[str, str], ids: dict[str, str], seen: set[int]) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=cases)
    def check(case: Any) -> None:
        case.path_parameters = with_known_ids(case.path_parameters, ids)
        case.query = with_known_ids(case.query, ids)
        case.body = with_known_ids(case.body, ids)
        response = case.call(headers=headers)
        seen.add(response.status_code)
        case.validate_response(response, checks=CHECKS, headers=headers)

    check()
