"""Find the taped request that equals a request, or the nearest one and how it differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from billingual.testing.recording.cassette import TapedRequest
from billingual.testing.recording.redaction import is_tenant

__all__ = ["Likeness", "differences", "likeness", "nearest"]

Likeness: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], tuple[str, ...], str]
"""Method, path, parameters, tenants and body; two requests with the same are one."""

_SHOWN: Final = 6
_BODY: Final = "the whole body"


def likeness(request: TapedRequest) -> Likeness:
    """Return what a request is matched by: not by headers, nor by the order of JSON fields."""
    tenants = tuple(value for name, value in request.headers if is_tenant(name))
    body = json.dumps(sorted(_leaves(request.body).items()))
    return request.method, _path(request), tuple(sorted(_query(request))), tenants, body


def nearest(request: TapedRequest, taped: Iterable[TapedRequest]) -> int | None:
    """Return the place of the taped request that is most like *request*, or None for none."""
    scored = [(_closeness(request, each), -place) for place, each in enumerate(taped)]
    return -max(scored)[1] if scored else None


def differences(request: TapedRequest, taped: TapedRequest) -> str:
    """Say how *request* differs from *taped*; of bodies only the names of fields are shown."""
    found = [
        *_changed("method", request.method, taped.method),
        *_changed("path", _path(request), _path(taped)),
        *_of_mappings("parameter", dict(_query(request)), dict(_query(taped)), values=True),
        *_of_mappings("body field", _leaves(request.body), _leaves(taped.body), values=False),
    ]
    if likeness(request)[3] != likeness(taped)[3]:
        found.append("tenant: another one")
    rest = len(found) - _SHOWN
    more = [f"and {rest} more"] if rest > 0 else []
    return "; ".join([*found[:_SHOWN], *more]) or "none but the order of its parameters"


def _closeness(one: TapedRequest, other: TapedRequest) -> float:
    paths = SequenceMatcher(None, _path(one).split("/"), _path(other).split("/"), autojunk=False)
    bodies = _leaves(one.body), _leaves(other.body)
    return (
        4 * (one.method == other.method)
        + 4 * paths.ratio()
        + 2 * _overlap(_query(one), _query(other))
        + _overlap(bodies[0], bodies[1])
        + _overlap(bodies[0].items(), bodies[1].items())
    )


def _overlap(one: Iterable[object], other: Iterable[object]) -> float:
    ours, theirs = set(one), set(other)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0


def _path(request: TapedRequest) -> str:
    return request.url.partition("?")[0]


def _query(request: TapedRequest) -> list[tuple[str, str]]:
    return parse_qsl(request.url.partition("?")[2], keep_blank_values=True)


def _leaves(body: bytes | None) -> dict[str, str]:
    """Return the values of a JSON body by their paths, numbers as they are written."""
    if body is None:
        return {}
    try:
        value = json.loads(body, parse_float=_Number, parse_int=_Number)
        return dict(_walk(value, "$"))
    except (ValueError, RecursionError):
        return {_BODY: body.hex()}


class _Number(str):
    """A number as it is written: 1.0 and 1.00 are two."""

    __slots__ = ()


def _walk(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _walk(each, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for place, each in enumerate(value):
            yield from _walk(each, f"{path}[{place}]")
    else:
        yield path, f"#{value}" if isinstance(value, _Number) else json.dumps(value)


def _changed(what: str, now: str, taped: str) -> Iterator[str]:
    if now != taped:
        yield f"{what}: {now} instead of {taped}"


def _of_mappings(
    what: str, now: Mapping[str, str], taped: Mapping[str, str], *, values: bool
) -> Iterator[str]:
    for name in sorted({*now, *taped}):
        if name not in taped:
            yield f"{what} {name}: not on the tape"
        elif name not in now:
            yield f"{what} {name}: only on the tape"
        elif now[name] != taped[name]:
            changed = f"{now[name]!r} instead of {taped[name]!r}" if values else "another value"
            yield f"{what} {name}: {changed}"
