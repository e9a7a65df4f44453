"""The transports ``httpx`` (the default) and ``httpx2``: through the library's own client.

Every request goes through a public client, so a mock, a cassette or an instrumentation of the
library is asked as in any other program. Redirects, cookies and the environment are switched off.

There is one client for each connection, in a pool of ours. The library's own pool scans all its
connections for each request, and it loses a slot when a request is cancelled at the wrong moment
(https://github.com/encode/httpcore/issues/1093). A client of one connection can lose nothing: it
is closed whole when its request failed or was cancelled.

What the public API cannot keep:

- Bytes that came together with a whole response, but after it, stay in the library's buffer, and it
  takes them for the next one. The transport sees that, and refuses such a response; where it sees
  it in time, it closes the connection before the next request. A client of the user's is only
  seen to take them, so a write then ends unclear; and it keeps idle connections as it likes.
- A blocking request whose *head* comes in byte by byte is not ended by the deadline: each byte
  starts the read timeout anew. Asynchronously the deadline ends it. Bodies are bounded in both.
- Under TLS, a body without a length that ends without ``close_notify`` counts as whole, although
  anyone on the way may have cut it.

Choose the transport ``h11`` where these matter.
"""

from __future__ import annotations

import abc
import os.path
import sys
from contextlib import suppress
from functools import cache, cached_property, lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, overload
from weakref import WeakMethod

import attrs

from billingual.abc import Account, ExecutionScope, TransportOptions
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConfigurationError,
    ConnectionLostError,
    MissingExtraError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, UNSENT, reason, told, too_late, unwritable
from billingual.transports._pool import PooledTransport, forget_frames
from billingual.transports._request import check_headers, parted
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

__all__ = ["ClientTransport", "Exchange", "Httpx2Transport", "HttpxTransport"]

# The most specific class in an error's ancestry wins. The library's own text may quote a header,
# so only the name of the class is kept.
_ERRORS: Final[dict[str, tuple[type[TransportError], str]]] = {
    "ConnectTimeout": (NotConnectedError, "timed out while connecting"),
    "ConnectError": (NotConnectedError, "no connection could be made"),
    "ProxyError": (NotConnectedError, "the proxy refused the connection"),
    "UnsupportedProtocol": (NotConnectedError, "the address is not of http(s)"),
    "PoolTimeout": (PoolTimeoutError, "no connection of the pool became free"),
    "WriteTimeout": (TimedOutError, "the request was not taken in time"),
    "ReadTimeout": (TimedOutError, "no response came in time"),
    "TimeoutException": (TimedOutError, "the exchange took too long"),
    "LocalProtocolError": (TransportError, "the request cannot be written as HTTP"),
    "RemoteProtocolError": (ConnectionLostError, "the response broke off"),
    "NetworkError": (ConnectionLostError, "the connection broke"),
    "HTTPError": (ConnectionLostError, "the exchange failed"),
    "StreamError": (ConnectionLostError, "something else had read the response"),
}
_BELOW: Final = ("httpcore", "httpcore2", "h11")
# If the library raises these, nothing was sent, unless something sent the request again.
_BEFORE_SENDING: Final = {
    NotConnectedError: NOTHING, PoolTimeoutError: NOTHING, TransportError: UNSENT,
}  # fmt: skip
# The library's own timeouts name the phase that was too slow, so they go first.
_GRACE_S: Final = 0.05
# Of these the library says the length also where there is no body; so does RFC 9110, 8.6.
_METHODS_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
# Numbers what happens on connections. No clock: two of its readings may be equal.
_MOMENTS: Final = count(1)


class _Body:
    """A request's body, which sees how much of it the library has sent.

    The library asks for the first piece when the head is out, and for one more when the last
    piece is out. After a write that failed it asks no more, though it looks for a response still.

    It is no generator, as the library's own is: trio warns of one that is left half-way.
    """

    def __init__(self, body: bytes | None) -> None:
        self._left = [] if body is None else [body]
        self._body = body
        self.started = False
        self.written_at: int | None = None

    @property
    def written(self) -> bool:
        """Whether all of it is out."""
        return self.written_at is not None

    def __iter__(self) -> Iterator[bytes]:
        # A hook may have read it before, or a transport may send it again.
        self._left = [] if self._body is None else [self._body]
        return self

    def __next__(self) -> bytes:
        self.started = True
        if self._left:
            return self._left.pop()
        self.written_at = next(_MOMENTS)
        raise StopIteration

    def __aiter__(self) -> _Body:
        iter(self)
        return self

    async def __anext__(self) -> bytes:
        self.started = True
        if self._left:
            return self._left.pop()
        self.written_at = next(_MOMENTS)
        raise StopAsyncIteration


