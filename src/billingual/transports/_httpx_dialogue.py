"""One request and its answer over HTTP/1.1, without any waiting.

h11, the engine of httpx, speaks the protocol and judges the server; what is here asks it in the
order that an exchange has, and holds the answer to its bounds. Who waits, and how, is another
matter: bytes to send come out, bytes that came go in.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import h11

from billingual.errors import TransportError
from billingual.transports._address import Origin, check_headers, parted
from billingual.transports._body import BodyReader
from billingual.transports._failures import too_late, unwritable
from billingual.transports._watch import Watch
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Dialogue", "Outgoing", "Writer"]

# As httpcore: a head that is larger is none.
_LARGEST_HEAD: Final = 100 * 1024
# What a network hands over at once; a smaller body travels with the head.
_ONE_PIECE: Final = 64 * 1024
_KNOWN: Final = 16
_WITH_LENGTH: Final = frozenset({"PATCH", "POST", "PUT"})
_END: Final = h11.EndOfMessage()
_LOOKED_AT: Final = {
    "content-encoding": "coding",
    "content-length": "framing",
    "transfer-encoding": "framing",
}


@attrs.define(eq=False)
class Outgoing:
    """A request made ready; its ``repr`` shows nothing of it, for tracebacks show variables.

    Attributes:
        origin: where it goes.
        head: request line and headers.
        body: the bytes, if any.
    """

    origin: Origin
    head: h11.Request = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)


class Writer:
    """Write the heads of requests; a set of headers that came before is not gone through again."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}

    def write(self, request: WireRequest) -> Outgoing:
        """Make a request ready.

        Raises:
            TransportError: if it cannot be written as HTTP; nothing of it is quoted.
        """
        try:
            return self._written(request)
        except h11.LocalProtocolError:
            failure = unwritable("its headers contradict each other")
        except TransportError as error:
            failure = error
        try:
            # Bare, so that no frame with the headers hangs on it.
            raise failure.with_traceback(None)
        finally:
            del failure

    def _written(self, request: WireRequest) -> Outgoing:
        origin, target = parted(request.url)
        body = request.body
        length = None if body is None else len(body)
        key = (origin.text, tuple(request.headers), request.method, length)
        headers = self._known.get(key)
        if headers is not None:
            head = h11.Request(method=request.method, target=target, headers=headers)
            return Outgoing(origin, head, body)
        check_headers(request)
        head = h11.Request(
            method=request.method, target=target, headers=_fields(request, origin, length)
        )
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[key] = head.headers
        return Outgoing(origin, head, body)


def _fields(request: WireRequest, origin: Origin, length: int | None) -> list[tuple[str, str]]:
    """List the request's headers, with the host and the length where it does not say them."""
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


class Dialogue:
    """The exchanges on one connection, one after another."""

    __slots__ = (
        "_bounds", "_complete", "_framings", "_headers", "_http", "_reader", "_status", "_watch",
    )  # fmt: skip

    # Of the exchange under way; each is there once it is needed.
    _bounds: Bounds
    _status: int
    _headers: Headers
    _complete: bool | None
    _framings: int
    _reader: BodyReader

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)

    def begin(self, outgoing: Outgoing, bounds: Bounds) -> list[bytes]:
        """Begin with a request; return the pieces to send.

        Raises:
            TimedOutError: if no time is left for an answer: what is not sent stays clear.
        """
        if bounds.deadline.left() <= 0:
            raise too_late()
        self._bounds = bounds
        http, body = self._http, outgoing.body
        pieces = [http.send(outgoing.head)]
        if body:
            pieces += http.send_with_data_passthrough(h11.Data(data=body)) or ()
            if len(body) <= _ONE_PIECE:
                pieces = [b"".join(pieces)]
        # Of chunks that the caller asked for there is a last one.
        last = http.send(_END)
        if last:
            pieces.append(last)
        return pieces

    def feed(self, data: bytes) -> bool:
        """Take what came, nothing for an end; True once the answer is whole.

        Raises:
            h11.RemoteProtocolError: if the server does not speak HTTP, or stopped too early.
            TransportError: if the answer breaks a bound.
        """
        http = self._http
        http.receive_data(data)
        while True:
            event = http.next_event()
            kind = type(event)
            if kind is h11.Data:
                self._reader.feed(bytes(event.data))  # type: ignore[union-attr]  # by its type
            elif kind is h11.Response:
                self._listen_to(event)  # type: ignore[arg-type]  # likewise
            elif event is h11.NEED_DATA:
                return False
            elif kind is h11.EndOfMessage:
                return True
            elif kind is not h11.InformationalResponse:
                raise h11.RemoteProtocolError("the server switched to another protocol")

    def finish(self) -> WireResponse:
        """Return the answer.

        Raises:
            TransportError: if its packed body ended early.
        """
        return WireResponse(
            status=self._status,
            headers=self._headers,
            body=self._reader.finish(),
            request_complete=self._complete,
        )

    def may_go_on(self) -> bool:
        """Make ready for the next request; False if the connection is of no more use."""
        http = self._http
        # Bytes after an answer would be taken for the next one, and where an answer with two words
        # of its length ends, not all may have seen alike.
        if (
            not (http.our_state is http.their_state is h11.DONE)
            or any(http.trailing_data)
            or self._framings > 1
        ):
            return False
        http.start_next_cycle()
        del self._reader
        return True

    def _listen_to(self, response: h11.Response) -> None:
        self._status = self._watch.status = response.status_code
        self._complete = self._watch.request_complete()
        fields: list[tuple[str, str]] = []
        codings: list[str] = []
        self._framings = 0
        for raw_name, raw_value in response.headers.raw_items():
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            fields.append((name, value))
            kind = _LOOKED_AT.get(name.lower())
            if kind == "coding":
                codings.append(value)
            elif kind is not None:
                self._framings += 1
        self._headers = Headers(fields)
        self._reader = BodyReader(
            ", ".join(codings),
            self._bounds,
            status=self._status,
            request_complete=self._complete,
        )
