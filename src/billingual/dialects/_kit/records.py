"""Records on their way in: what every dialect does with the payload of an answer.

A record is the payload itself, once it is known to be as documented; nothing is copied out of it
but what a model has a name for, and nothing of the rest is lost. A :class:`Reading` says for one
kind of record how it becomes a model, at once or on first touch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import attrs
import msgspec

from billingual import model
from billingual.dialects._kit.codec import decode_plain
from billingual.dialects._kit.structure import Readers
from billingual.model import CollectionMethod, InvoiceSummary, Status, read_instant
from billingual.model.deferred import Source, defer, each

if TYPE_CHECKING:
    from billingual.model import Page

M = TypeVar("M", bound=InvoiceSummary)
R = TypeVar("R", bound=Mapping[str, Any])

ENVELOPE: Final = "envelope"
"""The name in an invoice's ``extra`` for what the provider said beside the payload."""

MISFIT: Final = (msgspec.DecodeError, RecursionError)
"""What a compiled reader raises where it cannot take a payload; another look says why."""


class Reading(Generic[M, R]):
    """How records of one kind become models.

    Args:
        model: what they become.
        record: the typed dict that says how a payload is documented.
        key: the field with the id; it is required, and text.
        scalars: read the attributes that are no parts.
        parts: read those that are made of several fields, and are longer to make.
        part_names: the names of these.
        part_fields: the fields of the record that only they are made of.
        extra: read what no attribute has a name for.
        accepts: what else must hold of a record that fits; None for nothing.
    """

    def __init__(
        self,
        model: type[M],
        record: type[R],
        key: str,
        *,
        scalars: Callable[[R], dict[str, object]],
        parts: Callable[[R], dict[str, object]],
        part_names: frozenset[str],
        part_fields: frozenset[str],
        extra: Callable[[R], dict[str, object]],
        accepts: Callable[[R], bool] | None = None,
    ) -> None:
        self._model: Any = model
        self._key = key
        self._scalars = scalars
        self._parts = parts
        self._part_names = part_names
        self._extra = extra
        self._readers = functools.cache(
            functools.partial(Readers.of, record, key, part_fields, accepts)
        )

    def at_once(self, record: R, beside: Mapping[str, object]) -> M:
        """Make the model of a record that was checked; *beside* is kept in its ``extra``."""
        extra = self._extra(record)
        if beside:
            extra[ENVELOPE] = beside
        model: M = self._model(
            id=record[self._key],
            **self._scalars(record),
            **self._parts(record),
            extra=extra,
            raw=record,
        )
        return model

    def deferred(self, payloads: Iterable[msgspec.Raw]) -> tuple[M, ...]:
        """Make models that read their payloads, which are plain JSON, on first touch.

        Raises:
            Exception: one of :data:`MISFIT`, if a payload is not as documented.
        """
        # Copied, so that no row keeps the page it stood on in memory.
        own = [bytes(payload) for payload in payloads]
        readers = self._readers()
        ids = map(readers.key, list(map(readers.check, own)))
        models: list[M] = [_new(self._model) for _ in own]
        each(_set_id, models, ids)
        return tuple(defer(models, own, self._source))

    @functools.cached_property
    def _source(self) -> Source:
        """What reads each attribute of a payload."""
        readers = self._readers()

        # Those that the provider has no field for are None in every model.
        unstated: dict[str, object] = {
            field.name: None
            for field in attrs.fields(self._model)
            if field.default is None and field.name not in self._part_names
        }

        def scalars(payload: bytes) -> dict[str, object]:
            return {**unstated, **self._scalars(readers.scalars(payload))}

        def parts(payload: bytes) -> dict[str, object]:
            return self._parts(readers.parts(payload))

        def extra(payload: bytes) -> dict[str, object]:
            return {"extra": self._extra(cast(R, decode_plain(payload)))}

        return {
            **dict.fromkeys({**unstated, **self._scalars(cast(R, {}))}, scalars),
            **dict.fromkeys(self._part_names, parts),
            "extra": extra,
            "raw": _raw,
        }


def _raw(payload: bytes) -> dict[str, object]:
    return {"raw": decode_plain(payload)}


def page_of(body: bytes, **attributes: Any) -> Page:
    """Make a page whose ``raw`` is read from *body*, which is plain JSON, on first touch."""
    page = model.Page(**attributes)
    object.__delattr__(page, "raw")
    defer([page], [body], _BODY)
    return page


_BODY: Final[Source] = {"raw": _raw}
_new: Final = object.__new__
_set_id: Final[Any] = cast(Any, InvoiceSummary).id.__set__


def unknown(payload: Mapping[str, object], known: Container[str]) -> dict[str, object]:
    """Return the fields that are not *known*, as they came."""
    return {name: value for name, value in payload.items() if name not in known}


moment: Final = read_instant
"""Read a timestamp; None where there is none, or it names no point in time."""


def unclear_moments(record: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    """Return the timestamps that name no point in time, as they came: they go to ``extra``."""
    return {
        name: text
        for name in names
        if (text := cast(str | None, record.get(name))) is not None and read_instant(text) is None
    }


_STATUSES: Final[Mapping[str, Status]] = {word: Status(word) for word in Status.known()}
_METHODS: Final[Mapping[str, CollectionMethod]] = {
    word: CollectionMethod(word) for word in CollectionMethod.known()
}


def status_of(word: str | None) -> Status | None:
    """Read a status; of each known word there is one object for all invoices."""
    return None if word is None else _STATUSES.get(word) or Status(word)


def collection_method_of(word: str | None) -> CollectionMethod | None:
    """Read a collection method, likewise."""
    return None if word is None else _METHODS.get(word) or CollectionMethod(word)
