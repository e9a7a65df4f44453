"""Whether a socket has bytes to read, before anything is sent over it.

Bytes that are there before a request are no response to it. A connection that has them is closed,
or each later request would be given the response to the one before.
"""

from __future__ import annotations

import select
from typing import Any

__all__ = ["Readable"]


class Readable:
    """Tell whether bytes, or the end, wait in the kernel; made once for each socket."""

    __slots__ = ("_number", "_poll")

    def __init__(self, number: int) -> None:
        self._number = number
        self._poll: Any = None
        # `select` fails on descriptors above 1023, which a busy program has; Windows has no poll.
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(number, select.POLLIN)

    def now(self) -> bool:
        """Look, without waiting."""
        if self._poll is None:  # pragma: no cover - Windows
            return bool(select.select([self._number], [], [], 0)[0])
        return bool(self._poll.poll(0))
