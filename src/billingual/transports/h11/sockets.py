"""Streams that block the thread: plain sockets of the standard library.

The methods are ``async`` only in form, as all that a blocking client runs: they never suspend.
Nothing but ``socket`` is imported, so a first call is quick, and gevent's sockets work too.
"""

from __future__ import annotations

import socket

from billingual.abc import ExecutionScope
from billingual.transports._readable import Readable
from billingual.transports.h11.stream import LARGEST_PIECE, PIECE, seconds_for
from billingual.wire import Bounds

__all__ = ["SocketStream", "connect"]


async def connect(host: str, port: int, bounds: Bounds) -> SocketStream:
    """Connect to the first address of *host* that accepts.

    ``socket.create_connection`` would give each address the whole time; here they share it, so
    that the bound holds and a dead first address leaves time for the others.

    Raises:
        OSError: of the last address tried; ``TimeoutError`` if time was up.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        made = socket.socket(family, kind, protocol)
        try:
            share = seconds_for(bounds.timeouts.connect, bounds) / (len(addresses) - number)
            made.settimeout(share)
            made.connect(address)
            # Requests are small: waiting for more to send with them would only delay them.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
        else:
            return SocketStream(made)
    try:
        raise failure or OSError("the host has no address")
    finally:
        del failure


class SocketStream:
    """One connected socket; see :class:`billingual.transports.h11.stream.Stream`."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._readable = Readable(connected.fileno())
        self.wrote: bool = False
        self.flushed: bool = False

    async def send(self, data: bytes, bounds: Bounds) -> None:
        """Send all of *data*; each large piece has a timeout of its own."""
        self.flushed = False
        for start in range(0, len(data), LARGEST_PIECE):
            self._socket.settimeout(seconds_for(bounds.timeouts.write, bounds))
            self.wrote = True
            self._socket.sendall(memoryview(data)[start : start + LARGEST_PIECE])
        self.flushed = True

    async def receive(self, bounds: Bounds) -> bytes:
        """Return the next bytes, or none at the end of the stream."""
        self._socket.settimeout(seconds_for(bounds.timeouts.read, bounds))
        return self._socket.recv(PIECE)

    def is_readable(self) -> bool:
        """Tell without waiting whether bytes, or the end of the stream, are there."""
        return self._readable.now()

    async def aclose(self) -> None:
        """Close it."""
        self._socket.close()

    def drop(self, scope: ExecutionScope) -> None:  # noqa: ARG002 - any thread may close a socket
        """Close it without waiting."""
        self._socket.close()
