"""When to send again and how fast to call: policies, the retry budget and the rate limiter.

Everything here decides and nothing acts: the pipeline asks, waits and sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billingual.retry.budget import RetryBudget
from billingual.retry.policy import NONE, PATIENT, STANDARD, Retry
from billingual.retry.rate_limit import Limiter

if TYPE_CHECKING:
    from billingual.retry.breaker import CircuitBreaker
    from billingual.retry.redis import RedisQuota

__all__ = [
    "NONE",
    "PATIENT",
    "STANDARD",
    "CircuitBreaker",
    "Limiter",
    "RedisQuota",
    "Retry",
    "RetryBudget",
]


def __getattr__(name: str) -> object:
    # Every client needs the others; few programs use a circuit breaker or share a quota.
    if name == "CircuitBreaker":
        from billingual.retry.breaker import CircuitBreaker  # noqa: PLC0415

        return CircuitBreaker
    if name == "RedisQuota":
        from billingual.retry.redis import RedisQuota  # noqa: PLC0415

        return RedisQuota
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
