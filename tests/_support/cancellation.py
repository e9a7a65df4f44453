"""Cancel a coroutine where it suspends for the k-th time, by three ways to cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

import anyio
import trio
import uvloop

__all__ = ["WAYS", "CancelAt", "cancelled_at", "run_on"]

T = TypeVar("T")

WAYS: Final = {
    "asyncio, cancel": ("asyncio", "cancel"),
    "asyncio, cancel twice": ("asyncio", "twice"),
    "asyncio, scope": ("asyncio", "scope"),
    "uvloop, cancel": ("uvloop", "cancel"),
    "uvloop, cancel twice": ("uvloop", "twice"),
    "uvloop, scope": ("uvloop", "scope"),
    "trio, scope": ("trio", "scope"),
}


class CancelAt:
    """Drive *work*, and call *cancel* as it suspends for the *points*-th times.

    Attributes:
        suspended: how many times it suspended.
    """

    def __init__(
        self, work: Coroutine[Any, Any, T], points: set[int], cancel: Callable[[], object]
    ) -> None:
        self._work = work
        self._points = points
        self._cancel = cancel
        self.suspended = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                awaited = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value
            value = error = None
            self.suspended += 1
            if self.suspended in self._points:
                self._cancel()
            try:
                value = yield awaited
            except BaseException as raised:  # noqa: BLE001 - it is thrown in again
                error = raised


async def cancelled_at(work: Coroutine[Any, Any, Any], point: int, how: str) -> bool:
    """Run *work* and cancel it at *point*; False if it ended before it came there.

    A cancellation that comes too late to be met is none: then *work* ends as it would have.
    """
    points = {point, point + 1} if how == "twice" else {point}
    if how == "scope":
        with anyio.CancelScope() as scope:
            driven = CancelAt(work, points, scope.cancel)
            await driven
        return driven.suspended >= point

    async def run() -> None:
        await driven

    task = asyncio.create_task(run())
    driven = CancelAt(work, points, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return driven.suspended >= point


def run_on(loop: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run *work* on an event loop of that kind."""
    if loop == "trio":
        return trio.run(work)
    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())  # type: ignore[arg-type]  # an async function's
