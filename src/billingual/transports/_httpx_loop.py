"""A connection on an event loop of asyncio's kind: the loop calls below, a lane waits above.

What comes is fed to the exchange as the loop hands it over, and the waiting task is woken once,
when the answer is whole. One timer serves a connection for all its exchanges: it is set when none
is set that goes off early enough, and when it goes off it looks whether the wait is over, so an
exchange that goes well costs no timer at all.
"""

from __future__ import annotations

import ssl
from typing import Any

from billingual.abc import ExecutionScope
from billingual.transports._httpx_dialogue import Dialogue
from billingual.transports._parting import end_transport
from billingual.transports._readable import Readable, said_farewell
from billingual.transports._watch import Watch
from billingual.wire import Bounds

__all__ = ["LoopLine", "taken_over"]


def taken_over(stream: Any, loop: Any, watch: Watch, core: Any) -> LoopLine | None:
    """Take the connection over that httpcore's backend made; None if it cannot be got at.

    The backend knows how to find a host and to try its addresses; what it puts between a loop and
    its caller costs more than all the rest of an exchange.

    Raises:
        WriteError: of httpcore, if it has ended already.
    """
    transport: Any = getattr(getattr(stream, "_stream", None), "_transport", None)
    try:
        before = transport.get_protocol()
        usable = transport.get_extra_info("socket") and transport.get_write_buffer_size() == 0
    except (AttributeError, NotImplementedError):
        usable = False
    if not usable:
        return None
    if (
        transport.is_closing()
        or getattr(before, "is_at_eof", False)
        or getattr(before, "read_queue", None)
    ):
        # What came before it was asked for is gone, and so is the word of its end.
        transport.abort()
        raise core.WriteError("the server ended it, or spoke, before it was asked")
    line = LoopLine(transport, loop, watch, core)
    transport.set_protocol(line)
    transport.resume_reading()
    return line


