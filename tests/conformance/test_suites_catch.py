"""The suites can fail: who breaks one rule is caught by the check meant for it, and no other."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from _support.broken_dialects import BROKEN_DIALECTS
from _support.broken_transports import BROKEN
from billingual.testing import DIALECT_CHECKS, check_dialect, check_transport

# Quick checks of every group: in the gate a broken transport meets these beside its own.
NEIGHBOURS = frozenset(
    {
        "any-status-is-a-response", "an-announced-length-is-read", "chunks-are-joined",
        "redirects-are-not-followed", "cookies-are-not-kept", "the-environment-is-not-read",
        "targets-go-out-as-they-are", "headers-go-out-as-they-are", "a-request-is-sent-once",
        "a-response-cut-short-is-an-error", "responses-are-bounded", "a-connection-is-used-again",
        "a-refused-connection-means-nothing-was-sent", "closing-twice-is-no-error",
        "silence-ends-with-the-read-timeout", "the-seam-is-complete",
    }
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.__name__)
def test_a_broken_transport_fails_its_check_and_no_other(broken: Any, proof: Any) -> None:
    """Exactly the checks meant for the fault fail."""
    meant = BROKEN[broken]
    report = check_transport(broken, only=None if proof.full else meant | NEIGHBOURS)

    assert meant == {each.check.name for each in report.failed}, str(report)


@pytest.mark.parametrize("name", BROKEN_DIALECTS)
def test_a_broken_dialect_fails_its_check_and_no_other(name: str, proof: Any) -> None:
    """Exactly the check meant for the fault fails; in the gate beside a quarter of the others."""
    dialect, samples, meant = BROKEN_DIALECTS[name]
    chance = Random(f"{proof.seed} {name}")  # noqa: S311 - which checks are met is no secret
    others = [each.name for each in DIALECT_CHECKS if each.name not in meant]
    drawn = chance.sample(others, proof.amount(len(others) // 4, len(others)))
    report = check_dialect(dialect, samples, only=meant | set(drawn))

    assert meant == {each.check.name for each in report.failed}, str(report)
