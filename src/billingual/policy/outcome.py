"""What an attempt's end means, and what all attempts of an operation mean together.

The table is that of the outcome algebra: see the class of each error in
:mod:`billingual.errors` for what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from billingual.errors import (
    BillingualError,
    DeadlineExceededError,
    LockedError,
    NotConnectedError,
    PoolTimeoutError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    ServerError,
    TransportError,
    UsageError,
)
from billingual.outcome import Attempt, Outcome

__all__ = ["classify", "verdict"]


def classify(error: BillingualError) -> Outcome:
    """Name the end of one attempt from the error it raised."""
    if isinstance(error, (UsageError, DeadlineExceededError, NotConnectedError, PoolTimeoutError)):
        return Outcome.NOT_SENT
    if isinstance(error, TransportError):
        unsent = error.evidence.request_complete is False and not error.evidence.answer_begun
        return Outcome.NOT_SENT if unsent else Outcome.UNKNOWN
    if isinstance(error, RateLimitedError):
        # Assumed, as documented for comparable providers: the limiter stands before the handler.
        return Outcome.NOT_APPLIED
    if isinstance(error, LockedError):
        return Outcome.NOT_SENT if error.exchange is None else Outcome.REJECTED
    if isinstance(error, ProviderError) and not isinstance(
        error, (ServerError, RedirectedError, ProtocolError)
    ):
        # 408 says that the server gave up waiting; whether the body had arrived, it does not say.
        return Outcome.UNKNOWN if error.status == 408 else Outcome.REJECTED
    return Outcome.UNKNOWN


def verdict(attempts: Sequence[Attempt]) -> Outcome:
    """Name the end of a write from all of its attempts; the last one alone does not tell.

    A refusal after an unclear attempt may be the echo of our own success (a duplicate number, a
    status lock), so it stays unknown.
    """
    if not attempts:
        return Outcome.NOT_SENT
    last = attempts[-1].outcome
    if last is Outcome.COMMITTED:
        return last
    unclear = any(each.outcome is Outcome.UNKNOWN for each in attempts)
    return Outcome.UNKNOWN if unclear else last
