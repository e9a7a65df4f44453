"""Meet the failure that costs money: a create whose response is lost.

The sandbox commits the invoice and drops the connection. The client does not send it again and
does not call it failed: it says that it does not know, and the program looks.
"""

from __future__ import annotations

import asyncio

import httpx

from billingual import AsyncClient, Draft, Filter, OutcomeUnknown
from billingual.sandbox import ACCOUNTS, running

NUMBER = "INV-2026-LOST"


async def main() -> None:
    """Create through a connection that breaks after the commit, then look the number up."""
    with running() as server:
        fault = {"provider": "exante", "method": "POST", "kind": "drop_after_commit", "times": 1}
        httpx.post(f"{server.url}/_sandbox/faults", json=fault).raise_for_status()
        async with AsyncClient(
            "exante", base_url=server.base_url("exante"), token=ACCOUNTS["exante"].token
        ) as invoices:
            row = await invoices.list().first()
            assert row is not None
            known = await invoices.get(row.id)
            draft = Draft(
                number=NUMBER,
                counterparty=known.counterparty.id if known.counterparty else None,
                owner="550e8400-e29b-41d4-a716-446655440001",
                document=known.document,
            )
            try:
                await invoices.create(draft)
            except OutcomeUnknown as unknown:
                print(unknown)
            found = await invoices.list(Filter(search=NUMBER, include_inactive=True)).collect(
                limit=10
            )
            print("invoices with that number:", len(found))


asyncio.run(main())
