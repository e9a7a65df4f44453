"""Make what a client needs from its options: provider, dialects, backend and transport."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

from billingual._config.options import Settings, deadline_of, timeouts_of
from billingual._context import HEADERS, ClientContext, Wire
from billingual.abc import (
    Account,
    Backend,
    BlockingBackend,
    Dialect,
    HttpClient,
    Provider,
    Scope,
    Transport,
    TransportFactory,
    TransportOptions,
    account_of,
)
from billingual.auth import Credentials, Secret, TokenSource, checked_base_url, origin_of
from billingual.capabilities import Capabilities, Feature
from billingual.errors import ConfigurationError, shown
from billingual.plugins import DIALECTS, PROVIDERS, TRANSPORTS
from billingual.retry.budget import RetryBudget
from billingual.transports.client import is_http_client
from billingual.transports.client import owned as owned_client
from billingual.wire import Headers

__all__ = [
    "async_backend",
    "blocking_backend",
    "open_context",
    "open_wire",
    "provider_named",
]


def provider_named(provider: str | Provider) -> Provider:
    """Return the preset of that name, or the preset itself.

    Raises:
        UnknownNameError: if there is no such name.
        ConfigurationError: if something else is registered under the name.
    """
    if isinstance(provider, Provider):
        return provider
    preset = PROVIDERS.load(provider)
    made = preset() if callable(preset) else preset
    if not isinstance(made, Provider):
        raise ConfigurationError(
            f"{shown(provider)} is registered but is no preset of a provider; update the package "
            "that registers it."
        )
    return made


def async_backend(backend: str | Backend | None) -> Backend:
    """Return the backend for a client that is awaited.

    Raises:
        ConfigurationError: if the name is of a backend that blocks.
    """
    if backend is None or (isinstance(backend, str) and backend == "anyio"):
        from billingual.backends.anyio import AnyioBackend  # noqa: PLC0415 - a Client needs none

        return AnyioBackend()
    if isinstance(backend, str):
        raise ConfigurationError(
            f"AsyncClient has no backend {shown(backend)}; leave backend= out, or use Client to "
            "block."
        )
    if not hasattr(backend, "blocks"):
        raise ConfigurationError(
            f"{shown(backend)} is no backend; leave backend= out, or give a Backend."
        )
    return backend


def blocking_backend(backend: object) -> BlockingBackend:
    """Return the backend for a client that blocks.

    Raises:
        ConfigurationError: if there is none of that name, or the object cannot run a core.
    """
    name = backend if isinstance(backend, str) else ""
    if backend is None or name == "blocking":
        from billingual.backends.sync import SyncBackend  # noqa: PLC0415 - an AsyncClient needs none

        return SyncBackend()
    if name == "portal":
        from billingual.backends.portal import PortalBackend  # noqa: PLC0415 - seldom wanted

        return PortalBackend()
    if not hasattr(backend, "run"):
        raise ConfigurationError(
            f"Client has no backend {shown(backend)}; leave backend= out to block the thread, or "
            'pass "portal" to keep an event loop in a thread of its own.'
        )
    return cast(BlockingBackend, backend)


def open_wire(
    transport: str | Transport | TransportFactory | HttpClient, options: TransportOptions
) -> Wire:
    """Make the transport, or use the caller's own, which the client then never closes.

    Raises:
        UnknownNameError: if there is no transport of that name.
        MissingExtraError: if it needs a package that is not installed.
        ConfigurationError: if it only works on an event loop and the backend blocks.
    """
    if isinstance(transport, str):
        transport = cast(TransportFactory, TRANSPORTS.load(transport))
    if is_http_client(transport):
        if options.tls is not None or options.proxy is not None:
            raise ConfigurationError(
                "tls= and proxy= are for transports that are made here; the client you give has "
                "its own: set them there.",
                field="proxy" if options.tls is None else "tls",
            )
        transport = owned_client(transport)
    made: Transport
    if owned := not hasattr(transport, "send") or isinstance(transport, type):
        if not callable(transport):
            raise ConfigurationError(
                f"transport={shown(transport)} is neither a name, a transport nor a function that "
                "makes one.",
                field="transport",
            )
        made = _made_by(cast(TransportFactory, transport), options)
        if not hasattr(made, "send"):
            raise ConfigurationError(
                f"transport={shown(transport)} made {shown(made)}, which is no transport: it has "
                "no method send(request, bounds).",
                field="transport",
            )
    else:
        made = cast(Transport, transport)
    awaited = not hasattr(options.backend, "run")
    return Wire(_fitting(made, options.backend), owned=owned, awaited=awaited)


def _made_by(factory: TransportFactory, options: TransportOptions) -> Transport:
    """Call *factory*.

    Raises:
        ConfigurationError: if it does not take one argument; a web application takes three.
    """
    try:
        return factory(options)
    except TypeError:
        from inspect import signature  # noqa: PLC0415 - only this error needs it

        try:
            signature(factory).bind(options)
        except TypeError:
            raise ConfigurationError(
                f"transport={shown(factory)} takes no TransportOptions, so it makes no transport; "
                "give a name, or sandboxed(app) of billingual.transports for a sandbox.",
                field="transport",
            ) from None
        raise


def _fitting(transport: Transport, backend: Backend) -> Transport:
    """Return a transport that waits as the backend does, or refuse it."""
    supports: object = getattr(transport, "supports", frozenset({"async"}))
    if not isinstance(supports, Collection):
        raise ConfigurationError(
            f"the transport {type(transport).__name__} has {shown(supports)} for its supports; "
            'that is a set of "async" and "sync".',
            field="transport",
        )
    if backend.blocks and "sync" not in supports:
        raise ConfigurationError(
            f"the transport {type(transport).__name__} only works on an event loop, and Client "
            'blocks the thread; use AsyncClient, or backend="portal" to keep a loop in a thread of '
            "its own. A transport that never suspends may say so: supports = "
            '{"async", "sync"}.'
        )
    if not backend.blocks and "async" not in supports:
        from billingual.backends.threads import ThreadedTransport  # noqa: PLC0415 - seldom wanted

        return ThreadedTransport(transport, backend)
    return transport


def open_context(
    settings: Settings,
    *,
    wire: Wire,
    backend: Backend,
    calls: Iterator[int],
    siblings: Credentials | None = None,
) -> ClientContext:
    """Combine settings and a transport; refuse every option that is certainly wrong.

    Raises:
        ConfigurationError: if a token or base URL is missing or unusable, or a tenant or
            organization is given to a provider that has none.
        InvalidInputError: if an id, timeout or deadline cannot be right.
    """
    provider = settings.provider
    account = account_of(wire.transport, provider.name)
    from billingual.model._types import listed  # noqa: PLC0415 - each dialect imports it

    listed_dialects = listed(provider.dialects)
    if listed_dialects is None:
        raise ConfigurationError(
            f"the dialects of the provider {shown(provider.name)} are no list; give them like "
            "dialects=('exante',)."
        )
    dialects = tuple(_dialect(each, provider) for each in listed_dialects)
    capabilities = _united(dialects)
    scope = _scope(settings, account, capabilities)
    base_url = checked_base_url(_address(settings, account), allow_insecure=settings.allow_insecure)
    plain = [(name, text) for name, text in settings.headers if isinstance(text, str)]
    secret = [(name, text) for name, text in settings.headers if isinstance(text, Secret)]
    auth = Credentials(_token(settings, account), provider.auth, secret, siblings)
    policy = settings.retry
    key = (origin_of(base_url), auth.identity)
    return ClientContext(
        provider=provider.name,
        base_url=base_url,
        dialects=_by_feature([each.scoped(scope) for each in dialects]),
        capabilities=capabilities,
        wire=wire,
        backend=backend,
        headers=_headers(settings.app, wire.transport, plain),
        auth=auth,
        policy=policy,
        timeouts=timeouts_of(settings.timeout),
        deadline_s=deadline_of(settings.deadline, policy),
        scope=scope,
        observers=settings.observers,
        carriers=tuple(
            carrier
            for observer in settings.observers
            if callable(carrier := getattr(observer, "headers", None))
        ),
        pace=settings.limiter.pace(
            (*key, scope.tenant),
            lambda name: auth.fingerprint(f"{key[0]} {scope.tenant or ''}", name),
        ),
        budget=settings.budget or wire.budgets.of(key, RetryBudget),
        calls=calls,
        strict_reading=settings.reading == "strict",
        admit=getattr(policy, "admit", None),
        note=getattr(policy, "note", None),
    )


def _headers(
    app: str, transport: Transport, own: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return what every request has; the name of the program comes first, as RFC 9110 asks."""
    (name, ours), *others = HEADERS
    library = getattr(transport, "library", None)
    # Without its version: to ask for that would take longer than to make the client.
    products = (app, ours, library if isinstance(library, str) else None)
    headers = ((name, " ".join(filter(None, products))), *others)
    return tuple(Headers(headers).merged(own)) if own else headers


