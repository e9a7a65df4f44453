"""Failures of the wire: wait out a rate limit, and name an outcome that cannot be known."""

from __future__ import annotations

from billingual.cli.demo.context import DemoContext
from billingual.cli.demo.exante import smallest_draft
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import OutcomeUnknown
from billingual.model import Filter

__all__ = ["fault_chapter"]

_NUMBER = "DEMO-LOST-RESPONSE"


async def fault_chapter(context: DemoContext) -> None:
    """Wait out a rate limit; lose the response of a create, and find out what became of it."""
    context.screen.chapter(
        "exante",
        "When things go wrong (provider exante)",
        "The sandbox now fails on purpose: first it refuses a request with 429, then it must "
        "carry a create out and cut the connection before it responds.",
    )
    async with context.client("exante") as invoices:
        await _rate_limit(context, invoices)
        await _lost_response(context, invoices)


async def _rate_limit(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step(
        "429 with Retry-After: the client waits as asked and goes on"
    ) as result:
        await context.control.order(
            {"kind": "rate_limit", "provider": "exante", "retry_after": "1"}
        )
        first = await invoices.list(page_size=1).first()
        result.holds(
            context.screen.sent == 2,
            f"2 requests, then the row: {first.number if first else 'an empty list'}",
        )


async def _lost_response(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step("create, response lost: OutcomeUnknown, and no second try") as result:
        await context.control.order(
            {"kind": "drop_after_commit", "provider": "exante", "method": "POST"}
        )
        unknown = await refused(OutcomeUnknown, invoices.create(smallest_draft(_NUMBER)))
        result.holds(
            unknown.maybe_applied and len(unknown.attempts) == 1,
            f"OutcomeUnknown: {unknown}",
        )
    with context.screen.step("list by its number: so it was applied, once") as result:
        found = [
            row async for row in invoices.list(Filter(search=_NUMBER)) if row.number == _NUMBER
        ]
        result.holds(
            len(found) == 1,
            f"{len(found)} invoice {_NUMBER} at the provider. Nothing was guessed: sending the "
            "create again would have been the mistake. Then the demo deletes it.",
        )
        await invoices.delete_many([row.id for row in found])
