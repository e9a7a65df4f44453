"""Prove a part of your own: the suites that every transport and every dialect must pass.

Nothing here needs pytest. A suite is a tuple of checks, each of one rule: run them all with
:func:`check_transport` or :func:`check_dialect`, which return a report for people, or hand the
tuple to ``pytest.mark.parametrize`` and call ``check.run(...)``.
"""

from __future__ import annotations

from billingual.testing.dialect import DIALECT_CHECKS, check_dialect, run_dialect_check
from billingual.testing.inprocess import Handler, InProcess, asgi_app
from billingual.testing.report import (
    Check,
    CheckFailedError,
    NotApplicableError,
    Report,
    Result,
)
from billingual.testing.samples import DialectSamples, Sample
from billingual.testing.transport import TRANSPORT_CHECKS, check_transport, run_transport_check

__all__ = [
    "DIALECT_CHECKS",
    "TRANSPORT_CHECKS",
    "Check",
    "CheckFailedError",
    "DialectSamples",
    "Handler",
    "InProcess",
    "NotApplicableError",
    "Report",
    "Result",
    "Sample",
    "asgi_app",
    "check_dialect",
    "check_transport",
    "run_dialect_check",
    "run_transport_check",
]
