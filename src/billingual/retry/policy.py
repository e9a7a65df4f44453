"""When to try again. Only this layer retries; a transport never does.

A read is tried again after every failure that may pass. A write is tried again only if the provider
provably did nothing: the request was not sent, or a rate limit refused it. The pipeline holds every
policy to that rule, so a policy need not check it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from billingual.abc import RetryDecision
from billingual.errors import (
    BillingualError,
    ConfigurationError,
    ConflictError,
    ProviderError,
    RateLimitedError,
    ResponseTooLargeError,
    ServerError,
    TokenUnavailableError,
    TransportError,
    shown,
)
from billingual.outcomes import Attempt, Safety

__all__ = ["NONE", "PATIENT", "STANDARD", "Retry", "full_jitter"]

# 2.0 ** 1024 overflows, and 64 doublings of any base exceed any cap.
_MOST_DOUBLINGS: Final = 64


def full_jitter(retries: int, *, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Return a random wait between zero and a bound that doubles with each retry, up to a cap.

    The wait is spread over the whole range, so that clients that failed together come back apart.
    A wait of "half the bound plus jitter" would leave the first half of each range empty and crowd
    them in the second. Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    Args:
        retries: how many retries there were before: 0 for the first.
        base_s: bound of the first wait.
        cap_s: largest bound.
        random: a source of numbers from 0 up to 1.
    """
    bound: float = min(cap_s, base_s * 2.0 ** min(retries, _MOST_DOUBLINGS))
    return bound * random()


@attrs.frozen(kw_only=True)
class Retry:
    """Try again with growing, jittered waits; frozen, so that clients can share one.

    Attributes:
        attempts: most deliveries of one request, the first included; None for no bound but time.
            Default 4: three retries pass over a lost connection or a restart, and more would
            keep a caller waiting for a provider that is down.
        base_s: bound of the first wait, in seconds; it doubles with each retry. Default 0.1: a
            lost connection needs no longer wait.
        throttled_s: the same after a rate limit that names no time. Default 1: rate limits are
            counted in seconds.
        cap_s: largest bound. Default 20, as in the AWS SDKs.
        longest_retry_after_s: longest ``Retry-After`` that is waited for; a longer one is raised,
            for the caller to handle. Default 60, as long as the deadline.
        deadline_s: seconds for one operation, unless the client says otherwise. Default 60.

    Raises:
        ConfigurationError: if a number cannot be right, or nothing bounds the attempts.
    """

    attempts: int | None = 4
    base_s: float = 0.1
    throttled_s: float = 1.0
    cap_s: float = 20.0
    longest_retry_after_s: float = 60.0
    deadline_s: float = 60.0

    def __attrs_post_init__(self) -> None:
        if self.attempts is not None and (type(self.attempts) is not int or self.attempts < 1):
            raise ConfigurationError(
                f"Retry(attempts={shown(self.attempts)}): give a whole number from 1 on, which "
                "counts the first attempt too, or None to be bound by time alone."
            )
        for name in ("base_s", "throttled_s", "cap_s", "longest_retry_after_s", "deadline_s"):
            seconds = getattr(self, name)
            usable = not isinstance(seconds, bool) and isinstance(seconds, (int, float))
            if not usable or not 0 <= seconds < float("inf"):
                raise ConfigurationError(
                    f"Retry({name}={shown(seconds)}): give a number of seconds from 0 on; no "
                    "wait is endless."
                )

    def decide(
        self,
        attempts: Sequence[Attempt],
        *,
        error: BillingualError,
        safety: Safety,
        left_s: float,
        random: Callable[[], float],
    ) -> RetryDecision:
        """Decide whether and when to try again; see :class:`billingual.abc.RetryPolicy`."""
        refusal = self._refusal(attempts, error, safety)
        if refusal is not None:
            return RetryDecision(wait_s=None, why=refusal)
        wait_s, why = self._wait(attempts, error, random)
        if wait_s >= left_s:
            return RetryDecision(
                wait_s=None,
                why=f"the next attempt would be in {wait_s:.1f} s, the deadline in {left_s:.1f} s",
            )
        return RetryDecision(wait_s=wait_s, why=why)

    def _refusal(
        self, attempts: Sequence[Attempt], error: BillingualError, safety: Safety
    ) -> str | None:
        if not _may_pass(error, safety):
            return f"{type(error).__name__} would come again"
        if self.attempts is not None and len(attempts) >= self.attempts:
            return f"{len(attempts)} of {self.attempts} attempts are used"
        if (_asked_s(error) or 0.0) > self.longest_retry_after_s:
            return f"the provider asks to wait longer than {self.longest_retry_after_s:.0f} s"
        return None

    def _wait(
        self, attempts: Sequence[Attempt], error: BillingualError, random: Callable[[], float]
    ) -> tuple[float, str]:
        retries = len(attempts) - 1
        throttled = isinstance(error, RateLimitedError)
        base_s = self.throttled_s if throttled else self.base_s
        jitter = full_jitter(retries, base_s=base_s, cap_s=self.cap_s, random=random)
        asked_s = _asked_s(error)
        if asked_s is not None:
            # The jitter comes on top: "Retry-After: 0" must not become a loop without waits, and
            # callers that were refused together must not come back together.
            return asked_s + jitter, "the provider said when to come back"
        return jitter, f"{attempts[-1].outcome.value} may pass"


def _may_pass(error: BillingualError, safety: Safety) -> bool:
    """Return True if the same request may succeed later."""
    if isinstance(error, ConflictError) and safety is Safety.KEYED:
        # An earlier delivery with the same key is still being processed.
        return True
    if isinstance(error, ResponseTooLargeError):
        return False
    if isinstance(error, (TransportError, RateLimitedError, ServerError)):
        return True
    # 408 (Request Timeout), 425 (Too Early) and 499 (a gateway gave up) blame the moment and not
    # the request.
    return isinstance(error, ProviderError) and error.status in {408, 425, 499}


def _asked_s(error: BillingualError) -> float | None:
    """Return the seconds the provider, or its server of tokens, asked to wait, if it asked."""
    asking = (RateLimitedError, ServerError, TokenUnavailableError)
    return error.retry_after if isinstance(error, asking) else None


NONE: Final = Retry(attempts=1)
"""Never try again: for programs that retry themselves, so that retries do not multiply."""

STANDARD: Final = Retry()
"""Up to four attempts: for calls that a person or another program waits for."""

PATIENT: Final = Retry(attempts=None, base_s=0.5, throttled_s=2.0, cap_s=60.0, deadline_s=900.0)
"""As many attempts as fit into a quarter of an hour: for pipelines that run unattended."""
