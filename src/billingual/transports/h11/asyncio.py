"""Streams of asyncio and of loops of its kind, such as uvloop: one protocol for each connection.

The event loop calls a protocol's methods when bytes come; a task waits for them in ``receive``.
``asyncio.StreamReader`` would do that too, with a buffer and a timer for each wait. Here one timer
serves a connection for all its exchanges: it is set only where none goes off early enough, and when
it goes off it looks whether time is really up. So an exchange that goes well costs no timer at all.
"""

from __future__ import annotations

import socket
from typing import Any, Final, NoReturn

import anyio

from billingual.abc import ExecutionScope
from billingual.transports._readable import Readable
from billingual.transports.h11.stream import LONGEST_S, seconds_for
from billingual.wire import Bounds

__all__ = ["AsyncioStream", "connect"]

# RFC 8305 recommends to give an address a quarter of a second before the next one is tried too.
_HAPPY_EYEBALLS_S: Final = 0.25


async def connect(loop: Any, host: str, port: int, bounds: Bounds) -> AsyncioStream:
    """Connect to *host*; its addresses are tried side by side ("happy eyeballs").

    Raises:
        OSError: of the first address, if none accepts; ``TimeoutError`` if time was up.
    """
    with anyio.fail_after(seconds_for(bounds.timeouts.connect, bounds)):
        addresses = await _resolved(loop, host, port)
        if len(addresses) == 1:
            return await _connect_to(loop, addresses[0])
        return await _first_of(loop, addresses)


async def _resolved(loop: Any, host: str, port: int) -> list[Any]:
    try:
        # An address in digits needs no name server, and so no thread that waits for one.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return found


async def _connect_to(loop: Any, address: Any) -> AsyncioStream:
    _, stream = await loop.create_connection(lambda: AsyncioStream(loop), *address[4][:2])
    made: AsyncioStream = stream
    return made


async def _first_of(loop: Any, addresses: list[Any]) -> AsyncioStream:
    """Return the first connection that is made, and give up all others.

    asyncio has this too (``happy_eyeballs_delay``), but loses a socket where the task is cancelled
    just as a connection is made; and uvloop does not have it.
    """
    winner: AsyncioStream | None = None
    failures: list[OSError] = []

    async def attempt(address: Any, over: anyio.Event) -> None:
        nonlocal winner
        try:
            stream = await _connect_to(loop, address)
        except OSError as error:
            failures.append(error)
        else:
            if winner is None:
                winner = stream
            else:
                stream.abort()
            tasks.cancel_scope.cancel()
        finally:
            over.set()

    try:
        async with anyio.create_task_group() as tasks:
            for address in addresses:
                over = anyio.Event()
                tasks.start_soon(attempt, address, over)
                with anyio.move_on_after(_HAPPY_EYEBALLS_S):
                    await over.wait()
    except BaseException:
        if winner is not None:
            winner.abort()
        raise
    try:
        if winner is None:
            raise failures[0]
        return winner
    finally:
        failures.clear()


