"""The SQLite ledger keeps every rule of the seam; a ledger that breaks one is caught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from billingual.jobs.entry import State
from billingual.jobs.ledger import Claim
from billingual.jobs.sqlite import SqliteLedger
from billingual.testing import check_ledger
from billingual.testing.conformance.ledger import LEDGER_CHECKS, run_ledger_check
from billingual.testing.conformance.report import Check

# One process at a time works with a file that is not shared, so it needs no leases.
ALONE = frozenset(
    {
        "processes-claim-nothing-twice", "a-lease-protects-what-is-in-flight",
        "a-claim-ends-with-its-lease", "a-lease-that-seems-over-is-waited-for-once-more",
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


class PlansAgain(SqliteLedger):
    """What was in flight is planned again: the mistake that doubles invoices."""

    def _end_claims(self, connection: Any, over: str, now: float, settle_s: float) -> int:
        ended: int = super()._end_claims(connection, over, now, settle_s)
        connection.execute("UPDATE entry SET state = 'planned' WHERE state = 'unknown'")
        return ended


class LooksAtOnce(SqliteLedger):
    """A look does not wait for late requests."""

    def unclear(self, claim: Claim, **how: Any) -> None:
        super().unclear(claim, **{**how, "not_before": how["now"]})


class SendsAlone(SqliteLedger):
    """Each claim takes one entry, so that halves do not stay together."""

    def claim(self, **how: Any) -> Claim | None:
        return super().claim(**{**how, "limits": dict.fromkeys(how["limits"], 1)})


class TrustsTheClock(SqliteLedger):
    """What is left from an earlier run is looked at when the clock says so."""

    def recover(self, *, now: float, settle_s: float) -> int:
        with self._step() as connection:
            return self._end_claims(connection, "lease < :now", now, settle_s)


class ForgetsLateOnes(SqliteLedger):
    """A create that had a doubt is not looked at later."""

    def commit(self, claim: Claim, **how: Any) -> None:
        super().commit(claim, **how)
        with self._step() as connection:
            connection.execute("UPDATE entry SET late_check = NULL")


class DecidesAnything(SqliteLedger):
    """A person may undo what was carried out."""

    def resolve(self, entry_id: str, state: State, **how: Any) -> Any:
        kept = self.entry(entry_id)
        assert kept is not None
        return attrs.evolve(kept, state=state)


BROKEN = [
    PlansAgain, LooksAtOnce, SendsAlone, TrustsTheClock, ForgetsLateOnes, DecidesAnything,
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_ledger_is_caught(broken: type[SqliteLedger], in_memory: Path) -> None:
    """The report names the rules that it breaks, and those that it keeps."""
    report = check_ledger(lambda name: broken(in_memory / name))

    assert report.failed, str(report)
    assert report.passed, str(report)