@cache
def _move_on_after() -> Any:
    from anyio import move_on_after  # noqa: PLC0415 - a program that blocks needs it not

    return move_on_after


@cache
def _body_class(library: Any) -> type[Any]:
    """Make the class of bodies that the library takes: it tests for its own base classes."""
    return type("_Body", (_Body, library.AsyncByteStream, library.SyncByteStream), {})


class _ShowsContent:
    """A request that is sent as a stream, and shows mocks and instrumentations its bytes.

    Attributes:
        sent: those bytes.
    """

    sent: bytes

    @property
    def content(self) -> bytes:
        """The bytes, which the library has only where it made the stream."""
        return self.sent

    def read(self) -> bytes:
        """Return the bytes, and leave the stream as it is."""
        return self.sent

    async def aread(self) -> bytes:
        """Return the bytes, and leave the stream as it is."""
        return self.sent


@lru_cache(maxsize=8)
def _request_class(kind: Any) -> Any:
    return type(kind.__name__, (_ShowsContent, kind), {})


# How a second response may begin at the end of what was read; the rest comes with the next one.
_BEGINNINGS: Final = tuple(b"HTTP/1."[:length] for length in range(1, 7))


class _Wire:
    """Watch what the library reads from a connection: it shows the stream, but no buffer.

    Bytes after a whole response stay in the library's buffer, and it takes them for the next one.
    So a response for which nothing was read since its request went out belongs to another request.

    Source: https://www.python-httpx.org/advanced/extensions/#network_stream, read 2026-11.

    Attributes:
        read_at: when it was read last, as a number of `_MOMENTS`.
    """

    def __init__(self, stream: Any) -> None:
        self.read_at = next(_MOMENTS)
        self._surplus = False
        self._tls: Any = stream.get_extra_info("ssl_object")
        # Weak: the stream holds this object, and only the collector would free a circle.
        self._read = WeakMethod(stream.read)
        stream.read = self._reading

    @classmethod
    def of(cls, stream: Any) -> _Wire | None:
        """Return what watches *stream*, or None."""
        watching = getattr(getattr(stream, "read", None), "__self__", None)
        return watching if isinstance(watching, cls) else None

    @classmethod
    def watch(cls, stream: Any) -> None:
        """Watch *stream*, unless it is no stream of the library."""
        if cls.of(stream) is None:
            with suppress(AttributeError, TypeError):
                cls(stream)

    def has_surplus(self) -> bool:
        """Tell, once a response is whole, whether another one seems to have come with it."""
        if self._surplus or self._tls is None:
            return self._surplus
        import ssl  # noqa: PLC0415 - whatever made the connection has imported it

        if not isinstance(self._tls, ssl.SSLObject):
            # Without an event loop the rest waits in the kernel, where the library looks for it.
            return False
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True

    def _reading(self, *args: Any, **options: Any) -> Any:
        self.read_at = next(_MOMENTS)
        read: Any = self._read()
        data = read(*args, **options)
        return self._noted(data) if isinstance(data, bytes) else self._noted_later(data)

    async def _noted_later(self, reading: Any) -> bytes:
        return self._noted(await reading)

    def _noted(self, data: bytes) -> bytes:
        # What looks like a second response may be a text in the first. That costs a connection.
        within = max(1, data.find(b"\r\n\r\n"))
        if data.find(b"HTTP/1.", within) > 0 or data.endswith(_BEGINNINGS):
            self._surplus = True
        return data


