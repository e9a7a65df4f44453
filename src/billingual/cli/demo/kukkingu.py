"""The tenant dialect: a draft's life, and the locks its status puts on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from billingual.cli.demo.context import Scene
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import LockedError
from billingual.model import Changes, Draft, Filter, Invoice, Money
from billingual.sandbox import LANDMARKS

__all__ = ["kukkingu_chapter"]

_PAID: Final = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


async def kukkingu_chapter(scene: Scene) -> None:
    """Create, update, finalize, meet the locks, pay, void and list."""
    scene.stage.chapter(
        "tenant",
        "Dialect tenant (provider kukkingu)",
        "Every request is about one tenant, named in a header. An invoice's status decides which "
        "of its fields may still be changed:",
    )
    async with scene.client("kukkingu") as invoices:
        locks = invoices.capabilities.locks
        scene.stage.table(
            ("status", "fields that may be changed"),
            [(status, ", ".join(sorted(fields)) or "none") for status, fields in locks.items()],
        )
        draft = await _draft(scene, invoices)
        final = await _finalize(scene, invoices, draft)
        await _locked(scene, invoices, final)
        await _pay_and_void(scene, invoices, final)
        await _list(scene, invoices, final.id)


async def _draft(scene: Scene, invoices: AsyncClient) -> Invoice:
    with scene.stage.step("create: an invoice begins as a draft, its money exact") as sight:
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
        sight.holds(
            made.status == "DRAFT" and made.total == total,
            f"invoice {made.number}, {made.status}, {made.total}, id {made.id}",
        )
    with scene.stage.step("update: in a draft every field is open") as sight:
        made = await invoices.update(
            made.id, Changes(total=Money.of("1350.00", "EUR"), due_at="2026-12-21T00:00:00Z")
        )
        sight.holds(
            made.total == Money(135_000, "EUR") and made.due_at is not None,
            f"now {made.total}, due {made.due_at:%Y-%m-%d}",
        )
    return made


async def _finalize(scene: Scene, invoices: AsyncClient, draft: Invoice) -> Invoice:
    with scene.stage.step("finalize: the draft becomes final, for good") as sight:
        final = await invoices.finalize(draft.id)
        sight.holds(final.status == "FINALIZED", f"{draft.status} -> {final.status}")
    return final


async def _locked(scene: Scene, invoices: AsyncClient, final: Invoice) -> None:
    changes = Changes(due_at="2027-01-31T00:00:00Z")
    with scene.stage.step("update with base=: your copy shows the lock, nothing is sent") as sight:
        lock = await refused(LockedError, invoices.update(final.id, changes, base=final))
        sight.holds(
            scene.stage.sent == 0 and (lock.status, lock.locked) == ("FINALIZED", ("due_at",)),
            str(lock),
        )
    with scene.stage.step("update without base: the server refuses, the client finds out why") as (
        sight
    ):
        lock = await refused(LockedError, invoices.update(final.id, changes))
        sight.holds(
            lock.exchange is not None
            and (lock.locked, lock.still_open) == (("due_at",), ("paid_at",)),
            str(lock),
        )


async def _pay_and_void(scene: Scene, invoices: AsyncClient, final: Invoice) -> None:
    with scene.stage.step("update: paid_at is the one field still open") as sight:
        paid = await invoices.update(final.id, Changes(paid_at=_PAID), base=final)
        sight.holds(paid.paid_at == _PAID, f"paid {paid.paid_at:%Y-%m-%d %H:%M} UTC")
    with scene.stage.step("void: and now it is void, for good") as sight:
        void = await invoices.void(final.id)
        sight.holds(void.status == "VOID", f"{paid.status} -> {void.status}")


async def _list(scene: Scene, invoices: AsyncClient, voided: str) -> None:
    with scene.stage.step("list: there are no pages, so one response is provably everything") as (
        sight
    ):
        pager = invoices.list(Filter(status="VOID"))
        ids = [row.id async for row in pager]
        stored = {
            row["id"]
            for row in await scene.witness.invoices("kukkingu")
            if row["tenant"] == LANDMARKS["kukkingu_tenant"] and row["status"] == "VOID"
        }
        sight.holds(
            voided in ids and set(ids) == stored and pager.report.complete,
            f"{len(ids)} void invoices of this tenant, ours among them; complete: "
            f"{pager.report.why}",
        )
