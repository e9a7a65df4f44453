"""The small types that models share: UNSET, text that can be sent, and points in time.

A field of :class:`~billingual.Changes` or :class:`~billingual.Draft` has three states: ``UNSET``
(leave it alone, send nothing), ``None`` (send an explicit null) and a value.

Points in time are always aware, and always written as UTC with a literal ``Z``.
"""

from __future__ import annotations

import enum
import functools
from datetime import UTC, datetime
from types import NoneType
from typing import Final, Literal, TypeAlias

from billingual.errors import InvalidInputError

__all__ = [
    "UNSET",
    "Unset",
    "UnsetType",
    "checked_text",
    "instant",
    "instant_text",
    "read_instant",
    "shown",
]


class Unset(enum.Enum):
    """Hold the single value ``UNSET``; falsy, so that ``if changes.due_at`` reads as expected."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
UnsetType: TypeAlias = Literal[Unset.UNSET]


_MOST_SHOWN: Final = 40


def shown(value: object) -> str:
    """Return how an error shows a value: text and numbers cut at 40 characters, else the type.

    A model or a whole payload in an error would put its contents into logs.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= _MOST_SHOWN else f"{value[: _MOST_SHOWN - 1]}…")
    if isinstance(value, (bool, float, NoneType)) or (
        isinstance(value, int) and value.bit_length() <= 3 * _MOST_SHOWN
    ):
        text = repr(value)
        return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def checked_text(value: object, field: str, fix: str = "give text") -> str:
    """Return *value* if it is text that can be sent.

    Raises:
        InvalidInputError: if it is no text, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise InvalidInputError(field, f"{type(value).__name__} is not text", fix)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "it holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None
    return value


def instant(value: object, field: str) -> datetime:
    """Turn what a caller gave into an aware datetime in UTC.

    Args:
        value: an aware :class:`~datetime.datetime`, or text in ISO 8601 with an offset or ``Z``.
        field: the name of the field, for the error.

    Raises:
        InvalidInputError: if it is no datetime, or one without an offset.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidInputError(
                field,
                f"{value!r} is not a date and time",
                "write it like '2026-12-31T00:00:00Z'",
            ) from None
    if not isinstance(value, datetime):
        raise InvalidInputError(
            field,
            f"{type(value).__name__} is not a point in time",
            "give an aware datetime or text like '2026-12-31T00:00:00Z'",
            hint="write_instant",
        )
    if value.utcoffset() is None:
        raise InvalidInputError(
            field,
            f"{value.isoformat()} has no time zone, so it names no point in time",
            "add one: datetime(..., tzinfo=timezone.utc), or text that ends with 'Z'",
            hint="write_instant",
        )
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInputError(
            field, f"{value.isoformat()} is outside the years 1 to 9999 in UTC", "check the year"
        ) from None


def instant_text(value: datetime, *, milliseconds: bool = False) -> str:
    """Write an aware datetime as RFC 3339 in UTC with a literal ``Z``.

    Args:
        value: an aware datetime.
        milliseconds: write ``.000`` even where the fraction is zero; a finer fraction is always
            written in full.
    """
    moment = value.astimezone(UTC).replace(tzinfo=None)
    if moment.microsecond % 1000:
        return f"{moment.isoformat(timespec='microseconds')}Z"
    if moment.microsecond or milliseconds:
        return f"{moment.isoformat(timespec='milliseconds')}Z"
    return f"{moment.isoformat(timespec='seconds')}Z"


@functools.lru_cache(maxsize=1024)
def read_instant(text: str | None) -> datetime | None:
    """Read a provider's timestamp, or response None where it names no point in time.

    A timestamp without an offset is *not* taken for UTC: that would be a guess. The caller keeps
    the text in ``extra`` instead. The invoices of a page share their dates, so the last are kept.
    """
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if value.utcoffset() is None else value
