"""Test tools: recorded exchanges, faults, and the suites that every part of your own must pass.

:func:`record` and :func:`replay` keep exchanges on tapes without secrets, :func:`drift` compares a
tape with the provider of today, and :func:`fault` makes a transport fail as a plan says.

The plugin of pytest, :mod:`billingual.testing.pytest_plugin`, has fixtures over all of it, and
:mod:`billingual.testing.strategies` has strategies of Hypothesis.

A conformance suite is a tuple of checks, each of one rule. Run them all with
:func:`check_transport`, :func:`check_dialect`, :func:`check_ledger` or :func:`check_quota_store`,
which return a report for people, or give the tuple to ``pytest.mark.parametrize`` and call
``check.run(...)``. The suites need no pytest.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.testing.conformance.dialect import (
        DIALECT_CHECKS,
        check_dialect,
        run_dialect_check,
    )
    from billingual.testing.conformance.dialect_harness import DialectSamples, Sample
    from billingual.testing.conformance.harness import Handler, InProcess, asgi_app
    from billingual.testing.conformance.ledger import (
        LEDGER_CHECKS,
        LedgerFactory,
        check_ledger,
        run_ledger_check,
    )
    from billingual.testing.conformance.quota_store import QUOTA_STORE_CHECKS, check_quota_store
    from billingual.testing.conformance.report import (
        Check,
        CheckFailedError,
        NotApplicableError,
        Report,
        Result,
    )
    from billingual.testing.conformance.transport import (
        TRANSPORT_CHECKS,
        check_transport,
        run_transport_check,
    )
    from billingual.testing.factories import DraftFactory, InvoiceFactory
    from billingual.testing.fault_catalogue import CATALOGUE, Fault
    from billingual.testing.faults import FaultTransport, PlannedFaults, fault
    from billingual.testing.quota_store import MemoryQuotaStore
    from billingual.testing.recording.drift import Drift, drift
    from billingual.testing.recording.record import RecordTransport, record
    from billingual.testing.recording.replay import ReplayTransport, replay
    from billingual.testing.recording.tapes import RecordMode, Tapes
    from billingual.testing.sandbox_clock import SandboxClock

__all__ = [
    "CATALOGUE",
    "DIALECT_CHECKS",
    "LEDGER_CHECKS",
    "QUOTA_STORE_CHECKS",
    "TRANSPORT_CHECKS",
    "Check",
    "CheckFailedError",
    "DialectSamples",
    "DraftFactory",
    "Drift",
    "Fault",
    "FaultTransport",
    "Handler",
    "InProcess",
    "InvoiceFactory",
    "LedgerFactory",
    "MemoryQuotaStore",
    "NotApplicableError",
    "PlannedFaults",
    "RecordMode",
    "RecordTransport",
    "ReplayTransport",
    "Report",
    "Result",
    "Sample",
    "SandboxClock",
    "Tapes",
    "asgi_app",
    "check_dialect",
    "check_ledger",
    "check_quota_store",
    "check_transport",
    "drift",
    "fault",
    "record",
    "replay",
    "run_dialect_check",
    "run_ledger_check",
    "run_transport_check",
]

if not TYPE_CHECKING:  # To a type checker, __getattr__ would mean that every name exists.
    __getattr__, __dir__ = attach(
        __name__,
        {
            "conformance.dialect": "DIALECT_CHECKS check_dialect run_dialect_check",
            "conformance.dialect_harness": "DialectSamples Sample",
            "conformance.harness": "Handler InProcess asgi_app",
            "conformance.ledger": "LEDGER_CHECKS LedgerFactory check_ledger run_ledger_check",
            "conformance.quota_store": "QUOTA_STORE_CHECKS check_quota_store",
            "conformance.report": "Check CheckFailedError NotApplicableError Report Result",
            "conformance.transport": "TRANSPORT_CHECKS check_transport run_transport_check",
            "factories": "DraftFactory InvoiceFactory",
            "fault_catalogue": "CATALOGUE Fault",
            "faults": "FaultTransport PlannedFaults fault",
            "quota_store": "MemoryQuotaStore",
            "recording.drift": "Drift drift",
            "recording.record": "RecordTransport record",
            "recording.replay": "ReplayTransport replay",
            "recording.tapes": "RecordMode Tapes",
            "sandbox_clock": "SandboxClock",
        },
    )
