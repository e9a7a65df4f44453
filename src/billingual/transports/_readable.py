"""What can be learned of a connection by looking: whether something waits, whether it was ended."""

from __future__ import annotations

import select
import ssl
from typing import Any

__all__ = ["Readable", "said_farewell"]


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


def said_farewell(secure: Any) -> bool:
    """Tell whether an end that was met is the server's word; without TLS there is no telling.

    Anybody on the way can end a connection, so what has no length of its own is whole only after
    the farewell of TLS.

    Source: RFC 9112, section 9.8, read 2026-11.

    Args:
        secure: Python's TLS of the connection, or None.
    """
    if secure is None:
        return True
    try:
        return not secure.read(1)
    except ssl.SSLZeroReturnError:  # where we have said ours too
        return True
    except OSError:
        return False
