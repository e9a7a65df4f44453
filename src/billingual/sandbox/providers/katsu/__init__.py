"""Katsu Pay in the sandbox, written from its documentation alone."""

from __future__ import annotations

__all__: list[str] = []
