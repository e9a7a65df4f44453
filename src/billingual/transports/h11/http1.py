"""HTTP/1.1 without I/O: a request becomes bytes, and received bytes become a response.

httptools parses (llhttp, the parser of Node.js, in C); it is strict about what a server may send.
This module holds the response to its bounds, and decides whether the connection can serve another
request. Who waits for the bytes, and how, is the business of `connection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools

from billingual.errors import TransportError
from billingual.transports._body import BodyReader
from billingual.transports._failures import too_late, unwritable
from billingual.transports._request import Origin, check_headers, parted
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.transports.h11.proxy import Proxy

__all__ = [
    "BadResponseError",
    "Http1",
    "PreparedRequest",
    "ProxyRefusedError",
    "RequestWriter",
    "ResponseParser",
]

# As in httpcore: a response head that is larger is an attack or a mistake.
_LARGEST_HEAD: Final = 100 * 1024
# A smaller body travels in one piece with its head: one system call instead of two.
_ONE_PIECE: Final = 64 * 1024
# Sets of headers to remember; a client sends only a few different ones.
_REMEMBERED: Final = 16
# Servers may expect a length of these even where there is no body (RFC 9110, section 8.6).
_WITH_LENGTH: Final = frozenset({"PATCH", "POST", "PUT"})
# These have no body, even if their head states a length (RFC 9112, section 6.3).
_WITHOUT_BODY: Final = frozenset({204, 304})
# The parser also knows HTTP/0.9 and 2.0, whose messages look different.
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_NOTED_HEADERS: Final = {
    "content-encoding": "coding",
    "content-length": "length",
    "transfer-encoding": "transfer",
}


class BadResponseError(Exception):
    """The server does not speak HTTP, or its response ended early."""


class ProxyRefusedError(ConnectionError):
    """The proxy did not open a tunnel."""


class PreparedRequest:
    """A request that is ready to be sent.

    Not an attrs class: some error reports print the variables of each frame, so its ``repr`` must
    show nothing.

    Attributes:
        origin: where it goes.
        head: request line and headers.
        body: the bytes that follow the head, framed.
        reads_body: whether its response may have a body; not that of a HEAD.
        keeps: whether the connection may serve another request afterwards.
    """

    __slots__ = ("body", "head", "keeps", "origin", "reads_body")

    def __init__(
        self, origin: Origin, head: bytes, body: bytes, *, reads_body: bool, keeps: bool
    ) -> None:
        self.origin: Origin = origin
        self.head: bytes = head
        self.body: bytes = body
        self.reads_body: bool = reads_body
        self.keeps: bool = keeps


class RequestWriter:
    """Prepare requests; a set of headers that was checked once is not checked again.

    Args:
        proxy: the proxy that the requests go through, if any.
    """

    def __init__(self, proxy: Proxy | None = None) -> None:
        self._proxy = proxy
        self._remembered: dict[object, _Fields] = {}

    def prepare(self, request: WireRequest) -> PreparedRequest:
        """Make a request ready to be sent.

        Raises:
            TransportError: if it cannot be written as HTTP; the error quotes nothing of it.
        """
        try:
            return self._prepared(request)
        except TransportError as error:
            failure = error
        try:
            # Raised out here, so that no frame that holds the headers hangs on it.
            raise failure.with_traceback(None)
        finally:
            del failure

    def _prepared(self, request: WireRequest) -> PreparedRequest:
        origin, target = parted(request.url)
        method, body = request.method, request.body
        # A plain request through a proxy names its whole address; a secure one has a tunnel.
        proxy = self._proxy if origin.scheme == "http" else None
        if proxy is not None:
            target = f"{origin.text}{target}"
        key = (origin.text, tuple(request.headers), method, None if body is None else len(body))
        fields = self._remembered.get(key)
        if fields is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            fields = self._remembered[key] = _checked_fields(request, origin, proxy)
        head = f"{method} {target} HTTP/1.1\r\n".encode("ascii") + fields.lines
        content = body or b""
        if fields.chunked:
            content = (
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
            )
        return PreparedRequest(
            origin, head, content, reads_body=method != "HEAD", keeps=fields.keeps
        )


class _Fields:
    """The header lines of a request, with the empty one after them, and what they ask for."""

    __slots__ = ("chunked", "keeps", "lines")

    def __init__(self, lines: bytes, *, chunked: bool, keeps: bool) -> None:
        self.lines = lines
        self.chunked = chunked
        self.keeps = keeps


def _checked_fields(request: WireRequest, origin: Origin, proxy: Proxy | None) -> _Fields:
    """Write the header lines; add the host and the length where the caller gives none.

    A request with two hosts, or with a length that is not that of its body, would be read in
    different ways by different servers, so it is refused.
    """
    check_headers(request)
    if request.method == "CONNECT":
        raise unwritable("its method asks for a tunnel")
    pairs = list(request.headers)
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name.lower(), []).append(value)
    lengths = given.get("content-length", [])
    codings = [value.lower() for value in given.get("transfer-encoding", [])]
    length = str(len(request.body or b""))
    if codings not in ([], ["chunked"]) or (lengths and codings):
        raise unwritable("its headers contradict each other")
    if lengths not in ([], [length]):
        raise unwritable("its headers contradict its body")
    if "host" not in given:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        usual = origin.port in {None, 443 if origin.scheme == "https" else 80}
        pairs.insert(0, ("Host", host if usual else f"{host}:{origin.port}"))
    has_body = request.body is not None or request.method in _WITH_LENGTH
    if has_body and not lengths and not codings:
        pairs.append(("Content-Length", length))
    if proxy is not None:
        pairs += proxy.headers()
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n"
    closes = any("close" in value.lower() for value in given.get("connection", []))
    return _Fields(lines.encode("ascii"), chunked=bool(codings), keeps=not closes)


class ResponseParser:
    """Parse the response to one request; the parser calls the methods that begin with ``on_``.

    Attributes:
        status: of the response, once its head has come; a preliminary response (1xx) is skipped.
        fields: its header fields, in order.
        body: pieces of its body that were not taken yet.
        done: whether it is whole.
        surplus: whether bytes came after it.
        keeps: whether the server keeps the connection.
        unknown_version: whether a head names a version of HTTP that is not known here.
    """

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.status: int | None = None
        self.fields: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self.done: bool = False
        self.surplus: bool = False
        self.keeps: bool = False
        self.unknown_version: bool = False

    def feed(self, data: bytes) -> None:
        """Take received bytes.

        Raises:
            BadResponseError: if they are not HTTP.
        """
        assert self._parser is not None  # noqa: S101 - nothing is fed once it is closed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            why = "the server switched to another protocol"
        except httptools.HttpParserError as error:
            # Raised below, because its traceback holds the bytes, and its text may quote them.
            why = f"the response is not HTTP ({type(error).__name__})"
        else:
            why = "the response has an unknown version of HTTP" if self.unknown_version else ""
        if not self.done and why:
            raise BadResponseError(why)
        self.surplus = self.surplus or bool(why)

    def close(self) -> None:
        """Let go of the parser, which refers to this object: a cycle would be freed late."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Begin a response: the first, or the one after a preliminary response."""
        if self.done:
            self.surplus = True
        else:
            self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; those after the body are of no use here."""
        if self.status is None:
            # Spaces around a value are no part of it; the parser leaves those at its end.
            self.fields.append((name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Take the end of a head."""
        if self.status is None and self._parser is not None:
            status = self._parser.get_status_code()
            if self._parser.get_http_version() not in _VERSIONS:
                self.unknown_version = True
            if not 100 <= status < 200:
                self.status = status

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if not self.done:
            self.body.append(data)

    def on_message_complete(self) -> None:
        """Take the end of a response, unless it was a preliminary one."""
        if self.status is not None and not self.done and self._parser is not None:
            self.done = True
            self.keeps = self._parser.should_keep_alive()


