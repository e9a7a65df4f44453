"""aiohttp's end of a connection, watched.

It stands between the socket and aiohttp's parser: it holds every wait to what the deadline leaves,
gives the request a time to be written in, and keeps the evidence.

One timer serves a connection for all its exchanges. It is set when none is set that goes off early
enough, and when it goes off it looks whether the wait is over, so an exchange that goes well costs
no timer at all.
"""

from __future__ import annotations

import select
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from billingual.outcome import Evidence
from billingual.wire import Bounds

__all__ = ["SHORTEST_S", "WatchedProtocol"]

# To aiohttp no time at all means all the time in the world.
SHORTEST_S: Final = 0.001


class WatchedProtocol(ResponseHandler):
    """aiohttp's end of one connection, watched; it is in *open_ones* while it stands.

    Attributes:
        below: the event loop's end, for as long as it is open. aiohttp forgets it when it asks it
            to close, and one that has something left to write then waits for a reader for ever.
    """

    def __init__(self, open_ones: list[WatchedProtocol], loop: Any) -> None:
        super().__init__(loop=loop)
        self.below: Any = None
        self._open = open_ones
        self._bounds: Bounds | None = None
        self._idle = False
        self._due = 0.0
        self._timer: Any = None
        self._poll: Any = None
        self._handed_over = False
        self._flushed = False
        self._received = False

    def begin(self, bounds: Bounds) -> None:
        """Begin an exchange: the connection stands, and nothing is written yet."""
        self._bounds = bounds
        self._idle = self._handed_over = self._flushed = self._received = False
        self._wait(bounds.timeouts.write)

    def rest(self) -> None:
        """End the exchange: whatever comes now was not asked for."""
        self._idle = True

    def is_stale(self) -> bool:
        """Tell whether something came since the last exchange: a farewell, or worse."""
        transport = self.transport
        if not self._idle or transport is None:
            return False
        return transport.is_closing() or self._is_readable(transport)

    def evidence(self) -> Evidence:
        """Say how far the exchange got.

        What the event loop still held when the connection broke may have gone out, or not.
        """
        self._look()
        return Evidence(
            connected=True,
            request_complete=True if self._flushed else None,
            answer_begun=self._received,
        )

    def connection_made(self, transport: Any) -> None:
        """Note the connection."""
        super().connection_made(transport)
        self.below = transport
        self._open.append(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note its end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self in self._open:
            self._open.remove(self)
        self.below = None
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Give the next piece of the request its time: the one before was taken."""
        super().resume_writing()
        if self._bounds is not None:
            self._wait(self._bounds.timeouts.write)

    def start_timeout(self) -> None:
        """Note that the whole request was handed to the event loop."""
        super().start_timeout()
        self._handed_over = True
        self._look()
        if self._bounds is not None:
            self._wait(self._bounds.timeouts.read)

    def data_received(self, data: bytes) -> None:
        """Note that an answer has begun, and give what follows its time."""
        if self._idle:
            # aiohttp would keep it and take it for the answer to the next request.
            if self.transport is not None:
                self.transport.abort()
            return
        if self._bounds is not None and data:
            self._received = True
            self._look()
            self._wait(self._bounds.timeouts.read)
        super().data_received(data)

    def _look(self) -> None:
        """See whether the event loop has given all it was handed to the kernel."""
        transport = self.transport
        if self._flushed or not self._handed_over or transport is None:
            return
        # Under TLS a second buffer lies below this one, out of sight.
        hidden = not self._received and transport.get_extra_info("sslcontext") is not None
        self._flushed = not hidden and transport.get_write_buffer_size() == 0

    def _wait(self, seconds: float) -> None:
        """Give what comes next so many seconds, or what the deadline leaves."""
        if self._bounds is None:
            return
        self._due = self._loop.time() + self._bounds.phase(seconds)
        if self._timer is not None:
            if self._timer.when() <= self._due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._idle or self.transport is None:
            return
        if self._due > self._loop.time():
            self._timer = self._loop.call_at(self._due, self._ring)
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
        if self._poll is None:
            number = transport.get_extra_info("socket").fileno()
            if not hasattr(select, "poll"):  # pragma: no cover - Windows
                return bool(select.select([number], [], [], 0)[0])
            self._poll = select.poll()
            self._poll.register(number, select.POLLIN)
        return bool(self._poll.poll(0))
