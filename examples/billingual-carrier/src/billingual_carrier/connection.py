"""One connection that notes how far a request got and how much time is left.

http.client gives each piece of a response the full timeout, so a server that drips would hold it
for ever, and it takes the end of a connection for the end of a response. It works on any object
with the methods of a socket. So it gets one that looks at the clock before each wait and notes what
it saw.
"""

from __future__ import annotations

import io
import selectors
import socket
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final

from billingual import ConnectionLostError, NotConnectedError, TimedOutError, TransportError
from billingual.abc import ExecutionScope, TransportOptions
from billingual.outcomes import Evidence
from billingual.transports import Address, BodyReader, default_context
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["StdlibConnection"]

_PIECE: Final = 65_536
_SHORTEST_S: Final = 0.001
"""To a socket no time at all means something else: not to wait."""
_ANNOUNCED: Final = frozenset({"PATCH", "POST", "PUT"})
"""Methods whose length is announced even where there is no body."""


class _Response(HTTPResponse):
    """A response; http.client skips only 100, but 103 and its like are preliminary too."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
        return version, 100 if 101 < status < 200 else status, reason


class _Watched:
    """As much of a socket as http.client uses."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self.bounds: Bounds
        self.begun = False
        self.ended = False

    def sendall(self, data: bytes) -> None:
        self.wait_for(self.bounds.timeouts.write)
        self.raw.sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self.raw.close()

    def wait_for(self, seconds: float) -> None:
        patience_s = self.bounds.phase(seconds)
        if patience_s <= 0:
            raise TimeoutError
        self.raw.settimeout(max(patience_s, _SHORTEST_S))


class _Reader(io.RawIOBase):
    """What one response is read from; the socket stays open after it."""

    def __init__(self, watched: _Watched) -> None:
        super().__init__()
        self._watched = watched
        self._file: Any = watched.raw.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        watched = self._watched
        watched.wait_for(watched.bounds.timeouts.read)
        count: int | None = self._file.readinto(buffer)
        watched.begun = watched.begun or bool(count)
        watched.ended = not count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class StdlibConnection:
    """A connection to one origin, made with its first request; for one exchange at a time."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._http: HTTPConnection | None = None
        self._watched: _Watched
        self._origin = ""
        self._complete: bool | None = None

    def exchange(self, request: WireRequest, address: Address, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole response; this blocks.

        Raises:
            TransportError: if no whole response came; its evidence says how far the request got.
        """
        kind: type[TransportError]
        try:
            http = self._connected(address, bounds)
            self._write(http, request, address.target)
            return self._read(http, bounds)
        except (OSError, HTTPException, ValueError) as error:
            failure = type(error).__name__
            kind = TimedOutError if isinstance(error, TimeoutError) else ConnectionLostError
        # Raised out here, so that no exception of a library, with what it quotes, hangs on ours.
        if self._http is None:
            unsent = Evidence(connected=False, request_complete=False, response_begun=False)
            raise NotConnectedError(
                f"no connection to {address.origin} ({failure}).", evidence=unsent
            )
        raise kind(f"{address.origin}: the exchange failed ({failure}).", evidence=self._evidence())

    async def aclose(self) -> None:
        """Close it."""
        self._close()

    def drop(self, scope: ExecutionScope) -> bool:  # noqa: ARG002 - any thread may close a socket
        """Close it; False if it was not open."""
        return self._close()

    def _connected(self, address: Address, bounds: Bounds) -> HTTPConnection:
        """Return the open connection if it can be used again, or make one."""
        http = self._http
        if http is None or self._origin != address.origin or not self._is_good(http):
            self._close()
            http = self._connect(address, bounds.phase(bounds.timeouts.connect))
        self._watched.bounds, self._watched.begun, self._complete = bounds, False, None
        return http

    def _connect(self, address: Address, seconds: float) -> HTTPConnection:
        secure = address.scheme == "https"
        default = 443 if secure else 80
        at = (address.host, address.port or default)
        raw = socket.create_connection(at, max(seconds, _SHORTEST_S))
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                tls = self._options.tls or default_context()
                raw = tls.wrap_socket(raw, server_hostname=address.host)
        except BaseException:
            raw.close()
            raise
        self._origin, self._watched = address.origin, _Watched(raw)
        self._http = http = HTTPConnection(*at)
        http.default_port = default
        http.response_class = _Response
        http.auto_open = 0
        http.sock = self._watched  # it looks like a socket
        return http

    def _is_good(self, http: HTTPConnection) -> bool:
        """Tell whether the server keeps the connection and sent nothing that was not asked for."""
        if http.sock is None or self._watched.ended:
            return False
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._watched.raw, selectors.EVENT_READ)
            return not waiting.select(0)

    def _write(self, http: HTTPConnection, request: WireRequest, target: str) -> None:
        body = request.body
        http.putrequest(request.method, target, skip_accept_encoding=True)
        for name, value in request.headers:
            http.putheader(name, value)
        if body is not None or request.method in _ANNOUNCED:
            http.putheader("Content-Length", str(len(body or b"")))
        http.endheaders(body)
        self._complete = True

    def _read(self, http: HTTPConnection, bounds: Bounds) -> WireResponse:
        with http.getresponse() as response:
            self._refuse_end("head")
            if response.headers.defects:
                # http.client takes a line that is no field for the end of the head.
                raise HTTPException
            status, headers = response.status, Headers(response.getheaders())
            reader = BodyReader(
                ", ".join(headers.get_all("content-encoding")),
                bounds,
                status=status,
                headers=headers,
            )
            while piece := response.read1(_PIECE):
                reader.feed(piece)
            if response.chunked or response.length:
                self._refuse_end("body")
        if status == 101:
            self._close()  # no request asked for another protocol
        return WireResponse(status=status, headers=headers, body=reader.finish())

    def _refuse_end(self, part: str) -> None:
        if self._watched.ended:
            raise ConnectionLostError(
                f"{self._origin}: the connection ended within the {part}.",
                evidence=self._evidence(),
            )

    def _evidence(self) -> Evidence:
        begun = self._watched.begun
        return Evidence(connected=True, request_complete=self._complete, response_begun=begun)

    def _close(self) -> bool:
        http, self._http = self._http, None
        was_open = http is not None and http.sock is not None
        if http is not None:
            http.close()
            self._watched.close()
        return was_open
