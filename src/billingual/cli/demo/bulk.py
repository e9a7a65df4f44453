"""The bulk dialect: all of a batch, or nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from billingual.cli.demo.context import Scene
from billingual.cli.demo.exante import smallest_draft
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import InvalidInputError, NotFoundError, ProviderError
from billingual.model import Changes

__all__ = ["bulk_chapter"]

_SIZE: Final = 4
_DUE: Final = datetime(2027, 1, 31, tzinfo=UTC)
_STRANGER: Final = str(UUID(int=0x4000_8000_0000_0000_0BAD, version=4))


async def bulk_chapter(scene: Scene) -> None:
    """Refuse a batch whole, accept it corrected, and clean up."""
    scene.stage.chapter(
        "bulk",
        "Dialect bulk (provider exante)",
        "Up to 100 invoices travel in one request, and one bad item refuses them all. A client "
        "that believed otherwise would report changes that never happened, so each claim here is "
        "proved by reading the invoices again.",
    )
    async with scene.client("exante") as invoices:
        ids = await _prepare(scene, invoices)
        await _refused_whole(scene, invoices, ids)
        await _refused_here(scene, invoices, ids)
        await _accepted(scene, invoices, ids)
        await _clean_up(scene, invoices)


async def _prepare(scene: Scene, invoices: AsyncClient) -> list[str]:
    with scene.stage.step(f"create: {_SIZE} drafts to work with") as sight:
        made = [
            await invoices.create(smallest_draft(f"DEMO-BULK-{n}")) for n in range(1, _SIZE + 1)
        ]
        scene.created.extend(each.id for each in made)
        sight.holds(
            len({each.id for each in made}) == _SIZE,
            ", ".join(str(each.number) for each in made),
        )
    return [each.id for each in made]


async def _refused_whole(scene: Scene, invoices: AsyncClient, ids: list[str]) -> None:
    with scene.stage.step("update_many: one unknown id, and the batch is refused whole") as sight:
        batch = {each: Changes(due_at=_DUE) for each in (*ids, _STRANGER)}
        refusal = await refused(ProviderError, invoices.update_many(batch))
        sight.holds(
            isinstance(refusal, NotFoundError) and not refusal.maybe_applied,
            f"{type(refusal).__name__}: {refusal}",
        )
    with scene.stage.step("get: not one of the good ones was changed") as sight:
        after = [await invoices.get(each) for each in ids]
        unchanged = sum(each.due_at is None for each in after)
        sight.holds(unchanged == len(ids), f"{unchanged} of {len(ids)} still have no due date")


async def _refused_here(scene: Scene, invoices: AsyncClient, ids: list[str]) -> None:
    with scene.stage.step("update_many: the same id twice never leaves this machine") as sight:
        twice = [(ids[0], Changes(status="SENT")), (ids[0], Changes(status="VOID"))]
        refusal = await refused(InvalidInputError, invoices.update_many(twice))
        sight.holds(scene.stage.sent == 0, f"{type(refusal).__name__}: {refusal}")


async def _accepted(scene: Scene, invoices: AsyncClient, ids: list[str]) -> None:
    with scene.stage.step("update_many: the corrected batch is accepted, in one request") as sight:
        changed = await invoices.update_many(
            {each: Changes(due_at=_DUE, status="SENT") for each in ids}
        )
        sight.holds(
            [each.id for each in changed] == ids and scene.stage.sent == 1,
            f"{len(changed)} invoices answered, in the order they were given",
        )
    with scene.stage.step("get: all of them are changed") as sight:
        after = [await invoices.get(each) for each in ids]
        right = sum(each.due_at == _DUE and each.status == "SENT" for each in after)
        sight.holds(right == len(ids), f"{right} of {len(ids)} are SENT, due {_DUE:%Y-%m-%d}")


async def _clean_up(scene: Scene, invoices: AsyncClient) -> None:
    with scene.stage.step("delete_many: what the demo created is gone again") as sight:
        mine = list(scene.created)
        await invoices.delete_many(mine)
        scene.created.clear()
        sent = scene.stage.sent
        gone = [await refused(NotFoundError, invoices.get(each)) for each in mine]
        sight.holds(
            sent == 1 and len(gone) == len(mine),
            f"{len(mine)} deleted in one request; reading each of them now is NotFoundError",
        )
