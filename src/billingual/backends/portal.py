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
from concurrent.futures import Future
from typing import Any, Final, TypeVar

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


_CANCEL_S: Final = 1.0
"""Seconds for a call to end that was cancelled. It only closes its connection."""

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


class _Stopped:
    """Bring what a call left unclear from the portal's thread to the one that is interrupted."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._unclear: OutcomeUnknown | None = None

    async def watch(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work*, and note how it ends if it is stopped."""
        try:
            return await work
        except BaseException as stop:
            self._unclear = carried_by(stop)
            raise
        finally:
            self._ended.set()

    def hand_over(self, error: BaseException) -> None:
        """Wait for the cancelled call to end, and let *error* carry its write."""
        self._ended.wait(_CANCEL_S)
        if self._unclear is not None and carried_by(error) is None:
            carry(error, self._unclear)


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
        stopped = _Stopped()
        done: Future[T] = asyncio.run_coroutine_threadsafe(stopped.watch(work), portal.loop)
        try:
            return done.result()
        except BaseException as error:
            if not done.done():
                done.cancel()
                stopped.hand_over(error)
            raise

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async iterator, and close it in any case."""
        return iterate(items, self.run)
