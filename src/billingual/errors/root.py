"""What every error of this package has in common, and the errors that are nobody else's."""

from __future__ import annotations

from typing import Any, ClassVar

from billingual.outcomes import Attempt

__all__ = ["BillingualError", "InternalError", "PaginationError"]


def _revive(cls: type[BillingualError], text: str, state: dict[str, Any]) -> BillingualError:
    error = cls.__new__(cls, text)
    error.args = (text,)
    error.__dict__.update(state)
    return error


class BillingualError(Exception):
    """The root: everything this package raises on purpose.

    Attributes:
        maybe_applied: whether the provider may have acted on the write that failed.
        attempts: what was sent for the call, in order; empty where nothing was.
        stopped: why no further attempt was made, in words; empty where none was thought of.
    """

    maybe_applied: ClassVar[bool] = False
    attempts: tuple[Attempt, ...] = ()
    stopped: str = ""

    def explain(self) -> str:
        """Tell what was tried and why, one line for each attempt; for people and logs.

        It holds no payload and no credential.
        """
        lines = [str(self), *(f"  {attempt.explain()}" for attempt in self.attempts)]
        if self.stopped:
            lines.append(f"  not tried again: {self.stopped}")
        elif not self.attempts:
            lines.append("  nothing was sent")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_revive, (type(self), str(self), dict(self.__dict__)))


class PaginationError(BillingualError):
    """The pages of a list do not fit together (a page came twice, or there is no end)."""


class InternalError(BillingualError):
    """A rule of our own was broken; please report it with its text."""
