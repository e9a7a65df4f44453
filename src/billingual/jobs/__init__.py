"""Writes that survive the death of the process that makes them.

:class:`~billingual.AsyncJob` and the blocking :class:`~billingual.Job` keep many writes in a ledger
and carry each of them out once. What they take and return is here.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.jobs.entry import (
        Create,
        Decision,
        Delete,
        Entry,
        History,
        PlannedWrite,
        Request,
        State,
        Update,
    )
    from billingual.jobs.ledger import (
        Claim,
        ClaimLostError,
        Ledger,
        LedgerError,
        LedgerInUseError,
        NewEntry,
        PlanConflictError,
        Seen,
    )
    from billingual.jobs.postgres import PostgresLedger
    from billingual.jobs.report import Progress, Report
    from billingual.jobs.runner import Policy
    from billingual.jobs.sqlite import SqliteLedger
    from billingual.jobs.verification import Verification

__all__ = [
    "Claim",
    "ClaimLostError",
    "Create",
    "Decision",
    "Delete",
    "Entry",
    "History",
    "Ledger",
    "LedgerError",
    "LedgerInUseError",
    "NewEntry",
    "PlanConflictError",
    "PlannedWrite",
    "Policy",
    "PostgresLedger",
    "Progress",
    "Report",
    "Request",
    "Seen",
    "SqliteLedger",
    "State",
    "Update",
    "Verification",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "entry": "Create Decision Delete Entry History PlannedWrite Request State Update",
            "ledger": (
                "Claim ClaimLostError Ledger LedgerError LedgerInUseError NewEntry "
                "PlanConflictError Seen"
            ),
            "postgres": "PostgresLedger",
            "report": "Progress Report",
            "runner": "Policy",
            "sqlite": "SqliteLedger",
            "verification": "Verification",
        },
    )
