"""Invoices, rows and receipts made again from what their ``to_dict`` returned.

Their classes check no values: a dialect did that before, and a check would cost time for each row
of a list. So the values of a dict are checked here, by the types of the fields.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin

from billingual.errors import InvalidInputError, shown
from billingual.model._mapping import from_mapping, new_converter
from billingual.model._types import checked_text, read_instant
from billingual.model.enums import OpenWord
from billingual.model.money import exact_decimal

if TYPE_CHECKING:
    import cattrs

__all__ = ["from_own_dict"]

M = TypeVar("M")

_CHECKED: Final[frozenset[object]] = frozenset({OpenWord, date, datetime, Decimal, int, str})


def from_own_dict(kind: type[M], record: Mapping[str, object]) -> M:
    """Make a *kind* from what its ``to_dict`` returned.

    Raises:
        InvalidInputError: if a key is unknown, one is missing or a value does not fit.
    """
    return from_mapping(kind, record, _converter)


@functools.cache
def _converter() -> cattrs.Converter:
    converter = new_converter()
    converter.register_structure_hook_func(
        lambda hint: not _CHECKED.isdisjoint(map(_base_of, _alternatives(hint))), _checked
    )
    for kind in (int, str):  # These have hooks of their own, which come first.
        converter.register_structure_hook(kind, _checked)
    return converter


def _alternatives(hint: object) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {UnionType, Union} else (hint,)


def _base_of(kind: object) -> object:
    return OpenWord if isinstance(kind, type) and issubclass(kind, OpenWord) else kind


def _checked(value: object, hint: object) -> object:
    """Return a value as one of the types of a field, which JSON may hold as text."""
    kinds = _alternatives(hint)
    if value is None and type(None) in kinds:
        return None
    for each in kinds:
        if _base_of(each) is OpenWord:
            return each(checked_text(value, ""))
    if Decimal in kinds:
        return exact_decimal(value, "")
    if str in kinds:
        return checked_text(value, "")
    if int in kinds:
        if type(value) is int:
            return value
        raise InvalidInputError("", f"{type(value).__name__} is no whole number", "give an int")
    moment = read_instant(value) if isinstance(value, str) else value
    if isinstance(moment, date) and getattr(moment, "tzinfo", UTC) is not None:
        return moment
    raise InvalidInputError(
        "", f"{shown(value)} names no day and no point in time", "write it as to_dict() does"
    )
