"""Every transport keeps every rule of the seam, under every backend it works on."""

from __future__ import annotations

import pytest

from _support.transport_rows import CASES, ROWS
from billingual.testing import TRANSPORT_CHECKS, Check, run_transport_check


@pytest.mark.parametrize(
    ("row", "backend", "check"),
    CASES,
    ids=[f"{row}-{backend}-{check}" for row, backend, check in CASES],
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
