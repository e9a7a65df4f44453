"""Which transports there are, read from the registry: for ``billingual transports``."""

from __future__ import annotations

import inspect
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from typing import Final, get_type_hints

import attrs

from billingual.abc import Transport
from billingual.cli.messages import hint
from billingual.cli.output import Column, FormatOption, record_of, show_rows, write_json
from billingual.client import AsyncClient
from billingual.errors import ConfigurationError, MissingExtraError
from billingual.plugins import TRANSPORTS, Registry

__all__ = ["transports"]

_OURS: Final = "billingual"
_DEFAULT: Final = str(inspect.signature(AsyncClient).parameters["transport"].default)


@attrs.frozen(kw_only=True)
class _Entry:
    """A transport as far as it tells about itself; None where it does not.

    Attributes:
        name: what ``transport=`` takes.
        is_default: whether it is taken where none is named.
        package: the package that brings it.
        package_version: the version of that.
        library: what it sends through; None also where it needs none.
        library_version: the installed version of that.
        waits: how: "async" suspends the task, "sync" blocks the thread.
        http2: whether it speaks HTTP/2.
        install: the command that installs what it lacks.
        problem: why it cannot be used although it is installed.
    """

    name: str
    is_default: bool
    package: str | None = None
    package_version: str | None = None
    library: str | None = None
    library_version: str | None = None
    waits: tuple[str, ...] | None = None
    http2: bool | None = None
    install: str | None = None
    problem: str | None = None


def transports(*, output: FormatOption = "table") -> None:
    """Show what can carry requests: names, libraries and their versions, and what to install.

    Args:
        output: table (the default), or json and ndjson, which name every field.
    """
    entries = _entries(TRANSPORTS)
    if output == "table":
        show_rows(_columns(entries))
        for entry in entries:
            if entry.problem is not None:
                hint(entry.problem)
        hint(
            f"In a program {_DEFAULT} is the default; a name goes into transport=, "
            "BILLINGUAL_TRANSPORT or an address (exante+aiohttp://host), and into --transport "
            "here. In a program transport= also takes an object, a function that makes one, or a "
            "client of httpx, httpx2 or aiohttp of your own, which is never closed for you."
        )
        return
    records = [record_of(entry) for entry in entries]
    if output == "json":
        write_json(records)
    else:
        for record in records:
            write_json(record, indent=None)


def _entries(registry: Registry) -> list[_Entry]:
    givers = {each.name: each.dist for each in entry_points(group=registry.group)}
    entries = []
    for name in registry.names():
        entry = _Entry(name=name, is_default=name == _DEFAULT)
        if name in registry.builtin:
            entry = attrs.evolve(entry, package=_OURS, package_version=version(_OURS))
        elif (giver := givers.get(name)) is not None:
            entry = attrs.evolve(entry, package=giver.name, package_version=giver.version)
        entries.append(_told(entry, registry))
    return entries


def _told(entry: _Entry, registry: Registry) -> _Entry:
    """Add what the transport tells about itself, or what keeps it from that."""
    try:
        kind = _kind(registry.load(entry.name), entry)
        known = _with_facts(entry, kind)
        extra = registry.extras.get(entry.name)
        if extra is not None and known.library is not None:
            # Some transports import their library with the first request only.
            _require(entry.name, extra, known.library)
    except MissingExtraError as missing:
        return attrs.evolve(entry, install=missing.install)
    except ConfigurationError as broken:
        return attrs.evolve(entry, problem=str(broken))
    if known.library is not None:
        with suppress(PackageNotFoundError):
            return attrs.evolve(known, library_version=version(known.library))
    return known


def _require(name: str, extra: str, library: str) -> None:
    try:
        found = find_spec(library)
    except ValueError:
        found = None
    if found is None:
        raise MissingExtraError(name, extra, library)


def _kind(target: object, entry: _Entry) -> object:
    """Find what tells: the class that is registered, or that a function says it returns."""
    if isinstance(target, type) or hasattr(target, "send"):
        return target
    if not callable(target):
        raise ConfigurationError(
            f"the transport {entry.name!r} of the package {entry.package} is neither a transport "
            "nor a function that makes one; update or remove that package."
        )
    try:
        made = get_type_hints(target).get("return")
    except (NameError, TypeError):
        return None
    # A promise of any transport whatever says nothing about this one.
    return None if made is Transport else made


def _with_facts(entry: _Entry, kind: object) -> _Entry:
    library, http2 = getattr(kind, "library", None), getattr(kind, "http2", None)
    # Where a class is silent, it is async by rule; where there is no class, nothing is known.
    waits = getattr(kind, "supports", {"async"} if isinstance(kind, type) else None)
    return attrs.evolve(
        entry,
        library=library if isinstance(library, str) else None,
        http2=http2 if isinstance(http2, bool) else None,
        waits=tuple(sorted(waits)) if isinstance(waits, (set, frozenset)) else None,
    )


def _columns(entries: list[_Entry]) -> list[Column]:
    http2 = {True: "yes", False: "-", None: ""}
    return [
        Column("name", tuple(entry.name for entry in entries)),
        Column("library", tuple(_library(entry) for entry in entries)),
        Column("waits", tuple(", ".join(entry.waits or ()) for entry in entries), rank=1),
        Column("HTTP/2", tuple(http2[entry.http2] for entry in entries), rank=3),
        Column("package", tuple(entry.package or "" for entry in entries), rank=2),
    ]


def _library(entry: _Entry) -> str:
    if entry.install is not None:
        return entry.install
    if entry.problem is not None:
        return f"broken: {entry.package}"
    if entry.library is None:
        return "none needed" if entry.package == _OURS else ""
    return " ".join(filter(None, (entry.library, entry.library_version)))
