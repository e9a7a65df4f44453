"""The transport aiohttp: the fastest under many calls at once; for asyncio alone.

aiohttp connects, writes and parses; its session is left out: it costs as much again, and it would
follow redirects, keep cookies, read the environment, add headers, unpack without bounds and send
again what a stale connection swallowed, a PUT too. Nothing of aiohttp leaves this package, its
exceptions included: they hold the request's headers, so only their class name is kept.
"""

from __future__ import annotations

from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from billingual.abc import TransportOptions
from billingual.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._aiohttp_lanes import AiohttpLane, Writer
from billingual.transports._failures import NOTHING, reason
from billingual.transports._lane_transport import LaneTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["AiohttpTransport"]

# Where a connection stood, the evidence is what was seen on it.
_TABLE: Final[dict[type[Exception], tuple[type[TransportError], str]]] = {
    aiohttp.ClientConnectorError: (NotConnectedError, "no connection could be made"),
    aiohttp.ClientConnectorDNSError: (NotConnectedError, "the host was not found"),
    aiohttp.ClientConnectorCertificateError: (NotConnectedError, "a certificate was refused"),
    aiohttp.ClientSSLError: (NotConnectedError, "no secure connection could be made"),
    aiohttp.ClientProxyConnectionError: (NotConnectedError, "the proxy cannot be reached"),
    aiohttp.ClientHttpProxyError: (NotConnectedError, "the proxy refused the connection"),
    aiohttp.ConnectionTimeoutError: (NotConnectedError, "no connection stood in time"),
    aiohttp.SocketTimeoutError: (TimedOutError, "no answer came in time"),
    aiohttp.ServerTimeoutError: (TimedOutError, "no answer came in time"),
    aiohttp.ClientResponseError: (ConnectionLostError, "the answer is not of HTTP"),
    HttpProcessingError: (ConnectionLostError, "the answer is not of HTTP"),
    aiohttp.ClientPayloadError: (ConnectionLostError, "the answer broke off"),
    aiohttp.ServerDisconnectedError: (ConnectionLostError, "the server closed the connection"),
    aiohttp.ClientOSError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientConnectionResetError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no answer came in time"),
    Exception: (ConnectionLostError, "the exchange failed"),
}


class AiohttpTransport(LaneTransport[AiohttpLane]):
    """Send through lanes of aiohttp; safe to share between tasks. It needs asyncio, or uvloop.

    What watches aiohttp's sessions sees nothing of it, for it has none; whoever wants that hands
    over a session of their own in its place. Where they are mocked, nothing is sent.

    Nothing is connected, and no TLS is set up, before the first request.
    """

    supports: Final = frozenset({"async"})
    library: Final = "aiohttp"

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self._writer = Writer()

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ConfigurationError: if another event loop than asyncio's runs, the proxy's URL cannot
                be used, or aiohttp's session is mocked.
        """
        _refuse_stand_ins()
        outgoing = self._writer.write(request)
        origin = outgoing.origin
        return await self._carry(
            lambda lane: lane.exchange(outgoing, bounds),
            lambda error, lane: _translated(origin.text, error, lane.evidence()),
            secure=origin.scheme == "https",
            bounds=bounds,
        )

    def _lane(self, *, secure: bool) -> AiohttpLane:
        options = self._options
        proxy = None if options.proxy is None else _proxy(options.proxy)
        try:
            return AiohttpLane(options, proxy, secure=secure)
        except RuntimeError:
            pass  # no event loop of asyncio's
        raise ConfigurationError(
            "the transport aiohttp only works on asyncio, and another event loop runs here; "
            'use transport="httpx", which works on trio too.'
        )


def _refuse_stand_ins() -> None:
    # Not compared with what it was when this was imported: the mock may have been there before.
    request: object = aiohttp.ClientSession._request  # noqa: SLF001 - where mocks take its place
    if not hasattr(request, "assert_called"):
        return
    raise ConfigurationError(
        "aiohttp.ClientSession is mocked, and the transport aiohttp does not go through it, so the "
        "request would have reached the network; nothing was sent. Give a ClientSession of your "
        'own as transport=, or use transport="memory" or "replay".'
    )


def _proxy(text: str) -> URL:
    try:
        proxy = URL(text)
        usable = proxy.scheme in {"http", "https"} and bool(proxy.host)
    except ValueError:
        usable = False
    if usable:
        return proxy
    raise ConfigurationError(
        "the proxy's URL cannot be used; give an http:// or https:// URL, or use "
        'transport="httpx" with httpx[socks] for socks5://. It is not shown here.'
    )


def _translated(origin: str, error: Exception, seen: Evidence) -> TransportError | None:
    """Find the most specific row for an exception; what the wire saw is the evidence."""
    if not isinstance(error, (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)):
        return None
    kind, what = next(_TABLE[each] for each in type(error).__mro__ if each in _TABLE)
    if kind is NotConnectedError:
        seen = NOTHING
    elif seen == NOTHING:
        kind = NotConnectedError
    what = reason(error) or what
    return kind(f"{origin}: {what} ({type(error).__name__} of aiohttp).", evidence=seen)
