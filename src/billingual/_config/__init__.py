"""How a client is configured: options, addresses, the environment and profiles."""

from __future__ import annotations

__all__: list[str] = []