def _by_feature(dialects: Sequence[Dialect]) -> dict[Feature, Dialect]:
    """Return the dialect of each operation: the first that has it."""
    return {
        feature: dialect
        for dialect in reversed(dialects)
        for feature in dialect.capabilities.features
    }


def _address(settings: Settings, account: Account | None) -> str:
    if settings.base_url is not None:
        return settings.base_url
    documented = account.base_url if account else settings.provider.base_url
    if documented is None:
        served = _is_in_sandbox(settings)
        raise ConfigurationError(
            f"{settings.provider.name} documents no address",
            "give base_url='https://...'"
            + (", or try it without one by transport='sandbox'" if served else ""),
            field="base_url",
            hint="give_base_url" if served else "give_base_url_apart",
        )
    return documented


def _token(settings: Settings, account: Account | None) -> TokenSource | None:
    if settings.token is not None:
        return settings.token
    if account is not None:
        return account.token
    if settings.provider.needs_token:
        served = _is_in_sandbox(settings)
        raise ConfigurationError(
            f"{settings.provider.name} needs a token",
            "give token=..., or BILLINGUAL_TOKEN to from_env()"
            + (", or try it without an account by transport='sandbox'" if served else ""),
            field="token",
            hint="give_token" if served else "give_token_apart",
        )
    return None


