"""A row of the table: what is done, what it gives, and what is told about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from _support.equivalence.servers import Control, Reply
from _support.equivalence.ways import TRANSPORTS
from billingual import Changes, Draft, Money, Replacement
from billingual.events import Event
from billingual.model import Discount, ReplacementLine, Tax
from billingual.retry.policy import Retry
from billingual.sandbox import ACCOUNTS, LANDMARKS
from billingual.wire import Timeouts

__all__ = [
    "BRISK", "EXANTE_DRAFT", "KUKKINGU_DRAFT", "LATER", "NOWHERE", "REPLACEMENT", "Row", "Scene",
]  # fmt: skip

BRISK: Final = Retry(base_s=0.001, throttled_s=0.001)
"""The standard policy, but for its waits."""

NOWHERE: Final = "ffffffff-ffff-4fff-8fff-ffffffffffff"
EXANTE_DRAFT: Final = Draft(
    counterparty=LANDMARKS["exante_party"], owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"], number="P-1", currency="EUR",
)  # fmt: skip
KUKKINGU_DRAFT: Final = Draft(
    number="K-1", document=LANDMARKS["kukkingu_contract"], total=Money.of("12.34", "EUR"),
    exchange_rate="1",
)  # fmt: skip
LATER: Final = Changes(due_at="2027-01-31T00:00:00Z")
REPLACEMENT: Final = Replacement(
    counterparty="c45c0c3a-62ca-4c50-ab9a-28571bb5e38a", counterparty_name="Kanda Denki K.K.",
    receiving_account="fef1b614-127f-4580-88a1-d6ded13e8bd2", account_name="Operating account",
    due_at="2026-12-31T00:00:00Z", currency="USD",
    lines=[ReplacementLine(
        product_id="b284a8e8-443d-4ac1-bed4-8bf953e40f49", quantity=3, unit_price="19.99",
    )],
    taxes=[Tax(tax_id="c9ede998-df14-48ec-9c96-d798635999b8", percentage="7.5")],
    discount=Discount(type=2, value=Decimal(5)), description="whole", billing_cycle=6,
    recurring=False, payment_methods=[1], notifications=[], remind_days_before=[],
    remind_days_after=[], remind_on_due_date=False,
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Scene:
    """What a row has to work with.

    Attributes:
        client: the client, awaited whatever it is.
        control: the server behind it.
        events: what was told so far.
        make: makes another client of the same kind, with other options.
        again: makes another client on the same way to the same provider, with more options.
        addressed: makes that client from an address with this query.
    """

    client: Any
    control: Control
    events: list[Event]
    make: Callable[..., Any]
    again: Callable[..., Any]
    addressed: Callable[[str], Any]

    def exante(self, status: str, nth: int = 0) -> str:
        """Return the id of an Exante invoice of ours with that status."""
        return self._stored("exante", "uid", organization=LANDMARKS["exante_organization"],
                            status=status, type="ACCOUNTS_RECEIVABLE")[nth]  # fmt: skip

    def kukkingu(self, status: str) -> str:
        """Return the id of a Kukkingu invoice of ours with that status."""
        tenant = LANDMARKS["kukkingu_tenant"]
        return self._stored("kukkingu", "id", tenant=tenant, status=status)[0]

    def numbered(self, number: str) -> int:
        """Count the stored invoices with that number."""
        return sum(
            row["number"] == number
            for provider in ("exante", "kukkingu")
            for row in self.control.stored(provider)
        )

    def _stored(self, provider: str, key: str, **like: str) -> list[str]:
        rows = self.control.stored(provider)
        return [row[key] for row in rows if all(row[k] == v for k, v in like.items())]


@attrs.frozen
class Row:
    """One scenario, written once for all clients.

    Attributes:
        name: the rule it shows.
        run: what is done; awaits only the client.
        gives: the result or the error, in the words of ``_support.equivalence.observed``.
        trace: what observers are told, likewise.
        provider: a preset's name or a provider.
        account: the provider whose account of the sandbox is used.
        options: the client's options, beside those that lead to the transport.
        script: responses that no sandbox gives, in order.
        unreachable: whether nothing listens at the address.
        transports: where it can happen.
        portal: whether it is run through the portal too, and on every transport in each run.
        taped: whether it is recorded and replayed; not for rows that look what was stored.
        drops_a_read: whether a connection breaks before the response to a GET.
    """

    name: str
    run: Callable[[Scene], Awaitable[Any]]
    gives: str
    trace: str = ""
    provider: Any = attrs.field(default="exante", kw_only=True)
    account: str = attrs.field(kw_only=True)
    options: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    script: tuple[Reply, ...] = attrs.field(default=(), kw_only=True)
    unreachable: bool = attrs.field(default=False, kw_only=True)
    transports: tuple[str, ...] = attrs.field(default=TRANSPORTS, kw_only=True)
    portal: bool = attrs.field(default=False, kw_only=True)
    taped: bool = attrs.field(default=False, kw_only=True)
    drops_a_read: bool = attrs.field(default=False, kw_only=True)

    @account.default
    def _account(self) -> str:
        name = self.provider if isinstance(self.provider, str) else self.provider.name
        return name if name in ACCOUNTS else "exante"

    def patience_s(self) -> float:
        """Return the seconds that a response is waited for."""
        timeouts = self.options.get("timeout", Timeouts())
        return float(min(timeouts.read, self.options.get("deadline", 60.0)))
