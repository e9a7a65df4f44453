"""Waiting on an event loop: asyncio, uvloop or trio, whichever runs."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio
from anyio.lowlevel import RunVar

__all__ = ["AnyioDriver"]

_LOOP: Final[RunVar[object]] = RunVar("billingual_loop")


class AnyioDriver:
    """Wait by suspending the task; holds no state and is safe to share."""

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        return random.random()  # noqa: S311 - it spreads waits and guards nothing

    async def sleep(self, seconds: float) -> None:
        """Suspend the task; cancellation passes through."""
        await anyio.sleep(seconds)

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock for tasks of one event loop."""
        return anyio.Lock()

    def place(self) -> Hashable:
        """Name the process and the event loop, to which connections belong."""
        loop = _LOOP.get(None)
        if loop is None:
            loop = object()
            _LOOP.set(loop)
        return os.getpid(), loop
