"""Lanes of aiohttp: one connection each, which aiohttp makes and on which we speak ourselves.

aiohttp's connector connects: names, TLS, proxies and their tunnels. On the connection that stands
a request is written in one piece, and its parser reads the answer. Its session is left out: it
costs more than both, and would send a request again that a stale connection swallowed.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import aiohttp
import attrs
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from billingual.abc import ExecutionScope, TransportOptions
from billingual.errors import ConfigurationError, TransportError
from billingual.outcomes import Evidence
from billingual.transports._address import Origin, check_headers, parted
from billingual.transports._aiohttp_protocol import SHORTEST_S, WatchedProtocol
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, unwritable
from billingual.transports._parting import end_transport
from billingual.transports._trust import default_context, no_trust
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["AiohttpLane", "Outgoing", "Writer"]

_NEVER_ROUND_UP: Final = 1e9
# A request without a body says so, but for these: there nobody expects one.
_BODILESS: Final = aiohttp.ClientRequest.GET_METHODS | {"DELETE"}
# How a request is framed is ours to say; another word of it would let two requests be seen in one.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
# So many sets of headers are kept written; a client has a few.
_KNOWN: Final = 16
# Answers that come before the answer proper; after 101 there is none.
_BEFOREHAND: Final = frozenset({100, *range(102, 200)})
_FIRST_FINAL: Final = 200


class _Connector(aiohttp.TCPConnector):
    """aiohttp's way to a server; the connections that it makes are watched, and not its own."""

    def __init__(self, lane: AiohttpLane, *, keepalive_s: float, tls: Any) -> None:
        super().__init__(
            ssl=tls,
            # The lane is the limit; a cache of names would leave look-ups that were given up.
            limit=0,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            timeout_ceil_threshold=_NEVER_ROUND_UP,
        )
        # Each makes one in the place of aiohttp's own.
        self._factory: Any = functools.partial(WatchedProtocol, lane.open, keepalive_s, self._loop)

    async def stand(self, request: aiohttp.ClientRequest, connect_s: float) -> WatchedProtocol:
        """Connect as *request* asks for.

        Raises:
            ConfigurationError: if aiohttp makes connections in a way that is not known here.
        """
        try:
            connection = await self.connect(request, [], _timeout(connect_s))
        except TimeoutError:
            connection = None
        if connection is None:
            raise aiohttp.ConnectionTimeoutError("no connection stood in time")
        protocol = connection.protocol
        if isinstance(protocol, WatchedProtocol) and self._lets_go(connection, protocol):
            return protocol
        connection.close()
        raise _unknown()

    def _lets_go(self, connection: Connection, protocol: WatchedProtocol) -> bool:
        """Have aiohttp forget a connection: the lane alone knows when and where to close it."""
        acquired = getattr(self, "_acquired", None)
        if acquired is None:
            return False
        acquired.discard(protocol)
        connection._protocol = None  # noqa: SLF001 - as aiohttp does where it takes one over
        return connection.protocol is None


def _unknown() -> ConfigurationError:
    return ConfigurationError(
        f"aiohttp {aiohttp.__version__} makes connections in a way that this transport does not "
        'know, and nothing was sent; install an older one, or use transport="httpx".'
    )


@attrs.frozen(eq=False)
class Outgoing:
    """A request that can be written as HTTP, in the parts that a lane writes it from.

    Attributes:
        request: the request.
        origin: where it goes.
        target: path and query.
        headers: its headers, written.
        names_host: whether the host is among them.
    """

    request: WireRequest
    origin: Origin
    target: str = attrs.field(repr=False)
    headers: str = attrs.field(repr=False)
    names_host: bool


