"""``billingual demo``: every dialect against the sandbox, each step checked."""

from __future__ import annotations

__all__: list[str] = []
