"""Tapes of one test: one for each client that it makes, played or recorded as a mode says."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from billingual._arguments import path_of
from billingual.abc import Transport, TransportFactory, TransportOptions
from billingual.errors import ConfigurationError, shown
from billingual.testing.recording.record import RecordTransport
from billingual.testing.recording.replay import ReplayTransport
from billingual.transports._inner import TransportLike, make_inner
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ExtendTransport", "RecordMode", "Tapes"]

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all"]
"""What to do with a tape: see :class:`Tapes`."""

_MODES: Final = get_args(RecordMode)


class Tapes:
    """Make transports that play a tape or record one: the first of *path*, the next of *path* -2.

    The modes are those of vcrpy. ``"none"`` plays and sends nothing, whatever happens. ``"once"``
    plays a tape that is there and records one that is not. ``"new_episodes"`` plays what is on the
    tape and sends and records the rest. ``"all"`` sends everything and records it anew.

    Args:
        path: of the first tape; its folder is made when something is recorded.
        mode: default ``"none"``: a test whose tape is missing fails instead of writing invoices.
        transport: what sends while recording. Default ``"httpx"``.

    Raises:
        ConfigurationError: if there is no such mode.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: RecordMode = "none",
        *,
        transport: TransportLike = "httpx",
    ) -> None:
        if mode not in _MODES:
            raise ConfigurationError(
                f"there is no mode {shown(mode)}; there are: {', '.join(_MODES)}."
            )
        self.path: Path = path_of(path, "path")
        self.mode: RecordMode = mode
        self._transport = transport
        self._numbers = itertools.count(1)

    def __call__(self, options: TransportOptions) -> Transport:
        """Make the transport of the next client, which closes it.

        Raises:
            ConfigurationError: if a tape is to be played and is missing or cannot be read.
        """
        return self._make(self._transport, options)

    def over(self, transport: TransportLike) -> TransportFactory:
        """Return a function that makes the same with another *transport* to send by."""
        return lambda options: self._make(transport, options)

    def _make(self, transport: TransportLike, options: TransportOptions) -> Transport:
        number = next(self._numbers)
        path = self.path if number == 1 else self.path.with_stem(f"{self.path.stem}-{number}")
        there = path.exists()
        if self.mode == "none" and not there:
            raise ConfigurationError(
                f"there is no tape {str(path)!r}, and nothing is sent without one; record it with "
                "pytest --billingual-record=once, which sends to the provider."
            )
        if self.mode == "none" or (self.mode == "once" and there):
            return ReplayTransport(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = ExtendTransport if self.mode == "new_episodes" else RecordTransport
        return kind(make_inner(transport, options), path)


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
        there = path_of(path, "path").exists()
        self._replay = ReplayTransport(path, partly=True) if there else None
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
