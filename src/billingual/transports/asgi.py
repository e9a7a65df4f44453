"""Talk to an ASGI application in this process: no socket, no server, no waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar, Final, TypeAlias
from urllib.parse import unquote, urlsplit

import attrs

from billingual.errors import ConnectionLostError
from billingual.outcomes import Evidence
from billingual.transports._body import BodyReader
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["AsgiApp", "AsgiTransport"]

Message: TypeAlias = MutableMapping[str, Any]
AsgiApp: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

_DELIVERED: Final = Evidence(connected=True, request_complete=True, response_begun=False)


@attrs.define
class _Exchange:
    """One request inside the application, and what comes back."""

    body: bytes = attrs.field(repr=False)
    delivered: bool = False
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, repr=False)
    pieces: list[bytes] = attrs.field(factory=list, repr=False)
    ended: bool = False
    dropped: bool = False

    async def receive(self) -> Message:
        if self.delivered:
            return {"type": "http.disconnect"}
        self.delivered = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        if self.dropped:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(bytes(k), bytes(v)) for k, v in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self.pieces.append(message.get("body", b""))
            self.ended = not message.get("more_body", False)

    def drop(self) -> None:
        """Break the connection, as a server's socket would."""
        self.dropped = True


class AsgiTransport:
    """Call *app* for each request. It suspends only where the application does.

    Args:
        app: an ASGI application. Its lifespan events are not sent.
    """

    library: ClassVar[str | None] = None
    http2: Final = False

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        exchange = _Exchange(request.body or b"")
        fault: Exception | None = None
        try:
            await self._app(_scope(request, exchange), exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - whatever the application raises
            # A server would close the connection; what was answered before still counts.
            fault = error
        if exchange.status is None or exchange.dropped or not exchange.ended:
            begun = exchange.status is not None
            raise ConnectionLostError(
                "the application broke the connection before its response was whole.",
                evidence=attrs.evolve(_DELIVERED, response_begun=begun, status=exchange.status),
            ) from fault
        headers = Headers((k.decode("latin-1"), v.decode("latin-1")) for k, v in exchange.headers)
        coding = ", ".join(headers.get_all("content-encoding"))
        reader = BodyReader(coding, bounds, status=exchange.status, headers=headers)
        for piece in exchange.pieces:
            reader.feed(piece)
        return WireResponse(status=exchange.status, headers=headers, body=reader.finish())

    async def aclose(self) -> None:
        """Do nothing: the application is the caller's."""


class _Unshown(bytes):
    """A header's value: the frames of an application that fails are full of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def _scope(request: WireRequest, exchange: _Exchange) -> Message:
    parts = urlsplit(request.url)
    body = request.body or b""
    headers: list[tuple[bytes, bytes]] = [
        (key.lower().encode("latin-1"), _Unshown(value.encode("latin-1")))
        for key, value in request.headers
    ]
    headers.append((b"host", parts.netloc.encode("latin-1")))
    if request.body is not None:
        headers.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname or "localhost", parts.port or 80),
        "extensions": {"sandbox.drop": exchange.drop},
    }
