"""The transport ``urllib3``: through the library's own ``PoolManager``, for programs that block.

Requests go through ``HTTPConnectionPool.urlopen`` of the manager's pool, which most mocks,
cassettes and instrumentations of urllib3 replace, or else the class of the connections below it.
Where something replaced a method of ``PoolManager``, or there is a proxy, they go through
``PoolManager.request``, which costs a quarter more: it takes each address apart to find the pool.
Retries, redirects, added headers and unpacking are switched off; urllib3 keeps no cookies and
reads no environment.

There is one ``PoolManager`` for each connection, in a pool of ours: a connection whose request
failed is closed whole, and closing, forks and limits are as on the other transports.

What the public API cannot keep:

- A head that comes byte by byte is not ended by the deadline, because each byte starts the read
  timeout anew. Bodies are bounded.
- Sending waits for ``Timeouts.connect`` at most, because urllib3 has no timeout for writing.
- A status from 102 to 199 is taken for the response, and ends the call with an error.
- More than 100 header fields end the call: ``http.client`` refuses them.
- A head, or a body without a length, ends where the connection ends, even if it broke.
- urllib3 does not tell how much of a request was sent before it failed.

Choose the transport ``h11`` where these matter. Why not requests: it sends through urllib3 too, and
costs about twice as much for each call.
"""

from __future__ import annotations

import base64
import functools
import ssl
from collections.abc import Iterator, Mapping
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import attrs
import urllib3
from urllib3 import exceptions
from urllib3.util import SKIP_HEADER, Url, parse_url

from billingual.abc import ExecutionScope, TransportOptions
from billingual.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, PERHAPS_SENT, reason, too_late, unwritable
from billingual.transports._pool import PooledTransport
from billingual.transports._request import Origin, check_headers, parted
from billingual.transports.tls import default_context
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Urllib3Transport"]

# The most specific class in an error's ancestry wins. The library's own text may quote a header,
# so only the name of the class is kept.
_ERRORS: Final[dict[type[Exception], tuple[type[TransportError], str]]] = {
    exceptions.NameResolutionError: (NotConnectedError, "the host was not found"),
    exceptions.NewConnectionError: (NotConnectedError, "no connection could be made"),
    exceptions.ConnectTimeoutError: (NotConnectedError, "timed out while connecting"),
    exceptions.ProxyError: (NotConnectedError, "the proxy refused the connection"),
    exceptions.ReadTimeoutError: (TimedOutError, "no response came in time"),
    exceptions.ProtocolError: (ConnectionLostError, "the response broke off"),
    exceptions.HTTPError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no response came in time"),
    OSError: (ConnectionLostError, "the connection broke"),
    HTTPException: (ConnectionLostError, "the response is not HTTP"),
    Exception: (ConnectionLostError, "the exchange failed"),
}
# So much of a body is read at once.
_PIECE: Final = 65_536
# To a socket no time at all means not to wait, which is another kind of failure.
_SHORTEST_S: Final = 0.001
# urllib3 tells the length. A second word about it could hide another request in this one.
_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
# The class at the time of this import. A mock replaces it by another class.
_MANAGER: Final = urllib3.PoolManager
_FOLDER: Final = str(Path(urllib3.__file__).parent)
_NO_RETRIES: Final = urllib3.Retry(False, redirect=False)
# urllib3 and http.client add these where a request lacks them.
_ADDED: Final = ("Accept-Encoding", "User-Agent")
_FIRST_FINAL: Final = 200
# So many sets of headers are remembered; a client has a few.
_KNOWN: Final = 16
_METHODS_WITHOUT_BODY: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})
# http.client takes a line that is no field for the end of the head, and only notes it. The length
# of the body is then lost with the fields below, and reading it would last until a timeout.
_NO_FIELD: Final = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)


class _NotHttpError(HTTPException):
    """The head of a response is malformed."""


class _Strict(HTTPConnection):
    """Refuse a head with a line that is no field."""

    def getresponse(self) -> HTTPResponse:
        """Return the response once its head is there.

        Raises:
            _NotHttpError: if the head is malformed.
        """
        response = super().getresponse()
        defects = response.msg.defects
        if defects and any(isinstance(each, _NO_FIELD) for each in defects):
            self.close()
            raise _NotHttpError
        return response


