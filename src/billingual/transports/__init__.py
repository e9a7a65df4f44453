"""Ways to move one request and bring one answer; chosen by name at run time."""

from __future__ import annotations

__all__: list[str] = []
