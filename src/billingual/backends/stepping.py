"""Running a coroutine to its end in one step, where nothing in it may suspend."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from billingual.errors import InternalError

__all__ = ["lacks_a_loop", "step"]

T = TypeVar("T")

# A coroutine that is stopped may wait once more in each `finally` on its way out, and each such
# wait needs another throw. This many nested clean-ups are more than any transport has; a coroutine
# that never ends is given up.
_CLEAN_UPS: Final = 16


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
    """Raise the error inside *work*, so that a write under way there ends as unknown."""
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
    """Return True if *error* is what asyncio, anyio or trio raise where no event loop runs."""
    return isinstance(error, RuntimeError) and (
        type(error).__name__ in {"AsyncLibraryNotFoundError", "NoEventLoopError"}
        or str(error) in {"no running event loop", "must be called from async context"}
    )
