"""Exante: enveloped responses, lists, and batches of up to 100."""

from __future__ import annotations

__all__: list[str] = []
