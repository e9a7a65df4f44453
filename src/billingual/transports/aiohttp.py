"""The transport ``aiohttp``: through the library's own ``ClientSession``; it needs asyncio.

Every request goes through ``ClientSession.request``. So a mock, a cassette or an instrumentation of
the library is asked as in any other program: each of them replaces ``ClientSession._request``,
which ``request`` calls, or changes how sessions are made. Redirects, cookies, the environment,
added headers and unpacking are switched off.

There is one session for each connection, in a pool of ours: a connection whose request failed or
was cancelled is closed whole, and closing, forks and event loops are as on the other transports.

Between the socket and aiohttp is a protocol of ours. While a connection is idle, whatever comes
closes it, because aiohttp would return it for the next request. During a request it keeps time: one
timer of the connection, which is set anew at most once in its own time, where aiohttp would set and
cancel three for each request. So aiohttp only times how long connecting takes.

The evidence is what aiohttp's exceptions prove. A ``TraceConfig`` would tell little more, and costs
a sixth of a call.

What the public API cannot keep:

- A body without a length ends where the connection ends, and aiohttp does not tell whether the
  server closed it or it broke.
- Before the head of a response is whole, aiohttp tells neither whether it has begun nor how much of
  the request was sent. The evidence then says that it cannot tell.

Choose the transport ``h11`` where these matter.
"""

from __future__ import annotations

import asyncio
import functools
import io
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import unquote

import aiohttp
import attrs
from multidict import CIMultiDict
from yarl import URL

from billingual.abc import Account, ExecutionScope, TransportOptions
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, UNSENT, reason, told, too_late
from billingual.transports._pool import PooledTransport, forget_frames
from billingual.transports._readable import Readable
from billingual.transports._request import check_headers, parted
from billingual.transports.tls import default_context, no_trust
from billingual.wire import Bounds, Headers, Timeouts, WireRequest, WireResponse

__all__ = ["AiohttpTransport", "SessionTransport"]

# The most specific class in an error's ancestry wins. The library's own text may quote a header,
# so only the name of the class is kept.
_ERRORS: Final[dict[type[Exception], tuple[type[TransportError], str]]] = {
    aiohttp.ClientConnectorError: (NotConnectedError, "no connection could be made"),
    aiohttp.ClientConnectorDNSError: (NotConnectedError, "the host was not found"),
    aiohttp.ClientConnectorCertificateError: (NotConnectedError, "a certificate was refused"),
    aiohttp.ClientSSLError: (NotConnectedError, "no secure connection could be made"),
    aiohttp.ClientProxyConnectionError: (NotConnectedError, "the proxy cannot be reached"),
    aiohttp.ClientHttpProxyError: (NotConnectedError, "the proxy refused the connection"),
    aiohttp.ConnectionTimeoutError: (NotConnectedError, "timed out while connecting"),
    aiohttp.SocketTimeoutError: (TimedOutError, "no response came in time"),
    aiohttp.ServerTimeoutError: (TimedOutError, "no response came in time"),
    aiohttp.ClientResponseError: (ConnectionLostError, "the response is not HTTP"),
    aiohttp.ClientPayloadError: (ConnectionLostError, "the response broke off"),
    aiohttp.ServerDisconnectedError: (ConnectionLostError, "the server closed the connection"),
    aiohttp.ClientOSError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientConnectionResetError: (ConnectionLostError, "the connection broke"),
    aiohttp.ClientError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no whole response came in time"),
    OSError: (ConnectionLostError, "the connection broke"),
    Exception: (ConnectionLostError, "the exchange failed"),
}
_NOT_SENT_AGAIN: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ConnectionTimeoutError,
)

