"""A blocking socket that is watched: for evidence, and for a deadline that drips cannot pass."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from billingual.transports._watch import Watch
from billingual.wire import Timeouts

__all__ = ["WatchedSocket"]

# To a socket no time at all means not to wait, which is another kind of failure.
_SHORTEST_S: Final = 0.001


class WatchedSocket:
    """As much of a socket as http.client and urllib3 use.

    Attributes:
        timeouts: of the exchange under way; what others set is passed over.
        surplus: whether more came than an answer; it would be taken for the next one.
    """

    def __init__(self, wrapped: socket.socket, watch: Watch) -> None:
        self._socket = wrapped
        self._watch = watch
        self.timeouts = Timeouts()
        self.surplus = False
        if hasattr(wrapped, "suppress_ragged_eofs"):
            # Anybody on the way can end a connection: under TLS only a farewell ends an answer that
            # has no length of its own. Source: RFC 9112, section 9.8, read 2026-11.
            wrapped.suppress_ragged_eofs = False

    def sendall(self, data: bytes) -> None:
        """Send all of *data*."""
        watch = self._watch
        watch.wrote = True
        self._wait(watch.left(self.timeouts.write))
        try:
            self._socket.sendall(data)
        except BaseException:
            watch.write_failed = True
            raise

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return a file to read from, as buffered as http.client wants it."""
        raw: Any = self._socket.makefile("rb", buffering=0)
        return _File(_Reader(raw, self._before_reading, self._watch), self._keep_surplus)

    def holds_surplus(self) -> bool:
        """Tell whether more came than was asked for, as far as it has left the kernel."""
        pending = getattr(self._socket, "pending", None)
        return self.surplus or (pending is not None and pending() > 0)

    def _keep_surplus(self) -> None:
        self.surplus = True

    def settimeout(self, seconds: object) -> None:
        """Do nothing: the watch knows how long to wait."""

    def fileno(self) -> int:
        """Return the socket's number, to see whether something can be read."""
        return self._socket.fileno()

    def shutdown(self, how: int) -> None:
        """End one direction."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close the socket, once the last file of it is closed too."""
        self._socket.close()

    def _before_reading(self) -> None:
        self._wait(self._watch.patience(self.timeouts.read))

    def _wait(self, seconds: float | None) -> None:
        self._socket.settimeout(None if seconds is None else max(seconds, _SHORTEST_S))


class _File(io.BufferedReader):
    """What http.client reads an answer from, and closes with it."""

    def __init__(self, raw: _Reader, on_surplus: Callable[[], None]) -> None:
        super().__init__(raw)
        self._reader = raw
        self._on_surplus = on_surplus

    def close(self) -> None:
        if not self.closed:
            self._reader.over = True
            if self.peek(1):
                self._on_surplus()
        super().close()


class _Reader(io.RawIOBase):
    """The receiving half: a look at the clock before each read, and a mark after it."""

    def __init__(self, raw: io.RawIOBase, before: Callable[[], None], watch: Watch) -> None:
        super().__init__()
        self._raw = raw
        self._before = before
        self._watch = watch
        self.over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.over:
            return 0
        self._before()
        try:
            count: int | None = self._raw.readinto(buffer)
        except ssl.SSLEOFError:
            # To urllib3 that would be a matter of trust.
            raise ConnectionResetError("TLS ended without a farewell") from None
        if count:
            self._watch.read = True
        else:
            self._watch.ended = True
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