class Http1:
    """The exchanges on one connection, one after another."""

    __slots__ = (
        "_bounds", "_complete", "_framings", "_headers", "_reader", "_received", "_request",
        "_response",
    )  # fmt: skip

    # Of the exchange under way; each is set when it is first needed.
    _bounds: Bounds
    _complete: bool | None
    _framings: int
    _headers: Headers
    _received: int
    _request: PreparedRequest

    def __init__(self) -> None:
        self._response: ResponseParser | None = None
        self._reader: BodyReader | None = None

    @property
    def status(self) -> int | None:
        """The status of the response under way, once its head has come."""
        return None if self._response is None else self._response.status

    def begin(self, request: PreparedRequest, bounds: Bounds) -> list[bytes]:
        """Begin an exchange; return the pieces to send.

        Raises:
            TimedOutError: if the deadline has passed. A request without time for a response would
                only end unclear, so nothing is sent.
        """
        if bounds.deadline.left() <= 0:
            raise too_late()
        self._request, self._bounds, self._received = request, bounds, 0
        self._response, self._reader = ResponseParser(), None
        if len(request.body) <= _ONE_PIECE:
            return [request.head + request.body]
        return [request.head, request.body]

    def feed(self, data: bytes, *, request_complete: bool) -> bool:
        """Take received bytes, empty at the end of the stream; True once the response is whole.

        Args:
            data: the bytes.
            request_complete: whether the whole request has been handed over by now.

        Raises:
            BadResponseError: if the server does not speak HTTP, or stopped too early.
            TransportError: if the response breaks a bound.
        """
        response, reader = self._under_way, self._reader
        self._received += len(data)
        if data:
            response.feed(data)
        if reader is None:
            if response.status is None:
                return self._await_head(data)
            reader = self._reader = self._read_head(response, request_complete)
        if not self._request.reads_body or response.status in _WITHOUT_BODY:
            # Whatever follows is not part of this response. The parser may still wait for a body:
            # then the connection is closed.
            response.body.clear()
            response.done = True
            return True
        # Chunk sizes and trailers are no body, and must not be endless either.
        if self._received > self._bounds.wire_bytes + _LARGEST_HEAD and not response.done:
            raise reader.too_large(f"{self._bounds.wire_bytes} bytes on the wire")
        for piece in response.body:
            reader.feed(piece)
        response.body.clear()
        if not data and not response.done:
            if self._framings:
                raise BadResponseError("the server closed the connection early")
            response.done = True  # a body without a length ends with its connection
        return response.done

    def finish(self) -> WireResponse:
        """Return the response.

        Raises:
            TransportError: if its compressed body ended early.
        """
        status, reader = self.status, self._reader
        assert status is not None and reader is not None  # noqa: S101, PT018 - `feed` returned True
        return WireResponse(
            status=status,
            headers=self._headers,
            body=reader.finish(),
            request_complete=self._complete,
        )

    def start_next(self) -> bool:
        """Make ready for the next request; False if the connection must be closed.

        Bytes after a response would be taken for the next one. A response that states its length
        twice is dangerous too: a proxy on the way may disagree with us about where it ends.
        """
        response = self._under_way
        response.close()
        return (
            response.keeps and not response.surplus and self._framings <= 1 and self._request.keeps
        )

    def close(self) -> None:
        """Let go of what only an exchange under way needs."""
        if self._response is not None:
            self._response.close()

    @property
    def _under_way(self) -> ResponseParser:
        assert self._response is not None  # noqa: S101 - `begin` comes first
        return self._response

    def _await_head(self, data: bytes) -> bool:
        if not data:
            raise BadResponseError("the server closed the connection early")
        if self._received > _LARGEST_HEAD:
            raise BadResponseError("the head of the response is too large")
        if self._bounds.deadline.left() <= 0:
            raise TimeoutError("the deadline has passed")
        return False

    def _read_head(self, response: ResponseParser, request_complete: bool) -> BodyReader:  # noqa: FBT001
        if response.status is not None and response.status < 100:
            raise BadResponseError("the response has a status below 100")
        # A response that overtakes its request proves nothing about the rest of the request.
        self._complete = request_complete or None
        self._headers = Headers(response.fields)
        codings: list[str] = []
        self._framings = 0
        for name, value in response.fields:
            known = _NOTED_HEADERS.get(name.lower())
            if known == "coding":
                codings.append(value)
            elif known is not None:
                self._framings += 1
                if known == "transfer" and value.lower() != "chunked":
                    raise BadResponseError("the response has an unknown transfer coding")
        return BodyReader(
            ", ".join(codings),
            self._bounds,
            status=response.status,
            headers=self._headers,
            request_complete=self._complete,
        )
