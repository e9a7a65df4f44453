"""Models from mappings, and back: what ``from_dict`` and ``to_dict`` do.

A mapping is a JSON object, a line of a file or a row of a table. Its keys are our field names. The
classes check their own values, so cattrs only builds the nested ones and says where in the mapping
an error is. Nothing is guessed: a float is no money, and 12.7 is no whole number.

cattrs is imported with the first call that needs it, because most programs need none of this.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Protocol,
    Self,
    TypeVar,
    cast,
    get_args,
    get_origin,
    runtime_checkable,
)

import attrs

from billingual.errors import InvalidInputError, shown
from billingual.model._types import UNSET, instant_text
from billingual.wire import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import cattrs

__all__ = [
    "FromDict",
    "Scalar",
    "ToDict",
    "as_json",
    "from_mapping",
    "new_converter",
    "unknown_field",
]

M = TypeVar("M")

# What a program has in hand already, or what would only repeat the other fields.
_LEFT_OUT: Final = frozenset({"problems", "raw"})


@runtime_checkable
class Scalar(Protocol):
    """A model that is one value rather than a record, such as money or a range."""

    @classmethod
    def from_json(cls, value: object) -> object:
        """Read one as :meth:`to_json` or a person writes it."""
        ...

    def to_json(self) -> object:
        """Return one as JSON holds it."""
        ...


class ToDict:
    """Give a model the method ``to_dict``, and show it by its fields."""

    __slots__ = ()

    def __repr__(self) -> str:
        # As attrs would, which compiles one for each class whenever that is imported: a tenth of a
        # millisecond each.
        fields = [each for each in attrs.fields(cast(Any, type(self))) if each.repr]
        shown = [f"{each.name}={getattr(self, each.name, attrs.NOTHING)!r}" for each in fields]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from billingual.model._html import model_table  # noqa: PLC0415 - of notebooks

        return model_table(self)

    def to_dict(self, *, json: bool = False) -> dict[str, object]:
        """Return the fields as a dict of our names; nested models become dicts too.

        Left out are ``raw``, ``problems`` and fields that are UNSET.

        Args:
            json: return only what ``json.dumps`` takes, without a float. Money becomes
                ``{"amount": "12.34", "minor": 1234, "currency": "EUR"}`` (``amount`` is None where
                the currency is unknown), a Decimal becomes text, a datetime becomes text in UTC
                and a day ``"2026-12-31"``.
        """
        return cast("dict[str, object]", as_json(self) if json else _as_values(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Let pydantic, and so FastAPI, write a model by ``to_dict`` and read it by ``from_dict``.

        ``async def create(draft: Annotated[Draft, Body()]) -> Invoice`` is a route then, and what
        does not fit is a ValidationError with our text.
        """
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        mapping = core_schema.dict_schema()
        given = core_schema.any_schema() if issubclass(cls, Scalar) else mapping
        return core_schema.no_info_plain_validator_function(
            functools.partial(_given, cls),
            json_schema_input_schema=given,
            serialization=core_schema.plain_serializer_function_ser_schema(
                as_json, return_schema=mapping
            ),
        )


class FromDict(ToDict):
    """Give a model the methods ``from_dict`` and ``to_dict``, and its constructor our errors."""

    __slots__ = ()

    if not TYPE_CHECKING:  # A type checker reads the fields; this would tell it that all fit.

        def __new__(cls, *args: object, **given: object) -> Self:
            """Refuse arguments that no field takes, in words that name the nearest field."""
            # Without arguments it is a copy that is being made, by copy or pickle.
            if args or given:
                _refuse_unfit(cls, args, given)
            return super().__new__(cls)

    @classmethod
    def from_dict(cls, record: Mapping[str, object]) -> Self:
        """Make one from a mapping whose keys are our field names.

        Money is ``"12.34 EUR"``, ``{"amount": "12.34", "currency": "EUR"}`` or
        ``{"minor": 1234, "currency": "EUR"}``. Datetimes are ISO text with an offset or ``Z``;
        a day is ``"2026-12-31"``.

        Raises:
            InvalidInputError: if a key is unknown, a required field is missing or a value does not
                fit. The error names the field with its path, such as ``lines[1].quantity``.
        """
        return from_mapping(cls, record)


def _given(kind: type[ToDict], value: object) -> object:
    """Take a model, or the mapping of one that a program may make."""
    if isinstance(value, kind):
        return value
    if issubclass(kind, Scalar):
        return kind.from_json(value)
    if not issubclass(kind, FromDict):
        name = kind.__name__
        raise InvalidInputError(name, "only a client makes one", "give one that it returned")
    return kind.from_dict(cast("Mapping[str, object]", value))


