"""The one strict way from values to JSON: nothing is coerced, no number goes through a float."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

from billingual.dialects._kit.codec import MAX_DEPTH
from billingual.errors import InvalidInputError

# No amount or rate is that long; an exponent such as 1E+999999 would be a megabyte of zeros.
MAX_NUMBER: Final = 30


def encode_json(value: object, field: str = "body") -> bytes:
    """Write compact JSON in UTF-8; a Decimal becomes exactly the number it is.

    Args:
        value: dicts with text keys, lists, tuples, text, ints, Decimals, bools and None.
        field: the name to give to the value in errors.

    Raises:
        InvalidInputError: if there is anything else in it, floats above all.
    """
    try:
        return _write(value, field, 0).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "a text holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None


def _write(value: object, field: str, depth: int) -> str:
    if isinstance(value, str):
        return _quoted(str(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, Decimal)):
        return _number_text(value, field)
    if depth > MAX_DEPTH:
        raise InvalidInputError(field, f"nested deeper than {MAX_DEPTH}", "give flatter data")
    if isinstance(value, (dict, Mapping)):
        return _write_object(value, field, depth)
    if isinstance(value, (list, tuple)):
        each = [_write(each, f"{field}[{at}]", depth + 1) for at, each in enumerate(value)]
        return f"[{','.join(each)}]"
    raise InvalidInputError(
        field,
        f"{type(value).__name__} cannot be sent exactly",
        "give text, an int, a Decimal, a bool, None, or dicts and lists of these",
    )


def _write_object(value: Mapping[Any, object], field: str, depth: int) -> str:
    members = []
    for key, each in value.items():
        if not isinstance(key, str):
            raise InvalidInputError(field, "a name in it is not text", "use text for names")
        members.append(f"{_quoted(str(key))}:{_write(each, f'{field}.{key}', depth + 1)}")
    return f"{{{','.join(members)}}}"


def _number_text(value: int | Decimal, field: str) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise InvalidInputError(field, f"{value} is not a finite number", "give a finite one")
    magnitude = value.adjusted() if isinstance(value, Decimal) else value.bit_length() // 3
    if abs(magnitude) <= MAX_NUMBER + 3:
        text = f"{value:f}" if isinstance(value, Decimal) else int.__repr__(value)
        if len(text) <= MAX_NUMBER:
            return text
    raise InvalidInputError(
        field, f"the number has more than {MAX_NUMBER} characters", "check where it comes from"
    )
