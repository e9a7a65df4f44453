"""How long to wait before the next attempt: by our own rule, or as the provider asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Final

from billingual.wire import Headers

__all__ = ["asked_wait_s", "full_jitter", "retry_after_s"]

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


def asked_wait_s(headers: Headers, wall: float) -> float | None:
    """Read how long a response asks to wait.

    ``retry-after-ms`` counts first, because it is finer. Then comes ``Retry-After``, in seconds or
    as an HTTP date in any of the three forms of RFC 9110 (section 5.6.7).

    Args:
        headers: of the response.
        wall: seconds since 1970-01-01 UTC, now.

    Returns:
        Seconds from now, never below zero; None if the response says nothing readable.
    """
    milliseconds = _number(headers.get("retry-after-ms") or "")
    if milliseconds is not None:
        return milliseconds / 1000
    return retry_after_s(headers.get("retry-after"), wall)


def retry_after_s(text: str | None, wall: float) -> float | None:
    """Read the value of a ``Retry-After`` header; see :func:`asked_wait_s`."""
    if text is None:
        return None
    text = text.strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few responses have a date

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall)


def _number(text: str) -> float | None:
    """Read a plain decimal number. ``float`` alone takes "1e9", "inf", "1_0" and "+1" too."""
    text = text.strip()
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        return None
    number = float(text)
    return number if number != float("inf") else None
