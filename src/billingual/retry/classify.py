"""The outcome of one attempt, and of all attempts of an operation together.

An error class says what was seen (see :mod:`billingual.errors`); the functions here say what that
means for a write. Everything that decides about sending again goes by them.
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


# Statuses that a provider sends before it looks up the idempotency key: it checks who sends the
# request, and whether an earlier request with the key is still being processed.
# Source: https://docs.stripe.com/error-low-level, read 2026-11; 403 is inferred.
_BEFORE_THE_KEY: Final = frozenset({401, 403, 409})
# 408 says that the server stopped waiting for the request, but not whether the body had arrived: a
# proxy may have sent it while the provider was processing the write. 499 says that a gateway gave
# the request up while it was processed. Source: gRPC's CANCELLED,
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, read 2026-11.
_GIVEN_UP: Final = frozenset({408, 499})
_RESPONDED: Final = Evidence(connected=True, request_complete=True, response_begun=True)
_NOTHING: Final = Evidence(connected=False, request_complete=False, response_begun=False)
_UNSENT: Final = (
    UsageError, DeadlineExceededError, CircuitOpenError, NotConnectedError, PoolTimeoutError,
)  # fmt: skip


def classify(error: BillingualError, *, rate_limit_precedes_handler: bool = True) -> Outcome:
    """Return the outcome of an attempt that raised *error*.

    Args:
        error: what the attempt raised.
        rate_limit_precedes_handler: whether the provider checks its rate limit before it handles
            a request, so that a 429 proves that nothing was done; see ``Capabilities``.
    """
    if isinstance(error, _UNSENT):
        return Outcome.NOT_SENT
    if isinstance(error, TransportError):
        unsent = error.evidence.request_complete is False and not error.evidence.response_begun
        return Outcome.NOT_SENT if unsent else Outcome.UNKNOWN
    if isinstance(error, RateLimitedError):
        return Outcome.NOT_APPLIED if rate_limit_precedes_handler else Outcome.UNKNOWN
    if isinstance(error, LockedError):
        return Outcome.NOT_SENT if error.exchange is None else Outcome.REJECTED
    if isinstance(error, ProviderError) and not isinstance(
        error, (ServerError, RedirectedError, ProtocolError)
    ):
        return Outcome.UNKNOWN if error.status in _GIVEN_UP else Outcome.REJECTED
    return Outcome.UNKNOWN


def evidence_of(error: BaseException | None) -> tuple[Evidence, int | None]:
    """Return what was seen of an attempt, and the status of its response if it is an error.

    Args:
        error: what the attempt raised; None for a success.
    """
    if error is None:
        return _RESPONDED, None
    if isinstance(error, TransportError):
        return error.evidence, None
    if isinstance(error, InternalError) or not isinstance(error, Exception):
        # A cancellation or an interrupt came from outside, and may have come at any time.
        return Evidence(), None
    exchange = error.exchange if isinstance(error, (ProviderError, LockedError)) else None
    if exchange is not None:
        evidence = _RESPONDED
        if exchange.request_complete is not True:
            evidence = attrs.evolve(evidence, request_complete=exchange.request_complete)
        return evidence, exchange.status
    return _NOTHING, None


def verdict(attempts: Sequence[Attempt], safety: Safety = Safety.CREATE) -> Outcome:
    """Return the outcome of a write from all of its attempts; the last one alone does not decide.

    If an earlier attempt is unknown, a refusal of the last one proves nothing: our own earlier
    success may have caused it (a number that exists, a status that locks), so the write is unknown.

    With an idempotency key a refusal does prove it. Had an earlier attempt succeeded, the provider
    would have repeated that success. Exceptions are the refusals that come before it looks up the
    key: 409 says that an earlier attempt is still being processed, 401 and 403 who may not call.
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
    """Say why a request must never be sent again on its own; empty if it may be.

    A write may be sent again only if the provider provably did nothing in every attempt: it was
    not sent, or a rate limit refused it.
    """
    if safety.replayable:
        return ""
    for each in attempts:
        if each.outcome not in {Outcome.NOT_SENT, Outcome.NOT_APPLIED}:
            return f"a write that ended {each.outcome.value} is never sent again on its own"
    return ""
