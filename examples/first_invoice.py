"""Create an invoice, read it back, change it. No account, no network: the sandbox runs in here."""

from __future__ import annotations

import asyncio

from billingual import AsyncClient, Changes, Draft


async def main() -> None:
    """Walk through the life of one invoice."""
    async with AsyncClient("exante", transport="sandbox") as invoices:
        template = await invoices.list().first()
        assert template is not None
        known = await invoices.get(template.id)
        created = await invoices.create(
            Draft(
                number="INV-2026-0042",
                counterparty=known.counterparty.id if known.counterparty else None,
                owner="550e8400-e29b-41d4-a716-446655440001",
                document=known.document,
                currency="EUR",
                due_at="2026-12-31T00:00:00Z",
                fields={"payment_terms": "NET_30"},
            )
        )
        print("created", created.number, created.status, created.due_at)
        changed = await invoices.update(created.id, Changes(status="SENT"))
        print("changed", changed.number, changed.status)


asyncio.run(main())
