"""The dialect keeps every rule of the seam that billingual publishes."""

from __future__ import annotations

from typing import Final

import pytest
from billingual import Changes, Draft, Feature, Filter
from billingual.model import Query
from billingual.testing import DIALECT_CHECKS, Check, DialectSamples, Sample

from stripe_samples import CUSTOMER, DIALECT, DRAFT, FINAL, golden, written

SAMPLES: Final = DialectSamples(
    operations=[
        Sample(
            feature=feature,
            operands=operands,
            responses=written(golden(name)["response"]),
            shows={"status": status},
        )
        for feature, name, operands, status in (
            (Feature.CREATE, "create", [Draft(counterparty=CUSTOMER)], "draft"),
            (Feature.GET, "create", [DRAFT], "draft"),
            (Feature.LIST, "list", [Query(filter=Filter(status="draft"), page_size=3)], "draft"),
            (
                Feature.UPDATE,
                "update",
                [DRAFT, Changes(fields={"order_id": "6735"}), None],
                "draft",
            ),
            (Feature.FINALIZE, "finalize", [FINAL], "paid"),
            (Feature.VOID, "void", [FINAL], "void"),
        )
    ],
    refusal=b'{"error": {"type": "invalid_request_error", "message": "no such customer"}}',
    refusal_status=400,
    complaint="no such customer",
    wrong={Feature.GET: [("cus_1",)], Feature.VOID: [("in_",)]},
)


@pytest.mark.parametrize("check", DIALECT_CHECKS, ids=str)
def test_the_dialect_keeps_the_rule(check: Check) -> None:
    """The rule is in the check."""
    check.run(DIALECT, SAMPLES)
