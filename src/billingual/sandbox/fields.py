"""Body schemas as tables: a provider module lists its documented fields and each field's rule.

A *check* takes a JSON value and its path, and returns the value or raises `InvalidError` with
what is wrong and where. All problems of an object are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from billingual.sandbox.instants import parse_instant

__all__ = [
    "Check",
    "Field",
    "InvalidError",
    "any_value",
    "array_of",
    "boolean",
    "choice",
    "date_time",
    "integer",
    "matching",
    "number",
    "object_of",
    "open_map",
    "read_object",
    "text",
    "uuid",
]

Check = Callable[[object, str], object]

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class InvalidError(Exception):
    """A value breaks its schema; *problems* are pairs of a JSON path and a reason."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{path} {reason}" for path, reason in problems))
        self.problems = problems


@attrs.frozen
class Field:
    """One field of a body: its wire name, its rule, and whether it may be absent or null."""

    name: str
    check: Check
    required: bool = attrs.field(default=False, kw_only=True)
    nullable: bool = attrs.field(default=False, kw_only=True)


def read_object(value: object, fields: Sequence[Field], path: str = "$") -> dict[str, object]:
    """Check an object against its table of fields; unknown names are refused.

    Raises:
        InvalidError: If anything is wrong; it names every problem.
    """
    if not isinstance(value, dict):
        raise InvalidError((path, "must be an object"))
    known = {field.name for field in fields}
    unknown = (name for name in value if name not in known)
    problems = [(f"{path}.{name[:80]}", "is not a known field") for name in unknown]
    record: dict[str, object] = {}
    for field in fields:
        where = f"{path}.{field.name}"
        if field.name not in value:
            if field.required:
                problems.append((where, "is required"))
            continue
        item = value[field.name]
        if item is None and field.nullable:
            record[field.name] = None
            continue
        try:
            record[field.name] = field.check(item, where)
        except InvalidError as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidError(*problems)
    return record


def text(*, shortest: int = 0, longest: int = 10_000) -> Check:
    """Accept a string of *shortest* to *longest* characters."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, str):
            raise InvalidError((path, "must be a string"))
        if not shortest <= len(value) <= longest:
            raise InvalidError((path, f"must have {shortest} to {longest} characters"))
        return value

    return check


def matching(pattern: re.Pattern[str], meaning: str) -> Check:
    """Accept a string the whole of which matches *pattern*; *meaning* completes "must be"."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise InvalidError((path, f"must be {meaning}"))
        return value

    return check


def uuid(value: object, path: str) -> object:
    """Accept a UUID in its usual form; return it in lower case."""
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise InvalidError((path, "must be a UUID"))
    return value.lower()


def date_time(value: object, path: str) -> object:
    """Accept an RFC 3339 date-time; return microseconds since 1970."""
    if not isinstance(value, str):
        raise InvalidError((path, "must be a date-time string"))
    try:
        return parse_instant(value)
    except ValueError as error:
        raise InvalidError((path, str(error))) from None


def integer(lowest: int, highest: int) -> Check:
    """Accept a whole number written as one; `true` and `5.0` are not."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidError((path, "must be an integer"))
        if not lowest <= value <= highest:
            raise InvalidError((path, f"must be from {lowest} to {highest}"))
        return value

    return check


def number(lowest: int | None = None) -> Check:
    """Accept any JSON number from *lowest* on; return it exactly."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
            raise InvalidError((path, "must be a number"))
        if lowest is not None and value < lowest:
            raise InvalidError((path, f"must be {lowest} or more"))
        return value

    return check


def choice(*members: str) -> Check:
    """Accept one of the given strings."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, str) or value not in members:
            raise InvalidError((path, "must be one of " + ", ".join(members)))
        return value

    return check


def boolean(value: object, path: str) -> object:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise InvalidError((path, "must be true or false"))
    return value


def any_value(value: object, path: str) -> object:  # noqa: ARG001  the shape of a check
    """Accept whatever JSON can say."""
    return value


def object_of(*fields: Field) -> Check:
    """Accept an object with the given fields and no others."""

    def check(value: object, path: str) -> object:
        return read_object(value, fields, path)

    return check


def open_map(item: Check) -> Check:
    """Accept an object of any names, each value passing *item*."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, dict):
            raise InvalidError((path, "must be an object"))
        return {name: item(entry, f"{path}.{name}") for name, entry in value.items()}

    return check


def array_of(item: Check, *, shortest: int = 0, longest: int = 1000) -> Check:
    """Accept an array of *shortest* to *longest* values that each pass *item*."""

    def check(value: object, path: str) -> object:
        if not isinstance(value, list):
            raise InvalidError((path, "must be an array"))
        if not shortest <= len(value) <= longest:
            raise InvalidError((path, f"must have {shortest} to {longest} elements"))
        return [item(entry, f"{path}[{index}]") for index, entry in enumerate(value)]

    return check
