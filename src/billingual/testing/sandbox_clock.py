"""The clock of a sandbox, for tests: it stands still until a test moves it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from billingual.model import first_moment, instant, instant_text

if TYPE_CHECKING:
    from billingual.sandbox import Sandbox

__all__ = ["SandboxClock"]


class SandboxClock:
    """Read and move the time of *sandbox*; invoices become overdue as it moves.

    The clock of the program and of its clients is not touched: timeouts and waits are real.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    @property
    def now(self) -> datetime:
        """The sandbox's time, in UTC."""
        return datetime.fromisoformat(self._sandbox.now)

    @property
    def today(self) -> date:
        """The sandbox's day, in UTC."""
        return self.now.date()

    def set(self, moment: datetime | date | str) -> datetime:
        """Move to *moment*, forwards or backwards; return the new time.

        Args:
            moment: an aware datetime, a day (its first moment in UTC) or ISO text.

        Raises:
            InvalidInputError: if it is none of these.
        """
        text = instant_text(first_moment(instant(moment, "moment")))
        return datetime.fromisoformat(self._sandbox.move_clock(now=text))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move by that much, backwards where it is negative; return the new time."""
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return datetime.fromisoformat(self._sandbox.move_clock(advance_s=step.total_seconds()))
