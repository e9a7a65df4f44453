"""JSON, read exactly and within bounds.

No number passes through a binary float. Two readers give the same values: the compiled one of
msgspec takes every body it can be trusted with (:func:`is_plain`); that of the standard library
takes the rest, above all broken bodies, because it can say what is wrong with them.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

if TYPE_CHECKING:
    import json


# RFC 8259 lets a reader set a limit. No documented response is deeper than 8; 64 leaves room and
# keeps every later walk over the values far from Python's recursion limit.
MAX_DEPTH: Final = 64
MARK: Final = b"\xef\xbb\xbf"
"""The byte order mark, which may come before UTF-8; it is no part of a text."""
_ESCAPED_SURROGATE: Final = rb"\\u[dD][89a-fA-F]"
_TEXT: Final = rb'(?s)"[^"\\]*(?:\\.[^"\\]*)*"'
_BRACKETS: Final = b"[]{}"
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))


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


def decode_json(body: bytes, *, half_surrogates: bool = False) -> object:
    """Read JSON; numbers with a fraction or an exponent become Decimals.

    NaN and Infinity and nesting deeper than 64 are refused. A byte order mark is passed over, as
    RFC 8259 (section 8.1) allows: nothing is lost with it. Of a name that comes twice in one object
    the last one counts, as ECMA-262 has it for ``JSON.parse``. A number that neither an int nor a
    Decimal can hold stays text.

    Args:
        body: the bytes.
        half_surrogates: read texts with half of a surrogate pair too, such as a name that was
            cut in the middle of an emoji. Such a text cannot be written as UTF-8.

    Raises:
        UnreadableError: if the body is anything else than that.
    """
    body = body.removeprefix(MARK)
    if is_plain(body):
        try:
            return decode_plain(body)
        except (msgspec.DecodeError, RecursionError):
            pass  # The other reader reads it, or says why it cannot be read.
    return decode_slowly(body, half_surrogates=half_surrogates)


def is_plain(body: bytes) -> bool:
    """Tell whether msgspec may read *body*: it keeps the rules that msgspec does not check.

    It reads strict JSON, but skips fields that no record has without looking at their encoding
    or their depth. False only means that another look is needed.
    """
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            return False
    return _is_shallow(body) or _is_shallow(re.sub(_TEXT, b"", body))


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


def decode_slowly(body: bytes, *, half_surrogates: bool) -> object:
    import json  # noqa: PLC0415 - few responses get here

    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise UnreadableError("$", f"byte {problem.start} is not UTF-8") from None
    try:
        value: object = _slow().decode(text)
    except json.JSONDecodeError as problem:
        raise UnreadableError("$", f"no JSON from character {problem.pos} on") from None
    except RecursionError:
        raise UnreadableError("$", f"nested deeper than {MAX_DEPTH}") from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _refuse_depth(value)
    if not half_surrogates and b"\\u" in body and re.search(_ESCAPED_SURROGATE, body):
        _refuse_half_surrogates(value)
    return value


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text  # Python refuses more than 4,300 digits, because reading them is quadratic.


def as_it_came(text: str) -> Decimal | str:
    """Read a number with a fraction or an exponent; one that no Decimal can hold stays text."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _constant(_: str) -> NoReturn:
    raise UnreadableError("$", "NaN and Infinity are not JSON")


@functools.cache
def _slow() -> json.JSONDecoder:
    import json  # noqa: PLC0415 - as above

    # Readers hold only their options, and are safe to share.
    return json.JSONDecoder(parse_int=_integer, parse_float=as_it_came, parse_constant=_constant)


_PLAIN: Final = msgspec.json.Decoder(object, float_hook=as_it_came)
decode_plain: Final = _PLAIN.decode
"""Read JSON that :func:`is_plain`, or a part of it, to what :func:`decode_json` gives."""


def decode_part(payload: bytes) -> Any:
    """Read a part of a body that was found to be sound; this never fails."""
    try:
        return decode_plain(payload)
    except msgspec.DecodeError:
        return _slow().decode(bytes(payload).decode("utf-8"))  # It holds a number of 4,300 digits.


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


def _refuse_half_surrogates(value: object) -> None:
    import json  # noqa: PLC0415 - as above

    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableError("$", "a text holds half of a surrogate pair") from None
