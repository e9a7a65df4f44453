"""Instants as integers: microseconds since 1970-01-01T00:00:00Z.

Integers compare and sort without surprise, hold every instant of the years 1 to 9999, and fit
SQLite.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["DAY", "SECOND", "day_of", "millisecond_text", "parse_instant", "second_text"]

SECOND = 1_000_000
"""Microseconds in a second."""

DAY = 86_400 * SECOND
"""Microseconds in a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,18}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def parse_instant(text: str) -> int:
    """Read an RFC 3339 date-time, which always carries an offset.

    Digits after the sixth of a fraction are cut off.

    Raises:
        ValueError: If the text is not an RFC 3339 date-time between the years 1 and 9999.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        message = "must be an RFC 3339 date-time such as 2026-03-30T00:00:00Z"
        raise ValueError(message)
    date, time, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    micro = (fraction or "0")[:6].ljust(6, "0")
    try:
        return (datetime.fromisoformat(f"{date}T{time}.{micro}{zone}") - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        message = "must be a date and time that exist"
        raise ValueError(message) from None


def second_text(instant: int) -> str:
    """Write an instant as `2026-03-30T00:00:00Z`, with a fraction only if it has one.

    An offset at either end of the calendar may push an instant out of the years 1 to 9999; it is
    then written as the nearest instant inside.
    """
    moment = _moment(instant)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{text}{fraction}Z"


def millisecond_text(instant: int) -> str:
    """Write an instant as `2026-03-30T00:00:00.000Z`, cutting what is finer."""
    moment = _moment(instant)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{moment.microsecond // 1000:03d}Z"


def day_of(instant: int) -> int:
    """Give the number of the UTC day an instant lies in; day 0 is 1970-01-01."""
    return instant // DAY


def _moment(instant: int) -> datetime:
    lowest = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
    highest = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
    return _EPOCH + timedelta(microseconds=min(max(instant, lowest), highest))
