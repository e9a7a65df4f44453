"""Values whose attributes are read from their payload when somebody first asks for them.

Most of a list is looked at for a few of its attributes, and often for the id alone. So a payload
that is known to be as documented is kept as the bytes it came in, a third of the size of what is
made of it, and read part by part on first touch. Nothing can fail then: all that could be wrong
with it was looked for before. A value that was made in the ordinary way has nothing deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

__all__: list[str] = []

D = TypeVar("D", bound="Deferred")


Source: TypeAlias = Mapping[str, Callable[[bytes], Mapping[str, object]]]
"""For each name what reads it from a payload, with those that are read along with it."""


class Deferred:
    """The base of what may be read later; attributes that are not set yet are looked up."""

    __slots__ = ("_payload", "_source")

    # A type checker shall go on refusing names that nobody declared.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            try:
                read = _get_source(self)[name]
            except (AttributeError, KeyError):
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=self) from None
            values = read(_get_payload(self))
            # As below: the loop over twenty attributes is worth a thought.
            any(map(_set, repeat(self), values, values.values()))
            return values[name]


def defer(values: Sequence[D], payloads: Iterable[bytes], source: Source) -> Sequence[D]:
    """Let *source* read those attributes of each value that are not set from its payload."""
    each(_set_payload, values, payloads)
    each(_set_source, values, repeat(source))
    return values


def each(call: Callable[..., None], *arguments: Iterable[object]) -> None:
    """Call *call*, which returns None, with each row of *arguments*; no loop is quicker."""
    any(map(call, *arguments))


_set: Final = object.__setattr__
_slots: Final[Any] = Deferred
_get_source: Final[Any] = _slots._source.__get__  # noqa: SLF001 - its own
_get_payload: Final[Any] = _slots._payload.__get__  # noqa: SLF001 - its own
_set_source: Final[Any] = _slots._source.__set__  # noqa: SLF001 - its own
_set_payload: Final[Any] = _slots._payload.__set__  # noqa: SLF001 - its own
