"""Connections that are read from where somebody waits: for threads, for trio, for other loops."""

from __future__ import annotations

from typing import Any, Final

from billingual.transports._httpx_dialogue import Dialogue
from billingual.transports._readable import Readable
from billingual.transports._watch import AsyncWatchedStream, WatchedStream
from billingual.wire import Bounds

__all__ = ["AsyncStreamLine", "StreamLine"]

_PIECE: Final = 64 * 1024


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
        stream, timeouts = self._stream, bounds.timeouts
        try:
            for piece in pieces:
                stream.write(piece, timeouts.write)
        except self._core.WriteError:
            # A server may have closed because it has seen enough, and have said so.
            pass
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
        stream, timeouts = self._stream, bounds.timeouts
        try:
            for piece in pieces:
                await stream.write(piece, timeouts.write)
        except self._core.WriteError:
            pass  # as above
        while not dialogue.feed(await stream.read(_PIECE, timeouts.read)):
            pass

    def is_stale(self) -> bool:
        """Tell whether it ended, or something came that nobody asked for."""
        return bool(self._stream.get_extra_info("is_readable"))

    async def aclose(self) -> None:
        """End it."""
        await self._stream.aclose()
