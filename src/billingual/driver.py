"""The seam of waiting: what the core asks of whoever runs it.

The core never sleeps, locks, fans out or reads a clock by itself. It asks its driver, which does so
on an event loop or by blocking the thread.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterator,
    Sequence,
)
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

__all__ = [
    "AsyncWalk",
    "BlockingDriver",
    "Clock",
    "Crew",
    "Driver",
    "Job",
    "Place",
    "Slots",
    "Walk",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class AsyncWalk(Protocol[T_co]):
    """An async iterator that can be left early."""

    def __aiter__(self) -> AsyncWalk[T_co]:
        """Return itself."""
        ...

    def __anext__(self) -> Awaitable[T_co]:
        """Bring the next item."""
        ...

    async def aclose(self) -> None:
        """Stop whatever is under way for it; it is over then."""
        ...


class Walk(Iterator[T_co], Protocol[T_co]):
    """An iterator that can be left early."""

    def close(self) -> None:
        """Stop whatever is under way for it; it is over then."""
        ...


class Place(Hashable, Protocol):
    """Where a connection belongs; one place equals another only if connections work in both."""

    def is_inherited(self) -> bool:
        """Tell whether it is of the process that this one was forked from."""
        ...

    def is_alive(self) -> bool:
        """Tell whether connections made there can still be used and closed."""
        ...

    def soon(self, call: Callable[[], object]) -> bool:
        """Have *call* made on its event loop, from any thread; False where none runs."""
        ...


class Slots(Protocol):
    """A fixed number of places, waited for in turn."""

    async def acquire(self, seconds: float) -> bool:
        """Wait for a place; False if none became free in time."""
        ...

    def release(self) -> None:
        """Give the place back."""
        ...


class Job(Protocol[T_co]):
    """Work that was begun beside the caller's own."""

    async def result(self) -> T_co:
        """Wait for its end and return what it brought; who is cancelled here cancels only himself.

        An error of the job goes up. May be asked again.
        """
        ...


class Crew(Protocol):
    """Jobs under way beside the caller's own work, in the place where the crew was made.

    Each runs in a copy of the context in which the crew was made. For reads alone: a job may be
    given up at any moment, unseen.
    """

    def is_here(self) -> bool:
        """Tell whether its jobs can be waited for here: in the same process and event loop."""
        ...

    def held(self) -> AbstractContextManager[object]:
        """Keep jobs from telling their ends meanwhile."""
        ...

    def begin(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> Job[T]:
        """Begin *work*; as it ends, *then* is called, held.

        What *then* begins is gone on with at once by whoever ran *work*.
        """
        ...

    def abandon(self) -> None:
        """Give up all jobs without waiting, from any thread; nothing new begins."""
        ...

    async def aclose(self) -> None:
        """Give up all jobs; what can be cancelled has ended when this returns."""
        ...


class Clock(Protocol):
    """What time it is, and what chance says."""

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC, for dates in headers."""
        ...

    def random(self) -> float:
        """Return a number from 0 up to 1, for the jitter of waits."""
        ...

    def fresh_key(self) -> str:
        """Return a text that nobody has drawn before, for idempotency keys."""
        ...


class Driver(Clock, Protocol):
    """How waiting is done. The only place that sleeps, locks, fans out or reads a clock.

    Attributes:
        name: for errors.
        blocks: whether waiting blocks the thread; then nothing may ever suspend.
    """

    @property
    def name(self) -> str:
        """The driver's name."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether waiting blocks the thread."""
        ...

    def place(self) -> Place:
        """Return where a connection made now belongs: a process, and an event loop if any."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellation passes through."""
        ...

    def slots(self, count: int) -> Slots:
        """Make *count* places to wait for."""
        ...

    def unhurried(self) -> AbstractContextManager[object]:
        """Hold cancellation back for a short clean-up."""
        ...

    async def gather(
        self, jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, limit: int
    ) -> list[T]:
        """Run *jobs*, at most *limit* at once; results in the order of *jobs*."""
        ...

    def crew(self, most: int) -> Crew:
        """Make a crew for at most *most* jobs at once, in this place."""
        ...

    def for_threads(self) -> Driver:
        """Return the driver for what runs in its worker threads; itself if it blocks."""
        ...

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Call what blocks where it may block."""
        ...


class BlockingDriver(Driver, Protocol):
    """A driver that can run the core for a caller who does not await."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        ...

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async iterator, and close it."""
        ...
