"""What a measured process asks of itself; it imports next to nothing, because that counts too."""

from __future__ import annotations

import os
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path


def pinned() -> None:
    """Keep this process on its first core; the server takes the last one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def descendants() -> tuple[float, int]:
    """Return the CPU seconds of the processes below this one, and the sum of their peaks in bytes.

    Linux alone tells; zeros elsewhere. An engine's own process never ends before we do.
    """
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended.
            parents[int(stat.parent.name)] = int(_fields(stat)[1])
    below, cpu, most = {os.getpid()}, 0.0, 0
    while more := {each for each, parent in parents.items() if parent in below} - below:
        below |= more
    for each in below - {os.getpid()}:
        with suppress(OSError):
            used = _fields(Path(f"/proc/{each}/stat"))[11:15]
            cpu += sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
            most += _peak_in(Path(f"/proc/{each}/status")) or 0
    return cpu, most


def _fields(stat: Path) -> list[str]:
    # The name of the program before them may hold anything.
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


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
    if found := _peak_in(Path("/proc/self/status")):
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _peak_in(status: Path) -> int | None:
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8", errors="replace"))
    return int(found[1]) * 1024 if found else None
