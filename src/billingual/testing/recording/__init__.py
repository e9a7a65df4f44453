"""Record exchanges on tapes without secrets, replay them, and look for drift."""

from __future__ import annotations

__all__: list[str] = []
