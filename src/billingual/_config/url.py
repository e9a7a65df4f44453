"""Options of a client from an address, and the options that any source may give.

A source returns a provider's name and options, as ``AsyncClient`` takes them. Options that the
caller gives win over those found. An address never holds a token, because addresses end in logs;
the token comes from its own variable, from a function, or from a file that only its owner can read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from ssl import SSLContext
from typing import Any, Final, Literal, Required, TypedDict, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from billingual.abc import (
    Backend,
    HttpClient,
    Observer,
    Provider,
    RetryPolicy,
    Transport,
    TransportFactory,
)
from billingual.auth import Secret, TokenSource, as_secret, as_token, is_loopback
from billingual.errors import ConfigurationError, OutcomeUnknown, UnknownNameError, shown
from billingual.plugins import DIALECTS, PROVIDERS
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Limiter
from billingual.transports.tls import Tls
from billingual.wire import Timeouts

__all__ = [
    "NUMBERS",
    "ClientOptions",
    "NamedOptions",
    "from_address",
    "limiter_from",
    "mask_secrets",
    "named",
    "number_of",
    "provider_of",
]

NUMBERS: Final = frozenset({"deadline", "timeout"})
_SHARING: Final = frozenset({"name", "store", "workers"})
"""What the text of a limiter may say behind its rate."""

_TEXTS: Final = frozenset({"organization", "reading", "retry", "tenant"})


class ClientOptions(TypedDict, total=False):
    """The options of a client besides its provider; see :class:`billingual.AsyncClient`."""

    token: TokenSource | None
    tenant: str | None
    organization: str | None
    base_url: str | None
    transport: str | Transport | TransportFactory | HttpClient
    retry: str | RetryPolicy
    timeout: float | Timeouts
    deadline: float | None
    limiter: Limiter | float | None
    budget: RetryBudget | None
    observers: Iterable[Observer | str]
    on_unclear: Callable[[OutcomeUnknown], object] | None
    headers: Mapping[str, str | Secret] | None
    app: tuple[str, str] | tuple[str, str, str] | None
    reading: Literal["tolerant", "strict"]
    tls: SSLContext | Tls | str | PathLike[str] | None
    proxy: str | Secret | None
    allow_insecure: bool
    backend: str | Backend | None


class NamedOptions(ClientOptions):
    """A provider and the options of a client."""

    provider: Required[str | Provider]


def mask_secrets(options: ClientOptions) -> ClientOptions:
    """Wrap secrets, in place: a traceback with local variables shows the dictionary."""
    if "token" in options:
        options["token"] = as_token(options["token"])
    if "proxy" in options:
        options["proxy"] = as_secret(options["proxy"])
    return options


def named(provider: str | Provider, options: Mapping[str, object]) -> NamedOptions:
    """Put a provider and its options together."""
    return cast(NamedOptions, {"provider": provider, **options})


def from_address(url: str, given: ClientOptions) -> NamedOptions:
    """Read ``provider+transport://host/path?option=value``.

    Without a transport, the client uses the default one. Without a host (``exante+sandbox:``), the
    transport has a server of its own, or the client uses the provider's documented address. The
    scheme is https, for loopback addresses http; ``secure=true`` or ``secure=false`` overrides it.
    Options are ``tenant organization retry timeout deadline limiter reading``; a limiter is read by
    :func:`limiter_from`.

    Raises:
        UnknownNameError: if there is no such provider or dialect.
        ConfigurationError: if the address cannot be read, holds a user name or a password, or an
            option is unknown, given twice or not a number where one is needed.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """
    parts = _split(url)
    name, _, transport = parts.scheme.partition("+")
    found: dict[str, Any] = _options_in(parts)
    secure = found.pop("secure", None)
    if transport:
        found["transport"] = transport
    if parts.netloc:
        plain = secure is False or (secure is None and is_loopback(parts.hostname or ""))
        found["base_url"] = f"{'http' if plain else 'https'}://{parts.netloc}{parts.path}"
    elif parts.path.strip("/"):
        raise ConfigurationError(
            f"the address {_shown(parts)} has a path but no host; write {parts.scheme}://host/path."
        )
    return named(provider_of(name), {**found, **given})


def provider_of(name: str) -> str | Provider:
    """Return the name of a preset, or a provider that speaks one dialect of that name.

    Raises:
        UnknownNameError: if it is neither; the error lists both.
    """
    if name in PROVIDERS.builtin or name in PROVIDERS.names():
        return name
    if name in DIALECTS.builtin or name in DIALECTS.names():
        return Provider(name=name, dialects=(name,))
    raise UnknownNameError(
        "provider or dialect", name, sorted({*PROVIDERS.names(), *DIALECTS.names()})
    )


def _split(url: str) -> SplitResult:
    fix = "write provider+transport://host, like exante+httpx://dev.exante.app."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except (ValueError, AttributeError, TypeError):
        raise ConfigurationError(f"the address cannot be read; {fix}") from None
    if not parts.scheme or parts.scheme in {"http", "https"}:
        found = f": {parts.scheme!r} is not one" if parts.scheme else ""
        raise ConfigurationError(f"the address names no provider{found}; {fix}")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "the address holds a user name or a password, and addresses end in logs",
            "give the token as token= or in BILLINGUAL_TOKEN",
            field="url",
            hint="give_token_apart",
        )
    if parts.fragment:
        raise ConfigurationError(f"the address {_shown(parts)} ends in a fragment; leave it out.")
    return parts


def _options_in(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    known = {*NUMBERS, *_TEXTS, "limiter", "secure"}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in found:
            raise ConfigurationError(f"the address gives {name} twice; give it once.")
        if name == "secure" and value in {"true", "false"}:
            found[name] = value == "true"
        elif name in NUMBERS:
            found[name] = number_of(value, name)
        elif name == "limiter":
            found[name] = limiter_from(Secret(value), name, may_hold_password=False)
        elif name in _TEXTS and value:
            found[name] = value
        else:
            raise ConfigurationError(
                f"an address has no option {name!r}{' of that value' if name in known else ''}; "
                "there are "
                f"{', '.join(sorted({*known - {'secure'}, 'secure=true', 'secure=false'}))}. Give "
                "secrets and objects as arguments."
            )
    return found


def number_of(text: str, name: str) -> float:
    """Read the number of an option.

    Raises:
        ConfigurationError: if it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(
            f"{name}={shown(text)} is not a number; write it like {name}=2.5.", field=name
        ) from None


