"""Where a connection belongs: a process, and an event loop where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable

import attrs

__all__ = ["RunScope"]


@attrs.frozen
class RunScope:
    """A process, by its id, and the event loop in it; equal only to itself.

    Attributes:
        pid: the process.
        loop: the loop, or None where callers block.
    """

    pid: int
    loop: object = None

    def is_inherited(self) -> bool:
        """Tell whether this is a process that the running one was forked from."""
        return self.pid != os.getpid()

    def is_alive(self) -> bool:
        """Tell whether connections made here can still be used and closed."""
        closed = getattr(self.loop, "is_closed", None)
        return not self.is_inherited() and not (closed is not None and closed())

    def soon(self, call: Callable[[], object]) -> bool:
        """Have *call* made on the event loop, from any thread; False where none runs."""
        asyncio, trio = "call_soon_threadsafe", "run_sync_soon"
        post = getattr(self.loop, asyncio, None) or getattr(self.loop, trio, None)
        if post is None or self.is_inherited():
            return False
        try:
            post(call)
        except RuntimeError:  # the loop is closed, the run is finished
            return False
        return True
