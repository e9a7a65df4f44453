"""The sandbox's own clock. It is frozen unless a program starts it: equal calls, equal responses.

Two states. *Frozen*: `now` stands still until it is set or advanced. *Running*: `now` moves on at
the pace of real time from where it was. Nothing else that a response depends on reads the time.
"""

from __future__ import annotations

import time

from billingual.sandbox.instants import SECOND, parse_instant

__all__ = ["DEFAULT_NOW", "Clock"]

DEFAULT_NOW = parse_instant("2026-11-21T09:00:00Z")
"""The time at which a new sandbox's clock begins, in microseconds since 1970."""

_MICROSECONDS_PER_NANOSECOND = 1000


class Clock:
    """Tell the sandbox's time; share it freely, the sandbox's lock guards it."""

    def __init__(self, now: int = DEFAULT_NOW) -> None:
        self._now = now
        self._running_since: int | None = None

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._running_since is None

    def now(self) -> int:
        """Give the current instant in microseconds since 1970."""
        if self._running_since is None:
            return self._now
        elapsed = time.monotonic_ns() - self._running_since
        return self._now + elapsed // _MICROSECONDS_PER_NANOSECOND

    def set(self, instant: int) -> None:
        """Move to an instant, forwards or backwards; a running clock runs on from there."""
        self._now = instant
        if self._running_since is not None:
            self._running_since = time.monotonic_ns()

    def set_real(self) -> None:
        """Move to the real time and run from there."""
        self._now = time.time_ns() // _MICROSECONDS_PER_NANOSECOND
        self._running_since = time.monotonic_ns()

    def advance(self, seconds: float) -> None:
        """Move by a number of *seconds*; negative moves back."""
        self.set(self.now() + round(seconds * SECOND))

    def freeze(self) -> None:
        """Stand still at the current instant."""
        self._now = self.now()
        self._running_since = None

    def run(self) -> None:
        """Run on at the pace of real time from the current instant."""
        self._now = self.now()
        self._running_since = time.monotonic_ns()
