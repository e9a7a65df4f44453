"""What a measured process asks of itself; it imports next to nothing, because that counts too."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path


def pinned() -> None:
    """Keep this process on its first core; the server takes the last one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def resident() -> int:
    """Return the bytes this process holds now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return peak()


def peak() -> int:
    """Return the most bytes this process ever held.

    Not from ``getrusage`` where there is another way: on Linux a new process inherits there what
    the one that started it held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii"))
        if found:
            return int(found[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
