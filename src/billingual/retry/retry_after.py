"""How long the provider asks to wait: ``Retry-After``, read here and nowhere else."""

from __future__ import annotations

from datetime import UTC

from billingual.wire import Headers

__all__ = ["asked_wait_s", "retry_after_s"]


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
