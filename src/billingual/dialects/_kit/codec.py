"""The one strict way from bytes to values of JSON; the way back is in ``_writer.py``.

Nothing is coerced, no number passes through a binary float, and whatever cannot be read becomes
one error that says where.

Reading goes two ways that give the same: msgspec's compiled reader takes every body it can be
trusted with (:func:`is_plain`), and the standard library's takes the rest, the broken ones above
all, because it can say what is wrong with them.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import msgspec

if TYPE_CHECKING:
    import json

Number: TypeAlias = int | Decimal
"""A number of JSON, exactly: what has no fraction is an int."""

MAX_DEPTH: Final = 64
MAX_NUMBER: Final = 30
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BRACKETS: Final = b"[]{}"
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))
# A number has two minus signs at most, so one that is too long holds at least half as long a run of
# the other characters. Ids like 550e8400-e29b-41d4-a716-446655440000 hold none of that length.
_IN_RUNS: Final = b"0123456789.+eE"
_RUNS: Final = bytes.maketrans(_IN_RUNS, b"0" * len(_IN_RUNS))
_LONG_RUN: Final = b"0" * (MAX_NUMBER // 2)
_NUMBERS: Final = bytes.maketrans(_IN_RUNS + b"-", b"0" * (len(_IN_RUNS) + 1))
_LONG_NUMBER: Final = b"0" * (MAX_NUMBER + 1)


class UnreadableError(Exception):
    """A payload cannot be read.

    Attributes:
        path: where, like ``$.data.items[3].uid``.
        problem: what is wrong there; it never quotes the payload.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def decode_json(body: bytes) -> object:
    """Read strict JSON; numbers with a fraction become Decimals.

    NaN and Infinity, numbers of more than 30 characters, nesting deeper than 64 and lone
    surrogates are refused. A byte order mark is passed over, as RFC 8259 (section 8.1) allows:
    nothing is lost with it. Of a name that comes twice in one object the last one counts, as
    ECMA-262 has it for ``JSON.parse``. A number whose exponent no Decimal can hold stays text.

    Raises:
        UnreadableError: if the body is anything else than that.
    """
    if is_plain(body):
        try:
            return decode_plain(body)
        except (msgspec.DecodeError, RecursionError):
            pass  # The other reader says why.
    return _decode_strictly(body)


def is_plain(body: bytes) -> bool:
    """Tell whether msgspec's reader may have *body*, because it breaks no rule it does not know.

    It reads strict JSON, but passes over what nobody asked for without a look at its encoding, the
    length of its numbers or its depth. False only means that another look is needed.
    """
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            return False
    if _LONG_RUN in body.translate(_RUNS) and _LONG_NUMBER in body.translate(_NUMBERS):
        return False
    return _is_shallow(body)


def _is_shallow(body: bytes) -> bool:
    """Tell whether no nesting is too deep; False too where texts hold brackets of their own."""
    brackets = body.translate(None, _ALL_BUT_BRACKETS)
    if len(brackets) <= 2 * MAX_DEPTH:
        return True  # Each level takes two, or there is no JSON.
    for _ in range(MAX_DEPTH + 1):
        if not brackets:
            return True
        innermost_off = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(innermost_off) == len(brackets):
            return False
        brackets = innermost_off
    return False


def _decode_strictly(body: bytes) -> object:
    import json  # noqa: PLC0415 - few answers get here

    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UnreadableError("$", f"byte {problem.start} is not UTF-8") from None
    try:
        value: object = _strict().decode(text)
    except json.JSONDecodeError as problem:
        raise UnreadableError("$", f"no JSON from character {problem.pos} on") from None
    except RecursionError:
        raise UnreadableError("$", f"nested deeper than {MAX_DEPTH}") from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _refuse_depth(value)
    if b"\\u" in body and _ESCAPED_SURROGATE.search(body):
        _refuse_lone_surrogates(value)
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise UnreadableError("$", f"a number has more than {MAX_NUMBER} characters")
    return int(text)


def _fraction(text: str) -> Decimal | str:
    if len(text) > MAX_NUMBER:
        raise UnreadableError("$", f"a number has more than {MAX_NUMBER} characters")
    return as_it_came(text)


def as_it_came(text: str) -> Decimal | str:
    """Read a number with a fraction or an exponent; one that no Decimal can hold stays text."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _constant(_: str) -> NoReturn:
    raise UnreadableError("$", "NaN and Infinity are not JSON")


@functools.cache
def _strict() -> json.JSONDecoder:
    import json  # noqa: PLC0415 - as above

    # Readers hold only their options, and are safe to share.
    return json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_constant)


_PLAIN: Final = msgspec.json.Decoder(object, float_hook=as_it_came)
decode_plain: Final = _PLAIN.decode
"""Read JSON that :func:`is_plain`, or a part of it, to what :func:`decode_json` gives."""


def _refuse_depth(value: object) -> None:
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            each
            for parent in level
            for each in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(each, (dict, list))
        ]
    if level:
        raise UnreadableError("$", f"nested deeper than {MAX_DEPTH}")


def _refuse_lone_surrogates(value: object) -> None:
    import json  # noqa: PLC0415 - as above

    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableError("$", "a text holds half of a surrogate pair") from None
