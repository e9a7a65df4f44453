"""A circuit breaker: a retry policy that also refuses first attempts while a provider is down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from billingual.abc import RetryDecision, RetryPolicy
from billingual.errors import (
    BillingualError,
    CircuitOpenError,
    ConfigurationError,
    PoolTimeoutError,
    ProviderError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
    shown,
)
from billingual.outcomes import Attempt, Safety
from billingual.retry.policy import STANDARD

__all__ = ["CircuitBreaker", "breaker"]

_CLOSED: Final = float("-inf")


@attrs.define(kw_only=True, eq=False)
class CircuitBreaker:
    """Decide as *policy* does, and refuse to send after several failures in a row.

    After *failures* failed attempts in a row (no response, or 5xx) the circuit is open: every
    attempt fails with ``CircuitOpenError`` for *rest_s* seconds. Then one attempt is sent: if it
    succeeds the circuit closes, if it fails the rest starts again. No client has a breaker unless
    you choose one: ``retry="breaker"``, or ``retry=CircuitBreaker(failures=20)``. Use one object
    for each host; clients that share it share its state.

    Attributes:
        policy: decides about retries. Default: standard.
        failures: how many in a row open the circuit. Default 10: more than two calls of four
            attempts each, so that one unlucky call does not stop all others.
        rest_s: seconds the circuit stays open. Default 30: long enough for a restart, and a
            provider that is back is found within half a minute.

    Raises:
        ConfigurationError: if a number cannot be right, or *policy* is no policy.
    """

    policy: RetryPolicy = STANDARD
    failures: int = 10
    rest_s: float = 30.0
    _failed_in_a_row: int = attrs.field(default=0, init=False)
    _open_until: float = attrs.field(default=_CLOSED, init=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.policy, type) or not hasattr(self.policy, "decide"):
            raise ConfigurationError(
                f"CircuitBreaker(policy={shown(self.policy)}) needs a policy inside; give a Retry "
                "with the numbers you want, or leave it out for the standard one."
            )
        if type(self.failures) is not int or self.failures < 1:
            raise ConfigurationError(
                f"CircuitBreaker(failures={shown(self.failures)}) counts attempts; give a whole "
                "number above zero."
            )
        usable = not isinstance(self.rest_s, bool) and isinstance(self.rest_s, (int, float))
        if not usable or not 0 < self.rest_s < float("inf"):
            raise ConfigurationError(
                f"CircuitBreaker(rest_s={shown(self.rest_s)}) can never close; give a number of "
                "seconds above zero."
            )

    @property
    def deadline_s(self) -> float:
        """Seconds for one operation, as the policy inside says."""
        return getattr(self.policy, "deadline_s", 60.0)

    def admit(self, now: float) -> None:
        """Allow an attempt at the time *now*.

        Raises:
            CircuitOpenError: if the circuit is open; the attempt is not sent.
        """
        if now < self._open_until:
            left = self._open_until - now
            raise CircuitOpenError(
                f"{self._failed_in_a_row} attempts in a row failed, so nothing is sent for another "
                f"{left:.1f} s; the provider may be down. Nothing was sent.",
                retry_after=left,
            )
        if self._open_until is not _CLOSED:
            # This attempt tests the provider. Until it has ended, all others are refused.
            self._open_until = now + self.rest_s

    def note(self, error: BillingualError | None, now: float) -> None:
        """Record how an attempt that was allowed ended; *error* is None for a success."""
        if isinstance(error, (PoolTimeoutError, ResponseTooLargeError)):
            return  # neither says anything about the provider's health
        if isinstance(error, (TransportError, ServerError)):
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self.failures:
                self._open_until = now + self.rest_s
        elif error is None or isinstance(error, ProviderError):
            self._failed_in_a_row, self._open_until = 0, _CLOSED

    def decide(
        self,
        attempts: Sequence[Attempt],
        *,
        error: BillingualError,
        safety: Safety,
        left_s: float,
        random: Callable[[], float],
    ) -> RetryDecision:
        """Decide as the policy inside does."""
        return self.policy.decide(
            attempts, error=error, safety=safety, left_s=left_s, random=random
        )


def breaker() -> CircuitBreaker:
    """Make the breaker of ``retry="breaker"``; each client gets one of its own."""
    return CircuitBreaker()
