"""Play what is on a tape, and record what is not yet on it."""

from __future__ import annotations

import os
from pathlib import Path

from billingual.abc import Transport
from billingual.testing.recording.record import RecordTransport
from billingual.testing.recording.replay import ReplayTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ExtendTransport"]


class ExtendTransport(RecordTransport):
    """Answer from the tape at *path* where it can, else send through *inner* and add to the tape.

    Args:
        inner: the transport that sends; it stays the caller's to close.
        path: the tape; one that is not there is made.

    Raises:
        ConfigurationError: if there is a tape that cannot be read, or no such folder.
    """

    def __init__(self, inner: Transport, path: str | os.PathLike[str]) -> None:
        super().__init__(inner, path)
        self._replay = ReplayTransport(path, partly=True) if Path(path).exists() else None
        if self._replay is not None:
            # One for both, so that a stand-in means the same tenant on old and new exchanges.
            self._redactor = self._replay.redactor
            for exchange in self._replay.exchanges:
                self._cassette.add(exchange)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Play the next response of the tape, or deliver *request* once and keep how it ended."""
        if self._replay is not None:
            response = self._replay.play(request, bounds)
            if response is not None:
                return response
        return await super().send(request, bounds)
