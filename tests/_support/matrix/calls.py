"""The operations of the matrix, each for either client."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from _support.matrix.responses import CONTRACT, INVOICE, ONE, TENANT, TWO, Responses, uid
from billingual import Changes, Draft, Filter, Invoice, Money, Provider, Replacement, Status, errors
from billingual.model import Discount, ReplacementLine, Tax

__all__ = ["CALLS", "PROVIDERS", "Scene", "options_of"]

LATER: Final = Changes(due_at="2027-01-31T00:00:00Z")
_NAMES: Final = {"bulk": "exante", "exante": "exante", "tenant": "kukkingu", "v1": "katsu"}
PROVIDERS: Final = {
    dialect: Provider(name=name, dialects=(dialect,), options={"v1": {"currencies": {"USD": 1}}})
    for dialect, name in _NAMES.items()
}


def options_of(dialect: str) -> dict[str, Any]:
    """List what a client of a dialect is made with, beside transport, backend and address."""
    return {
        "provider": PROVIDERS[dialect],
        "token": "tok_" + "t" * 20,
        "tenant": TENANT if dialect == "tenant" else None,
    }


@attrs.define(kw_only=True)
class Scene:
    """A client in front of a provider that will fail.

    Attributes:
        client: awaited or blocking.
        responses: the provider behind it.
        begin: lets the fault strike what is sent from now on.
        dialect: what is spoken.
    """

    client: Any
    responses: Responses
    begin: Callable[[], None]
    dialect: str

    @property
    def id(self) -> str:
        """The invoice's id."""
        return INVOICE if self.dialect == "tenant" else ONE

    def draft(self) -> Draft:
        """Make a draft of the invoice that is there."""
        if self.dialect == "tenant":
            total = Money.of("12.34", "EUR")
            return Draft(number="K-1", document=CONTRACT, total=total, exchange_rate="1")
        return Draft(counterparty=ONE, owner=TWO, document=ONE, number="P-1", currency="EUR")

    def base(self, status: str) -> Invoice:
        """Make the caller's copy of the invoice."""
        return Invoice(id=self.id, status=Status(status))


async def _now(value: Any) -> Any:
    """Take a result as it is, or await it, whichever backend gave it."""
    return await value if inspect.isawaitable(value) else value


def _replacement(notifications: list[int]) -> Replacement:
    return Replacement(
        counterparty=TWO, counterparty_name="Kanda Denki K.K.", receiving_account=ONE,
        account_name="Operating account", due_at="2026-12-31T00:00:00Z", currency="USD",
        lines=[ReplacementLine(product_id=TWO, quantity=3, unit_price="19.99")],
        taxes=[Tax(tax_id=ONE, percentage="7.5")], discount=Discount(type=2, value=5),
        description="whole", billing_cycle=6, recurring=False, payment_methods=[1],
        notifications=notifications, remind_days_before=[], remind_days_after=[],
        remind_on_due_date=False,
    )  # fmt: skip


def _plain(call: Callable[[Scene], Any], **state: Any) -> Callable[[Scene], Awaitable[str]]:
    """Make an operation of one call, to a provider in some state."""

    async def run(scene: Scene) -> str:
        for name, value in state.items():
            setattr(scene.responses, name, value)
        scene.begin()
        await _now(call(scene))
        return "ok"

    return run


def _list(pages: int, filter: Filter | None = None) -> Callable[[Scene], Awaitable[str]]:
    """Make an operation of the last of so many pages; those before it come."""

    async def run(scene: Scene) -> str:
        scene.responses.pages = pages
        walk = scene.client.list(filter).pages()
        for number in range(1, pages + 1):
            if number == pages:
                scene.begin()
            await _now(anext(walk, None) if hasattr(walk, "__anext__") else next(walk, None))
        return "ok"

    return run


def _reconcile(call: Callable[[Scene], Any]) -> Callable[[Scene], Awaitable[str]]:
    """Make an operation that reconciles *call*, whose end is unclear."""

    async def run(scene: Scene) -> str:
        try:
            await _now(call(scene))
        except errors.OutcomeUnknown as unclear:
            scene.begin()
            found = await _now(scene.client.reconcile(unclear))
            return f"finding {found.finding.value}"
        raise AssertionError("the provider fails every write before the fault begins")

    return run


def _preview(scene: Scene) -> None:
    look, many = scene.client.preview, {uid(0): LATER}
    calls: dict[str, Callable[[], object]] = {
        "bulk": lambda: look.update_many(many),
        "exante": lambda: look.create(scene.draft()),
        "tenant": lambda: look.create(scene.draft()),
        "v1": lambda: look.update(ONE, _replacement([])),
    }
    calls[scene.dialect]()


def _change(scene: Scene) -> Any:
    if scene.dialect == "bulk":
        return scene.client.update_many({uid(0): LATER})
    return scene.client.update(scene.id, _replacement([]) if scene.dialect == "v1" else LATER)


def _without_a_number(scene: Scene) -> Any:
    return scene.client.create(attrs.evolve(scene.draft(), number=None))


CALLS: Final[dict[str, Callable[[Scene], Awaitable[str]]]] = {
    "create": _plain(lambda s: s.client.create(s.draft())),
    "create_without_a_number": _plain(_without_a_number),
    "get": _plain(lambda s: s.client.get(s.id)),
    "list_first_page": _list(1),
    "list_second_page": _list(2),
    "list_filtered": _list(1, Filter(status=["DRAFT"])),
    "update": _plain(lambda s: s.client.update(s.id, LATER)),
    "update_with_a_base": _plain(lambda s: s.client.update(s.id, LATER, base=s.base("DRAFT"))),
    "update_with_a_locked_base": _plain(
        lambda s: s.client.update(s.id, LATER, base=s.base("FINALIZED"))
    ),
    "update_of_a_locked_invoice": _plain(
        lambda s: s.client.update(s.id, LATER), status="FINALIZED"
    ),
    "update_without_a_reason": _plain(lambda s: s.client.update(s.id, LATER), status="unreadable"),
    "update_many_1": _plain(lambda s: s.client.update_many({uid(0): LATER})),
    "update_many_100": _plain(lambda s: s.client.update_many({uid(n): LATER for n in range(100)})),
    "update_many_101": _plain(lambda s: s.client.update_many({uid(n): LATER for n in range(101)})),
    "delete_many": _plain(lambda s: s.client.delete_many([ONE, TWO])),
    "finalize": _plain(lambda s: s.client.finalize(s.id), status="FINALIZED"),
    "finalize_undone": _plain(lambda s: s.client.finalize(s.id)),
    "void": _plain(lambda s: s.client.void(s.id), status="VOID"),
    "void_unsettled": _plain(lambda s: s.client.void(s.id), status="unreadable"),
    "replace": _plain(lambda s: s.client.update(s.id, _replacement([]))),
    "replace_and_notify": _plain(lambda s: s.client.update(s.id, _replacement([1]))),
    "preview": _plain(_preview),
    "reconcile_a_create": _reconcile(lambda s: s.client.create(s.draft())),
    "reconcile_a_change": _reconcile(_change),
}
