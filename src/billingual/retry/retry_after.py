"""How long the provider asks to wait: ``Retry-After``, read here and nowhere else."""

from __future__ import annotations

from datetime import UTC

from billingual.wire import Headers

__all__ = ["asked_wait_s"]


def asked_wait_s(headers: Headers, wall: float) -> float | None:
    """Read how long a response asks to wait.

    ``retry-after-ms`` counts first, because it is finer. Then comes ``Retry-After``, in seconds or
    as an HTTP date in any of the three forms of RFC 9110 (section 5.6.7). A date is measured from
    the response's own ``Date``, so that it does not matter how wrong the clock is here. Where a
    gateway adds a field, or a value behind a comma, to the provider's, the longest wait counts.

    Args:
        headers: of the response.
        wall: seconds since 1970-01-01 UTC, now; for a response without a ``Date``.

    Returns:
        Seconds from now, never below zero; None if the response says nothing readable.
    """
    milliseconds = [_number(text) for text in headers.get_all("retry-after-ms")]
    asked = [each / 1000 for each in milliseconds if each is not None]
    for text in () if asked else headers.get_all("retry-after"):
        # Without the space it may be a decimal comma.
        seconds = [_number(each) for each in text.split(", ")]
        until = _moment(text.strip()) if None in seconds else None
        if until is not None:
            now = _moment(headers.get("date") or "")
            seconds = [max(0.0, until - (wall if now is None else now))]
        asked += [each for each in seconds if each is not None]
    return max(asked, default=None)


def _moment(text: str) -> float | None:
    """Read an HTTP date as seconds since 1970-01-01 UTC."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few responses have a date

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    """Read a plain decimal number. ``float`` alone takes "1e9", "inf", "1_0" and "+1" too."""
    text = text.strip()
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        return None
    number = float(text)
    return number if number != float("inf") else None
