"""One connection: it connects, sends a request, receives the response, and notes how far it got.

The *evidence* of an exchange decides whether a request may be sent again, so it claims no more than
is known. Nothing was sent before there was a connection and the first byte was written. The request
is complete only once the operating system has taken all of it. A write that failed proves nothing,
because the kernel may still deliver what it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billingual.abc import ExecutionScope, TransportOptions
from billingual.errors import (
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._failures import NOTHING, reason, unwritable
from billingual.transports._request import Origin
from billingual.transports.h11.http1 import (
    BadResponseError,
    Http1,
    PreparedRequest,
    ProxyRefusedError,
)
from billingual.transports.h11.stream import Socket, Stream
from billingual.transports.tls import default_context
from billingual.wire import Bounds, Deadline, Timeouts, WireResponse

if TYPE_CHECKING:
    import ssl

    from billingual.transports.h11.proxy import Proxy

__all__ = ["Connection"]


class Connection:
    """One connection to one origin at a time, which serves one request at a time.

    Args:
        options: of the transport.
        proxy: the proxy to connect through, if any.
        secure: whether it is for addresses with TLS.
    """

    def __init__(self, options: TransportOptions, proxy: Proxy | None, *, secure: bool) -> None:
        self._options = options
        self._proxy = proxy
        self._secure = secure
        # Made before anything is sent, because a file of authorities may be missing.
        over_tls = secure or (proxy is not None and proxy.origin.scheme == "https")
        self._tls: ssl.SSLContext | None = None
        if over_tls:
            self._tls = options.tls or default_context()
        self._origin: Origin | None = None
        self._http = Http1()
        self._socket: Socket | None = None
        self._stream: Stream | None = None
        self._connected = False
        self._response_begun = False

    @property
    def is_open(self) -> bool:
        """Whether it holds a socket."""
        return self._socket is not None

    async def exchange(self, request: PreparedRequest, bounds: Bounds) -> WireResponse:
        """Send one request and receive its whole response.

        Raises:
            TransportError: if the response breaks a bound.
            Exception: where the exchange failed; `failure` translates it.
        """
        origin = request.origin
        self._response_begun = False
        if self._stream is None or self._origin != origin or self._stream.is_readable():
            # Bytes that came before a request would be taken for its response.
            await self.aclose()
            await self._connect(origin, bounds)
        http, stream, sock = self._http, self._stream, self._socket
        assert stream is not None and sock is not None  # noqa: S101, PT018 - connected above
        sock.wrote = sock.flushed = False
        pieces = http.begin(request, bounds)
        try:
            while pieces:
                await stream.send(pieces.pop(0), bounds)
        except TimeoutError:
            # A server that has seen enough may respond without reading the rest ...
            if not stream.is_readable():
                raise
        except OSError:
            # ... or close, and then its response may still be there.
            if not sock.wrote:
                raise
        # The bytes are in no variable: error reports show those of a cancelled frame.
        while not self._fed(await stream.receive(bounds)):
            pass
        response = http.finish()
        if not (sock.flushed and http.start_next()):
            await self.aclose()
        return response

    def _fed(self, data: bytes) -> bool:
        """Take received bytes; True once the response is whole."""
        self._response_begun = self._response_begun or bool(data)
        return self._http.feed(data, request_complete=self._request_taken)

    def failure(self, error: Exception, origin: Origin) -> TransportError | None:
        """Translate what `exchange` raised; None for what is not of a network.

        The text of a library may quote a header, so only the name of its class is kept.
        """
        late = isinstance(error, TimeoutError)
        kind: type[TransportError]
        if not self._connected and isinstance(error, UnicodeError):
            return unwritable("its address")
        if not isinstance(error, (OSError, BadResponseError)):
            return None
        if isinstance(error, ProxyRefusedError):
            return NotConnectedError(f"{origin.text}: {error}.", evidence=NOTHING)
        if not self._connected:
            kind = NotConnectedError
            what = "timed out while connecting" if late else "no connection could be made"
            what = reason(error) or what
        elif late:
            kind = TimedOutError
            what = (
                "no response came in time"
                if self._request_taken
                else "the server did not take the request in time"
            )
        else:
            kind = ConnectionLostError
            what = reason(error) or "the connection broke"
        if isinstance(error, BadResponseError):
            text = f"{origin.text}: {error}."  # our own words
        else:
            text = f"{origin.text}: {what} ({type(error).__name__})."
        return kind(text, evidence=self._evidence())

    async def aclose(self) -> None:
        """Close the connection."""
        sock = self._closed()
        if sock is not None:
            await sock.aclose()

    def drop(self, scope: ExecutionScope) -> bool:
        """Close it without waiting, from outside its *scope*; False if it is not open."""
        sock = self._closed()
        if sock is not None:
            sock.drop(scope)
        return sock is not None

    def _closed(self) -> Socket | None:
        """Forget the connection, and return the socket that must be closed."""
        sock, self._socket, self._stream, self._connected = self._socket, None, None, False
        self._http.close()
        return sock

    @property
    def _request_taken(self) -> bool:
        """Whether the operating system took the whole request."""
        return self._socket is not None and self._socket.flushed

    def _evidence(self) -> Evidence:
        sock = self._socket
        if not self._connected or sock is None:
            return NOTHING
        if not sock.wrote:
            return Evidence(connected=True, request_complete=False, response_begun=False)
        return Evidence(
            connected=True,
            request_complete=sock.flushed or None,
            response_begun=self._response_begun,
            status=self._http.status,
        )

    async def _connect(self, origin: Origin, bounds: Bounds) -> None:
        """Connect, through the proxy if there is one, and secure the connection if need be."""
        bounds = _one_time_for_all(bounds)
        proxy = self._proxy
        first = origin if proxy is None else proxy.origin
        sock = self._socket = await self._connect_socket(first, bounds)
        stream: Stream = sock
        if first.scheme == "https":
            stream = await self._secured(stream, first, bounds)
        if proxy is not None and self._secure:
            from billingual.transports.h11.tunnel import Tunnel  # noqa: PLC0415 - seldom needed

            tunnel = Tunnel(proxy, origin.host, _port(origin))
            await stream.send(tunnel.request(), bounds)
            while not tunnel.feed(await stream.receive(bounds)):
                pass
            stream = await self._secured(stream, origin, bounds)
        self._origin, self._http, self._stream, self._connected = origin, Http1(), stream, True

    async def _connect_socket(self, to: Origin, bounds: Bounds) -> Socket:
        # Each kind is imported where it is used: a blocking client never waits for an event loop.
        backend = self._options.backend
        if backend.blocks:
            from billingual.transports.h11 import sockets  # noqa: PLC0415 - as said

            return await sockets.connect(to.host, _port(to), bounds)
        loop = _running_loop(backend.execution_scope())
        if loop is not None:
            from billingual.transports.h11 import asyncio  # noqa: PLC0415 - as said

            return await asyncio.connect(loop, to.host, _port(to), bounds)
        from billingual.transports.h11 import trio  # noqa: PLC0415 - as said

        return await trio.connect(to.host, _port(to), bounds)

    async def _secured(self, stream: Stream, to: Origin, bounds: Bounds) -> Stream:
        # `ssl` takes as long to import as all of this package; plain HTTP does not wait for it.
        from billingual.transports.h11.tls import TlsStream  # noqa: PLC0415 - as said

        assert self._tls is not None  # noqa: S101 - made for every secure address
        secured = TlsStream(stream, self._tls, to.host)
        await secured.shake_hands(bounds)
        return secured


def _one_time_for_all(bounds: Bounds) -> Bounds:
    """Return bounds that give connecting, proxy and TLS one connect timeout together."""
    seconds, deadline = bounds.timeouts.connect, bounds.deadline
    by = min(deadline.at, deadline.now() + seconds)
    return Bounds(timeouts=Timeouts.each(seconds), deadline=Deadline(by, deadline.now))


def _port(origin: Origin) -> int:
    return origin.port or (443 if origin.scheme == "https" else 80)


def _running_loop(scope: object) -> Any:
    """Return the running event loop of asyncio's kind; None under trio."""
    loop = getattr(scope, "loop", None)
    if hasattr(loop, "create_connection"):
        return loop
    if loop is not None:
        return None
    # A backend that is not ours need not name its loop.
    import asyncio  # noqa: PLC0415 - as said

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