# By itself aiohttp rounds a longer timeout up to whole seconds.
_NEVER_ROUND_UP: Final = 1e9
# If connecting takes all the time there is, its own timeout is the first to end: only that one
# proves that nothing was sent.
_LATER_S: Final = 0.001
# No event loop sets a timer for longer.
_LONGEST_S: Final = 1e6
_UNTIMED: Final = aiohttp.ClientTimeout()
_NO_HEADERS: Final[CIMultiDict[str]] = CIMultiDict()
# aiohttp refuses header lines above 8,190 bytes, and more than 128 of them; proxies let them pass.
_HEAD: Final[dict[str, Any]] = {
    "max_line_size": 65_536,
    "max_field_size": 65_536,
    "max_headers": 1_000,
}
# aiohttp adds these where a request lacks them; what a request says is for its dialect to decide.
_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
# aiohttp tells the length. A second word about it could hide another request in this one.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
# Up to this size aiohttp hands head and body to the event loop in one piece, so a response proves
# that the request was sent whole.
_ONE_PIECE: Final = 65_536
_FIRST_FINAL: Final = 200
# The size of the buffer that a connection receives into. Without one, asyncio asks the system for
# 256 KiB of memory for each piece, and gives nearly all of it back.
_READ_AT_ONCE: Final = 65_536
# So many sets of headers are remembered; a client has a few.
_KNOWN: Final = 16
_Known: TypeAlias = tuple[CIMultiDict[str], dict[str, Any], Headers]
# An event loop takes so many turns at most to close a connection that was shut down.
_TURNS: Final = 10


class _Watch(asyncio.BufferedProtocol):
    """Receive for aiohttp, which would keep bytes that come before a request.

    Attributes:
        transport: of the connection.
        idle: whether no request is under way; then whatever comes closes the connection.
        last: the bytes that came last.
        late: whether a timeout or the deadline closed the connection during a request.
        ended: whether the server ended the connection in order.
    """

    # Of the request under way, or of the last.
    _timeouts: Timeouts
    _ends_at: float
    _moved_at: float

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.idle: bool = False
        self.last: bytes = b""
        self.late: bool = False
        self.ended: bool = False
        self._buffer = memoryview(bytearray(_READ_AT_ONCE))
        self._protocol: Any = transport.get_protocol()
        self._readable = Readable(transport.get_extra_info("socket").fileno())
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float = 0.0
        # How much of a request is held back because the server does not take it; None if nothing.
        self._unsent: int | None = None
        transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.idle:
            self.transport.abort()
            return
        data = self.last = bytes(self._buffer[:nbytes])
        self._moved_at = self._loop.time()
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        ended: bool | None = self._protocol.eof_received()
        return ended

    def connection_lost(self, exc: Exception | None) -> None:
        # aiohttp's protocol holds the error that it raised, whose frames hold this.
        protocol, self._protocol = self._protocol, asyncio.Protocol()
        self.ended = exc is None
        self._cancel_timer()
        protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._moved()
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._unsent = None
        self._moved()
        self._protocol.resume_writing()

    def close_if_dirty(self) -> None:
        """Close the connection, before a request, if anything came that was not yet read."""
        if self.idle and not self.transport.is_closing() and self._readable.now():
            self.transport.abort()

    def begin(self, timeouts: Timeouts, ends_at: float) -> None:
        """Close the connection when the request that begins now takes too long.

        Args:
            timeouts: for each piece of the request and of the response.
            ends_at: the deadline, on the clock of the event loop.
        """
        self.idle = False
        self._timeouts, self._ends_at = timeouts, ends_at
        now = self._moved_at = self._loop.time()
        # A timer that is set for an earlier time finds out then that it has to wait longer.
        if self._timer is None or min(now + timeouts.read, ends_at) < self._timer_at:
            self._cancel_timer()
            self._set_timer(self._due())

    def _moved(self) -> None:
        """Note that the request or the response went on: the next piece has all of its time."""
        if self.idle:
            return
        self._moved_at = self._loop.time()
        due = self._due()
        if self._timer is None or due < self._timer_at:  # As above.
            self._cancel_timer()
            self._set_timer(due)

    def _due(self) -> float:
        timeouts = self._timeouts
        due = self._moved_at + (timeouts.read if self._unsent is None else timeouts.write)
        return due if due < self._ends_at else self._ends_at  # noqa: FURB136 - min() takes longer

    def _set_timer(self, at: float) -> None:
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if self.idle or self.transport.is_closing():
            return
        now = self._loop.time()
        if self._unsent is not None and now < self._ends_at:
            unsent = self.transport.get_write_buffer_size()
            if unsent < self._unsent:
                # The server takes the request, if slowly.
                self._unsent, self._moved_at = unsent, now
        due = self._due()
        if now < due:
            self._set_timer(due)
        else:
            self.late = True
            self.transport.abort()

    def end(self, tail: bytes) -> None:
        """Be idle from now on; close the connection if more came than a response.

        aiohttp looks for another whole head only. It forgets the beginning of one, and would read
        what follows as the next response.

        Args:
            tail: how the response ended; an end of the connection's last bytes unless more came.
        """
        self.idle = True
        if not (self.last.endswith(tail) or tail.endswith(self.last)):
            self.transport.abort()
        self.last = b""


