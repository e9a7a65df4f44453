"""The body of an answer, read under bounds: size as it comes, size unpacked, growth and time."""

from __future__ import annotations

import zlib

from billingual.errors import AnswerTooLargeError, ConnectionLostError, TimedOutError
from billingual.outcome import Evidence
from billingual.wire import Bounds

__all__ = ["ANSWER_BEGUN", "BodyReader"]

ANSWER_BEGUN = Evidence(connected=True, request_complete=True, answer_begun=True)

# A short text of one repeated letter may well grow two hundredfold; a bomb is large besides.
_RATIO_COUNTS_FROM = 1024 * 1024


class BodyReader:
    """Take an answer's body piece by piece and hand it out whole, unpacked from gzip or deflate.

    Pieces are unpacked as they come and never beyond the bound, so that a small answer cannot
    fill the memory.
    """

    def __init__(self, coding: str | None, bounds: Bounds) -> None:
        self._bounds = bounds
        self._coding = (coding or "identity").strip().lower()
        self._unpacker = self._make_unpacker()
        self._pieces: list[bytes] = []
        self._wire_size = 0
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Take one piece as it came.

        Raises:
            TimedOutError: if the deadline has passed: a server that drips holds nobody.
            AnswerTooLargeError: if a bound is broken.
            ConnectionLostError: if the piece cannot be unpacked.
        """
        if self._bounds.deadline.left() <= 0:
            raise TimedOutError(
                "the answer was still coming in when the deadline passed.", evidence=ANSWER_BEGUN
            )
        self._wire_size += len(piece)
        if self._wire_size > self._bounds.wire_bytes:
            raise self._too_large(f"{self._bounds.wire_bytes} bytes on the wire")
        if self._unpacker is None:
            self._keep(piece)
            return
        try:
            while piece:
                room = self._bounds.body_bytes - self._size + 1
                self._keep(self._unpacker.decompress(piece, room))
                piece = self._unpacker.unconsumed_tail
        except zlib.error:
            raise ConnectionLostError(
                f"the answer's body is no valid {self._coding}.", evidence=ANSWER_BEGUN
            ) from None

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ConnectionLostError: if the packed body ended early.
        """
        if self._unpacker is not None and self._wire_size and not self._unpacker.eof:
            raise ConnectionLostError(
                f"the answer's {self._coding} body ended early.", evidence=ANSWER_BEGUN
            )
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._bounds.body_bytes:
            raise self._too_large(f"{self._bounds.body_bytes} bytes unpacked")
        if self._size > max(_RATIO_COUNTS_FROM, self._wire_size * self._bounds.ratio):
            raise self._too_large(f"{self._bounds.ratio} times its packed size")
        if piece:
            self._pieces.append(piece)

    def _make_unpacker(self) -> zlib._Decompress | None:
        if self._coding == "identity":
            return None
        if self._coding in {"gzip", "x-gzip"}:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if self._coding == "deflate":
            return zlib.decompressobj()
        raise ConnectionLostError(
            f"the answer is packed as {self._coding[:40]!r}, which was not asked for.",
            evidence=ANSWER_BEGUN,
        )

    @staticmethod
    def _too_large(bound: str) -> AnswerTooLargeError:
        return AnswerTooLargeError(
            f"the answer is larger than {bound}; ask for less at once.", evidence=ANSWER_BEGUN
        )
