"""Many small pools instead of one big one: a stack of lanes, each for one request at a time.

Why not the library's own pool: the one of httpx scans every connection at every request, so that
it collapses under concurrency, and it loses a place for ever when a request is cancelled at the
wrong moment (https://github.com/encode/httpcore/issues/1093). A lane that did not end well is
closed whole, so nothing can be stuck; the one used last is taken first, so that few connections
are kept and those are warm.

A connection belongs to a *place*: a process and, where there is one, an event loop. After a fork
the parent's lanes are kept aside untouched: to use them would mix up answers, to close them could
end the parent's sessions. On another loop a new stack begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

import attrs

from billingual.abc import Backend, ExecutionScope, Slots

__all__ = ["Lane", "Lanes", "Stack"]


class Lane(Protocol):
    """One connection, or none yet."""

    async def aclose(self) -> None:
        """Close it."""
        ...

    def drop(self, place: ExecutionScope) -> bool:
        """Close it without waiting, from outside its *place*; False if it was not connected."""
        ...


L = TypeVar("L", bound=Lane)

# What a child inherited is never touched again, not even by the garbage collector.
_INHERITED: Final[list[object]] = []


@attrs.define(eq=False)
class Stack(Generic[L]):
    """The lanes of one place: those that are free, with the time they became so."""

    slots: Slots
    free: list[tuple[L, float]] = attrs.field(factory=list)
    closed: bool = False


class Lanes(Generic[L]):
    """Hand out lanes, at most *limit* at once in each place; safe for tasks and threads.

    Args:
        make: makes a lane; it connects on its first request.
        backend: for places, waits and the clock.
        limit: most lanes in use at once.
        keepalive_s: seconds after which a lane nobody took is closed.
    """

    def __init__(
        self, make: Callable[[], L], backend: Backend, *, limit: int, keepalive_s: float
    ) -> None:
        self._make = make
        self._backend = backend
        self._limit = limit
        self._keepalive_s = keepalive_s
        self._stacks: dict[ExecutionScope, Stack[L]] = {}

    async def take(self, seconds: float) -> tuple[Stack[L], L] | None:
        """Wait for a place and take the warmest lane; None if none became free in time."""
        stack = self._here()
        if not await stack.slots.acquire(seconds):
            return None
        try:
            # A list's pop is atomic, a look before it would not be.
            return stack, stack.free.pop()[0]
        except IndexError:
            pass
        try:
            return stack, self._make()
        except BaseException:
            stack.slots.release()
            raise

    async def give(self, stack: Stack[L], lane: L) -> None:
        """Put back a lane whose exchange ended well."""
        now = self._backend.now()
        cold: L | None = lane
        if not stack.closed:
            stack.free.append((lane, now))
            cold = self._coldest(stack, now)
        stack.slots.release()
        if cold is not None:
            # The answer is in hand: trouble with an old connection must not take it away.
            with suppress(Exception):
                await cold.aclose()

    async def scrap(self, stack: Stack[L], lane: L) -> None:
        """Close a lane whose exchange did not end well, cancelled or broken."""
        try:
            with self._backend.shielded():
                await lane.aclose()
        finally:
            stack.slots.release()

    async def aclose(self) -> None:
        """Close the free lanes of this place; those in use close as they come back."""
        here = self._backend.execution_scope()
        for place, stack in list(self._stacks.items()):
            stack.closed = True
            del self._stacks[place]
            if place != here:
                self._leave(place, stack)
                continue
            try:
                with self._backend.shielded():
                    while stack.free:
                        await stack.free.pop()[0].aclose()
            finally:
                # Cancelled all the same, or one would not close: nobody finds the others any more.
                self._leave(place, stack)

    def drop(self) -> int:
        """Close all free lanes without waiting; return how many were connected."""
        stacks, self._stacks = self._stacks, {}
        return sum(self._leave(place, stack) for place, stack in stacks.items())

    def _here(self) -> Stack[L]:
        place = self._backend.execution_scope()
        stack = self._stacks.get(place)
        if stack is None:
            # Copied at once: another thread may add its own place meanwhile.
            for other in [each for each in list(self._stacks) if not each.is_alive()]:
                self._leave(other, self._stacks.pop(other, None))
            stack = self._stacks.setdefault(place, Stack(self._backend.slots(self._limit)))
        return stack

    @staticmethod
    def _leave(place: ExecutionScope, stack: Stack[L] | None) -> int:
        if stack is None:
            return 0
        stack.closed = True
        if place.is_inherited():
            _INHERITED.append(stack)
            return 0
        dropped = [lane.drop(place) for lane, _ in stack.free]
        stack.free.clear()
        return sum(dropped)

    def _coldest(self, stack: Stack[L], now: float) -> L | None:
        """Take the bottom lane off if it is too old: one look at each return keeps all clean."""
        try:
            lane, since = stack.free[0]
            if now - since <= self._keepalive_s:
                return None
            stack.free.remove((lane, since))
        except (IndexError, ValueError):
            return None
        return lane
