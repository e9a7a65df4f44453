"""Connections that are read from where somebody waits: for threads, for trio, for other loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from billingual.transports._httpx_dialogue import Dialogue
from billingual.transports._readable import Readable
from billingual.transports._watch import AsyncWatchedStream, WatchedStream
from billingual.wire import Bounds

__all__ = ["AsyncStreamLine", "StreamLine"]

_PIECE: Final = 64 * 1024
# A larger request goes out piece by piece, each with a time of its own and a look at the deadline.
_LARGEST_PIECE: Final = 256 * 1024


class StreamLine:
    """One connection that blocks its thread."""

    def __init__(self, stream: WatchedStream, core: Any) -> None:
        self._stream = stream
        self._core = core
        self._readable = Readable(stream.get_extra_info("socket"))

    def exchange(self, dialogue: Dialogue, pieces: list[bytes], bounds: Bounds) -> None:
        """Send *pieces*, and read until the answer is whole.

        Raises:
            Exception: of httpcore, of h11 or of ours, whichever says what went wrong.
        """
        core, stream, timeouts = self._core, self._stream, bounds.timeouts
        try:
            for piece in _in_turn(pieces):
                stream.write(piece, timeouts.write)
        except core.WriteError:
            # A server may have closed because it has seen enough, and have said so.
            pass
        except core.WriteTimeout:
            if not self.is_stale():  # as above, but for the closing
                raise
        # Tracebacks may show variables, and these bytes hold a token.
        piece = b""
        while not dialogue.feed(stream.read(_PIECE, timeouts.read)):
            pass

    def is_stale(self) -> bool:
        """Tell whether it ended, or something came that nobody asked for."""
        return self._readable.now()

    def close(self) -> None:
        """End it."""
        self._stream.close()


class AsyncStreamLine:
    """One connection that suspends the task."""

    def __init__(self, stream: AsyncWatchedStream, core: Any) -> None:
        self._stream = stream
        self._core = core

    async def exchange(self, dialogue: Dialogue, pieces: list[bytes], bounds: Bounds) -> None:
        """Send *pieces*, and read until the answer is whole.

        Raises:
            Exception: of httpcore, of h11 or of ours, whichever says what went wrong.
        """
        core, stream, timeouts = self._core, self._stream, bounds.timeouts
        try:
            for piece in _in_turn(pieces):
                await stream.write(piece, timeouts.write)
        except core.WriteError:
            pass  # as above
        except core.WriteTimeout:
            if not self.is_stale():
                raise
        piece = b""
        while not dialogue.feed(await stream.read(_PIECE, timeouts.read)):
            pass

    def is_stale(self) -> bool:
        """Tell whether it ended, or something came that nobody asked for."""
        return bool(self._stream.get_extra_info("is_readable"))

    async def aclose(self) -> None:
        """End it."""
        await self._stream.aclose()


def _in_turn(pieces: list[bytes]) -> Iterator[bytes]:
    """Give *pieces* away one after another, none too large."""
    while pieces:
        piece = pieces.pop(0)
        if len(piece) <= _LARGEST_PIECE:
            yield piece
            continue
        for start in range(0, len(piece), _LARGEST_PIECE):
            yield piece[start : start + _LARGEST_PIECE]
