"""G12: while a provider fails, we do not make it worse, and when it recovers we are there.

Thousands of calls of three clients (two credentials, two tenants) go through the real core in
virtual time, past a provider that fails in one way for ten minutes. Each request is judged as it
goes out, each wait as it begins, each call as it ends. The session ``proofs`` makes ten thousand
calls for each profile, the gate some hundreds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from _support.outages.profiles import PROFILES
from _support.outages.run import Run, run_profile

pytestmark = pytest.mark.timeout(600)

DEAD = [name for name, each in PROFILES.items() if each.dead]
RECOVERING = [name for name, each in PROFILES.items() if each.recovers_at is not None]
THROTTLED = [name for name, each in PROFILES.items() if each.throttles]
SHARES = {"10 %": 0.1, "30 %": 0.3, "50 %": 0.5, "80 %": 0.8}


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """Return a keeper of runs: each profile is run once for all that is asked of it."""
    return {}


@pytest.fixture
def run_of(runs: dict[str, Run], proof: Any) -> Callable[[str], Run]:
    """Return a function that runs a profile by name."""

    def run(name: str) -> Run:
        if name not in runs:
            # Below 700 the retries that a full bucket allows are more than a twentieth.
            sample = 720 if PROFILES[name].dead else 360
            runs[name] = run_profile(
                PROFILES[name], calls=proof.amount(sample, 10_000), seed=proof.seed
            )
        done = runs[name]
        told = f"{done.requests / done.calls:.4f} requests per call, {dict(done.ends)}"
        print(f"{name}: {told}")  # noqa: T201 - for -rP
        return done

    return run


@pytest.mark.parametrize("name", PROFILES)
def test_no_rule_is_broken_on_the_way(name: str, run_of: Callable[[str], Run]) -> None:
    """No wait ends before it was asked to, no sleep outlasts a deadline, no create goes twice."""
    run = run_of(name)

    assert [] == run.complaints[:5], f"seed {run.seed}"
    assert run.calls == sum(run.ends.values())


@pytest.mark.parametrize("name", PROFILES)
def test_retries_cost_no_more_than_the_budget_holds(
    name: str, run_of: Callable[[str], Run]
) -> None:
    """For each credential: 14 for each failed and 5 for each throttled, 500 and the successes."""
    run = run_of(name)

    assert [] == run.overdrawn(), f"seed {run.seed}"


@pytest.mark.parametrize("name", DEAD)
def test_a_total_outage_costs_a_twentieth_more_at_most(
    name: str, run_of: Callable[[str], Run]
) -> None:
    """The 500 tokens of a credential that both its tenants share are 35 retries, and no more."""
    run = run_of(name)

    assert run.good == 0
    assert run.requests <= run.calls + 500 // 14, f"seed {run.seed}"
    assert run.requests <= 1.05 * run.calls, f"seed {run.seed}"


@pytest.mark.parametrize("name", RECOVERING)
def test_success_comes_back_within_half_a_minute(name: str, run_of: Callable[[str], Run]) -> None:
    """The first success is sent 30 s after the recovery at the latest."""
    run = run_of(name)

    assert run.first_good_after(PROFILES[name].recovers_at) <= 30.0, f"seed {run.seed}"


@pytest.mark.parametrize("name", THROTTLED)
def test_after_429_calls_go_one_by_one(name: str, run_of: Callable[[str], Run]) -> None:
    """A tenth of a second apart, closer with each success only; zero seconds are no hot loop."""
    run = run_of(name)

    assert [] == run.crowded()[:5], f"seed {run.seed}"
    assert 0 < sum(each.fate.kind == "429" for each in run.provider.in_order)


@pytest.mark.parametrize("name", THROTTLED)
def test_a_rate_limit_cuts_nothing_short(name: str, run_of: Callable[[str], Run]) -> None:
    """Nothing is sent so late that its deadline ends it: a write would be unclear then."""
    run = run_of(name)

    assert 0 == run.ends["OutcomeUnknown"] + run.ends["TimedOutError"], f"seed {run.seed}"


@pytest.mark.parametrize("share", SHARES)
def test_in_a_brown_out_retries_help(share: str, run_of: Callable[[str], Run]) -> None:
    """More calls succeed than attempts would; two full buckets and the successes pay for it."""
    run = run_of(f"brown-out: {share}")

    assert run.good > run.calls * (1 - SHARES[share]), f"seed {run.seed}"
    assert 0 < run.requests - run.calls <= (2 * 500 + run.good) / 14


def test_an_open_circuit_lets_one_through_at_a_time(run_of: Callable[[str], Run]) -> None:
    """Bursts of fifteen come to each client; after its rest one attempt goes, every half minute."""
    run = run_of("dead: refused, breaker")
    probes = run.probes()

    assert {1} == set(probes.values()), f"seed {run.seed}"
    for who in {each[:2] for each in probes}:
        times = sorted(at for *client, at in probes if tuple(client) == who)
        assert all(other - one >= 30.0 for one, other in pairwise(times)), f"seed {run.seed}"


def test_one_credentials_limit_is_not_anothers(run_of: Callable[[str], Run]) -> None:
    """While one is turned away, for both its tenants, each call of the other succeeds."""
    run = run_of("storm: 429 of one credential")

    assert run.calls // 3 == run.ends["good"], f"seed {run.seed}"


def test_the_same_seed_makes_the_same_history(proof: Any) -> None:
    """Down to the microsecond of each request; another seed makes another."""
    names = sorted(PROFILES)
    dice = random.Random(proof.seed)  # noqa: S311 - a seeded draw
    for seed in [dice.randrange(1 << 30) for _ in range(proof.amount(4, 100))]:
        profile = PROFILES[names[seed % len(names)]]
        one, same = (run_profile(profile, calls=120, seed=seed) for _ in range(2))

        assert one.provider.history() == same.provider.history(), f"seed {seed}"

    histories = {
        run_profile(PROFILES["brown-out: 50 %"], calls=120, seed=seed).provider.history()
        for seed in (1, 2, 3)
    }
    assert 3 == len(histories)
