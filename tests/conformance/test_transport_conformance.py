"""Every transport keeps every rule of the seam, under every backend it works on."""

from __future__ import annotations

from random import Random

import pytest

from _support.transport_rows import CASES, ROWS
from billingual.testing import TRANSPORT_CHECKS, Check, run_transport_check

# httpx2 shares its adapter with httpx, and urllib3 waits in threads under either event loop.
SAMPLED = frozenset({"httpx2", "urllib3"})


def sample(seed: int) -> list[tuple[str, str, Check]]:
    """Leave each check of a sampled transport to one of its backends."""
    chance = Random(seed)  # noqa: S311 - which backends are met is no secret
    chosen = {
        (name, check.name): chance.choice(ROWS[name].backends)
        for name in sorted(SAMPLED)
        for check in TRANSPORT_CHECKS
    }
    return [case for case in CASES if chosen.get((case[0], case[2].name), case[1]) == case[1]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run all cases in the session ``proofs``, else a sample of what hardly differs."""
    if "check" in metafunc.fixturenames:
        full = metafunc.config.getoption("--full-proofs")
        cases = CASES if full else sample(metafunc.config.getoption("--proof-seed"))
        metafunc.parametrize(
            ("row", "backend", "check"),
            cases,
            ids=[f"{row}-{backend}-{check}" for row, backend, check in cases],
        )


def test_a_transport_keeps_the_rule(row: str, backend: str, check: Check) -> None:
    """The rule is in the check; what does not apply is in the table."""
    outcome, why = ROWS[row].expected(check.name, backend)
    result = run_transport_check(check, ROWS[row].subject, backend=backend)

    assert outcome == result.outcome, f"{check.rule} {result.expected} / {result.seen}"
    assert result.why.startswith(why)


@pytest.mark.parametrize("row", ROWS)
def test_the_table_names_only_checks_that_there_are(row: str) -> None:
    """A misspelt name would excuse nothing, or everything."""
    names = {each.name for each in TRANSPORT_CHECKS}
    named = set(ROWS[row].not_applicable) | set(ROWS[row].limits)

    assert set() == named - names


@pytest.mark.parametrize("row", ROWS)
def test_a_transport_declares_its_limits_and_no_other(row: str) -> None:
    """A limit that the suite does not find would be an excuse."""
    declared = getattr(ROWS[row].subject, "limits", {})

    assert set(ROWS[row].limits) == set(declared)
