"""aiohttp's end of a connection, watched.

It stands between the socket and aiohttp's parser: it writes the request, holds every wait to what
the deadline leaves, and keeps the evidence.

One timer serves a connection for all its exchanges. It is set when none is set that goes off early
enough, and when it goes off it looks whether the wait is over, so an exchange that goes well costs
no timer at all. Each exchange has a parser of its own: one that had seen the beginning of a
farewell would take the next answer for the rest of it.
"""

from __future__ import annotations

from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from billingual.outcomes import Evidence
from billingual.transports._failures import too_late
from billingual.transports._readable import Readable, said_farewell
from billingual.wire import Bounds

__all__ = ["SHORTEST_S", "WatchedProtocol"]

# To aiohttp no time at all means all the time in the world.
SHORTEST_S: Final = 0.001
# A larger request goes out piece by piece, each with a time of its own.
_PIECE: Final = 256 * 1024


class WatchedProtocol(ResponseHandler):
    """aiohttp's end of one connection, watched; it is in *open_ones* while it stands.

    Attributes:
        below: the event loop's end, for as long as it is open. aiohttp forgets it when it asks it
            to close, and one that has something left to write then waits for a reader for ever.
    """

    def __init__(self, open_ones: list[WatchedProtocol], keepalive_s: float, loop: Any) -> None:
        super().__init__(loop=loop)
        self.below: Any = None
        self._open = open_ones
        self._keepalive_s = keepalive_s
        self._bounds: Bounds | None = None
        self._rest: memoryview | None = None
        self._secure: Any = None
        self._idle = False
        self._due = 0.0
        self._timer: Any = None
        self._readable: Readable | None = None
        self._begun = False
        self._handed_over = False
        self._flushed = False
        self._received = False

    def begin(self, bounds: Bounds, head: bytes, body: bytes | None, *, without_body: bool) -> None:
        """Begin an exchange: hand the request to the event loop, or as much as it takes.

        Args:
            bounds: of the attempt.
            head: of the request, with the blank line.
            body: of the request.
            without_body: whether the answer has none, whatever its head says.

        Raises:
            ClientConnectionResetError: if the connection has ended.
            SocketTimeoutError: if no time is left for an answer: what is not sent stays clear.
        """
        self._bounds = bounds
        self._idle = self._begun = self._handed_over = self._flushed = self._received = False
        self._payload = None
        transport = self.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the connection has ended")
        if bounds.deadline.left() <= 0:
            raise too_late()
        self.set_response_params(
            skip_payload=without_body, read_until_eof=True, auto_decompress=False
        )
        if body and len(body) > _PIECE:
            self._rest = memoryview(body)
        elif body:
            head += body
        self._begun = True
        transport.write(head)
        self._go_on()

    def wait_for_more(self) -> None:
        """Give what comes next the time that a piece of an answer may take."""
        if self._bounds is not None:
            self._wait(self._bounds.timeouts.read)

    def rest(self) -> bool:
        """End the exchange: whatever comes now was not asked for.

        Returns:
            Whether another exchange may follow on this connection.
        """
        self._idle = True
        if not self._flushed or self.should_close:
            return False
        self._until(self._loop.time() + self._keepalive_s)
        return True

    def end(self) -> None:
        """End the connection, without a farewell."""
        # What was raised holds the frames that hold this: a circle would wait for the collector.
        self._exception = None
        if self.below is not None:
            self.below.abort()

    def is_fit(self) -> bool:
        """Tell whether an exchange may begin: nothing came since the last one, and it is young."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        return self._loop.time() < self._due and not self._is_readable(transport)

    def is_sent(self) -> bool:
        """Tell whether the event loop has given the whole request to the kernel."""
        if not self._flushed:
            self._look()
        return self._flushed

    def evidence(self) -> Evidence:
        """Say how far the exchange got.

        What the event loop still held when the connection broke may have gone out, or not.
        """
        complete = True if self.is_sent() else (None if self._begun else False)
        return Evidence(connected=True, request_complete=complete, answer_begun=self._received)

    def connection_made(self, transport: Any) -> None:
        """Note the connection."""
        super().connection_made(transport)
        self.below = transport
        self._secure = transport.get_extra_info("ssl_object")
        self._open.append(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self in self._open:
            self._open.remove(self)
        self.below = None
        if exc is None and not said_farewell(self._secure):
            exc = ConnectionResetError("the connection was cut")
        payload = self._payload
        if exc is not None and payload is not None and not payload.is_eof():
            # To the parser a body without a length ends well however it ends.
            payload.set_exception(aiohttp.ClientPayloadError("the answer broke off"))
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Give the next piece of the request its time: the one before was taken."""
        super().resume_writing()
        if self._bounds is not None and not self._idle:
            self._go_on()

    def resume_reading(self, *options: Any, **more: Any) -> None:
        """Read on where reading was paused; aiohttp asks for it after each piece."""
        if self._reading_paused:
            super().resume_reading(*options, **more)

    def data_received(self, data: bytes) -> None:
        """Note that an answer has begun, and give what follows its time."""
        if self._idle:
            # aiohttp would keep it and take it for the answer to the next request.
            if self.transport is not None:
                self.transport.abort()
            return
        if data and self._bounds is not None:
            self._received = True
            if not self._flushed:
                self._look()
        super().data_received(data)
        if data and (self._payload is None or not self._payload.is_eof()):
            self.wait_for_more()

    def _go_on(self) -> None:
        """Write what the event loop takes of the request; then wait for it, or for the answer."""
        transport, bounds = self.transport, self._bounds
        if transport is None or bounds is None:
            return
        while self._rest and not self.writing_paused and not transport.is_closing():
            piece, self._rest = self._rest[:_PIECE], self._rest[_PIECE:]
            transport.write(piece)
        # An empty view would keep the whole body.
        self._rest = self._rest or None
        self._handed_over = self._rest is None and not self.writing_paused
        self._look()
        self._wait(bounds.timeouts.read if self._handed_over else bounds.timeouts.write)

    def _look(self) -> None:
        """See whether the event loop has given all it was handed to the kernel."""
        transport = self.transport
        if not self._handed_over or transport is None or transport.is_closing():
            return  # what closes has thrown its buffer away
        # Under TLS a second buffer lies below this one, out of sight.
        hidden = self._secure is not None and not self._received
        self._flushed = not hidden and transport.get_write_buffer_size() == 0

    def _wait(self, seconds: float) -> None:
        """Give what comes next so many seconds, or what the deadline leaves."""
        if self._bounds is not None:
            self._until(self._loop.time() + self._bounds.phase(seconds))

    def _until(self, due: float) -> None:
        """Have the timer go off by then; one that goes off earlier is set anew only then."""
        self._due = due
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        transport = self.transport
        if transport is None:
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._ring)
        elif self._idle:
            transport.abort()
        else:
            self._give_up()

    def _give_up(self) -> None:
        error = aiohttp.SocketTimeoutError("the time for it was over")
        payload = self._payload
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)

    def _is_readable(self, transport: Any) -> bool:
        """Tell whether bytes, or an end, wait in the kernel where the loop has not looked yet."""
        if self._readable is None:
            self._readable = Readable(transport.get_extra_info("socket"))
        return self._readable.now()
