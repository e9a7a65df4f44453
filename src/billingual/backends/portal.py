"""Waiting in another thread: one event loop for all blocking clients that ask for it.

For transports that only work on an event loop. A call costs about a hundred times what stepping
costs, so it is never the default. The first call starts the loop's thread. There is one for the
process, and after a fork the child starts its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Final, Generic, TypeVar

import attrs

from billingual.abc import Walk
from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import LoopWatch, iterate
from billingual.errors import ConfigurationError, OutcomeUnknown, carried_by, carry

__all__ = ["PortalBackend"]

T = TypeVar("T")


@attrs.define
class _Portal:
    """An event loop in a daemon thread; a daemon, so that it never keeps a program from exiting."""

    loop: asyncio.AbstractEventLoop
    thread: threading.Thread


_CANCEL_S: Final = 5.0
"""Seconds for a call to end that was cancelled.

It only closes its connection, but on a machine with much to do even that can take a second, and
an interrupt that does not wait for it would not carry the write that it left unclear.
"""

_PORTALS: Final[dict[int, _Portal]] = {}


def _portal() -> _Portal:
    pid = os.getpid()
    portal = _PORTALS.get(pid)
    if portal is None:
        # No lock: if another thread held it during a fork, it would stay locked in the child for
        # ever. Two threads may both start a portal here; the second one is stopped again.
        started = _started()
        portal = _PORTALS.setdefault(pid, started)
        if portal is not started:
            started.loop.call_soon_threadsafe(started.loop.stop)
    return portal


def _started() -> _Portal:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop,), name="billingual-portal", daemon=True)
    thread.start()
    return _Portal(loop, thread)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


class _Call(Generic[T]):
    """One call, made on the portal's loop while another thread waits for it.

    A program can be interrupted at any moment: also after the loop has begun to send, and before
    the thread that asked for it knows that. So the call exists before it is handed to the loop.
    """

    def __init__(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._done: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None
        self._unclear: OutcomeUnknown | None = None

    def result(self) -> T:
        """Do the work and wait for it."""
        try:
            self._loop.call_soon_threadsafe(self._start)
            return self._done.result()
        except BaseException as error:
            if not self._done.done():
                self._stop(error)
            raise

    def _stop(self, error: BaseException) -> None:
        # The loop keeps the order: if the call reached it at all, it starts before it is cancelled.
        self._loop.call_soon_threadsafe(self._cancel)
        wait([self._done], _CANCEL_S)
        if self._unclear is not None and carried_by(error) is None:
            carry(error, self._unclear)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:
            self._work.close()
            self._done.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        try:
            result = task.result()
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            self._unclear = carried_by(error)
            self._done.set_exception(error)
        else:
            self._done.set_result(result)


class PortalBackend(AnyioBackend, LoopWatch):
    """Run each call on the portal's loop while the calling thread waits."""

    name = "portal"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* on the portal's loop; Ctrl-C cancels it.

        Raises:
            ConfigurationError: if it is called on the portal's own thread, where it would wait
                for itself.
        """
        portal = _portal()
        if threading.current_thread() is portal.thread:
            work.close()
            raise ConfigurationError(
                "a blocking call was made on the portal's own thread, where it would wait for "
                "itself; await an AsyncClient there instead."
            )
        try:
            self.warn_on_a_loop()
        except BaseException:
            work.close()
            raise
        return _Call(work, portal.loop).result()

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async iterator, and close it in any case."""
        return iterate(items, self.run)
