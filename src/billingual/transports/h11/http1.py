"""HTTP/1.1 without I/O: a request becomes bytes, and received bytes become a response.

h11 speaks the protocol and judges the server. This module calls it in the order of one exchange and
holds the response to its bounds. Who waits for the bytes, and how, is the business of `connection`.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import h11

from billingual.errors import TransportError
from billingual.transports._address import Origin, check_headers, parted
from billingual.transports._body import BodyReader
from billingual.transports._failures import too_late, unwritable
from billingual.transports.h11.proxy import Proxy
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Http1", "PreparedRequest", "RequestWriter"]

# As in httpcore: a response head that is larger is an attack or a mistake.
_LARGEST_HEAD: Final = 100 * 1024
# A smaller body travels in one piece with its head: one system call instead of two.
_ONE_PIECE: Final = 64 * 1024
# Sets of headers to remember; a client sends only a few different ones.
_REMEMBERED: Final = 16
# Servers may expect a length of these even where there is no body (RFC 9110, section 8.6).
_WITH_LENGTH: Final = frozenset({"PATCH", "POST", "PUT"})
_END: Final = h11.EndOfMessage()
_NOTED_HEADERS: Final = {
    "content-encoding": "coding",
    "content-length": "framing",
    "transfer-encoding": "framing",
}


@attrs.define(eq=False)
class PreparedRequest:
    """A request that is ready to be sent.

    Its ``repr`` hides everything, because some error reports print the variables of each frame.

    Attributes:
        origin: where it goes.
        head: request line and headers.
        body: the bytes, if any.
    """

    origin: Origin
    head: h11.Request = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)


class RequestWriter:
    """Prepare requests; a set of headers that was checked once is not checked again.

    Args:
        proxy: the proxy that the requests go through, if any.
    """

    def __init__(self, proxy: Proxy | None = None) -> None:
        self._proxy = proxy
        self._remembered: dict[object, Any] = {}

    def prepare(self, request: WireRequest) -> PreparedRequest:
        """Make a request ready to be sent.

        Raises:
            TransportError: if it cannot be written as HTTP; the error quotes nothing of it.
        """
        try:
            return self._prepared(request)
        except h11.LocalProtocolError:
            failure = unwritable("its headers contradict each other")
        except TransportError as error:
            failure = error
        try:
            # Raised out here, so that no frame that holds the headers hangs on it.
            raise failure.with_traceback(None)
        finally:
            del failure

    def _prepared(self, request: WireRequest) -> PreparedRequest:
        origin, target = parted(request.url)
        body = request.body
        length = None if body is None else len(body)
        # A plain request through a proxy names its whole address; a secure one has a tunnel.
        forwarded = self._proxy if origin.scheme == "http" else None
        if forwarded is not None:
            target = f"{origin.text}{target}"
        key = (origin.text, tuple(request.headers), request.method, length)
        headers = self._remembered.get(key)
        if headers is not None:
            head = h11.Request(method=request.method, target=target, headers=headers)
            return PreparedRequest(origin, head, body)
        check_headers(request)
        fields = _fields(request, origin, length)
        if forwarded is not None:
            fields += forwarded.headers()
        head = h11.Request(method=request.method, target=target, headers=fields)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = head.headers
        return PreparedRequest(origin, head, body)


def _fields(request: WireRequest, origin: Origin, length: int | None) -> list[tuple[str, str]]:
    """List the request's headers; add the host and the length where the caller gives none."""
    fields = list(request.headers)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        usual = origin.port in {None, 443 if origin.scheme == "https" else 80}
        fields.insert(0, ("Host", host if usual else f"{host}:{origin.port}"))
    if length is None and request.method in _WITH_LENGTH:
        length = 0
    if length is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(length)))
    return fields


class Http1:
    """The exchanges on one connection, one after another.

    Attributes:
        status: of the response under way, once its head has come.
    """

    __slots__ = (
        "_bounds", "_complete", "_framings", "_headers", "_http", "_reader", "status",
    )  # fmt: skip

    # Of the exchange under way; each is set when it is first needed.
    _bounds: Bounds
    _headers: Headers
    _complete: bool | None
    _framings: int
    _reader: BodyReader

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        self.status: int | None = None

    def begin(self, request: PreparedRequest, bounds: Bounds) -> list[bytes]:
        """Begin an exchange; return the pieces to send.

        Raises:
            TimedOutError: if the deadline has passed. A request without time for a response would
                only end unclear, so nothing is sent.
        """
        if bounds.deadline.left() <= 0:
            raise too_late()
        self._bounds, self.status = bounds, None
        http, body = self._http, request.body
        pieces = [http.send(request.head)]
        if body:
            pieces += http.send_with_data_passthrough(h11.Data(data=body)) or ()
            if len(body) <= _ONE_PIECE:
                pieces = [b"".join(pieces)]
        # A caller who asks for chunks needs the last one too.
        last = http.send(_END)
        if last:
            pieces.append(last)
        return pieces

    def feed(self, data: bytes, *, request_complete: bool) -> bool:
        """Take received bytes, empty at the end of the stream; True once the response is whole.

        Args:
            data: the bytes.
            request_complete: whether the whole request has been handed over by now.

        Raises:
            h11.RemoteProtocolError: if the server does not speak HTTP, or stopped too early.
            TransportError: if the response breaks a bound.
        """
        http = self._http
        http.receive_data(data)
        while True:
            event = http.next_event()
            kind = type(event)
            if kind is h11.Data:
                self._reader.feed(bytes(event.data))  # type: ignore[union-attr]  # by its type
            elif kind is h11.Response:
                self._read_head(event, request_complete)  # type: ignore[arg-type]  # likewise
            elif event is h11.NEED_DATA:
                return False
            elif kind is h11.EndOfMessage:
                return True
            elif kind is not h11.InformationalResponse:
                raise h11.RemoteProtocolError("the server switched to another protocol")

    def finish(self) -> WireResponse:
        """Return the response.

        Raises:
            TransportError: if its compressed body ended early.
        """
        assert self.status is not None  # noqa: S101 - only called once `feed` returned True
        return WireResponse(
            status=self.status,
            headers=self._headers,
            body=self._reader.finish(),
            request_complete=self._complete,
        )

    def start_next(self) -> bool:
        """Make ready for the next request; False if the connection must be closed.

        Bytes after a response would be taken for the next one. A response that states its length
        twice is dangerous too: a proxy on the way may disagree with us about where it ends.
        """
        http = self._http
        if (
            not (http.our_state is http.their_state is h11.DONE)
            or any(http.trailing_data)
            or self._framings > 1
        ):
            return False
        http.start_next_cycle()
        del self._reader
        return True

    def _read_head(self, response: h11.Response, request_complete: bool) -> None:  # noqa: FBT001
        self.status = response.status_code
        # A response that overtakes its request proves nothing about the rest of the request.
        self._complete = request_complete or None
        fields: list[tuple[str, str]] = []
        codings: list[str] = []
        self._framings = 0
        for raw_name, raw_value in response.headers.raw_items():
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            fields.append((name, value))
            kind = _NOTED_HEADERS.get(name.lower())
            if kind == "coding":
                codings.append(value)
            elif kind is not None:
                self._framings += 1
        self._headers = Headers(fields)
        self._reader = BodyReader(
            ", ".join(codings),
            self._bounds,
            status=self.status,
            request_complete=self._complete,
        )
