"""Models that keep the JSON they were read from, so that nothing a provider says is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from billingual.model._mapping import ToDict

__all__: list[str] = []

Unread: TypeAlias = Mapping[str, Callable[[Any], object]]
"""How ``raw``, and ``extra`` where it is not made already, are made for a model."""


class KeepsPayload(ToDict):
    """The base of models that are read from a payload.

    Most programs never look at ``raw``, and its dicts are several times as large as the bytes they
    are made of. So a model may keep the bytes, and make ``raw`` and ``extra`` on first touch. That
    never fails: the bytes were found to be sound JSON when the model was made. All other
    attributes are made at once.
    """

    __slots__ = ("_payload", "_unread")

    # Hidden from type checkers, so that they refuse names that are not declared.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            try:
                read = _unread_of(self)[name]
            except (AttributeError, KeyError):
                message = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=self) from None
            value = read(self)
            object.__setattr__(self, name, value)
            return value


# A slot is read through its descriptor, because plain attribute access would ask __getattr__.
_slots: Final[Any] = KeepsPayload
_unread_of: Final[Any] = _slots._unread.__get__  # noqa: SLF001 - its own
payload_of: Final[Callable[[Any], bytes]] = _slots._payload.__get__  # noqa: SLF001 - its own
set_payload: Final[Callable[[Any, bytes], None]] = _slots._payload.__set__  # noqa: SLF001 - its own
set_unread: Final[Callable[[Any, Unread], None]] = _slots._unread.__set__  # noqa: SLF001 - its own
