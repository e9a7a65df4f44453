"""One run of a profile: thousands of calls through the real client, in virtual time."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Final

import attrs

from _support.outages.clock import LIMIT, JumpingBackend, run_jumping
from _support.outages.profiles import SPAN_S, Profile
from _support.outages.provider import CALL, UNCLEAR, OutageProvider
from billingual import AsyncClient, Draft, Money, errors
from billingual.retry.breaker import CircuitBreaker
from billingual.retry.budget import RetryBudget

__all__ = ["Run", "run_profile"]

INVOICE: Final = "inv_mqxd1kc6bgtcc676xoqzax47"
CONTRACT: Final = "ctr_mqxd1kc6bgtcc676xoqzax47"
TENANTS: Final = ("tnt_" + "1" * 24, "tnt_" + "2" * 24)


@attrs.define(kw_only=True)
class Run:
    """What came of it.

    Attributes:
        seed: what chance started from.
        calls: how many were made.
        provider: what it saw.
        backend: what was slept.
        ends: how many calls ended in what.
        good: the calls that succeeded.
        complaints: rules that were broken, in words.
        ended_at: when the last call ended.
    """

    seed: int
    calls: int
    provider: OutageProvider
    backend: JumpingBackend
    ends: Counter[str] = attrs.field(factory=Counter)
    good: int = 0
    complaints: list[str] = attrs.field(factory=list)
    ended_at: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests went out."""
        return len(self.provider.in_order)

    def retries(self) -> dict[str, Counter[str]]:
        """Count the retries of each credential, by whether the attempt before was throttled."""
        found: dict[str, Counter[str]] = {}
        for each in self.provider.deliveries.values():
            for before in each[:-1]:
                kind = "throttled" if before.fate.kind == "429" else "failed"
                found.setdefault(before.who[0], Counter())[kind] += 1
        return found

    def overdrawn(self) -> list[str]:
        """Name the credentials that retried more than their bucket of tokens allows.

        What retries cost is never more than what the bucket begins with and each success adds:
        14 failed + 5 throttled <= 500 + successes.
        """
        rules = RetryBudget()
        earned = Counter(e.who[0] for e in self.provider.in_order if e.fate.kind == "good")
        return [
            f"{who[-3:]}: {dict(spent)}, {earned[who]} successes"
            for who, spent in self.retries().items()
            if spent["failed"] * rules.cost + spent["throttled"] * rules.throttled_cost
            > rules.capacity + earned[who] * rules.earning
        ]

    def first_good_after(self, moment: float) -> float:
        """Return the seconds from *moment* to the first success that was sent after it."""
        return min((at for at in self.provider.good_at if at >= moment), default=1e9) - moment

    def crowded(self) -> list[str]:
        """Name attempts that followed one another too closely after a 429.

        A tenth of a second apart at least, a fifth less with each success of one that went out
        after it, until nothing is left of the gap. What was under way before is no follower.
        """
        found = []
        for who in {each.who for each in self.provider.in_order}:
            sends = [each for each in self.provider.in_order if each.who == who]
            first = min((e.answered_at for e in sends if e.fate.kind == "429"), default=1e9)
            after = [each for each in sends if each.at > first]
            goods = sorted(each.answered_at for each in after if each.fate.kind == "good")
            for one, other in pairwise(after):
                gap_s = 0.1 * 0.8 ** bisect_right(goods, other.at)
                if gap_s < 0.001:
                    break
                if other.at - one.at < gap_s - 1e-6:
                    found.append(f"{who[0][-3:]} at {one.at:.4f} and {other.at:.4f}")
        return found

    def probes(self) -> Counter[tuple[str, str, float]]:
        """Count the attempts of each client at each instant after its circuit first opened."""
        found: Counter[tuple[str, str, float]] = Counter()
        for who in {each.who for each in self.provider.in_order}:
            sends = [each for each in self.provider.in_order if each.who == who]
            opened = sorted(each.answered_at for each in sends)[CircuitBreaker().failures - 1]
            found.update((*who, each.at) for each in sends if each.at > opened)
        return found


def run_profile(profile: Profile, *, calls: int, seed: int) -> Run:
    """Run so many calls through *profile*."""
    run = Run(
        seed=seed,
        calls=calls,
        provider=OutageProvider(profile.weather(), seed + 1),
        backend=JumpingBackend(seed + 2),
    )
    run_jumping(lambda: _feed(run, profile))
    run.complaints = [*run.provider.complaints, *run.backend.overslept, *run.complaints]
    return run


async def _feed(run: Run, profile: Profile) -> None:
    """Start the calls, evenly spread over the span, and wait for the last."""
    first = AsyncClient(
        "kukkingu",
        token="token_a_" + "a" * 16,
        tenant=TENANTS[0],
        base_url="https://kukkingu.example",
        transport=run.provider,
        backend=run.backend,
        retry=profile.retry,
    )
    clients = [first, first.with_options(tenant=TENANTS[1])]
    if not profile.dead:
        clients.append(first.with_options(token="token_b_" + "b" * 16))
    dice = Random(run.seed)  # noqa: S311 - a seeded draw
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    for number in range(run.calls):
        every_s = profile.every_s or profile.burst / run.calls * SPAN_S
        begin = number // profile.burst * every_s
        if begin > loop.time():
            await asyncio.sleep(begin - loop.time())
        creates = dice.random() < profile.creates
        client = clients[number % len(clients)]
        tasks.append(loop.create_task(_call(run, client, number, creates=creates)))
    await asyncio.gather(*tasks)
    run.ended_at = loop.time()


async def _call(run: Run, client: AsyncClient, number: int, *, creates: bool) -> None:
    """Make one call and judge its end."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + client._context.deadline_s
    CALL.set(number)
    LIMIT.set(limit)
    end, maybe = "good", True
    try:
        if creates:
            draft = Draft(
                number=f"K-{number}",
                document=CONTRACT,
                total=Money.of("12.34", "EUR"),
                exchange_rate="1",
            )
            await client.create(draft)
        else:
            await client.get(INVOICE)
        run.good += 1
    except errors.BillingualError as error:
        end, maybe = type(error).__name__, error.maybe_applied
    run.ends[end] += 1
    run.provider.remember(f"{number} ends {end}")
    if loop.time() > limit + 1e-6:
        run.complaints.append(f"{number} ended {loop.time() - limit:.3f} s after its deadline")
    if creates:
        _judge_write(run, number, end, maybe=maybe)


def _judge_write(run: Run, number: int, end: str, *, maybe: bool) -> None:
    """Compare what a caller was told of a create with what happened."""
    applied = run.provider.applied[f"K-{number}"]
    unclear = any(each.fate.kind in UNCLEAR for each in run.provider.deliveries[number])
    if applied > 1:
        run.complaints.append(f"{number} was created {applied} times")
    if end == "good" and applied != 1:
        run.complaints.append(f"{number} is said to be done and was created {applied} times")
    if not maybe and applied:
        run.complaints.append(f"{number} is said to have failed ({end}) and was created")
    if end == "OutcomeUnknown" and not unclear:
        run.complaints.append(f"{number} is said to be unclear, and all of it was clear")
