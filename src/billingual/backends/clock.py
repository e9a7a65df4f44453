"""The system's clocks and random numbers, the same for every backend."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

__all__ = ["SystemClock"]


def _monotonic() -> Callable[[], float]:
    """Return the system's steady clock, by the name under which tests leave it running.

    freezegun stops ``time.monotonic`` and lets ``time.sleep`` and sockets wait as ever, so that no
    deadline would ever pass. Windows has no other name for it.
    """
    if hasattr(time, "clock_gettime"):
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic


class SystemClock:
    """Read the system's clocks; holds no state and is safe to share."""

    # The functions themselves, since each call asks for the time thrice.
    now: staticmethod[[], float] = staticmethod(_monotonic())
    wall: staticmethod[[], float] = staticmethod(time.time)

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        # Only a retry needs a random number, so a call that succeeds does not pay for the import.
        import random  # noqa: PLC0415

        return random.random()  # noqa: S311 - it spreads waits and guards nothing

    def fresh_key(self) -> str:
        """Return a text of 122 random bits, so that two are never equal."""
        import uuid  # noqa: PLC0415 - few providers take keys

        return str(uuid.uuid4())
