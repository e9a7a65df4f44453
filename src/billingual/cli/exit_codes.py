"""Exit codes: what a script can tell from a command's end."""

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

__all__ = ["FAILURE", "INTERRUPTED", "OK", "OUTPUT_LOST", "UNCLEAR", "USAGE", "exit_code"]

OK: Final = 0
FAILURE: Final = 1
USAGE: Final = 2
UNCLEAR: Final = 7
OUTPUT_LOST: Final = 8
INTERRUPTED: Final = 130

_CODES: Final[tuple[tuple[tuple[type[BillingualError], ...], int], ...]] = (
    ((UsageError,), USAGE),
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
    may not have happened, 8 a write that was done and whose output was lost, 130 an interrupt.
    """
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILURE)
