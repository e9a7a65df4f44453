"""Lanes of urllib3: one connection each, whose socket is watched.

Connections are used without urllib3's pools and their retries: so it is known, not guessed from
an exception, whether a connection stood and how far the request got.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Final
from urllib.parse import unquote

import attrs
from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.response import HTTPResponse
from urllib3.util import SKIP_HEADER, Url, make_headers

from billingual.abc import ExecutionScope, TransportOptions
from billingual.errors import ConnectionLostError
from billingual.transports._address import Address
from billingual.transports._body import ANSWER_BEGUN, BodyReader
from billingual.transports._failures import too_late
from billingual.transports._trust import default_context
from billingual.transports._urllib3_socket import WatchedSocket
from billingual.transports._watch import Watch
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Urllib3Lane"]

_PIECE: Final = 65_536
_SHORTEST_S: Final = 0.001
_BODILESS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})


class _Answer(http.client.HTTPResponse):
    """http.client passes over 100 alone; 103 and its like would stand for the answer."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, phrase = super()._read_status()  # type: ignore[misc]  # not in the stubs
        interim = 100 < status < 200 and status != 101
        return version, 100 if interim else status, phrase


@attrs.define(eq=False)
class Urllib3Lane:
    """One connection, or none yet.

    Attributes:
        options: what the transport was made with.
        proxy: where to connect instead, if anywhere.
        watch: what was seen of the exchange under way.
    """

    options: TransportOptions
    proxy: Url | None = attrs.field(repr=False)
    watch: Watch = attrs.field(factory=lambda: Watch(too_late=TimeoutError))
    _connection: HTTPConnection | None = None
    _origin: tuple[str, str, int | None] | None = None
    _idle_since: float = 0.0

    async def exchange(
        self, request: WireRequest, address: Address, bounds: Bounds
    ) -> WireResponse:
        """Send one request and read its whole answer; this blocks the thread."""
        self.watch.begin(bounds.deadline)
        connection = self._connected(address, bounds)
        if bounds.deadline.left() <= 0:
            raise too_late()
        connection.request(
            request.method,
            self._target(address),
            body=request.body,
            headers=self._headers(request, address),
            preload_content=False,
            decode_content=False,
        )
        response = connection.getresponse()
        try:
            answer = self._read(response, bounds)
        finally:
            response.close()
        watched = connection.sock
        if (
            answer.status == 101  # whatever the server speaks there now, we did not ask for it
            or ("content-length" in response.headers and "transfer-encoding" in response.headers)
            or (isinstance(watched, WatchedSocket) and watched.holds_surplus())
        ):
            self._close()
        self._idle_since = self.options.backend.now()
        return answer

    async def aclose(self) -> None:
        """Close the connection."""
        self._close()

    def drop(self, place: ExecutionScope) -> bool:  # noqa: ARG002 - a thread is no place
        """Close the connection; False if there was none."""
        return self._close()

    def _close(self) -> bool:
        connection, self._connection = self._connection, None
        self.watch.connected = False
        is_open = connection is not None and not connection.is_closed
        if connection is not None:
            connection.close()
        return is_open

    def _connected(self, address: Address, bounds: Bounds) -> HTTPConnection:
        """Return the open connection, if it is of use, or connect."""
        origin = (address.scheme, address.host, address.port)
        connection = self._connection
        if connection is not None:
            age = self.options.backend.now() - self._idle_since
            fresh = age <= self.options.keepalive_s and connection.is_connected
            if fresh and origin == self._origin:
                self._rule(connection, bounds)
                return connection
            self._close()
        self._origin = origin
        connection = self._connection = self._made(*origin)
        connection.response_class = _Answer
        connection.timeout = max(bounds.phase(bounds.timeouts.connect), _SHORTEST_S)
        connection.connect()
        self.watch.connected = True
        self._rule(connection, bounds)
        return connection

    def _rule(self, connection: HTTPConnection, bounds: Bounds) -> None:
        """Have the socket watched, and held to these bounds."""
        watched = connection.sock
        if not isinstance(watched, WatchedSocket):
            watched = WatchedSocket(watched, self.watch)
            connection.sock = watched
        watched.timeouts = bounds.timeouts

    def _made(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        proxy = self.proxy
        if proxy is None:
            if scheme == "http":
                return HTTPConnection(host, port)
            return HTTPSConnection(host, port, ssl_context=self._trust())
        over_tls = proxy.scheme == "https"
        at, door = str(proxy.hostname), proxy.port or (443 if over_tls else 80)
        if scheme == "http" and not over_tls:
            return HTTPConnection(at, door, proxy=proxy)
        context = self._trust()
        rules = ProxyConfig(context, False, None, None)
        made = HTTPSConnection(at, door, ssl_context=context, proxy=proxy, proxy_config=rules)
        if scheme == "https":
            made.set_tunnel(host, port or 443, _credentials(proxy), proxy.scheme or "http")
        return made

    def _trust(self) -> ssl.SSLContext:
        return self.options.tls or default_context()

    def _target(self, address: Address) -> str:
        if self.proxy is None or address.scheme == "https":
            return address.target
        return f"{address.origin}{address.target}"

    def _headers(self, request: WireRequest, address: Address) -> HTTPHeaderDict:
        headers = HTTPHeaderDict(request.headers)
        body = request.body
        if body is not None or request.method not in _BODILESS:
            headers["Content-Length"] = str(len(body or b""))
        for name in ("Accept-Encoding", "User-Agent"):
            headers.setdefault(name, SKIP_HEADER)
        if self.proxy is not None and address.scheme == "http":
            headers.extend(_credentials(self.proxy))
        return headers

    def _read(self, response: HTTPResponse, bounds: Bounds) -> WireResponse:
        """Read the answer to its end; http.client takes the end of a connection for one."""
        self._check_not_ended("headers were")
        headers = Headers(response.headers.items())
        status = self.watch.status = response.status
        complete = self.watch.request_complete()
        reader = BodyReader(
            headers.get("content-encoding"), bounds, status=status, request_complete=complete
        )
        while piece := response.read1(_PIECE, decode_content=False):
            reader.feed(piece)
        if response.chunked:
            self._check_not_ended("last chunk was")
        return WireResponse(
            status=response.status,
            headers=headers,
            body=reader.finish(),
            request_complete=complete,
        )

    def _check_not_ended(self, part: str) -> None:
        if self.watch.ended:
            raise ConnectionLostError(
                f"the connection broke before the answer's {part} whole.", evidence=ANSWER_BEGUN
            )


def _credentials(proxy: Url) -> dict[str, str]:
    if proxy.auth is None:
        return {}
    headers = make_headers(proxy_basic_auth=unquote(proxy.auth))
    return {"Proxy-Authorization": headers["proxy-authorization"]}
