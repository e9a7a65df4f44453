"""How much memory this process has taken."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def peak() -> int:
    """Return the most bytes this process ever held.

    Not from ``getrusage`` on Linux: there a new process begins with the peak of the one that
    started it, so that a test which starts a program would measure itself.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    import resource  # noqa: PLC0415 - there is none on every system

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
