"""The transport urllib3: the least work per call for programs that block.

urllib3's connections are used without its pools: nothing is tried again, no redirect is followed,
no cookie kept, no environment read, no header added, nothing unpacked. Nothing of urllib3 or
http.client leaves this package, their exceptions included: their text may quote a header, so only
the class name is kept.

Why not requests: it sends through urllib3 too, and costs about twice as much for each call.
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Final

from urllib3 import exceptions
from urllib3.util import Url, parse_url

from billingual.abc import Backend
from billingual.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._address import checked
from billingual.transports._failures import reason
from billingual.transports._lane_transport import LaneTransport
from billingual.transports._urllib3_lanes import Urllib3Lane
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["Urllib3Transport"]

# Where a connection stood, the evidence is what was seen on its socket.
_TABLE: Final[dict[type[Exception], tuple[type[TransportError], str]]] = {
    exceptions.NameResolutionError: (NotConnectedError, "the host was not found"),
    exceptions.NewConnectionError: (NotConnectedError, "no connection could be made"),
    exceptions.ConnectTimeoutError: (NotConnectedError, "no connection stood in time"),
    exceptions.ProxyError: (NotConnectedError, "the proxy refused the connection"),
    exceptions.ReadTimeoutError: (TimedOutError, "no answer came in time"),
    exceptions.ProtocolError: (ConnectionLostError, "the answer broke off"),
    exceptions.HTTPError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no answer came in time"),
    OSError: (ConnectionLostError, "the connection broke"),
    HTTPException: (ConnectionLostError, "the answer is not of HTTP"),
    Exception: (ConnectionLostError, "the exchange failed"),
}


class Urllib3Transport(LaneTransport[Urllib3Lane]):
    """Send through lanes of urllib3's connections; safe to share between threads.

    An ``AsyncClient`` may use it too, each exchange then in a worker thread. Nothing is connected,
    and no TLS is set up, before the first request.
    """

    supports: Final = frozenset({"sync"})
    library: Final = "urllib3"

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ConfigurationError: if the proxy's URL cannot be used.
        """
        address = checked(request)
        return await self._carry(
            lambda lane: lane.exchange(request, address, bounds),
            lambda error, lane: _translated(address.origin, error, lane.watch.evidence()),
            secure=address.scheme == "https",
            bounds=bounds,
        )

    def _backend(self) -> Backend:
        # Whoever awaits this transport does so from worker threads, where no loop runs.
        return self._options.backend.for_threads()

    def _lane(self, *, secure: bool) -> Urllib3Lane:  # noqa: ARG002 - a lane trusts when it must
        options = self._options
        return Urllib3Lane(options, None if options.proxy is None else _proxy(options.proxy))


def _proxy(text: str) -> Url:
    try:
        proxy = parse_url(text)
        usable = proxy.scheme in {"http", "https"} and bool(proxy.hostname)
    except exceptions.LocationParseError:
        usable = False
    if usable:
        return proxy
    raise ConfigurationError(
        "the proxy's URL cannot be used; give an http:// or https:// URL, or use "
        'transport="httpx" with httpx[socks] for socks5://. It is not shown here.'
    )


def _translated(origin: str, error: Exception, seen: Evidence) -> TransportError | None:
    """Find the most specific row for an exception; what the wire saw is the evidence."""
    if not isinstance(error, (exceptions.HTTPError, HTTPException, OSError, ValueError)):
        return None
    kind, what = next(_TABLE[each] for each in type(error).__mro__ if each in _TABLE)
    if not seen.connected:
        kind = NotConnectedError
    what = reason(error) or what
    return kind(f"{origin}: {what} ({type(error).__name__} of urllib3).", evidence=seen)
