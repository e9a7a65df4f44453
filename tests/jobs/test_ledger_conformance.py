"""The SQLite ledger keeps every rule of the seam; a ledger that breaks one is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from _support.broken_ledgers import BROKEN
from billingual.jobs.sqlite import SqliteLedger
from billingual.testing import check_ledger
from billingual.testing.conformance.ledger import LEDGER_CHECKS, run_ledger_check
from billingual.testing.conformance.report import Check

# One process at a time works with a file that is not shared, so it needs no leases.
ALONE = frozenset(
    {
        "processes-claim-nothing-twice", "a-lease-protects-what-is-in-flight",
        "a-claim-ends-with-its-lease", "a-lease-that-seems-over-is-waited-for-once-more",
        "a-look-that-is-taken-over-is-over",
    }
)  # fmt: skip


@pytest.mark.parametrize("kept", ["alone", "shared"])
@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=str)
def test_the_ledger_keeps_the_rule(check: Check, kept: str, in_memory: Path) -> None:
    """The rule is in the check; leases mean nothing to a ledger that is not shared."""

    def open_ledger(name: str) -> SqliteLedger:
        return SqliteLedger(in_memory / f"{name}.db", shared=kept == "shared")

    expected = "not applicable" if kept == "alone" and check.name in ALONE else "passed"
    result = run_ledger_check(check, open_ledger)

    assert expected == result.outcome, f"{check.rule} {result.expected} / {result.seen}"


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_ledger_is_caught(broken: type[SqliteLedger], in_memory: Path) -> None:
    """The report names the rules that it breaks, and those that it keeps.

    It breaks them by what it does: an error in its own SQL would break nearly any.
    """
    report = check_ledger(lambda name: broken(in_memory / name))

    assert report.failed, str(report)
    assert not [each for each in report.failed if "LedgerError" in each.seen], str(report)
    assert report.passed, str(report)
