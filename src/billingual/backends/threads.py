"""Worker threads: jobs beside a caller who blocks, and blocking transports under an event loop.

A thread cannot be cancelled. A job that is given up never starts if it has not started yet; one
under way runs to its end in the background, and its value is thrown away. So the threads of a pool
are daemons: a program does not wait at its exit for a response that nothing reads. They end with
the pool.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

from billingual.abc import Account, Backend, ExecutionScope, Slots, Transport, account_of
from billingual.backends.scope import RunScope
from billingual.backends.stepping import step
from billingual.errors import PoolTimeoutError
from billingual.outcomes import Evidence
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ThreadTaskPool", "ThreadedTransport"]

T = TypeVar("T")

# As many as anyio runs at once on one event loop by default. A larger number would only move the
# wait into anyio's own limiter, which knows nothing of our deadlines.
_THREADS: Final = 40


class ThreadTaskPool:
    """Run jobs in at most *size* threads, which start as they are needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._scope = RunScope(os.getpid())
        # Reentrant, because the garbage collector may drop a walk while its thread holds the lock.
        self._lock = threading.RLock()
        self._waiting: queue.SimpleQueue[_ThreadJob[Any] | None] = queue.SimpleQueue()
        self._unfinished = 0
        self._threads = 0
        self._abandoned = False
        self._context = copy_context()

    def is_here(self) -> bool:
        """Return True if this is the pool's process: a fork does not copy its threads."""
        return not self._scope.is_inherited()

    def paused(self) -> AbstractContextManager[object]:
        """Delay completion callbacks inside this block."""
        return self._lock

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> _ThreadJob[T]:
        """Queue *work* for the threads."""

        def run() -> T:
            result: T = self._context.copy().run(lambda: step(work()))
            return result

        job = _ThreadJob(run, then)
        with self._lock:
            self._unfinished += 1
            if self._threads < min(self._unfinished, self._size):
                worker = threading.Thread(
                    target=self._serve, name="billingual-prefetch", daemon=True
                )
                try:
                    worker.start()
                    self._threads += 1
                except RuntimeError:  # the system gives no more threads
                    if not self._threads:
                        job.leave_to_the_reader()
                        return job
        self._waiting.put(job)
        return job

    def _serve(self) -> None:
        while True:
            job = self._waiting.get()
            if job is None:
                return
            if not self._abandoned:
                job.run()
                with self._lock:
                    self._unfinished -= 1
                    job.then()
            del job  # or an idle thread would keep the job's value alive

    def abandon(self) -> None:
        """Start no more jobs, and end the threads."""
        self._abandoned = True
        if not self._scope.is_inherited():
            for _ in range(self._threads):
                self._waiting.put(None)

    async def aclose(self) -> None:
        """Give up all jobs; one under way ends in the background."""
        self.abandon()


class _ThreadJob(Generic[T]):
    """Work for a thread, and its result."""

    __slots__ = ("_done", "_error", "_value", "_work", "then")

    _value: T

    def __init__(self, work: Callable[[], T], then: Callable[[], object]) -> None:
        self._work: Callable[[], T] | None = work
        self.then: Callable[[], object] = then
        self._error: BaseException | None = None
        self._done = threading.Event()

    def run(self) -> None:
        """Do the work in this thread."""
        work, self._work = self._work, None
        try:
            if work is not None:
                self._value = work()
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error
        finally:
            self._done.set()

    def leave_to_the_reader(self) -> None:
        """Let the thread that waits for the result do the work."""
        self._done.set()

    async def result(self) -> T:
        """Wait until the job is done; return its value or raise its error."""
        self._done.wait()
        if self._work is not None:
            self.run()
        if self._error is not None:
            raise self._error
        return self._value


class ThreadedTransport:
    """Send with a *transport* that blocks, each time in a worker thread of *backend*.

    A cancelled caller waits for its thread, because a blocking send cannot be interrupted. It ends
    by its own timeouts.
    """

    supports: Final = frozenset({"async"})

    def __init__(self, transport: Transport, backend: Backend) -> None:
        self._transport = transport
        self._backend = backend
        self._slots: dict[ExecutionScope, Slots] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once, in a worker thread."""
        slots = self._slots_here()
        if not await slots.acquire(bounds.phase(bounds.timeouts.pool)):
            raise _all_busy()
        try:
            return await self._backend.in_thread(lambda: self._send_in_thread(request, bounds))
        finally:
            slots.release()

    def _send_in_thread(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        if bounds.deadline.left() <= 0:
            # Other parts of the program use anyio's threads too, so this one may have started
            # late. Sent now, the request would end with an unknown outcome.
            raise _all_busy()
        return step(self._transport.send(request, bounds))

    def _slots_here(self) -> Slots:
        scope = self._backend.execution_scope()
        slots = self._slots.get(scope)
        if slots is None:
            # Copied first, because another thread may add its own scope meanwhile.
            for dead in [each for each in list(self._slots) if not each.is_alive()]:
                self._slots.pop(dead, None)
            slots = self._slots.setdefault(scope, self._backend.slots(_THREADS))
        return slots

    async def aclose(self) -> None:
        """Close the transport, in a worker thread."""
        await self._backend.in_thread(lambda: step(self._transport.aclose()))

    def drop(self) -> int:
        """Close what can be closed without waiting; return how many connections there were."""
        drop: Callable[[], int] = getattr(self._transport, "drop", lambda: 0)
        return drop()

    def account(self, provider: str) -> Account | None:
        """Return the account of the transport inside."""
        return account_of(self._transport, provider)


def _all_busy() -> PoolTimeoutError:
    return PoolTimeoutError(
        f"all {_THREADS} worker threads stayed busy; make fewer calls at once.",
        evidence=Evidence(connected=False, request_complete=False, response_begun=False),
    )
