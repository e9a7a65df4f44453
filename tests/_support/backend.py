"""A backend without an event loop, whose clock moves only when the code under test sleeps."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import attrs

__all__ = ["StepBackend", "StepScope", "StepSlots", "run_in_one_step"]

T = TypeVar("T")


@attrs.frozen
class StepScope:
    """The only scope there is."""

    def is_inherited(self) -> bool:
        return False

    def is_alive(self) -> bool:
        return True


class StepSlots:
    """Slots for a single caller, who never has to wait."""

    def __init__(self, count: int) -> None:
        self.free = count

    async def acquire(self, seconds: float) -> bool:
        assert self.free > 0
        self.free -= 1
        return True

    def release(self) -> None:
        self.free += 1


class StepBackend:
    """A backend without an event loop: its clock moves only when the code under test sleeps.

    Attributes:
        clock: seconds on its clock.
        sleeps: what was slept, in order.
        chance: what ``random`` returns.
    """

    blocks = False  # so it takes any transport; one that suspends fails the test

    def __init__(self, *, clock: float = 1000.0, chance: float = 0.5) -> None:
        self.clock = clock
        self.epoch = 1_800_000_000.0 - clock
        self.chance = chance
        self.keys = 0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.clock

    def wall(self) -> float:
        return self.epoch + self.clock

    def random(self) -> float:
        return self.chance

    def fresh_key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock += seconds

    def for_threads(self) -> StepBackend:
        return self

    def execution_scope(self) -> StepScope:
        return StepScope()

    def slots(self, count: int) -> StepSlots:
        return StepSlots(count)


def run_in_one_step(coroutine: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Run a coroutine to its end without an event loop; one that suspends fails the test."""
    iterator = coroutine.__await__()
    try:
        suspended_on = next(iterator)
    except StopIteration as done:
        return done.value
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
    raise AssertionError(f"the core suspended on {suspended_on!r}")
