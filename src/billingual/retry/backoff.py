"""How long to wait between attempts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from billingual.wire import Headers

__all__ = ["asked_wait_s", "full_jitter", "retry_after_s"]


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


def asked_wait_s(headers: Headers, wall: float) -> float | None:
    """Read how long an answer asks to wait.

    ``retry-after-ms`` is the finer word and counts first; then ``Retry-After``, in seconds or as
    an HTTP date of any of the three forms of RFC 9110 (section 5.6.7).

    Args:
        headers: of the answer.
        wall: seconds since 1970-01-01 UTC, now.

    Returns:
        Seconds from now, never below zero, or None where nothing is said that can be read.
    """
    fine_ms = _number(headers.get("retry-after-ms") or "")
    if fine_ms is not None:
        return fine_ms / 1000
    return retry_after_s(headers.get("retry-after"), wall)


def retry_after_s(text: str | None, wall: float) -> float | None:
    """Read the value of a ``Retry-After`` field; see :func:`asked_wait_s`."""
    if text is None:
        return None
    text = text.strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few answers say a date

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall)


def _number(text: str) -> float | None:
    text = text.strip()
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        return None
    number = float(text)
    return number if number != float("inf") else None
