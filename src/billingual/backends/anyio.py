"""Waiting on an event loop: asyncio, uvloop or trio, whichever runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from billingual.backends.clock import SystemClock
from billingual.backends.loop_slots import LoopSlots
from billingual.backends.scope import RunScope

if TYPE_CHECKING:
    from billingual.backends.sync import SteppingBackend
    from billingual.backends.tasks import TaskCrew

__all__ = ["AnyioBackend"]

T = TypeVar("T")


class AnyioBackend(SystemClock):
    """Wait by suspending the task; holds no state and is safe to share."""

    name = "anyio"
    blocks = False

    def execution_scope(self) -> RunScope:
        """Return process and event loop: a connection works in both only."""
        loop: object = _running_loop()
        if loop is None:
            trio = sys.modules["trio"]
            loop = trio.lowlevel.current_trio_token()
        return RunScope(os.getpid(), loop)

    async def sleep(self, seconds: float) -> None:
        """Suspend the task; cancellation passes through."""
        await anyio.sleep(seconds)

    def slots(self, count: int) -> TaskSlots | LoopSlots:
        """Make *count* places that tasks of the running event loop wait for in turn."""
        loop = _running_loop()
        return TaskSlots(count) if loop is None else LoopSlots(count, loop)

    def unhurried(self) -> AbstractContextManager[object]:
        """Hold cancellation back for a short clean-up."""
        return anyio.CancelScope(shield=True)

    async def gather(
        self, jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, limit: int
    ) -> list[T]:
        """Run *jobs* as tasks, at most *limit* at once; results in the order of *jobs*.

        The first error cancels the others and goes up.
        """
        results: list[Any] = [None] * len(jobs)
        waiting = iter(enumerate(jobs))

        async def work() -> None:
            try:
                for index, job in waiting:
                    results[index] = await job()
            except BaseException:
                # Cancellation reaches the others where they next wait; nothing new begins before.
                for _ in waiting:
                    pass
                raise

        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(min(limit, len(jobs))):
                    tasks.start_soon(work)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return results

    def crew(self, most: int) -> TaskCrew:
        """Make a crew of at most *most* tasks on the running event loop."""
        from billingual.backends.tasks import TaskCrew  # noqa: PLC0415 - seldom wanted

        return TaskCrew(most, self.execution_scope(), self.execution_scope)

    def for_threads(self) -> SteppingBackend:
        """Return a backend that blocks."""
        from billingual.backends.sync import SteppingBackend  # noqa: PLC0415 - seldom wanted

        return SteppingBackend()

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Call it in a worker thread."""
        import anyio.to_thread  # noqa: PLC0415 - seldom wanted

        return await anyio.to_thread.run_sync(call)


def _running_loop() -> Any:
    """Return the event loop of asyncio that runs in this thread; None where none does."""
    # What was never imported runs nothing; under trio an import would be for nothing.
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return None if running is None else running()


class TaskSlots:
    """Places that tasks wait for, first come first served."""

    def __init__(self, count: int) -> None:
        self._places = anyio.Semaphore(count, fast_acquire=True)

    async def acquire(self, seconds: float) -> bool:
        """Wait for a place; False if none became free in time."""
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(seconds) as scope:
                await self._places.acquire()
            return not scope.cancelled_caught
        return True

    def release(self) -> None:
        """Give the place back."""
        self._places.release()
