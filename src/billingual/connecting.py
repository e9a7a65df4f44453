"""From what a caller names to what a call needs: provider, dialects, wire, credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from inspect import iscoroutinefunction
from ssl import SSLContext
from typing import cast

import attrs

from billingual.auth import BearerAuth, TokenSource, checked_base_url, sealed
from billingual.capabilities import Capabilities
from billingual.desk import Desk, Wire
from billingual.driver import BlockingDriver, Driver
from billingual.drivers.blocking import SteppingDriver
from billingual.drivers.on_anyio import AnyioDriver
from billingual.drivers.threaded import ThreadedTransport
from billingual.errors import ConfigurationError
from billingual.protocol import (
    Dialect,
    Observer,
    Provider,
    RetryPolicy,
    Scope,
    Transport,
    TransportFactory,
    TransportOptions,
)
from billingual.registry import DIALECTS, POLICIES, PROVIDERS, TRANSPORTS
from billingual.wire import Timeouts

__all__ = [
    "Settings",
    "async_driver",
    "blocking_driver",
    "checked_observers",
    "checked_tls",
    "open_desk",
    "open_wire",
    "provider_named",
]


@attrs.frozen(kw_only=True)
class Settings:
    """What a client was told; siblings differ from each other here and share the wire."""

    provider: Provider
    token: TokenSource | None = attrs.field(repr=False, converter=sealed)
    tenant: str | None
    organization: str | None
    base_url: str | None
    allow_insecure: bool
    retry: str | RetryPolicy
    timeout: float | Timeouts
    deadline: float
    observers: tuple[Observer, ...]


def provider_named(provider: str | Provider) -> Provider:
    """Return the preset of that name, or the preset itself.

    Raises:
        UnknownNameError: if there is no such name.
        ConfigurationError: if the name does not stand for a preset.
    """
    if isinstance(provider, Provider):
        return provider
    preset = PROVIDERS.load(provider)
    made = preset() if callable(preset) else preset
    if not isinstance(made, Provider):
        raise ConfigurationError(f"{provider!r} is registered but is no provider preset.")
    return made


def async_driver(driver: str | Driver | None) -> Driver:
    """Return the driver for a client that is awaited.

    Raises:
        ConfigurationError: if the name is of a driver that blocks.
    """
    if driver is None or driver == "anyio":
        return AnyioDriver()
    if isinstance(driver, str):
        raise ConfigurationError(
            f"AsyncClient has no driver {driver!r}; leave driver= out, or use Client to block."
        )
    return driver


def blocking_driver(driver: object) -> BlockingDriver:
    """Return the driver for a client that blocks.

    Raises:
        ConfigurationError: if there is none of that name, or the object cannot run a core.
    """
    if driver is None or driver == "blocking":
        return SteppingDriver()
    if driver == "portal":
        from billingual.drivers.portal import PortalDriver  # noqa: PLC0415 - seldom wanted

        return PortalDriver()
    if not hasattr(driver, "run"):
        raise ConfigurationError(
            f"Client has no driver {driver!r}; leave driver= out to block the thread, or pass "
            '"portal" to keep an event loop in a thread of its own.'
        )
    return cast(BlockingDriver, driver)


def open_wire(transport: str | Transport | TransportFactory, options: TransportOptions) -> Wire:
    """Make the transport, or take the caller's own, which is then never closed by us.

    Raises:
        UnknownNameError: if there is no transport of that name.
        MissingExtraError: if it needs a package that is not installed.
        ConfigurationError: if it only works on an event loop and the driver blocks.
    """
    if isinstance(transport, str):
        transport = cast(TransportFactory, TRANSPORTS.load(transport))
    made: Transport
    if owned := not hasattr(transport, "send") or isinstance(transport, type):
        if not callable(transport):
            raise ConfigurationError(
                f"transport={transport!r} is neither a name, a transport nor a function that "
                "makes one."
            )
        made = cast(TransportFactory, transport)(options)
    else:
        made = cast(Transport, transport)
    awaited = not hasattr(options.driver, "run")
    return Wire(_fitting(made, options.driver), owned=owned, awaited=awaited)


def _fitting(transport: Transport, driver: Driver) -> Transport:
    """Make the transport wait as the driver does, or refuse it."""
    colours = getattr(transport, "colours", frozenset({"async"}))
    if driver.blocks and "blocking" not in colours:
        raise ConfigurationError(
            f"the transport {type(transport).__name__} only works on an event loop, and Client "
            'blocks the thread; use AsyncClient, or driver="portal" to keep a loop in a thread of '
            "its own. A transport that never suspends may say so: colours = "
            '{"async", "blocking"}.'
        )
    if not driver.blocks and "async" not in colours:
        return ThreadedTransport(transport, driver)
    return transport


def open_desk(settings: Settings, *, wire: Wire, driver: Driver, calls: Iterator[int]) -> Desk:
    """Bind settings to a wire; everything that can be known to be wrong is refused here.

    Raises:
        ConfigurationError: if a token or base URL is missing or unusable, or a tenant or
            organization is given to a provider that has none.
        InvalidInputError: if an id, timeout or deadline cannot be right.
    """
    provider = settings.provider
    account = wire.transport.account(provider.name)
    dialects = tuple(_dialect(each, provider) for each in provider.dialects)
    capabilities = _united(dialects)
    tenant = settings.tenant
    if tenant is None and account is not None and "tenant" in capabilities.scope:
        tenant = account.tenant
    scope = Scope(tenant=tenant, organization=settings.organization)
    _check_scope(scope, capabilities)
    base_url = settings.base_url
    if base_url is None:
        base_url = account.base_url if account else provider.base_url
    if base_url is None:
        raise ConfigurationError(
            f"{provider.name} documents no address; give base_url='https://...', or try it "
            "without one by transport='sandbox'."
        )
    token = settings.token
    if token is None and account is not None:
        token = account.token
    elif token is None and provider.needs_token:
        raise ConfigurationError(
            f"{provider.name} needs a token; give token=..., or try it without an account by "
            "transport='sandbox'."
        )
    return Desk(
        provider=provider.name,
        base_url=checked_base_url(base_url, allow_insecure=settings.allow_insecure),
        dialects=tuple(each.scoped(scope) for each in dialects),
        capabilities=capabilities,
        wire=wire,
        driver=driver,
        auth=BearerAuth(token),
        policy=_policy(settings.retry),
        timeouts=_timeouts(settings.timeout),
        deadline_s=_positive(settings.deadline, "deadline"),
        observers=settings.observers,
        calls=calls,
    )


def _dialect(dialect: str | Dialect, provider: Provider) -> Dialect:
    if not isinstance(dialect, str):
        return dialect
    make = DIALECTS.load(dialect)
    if not callable(make):
        raise ConfigurationError(f"{dialect!r} is registered but makes no dialect.")
    options = provider.options.get(dialect, {})
    return cast(Dialect, make(provider=provider.name, **options))


def _united(dialects: Sequence[Dialect]) -> Capabilities:
    if not dialects:
        raise ConfigurationError("a provider speaks at least one dialect; name one.")
    united = dialects[0].capabilities
    for each in dialects[1:]:
        united = united.united(each.capabilities)
    return united


def _check_scope(scope: Scope, capabilities: Capabilities) -> None:
    for name in ("tenant", "organization"):
        if getattr(scope, name) is not None and name not in capabilities.scope:
            has = " or ".join(sorted(capabilities.scope)) or "neither"
            raise ConfigurationError(
                f"{capabilities.provider} has no {name}s; leave {name}= out (it has {has})."
            )


def _policy(retry: str | RetryPolicy) -> RetryPolicy:
    policy = POLICIES.load(retry) if isinstance(retry, str) else retry
    if not hasattr(policy, "decide"):
        raise ConfigurationError(
            f"retry={retry!r} is no policy; give 'standard', 'none' or a Retry with the numbers "
            "you want."
        )
    return cast(RetryPolicy, policy)


def checked_observers(observers: object) -> tuple[Observer, ...]:
    """Return observers as a tuple.

    Raises:
        ConfigurationError: if they are no list, or one of them cannot be called or is async:
            nobody would await it.
    """
    listed = tuple(observers) if isinstance(observers, Iterable) else (None,)
    if not all(callable(each) and not iscoroutinefunction(each) for each in listed):
        raise ConfigurationError(
            "observers= takes a list of plain functions, each called with one event; give [print], "
            "say. An async function would never be awaited: let a plain one hand the event on."
        )
    return listed


def checked_tls(tls: object) -> SSLContext | None:
    """Return a TLS context, or None for the default one.

    Raises:
        ConfigurationError: if it is anything else: checks cannot be switched off by a keyword.
    """
    if tls is not None and not isinstance(tls, SSLContext):
        raise ConfigurationError(
            "tls= takes an ssl.SSLContext; make one with ssl.create_default_context(cafile=...) "
            "to trust another authority. Leave it out for the default one."
        )
    return tls


def _timeouts(timeout: float | Timeouts) -> Timeouts:
    if isinstance(timeout, Timeouts):
        for phase in ("connect", "write", "read", "pool"):
            _positive(getattr(timeout, phase), f"timeout.{phase}")
        return timeout
    return Timeouts.each(_positive(timeout, "timeout"))


def _positive(seconds: float, field: str) -> float:
    usable = not isinstance(seconds, bool) and isinstance(seconds, (int, float))
    if not usable or not 0 < seconds < float("inf"):
        raise ConfigurationError(
            f"{field}={seconds!r} is no waiting time; give a number of seconds above zero "
            "(no wait is endless)."
        )
    return float(seconds)