@attrs.define(eq=False)
class _Trace:
    """What the library's ``trace`` extension told of one request.

    It costs a call for each of ten events, so it is asked for only where the body cannot tell.

    Source: https://www.encode.io/httpcore/extensions/#trace, read 2026-11.
    """

    show: Callable[[Any], None]
    heard: bool = False
    sending: bool = False
    head: tuple[Any, ...] | None = None

    def note(self, event: str, info: dict[str, Any]) -> None:
        """Take one event."""
        self.heard = True
        step = event.partition(".")[2]
        if step in {"connect_tcp.complete", "start_tls.complete"}:
            self.show(info.get("return_value"))
        elif step == "receive_response_headers.complete":
            self.head = info.get("return_value")
        elif step == "send_request_headers.started":
            # A proxy is asked for a tunnel by a request as well, and that one is not ours.
            self.sending |= getattr(info.get("request"), "method", b"") != b"CONNECT"

    async def note_async(self, event: str, info: dict[str, Any]) -> None:
        """Take one event; the async half awaits its callback."""
        self.note(event, info)


class Exchange:
    """One request through one client of httpx or httpx2, and the response to it.

    Args:
        library: the module of the client.
        request: absolute and signed.
        bounds: of the attempt.
        traced: whether to ask the library for its trace.

    Raises:
        TransportError: if the request cannot be written as HTTP.
    """

    def __init__(
        self, library: ModuleType, request: WireRequest, bounds: Bounds, *, traced: bool = False
    ) -> None:
        check_headers(request)
        self._origin = parted(request.url)[0].text
        self._library: Any = library
        self._request = request
        self._bounds = bounds
        self._body = _body_class(library)(request.body)
        self._trace = _Trace(self._show) if traced else None
        self.stream: Any = None
        self._is_mock = False
        self._status: int | None = None
        self._headers = Headers()

    def trace(self) -> None:
        """Ask the library for its trace: the connection is yet to be made, and nothing shows it."""
        self._trace = self._trace or _Trace(self._show)

    def _show(self, stream: Any) -> None:
        if stream is not None:
            self.stream = stream
            _Wire.watch(stream)

    async def over_async(self, client: Any, *, build: Any = None, **options: Any) -> WireResponse:
        """Send through an ``AsyncClient`` and read the response under all bounds."""
        trace = self._trace and self._trace.note_async
        library = self._library
        # Each byte of a head starts the library's read timeout anew, so there is one more.
        with _move_on_after()(self._left() + _GRACE_S):
            try:
                if _is_patched(library, library.AsyncClient, client):
                    response = await client.request(**self._arguments(trace), **options)
                else:
                    response = await client.send(
                        self._outgoing(build, trace), stream=True, follow_redirects=False, **options
                    )
            except library.HTTPStatusError as refused:
                # A hook of the user's raises it, and the status is in it.
                response = refused.response
            return await self._read_async(response)
        raise TimedOutError(
            f"{self._origin}: the deadline passed before the response was whole.",
            evidence=self._evidence(),
        )

    def over_blocking(self, client: Any, *, build: Any = None, **options: Any) -> WireResponse:
        """Send through a ``Client`` and read the response under all bounds."""
        trace = self._trace and self._trace.note
        library = self._library
        self._left()
        try:
            if _is_patched(library, library.Client, client):
                response = client.request(**self._arguments(trace), **options)
            else:
                response = client.send(
                    self._outgoing(build, trace), stream=True, follow_redirects=False, **options
                )
        except library.HTTPStatusError as refused:
            response = refused.response
        return self._read(response)

    @overload
    def translated(self, error: Exception, *, ours: Literal[False]) -> BillingualError: ...
    @overload
    def translated(self, error: Exception, *, ours: bool = True) -> BillingualError | None: ...
    def translated(self, error: Exception, *, ours: bool = True) -> BillingualError | None:
        """Return our error for one that came out of a client; None for a foreign one.

        Args:
            error: what came out.
            ours: whether the client is ours. In one of the user's, hooks and other transports may
                have sent the request before, so an error is proof only if a trace was heard.
        """
        library, started = self._library, self._body.started
        if isinstance(error, BillingualError):
            return error
        if isinstance(error, (UnicodeError, library.InvalidURL)) and not started:
            return unwritable(type(error).__name__)
        kind, what = self._row(error) or (None, "")
        if kind is None and isinstance(error, (OSError, ExceptionGroup)):
            # Neither the library nor anyio translates everything: a refused client certificate.
            kind = ConnectionLostError if started else NotConnectedError
            what = "the connection broke" if started else "no connection could be made"
        if kind is None and not ours:
            kind, what = ConnectionLostError, "the client failed"
        if kind is None:
            return None
        evidence = self._evidence()
        if kind in _BEFORE_SENDING:
            heard = self._trace is not None and self._trace.heard
            if not started and (ours or heard or kind is PoolTimeoutError):
                evidence = _BEFORE_SENDING[kind]
            else:
                # Something sent it more than once, and only the last try failed so early.
                kind = TimedOutError if kind is PoolTimeoutError else ConnectionLostError
        source = f"{type(error).__name__} of {library.__name__}"
        # Only mocks raise the class itself: the library's own timeouts are of subclasses.
        if type(error) is library.TimeoutException:
            source = f"{source}: {told(error, self._request)}"
        return kind(f"{self._origin}: {reason(error) or what} ({source}).", evidence=evidence)

    def refused(self, error: Exception) -> WireResponse | None:
        """Return the response, without its body, for which a hook of the user raised an error.

        Likewise if a hook had the library read a body that cannot be unpacked. None for a success,
        which is not known without its body, and for an error of the network.
        """
        head = self._trace and self._trace.head
        of_hook = self._row(error) is None or isinstance(error, self._library.DecodingError)
        if not head or not of_hook or isinstance(error, (BillingualError, OSError, ExceptionGroup)):
            return None
        # Of HTTP/1.1: version, status, reason, headers. Of HTTP/2: status, headers.
        status = next(each for each in head if isinstance(each, int))
        if not 400 <= status <= 599:
            return None
        headers = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head[-1]]
        )
        return WireResponse(
            status=status, headers=headers, request_complete=self._request_complete()
        )

    def _row(self, error: Exception) -> tuple[type[TransportError], str] | None:
        for each in type(error).__mro__:
            # httpcore and h11, below it, have the same names, and their errors may come through.
            owner = each.__module__.partition(".")[0]
            if owner in {self._library.__name__, *_BELOW} and each.__name__ in _ERRORS:
                return _ERRORS[each.__name__]
        return None

    def _left(self) -> float:
        left = self._bounds.deadline.left()
        if left <= 0:
            raise too_late()
        return left

    def _outgoing(self, build: Any, trace: Any) -> Any:
        """Make the library's request."""
        try:
            url = _url(self._library, self._request.url)
            if build is None:
                return self._own_request(url, trace)
            outgoing = build(**{**self._arguments(trace), "url": url})
        except (self._library.InvalidURL, UnicodeError, TypeError, ValueError) as error:
            failure = unwritable(type(error).__name__)
        else:
            # A mock finds the bytes in ``outgoing.content`` all the same.
            outgoing.stream = self._body
            return outgoing
        raise failure

    def _own_request(self, url: Any, trace: Any) -> Any:
        """Make the request for a client of ours, which adds nothing to it.

        Given the bytes themselves, the library would make a stream of them, which we do not use,
        and its headers twice. That is a fifteenth of a call. Given a stream, it leaves the fields
        that every request needs to us.
        """
        request = self._request
        headers: list[tuple[str | bytes, str | bytes]] = [*request.headers]
        names = request.headers.names
        if "host" not in names:
            headers.insert(0, (b"Host", url.netloc))
        if (request.body or request.method.upper() in _METHODS_WITH_BODY) and not names & _FRAMING:
            headers.append((b"Content-Length", b"%d" % len(request.body or b"")))
        outgoing = _request_class(self._library.Request)(
            request.method,
            url,
            headers=headers,
            stream=self._body,
            extensions=self._extensions(trace),
        )
        outgoing.sent = request.body or b""
        return outgoing

    def _extensions(self, trace: Any) -> dict[str, Any]:
        left, timeouts = self._bounds.deadline.left(), self._bounds.timeouts
        extensions: dict[str, Any] = {
            "timeout": {
                "connect": min(timeouts.connect, left),
                "write": min(timeouts.write, left),
                "read": min(timeouts.read, left),
                "pool": min(timeouts.pool, left),
            }
        }
        if trace is not None:
            extensions["trace"] = trace
        return extensions

    def _arguments(self, trace: Any) -> dict[str, Any]:
        request = self._request
        return {
            "method": request.method,
            "url": request.url,
            "headers": list(request.headers),
            "content": request.body,
            "extensions": self._extensions(trace),
        }

    async def _read_async(self, response: Any) -> WireResponse:
        reader = self._reader(response)
        if response.is_closed:
            self._take_read(response, reader)
            return self._response(response, reader)
        failure: TransportError | None = None
        try:
            async for piece in response.aiter_raw():
                failure = failure or _fed(reader, piece)
                if failure is not None:
                    # A generator left half-way makes trio complain, so the loop goes on until it
                    # finds the response closed.
                    await response.aclose()
        except (self._library.HTTPError, self._library.StreamError):
            if failure is None:
                raise
        if failure is not None:
            raise failure
        return self._response(response, reader)

    def _read(self, response: Any) -> WireResponse:
        reader = self._reader(response)
        if response.is_closed:
            self._take_read(response, reader)
        else:
            for piece in response.iter_raw():
                reader.feed(piece)
        return self._response(response, reader)

    @staticmethod
    def _take_read(response: Any, reader: BodyReader) -> None:
        """Take the body of a response that a mock made or a hook has read.

        A hook that raised for a status, as ``raise_for_status`` does, left the body unread. Then
        it stays empty: the status alone decides which error it is.
        """
        if response.is_stream_consumed:
            reader.feed(response.content)

    def _reader(self, response: Any) -> BodyReader:
        stream = response.extensions.get("network_stream")
        wire, written_at = _Wire.of(stream), self._body.written_at
        if (
            wire is not None
            and written_at is not None
            and wire.read_at < written_at
            and response.http_version != "HTTP/2"
        ):
            raise ConnectionLostError(
                f"{self._origin}: a response was there before the request was sent, so it "
                "belongs to another one.",
                evidence=self._evidence(),
            )
        self._status = response.status_code
        self._is_mock = stream is None
        self._show(stream)
        # Decoded once, by us: the library decodes its own at each look.
        self._headers = headers = Headers(
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in response.headers.raw
            ]
        )
        # A mock's body, and one that a hook has read, are unpacked already.
        coding = None
        if "content-encoding" in headers.names and not response.is_closed:
            coding = ", ".join(headers.get_all("content-encoding"))
        return BodyReader(
            coding,
            self._bounds,
            status=self._status,
            headers=headers,
            request_complete=self._request_complete(),
        )

    def _response(self, response: Any, reader: BodyReader) -> WireResponse:
        return WireResponse(
            status=response.status_code,
            headers=self._headers,
            body=reader.finish(),
            request_complete=self._request_complete(),
        )

    def _request_complete(self) -> bool | None:
        # A mock had the request whole, though it took no piece of the body.
        return True if self._body.written or self._is_mock else None

    def _evidence(self) -> Evidence:
        trace = self._trace
        if trace is not None and trace.heard and not (trace.sending or self._body.started):
            return UNSENT
        return Evidence(
            connected=True if self._body.started else None,
            request_complete=self._request_complete(),
            response_begun=True if self._status else None,
            status=self._status,
        )


