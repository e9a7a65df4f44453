"""Clocks and chance: the same for every backend, whatever way it waits."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Read the system's clocks; holds no state and is safe to share."""

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        import random  # noqa: PLC0415 - what goes well needs no chance

        return random.random()  # noqa: S311 - it spreads waits and guards nothing

    def fresh_key(self) -> str:
        """Return a text of 122 random bits, which nobody draws twice."""
        import uuid  # noqa: PLC0415 - few providers take keys

        return str(uuid.uuid4())
