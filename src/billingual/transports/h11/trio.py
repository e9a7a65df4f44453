"""Streams of trio."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from billingual.abc import ExecutionScope
from billingual.transports._readable import Readable
from billingual.transports.h11.stream import LARGEST_PIECE, PIECE, seconds_for
from billingual.wire import Bounds

__all__ = ["TrioStream", "connect"]


async def connect(host: str, port: int, bounds: Bounds) -> TrioStream:
    """Connect to *host*; its addresses are tried side by side ("happy eyeballs").

    Raises:
        OSError: if none accepts; ``TimeoutError`` if time was up.
    """
    with _within(seconds_for(bounds.timeouts.connect, bounds)):
        return TrioStream(await trio.open_tcp_stream(host, port))


class TrioStream:
    """One connected stream; see :class:`billingual.transports.h11.stream.Stream`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._readable = Readable(stream.socket.fileno())
        self.wrote: bool = False
        self.flushed: bool = False

    async def send(self, data: bytes, bounds: Bounds) -> None:
        """Send all of *data*; each large piece has a timeout of its own."""
        self.flushed = False
        for start in range(0, len(data), LARGEST_PIECE):
            with _within(seconds_for(bounds.timeouts.write, bounds)):
                self.wrote = True
                await self._stream.send_all(memoryview(data)[start : start + LARGEST_PIECE])
        self.flushed = True

    async def receive(self, bounds: Bounds) -> bytes:
        """Return the next bytes, or none at the end of the stream."""
        with _within(seconds_for(bounds.timeouts.read, bounds)):
            return bytes(await self._stream.receive_some(PIECE))

    def is_readable(self) -> bool:
        """Tell without waiting whether bytes, or the end of the stream, are there."""
        return self._readable.now()

    async def aclose(self) -> None:
        """Close it."""
        await trio.aclose_forcefully(self._stream)

    def drop(self, scope: ExecutionScope) -> None:  # noqa: ARG002 - trio looks only while it waits
        """Close it without waiting.

        ``SocketStream.socket.close`` needs a running trio, which may be over by now.
        """
        number = self._stream.socket.detach()
        if number >= 0:
            socket.close(number)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Translate what trio raises where time is up or a stream breaks."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError as error:
        failure: OSError = TimeoutError(str(error))
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        failure = ConnectionResetError(str(error))
    else:
        return
    try:
        raise failure
    finally:
        del failure