class LoopLine:
    """One connection; the methods of a protocol are for the event loop alone."""

    _bounds: Bounds
    """Of the exchange under way, or of the last."""

    def __init__(self, transport: Any, loop: Any, watch: Watch, core: Any) -> None:
        self._loop = loop
        self._watch = watch
        self._core = core
        # Under TLS the two differ: what is written above is on its way only once it is through
        # below.
        self._above: Any = transport
        self._below: Any = transport
        self._readable: Readable | None = None
        self._open = True
        self._dialogue: Dialogue | None = None
        self._failure: Exception | None = None
        self._flushed = False
        self._left = 0
        self._waiter: Any = None
        self._due = 0.0
        self._timer: Any = None
        self._rings_at = 0.0

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Secure the connection.

        Raises:
            ConnectError: of httpcore, if the handshake fails.
            ConnectTimeout: likewise, if it takes longer than so many seconds.
        """
        core = self._core
        try:
            self._above = await self._loop.start_tls(
                self._below, self, context, server_hostname=host, ssl_handshake_timeout=seconds
            )
        except ConnectionAbortedError as error:  # as the loop says that time is over
            raise core.ConnectTimeout from error
        except OSError as error:
            raise core.ConnectError from error
        if self._above is None:
            raise core.ConnectError("the connection ended with its handshake")

    async def exchange(self, dialogue: Dialogue, pieces: list[bytes], bounds: Bounds) -> None:
        """Send *pieces*, and wait until the answer is whole.

        Raises:
            Exception: of httpcore, of h11 or of ours, whichever says what went wrong.
        """
        if not self._open or self._below.is_closing():
            # It may have ended with its handshake: nothing goes out, and no word of it would come.
            raise self._core.WriteError("the connection ended before the request")
        self._dialogue, self._bounds, self._failure = dialogue, bounds, None
        self._flushed = False
        self._watch.wrote = True
        write = self._above.write
        while pieces:
            write(pieces.pop(0))
        self._look()
        if not self._flushed:
            self._left = self._held()
            self._wait(bounds.timeouts.write)
            # uvloop sends at the end of its turn.
            self._loop.call_soon(self._look)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                raise failure
        finally:
            # What it was raised through holds it no longer: a circle would wait for the collector.
            del failure

    def is_stale(self) -> bool:
        """Tell whether it ended, or something came that nobody asked for."""
        if not self._open or self._below.is_closing():
            return True
        if self._readable is None:
            self._readable = Readable(self._below.get_extra_info("socket"))
        return self._readable.now()

    async def aclose(self) -> None:
        """End it, without a farewell; all that matters is done before the first wait."""
        self._rest()
        self._dialogue = None
        self._below.abort()
        if self._open:
            # The loop closes the socket in its next turn.
            self._waiter = self._loop.create_future()
            self._loop.call_soon(self._wake)
            await self._waiter

    def part(self, place: ExecutionScope) -> None:
        """End it from outside the place it was made in."""
        self._dialogue = None
        end_transport(self._below, place)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        dialogue = self._dialogue
        if dialogue is None:
            # It would be taken for the answer to the next request.
            self._below.abort()
            return
        self._watch.read = True
        if not self._flushed:
            self._look()
        if self._bounds.deadline.left() <= 0:
            self._end(self._core.ReadTimeout("the deadline has passed"))
        elif not self._fed(dialogue, data):
            self._wait(self._bounds.timeouts.read)

    def eof_received(self) -> None:
        """Take the end of the answer; the loop closes the connection."""
        if self._dialogue is None:
            return
        if said_farewell(self._above.get_extra_info("ssl_object")):
            self._fed(self._dialogue, b"")
        else:
            self._end(self._core.ReadError("the connection was cut"))

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that the connection is gone."""
        self._open = False
        self._rest()
        if self._dialogue is None:
            return
        if error is not None:
            core = self._core
            self._end((core.ReadError if self._flushed else core.WriteError)())
        else:
            # Not every event loop tells of an end without a farewell of TLS in another way.
            self.eof_received()

    def pause_writing(self) -> None:
        """Take note that the kernel did not take all."""

    def resume_writing(self) -> None:
        """Take note that it has taken more."""
        self._look()

    def _fed(self, dialogue: Dialogue, data: bytes) -> bool:
        """Hand *data* on; False if more must come."""
        try:
            if not dialogue.feed(data):
                return False
        except Exception as error:  # noqa: BLE001 - it is raised again where somebody waits
            self._end(error)
        else:
            self._end(None)
        return True

    def _end(self, failure: Exception | None) -> None:
        self._dialogue, self._failure = None, failure
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _look(self) -> None:
        """See whether the event loop has given all it was handed to the kernel."""
        if self._flushed or self._dialogue is None or self._below.is_closing():
            return  # what closes has thrown its buffer away
        if self._held() == 0:
            self._flushed = self._watch.reading = True
            self._wait(self._bounds.timeouts.read)

    def _held(self) -> int:
        """Say how many bytes the event loop still has to send."""
        above, below = self._above, self._below
        held: int = below.get_write_buffer_size()
        return held if above is below else held + int(above.get_write_buffer_size())

    def _wait(self, seconds: float) -> None:
        """Give what comes next so many seconds, or what the deadline leaves."""
        due = self._due = self._loop.time() + self._bounds.phase(seconds)
        if self._timer is not None:
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        self._rings_at = due
        self._timer = self._loop.call_at(due, self._ring)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._dialogue is None:
            return
        if self._due > self._loop.time():
            self._set_timer(self._due)
            return
        flushed = self._flushed
        if not flushed:
            self._look()
            if self._flushed or self._goes_on():
                return
        core = self._core
        self._end((core.ReadTimeout if flushed else core.WriteTimeout)("the time was over"))

    def _goes_on(self) -> bool:
        """Give the next piece of the request its time, if the one before was taken."""
        left = self._held()
        if left >= self._left or self._bounds.deadline.left() <= 0:
            return False
        self._left = left
        self._wait(self._bounds.timeouts.write)
        return True
