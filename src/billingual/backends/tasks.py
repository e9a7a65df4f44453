"""Jobs in background tasks of an event loop, outside any task group of the caller.

On asyncio they are plain tasks. On trio, where each task has a parent, they are children of the
run itself (*system tasks*). A job's error is kept for the caller who asks for its result, so that
it cannot crash the run. The end of a trio run cancels them and waits, as ``asyncio.run`` does.

A task that finished a job takes the next one at once. A new task would start in the next turn of
the loop, and before that the loop reads and decodes every response that has arrived.
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

__all__ = ["AsyncTaskPool"]

T = TypeVar("T")

# asyncio keeps weak references to tasks only, so one that nothing else refers to may be collected
# before it is done: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
_UNDER_WAY: Final[set[asyncio.Task[None]]] = set()

# A coroutine that is closed may wait once more in each `finally` on its way out, and each such wait
# needs another close. This many nested clean-ups are more than any transport has; a coroutine that
# never ends is given up.
_CLEAN_UPS: Final = 16


class AsyncTaskPool:
    """Run jobs of one event loop, at most *size* at once.

    Args:
        size: most tasks.
        scope: the event loop where they run.
        here: returns the caller's scope.
    """

    def __init__(self, size: int, scope: RunScope, here: Callable[[], RunScope]) -> None:
        self._size = size
        self._scope = scope
        self._here = here
        self._waiting: deque[_TaskJob[Any]] = deque()
        self._unfinished = 0
        self._workers: set[_Worker] = set()
        self._context = copy_context()

    def is_here(self) -> bool:
        """Return True if this is the pool's process and event loop."""
        return self._here() == self._scope

    def paused(self) -> AbstractContextManager[object]:
        """Do nothing: no callback can run while another task of the same loop is running."""
        return nullcontext()

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> _TaskJob[T]:
        """Start *work* in a task, or queue it for the tasks that run."""
        job = _TaskJob(work, then)
        self._waiting.append(job)
        self._unfinished += 1
        if len(self._workers) < min(self._unfinished, self._size):
            on_asyncio = hasattr(self._scope.loop, "call_soon_threadsafe")
            worker: _Worker = _AsyncioWorker() if on_asyncio else _TrioWorker()
            self._workers.add(worker)
            self._context.copy().run(worker.start, lambda: self._work(worker))
        return job

    async def _work(self, me: _Worker) -> None:
        try:
            while self._waiting:
                job = self._waiting.popleft()
                try:
                    await job.run()
                finally:
                    self._unfinished -= 1
                job.then()
        finally:
            self._workers.discard(me)

    def abandon(self) -> None:
        """Have the event loop cancel all tasks at its next turn."""
        if self._workers:
            self._scope.call_soon(self._cancel)

    async def aclose(self) -> None:
        """Cancel all tasks and wait for them."""
        if not self.is_here():
            self.abandon()
            return
        workers = list(self._workers)
        self._cancel()
        with anyio.CancelScope(shield=True):
            for worker in workers:
                await worker.wait()

    def _cancel(self) -> None:
        self._waiting.clear()
        for worker in list(self._workers):
            worker.cancel()


class _TaskJob(Generic[T]):
    """Work for a task, and its result."""

    __slots__ = ("_done", "_error", "_value", "_work", "then")

    _value: T

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> None:
        self._work = work
        self.then: Callable[[], object] = then
        self._done = anyio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        try:
            self._value = await self._work()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - `result` raises it
            self._error = error
        except BaseException as stop:
            self._error = stop
            raise
        finally:
            self._done.set()

    async def result(self) -> T:
        """Wait until the job is done; return its value or raise its error."""
        if not self._done.is_set():
            await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value


class _Worker(Protocol):
    """A task that runs jobs."""

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None: ...

    def cancel(self) -> None: ...

    async def wait(self) -> None: ...


class _AsyncioWorker:
    """A task of asyncio."""

    _task: asyncio.Task[None]

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        # Not by `loop.create_task`: a task factory of the program may return any other class.
        self._task = _SilentTask(_SilentCoroutine(work()), loop=asyncio.get_running_loop())
        # A task whose loop was closed over it is never done, so its callback never removes it.
        _UNDER_WAY.difference_update(
            [each for each in list(_UNDER_WAY) if each.get_loop().is_closed()]
        )
        _UNDER_WAY.add(self._task)
        self._task.add_done_callback(_UNDER_WAY.discard)

    def cancel(self) -> None:
        self._task.cancel()

    async def wait(self) -> None:
        if not self._task.done():
            await asyncio.wait([self._task])


class _SilentTask(asyncio.Task[None]):
    """A task that logs nothing if it is dropped after its loop was closed.

    asyncio would log "Task was destroyed but it is pending". That message asks the program to end
    its tasks before it closes the loop, but the program does not know of this one.
    """

    def __del__(self) -> None:
        if self.done():
            super().__del__()


class _SilentCoroutine(Coroutine[Any, Any, None]):
    """A coroutine that prints nothing if it is dropped before its end.

    Python would print "coroutine ignored GeneratorExit" where a clean-up waits on the closed loop.
    """

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
        self._done = anyio.Event()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        trio = sys.modules["trio"]
        trio.lowlevel.spawn_system_task(self._run, work, context=copy_context())

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with self._scope:
                await work()
        finally:
            self._done.set()

    def cancel(self) -> None:
        self._scope.cancel()

    async def wait(self) -> None:
        if not self._done.is_set():
            await self._done.wait()
