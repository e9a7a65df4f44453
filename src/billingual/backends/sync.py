"""Waiting by blocking the calling thread: no event loop, no second thread.

The core is written with ``async``, but over a transport that blocks it never suspends. So it is
*stepped*: started once with ``send(None)``, it runs to its end in the caller's thread. That works
in a notebook, after ``fork``, in many threads and under gevent, and costs about a microsecond.
A coroutine that does suspend is a fault of ours, or of an async-only part that was plugged in; it
is broken off and reported with what it waited for.
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
    Sequence,
)
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar

from billingual.abc import Walk
from billingual.backends.clock import SystemClock
from billingual.backends.scope import RunScope
from billingual.errors import InternalError

if TYPE_CHECKING:
    from billingual.backends.threads import ThreadCrew

__all__ = ["SteppingBackend", "iterate", "lacks_a_loop", "step"]

T = TypeVar("T")

# A part may wait once more in each clean-up on the way out; one that never ends is given up.
_CLEAN_UPS: Final = 16


class LoopWatch:
    """Tell a program, once for each client, that it blocks the event loop it runs on.

    A notebook's kernel runs each cell on a loop with nothing else to do, so it is left in peace.
    """

    _told = False

    def look(self) -> None:
        """Warn if an event loop runs in this thread; for a caller three frames up."""
        if self._told or not _on_a_loop():
            return
        self._told = True
        if not _in_a_notebook():
            warnings.warn(
                "a blocking Client is used inside a running event loop: all its other tasks stand "
                "still meanwhile; use AsyncClient there.",
                RuntimeWarning,
                stacklevel=4,
            )


def _on_a_loop() -> bool:
    # Modules that were never imported run no loop, and are not imported to be asked. Nor do those
    # that another thread, or greenlet, is still importing.
    modules = sys.modules
    running = getattr(modules.get("asyncio"), "_get_running_loop", None)
    if running is not None and running() is not None:
        return True
    in_trio = getattr(getattr(modules.get("trio"), "lowlevel", None), "in_trio_run", None)
    return in_trio is not None and bool(in_trio())


def _in_a_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class SteppingBackend(LoopWatch, SystemClock):
    """Wait by blocking the thread; safe to share between threads."""

    name = "blocking"
    blocks = True

    def execution_scope(self) -> RunScope:
        """Return the process: connections are shared by its threads, not with its children."""
        return RunScope(os.getpid())

    async def sleep(self, seconds: float) -> None:
        """Block the thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this backend is for

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
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - seldom wanted, not cheap

        with ThreadPoolExecutor(max_workers=min(limit, len(jobs))) as threads:
            futures = [threads.submit(copy_context().run, lambda j=job: step(j())) for job in jobs]
            try:
                return [each.result() for each in futures]
            finally:
                threads.shutdown(cancel_futures=True)

    def crew(self, most: int) -> ThreadCrew:
        """Make a crew of at most *most* threads."""
        from billingual.backends.threads import ThreadCrew  # noqa: PLC0415 - seldom wanted

        return ThreadCrew(most, step)

    def for_threads(self) -> SteppingBackend:
        """Return itself: its threads block too."""
        return self

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Call it here: this thread may block."""
        return call()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Step *work* to its end; what it sets in context variables stays inside.

        Raises:
            InternalError: if it suspends.
        """
        try:
            self.look()
        except BaseException:
            work.close()
            raise
        context: Context = copy_context()
        return context.run(step, work)

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async generator, which is closed at the end whatever happens."""
        return iterate(items, self.run)


def step(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends.

    Raises:
        InternalError: if it suspends.
    """
    try:
        waited_for = work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    return _refuse(work, waited_for)


def _refuse(work: Coroutine[Any, Any, T], waited_for: object) -> T:
    """Raise the error where *work* waits, so that a write under way there ends as unclear."""
    error = InternalError(
        f"the blocking client met a part that waits on an event loop ({waited_for!r}, in "
        f"{getattr(work, '__qualname__', type(work).__name__)}); parts of a blocking client must "
        "not suspend. If you plugged in a transport, token function or observer that is async "
        'only, use AsyncClient, or backend="portal".'
    )
    for _ in range(_CLEAN_UPS):
        try:
            work.throw(error)
        except StopIteration as done:
            value: T = done.value
            return value
    with suppress(RuntimeError):
        work.close()
    raise error


def lacks_a_loop(error: BaseException) -> bool:
    """Tell whether *error* is what asyncio, anyio or trio raise where no event loop runs."""
    return isinstance(error, RuntimeError) and (
        type(error).__name__ in {"AsyncLibraryNotFoundError", "NoEventLoopError"}
        or str(error) in {"no running event loop", "must be called from async context"}
    )


def iterate(items: AsyncIterator[T], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Walk[T]:
    """Walk *items* with *run*, a batch at a time where they come in batches.

    What can be closed is closed when the walk is closed or dropped, or at the end.
    """
    return _Batches(items, run) if hasattr(items, "batch") else _generated(items, run)


class _Batches(Iterator[T]):
    """Step an iterator that has several items at hand at a time, and holds nothing open.

    No generator: one ends for good with the first error, and who asked on after a failed page
    would take the rows so far for all.
    """

    __slots__ = ("_at_hand", "_items", "_run")

    def __init__(self, items: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._items = items
        self._run = run
        self._at_hand: Iterator[T] = iter(())

    def __next__(self) -> T:
        while True:
            for each in self._at_hand:
                return each
            try:
                self._at_hand = iter(self._run(self._items.batch()))
            except StopAsyncIteration:
                raise StopIteration from None

    def close(self) -> None:
        """Stop whatever is under way; the walk is over."""
        self._at_hand = iter(())
        self._run(self._items.aclose())


def _generated(
    items: AsyncIterator[T], run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> Generator[T]:
    async def step_on() -> T:
        # What a generator's own __anext__ returns is no coroutine, and a portal takes none.
        return await items.__anext__()

    async def close() -> None:
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
        run(close())


class ThreadSlots:
    """Places that threads wait for, first come first served.

    A place is handed to whoever waits longest. A semaphore of the standard library would give it
    to a thread that comes back for it before the one it woke has run.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    async def acquire(self, seconds: float) -> bool:
        """Wait for a place; False if none became free in time."""
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
        """Hand the place on, or give it back."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _leave(self, turn: threading.Lock) -> bool:
        """Leave the line; False if the place was handed over in the meantime."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True