def _is_patched(library: Any, kind: Any, client: Any) -> bool:
    """Tell whether something replaced ``client.request``, which must then be asked.

    Otherwise requests go through ``client.send``: ``request`` reads a body without bounds, and
    costs a tenth more. Code of an unknown place counts as a replacement.
    """
    request = getattr(kind, "request", None)
    return (
        # A wrapper that is no function may show the code of what it wraps.
        type(request) is not FunctionType
        or not request.__code__.co_filename.startswith(_folder(library))
        or "request" in getattr(client, "__dict__", ())
    )


# Creates, lists and bulk requests go to the same few addresses again and again, and to parse one
# costs the library as much as all of our own checks. Its URLs are immutable.
@lru_cache(maxsize=64)
def _url(library: Any, url: str) -> Any:
    return library.URL(url)


@cache
def _folder(library: Any) -> str:
    return str(os.path.dirname(library.__file__))  # noqa: PTH120 - as the code names its file


def _fed(reader: BodyReader, piece: bytes) -> TransportError | None:
    try:
        reader.feed(piece)
    except TransportError as failure:
        return failure
    return None


@cache
def _no_cookies() -> Any:
    """Make a jar that takes nothing: a cookie of one call must not go out with another."""
    # The library imports it; making a client does not need it.
    from http.cookiejar import CookieJar  # noqa: PLC0415 - as said

    class NoCookies(CookieJar):
        # A policy that refuses each cookie would first have all of them parsed.
        def extract_cookies(self, response: object, request: object) -> None: ...

    return NoCookies()


