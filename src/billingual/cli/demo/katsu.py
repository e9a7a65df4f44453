"""The v1 dialect: whole documents replaced, receipts in return."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import attrs

from billingual.cli.demo.context import DemoContext
from billingual.cli.demo.steps import refused
from billingual.client import AsyncClient
from billingual.errors import RejectedError, UnsupportedError
from billingual.model import Discount, Draft, Replacement, ReplacementLine, Tax
from billingual.providers import katsu

__all__ = ["katsu_chapter"]

_AMOUNT: Final = Decimal("59.09275")


async def katsu_chapter(context: DemoContext) -> None:
    """Replace an invoice, be rejected politely, and be stopped before asking the impossible."""
    context.screen.chapter(
        "v1",
        "Dialect v1 (provider katsu)",
        "Katsu Pay documents one call: replace a whole invoice. It has no read, so the id below "
        "comes from the sandbox's control API. It counts currencies by numbers it does not "
        "explain, so you bring the table: here USD=1.",
    )
    stored = (await context.control.invoices("katsu"))[0]
    whole = _replacement(stored["doc"])
    async with context.client("katsu", katsu(currencies={"USD": 1})) as invoices:
        await _accepted(context, invoices, stored["id"], whole)
        await _rejected(context, invoices, stored["id"], whole)
        await _unsupported(context, invoices)


async def _accepted(
    context: DemoContext, invoices: AsyncClient, invoice_id: str, whole: Replacement
) -> None:
    with context.screen.step("update: a complete document is accepted, with a receipt") as result:
        receipt = await invoices.update(invoice_id, whole)
        result.holds(
            receipt.id == invoice_id and receipt.amount == _AMOUNT,
            f"receipt for {receipt.id}: amount {receipt.amount}. That is (3 x 19.99 - 5.00) plus "
            "7.5 % tax, to the last digit: no number passes through a binary float",
        )


async def _rejected(
    context: DemoContext, invoices: AsyncClient, invoice_id: str, whole: Replacement
) -> None:
    absurd = attrs.evolve(whole, discount=Discount(type=2, value=Decimal(1000)))
    with context.screen.step("update: HTTP says 200, the envelope says succeeded: false") as result:
        refusal = await refused(RejectedError, invoices.update(invoice_id, absurd))
        result.holds(refusal.status == 200, f"RejectedError: {refusal}")
    with context.screen.step(
        "the sandbox's store: the rejected document changed nothing"
    ) as result:
        row = next(
            each for each in await context.control.invoices("katsu") if each["id"] == invoice_id
        )
        kept = row["doc"]["discount"]["discountValue"]
        result.holds(kept == Decimal(5), f"the stored discount is still {kept}, not 1000")


async def _unsupported(context: DemoContext, invoices: AsyncClient) -> None:
    with context.screen.step(
        "create: refused before any request, with what to do instead"
    ) as result:
        refusal = await refused(UnsupportedError, invoices.create(Draft(number="DEMO-KATSU-1")))
        result.holds(context.screen.sent == 0 and bool(refusal.instead), str(refusal))


def _replacement(doc: dict[str, Any]) -> Replacement:
    """Make a complete document for the stored invoice: every field is said, none is defaulted."""
    return Replacement(
        counterparty=doc["counterPartyId"],
        counterparty_name=doc["counterPartyName"],
        receiving_account=doc["receivingAccountId"],
        account_name=doc["accountName"],
        due_at="2026-12-31T00:00:00Z",
        currency="USD",
        lines=(
            ReplacementLine(
                product_id=doc["products"][0]["productId"], quantity=3, unit_price="19.99"
            ),
        ),
        taxes=(Tax(tax_id=doc["taxes"][0]["taxId"], percentage="7.5"),),
        discount=Discount(type=2, value="5.00"),
        description="Replaced by the demo",
        billing_cycle=6,
        recurring=False,
        payment_methods=(1,),
        notifications=(),
        remind_days_before=(3,),
        remind_days_after=(1, 7),
        remind_on_due_date=True,
    )
