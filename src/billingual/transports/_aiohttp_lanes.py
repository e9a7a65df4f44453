"""Lanes of aiohttp: a session with one connection each, and what keeps it to one delivery."""

from __future__ import annotations

import functools
import io
from typing import Any, Final

import aiohttp
import attrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from billingual.driver import Place
from billingual.errors import ConfigurationError, TransportError
from billingual.outcome import Evidence
from billingual.protocol import TransportOptions
from billingual.transports._aiohttp_protocol import SHORTEST_S, WatchedProtocol
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING
from billingual.transports._parting import end_transport
from billingual.transports._trust import default_context, no_trust
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["AiohttpLane", "NotSentAgain"]

# aiohttp warns of larger bodies, which it writes at once; from a file it writes piece by piece.
_AT_ONCE: Final = 1024 * 1024
_NEVER_ROUND_UP: Final = 1e9
_OF_ITS_OWN: Final = CIMultiDict[None](
    dict.fromkeys(("Accept", "Accept-Encoding", "Content-Type", "User-Agent"))
)


class NotSentAgain(Exception):  # noqa: N818 - it carries an error and is none
    """Carry an exception past aiohttp, which would send a request again for most of its own.

    Attributes:
        error: the exception.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool of one connection, which is watched."""

    def __init__(self, lane: AiohttpLane, **options: Any) -> None:
        super().__init__(**options)
        self._lane = lane
        # Each makes one in the place of aiohttp's own.
        self._factory: Any = functools.partial(WatchedProtocol, lane.open, self._loop)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Connection:  # noqa: ASYNC109
        """Connect, or take the connection that is open; the watch begins when it stands."""
        connection = await super().connect(req, traces=traces, timeout=timeout)
        while (protocol := connection.protocol) is not None and _is_stale(protocol):
            connection.close()
            connection = await super().connect(req, traces=traces, timeout=timeout)
        if not isinstance(protocol, WatchedProtocol):
            connection.close()
            raise ConfigurationError(
                f"aiohttp {aiohttp.__version__} makes connections in a way that this transport "
                "does not know, and nothing was sent; install an older one, or use "
                'transport="httpx".'
            )
        self._lane.begin(protocol)
        return connection


def _is_stale(protocol: ResponseHandler) -> bool:
    return isinstance(protocol, WatchedProtocol) and protocol.is_stale()


class _Request(aiohttp.ClientRequest):
    """A request to which nothing is added: no headers, no length of no body on a DELETE."""

    GET_METHODS = aiohttp.ClientRequest.GET_METHODS | {"DELETE"}

    def update_auto_headers(self, skip_auto_headers: object) -> None:  # noqa: ARG002
        """Add none; aiohttp would come to the same after a longer look."""
        self._skip_auto_headers = _OF_ITS_OWN


@functools.lru_cache(maxsize=64)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """Limit the phase before the watch begins."""
    return aiohttp.ClientTimeout(
        connect=connect, sock_connect=connect, ceil_threshold=_NEVER_ROUND_UP
    )


async def _once(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """Send; whatever happens, aiohttp shall not send again by itself."""
    try:
        response: aiohttp.ClientResponse = await handler(request)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        failure = error
    else:
        return response
    raise NotSentAgain(failure)


class AiohttpLane:
    """One connection, or none yet, in a session of its own.

    Attributes:
        open: the connections that are open: one, but for the moment of a change.
    """

    def __init__(self, options: TransportOptions, proxy: URL | None, *, secure: bool) -> None:
        needs_roots = secure or (proxy is not None and proxy.scheme == "https")
        self.open: list[WatchedProtocol] = []
        self._bounds: Bounds | None = None
        self._watched: WatchedProtocol | None = None
        self._status: int | None = None
        self._proxy = proxy
        self._connector = _Connector(
            self,
            ssl=options.tls or (default_context() if needs_roots else no_trust()),
            # The lane is the limit; a cache of names would leave look-ups that were given up.
            limit=0,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            keepalive_timeout=options.keepalive_s,
            timeout_ceil_threshold=_NEVER_ROUND_UP,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_OF_ITS_OWN,
            auto_decompress=False,
            trust_env=False,
            request_class=_Request,
            middlewares=(_once,),
        )

    def begin(self, protocol: WatchedProtocol) -> None:
        """Begin to watch the exchange under way on *protocol*."""
        self._watched = protocol
        if self._bounds is not None:
            protocol.begin(self._bounds)

    def evidence(self) -> Evidence:
        """Say how far the exchange got; before a connection stands nothing is written."""
        if self._watched is None:
            return NOTHING
        return attrs.evolve(self._watched.evidence(), status=self._status)

    async def exchange(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        self._look_forward(bounds)
        body = request.body
        response = await self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=list(request.headers),
            data=io.BytesIO(body) if body is not None and len(body) > _AT_ONCE else body,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=_timeout(max(bounds.phase(bounds.timeouts.connect), SHORTEST_S)),
        )
        self._status = response.status
        try:
            answer = await _answer(response, bounds, complete=self.evidence().request_complete)
            if self._watched is not None:
                self._watched.rest()
            return answer
        finally:
            # Closes what was not read to its end; otherwise the connection is free already.
            response.close()

    def _look_forward(self, bounds: Bounds) -> None:
        self._bounds, self._watched, self._status = bounds, None, None

    async def aclose(self) -> None:
        """Close the connection; all that matters is done before the first wait."""
        for each in list(self.open):
            if each.below is not None:
                each.below.abort()
        await self._session.close()

    def drop(self, place: Place) -> bool:
        """Close the connection without waiting; False if there was none."""
        transports = [each.below for each in self.open if each.below is not None]
        self.open.clear()
        # Whoever closes in the regular way must wait, and on this loop nobody can.
        self._connector._conns.clear()  # noqa: SLF001
        self._session.detach()
        for each in transports:
            end_transport(each, place)
        return bool(transports)


async def _answer(
    response: aiohttp.ClientResponse, bounds: Bounds, *, complete: bool | None
) -> WireResponse:
    headers = Headers(
        (key.decode("latin-1"), value.decode("latin-1")) for key, value in response.raw_headers
    )
    failure: TransportError | None = None
    try:
        reader = BodyReader(
            headers.get("content-encoding"),
            bounds,
            status=response.status,
            request_complete=complete,
        )
        while piece := await response.content.readany():
            reader.feed(piece)
        return WireResponse(
            status=response.status,
            headers=headers,
            body=reader.finish(),
            request_complete=complete,
        )
    except TransportError as error:
        failure = error
    raise failure
