"""The one strict way from bytes to records and from values to bytes.

Nothing is coerced (12.7 is no int, True is no int, None is no text), no number passes through a
binary float, and whatever cannot be read becomes one error that says where.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import (
    Any,
    Final,
    NoReturn,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import cattrs
from cattrs.cols import list_structure_factory
from cattrs.errors import AttributeValidationNote
from cattrs.gen.typeddicts import make_dict_structure_fn

from billingual.errors import InvalidInputError

R = TypeVar("R")

Number: TypeAlias = int | Decimal
"""A number of JSON, exactly: what has no fraction is an int."""

_MAX_DEPTH: Final = 64
_MAX_NUMBER: Final = 30
# The range of an IEEE double: whatever another JSON writer could have printed can be read, and no
# exponent is large enough to make arithmetic expensive.
_MAX_EXPONENT: Final = 400
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_RUN: Final = b"0" * (_MAX_NUMBER + 1)
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


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

    A name that comes twice in one object, NaN and Infinity, numbers of more than 30 characters,
    nesting deeper than 64 and lone surrogates are refused. A byte order mark is passed over, as
    RFC 8259 (section 8.1) allows: nothing is lost with it.

    Raises:
        UnreadableError: if the body is anything else than that.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UnreadableError("$", f"byte {problem.start} is not UTF-8") from None
    # Most bodies hold no run of digits as long as a number that is refused.
    decoder = _DECODER if _LONG_RUN in body.translate(_DIGITS) else _QUICK_DECODER
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as problem:
        raise UnreadableError("$", f"no JSON from character {problem.pos} on") from None
    except RecursionError:
        raise UnreadableError("$", f"nested deeper than {_MAX_DEPTH}") from None
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH:
        _refuse_depth(value)
    if b"\\u" in body and _ESCAPED_SURROGATE.search(body):
        _refuse_lone_surrogates(value)
    return value


def encode_json(value: object, field: str = "body") -> bytes:
    """Write compact JSON in UTF-8; a Decimal becomes exactly the number it is.

    Args:
        value: dicts with text keys, lists, tuples, text, ints, Decimals, bools and None.
        field: the name to give to the value in errors.

    Raises:
        InvalidInputError: if there is anything else in it, floats above all.
    """
    try:
        return "".join(_write(value, field, 0)).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(
            field, "a text holds half of a surrogate pair", "give text that UTF-8 can hold"
        ) from None


def structure(payload: object, record: type[R], path: str) -> R:
    """Return *payload* itself, known to be what the typed dict *record* says.

    Nothing is coerced and nothing is copied. Fields the record does not have are passed over; a
    field that is absent or null counts as not stated, unless the record requires it.

    Raises:
        UnreadableError: if a field is missing or of another type; *path* leads to it.
    """
    if not _check_of(cast(Hashable, record))(payload):
        # Only what does not fit is read a second time, by the converter that can say why.
        try:
            _converter().structure(payload, record)
        except Exception as problem:  # noqa: BLE001 - cattrs raises what its hooks raise
            raise UnreadableError(*_locate(problem, path)) from None
    return cast(R, payload)


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER:
        raise UnreadableError("$", f"a number has more than {_MAX_NUMBER} characters")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER:
        raise UnreadableError("$", f"a number has more than {_MAX_NUMBER} characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnreadableError("$", "a number has an exponent beyond all use") from None
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise UnreadableError("$", "a number has an exponent beyond all use")
    return number


def _constant(_: str) -> NoReturn:
    raise UnreadableError("$", "NaN and Infinity are not JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise UnreadableError("$", "a name comes twice in one object, so it says two things")
    return value


# A decoder holds only its options, and is safe to share.
_DECODER: Final = json.JSONDecoder(
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
    object_pairs_hook=_object,
)
# The same without a call of ours for each whole number.
_QUICK_DECODER: Final = json.JSONDecoder(
    parse_float=_fraction, parse_constant=_constant, object_pairs_hook=_object
)


def _refuse_depth(value: object) -> None:
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(_MAX_DEPTH):
        if not level:
            return
        level = [
            each
            for parent in level
            for each in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(each, (dict, list))
        ]
    if level:
        raise UnreadableError("$", f"nested deeper than {_MAX_DEPTH}")


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableError("$", "a text holds half of a surrogate pair") from None


def _write(value: object, field: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise InvalidInputError(field, f"nested deeper than {_MAX_DEPTH}", "give flatter data")
    if isinstance(value, str):
        yield json.dumps(str(value), ensure_ascii=False)
    elif value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, (int, Decimal)):
        yield _number_text(value, field)
    elif isinstance(value, Mapping):
        yield from _write_object(value, field, depth)
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield "," if index else "["
            yield from _write(each, f"{field}[{index}]", depth + 1)
        yield "]" if value else "[]"
    else:
        raise InvalidInputError(
            field,
            f"{type(value).__name__} cannot be sent exactly",
            "give text, an int, a Decimal, a bool, None, or dicts and lists of these",
        )


def _write_object(value: Mapping[Any, object], field: str, depth: int) -> Iterator[str]:
    for index, (key, each) in enumerate(value.items()):
        if not isinstance(key, str):
            raise InvalidInputError(field, "a name in it is not text", "use text for names")
        yield "," if index else "{"
        yield f"{json.dumps(str(key), ensure_ascii=False)}:"
        yield from _write(each, f"{field}.{key}", depth + 1)
    yield "}" if value else "{}"


def _number_text(value: int | Decimal, field: str) -> str:
    if isinstance(value, Decimal) and not value.is_finite():
        raise InvalidInputError(field, f"{value} is not a finite number", "give a finite one")
    magnitude = value.adjusted() if isinstance(value, Decimal) else value.bit_length() // 3
    if abs(magnitude) <= _MAX_NUMBER + 3:
        text = f"{value:f}" if isinstance(value, Decimal) else int.__repr__(value)
        if len(text) <= _MAX_NUMBER:
            return text
    raise InvalidInputError(
        field, f"the number has more than {_MAX_NUMBER} characters", "check where it comes from"
    )


def _expect(kind: type, noun: str) -> Callable[[object, object], Any]:
    def hook(value: object, _: object) -> object:
        if type(value) is kind:
            return value
        raise TypeError(f"{_noun(value)} where {noun} is documented")

    return hook


def _noun(value: object) -> str:
    nouns = {
        bool: "a boolean", dict: "an object", int: "a whole number", list: "an array",
        str: "text", Decimal: "a number with a fraction",
    }  # fmt: skip
    return nouns.get(type(value), "null")


def _number(value: object, _: object) -> object:
    if type(value) is int or type(value) is Decimal:
        return value
    raise TypeError(f"{_noun(value)} where a number is documented")


@functools.cache
def _check_of(record: type[Any]) -> Callable[[object], bool]:
    """Make the quick check of a record: the converter's yes or no, without a word about why."""
    read = {name: _kinds_of(hint) for name, hint in get_type_hints(record).items()}
    known = {name: kinds for name, (kinds, _) in read.items() if kinds is not None}
    deeper = [(name, inner) for name, (_, inner) in read.items() if inner is not None]
    required: frozenset[str] = record.__required_keys__
    kinds_of = known.get

    def check(payload: object) -> bool:
        if type(payload) is not dict or (required and not required <= payload.keys()):
            return False
        for name, value in payload.items():
            kinds = kinds_of(name)
            if kinds is not None and type(value) not in kinds:
                return False
        for name, inner in deeper:
            value = payload.get(name)
            if value is not None and not inner(value):
                return False
        return True

    return check


