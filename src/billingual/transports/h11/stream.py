"""The byte stream that a connection needs; each backend has its own."""

from __future__ import annotations

from typing import Final, Protocol

from billingual.abc import ExecutionScope
from billingual.wire import Bounds

__all__ = ["LARGEST_PIECE", "LONGEST_S", "PIECE", "Socket", "Stream", "seconds_for"]

# What is read at once; also what one TLS read unpacks at most.
PIECE: Final = 64 * 1024
# A larger request goes out piece by piece; each has a write timeout of its own.
LARGEST_PIECE: Final = 256 * 1024
# Sockets refuse much longer waits, and would do so after the request has gone out.
LONGEST_S: Final = 1_000_000.0


class Stream(Protocol):
    """A stream of bytes to a server. A stream that blocks never suspends in these methods.

    All raise ``TimeoutError`` where time is up, and another ``OSError`` where the stream broke.
    """

    async def send(self, data: bytes, bounds: Bounds) -> None:
        """Send all of *data*; a stream of an event loop may go on doing so afterwards."""
        ...

    async def receive(self, bounds: Bounds) -> bytes:
        """Return the next bytes, or none at the end of the stream."""
        ...

    def is_readable(self) -> bool:
        """Tell without waiting whether bytes, or the end of the stream, are there."""
        ...


class Socket(Stream, Protocol):
    """The stream at the bottom, which owns a socket.

    Attributes:
        wrote: whether any byte may have gone out; the reader sets it back.
        flushed: whether the operating system took all that was sent.
    """

    wrote: bool
    flushed: bool

    async def aclose(self) -> None:
        """Close it at once; the server is not told first."""
        ...

    def drop(self, scope: ExecutionScope) -> None:
        """Close it without waiting, from outside the *scope* that it was made in."""
        ...


def seconds_for(phase: float, bounds: Bounds) -> float:
    """Return how long one wait of a *phase* may take.

    Raises:
        TimeoutError: if the deadline leaves nothing; zero would mean "do not block" to a socket.
    """
    seconds = min(bounds.phase(phase), LONGEST_S)
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds
