"""What the four dialects are tried with: the responses that the providers' documentation prints."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from billingual.abc import Dialect, Scope
from billingual.capabilities import Feature
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.dialects.v1.dialect import V1Dialect
from billingual.model import (
    Changes,
    Discount,
    Draft,
    Filter,
    Money,
    Query,
    Replacement,
    ReplacementLine,
    Sort,
    Tax,
)
from billingual.testing import DialectSamples, Sample

__all__ = ["SUBJECTS", "DialectSubject"]

GOLDEN: Final = Path(__file__).parents[1] / "dialects" / "golden"
UID: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER: Final = "550e8400-e29b-41d4-a716-446655440001"
TENANT: Final = "tnt_pfh0haxfpzowht3oi213cqos"
INVOICE: Final = "inv_mqxd1kc6bgtcc676xoqzax47"
CONTRACT: Final = "ctr_mqxd1kc6bgtcc676xoqzax47"
MOMENT: Final = "2026-04-29T00:00:00Z"


def _documented(name: str) -> dict[str, Any]:
    page: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_bytes(), parse_float=Decimal)
    return page


def _written(value: object) -> bytes:
    return json.dumps(value, default=float, indent=1).encode()


def _exante() -> DialectSamples:
    one = _written(_documented("exante_create")["response"])
    page = _written(_documented("exante_list")["response"])
    draft = Draft(counterparty=UID, owner=UID, document=UID, due_at=MOMENT, number="<string>")
    return DialectSamples(
        operations=[
            Sample(feature=Feature.CREATE, operands=[draft], responses=one, status=201),
            Sample(feature=Feature.GET, operands=[UID], responses=one, shows={"kind": "payable"}),
            Sample(
                feature=Feature.LIST,
                operands=[
                    Query(
                        # Later than the moment that the suite gives to the other filters.
                        filter=Filter(status=["SENT"], issued_from="2026-06-01T00:00:00Z"),
                        sort=Sort("due_at"),
                        page=123,
                    )
                ],
                responses=page,
                shows={"total_pages": 123, "total": Money(123, None)},
            ),
            Sample(
                feature=Feature.UPDATE,
                operands=[UID, Changes(status="SENT", due_at=MOMENT), None],
                responses=one,
            ),
        ],
        refusal=b'{"status":"error","status_code":400,"message":"no such party","data":null}',
        complaint="no such party",
        wrong={Feature.GET: [("nonsense",)], Feature.UPDATE: [("x", Changes(number="1"), None)]},
        scope=Scope(organization=OTHER),
    )


def _bulk() -> DialectSamples:
    response = _documented("exante_bulk_update")["response"]
    ids = [each["uid"] for each in response["data"]]
    return DialectSamples(
        operations=[
            Sample(
                feature=Feature.UPDATE_MANY,
                operands=[[(each, Changes(status="SENT")) for each in ids]],
                responses=_written(response),
                shows={"number": "<string>"},
            ),
            Sample(
                feature=Feature.DELETE_MANY,
                operands=[[UID, OTHER]],
                responses=b'{"status":"success","status_code":200,"message":"Gone","data":{}}',
            ),
        ],
        refusal=b'{"status":"error","status_code":400,"message":"one is missing","data":null}',
        complaint="one is missing",
        wrong={Feature.DELETE_MANY: [(["nonsense"],)]},
    )


def _tenant() -> DialectSamples:
    payload = _documented("tenant_partial_update")["response"]["data"]

    def one(status: str) -> bytes:
        return _written({"data": {**payload, "status": status}})

    draft = Draft(
        document=CONTRACT, number="INV-2025-0001", total=Money.of("50", "EUR"), exchange_rate="1"
    )
    return DialectSamples(
        operations=[
            Sample(feature=Feature.CREATE, operands=[draft], responses=one("DRAFT"), status=201),
            Sample(
                feature=Feature.GET,
                operands=[INVOICE],
                responses=one("VOID"),
                shows={"total": Money.of("50", "EUR"), "status": "VOID"},
            ),
            Sample(
                feature=Feature.LIST, operands=[Query()], responses=_written({"data": [payload]})
            ),
            Sample(
                feature=Feature.UPDATE,
                operands=[INVOICE, Changes(number="INV-2025-0001"), None],
                responses=one("DRAFT"),
            ),
            Sample(feature=Feature.FINALIZE, operands=[INVOICE], responses=one("FINALIZED")),
            Sample(feature=Feature.VOID, operands=[INVOICE], responses=one("VOID")),
        ],
        refusal=b'{"statusCode":422,"error":"Unprocessable","message":"not a draft"}',
        complaint="not a draft",
        wrong={Feature.VOID: [("inv-short",)], Feature.LIST: [(Query(page_size=5),)]},
        scope=Scope(tenant="tnt_" + "a" * 24),
    )


REPLACEMENT: Final = Replacement(
    counterparty=OTHER,
    counterparty_name="Acme",
    receiving_account=OTHER,
    account_name="Main",
    due_at=MOMENT,
    currency="USD",
    lines=[ReplacementLine(product_id=UID, quantity=2, unit_price="19.90")],
    taxes=[Tax(tax_id=UID, percentage="7.50")],
    discount=Discount(type=2, value="5"),
    description="Hosting",
    billing_cycle=6,
    recurring=True,
    payment_methods=[1],
    notifications=[],
    remind_days_before=[],
    remind_days_after=[],
    remind_on_due_date=False,
)


def _v1() -> DialectSamples:
    by_schema = {"succeeded": True, "message": None, "errors": None}
    bare = _documented("v1_update")["example"]["response"]
    operands = [UID, REPLACEMENT]
    mailed = attrs.evolve(REPLACEMENT, notifications=[1], currency="EUR")
    return DialectSamples(
        operations=[
            Sample(
                feature=Feature.REPLACE,
                operands=operands,
                responses=_written({**by_schema, "data": {"invoiceId": UID, "amount": 34.8}}),
                shows={"amount": Decimal("34.8")},
            ),
            Sample(feature=Feature.REPLACE, operands=operands, responses=_written(bare)),
        ],
        refusal=b'{"succeeded":false,"message":"no such account","errors":["E17"]}',
        complaint="no such account",
        wrong={Feature.REPLACE: [("x", REPLACEMENT), (UID, mailed)]},
    )


@attrs.frozen
class DialectSubject:
    """One row: a dialect, and what it is tried with.

    Attributes:
        not_applicable: the checks that mean nothing to it, by the beginning of the reason.
    """

    dialect: Dialect
    samples: DialectSamples
    not_applicable: dict[str, str] = attrs.field(factory=dict)


_NO_LISTS: Final = {"every-row-is-kept": "it has no list"}
_NO_UPDATES: Final = {"an-update-leaves-the-rest-alone": "it has no update"}
_NO_NUMBERS: Final = {"another-number-is-no-plain-success": "it has no create or update"}
_NO_BATCH: Final = {"a-batch-is-whole-and-in-order": "it has no update_many"}
_NO_LOCKS: Final = {"locks-are-kept": "no status locks a field"}
_NO_IDS: Final = {
    "hostile-ids-stay-in-their-place": "it has no get",
    "anothers-response-is-refused": "it has no get",
}

SUBJECTS: Final = {
    "bulk": DialectSubject(
        BulkDialect(),
        _bulk(),
        {**_NO_LOCKS, **_NO_IDS, **_NO_NUMBERS, **_NO_LISTS, **_NO_UPDATES},
    ),
    "exante": DialectSubject(ExanteDialect(), _exante(), {**_NO_LOCKS, **_NO_BATCH}),
    "tenant": DialectSubject(TenantDialect(tenant=TENANT), _tenant(), _NO_BATCH),
    "v1": DialectSubject(
        V1Dialect(currencies={"USD": 1}),
        _v1(),
        {
            **_NO_LOCKS,
            **_NO_NUMBERS,
            **_NO_BATCH,
            **_NO_LISTS,
            **_NO_UPDATES,
            "days-are-written-or-refused": "it takes no times",
            "anothers-response-is-refused": "it has no get",
        },
    ),
}
