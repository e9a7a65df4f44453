"""Whether something waits to be read on a socket where nobody has looked yet."""

from __future__ import annotations

import select
from typing import Any

__all__ = ["Readable"]


class Readable:
    """Tell whether bytes, or an end, wait in the kernel; asked again and again of one socket."""

    __slots__ = ("_number", "_poll")

    def __init__(self, socket: Any) -> None:
        self._number: int = socket.fileno()
        self._poll: Any = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._number, select.POLLIN)

    def now(self) -> bool:
        """Look, without waiting."""
        if self._poll is None:  # pragma: no cover - Windows
            return bool(select.select([self._number], [], [], 0)[0])
        return bool(self._poll.poll(0))
