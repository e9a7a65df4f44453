"""The transport aiohttp: the fastest under many calls at once; for asyncio alone.

aiohttp's session is stripped of what it does by itself: it follows no redirect, keeps no cookie,
reads no environment, adds no header, unpacks nothing, and sends nothing twice (it would send again
what a stale connection swallowed, a PUT too). Nothing of aiohttp leaves this package, its
exceptions included: they hold the request's headers, so only their class name is kept.
"""

from __future__ import annotations

import functools
from typing import Final

import aiohttp
from yarl import URL

from billingual.errors import (
    BillingualError,
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcome import Evidence
from billingual.protocol import Account, TransportOptions
from billingual.transports._address import checked
from billingual.transports._aiohttp_lanes import AiohttpLane, NotSentAgain
from billingual.transports._failures import NOTHING, reason
from billingual.transports._lanes import Lanes, Stack
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["AiohttpTransport"]

_Failure = tuple[type[TransportError], Evidence, str]

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
    aiohttp.ClientPayloadError: (ConnectionLostError, "the answer broke off"),
    aiohttp.ServerDisconnectedError: (ConnectionLostError, "the server closed the connection"),
    aiohttp.ClientOSError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientConnectionResetError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no answer came in time"),
    Exception: (ConnectionLostError, "the exchange failed"),
}


class AiohttpTransport:
    """Send through lanes of aiohttp; safe to share between tasks. It needs asyncio, or uvloop.

    Nothing is connected, and no TLS is set up, before the first request.
    """

    colours: Final = frozenset({"async"})
    library: Final = "aiohttp"
    http2: Final = False

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._lanes: dict[bool, Lanes[AiohttpLane]] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`.

        Raises:
            ConfigurationError: if another event loop than asyncio's runs, or the proxy's URL
                cannot be used.
        """
        address = checked(request)
        lanes = self._lanes_for(secure=address.scheme == "https")
        taken = await lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy.", evidence=NOTHING
            )
        failure = await self._exchange(lanes, *taken, request, bounds)
        if isinstance(failure, WireResponse):
            return failure
        if isinstance(failure, BillingualError):
            raise failure.with_traceback(None)
        kind, evidence, what = failure
        # Raised out here, so that no frame of aiohttp, with its headers, hangs on the error.
        raise kind(f"{address.origin}: {what}.", evidence=evidence)

    async def aclose(self) -> None:
        """Give up all connections of this process and loop."""
        for lanes in self._lanes.values():
            await lanes.aclose()

    def drop(self) -> int:
        """Close all idle connections without waiting; return how many there were."""
        return sum(lanes.drop() for lanes in self._lanes.values())

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def _exchange(
        self,
        lanes: Lanes[AiohttpLane],
        stack: Stack[AiohttpLane],
        lane: AiohttpLane,
        request: WireRequest,
        bounds: Bounds,
    ) -> WireResponse | BillingualError | _Failure:
        """Use the lane once; it goes back only if all went well."""
        failure: BillingualError | _Failure
        try:
            response = await lane.exchange(request, bounds)
        except NotSentAgain as carrier:
            failure = _translated(carrier.error, lane.evidence())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _translated(error, lane.evidence())
        except BillingualError as error:
            failure = error
        except BaseException:
            # Cancelled or interrupted: whatever state the lane is in, nobody meets it again.
            await lanes.scrap(stack, lane)
            raise
        else:
            await lanes.give(stack, lane)
            return response
        await lanes.scrap(stack, lane)
        return failure

    def _lanes_for(self, *, secure: bool) -> Lanes[AiohttpLane]:
        lanes = self._lanes.get(secure)
        if lanes is None:
            options = self._options
            made = Lanes(
                functools.partial(_lane, options, secure=secure),
                options.driver,
                limit=options.connections,
                keepalive_s=options.keepalive_s,
            )
            lanes = self._lanes.setdefault(secure, made)
        return lanes


def _lane(options: TransportOptions, *, secure: bool) -> AiohttpLane:
    proxy = None if options.proxy is None else _proxy(options.proxy)
    try:
        return AiohttpLane(options, proxy, secure=secure)
    except RuntimeError:
        pass  # no event loop of asyncio's
    raise ConfigurationError(
        "the transport aiohttp only works on asyncio, and another event loop runs here; "
        'use transport="httpx", which works on trio too.'
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


def _translated(error: Exception, seen: Evidence) -> _Failure:
    """Find the most specific row for an exception; what the wire saw is the evidence."""
    kind, what = next(_TABLE[each] for each in type(error).__mro__ if each in _TABLE)
    if kind is NotConnectedError:
        seen = NOTHING
    elif seen == NOTHING:
        kind = NotConnectedError
    return kind, seen, f"{reason(error) or what} ({type(error).__name__} of aiohttp)"