class _Connector(aiohttp.TCPConnector):
    """A connector of one connection, which is watched.

    Args:
        watched: has the watch, because a closed session lets go of its connector.
        options: of aiohttp's connector.
    """

    def __init__(self, watched: _Connection, **options: Any) -> None:
        super().__init__(**options)
        self.watched = watched

    async def connect(self, *args: Any, **options: Any) -> Any:
        """Return the connection if it can be used again, or make another one.

        Raises:
            _BrokenError: if aiohttp asks twice for one request: it would send it again, and has no
                public option against that.
        """
        watched, watch = self.watched, self.watched.watch
        if watched.asked:
            raise watched.broken()
        watched.asked = True
        if watch is not None:
            watch.close_if_dirty()
        try:
            connection = await super().connect(*args, **options)
        except aiohttp.ServerDisconnectedError:
            watched.ended = True
            raise
        transport = connection.transport
        if transport is not None:
            if watch is None or watch.transport is not transport:
                watch = watched.watch = _Watch(transport)
            watch.begin(watched.timeouts, watched.ends_at)
        return connection


class _Connection:
    """A session of one connection, which it makes for its first request.

    Attributes:
        watch: watches the connection, once there is one.
        timeouts: of the request under way, or of the last.
        ends_at: its deadline, on the clock of the event loop.
        asked: whether aiohttp asked for the connection for the request under way.
        ended: whether a proxy ended it in order before it was made.

    Raises:
        ConfigurationError: if no event loop of asyncio runs.
    """

    waits_to_close: Final = True
    timeouts: Timeouts
    ends_at: float

    def __init__(self, options: TransportOptions, proxy: URL | None, *, secure: bool) -> None:
        self._keepalive_s = options.keepalive_s
        needs_roots = secure or (proxy is not None and proxy.scheme == "https")
        self._tls = options.tls or (default_context() if needs_roots else no_trust())
        self.watch: _Watch | None = None
        self.asked: bool = False
        self.ended: bool = False
        self._origin = ""
        self._sockets: list[socket.socket] = []
        try:
            self._loop = asyncio.get_running_loop()
            self._session = self._opened()
        except RuntimeError:
            pass
        else:
            return
        raise ConfigurationError(
            "the transport aiohttp only works on asyncio, and another event loop runs here; "
            'use transport="httpx", which works on trio too.'
        )

    async def exchange(self, delivery: _Delivery) -> WireResponse:
        """Send a request and read its response.

        Raises:
            TimedOutError: if time was up while a response without a length came in: to aiohttp it
                is whole wherever its connection ends.
        """
        if delivery.origin != self._origin:
            if self._origin:
                # The session would keep the connection to the other host too.
                await self.aclose()
                self._session = self._opened()
            self._origin = delivery.origin
        timeouts, left_s = delivery.bounds.timeouts, delivery.bounds.deadline.left()
        if left_s <= 0:
            # aiohttp takes a timeout of 0 for none.
            raise too_late()
        delivery.timeout = _connecting(min(timeouts.connect, left_s))
        self.timeouts, self.asked = timeouts, False
        self.ends_at = self._loop.time() + min(left_s, _LONGEST_S)
        try:
            response = await delivery.over(self._session)
        except asyncio.CancelledError as error:
            # aiohttp's frames hold the headers, and a report of a task's end may show variables.
            forget_frames(error)
            raise
        if self.watch is not None:
            if self.watch.late:
                raise delivery.late()
            self.watch.end(delivery.tail)
        return response

    def translated(self, error: Exception, delivery: _Delivery) -> TransportError | None:
        """Return our error for what the session raised; None for a foreign one."""
        if self.watch is not None and self.watch.late:
            return delivery.late()
        return delivery.translated(error, delivery.evidence(), "aiohttp")

    def broken(self) -> _BrokenError:
        """Return the error that broke the connection, in a class that is not sent again for."""
        ended = self.ended or (self.watch is not None and self.watch.ended)
        return _BrokenError(aiohttp.ServerDisconnectedError() if ended else aiohttp.ClientOSError())

    def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                self,
                # The pool is the limit; a cache of names would leave look-ups that were given up.
                limit=0,
                use_dns_cache=False,
                resolver=aiohttp.ThreadedResolver(),
                keepalive_timeout=self._keepalive_s,
                socket_factory=self._socket,
                timeout_ceil_threshold=_NEVER_ROUND_UP,
                ssl=self._tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            **_HEAD,
        )

    async def aclose(self) -> None:
        """Close the session and its connection."""
        await self._session.close()
        self._shut_down()
        for _ in range(_TURNS):
            if all(each.fileno() < 0 for each in self._sockets):
                break
            await asyncio.sleep(0)

    def drop(self, scope: ExecutionScope) -> bool:
        """Close the session without waiting; False if it was not open."""
        was_open = bool(self._origin) and not self._session.closed
        if not scope.call_soon(self._close_now):
            # The event loop is closed, so nothing is left to wait for.
            self._close_now()
        return was_open

    def _close_now(self) -> None:
        # All is closed before it first waits; then it waits for the sockets to say so.
        closing = self._session.close()
        with suppress(StopIteration):
            closing.send(None)
        closing.close()
        self._shut_down()

    def _socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._sockets = [each for each in self._sockets if each.fileno() >= 0]
        self._sockets.append(made)
        return made

    def _shut_down(self) -> None:
        """End what aiohttp leaves half open.

        After a cancellation over TLS it waits, for 30 seconds and out of our sight, for the server
        to end TLS as well. And nothing can close a connection of an event loop that has ended.
        """
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Delivery:
    """One request through one session, ours or the user's.

    Attributes:
        request: the request.
        bounds: of the attempt.
        headers: the request's, but those that aiohttp writes itself.
        options: how to send it.
        timeout: aiohttp's timeouts.
        status: the HTTP status, once a head arrived.
        data: its body, as aiohttp is given it.
        tail: how the response ended, as it was on the wire.
        tracker: tells of a large body whether all of it was handed over.
        origin: where it goes, for errors.
        secure: whether that needs TLS.
    """

    __slots__ = (
        "bounds", "data", "headers", "options", "origin", "request", "secure", "status", "tail",
        "timeout", "tracker",
    )  # fmt: skip

    def __init__(self, request: WireRequest, bounds: Bounds, *, checked: bool = False) -> None:
        if not checked:
            check_headers(request)
        origin = parted(request.url)[0]
        self.request = request
        self.bounds = bounds
        self.origin = origin.text
        self.secure = origin.scheme == "https"
        self.headers: CIMultiDict[str] = _NO_HEADERS
        self.options: Mapping[str, Any] = {}
        self.timeout: aiohttp.ClientTimeout = _UNTIMED
        self.status: int | None = None
        self.data: Any = request.body
        self.tail: bytes = b""
        self.tracker: aiohttp.UploadTracker | None = None
        if request.body is not None and len(request.body) > _ONE_PIECE:
            self.data = io.BytesIO(request.body)
            self.tracker = aiohttp.UploadTracker()

    async def over(self, session: aiohttp.ClientSession) -> WireResponse:
        """Send through *session* and read the response to its end, under all bounds."""
        request = self.request
        if self.tracker is not None:
            self.options = {**self.options, "upload_tracker": self.tracker}
        sending = session.request(
            request.method,
            URL(request.url, encoded=True),
            data=self.data,
            # A copy: tools that trace requests may add to it.
            headers=self.headers.copy(),
            timeout=self.timeout,
            **self.options,
        )
        response = await sending.__aenter__()
        try:
            read = await self._read(response)
        except BaseException as error:
            await sending.__aexit__(type(error), error, error.__traceback__)
            raise
        # aiohttp lets go of a response that is read to its end. To leave the context does that once
        # more, at a thirtieth of the cost of a call, and waits for the task that sends a body.
        if request.body is not None or not response.closed:
            await sending.__aexit__(None, None, None)
        return read

    async def _read(self, response: aiohttp.ClientResponse) -> WireResponse:
        status = self.status = response.status
        if status < _FIRST_FINAL:
            raise ConnectionLostError(f"unexpected status {status}.", evidence=self.evidence())
        complete = True if self.tracker is None else self._complete()
        headers = _headers(response)
        coding = None
        if "Content-Encoding" in response.headers:
            coding = ", ".join(headers.get_all("content-encoding"))
        content: Any = response.content
        body = first = piece = b""
        if isinstance(content, aiohttp.StreamReader):
            body = first = piece = await content.readany()
            is_whole = content.at_eof() and content.exception() is None
            if coding or not (is_whole and self.bounds.allow(len(body))):
                reader = BodyReader(
                    coding,
                    self.bounds,
                    status=status,
                    headers=headers,
                    request_complete=complete,
                )
                reader.feed(first)
                while not content.at_eof():
                    piece = await content.readany()
                    reader.feed(piece)
                if (error := content.exception()) is not None:
                    raise error
                body = reader.finish()
        # A head ends so, and a last chunk.
        is_framed = not first or "Transfer-Encoding" in response.headers
        self.tail = b"\r\n\r\n" if is_framed else piece
        if not body and (ready := await response.read()):
            # A mock's response has what `read` returns, unpacked, and often nothing else.
            reader = BodyReader(None, self.bounds, status=status, headers=headers)
            reader.feed(ready)
            body = reader.finish()
        return WireResponse(status=status, headers=headers, body=body, request_complete=complete)

    def late(self) -> TimedOutError:
        """Return the error for a response that did not come, or not wholly, in time."""
        what = "no response" if self.status is None else "no whole response"
        return TimedOutError(f"{self.origin}: {what} came in time.", evidence=self.evidence())

    def evidence(self) -> Evidence:
        """Say what is proved once there was a connection."""
        if self.status is None:
            return Evidence(connected=True)
        return Evidence(
            connected=True,
            request_complete=self._complete(),
            response_begun=True,
            status=self.status,
        )

    def translated(self, error: Exception, seen: Evidence, library: str) -> TransportError | None:
        """Return our error for one of aiohttp's; None for a foreign one.

        Args:
            error: what came out of the session.
            seen: what is proved, unless *error* proves that there was no connection.
            library: what to call the session in the error.
        """
        if isinstance(error, _BrokenError):
            error = error.error
        if _is_unwritable(error) and self.status is None:
            return TransportError(
                f"{self.origin}: the request cannot be written as HTTP "
                f"({type(error).__name__} of {library}).",
                evidence=UNSENT,
            )
        if not isinstance(error, (aiohttp.ClientError, OSError)):
            return None
        kind, what = next(_ERRORS[each] for each in type(error).__mro__ if each in _ERRORS)
        if kind is NotConnectedError:
            seen = NOTHING
        elif isinstance(error, aiohttp.ClientResponseError):
            seen = attrs.evolve(seen, response_begun=True)
        what, source = reason(error) or what, f"{type(error).__name__} of {library}"
        # aioresponses raises it for a request that meets no route; aiohttp itself hardly ever.
        if type(error) is aiohttp.ClientConnectionError:
            source = f"{source}: {told(error, self.request)}"
        return kind(f"{self.origin}: {what} ({source}).", evidence=seen)

    def _complete(self) -> bool | None:
        """Return True if the whole request was handed over, once a response has begun."""
        if self.tracker is None:
            return True
        return True if self.tracker.upload_complete.done() else None


