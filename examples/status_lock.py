"""See a status lock refuse a change and say what may still be changed."""

from __future__ import annotations

import asyncio

from billingual import AsyncClient, Changes, Filter, LockedError, Money


async def main() -> None:
    """Try to change the total of a finalized invoice."""
    async with AsyncClient("kukkingu", transport="sandbox") as invoices:
        final = await invoices.list(Filter(status="FINALIZED")).first()
        assert final is not None
        try:
            await invoices.update(final.id, Changes(total=Money.of("1.00", "EUR")))
        except LockedError as lock:
            print(lock)
            print("still open:", ", ".join(lock.still_open))
        paid = await invoices.update(final.id, Changes(paid_at="2026-11-30T12:00:00Z"))
        print("paid at", paid.paid_at)


asyncio.run(main())
