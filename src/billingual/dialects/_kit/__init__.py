"""The tools that dialects are made with; ``billingual.dialects`` exports the public ones."""

from __future__ import annotations

__all__: list[str] = []
