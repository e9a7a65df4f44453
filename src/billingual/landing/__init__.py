"""Invoices landed where tools can query them: planned in windows, resumable, complete or named.

``client.land("invoices.duckdb", since="2026-01-01")`` does it all. The parts are for programs that
plan windows themselves, as the sources for dlt and Spark do, and for readers of what was landed.
"""

from __future__ import annotations

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual.landing.landing import land
    from billingual.landing.manifest import landed_files
    from billingual.landing.proof import Proof, WindowReader
    from billingual.landing.report import LandProgress, LandReport, WindowReport
    from billingual.landing.target import (
        Counts,
        Landed,
        LandingError,
        LandingInUseError,
        Source,
        Target,
    )
    from billingual.landing.windows import OPEN_STATUSES, Window, WindowKind, plan_windows

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "landing": "land",
            "manifest": "landed_files",
            "proof": "Proof WindowReader",
            "report": "LandProgress LandReport WindowReport",
            "target": "Counts Landed LandingError LandingInUseError Source Target",
            "windows": "OPEN_STATUSES Window WindowKind plan_windows",
        },
    )

__all__ = [
    "OPEN_STATUSES",
    "Counts",
    "LandProgress",
    "LandReport",
    "Landed",
    "LandingError",
    "LandingInUseError",
    "Proof",
    "Source",
    "Target",
    "Window",
    "WindowKind",
    "WindowReader",
    "WindowReport",
    "land",
    "landed_files",
    "plan_windows",
]
