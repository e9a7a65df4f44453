"""Rows of the table: what holds calls back, and what names a client."""

from __future__ import annotations

from typing import Any, Final

from _support.equivalence.faults import AGAIN, ONCE
from _support.equivalence.row import EXANTE_DRAFT, KUKKINGU_DRAFT, Row, Scene
from billingual import Limiter, RetryBudget, errors

__all__ = ["ROWS"]


async def end_of(call: Any) -> Any:
    """Return how a call ended."""
    try:
        return await call
    except errors.BillingualError as error:
        return error


async def pause(scene: Scene) -> Any:
    """Be turned away for a moment; the pause is over when the next attempt goes out."""
    scene.control.fault("rate_limit", retry_after="0.05")
    return await scene.client.get(scene.exante("PAID"))


async def long_pause(scene: Scene) -> Any:
    """Be turned away for an hour: no other call of the credential is even sent."""
    scene.control.fault("rate_limit", retry_after=3600)
    first = await end_of(scene.client.get(scene.exante("PAID")))
    sibling = scene.client.with_options(deadline=9)
    return [first, await end_of(sibling.create(EXANTE_DRAFT))]


async def shared_limiter(scene: Scene) -> Any:
    """Give two clients one limiter, and a third one of its own."""
    limiter = Limiter()
    one, other = scene.again(limiter=limiter), scene.again(limiter=limiter)
    scene.control.fault("rate_limit", retry_after=3600)
    invoice_id = scene.exante("PAID")
    ends = [await end_of(each.get(invoice_id)) for each in (one, other)]
    return [*ends, await scene.again(limiter=Limiter()).get(invoice_id)]


async def steady(scene: Scene) -> Any:
    """Never go faster than a rate, nor so slowly that a deadline passes meanwhile."""
    fast, slow = scene.again(limiter=500.0), scene.again(limiter=0.01)
    invoice_id = scene.exante("PAID")
    ends = [await end_of(fast.get(invoice_id)) for _ in range(3)]
    return [*ends, *[await end_of(slow.get(invoice_id)) for _ in range(2)]]


async def no_budget(scene: Scene) -> Any:
    """Fail where no retry can be paid for."""
    scene.control.fault("status", times=9)
    client = scene.again(budget=RetryBudget(capacity=14))
    ends = [await end_of(client.get(scene.exante("PAID"))) for _ in range(2)]
    return [*ends, ends[0].stopped]


async def budget_earned(scene: Scene) -> Any:
    """Pay for a retry with what successes put back."""
    budget = RetryBudget(capacity=14)
    client, invoice_id = scene.again(budget=budget), scene.exante("PAID")
    left = []
    for faults in (1, 0, 0, 0):
        if faults:
            scene.control.fault("status", times=faults)
        await client.get(invoice_id)
        left.append(budget.tokens)
    return left


async def shared_budget(scene: Scene) -> Any:
    """Let one client spend what another would have needed, for writes that are turned away."""
    budget = RetryBudget(capacity=8)
    one, other = (scene.again(budget=budget) for _ in range(2))
    scene.control.fault("rate_limit", retry_after=0, times=3)
    return [await end_of(each.create(EXANTE_DRAFT)) for each in (one, other)]


async def by_address(scene: Scene) -> Any:
    """Make the client from an address."""
    return await scene.addressed("?retry=none&deadline=9").get(scene.exante("PAID"))


async def options_in_address(scene: Scene) -> Any:
    """Let the address say how patient the client is, and whose data it asks for."""
    scene.control.fault("status", times=1)
    invoice_id = scene.kukkingu("VOID")
    tenant = next(
        row["tenant"] for row in scene.control.stored("kukkingu") if row["id"] == invoice_id
    )
    client = scene.addressed(f"?tenant={tenant}&retry=none")
    return [await end_of(client.get(invoice_id)), await client.get(invoice_id)]