class _BrokenError(Exception):
    """A connection broke; of a class that does not make aiohttp send again.

    Attributes:
        error: what aiohttp raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class AiohttpTransport(PooledTransport[_Connection]):
    """Send through sessions of aiohttp; safe to share between tasks.

    Nothing is connected, and no TLS is set up, before the first request.
    """

    supports: Final = frozenset({"async"})
    library: Final = "aiohttp"
    http2: Final = False
    limits: ClassVar[dict[str, str]] = {}

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self._proxy: URL | None = None
        self._proxy_headers: dict[str, str] = {}
        # By method, scheme and headers of requests, which are then neither checked nor sorted out
        # again: a client has the same object for the same fields.
        self._known: dict[object, _Known] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ConfigurationError: if another event loop than asyncio's runs, or the proxy's URL
                cannot be used.
        """
        secure = request.url.startswith("https:")  # What goes to a proxy depends on it.
        known = self._known.get((request.method, secure, id(request.headers)))
        delivery = _Delivery(request, bounds, checked=known is not None)
        if known is None:
            self._sort_out(delivery)
        else:
            delivery.headers, delivery.options, _ = known
        del known
        return await self._over_pool(
            lambda connection: connection.exchange(delivery),
            lambda error, connection: connection.translated(error, delivery),
            secure=delivery.secure,
            bounds=bounds,
        )

    def _connection(self, *, secure: bool) -> _Connection:
        return _Connection(self._options, self._proxy, secure=secure)

    def _sort_out(self, delivery: _Delivery) -> None:
        """Work out headers and options of a request, and keep them for others like it."""
        request = delivery.request
        headers = delivery.headers = _sendable(request.headers)
        options: dict[str, Any] = {"allow_redirects": False}
        lacking = [name for name in _ADDED if name not in headers]
        if request.method not in {"PATCH", "POST", "PUT"}:
            # aiohttp adds no Content-Type to other methods, and naming headers costs time.
            lacking = [name for name in lacking if name != "Content-Type"]
        if lacking:
            options["skip_auto_headers"] = lacking
        if self._options.proxy is not None:
            if self._proxy is None:
                self._proxy, self._proxy_headers = _proxy(self._options.proxy)
            options["proxy"] = self._proxy
            options["proxy_headers"] = self._proxy_headers
            if not delivery.secure:
                headers.extend(self._proxy_headers)
        delivery.options = options
        if len(self._known) >= _KNOWN:
            self._known.clear()
        # It holds the headers, so that no others can get their id.
        key = request.method, request.url.startswith("https:"), id(request.headers)
        self._known[key] = headers, options, request.headers


