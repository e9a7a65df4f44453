"""Every operation of every provider, once, with arguments that pass the local checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from billingual import AsyncClient, Changes, Draft, Money, Provider, Replacement, providers
from billingual.model import ReplacementLine

__all__ = [
    "BASE_URLS", "CALLS", "CHANGES", "INVOICE", "READS", "REPLACEMENT", "TENANT", "UUID", "Call",
    "client_for",
]  # fmt: skip

UUID: Final = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TENANT: Final = f"tnt_{'t' * 24}"
INVOICE: Final = f"inv_{'a' * 24}"
CHANGES: Final = Changes(number="N-1")
REPLACEMENT: Final = Replacement(
    counterparty=UUID,
    counterparty_name="Buyer",
    receiving_account=UUID,
    account_name="Main",
    due_at="2026-12-31T00:00:00Z",
    currency="EUR",
    lines=[ReplacementLine(product_id=UUID, quantity=1, unit_price="1.50")],
    taxes=[],
    discount=None,
    description="",
    billing_cycle=0,
    recurring=False,
    payment_methods=[],
    notifications=[],
    remind_days_before=[],
    remind_days_after=[],
    remind_on_due_date=False,
)
_EXANTE: Final = Draft(number="1", document=UUID, owner=UUID, counterparty=UUID)
_KUKKINGU: Final = Draft(
    number="1", document=f"ctr_{'c' * 24}", total=Money.of("1", "EUR"), exchange_rate="1"
)
BASE_URLS: Final = {
    "exante": "https://exante.example",
    "katsu": "https://katsu.example/pay",
    "kukkingu": "https://kukkingu.example",
}


@attrs.frozen
class Call:
    """One operation of one provider.

    Attributes:
        provider: whose.
        name: the operation.
        make: calls it; the result is awaited by an async client, or is there with a blocking one.
    """

    provider: str
    name: str
    make: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"{self.provider}.{self.name}"


CALLS: Final[tuple[Call, ...]] = tuple(
    Call(provider, name, make)
    for provider, calls in {
        "exante": {
            "create": lambda c: c.create(_EXANTE),
            "get": lambda c: c.get(UUID),
            "list": lambda c: c.list().first(),
            "update": lambda c: c.update(UUID, CHANGES),
            "update_many": lambda c: c.update_many({UUID: CHANGES}),
            "delete_many": lambda c: c.delete_many([UUID]),
        },
        "kukkingu": {
            "create": lambda c: c.create(_KUKKINGU),
            "get": lambda c: c.get(INVOICE),
            "list": lambda c: c.list().first(),
            "update": lambda c: c.update(INVOICE, CHANGES),
            "finalize": lambda c: c.finalize(INVOICE),
            "void": lambda c: c.void(INVOICE),
        },
        "katsu": {"replace": lambda c: c.update(UUID, REPLACEMENT)},
    }.items()
    for name, make in calls.items()
)
READS: Final = frozenset({"get", "list"})


def client_for(provider: str, kind: Callable[..., Any] = AsyncClient, **options: Any) -> Any:
    """Make a client of *provider* with what it needs; *options* override it."""
    made: str | Provider = provider
    if provider == "katsu":
        made = providers.katsu(currencies={"EUR": 1})
    elif provider == "kukkingu":
        options = {"tenant": TENANT, **options}
    return kind(made, **{"base_url": BASE_URLS[provider], **options})