class Writer:
    """Make requests ready; a set of headers that came before is neither looked at nor written."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[str, bool]] = {}

    def write(self, request: WireRequest) -> Outgoing:
        """Make *request* ready.

        Raises:
            TransportError: if it cannot be written as HTTP; nothing of it is quoted.
        """
        try:
            known = self._known.get((request.method, *request.headers))
            origin, target = parted(request.url)
            return Outgoing(request, origin, target, *(known or self._written(request)))
        except TransportError as error:
            failure = error
        try:
            # Bare, so that no frame with the headers hangs on it.
            raise failure.with_traceback(None)
        finally:
            del failure

    def _written(self, request: WireRequest) -> tuple[str, bool]:
        check_headers(request)
        hosts = request.headers.get_all("host")
        if len(hosts) > 1:
            raise unwritable("its headers contradict each other")
        lines = [
            f"{name}: {value}\r\n"
            for name, value in request.headers
            if name.lower() not in _FRAMING
        ]
        known = "".join(lines), bool(hosts)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[(request.method, *request.headers)] = known
        return known


@functools.lru_cache(maxsize=64)
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """Limit the phase before a connection stands."""
    return aiohttp.ClientTimeout(
        connect=connect, sock_connect=connect, ceil_threshold=_NEVER_ROUND_UP
    )


class AiohttpLane:
    """One connection, or none yet.

    Attributes:
        open: the connections that are open: one, but for the moment of a change.
    """

    def __init__(self, options: TransportOptions, proxy: URL | None, *, secure: bool) -> None:
        needs_roots = secure or (proxy is not None and proxy.scheme == "https")
        self.open: list[WatchedProtocol] = []
        self._proxy = proxy
        self._by_proxy = proxy is not None and not secure
        self._connector = _Connector(
            self,
            keepalive_s=options.keepalive_s,
            tls=options.tls or (default_context() if needs_roots else no_trust()),
        )
        self._protocol: WatchedProtocol | None = None
        self._origin = self._prefix = ""
        self._host = self._credentials = ""
        self._status: int | None = None

    def evidence(self) -> Evidence:
        """Say how far the exchange got; before a connection stands nothing is written."""
        if self._protocol is None:
            return NOTHING
        return attrs.evolve(self._protocol.evidence(), status=self._status)

    async def exchange(self, outgoing: Outgoing, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer.

        Raises:
            ConfigurationError: if aiohttp makes connections in a way that is not known here.
        """
        self._status = None
        request, origin = outgoing.request, outgoing.origin.text
        protocol = self._protocol
        if protocol is None or origin != self._origin or not protocol.is_fit():
            protocol = await self._connect(origin, bounds)
        without_body = request.method == "HEAD"
        protocol.begin(bounds, self._head(outgoing), request.body, without_body=without_body)
        while True:
            message, payload = await protocol.read()
            if message.code not in _BEFOREHAND:
                break
            protocol.wait_for_more()
        if message.code < _FIRST_FINAL:
            raise HttpProcessingError(code=message.code, message="this is no answer")
        status = self._status = message.code
        complete = protocol.is_sent() or None
        coding = message.headers.get("Content-Encoding")
        headers = _headers(message)
        # Tracebacks may show variables, and this one shows its cookies.
        del message
        body = payload.read_nowait() if payload.is_eof() else None
        if body is None or not _is_plain(body, coding, bounds):
            reader = BodyReader(coding, bounds, status=status, request_complete=complete)
            body = await _read(body, payload, reader)
        if not protocol.rest():
            self._part()
        return WireResponse(status=status, headers=headers, body=body, request_complete=complete)

    async def aclose(self) -> None:
        """Close the connection; all that matters is done before the first wait."""
        self._part()
        for each in list(self.open):
            each.end()
        await self._connector.close()

    def drop(self, place: ExecutionScope) -> bool:
        """Close the connection without waiting; False if there was none."""
        transports = [each.below for each in self.open if each.below is not None]
        self.open.clear()
        self._protocol = None
        for each in transports:
            end_transport(each, place)
        return bool(transports)

    async def _connect(self, origin: str, bounds: Bounds) -> WatchedProtocol:
        """Make a connection in the place of the one there was."""
        self._part()
        asked = aiohttp.ClientRequest("GET", URL(f"{origin}/", encoded=True), proxy=self._proxy)
        seconds = max(bounds.phase(bounds.timeouts.connect), SHORTEST_S)
        protocol = await self._connector.stand(asked, seconds)
        # One under it, which a tunnel was made through, is told nothing any more.
        self.open[:] = [protocol]
        self._protocol, self._origin = protocol, origin
        # A proxy that makes no tunnel is told where to go on to.
        self._prefix = origin if self._by_proxy else ""
        self._host, self._credentials = (
            f"{name}: {asked.headers[name]}\r\n" if name in asked.headers else ""
            for name in ("Host", "Proxy-Authorization")
        )
        return protocol

    def _part(self) -> None:
        """Close the connection there was."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.end()

    def _head(self, outgoing: Outgoing) -> bytes:
        """Write the request's head; nothing is added to it but the host and the length."""
        method, body = outgoing.request.method, outgoing.request.body
        if body is not None:
            length = f"Content-Length: {len(body)}\r\n"
        else:
            length = "" if method in _BODILESS else "Content-Length: 0\r\n"
        host = "" if outgoing.names_host else self._host
        head = (
            f"{method} {self._prefix}{outgoing.target} HTTP/1.1\r\n"
            f"{host}{self._credentials}{outgoing.headers}{length}\r\n"
        )
        return head.encode("ascii")


def _is_plain(body: bytes, coding: str | None, bounds: Bounds) -> bool:
    """Tell whether a body that came at once is within all bounds as it is, and in time."""
    size = len(body)
    return (
        coding is None
        and size <= bounds.wire_bytes
        and size <= bounds.body_bytes
        and bounds.deadline.left() > 0
    )


async def _read(piece: bytes | None, payload: aiohttp.StreamReader, reader: BodyReader) -> bytes:
    """Read a body to its end; *piece* is all of it, if it is there already."""
    if piece is None:
        while piece := await payload.readany():
            reader.feed(piece)
    elif piece:
        reader.feed(piece)
    return reader.finish()


def _headers(message: Any) -> Headers:
    return Headers(
        [(str(name, "latin-1"), str(value, "latin-1")) for name, value in message.raw_headers]
    )
