"""Where a connection belongs: a process, and an event loop if one runs."""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

__all__ = ["RunScope"]


@attrs.frozen
class RunScope:
    """A process, by its id, and an event loop in it.

    Attributes:
        pid: the process.
        loop: the event loop of asyncio, the token of a trio run, or None where callers block.
    """

    pid: int
    loop: object = None

    def is_inherited(self) -> bool:
        """Return True if this process was forked from the scope's process."""
        return self.pid != os.getpid()

    def is_alive(self) -> bool:
        """Return True if connections made here can still be used and closed."""
        if self.is_inherited():
            return False
        if hasattr(self.loop, "run_sync_soon"):
            # A trio token has no public flag for a finished run, but it refuses calls then. If the
            # run counted as alive, a client would keep the connections of each `trio.run`.
            return self.call_soon(_nothing)
        closed = getattr(self.loop, "is_closed", None)
        return closed is None or not closed()

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Schedule *call* on the event loop, from any thread; False if no loop runs."""
        asyncio, trio = "call_soon_threadsafe", "run_sync_soon"
        post = getattr(self.loop, asyncio, None) or getattr(self.loop, trio, None)
        if post is None or self.is_inherited():
            return False
        try:
            post(call)
        except RuntimeError:  # the loop is closed, or the trio run is finished
            return False
        return True


def _nothing() -> None:
    """Do nothing; the caller only needs to know whether the loop accepts it."""
