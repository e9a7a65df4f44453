"""The errors of not sending at all: the time was over, or the way was closed."""

from __future__ import annotations

from billingual.errors.root import BillingualError

__all__ = ["CircuitOpenError", "DeadlineExceededError"]


class DeadlineExceededError(BillingualError):
    """The call's deadline ended before another attempt could be made; nothing is unclear.

    Attributes:
        retry_after: seconds until a rate limit lets this credential on, where one is the reason.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CircuitOpenError(BillingualError):
    """So many attempts failed in a row that none is sent for a while; nothing was sent.

    Attributes:
        retry_after: seconds until the next attempt is let through.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
