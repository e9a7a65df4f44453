"""Change several invoices in one request: all of them, or none."""

from __future__ import annotations

import asyncio

from billingual import AsyncClient, Changes, ProviderError


async def main() -> None:
    """Send a batch with one bad member, then the good ones alone."""
    async with AsyncClient("exante", transport="sandbox") as invoices:
        rows = await invoices.list(page_size=5).collect(limit=5)
        batch = {row.id: Changes(collection_method="send_invoice") for row in rows}
        stranger = "00000000-0000-4000-8000-00000000dead"
        try:
            await invoices.update_many({**batch, stranger: Changes(status="SENT")})
        except ProviderError as refused:
            print("refused whole:", refused)
        changed = await invoices.update_many(batch)
        print("changed together:", ", ".join(str(each.number) for each in changed))


asyncio.run(main())
