"""The tenant dialect: a draft's life, and the locks its status puts on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from billingual.cli.demo.context import DemoContext
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import LockedError
from billingual.model import Changes, Draft, Filter, Invoice, Money
from billingual.sandbox import LANDMARKS

__all__ = ["kukkingu_chapter"]

_PAID: Final = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


async def kukkingu_chapter(context: DemoContext) -> None:
    """Create, update, finalize, meet the locks, pay, void and list."""
    context.screen.chapter(
        "tenant",
        "Dialect tenant (provider kukkingu)",
        "Every request is about one tenant, named in a header. An invoice's status decides which "
        "of its fields may still be changed:",
    )
    async with context.client("kukkingu") as invoices:
        locks = invoices.capabilities.locks
        context.screen.table(
            ("status", "fields that may be changed"),
            [(status, ", ".join(sorted(fields)) or "none") for status, fields in locks.items()],
        )
        draft = await _draft(context, invoices)
        final = await _finalize(context, invoices, draft)
        await _locked(context, invoices, final)
        await _pay_and_void(context, invoices, final)
        await _list(context, invoices, final.id)


async def _draft(context: DemoContext, invoices: AsyncClient) -> Invoice:
    with context.screen.step("create: an invoice begins as a draft, its money exact") as result:
        total = Money.of("1200.10", "EUR")
        made = await invoices.create(
            Draft(
                number="DEMO-KUK-1",
                document=LANDMARKS["kukkingu_contract"],
                total=total,
                exchange_rate="1",
                issued_at="2026-11-21T00:00:00Z",
            )
        )
        result.holds(
            made.status == "DRAFT" and made.total == total,
            f"invoice {made.number}, {made.status}, {made.total}, id {made.id}",
        )
    with context.screen.step("update: in a draft every field is open") as result:
        made = await invoices.update(
            made.id, Changes(total=Money.of("1350.00", "EUR"), due_at="2026-12-21T00:00:00Z")
        )
        result.holds(
            made.total == Money(135_000, "EUR") and made.due_at is not None,
            f"now {made.total}, due {made.due_at:%Y-%m-%d}",
        )
    return made


async def _finalize(context: DemoContext, invoices: AsyncClient, draft: Invoice) -> Invoice:
    with context.screen.step("finalize: the draft becomes final, for good") as result:
        final = await invoices.finalize(draft.id)
        result.holds(final.status == "FINALIZED", f"{draft.status} -> {final.status}")
    return final


async def _locked(context: DemoContext, invoices: AsyncClient, final: Invoice) -> None:
    changes = Changes(due_at="2027-01-31T00:00:00Z")
    with context.screen.step(
        "update with base=: your copy shows the lock, nothing is sent"
    ) as result:
        lock = await refused(LockedError, invoices.update(final.id, changes, base=final))
        result.holds(
            context.screen.sent == 0 and (lock.status, lock.locked) == ("FINALIZED", ("due_at",)),
            str(lock),
        )
    with context.screen.step(
        "update without base: the server refuses, the client finds out why"
    ) as (result):
        lock = await refused(LockedError, invoices.update(final.id, changes))
        result.holds(
            lock.exchange is not None
            and (lock.locked, lock.still_open) == (("due_at",), ("paid_at",)),
            str(lock),
        )


async def _pay_and_void(context: DemoContext, invoices: AsyncClient, final: Invoice) -> None:
    with context.screen.step("update: paid_at is the one field still open") as result:
        paid = await invoices.update(final.id, Changes(paid_at=_PAID), base=final)
        result.holds(paid.paid_at == _PAID, f"paid {paid.paid_at:%Y-%m-%d %H:%M} UTC")
    with context.screen.step("void: and now it is void, for good") as result:
        void = await invoices.void(final.id)
        result.holds(void.status == "VOID", f"{paid.status} -> {void.status}")


async def _list(context: DemoContext, invoices: AsyncClient, voided: str) -> None:
    with context.screen.step(
        "list: there are no pages, so one response is provably everything"
    ) as (result):
        pager = invoices.list(Filter(status="VOID"))
        ids = [row.id async for row in pager]
        stored = {
            row["id"]
            for row in await context.control.invoices("kukkingu")
            if row["tenant"] == LANDMARKS["kukkingu_tenant"] and row["status"] == "VOID"
        }
        result.holds(
            voided in ids and set(ids) == stored and pager.report.complete,
            f"{len(ids)} void invoices of this tenant, ours among them; complete: "
            f"{pager.report.why}",
        )