class _Connection(abc.ABC):
    """A client of the library for one connection, asynchronous or blocking."""

    def __init__(self, library: Any, options: TransportOptions, *, secure: bool) -> None:
        from billingual.transports.tls import (  # noqa: PLC0415 - it imports ssl
            default_context,
            no_trust,
        )

        proxy = options.proxy
        over_tls = proxy is not None and proxy.startswith("https")
        context = options.tls or (default_context() if secure or over_tls else no_trust())
        self._make = partial(
            library.Client if options.backend.blocks else library.AsyncClient,
            verify=context,
            trust_env=False,
            proxy=library.Proxy(proxy, ssl_context=context) if over_tls else proxy,
            limits=library.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=options.keepalive_s
            ),
            follow_redirects=False,
            cookies=_no_cookies(),
        )
        self._client = self._make()
        # What is below the client, for closing it from outside its event loop.
        self._stream: Any = None

    async def send(self, exchange: Exchange) -> WireResponse:
        """Send a request and read its response; connect before that where it is needed."""
        if self._is_over():
            await self._renew()
        if self._stream is None:
            exchange.trace()
        try:
            response = await self._exchange(exchange)
        finally:
            self._stream = exchange.stream or self._stream
        if self._must_close(response):
            await self._renew()
        return response

    async def _renew(self) -> None:
        with suppress(Exception):
            await self.aclose()
        self._client = self._make()

    @abc.abstractmethod
    async def _exchange(self, exchange: Exchange) -> WireResponse: ...

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Close it."""

    def _is_over(self) -> bool:
        """Tell, before a request, whether the kernel has bytes or the end of the connection.

        The library would notice too and connect anew, and the new stream would not be watched.
        """
        if self._stream is None:
            return False
        try:
            return bool(self._stream.get_extra_info("is_readable"))
        except Exception:  # noqa: BLE001 - of a stream that the library has closed, under trio
            return True

    def _must_close(self, response: WireResponse) -> bool:
        """Tell whether the connection is of no more use, although the response is whole.

        Another reader of the stream may have seen a response with two framings end elsewhere.
        """
        wire = _Wire.of(self._stream)
        return (wire is not None and wire.has_surplus()) or response.headers.names >= _FRAMING


class _AsyncConnection(_Connection):
    async def _exchange(self, exchange: Exchange) -> WireResponse:
        if self._stream is None:
            # anyio warns of a coroutine that was never awaited where a task is cancelled in the
            # very step in which it began to connect. Tasks that are started and given up at once,
            # as those of a walk that is left, end here instead.
            from anyio.lowlevel import checkpoint  # noqa: PLC0415 - for the async half only

            await checkpoint()
        return await exchange.over_async(self._client)

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        try:
            await self._client.aclose()
        finally:
            if stream is not None:
                # The library forgets a stream whose TLS handshake was cancelled.
                await stream.aclose()

    def drop(self, scope: ExecutionScope) -> bool:
        stream, self._stream = self._stream, None
        if stream is None:
            return False
        if not scope.call_soon(lambda: _close_now(stream)):
            # Its loop has ended, and nothing can close the transport of a loop that has ended.
            # This ends the connection; Python closes the socket with the last reference to it.
            import socket  # noqa: PLC0415 - seldom needed

            with suppress(OSError, AttributeError, TypeError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        return True


def _close_now(stream: Any) -> None:
    """Close a stream on its own loop, outside any task: up to where closing would first wait."""
    closing = stream.aclose()
    with suppress(Exception):
        closing.send(None)
    with suppress(Exception):
        closing.close()


class _BlockingConnection(_Connection):
    async def _exchange(self, exchange: Exchange) -> WireResponse:
        return exchange.over_blocking(self._client)

    async def aclose(self) -> None:
        self._close()

    def drop(self, scope: ExecutionScope) -> bool:  # noqa: ARG002 - the seam's signature
        return self._close()

    def _close(self) -> bool:
        stream, self._stream = self._stream, None
        try:
            self._client.close()
        finally:
            if stream is not None:
                stream.close()
        return stream is not None


class HttpxTransport(PooledTransport[Any]):
    """Send through ``httpx.AsyncClient``, or ``httpx.Client`` under a backend that blocks.

    Safe to share between tasks and threads. Nothing is connected, and no TLS is set up, before
    the first request.

    Attributes:
        library: the name of the library, and of its module.
        limits: the checks of the conformance suite that the library cannot pass, and why.
    """

    supports: Final = frozenset({"async", "sync"})
    library: ClassVar[str] = "httpx"
    _extra: ClassVar[str | None] = None
    http2: Final = False
    limits: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "a-dripping-head-ends-with-the-deadline": (
                "each byte starts the read timeout of a blocking client anew; "
                "AsyncClient and the transport h11 end it"
            ),
        }
    )

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self._has_proxy = options.proxy is not None
        if find_spec(self.library) is None:
            raise MissingExtraError(f"the transport {self.library!r}", self._extra, self.library)

    @cached_property
    def _library(self) -> ModuleType:
        # Imported with the first request: it costs more than all of our own package.
        return import_module(self.library)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        secure = request.url.startswith("https:")
        # Only TLS and proxies have more than one step to connect by, and so a state to lose.
        traced = secure or self._has_proxy
        exchange = Exchange(self._library, request, bounds, traced=traced)
        return await self._over_pool(
            lambda connection: connection.send(exchange),
            lambda error, _: exchange.translated(error),
            secure=secure,
            bounds=bounds,
        )

    def _connection(self, *, secure: bool) -> _AsyncConnection | _BlockingConnection:
        options = self._options
        kind = _BlockingConnection if options.backend.blocks else _AsyncConnection
        library: Any = self._library
        try:
            return kind(library, options, secure=secure)
        except (ValueError, ImportError, library.InvalidURL) as error:
            if options.proxy is None:
                raise
            problem = type(error).__name__
        raise ConfigurationError(
            f"the proxy's URL cannot be used ({problem} of {self.library}); give an http:// or "
            f"https:// URL, or install {self.library}[socks] for socks5://. It is not shown here."
        )


class ClientTransport:
    """Send through a client of httpx or httpx2 that the user owns; as safe to share as that.

    The client is never closed here. Its hooks, headers, cookies and other transports are the
    user's, so an error is proof that nothing was sent only where the library's trace says so.
    """

    def __init__(self, client: Any, library: str) -> None:
        self._client = client
        self._library = sys.modules[library]
        self._blocks = not hasattr(client, "aclose")
        self.supports: frozenset[str] = frozenset({"sync"} if self._blocks else {"async"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ClosedError: if the client is closed.
        """
        client = self._client
        if client.is_closed:
            raise ClosedError(f"the {self!r} is closed; give an open one.")
        if "Accept-Encoding" not in request.headers:
            # The client would ask for codings that are not unpacked here.
            headers = request.headers.merged([("Accept-Encoding", "gzip, deflate")])
            request = attrs.evolve(request, headers=headers)
        exchange = Exchange(self._library, request, bounds, traced=True)
        options: dict[str, Any] = {"build": client.build_request}
        if "Authorization" in request.headers:
            # The client's own would write over the provider's token, and may send twice.
            options["auth"] = None
        failure: BillingualError
        try:
            if self._blocks:
                return exchange.over_blocking(client, **options)
            return await exchange.over_async(client, **options)
        except Exception as error:
            refused = exchange.refused(error)
            if refused is not None:
                return refused
            if isinstance(error, AssertionError):
                raise  # A mock's: what it says goes to the program, and no resend helps.
            failure = exchange.translated(error, ours=False)
            forget_frames(error)
        try:
            # Outside the handler, so that no frame of the library, with its headers, is kept.
            raise failure.with_traceback(None)
        finally:
            del failure

    async def aclose(self) -> None:
        """Do nothing: the client is the user's."""

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"owned({type(self._client).__name__} of {self._library.__name__})"


class Httpx2Transport(HttpxTransport):
    """Send through httpx2, the library that continues httpx; chosen by name only.

    It trusts the same authorities as the other transports: the library's own choice, the roots
    of the operating system, is not used.
    """

    library: ClassVar[str] = "httpx2"
    _extra: ClassVar[str | None] = "httpx2"
