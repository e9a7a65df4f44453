"""One package for each provider that the sandbox serves."""

from __future__ import annotations

__all__: list[str] = []
