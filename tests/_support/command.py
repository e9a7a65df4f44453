"""How tests start the real command, as a process of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping

Command = Callable[..., subprocess.CompletedProcess[str]]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: 80 columns, UTF-8, and nothing of ours but *extra*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BILLINGUAL_", "FORCE_COLOR", "NO_COLOR", "COLUMNS"))
    }
    return {**kept, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **(extra or {})}
