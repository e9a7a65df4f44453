"""Jobs in tasks of an event loop that no block of code encloses.

On asyncio they are tasks. On trio, where each task has a parent, they are children of the run
itself (*system tasks*): what a job raises is kept for whoever asks for its result, so that it
cannot take the run down, and the end of the run cancels them and waits, as ``asyncio.run`` does.

A task goes on with the next job at once. Begun by somebody else, that job would have to wait until
the loop came round, which it does not before every answer that is in has been read and decoded.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from typing import Any, Final, Generic, Protocol, TypeVar

import anyio

from billingual.backends.scope import RunScope

__all__ = ["TaskCrew"]

T = TypeVar("T")

# asyncio itself holds tasks so loosely that one under way may be collected.
_UNDER_WAY: Final[set[asyncio.Task[None]]] = set()

_CLEAN_UPS: Final = 16


class TaskCrew:
    """Jobs of one event loop, at most *most* at once.

    Args:
        most: most tasks.
        place: where they run.
        here: tells the place of whoever asks.
    """

    def __init__(self, most: int, place: RunScope, here: Callable[[], RunScope]) -> None:
        self._most = most
        self._place = place
        self._here = here
        self._line: deque[_TaskJob[Any]] = deque()
        self._open = 0
        self._workers: set[_Worker] = set()
        self._context = copy_context()

    def is_here(self) -> bool:
        """Tell whether this is its process and loop."""
        return self._here() == self._place

    def held(self) -> AbstractContextManager[object]:
        """Do nothing: tasks of one loop do not come between each other."""
        return nullcontext()

    def begin(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> _TaskJob[T]:
        """Begin *work* in a task, or put it in the line of those at work."""
        job = _TaskJob(work, then)
        self._line.append(job)
        self._open += 1
        if len(self._workers) < min(self._open, self._most):
            on_asyncio = hasattr(self._place.loop, "call_soon_threadsafe")
            worker: _Worker = _AsyncioWorker() if on_asyncio else _TrioWorker()
            self._workers.add(worker)
            self._context.copy().run(worker.start, lambda: self._work(worker))
        return job

    async def _work(self, me: _Worker) -> None:
        try:
            while self._line:
                job = self._line.popleft()
                try:
                    await job.run()
                finally:
                    self._open -= 1
                job.then()
        finally:
            self._workers.discard(me)

    def abandon(self) -> None:
        """Have all tasks cancelled by their own loop, as soon as it comes round."""
        if self._workers:
            self._place.soon(self._cancel)

    async def aclose(self) -> None:
        """Cancel all tasks and wait for their ends."""
        if not self.is_here():
            self.abandon()
            return
        workers = list(self._workers)
        self._cancel()
        with anyio.CancelScope(shield=True):
            for worker in workers:
                await worker.ended()

    def _cancel(self) -> None:
        self._line.clear()
        for worker in list(self._workers):
            worker.cancel()


class _TaskJob(Generic[T]):
    """Work for a task, and where its end is told."""

    __slots__ = ("_error", "_over", "_value", "_work", "then")

    _value: T

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> None:
        self._work = work
        self.then = then
        self._over = anyio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        try:
            self._value = await self._work()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - see result
            self._error = error
        except BaseException as stop:
            self._error = stop
            raise
        finally:
            self._over.set()

    async def result(self) -> T:
        """Wait for its end and return what it brought."""
        if not self._over.is_set():
            await self._over.wait()
        if self._error is not None:
            raise self._error
        return self._value


class _Worker(Protocol):
    """A task that runs jobs."""

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None: ...

    def cancel(self) -> None: ...

    async def ended(self) -> None: ...


class _AsyncioWorker:
    """A task of asyncio."""

    _task: asyncio.Task[None]

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._task = asyncio.get_running_loop().create_task(_Quiet(work()))
        # Nobody but us knows of the task, so nobody can be asked to end it before a loop is closed.
        self._task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        _UNDER_WAY.add(self._task)
        self._task.add_done_callback(_UNDER_WAY.discard)

    def cancel(self) -> None:
        self._task.cancel()

    async def ended(self) -> None:
        if not self._task.done():
            await asyncio.wait([self._task])


class _Quiet(Coroutine[Any, Any, None]):
    """A coroutine that is given up without a word where its loop was closed under it."""

    __slots__ = ("_work",)

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        return self._work.throw(*error)

    def close(self) -> None:
        # Each clean-up on the way out may wait once more, in vain.
        for _ in range(_CLEAN_UPS):
            with suppress(Exception):
                self._work.close()
                break

    def __del__(self) -> None:
        self.close()


class _TrioWorker:
    """A system task of trio."""

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        trio = sys.modules["trio"]
        trio.lowlevel.spawn_system_task(self._run, work, context=copy_context())

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with self._scope:
                await work()
        finally:
            self._over.set()

    def cancel(self) -> None:
        self._scope.cancel()

    async def ended(self) -> None:
        if not self._over.is_set():
            await self._over.wait()
