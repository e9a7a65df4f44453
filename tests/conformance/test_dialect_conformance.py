"""Every dialect keeps every rule of the seam."""

from __future__ import annotations

import pytest

from _support.dialect_samples import SUBJECTS
from billingual.testing import DIALECT_CHECKS, Check, run_dialect_check


@pytest.mark.parametrize("check", DIALECT_CHECKS, ids=str)
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_dialect_keeps_the_rule(name: str, check: Check) -> None:
    """The rule is in the check; what does not apply is in the table."""
    subject = SUBJECTS[name]
    result = run_dialect_check(check, subject.dialect, subject.samples)
    why = subject.not_applicable.get(check.name)

    assert ("passed" if why is None else "not applicable") == result.outcome, (
        f"{check.rule} {result.expected} / {result.seen}"
    )
    assert result.why.startswith(why or "")
