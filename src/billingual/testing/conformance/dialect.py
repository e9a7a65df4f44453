"""The conformance suite of dialects: what every one of them must do, rule by rule.

Its author shows it good operands and good responses, best of all those that the provider's
documentation prints; the suite varies them in every way that has gone wrong somewhere::

    from billingual.testing import DialectSamples, Sample, check_dialect

    samples = DialectSamples(
        operations=[Sample(feature=Feature.GET, operands=["inv_1"], responses=GOLDEN)],
        refusal=b'{"message": "no such customer"}',
    )
    report = check_dialect(MyDialect(), samples)
    print(report)
    report.raise_failures()

With pytest, which is not imported here, each rule is a test of its own::

    @pytest.mark.parametrize("check", DIALECT_CHECKS, ids=str)
    def test_my_dialect(check):
        check.run(MyDialect(), samples)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from billingual.abc import Dialect
from billingual.testing.conformance.dialect_harness import DialectSamples
from billingual.testing.conformance.dialect_reading import READING_CHECKS
from billingual.testing.conformance.dialect_requests import ASKING_CHECKS
from billingual.testing.conformance.report import Check, Report, Result, conclude, judge

__all__ = ["DIALECT_CHECKS", "check_dialect", "run_dialect_check"]

DIALECT_CHECKS: Final[tuple[Check, ...]] = (*ASKING_CHECKS, *READING_CHECKS)
"""Every rule of the seam, in the order of the report."""


def check_dialect(
    dialect: Dialect,
    samples: DialectSamples,
    *,
    only: Iterable[str] | None = None,
    skip: Mapping[str, str] | None = None,
) -> Report:
    """Try every rule of the seam on a dialect.

    Args:
        dialect: the dialect, with the tenant or whatever else its samples need.
        samples: what it is tried with.
        only: names of the checks to run; None for all.
        skip: names of checks not to run, each with the reason why, which the report tells.

    Raises:
        ConfigurationError: if there is no check of a name that is given.
    """
    return conclude(
        f"the dialect {dialect.name}",
        DIALECT_CHECKS,
        lambda check: check.run(dialect, samples),
        only=only,
        skip=skip,
    )


def run_dialect_check(check: Check, dialect: Dialect, samples: DialectSamples) -> Result:
    """Run one check and say what came of it, without raising for a rule that is broken."""
    return judge(check, lambda: check.run(dialect, samples))
