"""JSON in and out without a binary float, and with a bound on everything that a client may send."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_POWER",
    "UnreadableJsonError",
    "json_text",
    "parse_json",
    "stored_json",
]

MAX_DEPTH = 64
"""Levels of nesting accepted in a request body."""

MAX_DIGITS = 40
"""Significant digits accepted in a number."""

MAX_POWER = 400
"""The largest power of ten a number may reach in either direction; a double ends at 308."""


class UnreadableJsonError(ValueError):
    """A body is not JSON, or is JSON beyond the sandbox's bounds; the text says which."""


def parse_json(data: bytes) -> object:
    """Read a request body strictly: UTF-8, no NaN, bounded numbers and nesting, no lone surrogates.

    Numbers with a fraction or an exponent become `Decimal`.

    Raises:
        UnreadableJsonError: If the body breaks one of these rules.
    """
    try:
        value: object = json.loads(
            data.decode("utf-8"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        raise UnreadableJsonError("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UnreadableJsonError(f"the body is not JSON: {error.msg}, byte {error.pos}") from None
    except RecursionError:
        raise UnreadableJsonError("the body is nested too deeply") from None
    _check(value, 0)
    return value


def stored_json(text: str) -> object:
    """Read JSON the sandbox wrote itself, exactly."""
    value: object = json.loads(text, parse_float=Decimal)
    return value


def json_text(value: object) -> str:
    """Write a value as compact JSON, each `Decimal` as the number it is, digit for digit."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except TypeError:
        # The standard encoder writes no Decimal; most responses hold none and deserve its speed.
        return _exact(value)


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        pairs = (f"{_exact(str(name))}:{_exact(item)}" for name, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_exact(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS + 8:
        raise UnreadableJsonError(f"a number has more than {MAX_DIGITS} digits")
    value = Decimal(text)
    if len(value.as_tuple().digits) > MAX_DIGITS:
        raise UnreadableJsonError(f"a number has more than {MAX_DIGITS} digits")
    if abs(value.adjusted()) > MAX_POWER:
        raise UnreadableJsonError(f"a number is beyond ten to the power of {MAX_POWER}")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise UnreadableJsonError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    raise UnreadableJsonError(f"{text} is not a JSON number")


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnreadableJsonError(f"the body is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableJsonError("a text holds half of a surrogate pair") from None
