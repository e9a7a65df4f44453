"""Waiting on an event loop: asyncio, uvloop or trio, whichever runs."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from billingual.backends.clock import SystemClock
from billingual.backends.scope import RunScope

if TYPE_CHECKING:
    from billingual.backends.sync import SyncBackend
    from billingual.backends.tasks import AsyncTaskPool

__all__ = ["AnyioBackend", "LoopSlots", "TaskSlots"]

T = TypeVar("T")


class AnyioBackend(SystemClock):
    """Wait by suspending the task; safe to share."""

    name = "anyio"
    blocks = False
    _scope = RunScope(-1)

    def execution_scope(self) -> RunScope:
        """Return process and event loop: a connection works in both only."""
        loop: object = _running_loop()
        if loop is None:
            trio = sys.modules["trio"]
            loop = trio.lowlevel.current_trio_token()
        # Each call asks for it, and to make one takes as long as all else here. A thread that asks
        # at the same time gets the one that it read or made, never the other's.
        scope, process = self._scope, os.getpid()
        if scope.loop is not loop or scope.pid != process:
            scope = self._scope = RunScope(process, loop)
        return scope

    async def sleep(self, seconds: float) -> None:
        """Suspend the task; cancellation passes through."""
        await anyio.sleep(seconds)

    def slots(self, count: int) -> TaskSlots | LoopSlots:
        """Make *count* slots for the tasks of the running event loop."""
        loop = _running_loop()
        return TaskSlots(count) if loop is None else LoopSlots(count, loop)

    def shielded(self) -> AbstractContextManager[object]:
        """Delay cancellation inside this block; for a short clean-up."""
        return anyio.CancelScope(shield=True)

    def task_pool(self, size: int) -> AsyncTaskPool:
        """Make a pool of at most *size* tasks on the running event loop."""
        from billingual.backends.tasks import AsyncTaskPool  # noqa: PLC0415 - seldom needed

        return AsyncTaskPool(size, self.execution_scope(), self.execution_scope)

    def for_threads(self) -> SyncBackend:
        """Return a backend that blocks."""
        from billingual.backends.sync import SyncBackend  # noqa: PLC0415 - seldom needed

        return SyncBackend()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run *call* in a worker thread."""
        import anyio.to_thread  # noqa: PLC0415 - seldom needed

        return await anyio.to_thread.run_sync(call)


def _running_loop() -> Any:
    """Return the event loop of asyncio that runs in this thread; None if none does."""
    # A module that was never imported runs nothing, and a trio program is spared the import.
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class TaskSlots:
    """Slots that tasks of any event loop wait for, first come first served."""

    def __init__(self, count: int) -> None:
        self._slots = anyio.Semaphore(count, fast_acquire=True)

    async def acquire(self, seconds: float) -> bool:
        """Wait for a slot; False if none became free in time."""
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as scope:
                await self._slots.acquire()
            return not scope.cancelled_caught
        return True

    def release(self) -> None:
        """Give the slot back."""
        self._slots.release()


class LoopSlots:
    """Slots that tasks of one asyncio loop wait for, first come first served.

    Where more tasks call than there are connections, every call waits for a slot, so the wait is
    on the hot path. There, anyio's semaphore under anyio's timeout costs more than the connection
    does. A future and a timer of the event loop do the same for less.

    Args:
        count: how many slots there are.
        loop: the event loop of the tasks that wait.
    """

    def __init__(self, count: int, loop: Any) -> None:
        self._free = count
        self._loop = loop
        self._waiting: deque[Any] = deque()

    async def acquire(self, seconds: float) -> bool:
        """Wait for a slot; False if none became free in time."""
        # A slot is free only while no task waits: `release` hands it to the next one directly, so
        # a task that comes later cannot take it in between.
        if self._free:
            self._free -= 1
            return True
        if seconds <= 0:
            return False
        turn = self._loop.create_future()
        # The timer comes first because it can fail. A future that waits in line after such a
        # failure would be handed a slot that no task gives back.
        timer = self._loop.call_later(seconds, self._give_up, turn)
        self._waiting.append(turn)
        try:
            taken: bool = await turn
        except BaseException:
            if turn.cancelled() or not turn.done():
                self._leave(turn)
            elif turn.result():
                # The slot was handed over at the moment the task was cancelled.
                self.release()
            raise
        finally:
            timer.cancel()
        return taken

    def release(self) -> None:
        """Hand the slot to the next task in line, or give it back."""
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
        # A `release` meanwhile may have passed over it and taken it out of the line.
        if turn in self._waiting:
            self._waiting.remove(turn)