def _refuse_unfit(kind: type, args: Sequence[object], given: Mapping[str, object]) -> None:
    fields = attrs.fields(cast(Any, kind))
    takes = [each for each in fields if not each.kw_only]
    if len(args) > len(takes):
        raise InvalidInputError(
            kind.__name__.lower(),
            f"{kind.__name__} takes its fields by name",
            f"write {kind.__name__}({fields[0].alias}=...), or use {kind.__name__}.from_dict",
        )
    names = [each.alias for each in fields]
    for name in given:
        if name not in names:
            raise unknown_field(kind, name)
    there = {*given, *(each.alias for each in takes[: len(args)])}
    missing = [
        each.alias for each in fields if each.default is attrs.NOTHING and each.alias not in there
    ]
    if missing:
        raise InvalidInputError(
            missing[0], f"{kind.__name__} needs it", f"give {', '.join(missing)}"
        )


def from_mapping(
    kind: type[M], record: object, converter: Callable[[], cattrs.Converter] | None = None
) -> M:
    """Make a *kind* from a mapping.

    Args:
        kind: the class.
        record: the mapping.
        converter: returns what reads the values. Default: one for classes that check their own.

    Raises:
        InvalidInputError: as ``from_dict`` says.
    """
    if isinstance(record, kind):
        return record
    if not isinstance(record, Mapping):
        raise InvalidInputError(
            kind.__name__.lower(),
            f"{type(record).__name__} is no mapping",
            f"give {kind.__name__} fields by name, like {{'number': 'INV-1'}}",
        )
    _refuse_odd_names(record, kind.__name__.lower())
    from cattrs.errors import BaseValidationError  # noqa: PLC0415 - see the module's docstring

    try:
        return (converter or _converter)().structure(record, kind)
    except BaseValidationError as problem:
        raise _first_problem(problem, kind) from None


def _refuse_odd_names(record: Mapping[Any, object], field: str) -> None:
    # cattrs writes all of them into an error of its own, and not every object can be written.
    for name in record:
        if not isinstance(name, str):
            raise InvalidInputError(field, f"{shown(name)} names no field", "use text for names")


def new_converter() -> cattrs.Converter:
    """Make what builds nested models; each class checks its own values."""
    import cattrs  # noqa: PLC0415 - see the module's docstring

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    # cattrs would turn 12.7 into 12 and None into 'None'. Every other value goes to the class as
    # it is, and the class refuses it by the field's name.
    converter.register_structure_hook_func(lambda _: True, lambda value, _: value)
    for kind in (bool, bytes, float, int, str):
        converter.register_structure_hook(kind, lambda value, _: value)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(
        _is_sequence_of_models, functools.partial(_sequence_hook, converter)
    )
    converter.register_structure_hook_factory(
        _is_optional_model, functools.partial(_optional_hook, converter)
    )
    converter.register_structure_hook_func(_is_scalar, lambda value, kind: kind.from_json(value))
    return converter


_converter: Final = functools.cache(new_converter)


# Python looks for the methods of a protocol anew with each question, which takes 20 us.
_is_scalar: Callable[[object], bool] = functools.cache(
    lambda hint: isinstance(hint, type) and issubclass(hint, Scalar)
)


def _class_hook(kind: type[Any], converter: cattrs.Converter) -> Callable[[object, object], Any]:
    from cattrs.gen import make_dict_structure_fn  # noqa: PLC0415 - see the module's docstring

    read = make_dict_structure_fn(
        kind,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
    )

    def hook(value: object, _: object) -> object:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise InvalidInputError("", f"{type(value).__name__} is no object", "give a mapping")
        _refuse_odd_names(value, "")
        return read(value, kind)

    return hook


def _parts(hint: object) -> tuple[object, ...]:
    """List the alternatives of a union; a plain type is its own only one."""
    return get_args(hint) if get_origin(hint) not in {None, tuple, list} else (hint,)


def _model_in(hint: object) -> Any:
    return next((each for each in _parts(hint) if isinstance(each, type) and attrs.has(each)), None)


def _item_list(hint: object) -> Any:
    """Return ``list[Model]`` for ``tuple[Model, ...]`` or a union with one, else None."""
    for each in _parts(hint):
        if get_origin(each) is tuple and attrs.has(get_args(each)[0]):
            return list.__class_getitem__(get_args(each)[0])
    return None


