"""A transport inside another one: made for it, or lent to it."""

from __future__ import annotations

from importlib import import_module
from typing import Final, TypeAlias, cast

from billingual.abc import (
    Account,
    HttpClient,
    Transport,
    TransportFactory,
    TransportOptions,
    account_of,
)
from billingual.errors import ConfigurationError, shown
from billingual.transports.client import is_http_client, owned
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["InnerTransport", "TransportLike", "make_inner"]

TransportLike: TypeAlias = "str | Transport | TransportFactory | HttpClient"
"""A transport by name, as an object, as a function that makes one, or an HTTP client."""

_REGISTRY: Final = "billingual.plugins"


class InnerTransport:
    """Pass everything on, but close only what was made for the outer one.

    Attributes:
        supports: how it waits.
        made: whether it was made for the outer transport, which then closes it.
    """

    def __init__(self, transport: Transport, *, made: bool = False) -> None:
        self._transport = transport
        self.made = made
        self.supports: frozenset[str] = frozenset(getattr(transport, "supports", {"async"}))

    @classmethod
    def of(cls, transport: Transport | HttpClient) -> InnerTransport:
        """Return *transport* as one to send through; it is only lent, and stays open."""
        if isinstance(transport, InnerTransport):
            return transport
        return cls(owned(transport) if is_http_client(transport) else cast(Transport, transport))

    @property
    def name(self) -> str:
        """The name of its class, for errors."""
        return type(self._transport).__name__

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Pass *request* on."""
        return await self._transport.send(request, bounds)

    async def aclose(self) -> None:
        """Close what was made for the outer one."""
        if self.made:
            await self._transport.aclose()

    def drop(self) -> int:
        """Close idle connections of what was made for the outer one; return how many there were."""
        drop = getattr(self._transport, "drop", None)
        return int(drop()) if self.made and drop is not None else 0

    def account(self, provider: str) -> Account | None:
        """Return the account of the transport inside."""
        return account_of(self._transport, provider)


def make_inner(transport: TransportLike, options: TransportOptions) -> InnerTransport:
    """Return the transport that goes inside another one, which passes its own options on.

    Args:
        transport: a registered name or a function that makes one, which the outer one closes; or a
            transport or an HTTP client, which stays its owner's to close.
        options: those that the outer one was made with.

    Raises:
        UnknownNameError: if there is no transport of that name.
        MissingExtraError: if it needs a package that is not installed.
        ConfigurationError: if it is neither a name, a transport nor a factory.
    """
    if isinstance(transport, str):
        # The registry is in the layer of the transports and knows them all, so it is named here and
        # imported when a transport is asked for by name.
        transport = import_module(_REGISTRY).TRANSPORTS.load(transport)
    if is_http_client(transport) or (
        hasattr(transport, "send") and not isinstance(transport, type)
    ):
        return InnerTransport.of(cast(Transport, transport))
    if not callable(transport):
        raise ConfigurationError(
            f"{shown(transport)} is neither a transport's name, a transport nor a function that "
            "makes one; give one of the three, or an HTTP client."
        )
    return InnerTransport(cast(TransportFactory, transport)(options), made=True)
