"""The errors of not sending at all: the time was over, or the way was closed."""

from __future__ import annotations

from billingual.errors.root import BillingualError

__all__ = [
    "DeadlineExceededError",
]


class DeadlineExceededError(BillingualError):
    """The call's deadline ended before another attempt could be made; nothing is unclear."""
