"""Check the kinds of the arguments of operations before anything else happens.

A wrong kind would fail anyway, but deep inside, and in words about our code instead of the
caller's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Final, TypeVar

from billingual.abc import is_plain_function
from billingual.capabilities import Capabilities
from billingual.errors import InvalidInputError, UnsupportedError, shown
from billingual.wire import LONGEST_WAIT_S, plain_text

if TYPE_CHECKING:
    from pathlib import Path

    from billingual.model import Changes, Filter, FilterDict, Query, Sort

__all__ = [
    "check_count",
    "check_prefetch",
    "check_progress",
    "expected",
    "ids_of",
    "key_of",
    "model_of",
    "pairs_of",
    "path_of",
    "query_of",
    "refuse_base",
    "seconds_of",
    "wrong_kind",
]

T = TypeVar("T")
# Visible ASCII. 255 characters is what Stripe takes; no provider is known to take fewer.
# https://docs.stripe.com/api/idempotent_requests
_KEY: Final = r"[!-~]{1,255}"


def expected(value: object, kind: type[T], field: str) -> T:
    """Return *value* if it is a *kind*.

    Raises:
        InvalidInputError: if it is not.
    """
    if not isinstance(value, kind):
        raise wrong_kind(value, kind, field)
    return value


def check_progress(on_progress: object) -> None:
    """Refuse what cannot be told of progress.

    Raises:
        InvalidInputError: if it is neither None nor a function that is not async.
    """
    if on_progress is not None and not is_plain_function(on_progress):
        what = "an async function" if callable(on_progress) else shown(on_progress)
        raise InvalidInputError(
            "on_progress", f"{what} is no plain function", "give one made by def, not async def"
        )


def path_of(value: object, field: str) -> Path:
    """Return a path that was given as text or as a path.

    Raises:
        InvalidInputError: if it is neither, or has the character 0, which no path has.
    """
    from pathlib import Path  # noqa: PLC0415 - most programs name no file

    text = fspath(value) if isinstance(value, PathLike) else value
    if not isinstance(text, str) or "\0" in text:
        raise InvalidInputError(field, f"{shown(value)} is no path", "give it as text or a Path")
    return Path(plain_text(text))


def model_of(value: object, kind: type[T], field: str) -> T:
    """Return *value* if it is a *kind*, or the one that a mapping describes.

    Raises:
        InvalidInputError: if it is neither, or a field of the mapping cannot be right.
    """
    if isinstance(value, Mapping):
        from billingual.model._mapping import from_mapping  # noqa: PLC0415 - few calls give one

        return from_mapping(kind, value)
    return expected(value, kind, field)


def _model_at(place: str, value: object, kind: type[T]) -> T:
    """Do the same for one of several, and say in an error which."""
    if isinstance(value, kind):
        return value
    try:
        return model_of(value, kind, place)
    except InvalidInputError as error:
        if error.field == place:
            raise
        raise InvalidInputError(
            f"{place}.{error.field}", error.problem, error.fix, hint=error.hint, known=error.known
        ) from None


def wrong_kind(value: object, kind: type[object], field: str) -> InvalidInputError:
    """Make the error for a *value* that is not a *kind*."""
    return InvalidInputError(
        field,
        f"{type(value).__name__} is no {kind.__name__}",
        f"give {_article(kind.__name__)}",
    )


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"


def pairs_of(pairs: object) -> tuple[tuple[str, Changes], ...]:
    """Return changes by id as a tuple of pairs.

    Raises:
        InvalidInputError: if that is not what they are.
    """
    from billingual.model import Changes  # noqa: PLC0415 - of the first use, like those below
    from billingual.model._types import listed  # noqa: PLC0415 - as above

    if isinstance(pairs, Mapping):
        return tuple(
            (plain_text(key), _model_at(f"pairs[{shown(key)}]", each, Changes))
            for key, each in pairs.items()
        )
    given = listed(pairs)
    if given is None:
        raise _no_pairs(pairs)
    for pair in given:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise _no_pairs(pair)
    return tuple(
        (plain_text(key), _model_at(f"pairs[{index}]", each, Changes))
        for index, (key, each) in enumerate(given)
    )


def ids_of(invoice_ids: object) -> tuple[str, ...]:
    """Return ids as a tuple.

    Raises:
        InvalidInputError: if they are one text, whose letters would be taken for ids, or no ids.
    """
    from billingual.model._types import listed  # noqa: PLC0415 - as above

    given = listed(invoice_ids)
    if given is None:
        raise InvalidInputError(
            "invoice_ids", f"{type(invoice_ids).__name__} is no list of ids", "give a list of ids"
        )
    return tuple(map(plain_text, given))


def query_of(
    filter: Filter | FilterDict | None, sort: str | Sort | None, page_size: int | None
) -> Query:
    """Return the query for the first page of a list.

    Raises:
        InvalidInputError: if an argument is of the wrong kind, or *sort* is not one key.
    """
    from billingual.model import Filter, Query, Sort  # noqa: PLC0415 - as above

    if isinstance(sort, str):
        sort = Sort.parse(sort)
    return Query(
        filter=Filter() if filter is None else model_of(filter, Filter, "filter"),
        sort=None if sort is None else expected(sort, Sort, "sort"),
        page_size=page_size,
    )


def check_prefetch(prefetch: object) -> None:
    """Refuse a number of pages that cannot be fetched at once.

    Raises:
        InvalidInputError: if it is no whole number from 1 to 64.
    """
    from billingual.pagination import MAX_PREFETCH  # noqa: PLC0415 - as above

    check_count(prefetch, "prefetch", "pages", MAX_PREFETCH)


def check_count(value: object, field: str, things: str, most: int) -> None:
    """Refuse a number of things that cannot be under way at once.

    Raises:
        InvalidInputError: if it is no whole number from 1 to *most*.
    """
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidInputError(
            field, f"{shown(value)} is no number of {things}", f"give 1 to {most}"
        )


def refuse_base(base: object) -> None:
    """Refuse a copy for a lock check where the whole document is replaced.

    Raises:
        InvalidInputError: if there is one.
    """
    if base is not None:
        raise InvalidInputError(
            "base",
            "a whole document is replaced, and no status is known to lock it",
            "leave it out",
        )


def seconds_of(value: object, field: str) -> float:
    """Return a time in seconds, zero or more.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInputError(field, f"{shown(value)} is no time", "give seconds, from 0 on")
    if not 0 <= value < float("inf"):
        raise InvalidInputError(
            field, f"{shown(value)} s is no time to wait", "give seconds, from 0 on"
        )
    return float(min(value, LONGEST_WAIT_S))


def key_of(key: object, capabilities: Capabilities) -> str | None:
    """Return an idempotency key if the provider takes one and it fits in a header.

    Raises:
        UnsupportedError: if the provider takes none.
        InvalidInputError: if it is no text of 1 to 255 visible ASCII characters.
    """
    if key is None:
        return None
    if not capabilities.idempotency_keys:
        raise UnsupportedError(
            capabilities.provider,
            "an idempotency key",
            "leave it out, and give the draft a number of your own to recognise it by",
        )
    if not isinstance(key, str) or not re.fullmatch(_KEY, key):
        raise InvalidInputError(
            "key", "a header cannot hold it", "give 1 to 255 visible ASCII characters"
        )
    return plain_text(key)


def _no_pairs(given: object) -> InvalidInputError:
    return InvalidInputError(
        "pairs",
        f"{type(given).__name__} does not pair ids with changes",
        "give {id: Changes(...)} or a list of (id, Changes(...))",
    )