def _is_in_sandbox(settings: Settings) -> bool:
    """Tell whether the sandbox serves the provider; it knows those of this package only."""
    return settings.provider.name in PROVIDERS.builtin


def _scope(settings: Settings, account: Account | None, capabilities: Capabilities) -> Scope:
    tenant = settings.tenant
    if tenant is None and account is not None and "tenant" in capabilities.scope:
        tenant = account.tenant
    scope = Scope(tenant=tenant, organization=settings.organization)
    for name in ("tenant", "organization"):
        if getattr(scope, name) is not None and name not in capabilities.scope:
            has = " or ".join(sorted(capabilities.scope)) or "neither"
            raise ConfigurationError(
                f"{capabilities.provider} has no {name}s (it has {has})",
                f"leave {name}= out",
                field=name,
                hint="leave_out",
            )
    return scope


def _dialect(dialect: str | Dialect, provider: Provider) -> Dialect:
    if not isinstance(dialect, str):
        if hasattr(dialect, "capabilities"):
            return dialect
        raise ConfigurationError(
            f"{shown(dialect)} is no dialect of the provider {shown(provider.name)}; give the name "
            "of one, or a Dialect."
        )
    make = DIALECTS.load(dialect)
    if not callable(make):
        raise ConfigurationError(
            f"{shown(dialect)} is registered but makes no dialect; update the package "
            "that registers it."
        )
    return cast(Dialect, make(provider=provider.name, **_options_of(provider, dialect)))


def _options_of(provider: Provider, dialect: str) -> Mapping[str, object]:
    every: object = provider.options
    options = every.get(dialect, {}) if isinstance(every, Mapping) else every
    if not isinstance(options, Mapping):
        raise ConfigurationError(
            f"the options of the provider {shown(provider.name)} are no mapping",
            f"write Provider(..., options={{{dialect!r}: {{...}}}})",
        )
    return options


def _united(dialects: Sequence[Dialect]) -> Capabilities:
    if not dialects:
        raise ConfigurationError("a provider needs at least one dialect; name one.")
    united = dialects[0].capabilities
    for each in dialects[1:]:
        united = united.united(each.capabilities)
    return united
