"""The small types that models share: UNSET, text that can be sent, days and points in time.

A field of :class:`~billingual.Changes` or :class:`~billingual.Draft` has three states: ``UNSET``
(leave it alone, send nothing), ``None`` (send an explicit null) and a value.

Points in time are always aware, and always written as UTC with a literal ``Z``. A day is a
:class:`~datetime.date`, and is written as its first moment in UTC, because the providers document
timestamps only.
"""

from __future__ import annotations

import enum
import functools
import operator
import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Literal, SupportsIndex, TypeAlias, cast

from billingual.errors import InvalidInputError, shown
from billingual.wire import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "UNSET",
    "Unset",
    "UnsetType",
    "checked_text",
    "first_moment",
    "given_text",
    "instant",
    "instant_text",
    "last_moment",
    "listed",
    "read_instant",
    "whole_number",
]

# Text, and compiled on first use, because few programs need the pattern.
_DAY: Final = r"(?a)\d{4}-\d{2}-\d{2}"
_LAST: Final = time(23, 59, 59, 999000)


class Unset(enum.Enum):
    """Hold the single value ``UNSET``; falsy, so that ``if changes.due_at`` reads as expected."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
UnsetType: TypeAlias = Literal[Unset.UNSET]


def checked_text(value: object, field: str, fix: str = "give text") -> str:
    """Return *value* if it is text that can be sent.

    Raises:
        InvalidInputError: if it is no text, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise InvalidInputError(field, f"{type(value).__name__} is not text", fix)
    text = plain_text(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "it holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None
    return text


def given_text(value: str) -> str:
    """Accept text, also of a derived class; what is none is for a validator to refuse."""
    return plain_text(value)


def listed(values: object) -> tuple[Any, ...] | None:
    """Return what is in a list or the like; None for text, and for what cannot be gone through.

    An array of numpy without a dimension looks like a list and is none.
    """
    if isinstance(values, (str, bytes)):
        return None
    try:
        entries = iter(cast("Iterable[Any]", values))
    except TypeError:
        return None
    return tuple(entries)


def whole_number(value: object) -> object:
    """Return an int for the whole number of another library, such as a row of pandas holds.

    Any other value is returned unchanged, so that a validator refuses it by the field's name.
    """
    if isinstance(value, (int, str, bytes)) or not isinstance(value, SupportsIndex):
        return value
    try:
        return operator.index(value)
    except Exception:  # noqa: BLE001 - an array has the method and raises what it likes
        return value


def instant(value: object, field: str) -> datetime | date:
    """Turn what a caller gave into an aware datetime in UTC, or into a day.

    A :class:`~datetime.date`, text such as ``"2026-12-31"`` and midnight in a zone other than UTC
    are days: 31 December in Auckland is 31 December, though it begins on the 30th in UTC.

    Args:
        value: an aware :class:`~datetime.datetime`, a date, or text in ISO 8601: a day, or a time
            with an offset or ``Z``. Classes derived from these count too, to the microsecond.
        field: the name of the field, for the error.

    Raises:
        InvalidInputError: if it is neither, or a time without an offset.
    """
    if isinstance(value, str):
        value = _from_text(plain_text(value), field)
    if isinstance(value, datetime):
        return _day_or_utc(_plain(value, field), field)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    raise InvalidInputError(
        field,
        f"{type(value).__name__} is not a point in time or a day",
        "give a date, an aware datetime or text like '2026-12-31T00:00:00Z'",
        hint="write_instant",
    )


def _from_text(text: str, field: str) -> datetime | date:
    try:
        if re.fullmatch(_DAY, text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            field,
            f"{shown(text)} is not a date and time",
            "write it like '2026-12-31T00:00:00Z', or '2026-12-31' for a day",
        ) from None


def _plain(value: datetime, field: str) -> datetime:
    """Return a datetime of Python's own.

    ``NaT`` of pandas is an instance of datetime, but its methods raise.
    """
    if type(value) is datetime:
        return value
    try:
        return datetime.fromisoformat(value.isoformat(timespec="microseconds"))
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        raise InvalidInputError(
            field,
            f"{type(value).__name__} is not a point in time",
            "leave it out, or give None for an explicit null",
            hint="write_instant",
        ) from None


def _day_or_utc(value: datetime, field: str) -> datetime | date:
    offset = value.utcoffset()
    if offset is None:
        raise InvalidInputError(
            field,
            f"{value.isoformat()} has no time zone, so it names no point in time",
            "add one: datetime(..., tzinfo=timezone.utc), or text that ends with 'Z'; give a date "
            "for a day",
            hint="write_instant",
        )
    if offset and value.time() == time():
        return value.date()
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(
            field, f"{value.isoformat()} is outside the years 1 to 9999 in UTC", "check the year"
        ) from None


def first_moment(value: datetime | date) -> datetime:
    """Return an instant as it is, and of a day the first moment in UTC, as which it is sent."""
    return value if isinstance(value, datetime) else datetime.combine(value, time(), UTC)


def last_moment(value: datetime | date) -> datetime:
    """Return an instant as it is, and of a day the last millisecond in UTC."""
    # No provider documents a finer fraction.
    return value if isinstance(value, datetime) else datetime.combine(value, _LAST, UTC)


def instant_text(value: datetime | date, *, milliseconds: bool = False) -> str:
    """Write a point in time as RFC 3339 in UTC with a literal ``Z``; a day as its first moment.

    One that is outside the years 1 to 9999 in UTC is written with the offset that it has.

    Args:
        value: an aware datetime, or a day.
        milliseconds: write ``.000`` even where the fraction is zero; a finer fraction is always
            written in full.
    """
    moment, zone = first_moment(value), "Z"
    try:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        zone = ""  # isoformat() writes the offset.
    if moment.microsecond % 1000:
        return f"{moment.isoformat(timespec='microseconds')}{zone}"
    if moment.microsecond or milliseconds:
        return f"{moment.isoformat(timespec='milliseconds')}{zone}"
    return f"{moment.isoformat(timespec='seconds')}{zone}"


@functools.lru_cache(maxsize=1024)
def read_instant(text: str | None) -> datetime | date | None:
    """Read a provider's timestamp or day; None where it names neither.

    A timestamp without an offset is *not* taken for UTC: that would be a guess. The caller keeps
    the text in ``extra`` instead. The invoices of a page share their dates, so the last are kept.
    """
    if text is None or not text.isascii():
        return None
    try:
        if re.fullmatch(_DAY, text):
            return date.fromisoformat(text)
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if value.utcoffset() is None else value
