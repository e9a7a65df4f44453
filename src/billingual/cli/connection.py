"""The provider of a command and its connection; without an account, the sandbox in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Unpack, cast

import attrs
from cyclopts import Group, Parameter

from billingual._config.build import provider_named
from billingual._config.environment import from_environment
from billingual._config.profile import from_file
from billingual._config.url import ClientOptions, NamedOptions
from billingual.abc import Provider
from billingual.cli.messages import hint
from billingual.client import AsyncClient
from billingual.errors import ConfigurationError, InvalidInputError
from billingual.plugins import TRANSPORTS

__all__ = ["TOKEN_VARIABLE", "Connection", "chosen", "open_client"]

TOKEN_VARIABLE: Final = "BILLINGUAL_TOKEN"  # noqa: S105 - the name of a variable
"""The only way to give a token: options end in shell histories and lists of processes."""

_GROUP: Final = Group("Connection", sort_key=9)
_OF_NO_CLIENT: Final = frozenset({"profile", "provider"})


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class Connection:
    """Where the invoices are.

    Attributes:
        profile: A table of your file with profiles, which names the provider and its token;
            'billingual profiles' lists them.
        provider: exante (the default, unless BILLINGUAL_URL names another), kukkingu, katsu or
            another registered name.
        transport: httpx, sandbox or another; sandbox unless a base URL or a token is given.
        base_url: Where the provider lives, instead of its documented address.
        tenant: Whose invoices (kukkingu).
        organization: Whose invoices (exante); the provider takes its default otherwise.
    """

    profile: Annotated[str | None, Parameter(env_var="BILLINGUAL_PROFILE")] = None
    provider: Annotated[str | None, Parameter(env_var="BILLINGUAL_PROVIDER")] = None
    transport: Annotated[str | None, Parameter(env_var="BILLINGUAL_TRANSPORT")] = None
    base_url: Annotated[str | None, Parameter(env_var="BILLINGUAL_BASE_URL")] = None
    tenant: Annotated[str | None, Parameter(env_var="BILLINGUAL_TENANT")] = None
    organization: Annotated[str | None, Parameter(env_var="BILLINGUAL_ORGANIZATION")] = None

    def given(self) -> ClientOptions:
        """List the options that were given, by option or by a variable of their own.

        Raises:
            InvalidInputError: if one is empty, as of a shell's variable that is not set: another
                account would be used in silence.
        """
        found = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        for name, value in found.items():
            if not value.strip():
                raise InvalidInputError(name, "it is empty", "give a value, or leave it out")
        given = {name: value for name, value in found.items() if name not in _OF_NO_CLIENT}
        return cast(ClientOptions, given)


def open_client(
    connection: Connection,
    *,
    currencies: Mapping[str, int] | None = None,
    dry_run: bool = False,
    **more: Unpack[ClientOptions],
) -> AsyncClient:
    """Open a client as the options and the environment say; the token is only in the latter.

    Args:
        connection: the options.
        currencies: the provider's numbers of currencies, where it counts them so (katsu).
        dry_run: nothing will be sent, so a missing token does no harm.
        more: other options of the client; they win over the environment.

    Raises:
        ConfigurationError: if something is missing, or does not fit the provider.
    """
    options: dict[str, Any] = {**chosen(connection), **more}
    provider = _provider(options.pop("provider"), currencies or {})
    token, transport = options.pop("token", None), options["transport"]
    TRANSPORTS.load(transport)
    if transport == "sandbox":
        unused = [] if token is None else ["token"]
        unused += ["base URL"] if options.pop("base_url", None) else []
        _say_sandbox(unused)
        return AsyncClient(provider, **options)
    if token is None and provider.needs_token:
        token = _stand_in(provider, dry_run=dry_run)
    return AsyncClient(provider, token=token, **options)


def chosen(connection: Connection) -> NamedOptions:
    """Combine the options that were given with those of the environment; the former win.

    The transport is the sandbox if neither a token nor a base URL is given.

    Raises:
        ConfigurationError: if the environment holds what cannot be used.
    """

    def getenv(name: str) -> str | None:
        if name == "BILLINGUAL_PROVIDER":
            is_addressed = bool(os.environ.get("BILLINGUAL_URL", "").strip())
            return connection.provider or (None if is_addressed else "exante")
        return os.environ.get(name)

    if connection.profile is not None:
        return _of_profile(connection, connection.profile)
    options = from_environment(getenv, connection.given())
    is_bare = options.get("token") is None and options.get("base_url") is None
    options.setdefault("transport", "sandbox" if is_bare else "httpx")
    return options


def _of_profile(connection: Connection, name: str) -> NamedOptions:
    """Take a profile's options; those that were given win, and no token but its own is sent."""
    options = from_file(name, connection.given(), getenv=os.environ.get)
    provider = options["provider"]
    named = provider if isinstance(provider, str) else provider.name
    if connection.provider not in {None, named}:
        raise ConfigurationError(
            f"the profile {name!r} is of {named}; leave --provider {connection.provider} out, or "
            "--profile."
        )
    options.setdefault("transport", "httpx")
    return options


def _stand_in(provider: Provider, *, dry_run: bool) -> str:
    if dry_run:
        return "unused"
    raise ConfigurationError(
        f"{provider.name} needs a token: put it into the environment variable {TOKEN_VARIABLE} (it "
        "is no option, because options end in shell histories); or leave out --base-url and "
        "--transport to try the in-process sandbox."
    )


def _provider(name: str | Provider, currencies: Mapping[str, int]) -> Provider:
    if not currencies:
        return provider_named(name)
    if name != "katsu":
        raise ConfigurationError(
            f"{name if isinstance(name, str) else name.name} takes ISO 4217 codes as they are; "
            "leave --currency-code out (only katsu counts currencies by numbers)."
        )
    from billingual.providers import katsu  # noqa: PLC0415 - as the registry would load it

    return katsu(currencies=currencies)


def _say_sandbox(unused: Sequence[str]) -> None:
    ignored = f" The {' and '.join(unused)} you gave: not used." if unused else ""
    hint(
        "In-process sandbox: no account, no network, and what you write is gone when the command "
        f"ends ('billingual sandbox' keeps it).{ignored}"
    )