class _OnceBytes(bytes):
    """A request's body that counts its deliveries."""

    deliveries: int = 0


class _OncePayload(aiohttp.BytesPayload):
    """How aiohttp writes such a body: it may not send a request again with it by itself."""

    def __init__(self, body: _OnceBytes, *args: Any, **kwargs: Any) -> None:
        super().__init__(body, *args, **kwargs)
        self._body = body

    @property
    def consumed(self) -> bool:
        """Return True after the first delivery: aiohttp does not send a consumed body again."""
        return self._body.deliveries > 0

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        """Write the body."""
        self._body.deliveries += 1
        await super().write_with_length(writer, content_length)


# Of use for our own class alone. A payload given as it is would do for aiohttp, but tools that
# record requests look for bytes.
aiohttp.PAYLOAD_REGISTRY.register(_OncePayload, _OnceBytes)


class SessionTransport:
    """Send through a ``ClientSession`` that the user owns; as safe to share as that.

    The session's middlewares, cookies, proxy and certificates are used, and it is never closed
    here. Redirects, unpacking and ``raise_for_status`` are switched off for our requests. A
    middleware may send a request again. aiohttp may not: by itself it would send a PUT or DELETE
    once more where a connection breaks. A GET without a body may be sent twice.

    Raises:
        ConfigurationError: if the session has ``auth=``, which aiohttp would send beside the
            provider's token, and so refuses to send anything.
    """

    supports: Final = frozenset({"async"})

    def __init__(self, session: aiohttp.ClientSession, library: str = "aiohttp") -> None:
        if session.auth is not None:
            raise ConfigurationError(
                "the aiohttp session has auth= of its own, which cannot be sent beside the "
                "provider's token; give a session without it."
            )
        self._session = session
        self._library = library

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ClosedError: if the session is closed.
            ConfigurationError: if it is awaited under trio.
        """
        if self._session.closed:
            raise ClosedError(f"the {self!r} is closed; give an open one.")
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            raise ConfigurationError(
                "a session of aiohttp needs the event loop of asyncio, and trio runs here; give "
                "an AsyncClient of httpx instead."
            )
        delivery = _Delivery(request, bounds)
        if request.body is not None or request.method not in {"GET", "HEAD"}:
            delivery.data = _OnceBytes(request.body or b"")
        failure: BillingualError
        try:
            self._sort_out(delivery)
            delivery.timeout = self._timeout(delivery)
            return await delivery.over(self._session)
        except BillingualError as error:
            failure = error
        except AssertionError:
            raise  # A mock's: what it says goes to the program, and no resend helps.
        except Exception as error:  # noqa: BLE001 - middlewares and hooks are the user's
            failure = self._translated(error, delivery)
        try:
            # Raised outside the handler, so that no frame of aiohttp, with its headers, is kept.
            raise failure.with_traceback(None)
        finally:
            del failure

    async def aclose(self) -> None:
        """Do nothing: the session is the user's."""

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self._session).__name__} of {self._library})"

    @staticmethod
    def _sort_out(delivery: _Delivery) -> None:
        headers = delivery.headers = _sendable(delivery.request.headers)
        if "Accept-Encoding" not in headers:
            # The session would ask for codings that are not unpacked here.
            headers.add("Accept-Encoding", "gzip, deflate")
        delivery.options = {
            "allow_redirects": False,
            "skip_auto_headers": ["Content-Type"],
            "raise_for_status": False,
            "auto_decompress": False,
            **_HEAD,
        }

    @staticmethod
    def _timeout(delivery: _Delivery) -> aiohttp.ClientTimeout:
        left, timeouts = delivery.bounds.deadline.left(), delivery.bounds.timeouts
        if left <= 0:
            raise too_late()  # As above.
        # The session's own pool is waited for before a connection is made.
        connect_s = min(timeouts.pool + timeouts.connect, left)
        return aiohttp.ClientTimeout(
            total=left + _LATER_S,
            connect=connect_s,
            sock_connect=connect_s,
            sock_read=min(timeouts.read, left),
            ceil_threshold=_NEVER_ROUND_UP,
        )

    @staticmethod
    def _translated(error: Exception, delivery: _Delivery) -> TransportError:
        library = "your aiohttp session"
        sent = getattr(delivery.data, "deliveries", 0) > 0
        seen = delivery.evidence()
        if isinstance(error, _NOT_SENT_AGAIN) and sent:
            # A middleware had sent it before, and met no connection when it sent it again.
            return ConnectionLostError(
                f"{delivery.origin}: the connection broke ({type(error).__name__} of {library}).",
                evidence=seen,
            )
        made = delivery.translated(error, seen, library)
        return made or ConnectionLostError(
            f"{delivery.origin}: the session failed ({type(error).__name__} of {library}).",
            evidence=seen if sent or delivery.status is not None else Evidence(),
        )


