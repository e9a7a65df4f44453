"""Waiting by blocking the calling thread: no event loop, no second thread.

The core is written with ``async``, but over a transport that blocks it never suspends. So it is
*stepped*: started once with ``send(None)``, it runs to its end in the caller's thread. That works
in a notebook, after ``fork``, in many threads and under gevent, and costs about a microsecond.
A coroutine that does suspend is a fault of ours, or of an async-only part that was plugged in; it
is closed and reported with what it waited for.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import Any, TypeVar

from billingual.drivers.place import RunPlace
from billingual.errors import InternalError

__all__ = ["SteppingDriver", "iterate", "step"]

T = TypeVar("T")


class SteppingDriver:
    """Wait by blocking the thread; holds no state and is safe to share between threads."""

    name = "blocking"
    blocks = True

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        return random.random()  # noqa: S311 - it spreads waits and guards nothing

    def place(self) -> RunPlace:
        """Return the process: connections are shared by its threads, not with its children."""
        return RunPlace(os.getpid())

    async def sleep(self, seconds: float) -> None:
        """Block the thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this driver is for

    def slots(self, count: int) -> ThreadSlots:
        """Make *count* places that threads wait for in turn."""
        return ThreadSlots(count)

    def unhurried(self) -> AbstractContextManager[object]:
        """Do nothing: a blocking call is not cancelled from outside."""
        return nullcontext()

    async def gather(
        self, jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, limit: int
    ) -> list[T]:
        """Run *jobs* in at most *limit* threads, or in order in this one where *limit* is 1.

        The first error goes up once the jobs that had begun are done; the others never begin.
        """
        if limit == 1 or len(jobs) < 2:
            return [await job() for job in jobs]
        with ThreadPoolExecutor(max_workers=min(limit, len(jobs))) as threads:
            futures = [threads.submit(copy_context().run, lambda j=job: step(j())) for job in jobs]
            try:
                return [each.result() for each in futures]
            finally:
                threads.shutdown(cancel_futures=True)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Call it here: this thread may block."""
        return call()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Step *work* to its end; what it sets in context variables stays inside.

        Raises:
            InternalError: if it suspends.
        """
        context: Context = copy_context()
        return context.run(step, work)

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Walk an async generator, which is closed at the end whatever happens."""
        return iterate(items, self.run)


def step(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends.

    Raises:
        InternalError: if it suspends; the coroutine is closed first.
    """
    try:
        waited_for = work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise InternalError(
        f"the blocking client met a part that waits on an event loop ({waited_for!r}, in "
        f"{getattr(work, '__qualname__', type(work).__name__)}); parts of a blocking client must "
        "not suspend. If you plugged in a transport, token function or observer that is async "
        'only, use AsyncClient, or driver="portal".'
    )


def iterate(items: AsyncIterator[T], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Iterator[T]:
    """Walk *items* with *run*, and close them at the end."""
    try:
        while True:
            try:
                yield run(items.__anext__())  # type: ignore[arg-type]  # of an async generator
            except StopAsyncIteration:
                return
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            run(close())


class ThreadSlots:
    """Places that threads wait for."""

    def __init__(self, count: int) -> None:
        self._places = threading.Semaphore(count)

    async def acquire(self, seconds: float) -> bool:
        """Wait for a place; False if none became free in time."""
        return self._places.acquire(timeout=seconds)

    def release(self) -> None:
        """Give the place back."""
        self._places.release()
