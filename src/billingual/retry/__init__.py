"""Decisions about attempts: pure functions of what was seen; tenacity drives the loop."""

from __future__ import annotations

__all__: list[str] = []
