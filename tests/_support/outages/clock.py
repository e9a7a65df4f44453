"""Time that jumps: an event loop whose clock moves to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from billingual.backends.anyio import AnyioBackend

__all__ = ["EPOCH", "LIMIT", "JumpingBackend", "run_jumping"]

EPOCH: Final = 1_800_000_000.25
"""Seconds since 1970 at the loop's zero; no whole second, so that dates have to be rounded."""

LIMIT: Final[ContextVar[float]] = ContextVar("LIMIT")
"""The deadline of the call that runs, on the loop's clock."""


class _JumpingSelector(selectors.DefaultSelector):
    """Find nothing to read, ever, and let the time pass at once."""

    loop: JumpingLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits for another, and no timer is set")
        self.loop.seconds += max(0.0, timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop that never waits.

    Attributes:
        seconds: what its clock shows.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds


def run_jumping(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* on a loop of its own whose clock begins at zero."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())


class JumpingBackend(AnyioBackend):
    """The backend of every awaited client, but for its clocks and its chance.

    Attributes:
        overslept: what a call would have slept beyond its deadline, in words.
        slept: how often was slept.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - a seeded draw
        self.overslept: list[str] = []
        self.slept = 0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return EPOCH + self.now()

    def random(self) -> float:
        return self._dice.random()

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        until, limit = self.now() + seconds, LIMIT.get()
        if until > limit + 1e-6:
            self.overslept.append(f"asleep until {until:.3f}, the deadline is at {limit:.3f}")
        await super().sleep(seconds)
