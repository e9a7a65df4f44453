"""Which provider can do what, read from the code: for ``billingual providers`` and the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from billingual._config.build import provider_named
from billingual.abc import Account, Provider
from billingual.capabilities import Capabilities, Feature
from billingual.cli.output import Column, FormatOption, record_of, show_rows, write_json
from billingual.client import AsyncClient
from billingual.errors import InternalError
from billingual.plugins import PROVIDERS
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["capability_table_markdown", "providers"]

_NO: Final = "-"


@attrs.frozen(kw_only=True)
class _Entry:
    """A provider and what it can do."""

    provider: Provider
    can: Capabilities


class _Nowhere:
    """A transport for clients that are only asked what they could do."""

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:  # noqa: ARG002
        raise InternalError("a client that only tells its capabilities was asked to send.")

    async def aclose(self) -> None:
        """Do nothing."""

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        return Account(base_url="https://nowhere.invalid", tenant="tnt_" + "0" * 24)


def providers(*, output: FormatOption = "table") -> None:
    """Show what each provider can do.

    Args:
        output: table (the default), or json and ndjson, which name every field.
    """
    entries = _entries()
    if output == "table":
        names = tuple(_ROWS)
        columns = [Column("", names)]
        columns += [
            Column(entry.provider.name, tuple(_ROWS[name](entry) for name in names))
            for entry in entries
        ]
        show_rows(columns)
        return
    records = [_record(entry) for entry in entries]
    if output == "json":
        write_json(records)
    else:
        for record in records:
            write_json(record, indent=None)


def capability_table_markdown() -> str:
    """Return the table of the built-in providers as GitHub-flavoured Markdown.

    It depends on the code alone, not on which other packages are installed.
    """
    entries = [_entry(name) for name in sorted(PROVIDERS.builtin)]
    lines = [
        "| | " + " | ".join(f"`{entry.provider.name}`" for entry in entries) + " |",
        "|---|" + "---|" * len(entries),
    ]
    for name, cell in _ROWS.items():
        lines.append(f"| {name} | " + " | ".join(cell(entry) for entry in entries) + " |")
    return "\n".join(lines) + "\n"


def _entries() -> list[_Entry]:
    return [_entry(name) for name in PROVIDERS.names()]


def _entry(name: str) -> _Entry:
    provider = provider_named(name)
    client = AsyncClient(provider, transport=_Nowhere(), token="unused")  # noqa: S106 - not sent
    return _Entry(provider=provider, can=client.capabilities)


def _has(feature: Feature) -> Callable[[_Entry], str]:
    return lambda entry: "yes" if entry.can.supports(feature) else _NO


def _batch(feature: Feature) -> Callable[[_Entry], str]:
    def cell(entry: _Entry) -> str:
        if not entry.can.supports(feature):
            return _NO
        is_atomic = feature is Feature.UPDATE_MANY and entry.can.atomic_updates
        return f"up to {entry.can.batch_limit}" + (", all or none" if is_atomic else "")

    return cell


def _dialects(entry: _Entry) -> str:
    return ", ".join(entry.provider.named())


def _pages(entry: _Entry) -> str:
    if not entry.can.supports(Feature.LIST):
        return _NO
    limit = entry.can.page_limit
    return "one response" if limit is None else f"up to {limit} rows"


_ROWS: Final[Mapping[str, Callable[[_Entry], str]]] = {
    "dialects": _dialects,
    "create": _has(Feature.CREATE),
    "get": _has(Feature.GET),
    "list": _has(Feature.LIST),
    "filters": lambda entry: str(len(entry.can.filters.accepts) or _NO),
    "sort keys": lambda entry: str(len(entry.can.sorts) or _NO),
    "pages": _pages,
    "update some fields": _has(Feature.UPDATE),
    "replace the whole": _has(Feature.REPLACE),
    "update many": _batch(Feature.UPDATE_MANY),
    "delete many": _batch(Feature.DELETE_MANY),
    "finalize": _has(Feature.FINALIZE),
    "void": _has(Feature.VOID),
    "locks by status": lambda entry: "yes" if entry.can.locks else _NO,
    "bound to": lambda entry: ", ".join(sorted(entry.can.scope)) or _NO,
    "needs a token": lambda entry: "yes" if entry.provider.needs_token else "optional",
    "known address": lambda entry: "yes" if entry.provider.base_url else "give base_url",
}


def _record(entry: _Entry) -> object:
    can = attrs.asdict(entry.can, recurse=False)
    can["features"] = sorted(feature.value for feature in entry.can.features)
    can["instead"] = {feature.value: text for feature, text in entry.can.instead.items()}
    provider = entry.provider
    return record_of(
        {
            "name": provider.name,
            "dialects": tuple(provider.named()),
            "base_url": provider.base_url,
            "needs_token": provider.needs_token,
            **{name: value for name, value in can.items() if name != "provider"},
        }
    )
