"""A circuit breaker: a retry policy that also stops first attempts while a provider is down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from billingual.abc import Decision, RetryPolicy
from billingual.errors import (
    AnswerTooLargeError,
    BillingualError,
    CircuitOpenError,
    ConfigurationError,
    PoolTimeoutError,
    ProviderError,
    ServerError,
    TransportError,
)
from billingual.outcomes import Attempt, Safety
from billingual.retry.policy import STANDARD

__all__ = ["CircuitBreaker", "breaker"]

_CLOSED: Final = float("-inf")


@attrs.define(kw_only=True, eq=False)
class CircuitBreaker:
    """Decide as *policy* does, and refuse to send at all after a row of failures.

    After *failures* failed attempts in a row (no answer, or 5xx) every attempt is refused with
    ``CircuitOpenError`` for *rest_s* seconds. Then one attempt is let through: its success closes
    the circuit, its failure starts the rest anew. It is off unless you choose it:
    ``retry="breaker"``, or ``retry=CircuitBreaker(failures=20)``. One object belongs to one host;
    clients that share it share its state.

    Attributes:
        policy: what decides about retries. Default: standard.
        failures: how many in a row open the circuit. Default 10.
        rest_s: seconds it stays open. Default 30.

    Raises:
        ConfigurationError: if a number is not above zero.
    """

    policy: RetryPolicy = STANDARD
    failures: int = 10
    rest_s: float = 30.0
    _row: int = attrs.field(default=0, init=False)
    _open_until: float = attrs.field(default=_CLOSED, init=False)

    def __attrs_post_init__(self) -> None:
        if not self.failures > 0 or not self.rest_s > 0:
            raise ConfigurationError(
                f"CircuitBreaker(failures={self.failures!r}, rest_s={self.rest_s!r}) can never "
                "open or close; give numbers above zero."
            )

    @property
    def deadline_s(self) -> float:
        """Seconds for one operation, as the policy inside has them."""
        return getattr(self.policy, "deadline_s", 60.0)

    def admit(self, now: float) -> None:
        """Let an attempt through.

        Raises:
            CircuitOpenError: if the circuit is open; the attempt is not sent.
        """
        if now < self._open_until:
            left = self._open_until - now
            raise CircuitOpenError(
                f"{self._row} attempts in a row failed, so nothing is sent for another "
                f"{left:.1f} s; the provider may be down. Nothing was sent.",
                retry_after=left,
            )
        if self._open_until is not _CLOSED:
            # Until the one that goes now has ended, the others wait for its news.
            self._open_until = now + self.rest_s

    def note(self, error: BillingualError | None, now: float) -> None:
        """Learn how an attempt that was let through ended; None for well."""
        if isinstance(error, (PoolTimeoutError, AnswerTooLargeError)):
            return  # they say nothing about the provider's health
        if isinstance(error, (TransportError, ServerError)):
            self._row += 1
            if self._row >= self.failures:
                self._open_until = now + self.rest_s
        elif error is None or isinstance(error, ProviderError):
            self._row, self._open_until = 0, _CLOSED

    def decide(
        self,
        attempts: Sequence[Attempt],
        *,
        error: BillingualError,
        safety: Safety,
        left_s: float,
        random: Callable[[], float],
    ) -> Decision:
        """Decide as the policy inside does."""
        return self.policy.decide(
            attempts, error=error, safety=safety, left_s=left_s, random=random
        )


def breaker() -> CircuitBreaker:
    """Make the circuit breaker that the name ``breaker`` stands for, one for each client."""
    return CircuitBreaker()
