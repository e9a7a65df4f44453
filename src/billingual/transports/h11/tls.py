"""TLS over any stream, with the in-memory TLS of the standard library (``ssl.MemoryBIO``).

One implementation serves asyncio, trio and blocking sockets, so all three judge the end of a
connection alike, and TLS to a server fits inside TLS to a proxy. The streams of asyncio and trio
hide whether bytes were received but not yet decrypted; here that is known.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from billingual.transports.h11.stream import LARGEST_PIECE, PIECE, Stream
from billingual.wire import Bounds

__all__ = ["TlsStream"]


class TlsStream:
    """A stream inside TLS.

    Args:
        below: carries the encrypted bytes.
        context: whom to trust.
        host: the name that the server's certificate must have.
    """

    def __init__(self, below: Stream, context: ssl.SSLContext, host: str) -> None:
        # A context that its owner also uses for HTTP/2 would offer that to the server first.
        context.set_alpn_protocols(["http/1.1"])
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._ended: bytes | OSError | None = None

    async def shake_hands(self, bounds: Bounds) -> None:
        """Agree on keys, and check the server's certificate.

        Raises:
            ssl.SSLError: if the server is not to be trusted, or does not speak TLS.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(bounds)
                await self._fill(bounds)
            except ssl.SSLError:
                # The alert tells the server why; losing it changes nothing for us.
                with suppress(OSError):
                    await self._flush(bounds)
                raise
            else:
                await self._flush(bounds)
                return

    async def send(self, data: bytes, bounds: Bounds) -> None:
        """Send all of *data*."""
        for start in range(0, len(data), LARGEST_PIECE):
            piece = memoryview(data)[start : start + LARGEST_PIECE]
            while piece:  # one call encrypts one record of at most 16 KiB
                piece = piece[self._tls.write(piece) :]
            await self._flush(bounds)

    async def receive(self, bounds: Bounds) -> bytes:
        """Return the next bytes, or none once the server has said that it ends."""
        while (data := self._decrypted()) is None:
            await self._fill(bounds)
        return data

    def is_readable(self) -> bool:
        """Tell without waiting whether bytes, or the end of the stream, are there."""
        return (
            self._ended is not None
            or self._incoming.pending > 0
            or self._tls.pending() > 0
            or self._below.is_readable()
        )

    def _decrypted(self) -> bytes | None:
        """Decrypt all that is there; None if more must come first.

        Raises:
            OSError: if the connection was cut, or someone on the way changed its bytes.
        """
        pieces: list[bytes] = []
        while self._ended is None:
            try:
                piece = self._tls.read(PIECE)
            except ssl.SSLWantReadError:
                return b"".join(pieces) or None
            except ssl.SSLZeroReturnError:
                self._ended = b""
            except ssl.SSLError as error:
                # An end without close_notify: anyone on the way can cut a connection, so a body
                # that ends there is not complete (RFC 9112, section 9.8).
                self._ended = error.with_traceback(None)
            else:
                if piece:
                    pieces.append(piece)
                else:
                    self._ended = b""
        if pieces:
            return b"".join(pieces)
        if isinstance(self._ended, OSError):
            raise ConnectionResetError("the connection was cut inside TLS") from self._ended
        return b""

    async def _fill(self, bounds: Bounds) -> None:
        data = await self._below.receive(bounds)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, bounds: Bounds) -> None:
        if self._outgoing.pending:
            await self._below.send(self._outgoing.read(), bounds)