def limiter_from(text: Secret, name: str, *, may_hold_password: bool) -> Limiter | float:
    """Read ``10``, or ``10,workers=8,store=redis://cache.example/0,name=acme``.

    Args:
        text: what to read.
        name: names it in errors.
        may_hold_password: whether the store's address may; one that ends in logs may not.

    Raises:
        ConfigurationError: if it cannot be read, or holds a password where none may be.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """
    found = _limiter_parts(text)
    if found is None:
        raise ConfigurationError(
            f"{name} is no limiter; give attempts per second, a number, and behind it what workers "
            "share, like 10,workers=8,store=redis://cache.example/0.",
            field=name,
        )
    rate, sharing = found
    if not may_hold_password and "@" in sharing.get("store", Secret("")).reveal():
        raise ConfigurationError(
            f"{name} has a store with a user name or a password, and others can read it here",
            "give the limiter in BILLINGUAL_LIMITER, or as limiter=Limiter(...)",
            field=name,
        )
    return Limiter(rate, **sharing) if sharing else rate


def _limiter_parts(text: Secret) -> tuple[float, dict[str, Any]] | None:
    """Take the text of a limiter apart; it raises nothing, so that no traceback shows the text."""
    rate, *others = text.reveal().split(",")
    sharing: dict[str, Any] = {}
    for each in others:
        key, _, value = each.strip().partition("=")
        if key not in _SHARING or key in sharing or not value:
            return None
        sharing[key] = Secret(value) if key == "store" else value
    try:
        if "workers" in sharing:
            sharing["workers"] = int(sharing["workers"])
        return float(rate), sharing
    except ValueError:
        return None


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
