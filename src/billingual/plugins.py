"""Dialects, transports, retry policies, observers and providers, found by name.

Those of this package are in a table, because reading entry points takes milliseconds. Other
packages add theirs as entry points, which are read only if a name is not in the table, or to list
all names. Each is imported on first use, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import attrs

from billingual.errors import ConfigurationError, MissingExtraError, UnknownNameError

__all__ = ["DIALECTS", "OBSERVERS", "POLICIES", "PROVIDERS", "TRANSPORTS", "Registry"]


@attrs.frozen(eq=False, repr=False)
class Registry:
    """The names of one kind of plugin.

    Attributes:
        kind: the noun for errors.
        group: the entry-point group that other packages add to.
        builtin: ``module:attribute`` by name, for those of this package.
        extras: the extra that installs what a name needs.
    """

    kind: str
    group: str
    builtin: Mapping[str, str]
    extras: Mapping[str, str] = attrs.field(factory=dict)
    _loaded: dict[str, object] = attrs.field(factory=dict, init=False)

    def names(self) -> tuple[str, ...]:
        """List all names, including those of other packages."""
        from importlib.metadata import entry_points  # noqa: PLC0415 - as said, it is slow

        return tuple(
            sorted({*self.builtin, *(each.name for each in entry_points(group=self.group))})
        )

    def load(self, name: str) -> object:
        """Import the plugin with this name.

        Raises:
            UnknownNameError: if there is no such name; the error lists all names.
            MissingExtraError: if it needs a package that is not installed.
            ConfigurationError: if another package's plugin fails to import; the error names it.
        """
        given: object = name
        if not isinstance(given, str):
            raise UnknownNameError(self.kind, name, self.names())
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> object:
        target = self.builtin.get(name)
        if target is None:
            return self._load_entry_point(name)
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            extra = self.extras.get(name)
            if extra is None or (missing.name or "").startswith("billingual"):
                raise
            raise MissingExtraError(
                f"the {self.kind} {name!r}", extra, str(missing.name)
            ) from missing

    def _load_entry_point(self, name: str) -> object:
        from importlib.metadata import entry_points  # noqa: PLC0415 - as said, it is slow

        for each in entry_points(group=self.group, name=name):
            try:
                return each.load()
            except Exception as broken:
                owner = "another package" if each.dist is None else f"the package {each.dist.name}"
                raise ConfigurationError(
                    f"the {self.kind} {name!r} ({each.value}) of {owner} cannot be loaded "
                    f"({type(broken).__name__}: {broken}); update or remove that package."
                ) from broken
        raise UnknownNameError(self.kind, name, self.names())


DIALECTS: Final = Registry(
    "dialect",
    "billingual.dialects",
    {
        "bulk": "billingual.dialects.exante.bulk:BulkDialect",
        "exante": "billingual.dialects.exante.dialect:ExanteDialect",
        "tenant": "billingual.dialects.tenant.dialect:TenantDialect",
        "v1": "billingual.dialects.v1.dialect:V1Dialect",
    },
)
OBSERVERS: Final = Registry(
    "observer",
    "billingual.observers",
    {
        "log": "billingual.integrations.logging:log",
        "opentelemetry": "billingual.integrations.opentelemetry:observe",
    },
    extras={"opentelemetry": "otel"},
)
POLICIES: Final = Registry(
    "retry policy",
    "billingual.policies",
    {
        "breaker": "billingual.retry.breaker:breaker",
        "none": "billingual.retry.policy:NONE",
        "patient": "billingual.retry.policy:PATIENT",
        "standard": "billingual.retry.policy:STANDARD",
    },
)
PROVIDERS: Final = Registry(
    "provider",
    "billingual.providers",
    {
        "exante": "billingual.providers:exante",
        "katsu": "billingual.providers:katsu",
        "kukkingu": "billingual.providers:kukkingu",
    },
)
TRANSPORTS: Final = Registry(
    "transport",
    "billingual.transports",
    {
        "aiohttp": "billingual.transports.aiohttp:AiohttpTransport",
        "h11": "billingual.transports.h11.transport:H11Transport",
        "httpx": "billingual.transports.httpx:HttpxTransport",
        "httpx2": "billingual.transports.httpx:Httpx2Transport",
        "memory": "billingual.transports.memory:memory",
        "sandbox": "billingual.transports.sandbox:SandboxTransport",
        "urllib3": "billingual.transports.urllib3:Urllib3Transport",
    },
    extras={
        "aiohttp": "aiohttp",
        "httpx2": "httpx2",
        "sandbox": "sandbox",
        "urllib3": "urllib3",
    },
)
