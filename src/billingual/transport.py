"""The seam of the wire: what moves one request to the provider and brings one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import attrs

from billingual.driver import Driver
from billingual.secret import Secret, secret_or_none
from billingual.wire import Bounds, WireRequest, WireResponse

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Account", "Transport", "TransportFactory", "TransportOptions"]


@attrs.frozen(kw_only=True)
class Account:
    """Where and as whom to call a server that a transport brings along (the sandbox)."""

    base_url: str
    _token: Secret | None = attrs.field(default=None, converter=secret_or_none)
    tenant: str | None = None

    @property
    def token(self) -> str | None:
        """The token itself."""
        return None if self._token is None else self._token.reveal()


@attrs.frozen(kw_only=True)
class TransportOptions:
    """What a transport is made with; the same words mean the same on each.

    Attributes:
        driver: for waits and clocks.
        tls: an ``ssl.SSLContext`` to use instead of the default one.
        proxy: URL of a proxy; None for none (the environment is not read).
        connections: most connections at once. Default 100.
        keepalive_s: seconds an idle connection is kept; shorter than servers keep theirs, so that
            a request seldom meets a closed one. Default 5.
    """

    driver: Driver
    tls: SSLContext | None = None
    _proxy: Secret | None = attrs.field(default=None, converter=secret_or_none)
    connections: int = 100
    keepalive_s: float = 5.0

    @property
    def proxy(self) -> str | None:
        """The proxy's URL, password included."""
        return None if self._proxy is None else self._proxy.reveal()


class Transport(Protocol):
    """Move one request to the provider and bring one answer, within bounds.

    A transport never retries, never follows a redirect and never reads environment variables. An
    answer of any status is an answer; what prevents one is a ``TransportError`` that carries the
    evidence. No type or exception of its library leaves it.

    A transport may say in an attribute ``colours`` how it waits: a set of ``"async"`` (it
    suspends the task), ``"blocking"`` (it blocks the thread), or both, where it does as the
    driver of its options does. Without the attribute it is taken to be async.

    It may also have a method ``drop()``, which closes what it can without waiting and returns how
    many connections there were: it is called when a client is forgotten unclosed.
    """

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* (absolute and signed) once.

        Raises:
            TransportError: if no whole answer within *bounds* came back.
        """
        ...

    async def aclose(self) -> None:
        """Give up all connections; closing twice is no error."""
        ...

    def account(self, provider: str) -> Account | None:
        """Return the account of a server the transport brings along; None for the network."""
        ...


TransportFactory: TypeAlias = Callable[[TransportOptions], Transport]
