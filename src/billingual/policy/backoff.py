"""How long to wait between attempts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["full_jitter", "retry_after_s"]


def full_jitter(retries: int, *, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Return a wait spread evenly from zero to an exponentially growing, capped bound.

    Args:
        retries: how many retries there were before: 0 for the first.
        base_s: bound of the first wait.
        cap_s: largest bound.
        random: a source of numbers from 0 up to 1.
    """
    # 2.0 ** 1024 overflows; no policy gets near the 64 doublings that reach any cap.
    bound: float = min(cap_s, base_s * 2.0 ** min(retries, 64))
    return bound * random()


def retry_after_s(text: str | None, wall: float) -> float | None:
    """Read a ``Retry-After`` value, in seconds or as an HTTP date.

    Args:
        text: the header's value, or None.
        wall: seconds since 1970-01-01 UTC, now.

    Returns:
        Seconds from now, never below zero, or None where the value says nothing.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
        return seconds if seconds != float("inf") else None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall)
