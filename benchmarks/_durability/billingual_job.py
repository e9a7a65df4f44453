"""Contestant: a job of billingual, its ledger in SQLite."""

from __future__ import annotations

import asyncio

from orders import Race, race

from billingual import AsyncClient, AsyncJob, Draft
from billingual.jobs import Create, State


def _client(this: Race) -> AsyncClient:
    first = this.orders[0]
    if this.provider == "localstripe":
        return AsyncClient("stripe", token=first["token"], base_url=this.url)
    where = {"organization": first["organization"]}
    return AsyncClient("exante", token=first["token"], base_url=this.url, **where)


def _draft(order: dict[str, str]) -> Draft:
    fields = {"order": order["order"]}
    if "customer" in order:
        return Draft(counterparty=order["customer"], fields=fields)
    return Draft(
        counterparty=order["party"], owner=order["owner"], document=order["document"],
        issued_at=order["issued"], fields=fields,
    )  # fmt: skip


async def main() -> None:
    """Plan all orders, and run the job to its end."""
    this = race()
    ledger = this.folder / "job.db"
    async with (
        _client(this) as client,
        AsyncJob.open(ledger, client, late_arrival_s=this.late_arrival_s) as job,
    ):
        await job.plan(Create(draft=_draft(each), id=each["order"]) for each in this.orders)
        report = await job.run(concurrency=this.at_once)
    failed = [each.id for each in report.rejected]
    this.end(failed, [each.id for each in report.unfinished if each.state is not State.REJECTED])


asyncio.run(main())
