"""Places that tasks of asyncio wait for.

Where more tasks call than there are connections, every call waits for its place, so the wait is
on the hot path. anyio's semaphore under anyio's timeout costs more there than a connection does;
a future and a timer of the event loop's own do the same.
"""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["LoopSlots"]


class LoopSlots:
    """Places that tasks of one event loop wait for, first come first served.

    Args:
        count: how many places there are.
        loop: the event loop of those who wait.
    """

    def __init__(self, count: int, loop: Any) -> None:
        self._free = count
        self._loop = loop
        self._waiting: deque[Any] = deque()

    async def acquire(self, seconds: float) -> bool:
        """Wait for a place; False if none became free in time."""
        # A place is free only while nobody waits: it is handed over, never put down in between.
        if self._free:
            self._free -= 1
            return True
        if seconds <= 0:
            return False
        turn = self._loop.create_future()
        # First what may fail: a place handed to nobody would be lost.
        timer = self._loop.call_later(seconds, self._give_up, turn)
        self._waiting.append(turn)
        try:
            taken: bool = await turn
        except BaseException:
            if turn.cancelled() or not turn.done():
                self._leave(turn)
            elif turn.result():
                # Handed over as the task was cancelled.
                self.release()
            raise
        finally:
            timer.cancel()
        return taken

    def release(self) -> None:
        """Hand the place on, or give it back."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1

    def _give_up(self, turn: Any) -> None:
        if not turn.done():
            self._leave(turn)
            turn.set_result(False)

    def _leave(self, turn: Any) -> None:
        # Whoever handed a place on meanwhile has passed over it already.
        if turn in self._waiting:
            self._waiting.remove(turn)
