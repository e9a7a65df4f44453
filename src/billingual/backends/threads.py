"""Jobs in worker threads, for callers who block.

A thread cannot be cancelled. A job that is given up never begins if it has not; one under way goes
on to its own end, in the background, and what it brought is thrown away. So the threads are
daemons: a program does not wait at its end for an answer that nobody wants. They end with the crew.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from billingual.backends.scope import RunScope

__all__ = ["ThreadCrew"]

T = TypeVar("T")


class ThreadCrew:
    """Jobs in at most *most* threads, begun as they are needed.

    Args:
        most: most threads.
        step: runs a coroutine that never suspends.
    """

    def __init__(self, most: int, step: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._most = most
        self._step = step
        self._place = RunScope(os.getpid())
        # Reentrant, because the garbage collector may drop a walk while its thread holds it.
        self._lock = threading.RLock()
        self._line: queue.SimpleQueue[_ThreadJob[Any] | None] = queue.SimpleQueue()
        self._open = 0
        self._threads = 0
        self._gone = False
        self._context = copy_context()

    def is_here(self) -> bool:
        """Tell whether this is its process: a fork leaves the threads behind."""
        return not self._place.is_inherited()

    def held(self) -> AbstractContextManager[object]:
        """Keep its jobs from telling their ends meanwhile."""
        return self._lock

    def begin(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> _ThreadJob[T]:
        """Put *work* in the line of the threads."""

        def run() -> T:
            result: T = self._context.copy().run(lambda: self._step(work()))
            return result

        job = _ThreadJob(run, then)
        with self._lock:
            self._open += 1
            if self._threads < min(self._open, self._most):
                worker = threading.Thread(target=self._serve, name="billingual-ahead", daemon=True)
                try:
                    worker.start()
                    self._threads += 1
                except RuntimeError:  # the system has no more threads to give
                    if not self._threads:
                        job.leave_to_the_reader()
                        return job
        self._line.put(job)
        return job

    def _serve(self) -> None:
        while True:
            job = self._line.get()
            if job is None:
                return
            if not self._gone:
                job.run()
                with self._lock:
                    self._open -= 1
                    job.then()
            del job  # or an idle thread would hold what it brought

    def abandon(self) -> None:
        """Let nothing begin any more, and send the threads home."""
        self._gone = True
        if not self._place.is_inherited():
            for _ in range(self._threads):
                self._line.put(None)

    async def aclose(self) -> None:
        """Give up all jobs; what is under way ends in the background."""
        self.abandon()


class _ThreadJob(Generic[T]):
    """Work for a thread, and where its end is told."""

    __slots__ = ("_error", "_over", "_value", "_work", "then")

    _value: T

    def __init__(self, work: Callable[[], T], then: Callable[[], object]) -> None:
        self._work: Callable[[], T] | None = work
        self.then = then
        self._error: BaseException | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Carry it out, in this thread."""
        work, self._work = self._work, None
        try:
            if work is not None:
                self._value = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            self._error = error
        finally:
            self._over.set()

    def leave_to_the_reader(self) -> None:
        """Let it be carried out by whoever waits for it."""
        self._over.set()

    async def result(self) -> T:
        """Wait for its end and return what it brought."""
        self._over.wait()
        if self._work is not None:
            self.run()
        if self._error is not None:
            raise self._error
        return self._value
