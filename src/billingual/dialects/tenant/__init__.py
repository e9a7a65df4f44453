"""Kukkingu: invoices of one tenant, whose status locks their fields."""

from __future__ import annotations

__all__: list[str] = []