# A client nearly always asks for the same.
@functools.lru_cache(maxsize=16)
def _connecting(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        connect=seconds, sock_connect=seconds, ceil_threshold=_NEVER_ROUND_UP
    )


def _sendable(headers: Headers) -> CIMultiDict[str]:
    return CIMultiDict(pair for pair in headers if pair[0].lower() not in _FRAMING)


def _is_unwritable(error: Exception) -> bool:
    # Among aiohttp's own there are ValueErrors that mean something else: a refused certificate.
    ours = not isinstance(error, aiohttp.ClientError)
    return isinstance(error, aiohttp.InvalidURL) or (ours and isinstance(error, ValueError))


def _headers(response: aiohttp.ClientResponse) -> Headers:
    raw: Any = response.raw_headers
    if isinstance(raw, tuple):
        return Headers([(str(name, "latin-1"), str(value, "latin-1")) for name, value in raw])
    return Headers(response.headers.items())


def _proxy(text: str) -> tuple[URL, dict[str, str]]:
    try:
        proxy = URL(text)
        usable = proxy.scheme in {"http", "https"} and bool(proxy.host)
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "the proxy's URL cannot be used; give an http:// or https:// URL, or use "
            'transport="httpx" with httpx[socks] for socks5://. It is not shown here.'
        )
    headers = {}
    if proxy.raw_user is not None:
        # aiohttp would encode it as Latin-1.
        user, password = unquote(proxy.raw_user), unquote(proxy.raw_password or "")
        headers["Proxy-Authorization"] = aiohttp.encode_basic_auth(user, password)
    return proxy.with_user(None), headers
