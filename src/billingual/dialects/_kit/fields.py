"""Fields on their way out: what each is called on the wire, and what may stand in it.

A dialect keeps a table from the protocol's names to :class:`Field`; the order of the table is the
order of the provider's documentation and of the body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

import attrs

from billingual import dialects, model
from billingual.errors import InvalidInputError
from billingual.model import CollectionMethod, instant_text

if TYPE_CHECKING:
    from billingual.model import CustomField

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@attrs.frozen
class Field:
    """One field of a body.

    Attributes:
        wire: the provider's name for it.
        write: turns a value that is not None into what JSON carries, or refuses it by name.
        nullable: whether an explicit null may be sent.
    """

    wire: str
    write: Callable[[object, str], object]
    nullable: bool = True


def write_fields(table: Mapping[str, Field], given: Mapping[str, object]) -> dict[str, object]:
    """Write the given fields in the order of *table*, each under its name on the wire.

    Raises:
        InvalidInputError: if a value cannot be right.
    """
    return {
        field.wire: _write(field, given[name], name)
        for name, field in table.items()
        if name in given
    }


def _write(field: Field, value: object, name: str) -> object:
    if value is not None:
        return field.write(value, name)
    if field.nullable:
        return None
    raise InvalidInputError(name, "the provider takes no null here", "give a value or leave it out")


def refuse_nothing(given: Mapping[str, object]) -> None:
    """Refuse a change that changes nothing.

    Raises:
        InvalidInputError: if no field is given.
    """
    if not given:
        raise InvalidInputError(
            "changes", "they hold no field", "give one, like Changes(due_at=...)"
        )


def verbatim(value: object, name: str) -> object:  # noqa: ARG001 - every writer learns the name
    """Write text as it is."""
    return value


def text_of(shortest: int, longest: int) -> Callable[[object, str], object]:
    """Make a writer of text whose length has bounds."""

    def write(value: object, name: str) -> object:
        size = len(str(value))
        if shortest <= size <= longest:
            return value
        bounds = str(shortest) if shortest == longest else f"{shortest} to {longest}"
        raise InvalidInputError(
            name, f"it has {size} characters", f"give text of {bounds} characters"
        )

    return write


def one_of(*words: str) -> Callable[[object, str], object]:
    """Make a writer of words from a closed set."""

    def write(value: object, name: str) -> object:
        if value in words:
            return value
        raise InvalidInputError(
            name, f"{value!r} is none of those documented", f"give {' or '.join(words)}"
        )

    return write


collection_method: Final = one_of(*CollectionMethod.known())


def currency_code(value: object, name: str) -> object:
    """Write a currency's code.

    The providers document no more than its length, 3. A code that ISO 4217 does not know is
    refused all the same: nobody could say how many decimal places its minor units stand for.

    Raises:
        InvalidInputError: if ISO 4217 does not know it; lower case is not taken for upper.
    """
    return model.checked_currency(value, name)


def uuid(value: object, name: str) -> str:
    """Write an id that must be a UUID.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value
    raise InvalidInputError(
        name, f"{value!r} is no UUID", "give one like '3c90c3cc-0d44-4b50-8888-8dd25736052a'"
    )


def prefixed_id(prefix: str) -> Callable[[object, str], str]:
    """Make a writer of ids such as ``inv_`` and 24 small letters and digits."""
    pattern = re.compile(rf"{prefix}_[a-z0-9]{{24}}")

    def write(value: object, name: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise InvalidInputError(
            name,
            f"{value!r} is not of the form the provider documents",
            f"give '{prefix}_' followed by 24 small letters and digits",
        )

    return write


def moment(value: object, _: str) -> str:
    """Write a point in time as UTC with a literal ``Z``."""
    return instant_text(cast(datetime, value))


def moment_with_milliseconds(value: object, _: str) -> str:
    """Write a point in time as UTC with milliseconds and a literal ``Z``."""
    return instant_text(cast(datetime, value), milliseconds=True)


def custom_field_map(value: object, name: str) -> dict[str, object]:
    """Write custom fields as an object keyed by name.

    Raises:
        InvalidInputError: if JSON cannot carry a value exactly; the error names the custom field.
    """
    fields = cast("tuple[CustomField, ...]", value)
    for each in fields:
        dialects.encode_json(each.value, f"{name}.{each.key}")
    return {each.key: {"type": each.type, "value": each.value} for each in fields}
