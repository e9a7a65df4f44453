"""Exit codes: they tell a script how a command ended."""

from __future__ import annotations

from typing import Final

from billingual.errors import (
    AuthenticationError,
    BillingualError,
    DeadlineExceededError,
    NotFoundError,
    OutcomeUnknown,
    PaginationError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RedirectedError,
    ServerError,
    TransportError,
    UsageError,
)
from billingual.jobs.ledger import LedgerError

__all__ = ["ABSENT", "FAILURE", "INTERRUPTED", "OK", "UNCLEAR", "USAGE", "exit_code"]

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
UNCLEAR: Final = 7
ABSENT: Final = 9
"""Not 1, which says nothing of a write: after a 9 it may be sent again."""
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[tuple[type[BillingualError], ...], int], ...]] = (
    # A job that has begun says itself what is left of it.
    ((UsageError, LedgerError), USAGE),
    ((AuthenticationError, PermissionDeniedError), 3),
    ((NotFoundError,), 4),
    ((RateLimitedError,), 5),
    (
        (
            TransportError,
            DeadlineExceededError,
            ServerError,
            ProtocolError,
            RedirectedError,
            PaginationError,
        ),
        6,
    ),
    ((OutcomeUnknown,), UNCLEAR),
)


def exit_code(error: BillingualError) -> int:
    """Return the exit code of an error: 1 where the provider simply refused.

    0 is success, 1 a refusal or another failure, 2 wrong usage, 3 credentials or permission, 4 no
    such invoice, 5 a rate limit, 6 the wire or the provider's own trouble, 7 a write that may or
    may not have happened, 9 a write that provably did not, 130 an interrupt.
    """
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILURE)
