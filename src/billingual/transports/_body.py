"""The body of a response, read within bounds: size on the wire, size unpacked, growth and time."""

from __future__ import annotations

import zlib
from typing import Any

import attrs

from billingual.errors import ConnectionLostError, ResponseTooLargeError, TimedOutError
from billingual.outcomes import Evidence
from billingual.wire import Bounds

__all__ = ["RESPONSE_BEGUN", "BodyReader"]

RESPONSE_BEGUN = Evidence(connected=True, request_complete=True, response_begun=True)

# A short text of one repeated letter may well grow two hundredfold; a bomb is large as well.
_RATIO_COUNTS_FROM = 1024 * 1024
# Unpacking stops after so much, so that a piece that grows too large is refused before it has.
_STEP = 1024 * 1024


class BodyReader:
    """Take a response's body piece by piece and return it whole, unpacked from gzip or deflate.

    Pieces are unpacked as they come and never beyond the bound, so that a small response cannot
    fill the memory.
    """

    def __init__(
        self,
        coding: str | None,
        bounds: Bounds,
        *,
        status: int | None = None,
        request_complete: bool | None = True,
    ) -> None:
        self._bounds = bounds
        self._status = status
        self._request_complete = request_complete
        self._coding = (coding or "identity").strip().lower()
        self._unpacker = self._make_unpacker()
        self._pieces: list[bytes] = []
        self._wire_size = 0
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Take one piece as it came.

        Raises:
            TimedOutError: if the deadline has passed, so that a slow drip ends too.
            ResponseTooLargeError: if a bound is broken.
            ConnectionLostError: if the piece cannot be unpacked.
        """
        if self._bounds.deadline.left() <= 0:
            raise TimedOutError(
                "the response was still coming in when the deadline passed.", evidence=self._seen()
            )
        self._wire_size += len(piece)
        if self._wire_size > self._bounds.wire_bytes:
            raise self.too_large(f"{self._bounds.wire_bytes} bytes on the wire")
        if self._unpacker is None:
            self._keep(piece)
            return
        if not self._unpacked(piece):
            raise ConnectionLostError(
                "the response's body is not packed as its Content-Encoding says.",
                evidence=self._seen(),
            )

    def _unpacked(self, piece: bytes) -> bool:
        """Unpack and keep a piece; False if it is broken: zlib's error would hold it."""
        unpacker = self._unpacker
        try:
            while piece and unpacker is not None:
                room = min(self._bounds.body_bytes - self._size + 1, _STEP)
                self._keep(unpacker.decompress(piece, room))
                piece = unpacker.unconsumed_tail
        except zlib.error:
            return False
        return True

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ConnectionLostError: if the packed body ended early.
        """
        if self._unpacker is not None and self._wire_size and not self._unpacker.eof:
            raise ConnectionLostError(
                f"the response's {self._coding} body ended early.", evidence=self._seen()
            )
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _seen(self) -> Evidence:
        return attrs.evolve(
            RESPONSE_BEGUN, status=self._status, request_complete=self._request_complete
        )

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._bounds.body_bytes:
            raise self.too_large(f"{self._bounds.body_bytes} bytes unpacked")
        if self._size > max(_RATIO_COUNTS_FROM, self._wire_size * self._bounds.ratio):
            raise self.too_large(f"{self._bounds.ratio} times its packed size")
        if piece:
            self._pieces.append(piece)

    def _make_unpacker(self) -> Any:  # zlib does not name the class publicly
        if self._coding == "identity":
            return None
        if self._coding in {"gzip", "x-gzip"}:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if self._coding == "deflate":
            return zlib.decompressobj()
        # Only a name that is registered is quoted: a server may echo anything, the token too.
        named = self._coding in {"br", "compress", "dcb", "dcz", "zstd"}
        coding = f"the Content-Encoding {self._coding!r}" if named else "a Content-Encoding"
        raise ConnectionLostError(
            f"the response has {coding}, which was not asked for; only gzip and deflate are "
            "decoded.",
            evidence=self._seen(),
        )

    def too_large(self, bound: str) -> ResponseTooLargeError:
        """Return the error for a response that breaks a *bound*."""
        return ResponseTooLargeError(
            f"the response is larger than {bound}; ask for less at once.", evidence=self._seen()
        )
