"""The routes. An invoice has the number that its sender gave it, so a repeated PUT does no harm."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from weakref import WeakValueDictionary

import attrs
from billingual import Draft, Filter, Invoice, Reconciliation
from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse

from invoice_service.caller import Caller, CallerDep

__all__ = ["router"]

router: Final = APIRouter()

_TURNS: Final = WeakValueDictionary[str, asyncio.Lock]()
"""One at a time for each number: two equal requests at once must not become two invoices.

Several processes of one service need a lock that they share, such as a row of their database.
"""


@router.put("/invoices/{number}", response_model=Invoice)
async def put(
    number: str, draft: Annotated[Draft, Body()], caller: CallerDep, response: Response
) -> Any:
    """Create an invoice, unless it is there: 201, or 200 with the one that is there."""
    async with _TURNS.setdefault(number, asyncio.Lock()):
        if (earlier := await _look(number, caller)) is not None and not earlier.absent:
            return _told(number, earlier)
        if (there := await _find(number, caller)) is not None:
            return there
        created = await caller.invoices.create(attrs.evolve(draft, number=number))
    response.status_code = 201
    return created


@router.get("/invoices/{number}", response_model=Invoice)
async def get(number: str, caller: CallerDep) -> Any:
    """Read an invoice by its number."""
    there = await _find(number, caller)
    return _problem(404, f"there is no invoice {number}") if there is None else there


@router.get("/invoices/{number}/outcome", response_model=Invoice)
async def outcome(number: str, caller: CallerDep) -> Any:
    """Tell what became of an invoice that a response called unclear."""
    finding = await _look(number, caller)
    if finding is None:
        return await get(number, caller)
    return _told(number, finding)


async def _find(number: str, caller: Caller) -> Invoice | None:
    # The provider's search finds whatever contains the number.
    async for row in caller.invoices.list(Filter(search=number)):
        if row.number == number:
            return await caller.invoices.get(row.id)
    return None


async def _look(number: str, caller: Caller) -> Reconciliation | None:
    """Look for an unclear write at the provider, and forget it once its end is known."""
    unclear = caller.unclear.find(number)
    if unclear is None:
        return None
    # An absent invoice proves nothing unless the same search finds one that is known to exist.
    known = await caller.invoices.list().first()
    finding = await caller.invoices.reconcile(
        unclear, known_invoice=known, late_arrival_s=caller.late_arrival_s
    )
    if finding.adopted or finding.absent:
        caller.unclear.forget(number)
    return finding


def _told(number: str, finding: Reconciliation) -> Invoice | JSONResponse:
    if finding.invoice is not None:
        return finding.invoice
    if finding.absent:
        return _problem(404, f"invoice {number} was not created", why=finding.why)
    unclear = f"it is not known yet whether invoice {number} exists"
    response = _problem(202, unclear, why=finding.why)
    response.headers["Location"] = f"/invoices/{number}/outcome"
    if finding.ask_again_s is not None:
        response.headers["Retry-After"] = str(int(finding.ask_again_s) + 1)
    return response


def _problem(status: int, problem: str, **more: str) -> JSONResponse:
    return JSONResponse({"problem": problem, **more}, status)
