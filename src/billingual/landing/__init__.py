"""Invoices landed where tools can query them: planned in windows, resumable, complete or named."""

from __future__ import annotations

from billingual.landing.windows import OPEN_STATUSES, Window, WindowKind, plan_windows

__all__ = ["OPEN_STATUSES", "Window", "WindowKind", "plan_windows"]