class _Telling(HTTPConnection):
    """Tell what fails while connecting, handshakes too, from what fails later."""

    def connect(self) -> None:
        """Connect.

        Raises:
            exceptions.ConnectTimeoutError: if it takes too long; urllib3 says so of TCP alone.
            exceptions.NewConnectionError: if it fails, likewise.
        """
        try:
            super().connect()
        except TimeoutError as error:
            raise exceptions.ConnectTimeoutError(self, type(error).__name__) from error
        except OSError as error:
            raise exceptions.NewConnectionError(self, type(error).__name__) from error  # type: ignore[arg-type]  # it takes http.client's too


# Bounded, because each cassette of vcrpy makes classes of its own.
@functools.lru_cache(maxsize=8)
def _strict(made: Any) -> Any:
    """Return a strict class for one of urllib3's; a tool's own stays as it is.

    Tools replace the class of connections at any time: so it is looked at for each connection, and
    not imported, which may happen while a tool is at work.
    """
    if made.__module__ != "urllib3.connection":
        return made
    # In this order urllib3's `super().getresponse()` is ours, and its `connect()` is within ours.
    return type(made.__name__, (_Telling, made, _Strict), {})


class _PlainPool(urllib3.HTTPConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        return _strict(super().ConnectionCls)


class _SecurePool(urllib3.HTTPSConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        return _strict(super().ConnectionCls)


@attrs.frozen
class _Signed:
    """Headers as urllib3 takes them; a traceback that shows variables does not show them."""

    headers: Mapping[str, str] = attrs.field(repr=False)
    made_of: Headers = attrs.field(repr=False)


class _Connection:
    """A ``PoolManager`` of one connection."""

    def __init__(self, manager: urllib3.PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        self._manager = manager
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._origin: Origin | None = None
        self._used = False
        self.status: int | None = None

    def exchange(
        self,
        request: WireRequest,
        origin: Origin,
        target: str,
        headers: Mapping[str, str],
        bounds: Bounds,
    ) -> WireResponse:
        """Send one request and read its whole response; this blocks the thread."""
        self.status = None
        left = bounds.deadline.left()
        if left <= 0:
            raise too_late()
        timeouts = bounds.timeouts
        options: dict[str, Any] = {
            "body": request.body,
            "headers": headers,
            "preload_content": False,
            "decode_content": False,
            "redirect": False,
            "retries": _NO_RETRIES,
            "timeout": _timeout(min(timeouts.connect, left), min(timeouts.read, left)),
        }
        if _is_untouched(self._manager):
            pool = self._pool_for(origin)
            response: Any = pool.urlopen(
                request.method.upper(), target, assert_same_host=False, **options
            )
        else:
            # It may lead elsewhere, and the manager closes the pool then.
            self._pool = None
            response = self._manager.request(request.method, request.url, **options)
        # Once it is read, the response lets go of it.
        used: Any = getattr(getattr(response, "connection", None), "sock", None)
        try:
            read, framed_twice = self._read(response, bounds)
        except BaseException:
            response.close()
            raise
        response.release_conn()
        if (
            # Another reader of this stream may have seen the response end elsewhere.
            framed_twice
            # More came than the response, and TLS holds it where urllib3 does not look.
            or (isinstance(used, ssl.SSLSocket) and used.pending())
        ):
            self._clear()
        self._used = True
        return read

    def _pool_for(self, origin: Origin) -> urllib3.HTTPConnectionPool:
        # To look the pool up costs the manager a sixth of a call. The object of an origin is the
        # same at each call, and a manager of one pool closes it where it makes another.
        if self._pool is None or self._origin is not origin:
            self._pool = self._manager.connection_from_url(origin.text)
            self._origin = origin
        return self._pool

    def _clear(self) -> None:
        self._pool = None
        self._manager.clear()

    async def aclose(self) -> None:
        """Close the connection."""
        self._clear()

    def drop(self, scope: ExecutionScope) -> bool:  # noqa: ARG002 - blocking needs no event loop
        """Close the connection; False if there was none."""
        used, self._used = self._used, False
        self._clear()
        return used

    def evidence(self) -> Evidence:
        """Say what is proved once there was a connection."""
        if self.status is None:
            return PERHAPS_SENT
        return Evidence(
            connected=True, request_complete=True, response_begun=True, status=self.status
        )

    def _read(self, response: Any, bounds: Bounds) -> tuple[WireResponse, bool]:
        """Return the response, and whether two fields say how long it is."""
        status = response.status
        # What urllib3's items() return is gone through twice, once for their number.
        lines = getattr(response.headers, "iteritems", response.headers.items)
        headers = Headers(iter(lines()))
        # One pass finds the fields beside the body's bytes; each look by name would be another.
        told = {name.lower(): value for name, value in headers}
        length = told.get("content-length")
        if length is not None and not _are_lengths(length):
            raise _NotHttpError
        self.status = status
        if status < _FIRST_FINAL:
            raise ConnectionLostError(f"unexpected status {status}.", evidence=self.evidence())
        if not isinstance(response, urllib3.HTTPResponse) or response.closed:
            # A mock's response has the whole body, unpacked, and often nothing else.
            reader = BodyReader(None, bounds, status=status, headers=headers)
            reader.feed(response.data)
            body = reader.finish()
        else:
            coding = None
            if "content-encoding" in told:
                coding = ", ".join(headers.get_all("content-encoding"))
            chunked = response.chunked
            body = b"" if chunked else response.read1(_PIECE, decode_content=False)
            # Of a known length, all of it is read, and to ask for more costs something.
            if coding or not (response.isclosed() and bounds.allow(len(body))):
                reader = BodyReader(coding, bounds, status=status, headers=headers)
                reader.feed(body)
                for piece in (
                    response.read_chunked(decode_content=False) if chunked else _rest(response)
                ):
                    reader.feed(piece)
                body = reader.finish()
        read = WireResponse(status=status, headers=headers, body=body)
        return read, told.keys() >= _FRAMING


class Urllib3Transport(PooledTransport[_Connection]):
    """Send through urllib3; safe to share between threads.

    An ``AsyncClient`` may use it too, each exchange then in a worker thread. Nothing is connected,
    and no TLS is set up, before the first request.
    """

    supports: Final = frozenset({"sync"})
    library: Final = "urllib3"
    http2: Final = False
    limits: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "interim-responses-are-passed-over": (
                "urllib3 takes a status from 102 to 199 for the response; "
                "the transport h11 does not"
            ),
            "chunks-cut-short-are-an-error": (
                "urllib3 does not look for the line that ends the last chunk; "
                "the transport h11 does"
            ),
            "what-is-no-http-is-an-error": (
                "urllib3 takes a head that the connection's end cuts for a whole one; "
                "the transport h11 does not"
            ),
            "a-large-head-is-read": (
                "http.client refuses more than 100 header fields; the transport h11 does not"
            ),
            "a-dripping-head-ends-with-the-deadline": (
                "each byte starts urllib3's read timeout anew; the transport h11 ends it"
            ),
        }
    )

    def __init__(self, options: TransportOptions) -> None:
        # An AsyncClient sends in worker threads, where no event loop runs.
        super().__init__(attrs.evolve(options, backend=options.backend.for_threads()))
        # By method and headers of requests, which are then neither checked nor sorted out again: a
        # client has the same object for the same fields.
        self._known: dict[object, _Signed] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ConfigurationError: if the proxy's URL cannot be used.
        """
        signed = self._signed(request)
        origin, target = parted(request.url)

        async def exchange(connection: _Connection) -> WireResponse:
            return connection.exchange(request, origin, target, signed.headers, bounds)

        return await self._over_pool(
            exchange,
            lambda error, connection: _translated(origin, error, connection.evidence()),
            secure=origin.scheme == "https",
            bounds=bounds,
        )

    def _signed(self, request: WireRequest) -> _Signed:
        key = (request.method, request.body is None, id(request.headers))
        signed = self._known.get(key)
        if signed is None:
            check_headers(request)
            if len(self._known) >= _KNOWN:
                self._known.clear()
            # It holds the headers, so that no others can get their id.
            signed = self._known[key] = _Signed(_headers(request), request.headers)
        return signed

    def _connection(self, *, secure: bool) -> _Connection:
        options = self._options
        one: dict[str, Any] = {"num_pools": 1, "maxsize": 1, "retries": False}
        if secure:
            one["ssl_context"] = options.tls or default_context()
        if options.proxy is None:
            return _Connection(urllib3.PoolManager(**one))
        proxy = _proxy(options.proxy)
        if proxy.scheme == "https":
            one["proxy_ssl_context"] = options.tls or default_context()
        if proxy.auth is not None:
            # UTF-8, as RFC 7617 advises; urllib3 itself would write Latin-1.
            credentials = base64.b64encode(unquote(proxy.auth).encode()).decode()
            one["proxy_headers"] = {"Proxy-Authorization": f"Basic {credentials}"}
        address = f"{proxy.scheme}://{proxy.netloc}"
        return _Connection(urllib3.ProxyManager(address, **one))


def _rest(response: Any) -> Iterator[bytes]:
    while not response.isclosed() and (piece := response.read1(_PIECE, decode_content=False)):
        yield piece


# urllib3 copies it before each use. Its own checks of a new one take a fiftieth of a call, and
# nearly all calls have the same, because few of them are near their deadline.
@functools.lru_cache(maxsize=16)
def _timeout(connect: float, read: float) -> urllib3.Timeout:
    return urllib3.Timeout(connect=max(connect, _SHORTEST_S), read=max(read, _SHORTEST_S))


def _is_untouched(manager: urllib3.PoolManager) -> bool:
    """Tell whether neither the manager nor what its ``request`` calls was replaced."""
    kind: Any = type(manager)
    return kind is _MANAGER and _are_own(
        kind.request, kind.urlopen, kind.connection_from_host, kind.connection_from_url
    )


@functools.lru_cache(maxsize=8)
def _are_own(*functions: object) -> bool:
    # The type tells of wrappers too that show the code of what they wrap.
    return all(
        type(each) is FunctionType and each.__code__.co_filename.startswith(_FOLDER)
        for each in functions
    )


def _are_lengths(text: str) -> bool:
    """Tell whether a ``Content-Length`` holds numbers only.

    Several are left to urllib3, which lets them pass only if they are the same.
    """
    if text.isdigit():
        return text.isascii()
    return all(each.isascii() and each.strip().isdigit() for each in text.split(","))


def _headers(request: WireRequest) -> Mapping[str, str]:
    pairs = [pair for pair in request.headers if pair[0].lower() not in _FRAMING]
    names = {name.lower() for name, _ in pairs}
    # A dict where it will do: urllib3's own class costs a tenth of a call.
    headers: dict[str, str] | urllib3.HTTPHeaderDict = dict(pairs)
    if len(names) < len(pairs):
        headers = urllib3.HTTPHeaderDict(pairs)
    if request.body is None and request.method not in _METHODS_WITHOUT_BODY:
        headers["Content-Length"] = "0"
    for name in _ADDED:
        if name.lower() not in names:
            headers[name] = SKIP_HEADER
    return headers


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


def _translated(origin: Origin, error: Exception, seen: Evidence) -> TransportError | None:
    """Return our error for one of urllib3's; None for a foreign one."""
    # An overflow is a chunk that is announced with more bytes than a machine can count.
    ours = (exceptions.HTTPError, HTTPException, OSError, OverflowError, ValueError)
    if not isinstance(error, ours):
        return None
    if isinstance(error, (exceptions.LocationValueError, UnicodeError)):
        return unwritable(type(error).__name__)
    kind, what = next(_ERRORS[each] for each in type(error).__mro__ if each in _ERRORS)
    within = error.args[-1] if error.args else None
    if isinstance(error, exceptions.SSLError) and seen == PERHAPS_SENT:
        # Of a tool's own class of connections: for a refused certificate, and for TLS that broke.
        if isinstance(within, ssl.SSLCertVerificationError):
            kind = NotConnectedError
    elif isinstance(error, exceptions.ProtocolError) and isinstance(within, TimeoutError):
        kind, what = TimedOutError, "the request was not taken in time"
    elif isinstance(error, _NotHttpError) or isinstance(within, _NotHttpError):
        what, seen = "the response is not HTTP", attrs.evolve(seen, response_begun=True)
    if kind is NotConnectedError:
        seen = NOTHING
    what = reason(error) or what
    return kind(f"{origin.text}: {what} ({type(error).__name__} of urllib3).", evidence=seen)
