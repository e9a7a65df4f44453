"""What an attempt's end means, and what all attempts of an operation mean together.

The table is that of the outcome algebra: see the class of each error in
:mod:`billingual.errors` for what was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from billingual.errors import (
    BillingualError,
    CircuitOpenError,
    DeadlineExceededError,
    InternalError,
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
from billingual.outcomes import Attempt, Evidence, Outcome, Safety

__all__ = ["classify", "evidence_of", "refused_resend", "verdict"]


# Answers that come before a provider looks at the key: who asks, and whether an earlier delivery is
# still under way. Source: https://docs.stripe.com/error-low-level, read 2026-11; 403 is inferred.
_BEFORE_THE_KEY: Final = frozenset({401, 403, 409})
_ANSWERED: Final = Evidence(connected=True, request_complete=True, answer_begun=True)
_NOTHING: Final = Evidence(connected=False, request_complete=False, answer_begun=False)
_UNSENT: Final = (
    UsageError, DeadlineExceededError, CircuitOpenError, NotConnectedError, PoolTimeoutError,
)  # fmt: skip


def classify(error: BillingualError, *, rate_limit_precedes_handler: bool = True) -> Outcome:
    """Name the end of one attempt from the error it raised.

    Args:
        error: what the attempt raised.
        rate_limit_precedes_handler: whether the provider's rate limit stands before its handler,
            so that a 429 proves that nothing was done; see ``Capabilities``.
    """
    if isinstance(error, _UNSENT):
        return Outcome.NOT_SENT
    if isinstance(error, TransportError):
        unsent = error.evidence.request_complete is False and not error.evidence.answer_begun
        return Outcome.NOT_SENT if unsent else Outcome.UNKNOWN
    if isinstance(error, RateLimitedError):
        return Outcome.NOT_APPLIED if rate_limit_precedes_handler else Outcome.UNKNOWN
    if isinstance(error, LockedError):
        return Outcome.NOT_SENT if error.exchange is None else Outcome.REJECTED
    if isinstance(error, ProviderError) and not isinstance(
        error, (ServerError, RedirectedError, ProtocolError)
    ):
        # 408 says that the server gave up waiting; whether the body had arrived, it does not say.
        return Outcome.UNKNOWN if error.status == 408 else Outcome.REJECTED
    return Outcome.UNKNOWN


def evidence_of(error: Exception | None) -> tuple[Evidence, int | None]:
    """Return what was seen of an attempt and the status of its answer, from the error it raised.

    Args:
        error: None for an attempt that ended well.
    """
    if error is None:
        return _ANSWERED, None
    if isinstance(error, TransportError):
        return error.evidence, None
    if isinstance(error, InternalError):
        return Evidence(), None
    exchange = error.exchange if isinstance(error, (ProviderError, LockedError)) else None
    if exchange is not None:
        evidence = _ANSWERED
        if exchange.request_complete is not True:
            evidence = attrs.evolve(evidence, request_complete=exchange.request_complete)
        return evidence, exchange.status
    return _NOTHING, None


def verdict(attempts: Sequence[Attempt], safety: Safety = Safety.CREATE) -> Outcome:
    """Name the end of a write from all of its attempts; the last one alone does not tell.

    A refusal after an unclear attempt may be the echo of our own success (a duplicate number, a
    status lock), so it stays unknown. Not so where a key makes the provider repeat its first
    answer: had an earlier attempt succeeded, that would have come. A conflict says there that an
    attempt is still under way, and who may not ask is told so before the key is looked at.
    """
    if not attempts:
        return Outcome.NOT_SENT
    last = attempts[-1].outcome
    if last is Outcome.COMMITTED:
        return last
    if (
        safety is Safety.KEYED
        and last is Outcome.REJECTED
        and attempts[-1].status not in _BEFORE_THE_KEY
    ):
        return last
    unclear = any(each.outcome is Outcome.UNKNOWN for each in attempts)
    return Outcome.UNKNOWN if unclear else last


def refused_resend(attempts: Sequence[Attempt], safety: Safety) -> str:
    """Say why a request must not be delivered again whatever else speaks for it; empty if it may.

    A write is sent again only where no attempt can have been acted on: none was unclear, and the
    last one never left or was turned away at the door.
    """
    if safety.replayable:
        return ""
    for each in attempts:
        if each.outcome not in {Outcome.NOT_SENT, Outcome.NOT_APPLIED}:
            return f"a write that ended {each.outcome.value} is never sent again on its own"
    return ""
