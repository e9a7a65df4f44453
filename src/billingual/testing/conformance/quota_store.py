"""The conformance suite of quota stores: what every store must keep, rule by rule.

In a program, or at a prompt::

    from billingual.testing import check_quota_store

    report = check_quota_store(MyStore("store.example"))
    print(report)
    report.raise_failures()

With pytest, which is not imported here, each rule is a test of its own::

    @pytest.mark.parametrize("check", QUOTA_STORE_CHECKS, ids=str)
    def test_my_store(check):
        check.run(MyStore("store.example"))

Each rule takes a key of its own, so that a store may hold other quotas. The rates are a call in
many minutes: how fast the store or the machine is plays no part, and nothing waits.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs

from billingual.abc import Lease, QuotaStore
from billingual.testing.conformance.report import (
    Check,
    Report,
    checks_in,
    conclude,
    expect,
    named_check,
)

__all__ = ["QUOTA_STORE_CHECKS", "check_quota_store"]

# A call in so many seconds. A check that takes a minute on a slow machine still tells apart what it
# must: the next call, and the one after that.
EVERY_S: Final = 1000.0
SLACK_S: Final = 150.0


@attrs.define(eq=False)
class Bench:
    """One quota of a store, under a key that no other has."""

    store: QuotaStore
    key: str = attrs.field(factory=lambda: secrets.token_hex(16))

    def acquire(self, count: int = 1, *, is_job: bool = False, key: str | None = None) -> Lease:
        """Take a lease."""
        return self.store.acquire(key or self.key, rate=1 / EVERY_S, count=count, is_job=is_job)

    def limited(self, retry_after_s: float | None = None, *, sent_ago_s: float = 0.0) -> None:
        """Report a 429; the call was sent after all that happened before."""
        time.sleep(0.002)
        self.store.observe(self.key, sent_ago_s=sent_ago_s, retry_after_s=retry_after_s)

    def part(self) -> float:
        """Return which part of the rate the store gives."""
        return round(EVERY_S / self.acquire(0).spacing_s, 4)


def quota_store_check(function: Callable[[Bench], None]) -> Check:
    """Make a check of a function that takes a bench."""

    def run(store: QuotaStore) -> None:
        function(Bench(store))

    run.__name__ = function.__name__
    return named_check(run, function.__doc__)


def waits(expected_s: float, lease: Lease) -> None:
    """Say that a rule is broken unless a lease begins in so many seconds."""
    expect(
        max(0.0, expected_s - SLACK_S) <= lease.wait_s <= expected_s + SLACK_S,
        expected=f"a wait of {expected_s:g} s",
        seen=f"{lease.wait_s:g} s",
    )


def same(expected: object, seen: object) -> None:
    """Say that a rule is broken unless both are equal."""
    expect(expected == seen, expected=repr(expected), seen=repr(seen))


@quota_store_check
def the_first_lease_begins_at_once(bench: Bench) -> None:
    """A quota that was not used gives what is asked for, from now on, at its rate."""
    lease = bench.acquire(3)
    same((3, 0.0), (lease.count, lease.wait_s))
    same(1.0, bench.part())


@quota_store_check
def leases_do_not_overlap(bench: Bench) -> None:
    """A lease begins where the one before it ends."""
    bench.acquire(3)
    waits(3 * EVERY_S, bench.acquire(2))
    waits(5 * EVERY_S, bench.acquire())


@quota_store_check
def threads_get_leases_that_do_not_overlap(bench: Bench) -> None:
    """Of many leases that threads take at once, no two begin together."""
    with ThreadPoolExecutor(8) as pool:
        leases = sorted(each.wait_s for each in pool.map(lambda _: bench.acquire(), range(64)))
    for place, wait_s in enumerate(leases):
        waits(place * EVERY_S, Lease(count=1, wait_s=wait_s, spacing_s=EVERY_S))


@quota_store_check
def keys_are_quotas_of_their_own(bench: Bench) -> None:
    """Leases and freezes of one key hold no other back."""
    bench.acquire(5)
    bench.limited(EVERY_S)
    waits(0.0, bench.acquire(key=f"{bench.key}-other"))


@quota_store_check
def asking_for_none_reserves_none(bench: Bench) -> None:
    """A count of 0 tells how long the quota is frozen, and takes nothing."""
    bench.acquire()
    for _ in range(3):
        same((0, 0.0), (bench.acquire(0).count, bench.acquire(0).wait_s))
    waits(EVERY_S, bench.acquire())


@quota_store_check
def a_freeze_holds_every_lease_back(bench: Bench) -> None:
    """After a 429, no lease begins before the time that the provider asked for."""
    bench.limited(5 * EVERY_S)
    waits(5 * EVERY_S, bench.acquire(0))
    waits(5 * EVERY_S, bench.acquire())
    waits(6 * EVERY_S, bench.acquire(is_job=True))


@quota_store_check
def a_shorter_freeze_shortens_none(bench: Bench) -> None:
    """Of several freezes, the one that ends last counts."""
    bench.limited(5 * EVERY_S)
    bench.limited(EVERY_S)
    waits(5 * EVERY_S, bench.acquire(0))


@quota_store_check
def a_429_with_a_time_keeps_the_rate(bench: Bench) -> None:
    """A single 429 that says when to go on leaves the rate as it is."""
    bench.limited(0.0)
    same(1.0, bench.part())


@quota_store_check
def a_429_without_a_time_lowers_the_rate(bench: Bench) -> None:
    """The rate falls by 30 %, and leases are further apart."""
    bench.limited()
    same(0.7, bench.part())
    bench.acquire()
    waits(EVERY_S / 0.7, bench.acquire())


@quota_store_check
def a_second_429_within_a_minute_lowers_the_rate(bench: Bench) -> None:
    """The provider named a time, and still there was another 429 after it."""
    bench.limited(0.0)
    bench.limited(0.0)
    same(0.7, bench.part())


@quota_store_check
def calls_under_way_together_count_once(bench: Bench) -> None:
    """Several 429s to calls that were sent before the first of them lower the rate once."""
    for _ in range(4):
        bench.limited(sent_ago_s=60.0)
    same(0.7, bench.part())


@quota_store_check
def calls_sent_into_a_freeze_do_not_count(bench: Bench) -> None:
    """A call that was leased before the freeze meets a 429, which says nothing of the rate."""
    bench.limited(EVERY_S)
    bench.limited(EVERY_S)
    bench.limited()
    same(1.0, bench.part())


@quota_store_check
def the_rate_falls_to_a_tenth_at_least(bench: Bench) -> None:
    """Any number of 429s leaves a tenth of the rate."""
    for _ in range(20):
        bench.limited()
    same(0.1, bench.part())


@quota_store_check
def jobs_leave_a_fifth_to_others(bench: Bench) -> None:
    """While other calls are made, jobs get four fifths of the rate at most."""
    bench.acquire()
    bench.acquire(4, is_job=True)
    waits(6 * EVERY_S, bench.acquire(is_job=True))
    waits(7 * EVERY_S, bench.acquire())


@quota_store_check
def jobs_alone_get_the_whole_rate(bench: Bench) -> None:
    """Without other calls, nothing is kept free for them."""
    bench.acquire(4, is_job=True)
    waits(4 * EVERY_S, bench.acquire(is_job=True))


QUOTA_STORE_CHECKS: Final = checks_in(globals())
"""Every rule of the seam, in the order of the report."""


def check_quota_store(
    store: QuotaStore,
    *,
    only: Iterable[str] | None = None,
    skip: Mapping[str, str] | None = None,
) -> Report:
    """Try every rule of the seam on a store.

    Args:
        store: the store.
        only: names of the checks to run; None for all.
        skip: names of checks not to run, each with the reason why, which the report tells.

    Raises:
        ConfigurationError: if there is no check of a name that is given.
    """
    return conclude(
        f"the quota store {type(store).__name__}",
        QUOTA_STORE_CHECKS,
        lambda check: check.run(store),
        only=only,
        skip=skip,
    )
