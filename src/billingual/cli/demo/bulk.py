"""The bulk dialect: all of a batch, or nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from billingual.cli.demo.context import DemoContext
from billingual.cli.demo.exante import smallest_draft
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import InvalidInputError, NotFoundError, ProviderError
from billingual.model import Changes

__all__ = ["bulk_chapter"]

_SIZE: Final = 4
_DUE: Final = datetime(2027, 1, 31, tzinfo=UTC)
_UNKNOWN: Final = str(UUID(int=0x4000_8000_0000_0000_0BAD, version=4))


async def bulk_chapter(context: DemoContext) -> None:
    """Refuse a batch whole, accept it corrected, and clean up."""
    context.screen.chapter(
        "bulk",
        "Dialect bulk (provider exante)",
        "Up to 100 invoices travel in one request, and one bad item refuses them all. A client "
        "that believed otherwise would report changes that never happened, so each claim here is "
        "proved by reading the invoices again.",
    )
    async with context.client("exante") as invoices:
        ids = await _prepare(context, invoices)
        await _refused_whole(context, invoices, ids)
        await _refused_here(context, invoices, ids)
        await _accepted(context, invoices, ids)
        await _clean_up(context, invoices)


async def _prepare(context: DemoContext, invoices: AsyncClient) -> list[str]:
    with context.screen.step(f"create: {_SIZE} drafts to work with") as result:
        made = [
            await invoices.create(smallest_draft(f"DEMO-BULK-{n}")) for n in range(1, _SIZE + 1)
        ]
        context.created.extend(each.id for each in made)
        result.holds(
            len({each.id for each in made}) == _SIZE,
            ", ".join(str(each.number) for each in made),
        )
    return [each.id for each in made]


async def _refused_whole(context: DemoContext, invoices: AsyncClient, ids: list[str]) -> None:
    with context.screen.step(
        "update_many: one unknown id, and the batch is refused whole"
    ) as result:
        batch = {each: Changes(due_at=_DUE) for each in (*ids, _UNKNOWN)}
        refusal = await refused(ProviderError, invoices.update_many(batch))
        result.holds(
            isinstance(refusal, NotFoundError) and not refusal.maybe_applied,
            f"{type(refusal).__name__}: {refusal}",
        )
    with context.screen.step("get: not one of the good ones was changed") as result:
        after = [await invoices.get(each) for each in ids]
        unchanged = sum(each.due_at is None for each in after)
        result.holds(unchanged == len(ids), f"{unchanged} of {len(ids)} still have no due date")


async def _refused_here(context: DemoContext, invoices: AsyncClient, ids: list[str]) -> None:
    with context.screen.step("update_many: the same id twice never leaves this machine") as result:
        twice = [(ids[0], Changes(status="SENT")), (ids[0], Changes(status="VOID"))]
        refusal = await refused(InvalidInputError, invoices.update_many(twice))
        result.holds(context.screen.sent == 0, f"{type(refusal).__name__}: {refusal}")


async def _accepted(context: DemoContext, invoices: AsyncClient, ids: list[str]) -> None:
    with context.screen.step(
        "update_many: the corrected batch is accepted, in one request"
    ) as result:
        changed = await invoices.update_many(
            {each: Changes(due_at=_DUE, status="SENT") for each in ids}
        )
        result.holds(
            [each.id for each in changed] == ids and context.screen.sent == 1,
            f"{len(changed)} invoices came back, in the order they were given",
        )
    with context.screen.step("get: all of them are changed") as result:
        after = [await invoices.get(each) for each in ids]
        right = sum(each.due_at == _DUE and each.status == "SENT" for each in after)
        result.holds(right == len(ids), f"{right} of {len(ids)} are SENT, due {_DUE:%Y-%m-%d}")


async def _clean_up(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step("delete_many: what the demo created is gone again") as result:
        mine = list(context.created)
        await invoices.delete_many(mine)
        context.created.clear()
        sent = context.screen.sent
        gone = [await refused(NotFoundError, invoices.get(each)) for each in mine]
        result.holds(
            sent == 1 and len(gone) == len(mine),
            f"{len(mine)} deleted in one request; reading each of them now is NotFoundError",
        )
