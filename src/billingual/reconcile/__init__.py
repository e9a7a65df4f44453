"""Finding out by reading whether an unclear write happened."""

from __future__ import annotations

__all__: list[str] = []
