"""The types of documented fields, and how a field is read that does not fit its type.

A record that fits is read by the compiled decoder in one step. Where something does not,
:func:`lenient` reads each field by itself: what cannot be read is None, and a
:class:`~billingual.model.Problem` names it. Only the id must be right.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    NewType,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec

from billingual.dialects._kit.decoding import UnreadableError
from billingual.model import Problem
from billingual.wire import with_whole_texts

R = TypeVar("R", bound=msgspec.Struct)


class ExcessError(Exception):
    """So much cannot be read that to read on would take seconds, and memory for each of it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
        self.problem = f"more than {MAX_PROBLEMS} values cannot be read"


MAX_PROBLEMS: Final = 100_000
"""A response with more unreadable values than this is refused."""

# Larger whole numbers are read leniently, which holds them to MAX_DIGITS.
Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number, such as an amount in minor units: ``12.7`` is none, ``12.0`` is 12."""

# The class that msgspec makes, here of its bytes for the second zero. Where a test stops the clock
# before this module is loaded, ``datetime`` is a stand-in of freezegun's, which msgspec refuses.
_DATETIME: Final[type[datetime]] = type(msgspec.msgpack.decode(b"\xd6\xff\x00\x00\x00\x00"))
if TYPE_CHECKING:
    Moment: TypeAlias = datetime
else:
    Moment = Annotated[_DATETIME, msgspec.Meta(tz=True)]
"""A point in time, in text with an offset; without one it names none, and UTC would be a guess.