def _kinds_of(hint: Any) -> tuple[frozenset[type] | None, Callable[[Any], bool] | None]:
    """Tell which types a hint allows, None for all, and how to look deeper into a value."""
    if hint is object:
        return None, None
    if isinstance(hint, UnionType):
        parts = [_kinds_of(each) for each in get_args(hint)]
        kinds = frozenset[type]().union(*(kinds or () for kinds, _ in parts))
        return kinds, next((inner for _, inner in parts if inner is not None), None)
    if is_typeddict(hint):
        return frozenset({dict}), _check_of(hint)
    if get_origin(hint) is list:
        inner = _check_of(get_args(hint)[0])
        return frozenset({list}), lambda values: all(map(inner, values))
    return frozenset({get_origin(hint) or hint}), None


def _is_generic(kind: type, hint: Any) -> bool:
    origin: object = get_origin(hint)
    return origin is kind


@functools.cache
def _converter() -> cattrs.Converter:
    """Make the converter that says what does not fit, and where."""
    converter = cattrs.Converter(detailed_validation=True)
    for kind, noun in ((str, "text"), (int, "a whole number"), (bool, "a boolean")):
        converter.register_structure_hook(kind, _expect(kind, noun))
    converter.register_structure_hook_func(lambda kind: kind == Number, _number)
    converter.register_structure_hook_func(
        lambda kind: kind == Number | None,
        lambda value, _: None if value is None else _number(value, _),
    )
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook_func(
        functools.partial(_is_generic, dict), _expect(dict, "an object")
    )

    def record_hook(kind: type[Any]) -> Callable[[object, object], Any]:
        read = make_dict_structure_fn(kind, converter, _cattrs_detailed_validation=True)

        def hook(value: object, _: object) -> object:
            if type(value) is dict:
                return read(value, kind)
            raise TypeError(f"{_noun(value)} where an object is documented")

        return hook

    def array_hook(kind: Any) -> Callable[[object, object], Any]:
        read = list_structure_factory(kind, converter)

        def hook(value: object, _: object) -> object:
            if type(value) is list:
                return read(value, list)
            raise TypeError(f"{_noun(value)} where an array is documented")

        return hook

    converter.register_structure_hook_factory(is_typeddict, record_hook)
    converter.register_structure_hook_factory(functools.partial(_is_generic, list), array_hook)
    return converter


def _locate(problem: BaseException, path: str) -> tuple[str, str]:
    """Follow the first failure to the field it is about."""
    while isinstance(problem, BaseExceptionGroup):
        inner: BaseException = problem.exceptions[0]
        for note in getattr(inner, "__notes__", ()):
            named = isinstance(note, AttributeValidationNote)
            path += f".{note.name}" if named else f"[{note.index}]"
        problem = inner
    if isinstance(problem, KeyError):
        return path, "it is missing"
    return path, str(problem) if isinstance(problem, TypeError) else "it cannot be read"
