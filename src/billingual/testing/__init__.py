"""Test tools: recorded exchanges, faults, and the suites that every part of your own must pass.

:func:`record` and :func:`replay` keep exchanges on tapes without secrets, :func:`drift` compares a
tape with the provider of today, and :func:`fault` makes a transport fail as a plan says.

A conformance suite is a tuple of checks, each of one rule. Run them all with
:func:`check_transport` or :func:`check_dialect`, which return a report for people, or give the
tuple to ``pytest.mark.parametrize`` and call ``check.run(...)``. Nothing here needs pytest.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.testing.conformance.dialect import (
        DIALECT_CHECKS,
        check_dialect,
        run_dialect_check,
    )
    from billingual.testing.conformance.report import (
        Check,
        CheckFailedError,
        NotApplicableError,
        Report,
        Result,
    )
    from billingual.testing.conformance.samples import DialectSamples, Sample
    from billingual.testing.conformance.transport import (
        TRANSPORT_CHECKS,
        check_transport,
        run_transport_check,
    )
    from billingual.testing.fault_catalogue import CATALOGUE, Fault
    from billingual.testing.faults import FaultTransport, fault
    from billingual.testing.inprocess import Handler, InProcess, asgi_app
    from billingual.testing.recording.drift import Drift, drift
    from billingual.testing.recording.record import RecordTransport, record
    from billingual.testing.recording.replay import ReplayTransport, replay

_HOMES = {
    "CATALOGUE": "fault_catalogue",
    "Check": "conformance.report",
    "CheckFailedError": "conformance.report",
    "DIALECT_CHECKS": "conformance.dialect",
    "DialectSamples": "conformance.samples",
    "Drift": "recording.drift",
    "Fault": "fault_catalogue",
    "FaultTransport": "faults",
    "Handler": "inprocess",
    "InProcess": "inprocess",
    "NotApplicableError": "conformance.report",
    "RecordTransport": "recording.record",
    "ReplayTransport": "recording.replay",
    "Report": "conformance.report",
    "Result": "conformance.report",
    "Sample": "conformance.samples",
    "TRANSPORT_CHECKS": "conformance.transport",
    "asgi_app": "inprocess",
    "check_dialect": "conformance.dialect",
    "check_transport": "conformance.transport",
    "drift": "recording.drift",
    "fault": "faults",
    "record": "recording.record",
    "replay": "recording.replay",
    "run_dialect_check": "conformance.dialect",
    "run_transport_check": "conformance.transport",
}

__all__ = [
    "CATALOGUE",
    "DIALECT_CHECKS",
    "TRANSPORT_CHECKS",
    "Check",
    "CheckFailedError",
    "DialectSamples",
    "Drift",
    "Fault",
    "FaultTransport",
    "Handler",
    "InProcess",
    "NotApplicableError",
    "RecordTransport",
    "ReplayTransport",
    "Report",
    "Result",
    "Sample",
    "asgi_app",
    "check_dialect",
    "check_transport",
    "drift",
    "fault",
    "record",
    "replay",
    "run_dialect_check",
    "run_transport_check",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use: a program that replays a tape needs no suite."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
