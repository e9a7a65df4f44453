"""Rows of the table: finding out what an unclear write did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from _support.equivalence.faults import AGAIN
from _support.equivalence.row import EXANTE_DRAFT, LATER, Row, Scene
from billingual import errors
from billingual.sandbox import LANDMARKS

__all__ = ["ROWS"]


def looking(fault: str, write: Callable[[Scene], Any], **how: Any) -> Callable[[Scene], Any]:
    """Make a row's work: have a write end unclear, and let its error look."""

    async def run(scene: Scene) -> Any:
        scene.control.fault(fault)
        try:
            return await write(scene)
        except errors.OutcomeUnknown as unclear:
            return await unclear.reconcile(**how)

    return run


def created(scene: Scene) -> Any:
    return scene.client.create(EXANTE_DRAFT)


def changed(scene: Scene) -> Any:
    return scene.client.update(scene.exante("DRAFT"), LATER)


def changed_two(scene: Scene) -> Any:
    return scene.client.update_many({scene.exante(each): LATER for each in ("DRAFT", "PAID")})


def deleted(scene: Scene) -> Any:
    return scene.client.delete_many([scene.exante("DRAFT")])


async def by_a_sibling(scene: Scene) -> Any:
    """Let another client look, and one of another organization."""
    scene.control.fault("drop_after_commit")
    try:
        return await created(scene)
    except errors.OutcomeUnknown as unclear:
        found = await scene.client.with_options(deadline=9).reconcile(unclear)
        stranger = scene.client.with_options(organization=LANDMARKS["exante_organization"])
        try:
            return [found, await stranger.reconcile(unclear)]
        except errors.InvalidInputError as error:
            return [found, error]


async def look_fails(scene: Scene) -> Any:
    """Have the look fail for good."""
    scene.control.fault("drop_after_commit")
    try:
        return await changed(scene)
    except errors.OutcomeUnknown as unclear:
        scene.control.fault("status", method="GET", times=9)
        return await unclear.reconcile()


UNCLEAR: Final = "unknown ConnectionLostError = unknown OutcomeUnknown"
READ: Final = "get: committed 200 = committed"
LISTED: Final = "list: committed 200 = committed"

ROWS: Final = (
    Row(
        "a create that took effect is adopted",
        looking("drop_after_commit", created),
        "adopted, P-1 DRAFT 0.00 EUR",
        f"create: {UNCLEAR}; {LISTED}; {READ}",
        options=AGAIN,
        portal=True,
        taped=True,
    ),
    Row(
        "a create that is not seen stays unknown",
        looking("drop_before_commit", created),
        "unknown",
        f"create: {UNCLEAR}; {LISTED}",
        options=AGAIN,
        taped=True,
    ),
    Row(
        "an update that took effect is adopted",
        looking("truncate", changed),
        "adopted, INV-2026-S00004 DRAFT 2256.98 USD",
        f"update: {UNCLEAR}; {READ}",
        options=AGAIN,
    ),
    Row(
        "an update that may still arrive stays unknown",
        looking("drop_before_commit", changed),
        "unknown, INV-2026-S00004 DRAFT 2256.98 USD",
        f"update: {UNCLEAR}; {READ}",
        options=AGAIN,
    ),
    Row(
        "an update that cannot arrive any more is absent",
        looking("drop_before_commit", changed, late_arrival_s=0),
        "absent, INV-2026-S00004 DRAFT 2256.98 USD",
        f"update: {UNCLEAR}; {READ}",
        options=AGAIN,
        portal=True,
    ),
    Row(
        "a batch that took effect is adopted",
        looking("drop_after_commit", changed_two),
        "adopted, INV-2026-S00004 DRAFT 2256.98 USD, INV-2026-S00001 PAID 37219.95 GBP",
        f"update_many: {UNCLEAR}; {READ}; {READ}",
        options=AGAIN,
    ),
    Row(
        "a delete that took effect is adopted",
        looking("drop_after_commit", deleted),
        "adopted",
        f"delete_many: {UNCLEAR}; get: rejected 404 NotFoundError = rejected NotFoundError",
        options=AGAIN,
    ),
    Row(
        "a sibling may look, and one of another account may not",
        by_a_sibling,
        "adopted, P-1 DRAFT 0.00 EUR, InvalidInputError unclear",
        f"create: {UNCLEAR}; {LISTED}; {READ}",
        options=AGAIN,
    ),
    Row(
        "a look that fails is unknown",
        look_fails,
        "unknown",
        f"update: {UNCLEAR}; get: unknown 503 ServerError x4 = unknown ServerError",
        options=AGAIN,
    ),
)