def _is_optional_model(hint: object) -> bool:
    return not attrs.has(cast(Any, hint)) and _model_in(hint) is not None


def _is_sequence_of_models(hint: object) -> bool:
    return _item_list(hint) is not None


def _optional_hook(converter: cattrs.Converter, hint: object) -> Callable[[object, object], Any]:
    kind = _model_in(hint)

    def hook(value: object, _: object) -> object:
        return value if value is None or value is UNSET else converter.structure(value, kind)

    return hook


def _sequence_hook(converter: cattrs.Converter, hint: object) -> Callable[[object, object], Any]:
    from cattrs.cols import list_structure_factory  # noqa: PLC0415 - see the module's docstring

    items = _item_list(hint)
    read = list_structure_factory(items, converter)

    def hook(value: object, _: object) -> object:
        # Custom fields have a short form, {"name": "text"}. Text is a sequence, but no list.
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        return tuple(read(value, items)) if is_list else value

    return hook


def _first_problem(problem: BaseException, kind: type) -> InvalidInputError:
    """Turn what cattrs met into one error of ours, with the path of the field it is about."""
    from cattrs.errors import (  # noqa: PLC0415 - see the module's docstring
        AttributeValidationNote,
        ClassValidationError,
        ForbiddenExtraKeysError,
        IterableValidationNote,
    )

    path, missing = "", ""
    while isinstance(problem, BaseExceptionGroup):
        if isinstance(problem, ClassValidationError):
            kind = problem.cl
        lacking = [each.args[0] for each in problem.exceptions if isinstance(each, KeyError)]
        missing = ", ".join(lacking)
        # A misspelt name explains a missing one, and a wrong value is there to be corrected.
        problem = min(
            problem.exceptions,
            key=lambda each: (
                2 * isinstance(each, KeyError) - isinstance(each, ForbiddenExtraKeysError)
            ),
        )
        for note in getattr(problem, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                path += f".{note.name}"
            elif isinstance(note, IterableValidationNote):
                path += f"[{note.index}]"
    path = path.removeprefix(".")
    if isinstance(problem, ForbiddenExtraKeysError):
        return unknown_field(kind, min(map(str, problem.extra_fields)), path)
    if isinstance(problem, KeyError):
        return InvalidInputError(path, f"{kind.__name__} needs it", f"give {missing}")
    if isinstance(problem, InvalidInputError):
        return InvalidInputError(
            _place(path, problem.field),
            problem.problem,
            problem.fix,
            hint=problem.hint,
            known=problem.known,
        )
    return InvalidInputError(path or kind.__name__.lower(), str(problem), "correct it")


def _place(path: str, field: str) -> str:
    """Join the path of a value and the field that its class names, which may be the same."""
    # Money does not know which field it is for.
    if path and (field in ("money", path) or path.endswith(f".{field}")):
        return path
    return _joined(path, field)


def unknown_field(kind: type, name: str, path: str = "") -> InvalidInputError:
    """Make the error for a name that *kind* has no field for, with the nearest that it has."""
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    known = [each.alias or each.name for each in attrs.fields(cast(Any, kind))]
    near = get_close_matches(name, known, n=1)
    fix = f"perhaps you meant {near[0]}" if near else f"it has {', '.join(known)}"
    return InvalidInputError(_joined(path, name), f"{kind.__name__} has no such field", fix)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}".strip(".")


def _names(model: object) -> list[str]:
    fields = [each.name for each in attrs.fields(cast(Any, type(model)))]
    return [name for name in fields if not name.startswith("_") and name not in _LEFT_OUT]


def _as_values(value: object) -> object:
    """Turn models into dicts and leave every other value as it is, money and ranges too."""
    if _is_scalar(type(value)):
        return value
    if attrs.has(type(value)):
        members = ((name, getattr(value, name)) for name in _names(value))
        return {name: _as_values(each) for name, each in members if each is not UNSET}
    if isinstance(value, Mapping):
        return {str(key): _as_values(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_as_values(each) for each in value]
    return value


def as_json(value: object) -> object:
    """Turn models and what they hold into what JSON holds, without a float."""
    if _is_scalar(type(value)):
        return cast(Scalar, value).to_json()
    if attrs.has(type(value)):
        members = ((name, getattr(value, name)) for name in _names(value))
        return {name: as_json(each) for name, each in members if each is not UNSET}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, (frozenset, set)):
        value = sorted(value)
    if isinstance(value, (tuple, list)):
        return [as_json(each) for each in value]
    return _as_text(value)


def _as_text(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    # Open words such as Status are subclasses of str.
    return plain_text(value)