class AsyncioStream:
    """One connection; see :class:`billingual.transports.h11.stream.Stream`."""

    # Of the exchange under way, or of the last.
    _bounds: Bounds

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._transport: Any = None
        self._readable: Readable | None = None
        self._received: list[bytes] = []
        self._ended = False
        self._lost = False
        self._failure: Exception | None = None
        self._paused_reading = False
        self._paused_writing = False
        self._unsent = 0
        self._waiter: Any = None
        self._due = 0.0
        self._timer: Any = None
        self._timer_at = 0.0
        self.wrote: bool = False
        self.flushed: bool = False

    async def send(self, data: bytes, bounds: Bounds) -> None:
        """Hand *data* to the event loop, which goes on sending while `receive` waits.

        Raises:
            ConnectionAbortedError: if the connection has ended; then nothing goes out.
        """
        transport = self._transport
        if self._lost or transport.is_closing():
            raise ConnectionAbortedError("the connection ended before the request")
        self._bounds = bounds
        self.wrote = True
        transport.write(data)
        # Where the server has reset the connection, its buffer was thrown away, not sent.
        self.flushed = not (self._paused_writing or transport.is_closing())
        self._unsent = 0 if self.flushed else transport.get_write_buffer_size()

    async def receive(self, bounds: Bounds) -> bytes:
        """Return the next bytes, or none at the end of the stream."""
        self._bounds = bounds
        while not self._received:
            if self._failure is not None:
                self._raise_failure()
            if self._ended:
                return b""
            self._set_due(bounds.timeouts.read if self.flushed else bounds.timeouts.write)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        seconds_for(bounds.timeouts.read, bounds)
        received, self._received = self._received, []
        if self._paused_reading:
            self._paused_reading = False
            self._transport.resume_reading()
        return received[0] if len(received) == 1 else b"".join(received)

    def is_readable(self) -> bool:
        """Tell without waiting whether bytes, or the end of the stream, are there."""
        if self._received or self._ended or self._lost or self._transport.is_closing():
            return True
        if self._readable is None:
            self._readable = Readable(self._transport.get_extra_info("socket").fileno())
        return self._readable.now()

    def abort(self) -> None:
        """Close it; the loop closes the socket in its next turn."""
        self._transport.abort()

    async def aclose(self) -> None:
        """Close it; all that matters is done before the first wait."""
        self._cancel_timer()
        self._transport.abort()
        if not self._lost:
            # The loop closes the socket in its next turn.
            self._waiter = self._loop.create_future()
            self._loop.call_soon(self._wake)
            await self._waiter

    def drop(self, scope: ExecutionScope) -> None:
        """Close it without waiting; a loop that is over has closed its connections itself."""
        scope.call_soon(self._transport.abort)

    # What follows is called by the event loop alone: the methods of an asyncio.Protocol.

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        # With no high-water mark, resume_writing means that the kernel has taken everything.
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """Keep the bytes until the task takes them."""
        waiter = self._waiter
        if self._received and (waiter is None or waiter.done()):
            # The task has not taken the last ones yet, or no call waits: memory must stay small.
            self._paused_reading = True
            self._transport.pause_reading()
        self._received.append(data)
        self._wake()

    def eof_received(self) -> None:
        """Note the end; the event loop closes the connection then."""
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection is gone."""
        self._lost = True
        self._cancel_timer()
        if error is not None:
            self._failure = error if isinstance(error, OSError) else ConnectionResetError()
        elif not self._ended:
            self._failure = ConnectionAbortedError("the connection was closed here")
        self._wake()

    def pause_writing(self) -> None:
        """Note that the kernel did not take everything."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """Note that the kernel has taken everything, and give the response its time."""
        self._paused_writing = False
        if self._transport.is_closing():
            return  # its buffer was thrown away
        self.flushed = True
        if self._waiter is not None:
            self._set_due(self._bounds.timeouts.read)

    def _raise_failure(self) -> NoReturn:
        failure, self._failure, self._ended = self._failure, None, True
        assert failure is not None  # noqa: S101 - the caller has looked
        try:
            raise failure
        finally:
            # This frame is in its traceback: a reference back would make a cycle, freed late.
            del failure

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _set_due(self, phase: float) -> None:
        """Give what is awaited as long as its *phase* and the deadline allow."""
        seconds = min(self._bounds.phase(phase), LONGEST_S)
        due = self._due = self._loop.time() + seconds
        if self._timer is None or due < self._timer_at:
            self._cancel_timer()
            self._set_timer(due)

    def _set_timer(self, at: float) -> None:
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return  # no task waits
        if self._due > self._loop.time():
            self._set_timer(self._due)
        elif self.flushed or not self._progressed():
            waiter.set_exception(TimeoutError())

    def _progressed(self) -> bool:
        """Give the next piece of the request its time if the one before was taken."""
        unsent = self._transport.get_write_buffer_size()
        if unsent >= self._unsent or self._bounds.deadline.left() <= 0:
            return False
        self._unsent = unsent
        self._set_due(self._bounds.timeouts.write)
        return True
