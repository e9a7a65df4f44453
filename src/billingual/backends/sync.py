"""Waiting by blocking the calling thread: no event loop, no second thread.

The core is written with ``async``, but over a transport that blocks it never suspends. So it is
*stepped*: started once with ``send(None)``, it runs to its end in the caller's thread. That works
in a notebook, after ``fork``, in many threads and under gevent, and costs about a microsecond.
A coroutine that does suspend is a bug of ours, or contains an async-only transport, token function
or observer of the user. It is stopped, and the error says what it waited for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from billingual.abc import Walk
from billingual.backends.clock import SystemClock
from billingual.backends.scope import RunScope
from billingual.backends.stepping import step
from billingual.errors import refuse_copy

if TYPE_CHECKING:
    from billingual.backends.threads import ThreadTaskPool

__all__ = ["SyncBackend", "iterate"]

T = TypeVar("T")
Run: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


class LoopWatch:
    """Warn a program, once for each client, that it blocks the event loop it runs on.

    A notebook's kernel runs each cell on a loop that has nothing else to do, so it gets no warning.
    """

    _warned = False

    def warn_on_a_loop(self) -> None:
        """Warn, at the line that called the client, if an event loop runs in this thread."""
        if self._warned or not _on_a_loop():
            return
        self._warned = True
        if not _in_a_notebook():
            warnings.warn(
                "a blocking Client is used inside a running event loop: all its other tasks wait "
                "meanwhile; use AsyncClient there.",
                RuntimeWarning,
                stacklevel=4,
            )


def _on_a_loop() -> bool:
    # A module that was never imported runs no loop, so nothing is imported to ask it. Nor does one
    # that another thread, or greenlet, is still importing: it lacks the function.
    modules = sys.modules
    running_loop = getattr(modules.get("asyncio"), "get_running_loop", None)
    if running_loop is not None:
        try:
            running_loop()
        except RuntimeError:
            pass
        else:
            return True
    in_trio = getattr(getattr(modules.get("trio"), "lowlevel", None), "in_trio_run", None)
    return in_trio is not None and bool(in_trio())


def _in_a_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class SyncBackend(LoopWatch, SystemClock):
    """Wait by blocking the thread; safe to share between threads."""

    name = "blocking"
    blocks = True
    _scope = RunScope(-1)

    def execution_scope(self) -> RunScope:
        """Return the process: connections are shared by its threads, not with its children."""
        # Asked for by each call. A fork changes the process, and nothing else does.
        if self._scope.pid != os.getpid():
            self._scope = RunScope(os.getpid())
        return self._scope

    async def sleep(self, seconds: float) -> None:
        """Block the thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this backend is for

    def slots(self, count: int) -> ThreadSlots:
        """Make *count* slots for threads."""
        return ThreadSlots(count)

    def shielded(self) -> AbstractContextManager[object]:
        """Do nothing: a blocking call is not cancelled from outside."""
        return nullcontext()

    def task_pool(self, size: int) -> ThreadTaskPool:
        """Make a pool of at most *size* threads."""
        from billingual.backends.threads import ThreadTaskPool  # noqa: PLC0415 - seldom needed

        return ThreadTaskPool(size)

    def for_threads(self) -> SyncBackend:
        """Return itself: its threads block too."""
        return self

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run *call* in this thread, which may block."""
        return call()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Step *work* to its end, in a copy of the caller's context.

        Raises:
            InternalError: if it suspends.
        """
        try:
            self.warn_on_a_loop()
        except BaseException:
            work.close()
            raise
        context: Context = copy_context()
        return context.run(step, work)

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async iterator, and close it in any case."""
        return iterate(items, self.run, close=step)


def iterate(items: AsyncIterator[T], run: Run, *, close: Run | None = None) -> Walk[T]:
    """Walk *items* with *run*, a batch at a time if they come in batches.

    The items are closed with *close* at the end, and when the walk is closed or dropped. A walk in
    a reference cycle may be dropped at any moment and on any thread. So closing warns of no event
    loop: the one that happens to run there belongs to other code.
    """
    close = close or run
    return _Batches(items, run, close) if hasattr(items, "batch") else _generated(items, run, close)


class _Batches(Iterator[T]):
    """Step an iterator that returns several items at a time.

    Not a generator: a generator ends for good with its first error. A caller who goes on after a
    failed page would then take the rows so far for the whole list.
    """

    __slots__ = ("_close", "_items", "_ready", "_run")

    def __init__(self, items: Any, run: Run, close: Run) -> None:
        self._items = items
        self._run = run
        self._close = close
        self._ready: Iterator[T] = iter(())

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __next__(self) -> T:
        while True:
            for each in self._ready:
                return each
            try:
                self._ready = iter(self._run(self._items.batch()))
            except StopAsyncIteration:
                raise StopIteration from None

    def close(self) -> None:
        """End the walk, and stop the requests under way for it."""
        self._ready = iter(())
        self._close(self._items.aclose())


def _generated(items: AsyncIterator[T], run: Run, close: Run) -> Generator[T]:
    async def step_on() -> T:
        # An async generator's __anext__ returns an awaitable that is not a coroutine, and
        # `asyncio.run_coroutine_threadsafe`, which the portal uses, refuses that.
        return await items.__anext__()

    async def end() -> None:
        aclose = getattr(items, "aclose", None)
        if aclose is not None:
            await aclose()

    try:
        while True:
            try:
                yield run(step_on())
            except StopAsyncIteration:
                return
    finally:
        close(end())


class ThreadSlots:
    """Slots that threads wait for, first come first served.

    A released slot goes to the thread that has waited longest. `threading.Semaphore` would give it
    to a thread that comes back for it before the one that was woken has run.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    async def acquire(self, seconds: float) -> bool:
        """Wait for a slot; False if none became free in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            if turn.acquire(timeout=seconds):
                return True
        except BaseException:
            if not self._leave(turn):
                self.release()
            raise
        return not self._leave(turn)

    def release(self) -> None:
        """Hand the slot to the next thread in line, or give it back."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _leave(self, turn: threading.Lock) -> bool:
        """Leave the line; False if the slot was handed over in the meantime."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True
