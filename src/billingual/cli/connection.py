"""Which provider to talk to, and how; without an account, the sandbox in this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Final

import attrs
from cyclopts import Group, Parameter

from billingual.auth import sealed
from billingual.cli.talk import hint
from billingual.client import AsyncClient
from billingual.connecting import provider_named
from billingual.errors import ConfigurationError
from billingual.protocol import Provider

__all__ = ["TOKEN_VARIABLE", "Connection", "open_client"]

TOKEN_VARIABLE: Final = "BILLINGUAL_TOKEN"  # noqa: S105 - the name of a variable
"""The only way to give a token: options end in shell histories and lists of processes."""

_GROUP: Final = Group("Connection", sort_key=9)


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class Connection:
    """Where the invoices are.

    Attributes:
        provider: exante (the default), kukkingu, katsu or another registered name.
        transport: httpx, sandbox or another; sandbox unless a base URL or a token is given.
        base_url: Where the provider lives, instead of its documented address.
        tenant: Whose invoices (kukkingu).
        organization: Whose invoices (exante); the provider takes its default otherwise.
    """

    provider: Annotated[str, Parameter(env_var="BILLINGUAL_PROVIDER")] = "exante"
    transport: Annotated[str | None, Parameter(env_var="BILLINGUAL_TRANSPORT")] = None
    base_url: Annotated[str | None, Parameter(env_var="BILLINGUAL_BASE_URL")] = None
    tenant: Annotated[str | None, Parameter(env_var="BILLINGUAL_TENANT")] = None
    organization: Annotated[str | None, Parameter(env_var="BILLINGUAL_ORGANIZATION")] = None

    def chosen_transport(self) -> str:
        """Name the transport: the sandbox where nothing tells where else to go."""
        is_bare = self.base_url is None and not os.environ.get(TOKEN_VARIABLE)
        return self.transport or ("sandbox" if is_bare else "httpx")


def open_client(
    connection: Connection,
    *,
    currencies: Mapping[str, int] | None = None,
    dry_run: bool = False,
) -> AsyncClient:
    """Open a client as the options and the environment say; the token is only in the latter.

    Args:
        connection: the options.
        currencies: the provider's numbers of currencies, where it counts them so (katsu).
        dry_run: nothing will be sent, so a missing token does no harm.

    Raises:
        ConfigurationError: if something is missing, or does not fit the provider.
    """
    token = sealed(os.environ.get(TOKEN_VARIABLE) or None)
    provider = _provider(connection.provider, currencies or {})
    transport = connection.chosen_transport()
    if transport == "sandbox":
        _say_sandbox(spare=not (token is None and connection.base_url is None))
        return AsyncClient(
            provider,
            tenant=connection.tenant,
            organization=connection.organization,
            transport=transport,
        )
    if token is None and provider.needs_token:
        token = _stand_in(provider, dry_run=dry_run)
    return AsyncClient(
        provider,
        token=token,
        tenant=connection.tenant,
        organization=connection.organization,
        base_url=connection.base_url,
        transport=transport,
    )


def _stand_in(provider: Provider, *, dry_run: bool) -> str:
    if dry_run:
        return "unused"
    raise ConfigurationError(
        f"{provider.name} needs a token: put it into the environment variable {TOKEN_VARIABLE} (it "
        "is no option, because options end in shell histories); or leave out --base-url and "
        "--transport to try the in-process sandbox."
    )


def _provider(name: str, currencies: Mapping[str, int]) -> Provider:
    if not currencies:
        return provider_named(name)
    if name != "katsu":
        raise ConfigurationError(
            f"{name} takes ISO 4217 codes as they are; leave --currency-code out (only katsu "
            "counts currencies by numbers)."
        )
    from billingual.providers import katsu  # noqa: PLC0415 - as the registry would load it

    return katsu(currencies=currencies)


def _say_sandbox(*, spare: bool) -> None:
    unused = " The base URL and token you gave are not used." if spare else ""
    hint(
        "In-process sandbox: no account, no network, and what you write is gone when the command "
        f"ends ('billingual sandbox' keeps it).{unused}"
    )
