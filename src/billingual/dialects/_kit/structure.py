"""Records: what a payload must look like, checked without coercion and without copying.

A record is a typed dict. Whether a payload fits is asked twice in different words: quickly, by a
check or a compiled reader that only say yes or no, and slowly, by a converter that says what does
not fit and where. Only what does not fit meets the slow one.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    TypedDict,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import attrs
import msgspec

from billingual.dialects._kit.codec import Number, UnreadableError, as_it_came, decode_plain

if TYPE_CHECKING:
    import cattrs

R = TypeVar("R")

# The range of an IEEE double: whatever another JSON writer could have printed can be read, and no
# exponent is large enough to make arithmetic expensive.
_MAX_EXPONENT: Final = 400


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


@attrs.frozen
class Readers:
    """Compiled readers of plain JSON that is one record.

    Attributes:
        check: finds out whether it fits; raises msgspec's DecodeError where it does not.
        key: takes the id out of what *check* returned.
        scalars: reads what fits, without the fields that only parts are made of.
        parts: reads the fields that parts are made of.
    """

    check: Callable[[bytes], Any]
    key: Callable[[Any], str]
    scalars: Callable[[bytes], Any]
    parts: Callable[[bytes], Any]

    @classmethod
    def of(
        cls,
        record: type[Any],
        key: str,
        part_fields: frozenset[str],
        accepts: Callable[[Any], bool] | None,
    ) -> Readers:
        """Make them.

        Args:
            record: the typed dict.
            key: the name of the field with the id.
            part_fields: the fields that only parts are made of.
            accepts: what else must hold of a record that fits; None for nothing.
        """
        twin = _twin_of(cast(Hashable, record)) if accepts is None else None
        if twin is None:
            check = _checked(_check_of(cast(Hashable, record)), accepts)
            return cls(check, operator.itemgetter(key), decode_plain, decode_plain)
        hints = get_type_hints(record)
        return cls(
            msgspec.json.Decoder(twin).decode,
            operator.attrgetter(key),
            _some_of(hints, hints.keys() - part_fields),
            _some_of(hints, part_fields),
        )


def _checked(
    check: Callable[[object], bool], accepts: Callable[[Any], bool] | None
) -> Callable[[bytes], object]:
    def read(payload: bytes) -> object:
        value = decode_plain(payload)
        if check(value) and (accepts is None or accepts(value)):
            return value
        raise msgspec.ValidationError("it does not fit")

    return read


def _some_of(hints: Mapping[str, Any], names: Iterable[str]) -> Callable[[bytes], Any]:
    """Make a reader of some fields, which passes over the others."""
    some = TypedDict("some", {name: hints[name] for name in names}, total=False)  # type: ignore[misc]  # made here
    return msgspec.json.Decoder(some, float_hook=as_it_came).decode


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
        if _is_in_range(value):
            return value
        raise TypeError("a number has an exponent beyond all use")
    raise TypeError(f"{_noun(value)} where a number is documented")


def _is_in_range(value: object) -> bool:
    return type(value) is not Decimal or abs(value.adjusted()) <= _MAX_EXPONENT


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
    if hint is Decimal:
        return frozenset({Decimal}), _is_in_range
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


@functools.cache
def _twin_of(record: type[Any]) -> Any | None:
    """Make the struct with the fields of a typed dict; None where it cannot be as strict."""
    required: frozenset[str] = record.__required_keys__
    fields: list[tuple[str, Any, Any]] = []
    for name, hint in get_type_hints(record).items():
        kind = _twin_hint(hint)
        if kind is None:
            return None
        fields.append((name, kind, msgspec.NODEFAULT if name in required else None))
    return msgspec.defstruct(record.__name__, fields, kw_only=True, gc=False)


def _twin_hint(hint: Any) -> Any | None:
    if hint is object:
        return Any
    if isinstance(hint, UnionType):
        parts = [_twin_hint(each) for each in get_args(hint)]
        return None if None in parts else functools.reduce(operator.or_, parts)
    if is_typeddict(hint):
        return _twin_of(hint)
    if get_origin(hint) is list:
        inner = _twin_hint(get_args(hint)[0])
        return None if inner is None else list[inner]  # type: ignore[valid-type]  # made here
    if get_origin(hint) is dict:
        return dict[str, Any]
    # Of decimals it would take those in quotes too.
    return hint if hint in {str, int, bool, NoneType} else None


def _is_generic(kind: type, hint: Any) -> bool:
    origin: object = get_origin(hint)
    return origin is kind


@functools.cache
def _converter() -> cattrs.Converter:
    """Make the converter that says what does not fit, and where."""
    import cattrs  # noqa: PLC0415 - only a payload that does not fit pays for the import

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

    converter.register_structure_hook_factory(
        is_typeddict, functools.partial(_record_hook, converter)
    )
    converter.register_structure_hook_factory(
        functools.partial(_is_generic, list), functools.partial(_array_hook, converter)
    )
    return converter


def _record_hook(converter: cattrs.Converter, kind: type[Any]) -> Callable[[object, object], Any]:
    from cattrs.gen.typeddicts import make_dict_structure_fn  # noqa: PLC0415 - as above

    read = make_dict_structure_fn(kind, converter, _cattrs_detailed_validation=True)

    def hook(value: object, _: object) -> object:
        if type(value) is dict:
            return read(value, kind)
        raise TypeError(f"{_noun(value)} where an object is documented")

    return hook


def _array_hook(converter: cattrs.Converter, kind: Any) -> Callable[[object, object], Any]:
    from cattrs.cols import list_structure_factory  # noqa: PLC0415 - as above

    read = list_structure_factory(kind, converter)

    def hook(value: object, _: object) -> object:
        if type(value) is list:
            return read(value, list)
        raise TypeError(f"{_noun(value)} where an array is documented")

    return hook


def _locate(problem: BaseException, path: str) -> tuple[str, str]:
    """Follow the first failure to the field it is about."""
    from cattrs.errors import AttributeValidationNote  # noqa: PLC0415 - as above

    while isinstance(problem, BaseExceptionGroup):
        inner: BaseException = problem.exceptions[0]
        for note in getattr(inner, "__notes__", ()):
            named = isinstance(note, AttributeValidationNote)
            path += f".{note.name}" if named else f"[{note.index}]"
        problem = inner
    if isinstance(problem, KeyError):
        return path, "it is missing"
    return path, str(problem) if isinstance(problem, TypeError) else "it cannot be read"
