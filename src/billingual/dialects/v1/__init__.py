"""Katsu Pay: whole documents by ``PUT /v1/Invoice/Update``."""

from __future__ import annotations

__all__: list[str] = []