async def bad_addresses(scene: Scene) -> Any:
    """Ask for clients whose addresses cannot be."""
    ends: list[Any] = []
    for query in ("?retry=nosuch", "?deadline=soon", "?token=t", "?deadline=1&deadline=2", "#x"):
        try:
            ends.append(scene.addressed(query))
        except errors.UsageError as error:
            ends.append(error)
    # Their texts quote the address.
    return [type(each).__name__ for each in ends]


READ: Final = "get: committed 200 = committed"
TURNED_AWAY: Final = "not_applied 429 RateLimitedError = not_applied RateLimitedError"
HELD: Final = "not_sent DeadlineExceededError = not_sent DeadlineExceededError"

ROWS: Final = (
    Row(
        "a pause that is over",
        pause,
        "INV-2026-S00001 PAID 37219.95 GBP",
        "get: not_applied 429 RateLimitedError > committed 200 = committed",
        options=AGAIN,
        portal=True,
        taped=True,
    ),
    Row(
        "a pause that holds all calls of a credential back",
        long_pause,
        "RateLimitedError 429 'Rate limit exceeded', DeadlineExceededError",
        f"get: {TURNED_AWAY}; create: {HELD}",
        options=ONCE,
    ),
    Row(
        "a limiter is shared by those who are given it",
        shared_limiter,
        (
            "RateLimitedError 429 'Rate limit exceeded', DeadlineExceededError, "
            "INV-2026-S00001 PAID 37219.95 GBP"
        ),
        f"get: {TURNED_AWAY}; get: {HELD}; {READ}",
        options=ONCE,
    ),
    Row(
        "a rate that is given",
        steady,
        ", ".join(["INV-2026-S00001 PAID 37219.95 GBP"] * 4 + ["DeadlineExceededError"]),
        f"{READ}; {READ}; {READ}; {READ}; get: {HELD}",
        options=ONCE,
    ),
    Row(
        "a budget that is used up",
        no_budget,
        (
            "ServerError 503 'Injected status 503', ServerError 503 'Injected status 503', "
            "the retry budget of this host and credential is used up: too many calls fail"
        ),
        (
            "get: unknown 503 ServerError x2 = unknown ServerError; get: unknown 503 "
            "ServerError = unknown ServerError"
        ),
        options=AGAIN,
        portal=True,
    ),
    Row(
        "a budget that successes fill",
        budget_earned,
        "1, 2, 3, 4",
        f"get: unknown 503 ServerError > committed 200 = committed; {READ}; {READ}; {READ}",
        options=AGAIN,
    ),
    Row(
        "a budget is shared by those who are given it",
        shared_budget,
        "RateLimitedError 429 'Rate limit exceeded', RateLimitedError 429 'Rate limit exceeded'",
        (
            "create: not_applied 429 RateLimitedError x2 = not_applied RateLimitedError; "
            f"create: {TURNED_AWAY}"
        ),
        options=AGAIN,
    ),
    Row(
        "a key where the provider takes none",
        lambda s: s.client.create(EXANTE_DRAFT, key="k-1"),
        "UnsupportedError an idempotency key",
        "",
        portal=True,
    ),
    Row(
        "kukkingu: a key where the provider takes none",
        lambda s: s.client.create(KUKKINGU_DRAFT, key=""),
        "UnsupportedError an idempotency key",
        "",
        provider="kukkingu",
    ),
    Row(
        "a client made from an address",
        by_address,
        "INV-2026-S00001 PAID 37219.95 GBP",
        READ,
        portal=True,
    ),
    Row(
        "an address that says how, and for whom",
        options_in_address,
        (
            "ServerError 503 'Injected status 503: Service Unavailable: FAULT_STATUS', "
            "INV-2026-0003 VOID 3291.060 KWD"
        ),
        f"get: unknown 503 ServerError = unknown ServerError; {READ}",
        provider="kukkingu",
    ),
    Row(
        "addresses that cannot be",
        bad_addresses,
        (
            "UnknownNameError, ConfigurationError, ConfigurationError, ConfigurationError, "
            "ConfigurationError"
        ),
        "",
    ),
)
