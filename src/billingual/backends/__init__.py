"""How waiting is done; the only modules that sleep, lock, start tasks or read a clock."""

from __future__ import annotations

__all__: list[str] = []
