"""Code that a user's type checker must refuse; checked by mypy, never run.

Each line that is wrong ignores one error by its code. If a change lets such a line pass, mypy says
that the ignore is not used, and the gate fails.
"""

from __future__ import annotations

import billingual.model
from billingual import (
    AsyncClient,
    Changes,
    Client,
    Draft,
    Filter,
    Invoice,
    Money,
    OutcomeUnknown,
    Replacement,
)


def money() -> None:
    """An amount is exact: a float is refused before it runs."""
    Money.of(12.7, "EUR")  # type: ignore[arg-type]
    Money("12.70", "EUR")  # type: ignore[arg-type]


def clients() -> None:
    """A client takes its options by name, and only those that there are."""
    AsyncClient("exante", "a-token")  # type: ignore[call-arg]
    AsyncClient("exante", tokn="a-token")  # type: ignore[call-arg]
    Client("exante", retry=3)  # type: ignore[arg-type]
    Client("exante", driver="asyncio")  # type: ignore[call-arg]


async def calls(client: AsyncClient, draft: Draft, changes: Changes, whole: Replacement) -> None:
    """A call takes what its operation writes, and returns what it reads."""
    await client.create(changes)  # type: ignore[arg-type]
    await client.update("1", draft)  # type: ignore[call-overload]
    await client.get(1)  # type: ignore[arg-type]
    client.list("OVERDUE")  # type: ignore[arg-type]
    client.get("1").number  # type: ignore[attr-defined]  # noqa: B018 - it was not awaited
    (await client.update("1", whole)).number  # type: ignore[attr-defined]  # noqa: B018 - a receipt
    for _ in client.list():  # type: ignore[attr-defined]
        pass


async def mappings(client: AsyncClient, sync: Client, any_text: dict[str, str]) -> None:
    """A mapping has the fields of its model, with values that can be exact."""
    await client.create({"numbr": "1"})  # type: ignore[arg-type]
    await client.create({"total": 12.5})  # type: ignore[arg-type]
    await client.create(any_text)  # type: ignore[arg-type]
    sync.update("1", {"due_at": 5})  # type: ignore[call-overload]
    sync.update_many({"1": {"owner": "2"}})  # type: ignore[dict-item]
    client.list({"overdue_days": 1.5})  # type: ignore[arg-type]
    sync.preview.list({"statuses": "PAID"})  # type: ignore[arg-type]


def blocking(client: Client) -> None:
    """The blocking client returns values, not awaitables."""
    invoice: Invoice = client.create(Draft())
    invoice.number = "2"  # type: ignore[misc]
    client.list(Filter(stats="OVERDUE"))  # type: ignore[call-arg]


def outcomes(error: OutcomeUnknown) -> None:
    """Callers read the verdict of an error; they do not set it."""
    error.maybe_applied = False  # type: ignore[misc]


def names() -> None:
    """A name that is not public is unknown, though the packages load their names on first use."""
    billingual.Dialect  # type: ignore[attr-defined]  # noqa: B018
    billingual.model.Incoice  # type: ignore[attr-defined]  # noqa: B018
