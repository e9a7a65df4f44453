"""How long to wait before the next attempt, where the provider does not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["full_jitter"]

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
