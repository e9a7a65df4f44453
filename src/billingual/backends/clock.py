"""The system's clocks and random numbers, the same for every backend."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Read the system's clocks; holds no state and is safe to share."""

    # The functions themselves, since each call asks for the time thrice.
    now: staticmethod[[], float] = staticmethod(time.monotonic)
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