Text that is a day, such as ``2026-12-31``, makes a :class:`~datetime.date` of the field."""

_EXACT: Final = "an exact number"
Number: TypeAlias = Annotated[object, _EXACT]
"""A number that may have a fraction; ``decimal_of`` makes a Decimal of it."""

_Flat: TypeAlias = bool | int | str | None
# The decoder holds each value to it, so that no depth has to be counted. Nothing documented is
# deeper; a number with a fraction is left out, because only a decoder of any value makes a Decimal.
if TYPE_CHECKING:
    Shallow: TypeAlias = _Flat | list[Any] | dict[str, Any]
else:
    # New types, which msgspec does not take apart again in each field of each record.
    _Two = NewType("_Two", _Flat | list[_Flat] | dict[str, _Flat])
    _Three = NewType("_Three", _Flat | list[_Two] | dict[str, _Two])
    Shallow = NewType("Shallow", _Flat | list[_Three] | dict[str, _Three])
"""Any value that is at most three deep and holds no number with a fraction."""

Unnamed: TypeAlias = object | msgspec.UnsetType
"""A documented field that the models have no name for: it goes to ``extra`` as it came."""

MAX_DIGITS: Final = 30
LARGEST: Final = 10**MAX_DIGITS
# The range of an IEEE double: whatever another JSON writer could have printed can be read, and no
# exponent is large enough to make arithmetic expensive.
_MAX_EXPONENT: Final = 400
# Text, and compiled on first use, because few programs need these patterns.
_WHOLE_TEXT: Final = r"(?a)-?\d{1,30}(?:\.0{1,30})?"
_NUMBER_TEXT: Final = r"(?a)-?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?"
# PHP writes an array whose keys have gaps as an object with digits for names.
_INDEX: Final = r"(?a)\d{1,9}"
_DAY: Final = r"(?a)\d{4}-\d{2}-\d{2}"


def is_number(value: object) -> bool:
    """Tell whether it is an exact number, and not too long to calculate with."""
    if type(value) is int:
        return -LARGEST < value < LARGEST
    if type(value) is not Decimal:
        return False
    return abs(value.adjusted()) <= _MAX_EXPONENT and len(value.as_tuple().digits) <= _MAX_EXPONENT


# What follows reads leniently. A reader of a type is given a value that is not None, the path to
# it and the list for problems beneath it; it raises UnreadableError where it cannot read the value.
_Reader: TypeAlias = Callable[[Any, str, list[Problem]], object]


def lenient(
    record: type[R], payload: object, path: str, problems: list[Problem], *, key: str | None = None
) -> R:
    """Read *payload* as *record*, field by field.

    A field that cannot be read gets its default, and a problem is added to *problems*. An exact
    number may be in quotes or have a fraction of zero, a number may come instead of a text, and an
    empty array for an object, as PHP writes an empty one.

    Args:
        record: the struct.
        payload: what JSON gave.
        path: its place in the response.
        problems: the list to add to.
        key: the name of the field with the id, which is not read leniently.

    Raises:
        UnreadableError: if it is no object, or a required field cannot be read.
    """
    if type(payload) is not dict:
        raise UnreadableError(path, is_not(payload, "an object"))
    values: dict[str, object] = {}
    for name, wire, required, read in _fields(record):
        value = payload.get(wire)
        if value is None and not required:
            continue  # Most fields of a short record are not there.
        where = f"{path}.{wire}"
        if wire == key:
            values[name] = _id(value, where, there=wire in payload, is_whole=read is _whole)
        elif wire not in payload:
            raise UnreadableError(where, "it is missing")
        else:
            try:
                values[name] = read(value, where, problems)
            except UnreadableError as problem:
                if required:
                    raise
                problems.append(Problem(problem.path, problem.problem, value))
    return record(**values)


@functools.cache
def _fields(record: type[msgspec.Struct]) -> list[tuple[str, str, bool, _Reader]]:
    return [
        (each.name, each.encode_name, each.required, _reader_of(each.type))
        for each in msgspec.structs.fields(record)
    ]


def _reader_of(hint: Any) -> _Reader:
    """Find how a type is read.

    Raises:
        TypeError: if it is none of those that a record can have: the compiled decoder would make
            another value of it than this module does.
    """
    if hint is _DATETIME:
        raise TypeError(
            "a record has datetime; use billingual.dialects.Moment, which has an offset"
        )
    if hint == Number:
        return _number
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, UnionType}:
        if hint == Unnamed:
            return _as_it_is  # No model has it.
        kinds = [each for each in get_args(hint) if each not in {NoneType, msgspec.UnsetType}]
        # PHP writes an empty object as an empty array; where an object is optional, it is nothing.
        nothing = NoneType in get_args(hint) and any(map(is_record, kinds))
        readers = [_reader_of(each) for each in kinds]
        return functools.partial(_first_of, readers, array_is_nothing=nothing)
    if get_origin(hint) is list:
        return functools.partial(_array, _reader_of(get_args(hint)[0]))
    if is_record(hint):
        return functools.partial(_object, hint)
    try:
        return _PLAIN_READERS[get_origin(hint) or hint]
    except KeyError:
        raise TypeError(
            f"a record has {getattr(hint, '__name__', hint)}; use str, bool, date, object, dict, a "
            "list, another Struct, or Whole, Number, Moment and Unnamed of billingual.dialects"
        ) from None


def is_record(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _first_of(
    readers: Sequence[_Reader],
    value: Any,
    path: str,
    problems: list[Problem],
    *,
    array_is_nothing: bool,
) -> object:
    """Read a value as the first type of a union that takes it."""
    if array_is_nothing and value == []:
        return None
    for read in readers[:-1]:
        found: list[Problem] = []
        try:
            value_read = read(value, path, found)
        except UnreadableError:
            continue
        problems.extend(found)
        return value_read
    return readers[-1](value, path, problems)


def _object(kind: type[msgspec.Struct], value: Any, path: str, problems: list[Problem]) -> object:
    return lenient(kind, value, path, problems)


def _array(read: _Reader, value: Any, path: str, problems: list[Problem]) -> object:
    values = []
    for index, each in enumerate(array_of(value, path)):
        try:
            values.append(read(each, f"{path}[{index}]", problems))
        except UnreadableError as problem:
            problems.append(Problem(problem.path, problem.problem, each))
            refuse_excess(problems, path)
    return values


def refuse_excess(problems: Sequence[Problem], path: str) -> None:
    if len(problems) > MAX_PROBLEMS:
        raise ExcessError(path)


def array_of(value: object, path: str) -> list[object]:
    """Read an array, also one that came as an object whose names are its indices.

    Raises:
        UnreadableError: if it is none.
    """
    if type(value) is list:
        return value
    if type(value) is dict and all(re.fullmatch(_INDEX, name) for name in value):
        return list(value.values())
    raise UnreadableError(path, is_not(value, "an array"))


def _id(value: object, path: str, *, there: bool, is_whole: bool) -> object:
    if not there:
        raise UnreadableError(path, "it is missing")
    if is_whole:
        if type(value) is int:
            return _whole(value, path, [])
        raise UnreadableError(path, is_not(value, "a whole number"))
    if type(value) is not str:
        raise UnreadableError(path, is_not(value, "text"))
    if not value:
        raise UnreadableError(path, "the id is empty")
    return _text(value, path, [])


def _text(value: Any, path: str, _: list[Problem]) -> object:
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnreadableError(path, "a text holds half of a surrogate pair") from None
        return value
    if type(value) in {int, Decimal}:
        return str(value)
    raise UnreadableError(path, is_not(value, "text"))


def _whole(value: Any, path: str, _: list[Problem]) -> object:
    whole = value
    if type(value) is str and re.fullmatch(_WHOLE_TEXT, value):
        whole = int(value.partition(".")[0])
    # The exponent is looked at first: to make an int of 1e999999 would take minutes.
    if type(value) is Decimal and value.adjusted() <= MAX_DIGITS and value == value.to_integral():
        whole = int(value)
    if type(whole) is not int:
        raise UnreadableError(path, is_not(value, "a whole number"))
    if not -LARGEST < whole < LARGEST:
        raise UnreadableError(path, f"the number has more than {MAX_DIGITS} digits")
    return whole


def _number(value: Any, path: str, _: list[Problem]) -> object:
    if type(value) is str and re.fullmatch(_NUMBER_TEXT, value):
        value = Decimal(value)
    if not is_number(value):
        raise UnreadableError(path, is_not(value, "a number"))
    return value


def _yes_or_no(value: Any, path: str, _: list[Problem]) -> object:
    if type(value) is bool:
        return value
    raise UnreadableError(path, is_not(value, "a boolean"))


def _moment(value: Any, path: str, _: list[Problem]) -> object:
    if type(value) is not str or not value.isascii():
        raise UnreadableError(path, is_not(value, "a point in time"))
    if re.fullmatch(_DAY, value):
        return _day(value, path)
    try:
        return msgspec.convert(value, Moment)
    except msgspec.ValidationError:
        pass  # ISO 8601 allows more than the RFC 3339 that msgspec reads: no seconds, say.
    try:
        moment = _DATETIME.fromisoformat(value)
    except ValueError:
        raise UnreadableError(path, "it names no point in time") from None
    if moment.utcoffset() is None:
        raise UnreadableError(path, "it names no point in time without an offset")
    return moment


def _day(value: str, path: str) -> date:
    # Many providers state days where these document timestamps. A day is certain, if the instant
    # at which it begins is not.
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UnreadableError(path, "there is no such day") from None


def _calendar_day(value: Any, path: str, _: list[Problem]) -> object:
    if type(value) is str and re.fullmatch(_DAY, value):
        return _day(value, path)
    raise UnreadableError(path, is_not(value, "a day"))


def _members(value: Any, path: str, problems: list[Problem]) -> object:
    if type(value) is dict:
        return _any(value, path, problems)
    if value == []:
        return {}
    raise UnreadableError(path, is_not(value, "an object"))


def _any(value: Any, path: str, _: list[Problem]) -> object:
    if with_whole_texts(value) != value:
        raise UnreadableError(path, "a text in it holds half of a surrogate pair")
    return value


def _as_it_is(value: Any, _: str, __: list[Problem]) -> object:
    return value


_PLAIN_READERS: Final[Mapping[Any, _Reader]] = {
    str: _text, int: _whole, bool: _yes_or_no, _DATETIME: _moment, dict: _members,
    type(_DATETIME.min.date()): _calendar_day, object: _any, Any: _any,
}  # fmt: skip


def forget(record: msgspec.Struct, wire: str) -> None:
    """Put None in the place of a field that cannot be used."""
    for name, encoded, required, _ in _fields(type(record)):
        if encoded == wire and not required and getattr(record, name) is not None:
            setattr(record, name, None)
            return
    raise ValueError(f"{wire} is no field of the record, or was None already")


def is_not(value: object, documented: str) -> str:
    """Say what a value is not."""
    nouns = {
        bool: "a boolean", dict: "an object", int: "a whole number", list: "an array",
        str: "text", Decimal: "a number with a fraction", NoneType: "null",
    }  # fmt: skip
    noun = nouns.get(type(value), "something else")
    if noun == documented or (documented == "a number" and type(value) in {int, Decimal}):
        return "it is out of all range"
    return f"{noun} where {documented} is documented"
