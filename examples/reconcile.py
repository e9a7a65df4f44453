"""Find out what became of a create whose response was lost, by asking the error itself.

The sandbox carries the create out and breaks the connection. The error knows what was meant, looks
for it by its number, and brings the invoice. Nothing is sent a second time.
"""

from __future__ import annotations

import asyncio

import httpx

from billingual import AsyncClient, Draft, OutcomeUnknown
from billingual.sandbox import ACCOUNTS, LANDMARKS, running

DRAFT = Draft(
    number="INV-2026-LOST",  # the number is what it is recognised by, so choose it yourself
    counterparty=LANDMARKS["exante_party"],
    owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"],
)


async def main() -> None:
    """Create through a connection that breaks, and reconcile."""
    with running() as server:
        fault = {"provider": "exante", "method": "POST", "kind": "drop_after_commit"}
        httpx.post(f"{server.url}/_sandbox/faults", json=fault).raise_for_status()
        async with AsyncClient(
            "exante",
            base_url=server.base_url("exante"),
            token=ACCOUNTS["exante"].token,
            organization=LANDMARKS["exante_organization"],
        ) as invoices:
            try:
                await invoices.create(DRAFT)
            except OutcomeUnknown as unclear:
                print(unclear.explain())
                found = await unclear.reconcile()
                print(found.finding.value, "-", found.why)
                if found.invoice is not None:
                    print("carry on with", found.invoice.number, found.invoice.id)


asyncio.run(main())
