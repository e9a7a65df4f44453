"""Work for rows of the table: one operation, with faults of the sandbox on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from _support.equivalence.row import BRISK, EXANTE_DRAFT, LATER, Scene
from billingual import errors

__all__ = ["AGAIN", "ONCE", "create", "fault", "read", "update"]

AGAIN: Final = {"retry": BRISK}
ONCE: Final = {"retry": "none"}


def read(*faults: dict[str, Any]) -> Callable[[Scene], Any]:
    """Make a row's work: read an invoice, with faults on the way."""

    async def run(scene: Scene) -> Any:
        for fault in faults:
            scene.control.fault(**fault)
        return await scene.client.get(scene.exante("PAID"))

    return run


def create(*faults: dict[str, Any]) -> Callable[[Scene], Any]:
    """Make a row's work: create an invoice with faults on the way; say how many there are then."""

    async def run(scene: Scene) -> Any:
        for fault in faults:
            scene.control.fault(**fault)
        try:
            result: Any = await scene.client.create(EXANTE_DRAFT)
        except errors.BillingualError as error:
            result = error
        return [result, f"{scene.numbered('P-1')} stored"]

    return run


def update(*faults: dict[str, Any]) -> Callable[[Scene], Any]:
    """Make a row's work: change an invoice, with faults on the way."""

    async def run(scene: Scene) -> Any:
        for fault in faults:
            scene.control.fault(**fault)
        return await scene.client.update(scene.exante("DRAFT"), LATER)

    return run


def fault(kind: str, **details: Any) -> dict[str, Any]:
    """Make a fault of the sandbox."""
    return {"kind": kind, **details}
