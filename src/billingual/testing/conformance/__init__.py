"""The rules that every transport and every dialect must keep, as suites with a report."""

from __future__ import annotations

__all__: list[str] = []
