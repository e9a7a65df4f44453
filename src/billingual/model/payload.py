"""Models that keep the JSON they were read from, so that nothing a provider says is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MemberDescriptorType
from typing import Any, Final, Self, TypeAlias

from billingual.model._mapping import ToDict
from billingual.wire import ResponseInfo, WireResponse

__all__: list[str] = []

Unread: TypeAlias = Mapping[str, Callable[[Any], object]]
"""How ``raw``, and ``extra`` where it is not made already, are made for a model.

``text`` tells the bytes of ``raw`` of the payload that the model keeps."""

Facts: TypeAlias = tuple[WireResponse, float, int]
"""What ``response`` is made of: the response, seconds, attempts."""


def _raw_of(model: KeepsPayload) -> object:
    try:
        return model._raw  # noqa: SLF001 - its own
    except AttributeError as missing:
        return _made(model, "raw", missing)


def _extra_of(model: KeepsPayload) -> object:
    try:
        return model._extra  # noqa: SLF001 - its own
    except AttributeError as missing:
        return _made(model, "extra", missing)


def _made(model: KeepsPayload, name: str, missing: AttributeError) -> object:
    """Make the value of a slot that reading left empty."""
    try:
        read = _unread_of(model)[name]
    except (AttributeError, KeyError):
        raise missing from None
    value = read(model)
    object.__setattr__(model, f"_{name}", value)
    return value


# A property for each slot that reading may leave empty, because a class with ``__getattr__`` makes
# Python read all its other attributes four times as slowly. Each has a function of its own, which
# names the slot: to find the slot by a variable takes as long again.
_ON_TOUCH: Final[Mapping[str, Callable[[Any], object]]] = {"raw": _raw_of, "extra": _extra_of}


class KeepsPayload(ToDict):
    """The base of models that are read from a payload.

    Most programs never look at ``raw``, and its dicts are several times as large as the bytes they
    are made of. So a model may keep the bytes, and make ``raw`` and ``extra`` on first touch. That
    never fails: the bytes were found to be sound JSON when the model was made. All other
    attributes are made at once.
    """

    __slots__ = ("_payload", "_response", "_unread")

    _raw: object
    _extra: object
    _unread: Unread
    _payload: bytes

    @property
    def response(self) -> ResponseInfo | None:
        """The raw response behind this result: status, headers, content, and facts about it.

        None for what no call returned: a row of a page (the page has it), an invoice that was made
        by hand, copied or pickled.
        """
        facts: Facts | None = getattr(self, "_response", None)
        if facts is None:
            return None
        response, seconds, attempts = facts
        return ResponseInfo(
            status=response.status,
            headers=response.headers.without_credentials(),
            seconds=seconds,
            attempts=attempts,
            content=response.body,
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, object]) -> Self:
        """Make one from what :meth:`to_dict` returned, in either form, from a cache for example.

        It is equal to the one before, but for ``problems`` and what is in ``extra``: JSON has no
        Decimal, so those in it are text then. ``raw`` is empty, and there is no ``response``.

        Raises:
            InvalidInputError: if a key is unknown, the id is missing or a value does not fit. The
                error names the field with its path, such as ``lines[1].quantity``.
        """
        from billingual.model._round_trip import from_own_dict  # noqa: PLC0415 - few programs need it

        return from_own_dict(cls, record)

    def __init_subclass__(cls) -> None:
        # attrs makes its class anew, with the slots; before that there are none here.
        for name, read in _ON_TOUCH.items():
            slot: Any = cls.__dict__.get(name)
            if isinstance(slot, MemberDescriptorType):
                setattr(cls, f"_{name}", slot)
                setattr(cls, name, property(read, slot.__set__, slot.__delete__))


_slots: Final[Any] = KeepsPayload
_unread_of: Final[Any] = _slots._unread.__get__  # noqa: SLF001 - its own
payload_of: Final[Callable[[Any], bytes]] = _slots._payload.__get__  # noqa: SLF001 - its own
set_response: Final[Callable[[Any, Facts], None]] = _slots._response.__set__  # noqa: SLF001 - its own
set_payload: Final[Callable[[Any, bytes], None]] = _slots._payload.__set__  # noqa: SLF001 - its own
set_unread: Final[Callable[[Any, Unread], None]] = _slots._unread.__set__  # noqa: SLF001 - its own


def payload_text(model: KeepsPayload) -> bytes | None:
    """Return ``raw`` as it came, in bytes; None where only the parsed value is kept."""
    try:
        text: bytes = _unread_of(model)["text"](model)
    except (AttributeError, KeyError):
        return None
    return text
