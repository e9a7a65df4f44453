"""The body of a response, read within bounds: size on the wire, size unpacked, growth and time.

What servers and proxies say about the packing of a body is often wrong, so the bytes decide where
they can: a word that names no coding is passed over, and a body that is plain JSON is not unpacked.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import attrs

from billingual.errors import (
    ConnectionLostError,
    ResponseTooLargeError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Headers

__all__ = ["RESPONSE_BEGUN", "BodyReader"]

RESPONSE_BEGUN = Evidence(connected=True, request_complete=True, response_begun=True)

# What zlib is told for each coding, in the order to try. "deflate" means the format of zlib, but
# many servers send the bare stream (RFC 9110, section 8.4.1.2).
_FORMATS: Final = {
    "gzip": (16 + zlib.MAX_WBITS,),
    "x-gzip": (16 + zlib.MAX_WBITS,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}
# Registered, but not unpacked here. Any other word ("UTF-8", "none", "binary") is a mistake of the
# server's for no coding at all. Source: https://www.iana.org/assignments/http-parameters
_NOT_UNPACKED: Final = frozenset({"br", "compress", "dcb", "dcz", "x-compress", "zstd"})
_GZIP_BEGINS: Final = b"\x1f\x8b"
# A short text of one repeated letter may well grow two hundredfold; a bomb is large as well.
_RATIO_COUNTS_FROM: Final = 1024 * 1024
# Unpacking stops after so much, so that a piece that grows too large is refused before it has.
_STEP: Final = 1024 * 1024
# zlib copies what it has not used of the bytes it is given, so it is given few at once.
_GIVEN: Final = 16 * 1024
# Tools that pack in blocks of 64 KiB make a member of each; this many hold four times the bound.
_MEMBERS: Final = 4096


class BodyReader:
    """Take a response's body piece by piece and return it whole, unpacked from gzip or deflate.

    It is unpacked when it is whole and never beyond the bounds, so that a small response cannot
    fill the memory. The status decides before the coding: of a response that is no success, a body
    that cannot be unpacked is returned as it came.

    Args:
        coding: the values of all ``Content-Encoding`` fields, joined with commas; None if there is
            none, or if the body is unpacked already.
        bounds: of the attempt.
        status: the HTTP status.
        headers: those of the response, for the error of a refusal that is too large.
        request_complete: whether the whole request was sent, for the evidence of errors.
    """

    def __init__(
        self,
        coding: str | None,
        bounds: Bounds,
        *,
        status: int | None = None,
        headers: Headers | None = None,
        request_complete: bool | None = True,
    ) -> None:
        self._bounds = bounds
        self._status = status
        self._headers = headers
        self._request_complete = request_complete
        self._codings = _codings(coding) if coding else ()
        self._pieces: list[bytes] = []
        self._size = 0
        self._largest = bounds.wire_bytes
        if not self._codings:
            self._largest = min(bounds.wire_bytes, bounds.body_bytes)

    def feed(self, piece: bytes) -> None:
        """Take one piece as it came.

        Raises:
            TimedOutError: if the deadline has passed, so that a slow drip ends too.
            ResponseTooLargeError: if a bound is broken.
        """
        if self._bounds.deadline.left() <= 0:
            raise TimedOutError(
                "the response was still coming in when the deadline passed.", evidence=self._seen()
            )
        self._size += len(piece)
        if self._size > self._largest:
            raise self.too_large(f"{self._largest} bytes on the wire")
        if piece:
            self._pieces.append(piece)

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            ConnectionLostError: if the body of a success cannot be unpacked.
            ResponseTooLargeError: if a bound is broken.
        """
        packed = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if not packed or not self._codings:
            return packed
        body = packed
        try:
            # The last coding of the list was applied last.
            for coding in reversed(self._codings):
                body = self._unpacked(coding, body)
        except TransportError:
            if self._is_success():
                raise
            return packed
        return body

    def _unpacked(self, coding: str, packed: bytes) -> bytes:
        for window in _FORMATS.get(coding, ()):
            try:
                pieces = list(self._unpack(window, packed))
            except zlib.error:
                # Not kept as a cause: it would hold the bytes.
                continue
            return b"".join(pieces)
        # A proxy that unpacks or repacks may leave the field as it was.
        if packed.lstrip()[:1] in (b"{", b"["):
            return packed
        raise ConnectionLostError(
            f"the response has the Content-Encoding {coding!r}, which was not asked for; only "
            "gzip and deflate are unpacked."
            if coding in _NOT_UNPACKED
            else f"the response's body is cut, or not packed with {coding} as it says.",
            evidence=self._seen(),
        )

    def _unpack(self, window: int, packed: bytes) -> Iterator[bytes]:
        """Unpack all gzip members, or the one stream of deflate; what follows is padding.

        Raises:
            zlib.error: if it is packed in another way, or ends early.
            ResponseTooLargeError: if a bound is broken.
        """
        unpacker = zlib.decompressobj(window)
        largest = max(_RATIO_COUNTS_FROM, self._size * self._bounds.ratio)
        size, members, at = 0, 1, 0
        while at < len(packed):
            given = packed[at : at + _GIVEN]
            at += len(given)
            full = False
            # zlib may hold unpacked bytes back though it has taken all that it was given.
            while given or full:
                room = min(self._bounds.body_bytes - size + 1, _STEP)
                piece = unpacker.decompress(given, room)
                given, full = unpacker.unconsumed_tail, len(piece) == room
                size += len(piece)
                if size > self._bounds.body_bytes:
                    raise self.too_large(f"{self._bounds.body_bytes} bytes unpacked")
                if size > largest:
                    raise self.too_large(f"{self._bounds.ratio} times its packed size")
                yield piece
            if unpacker.eof:
                at -= len(unpacker.unused_data)
                if window < zlib.MAX_WBITS + 1 or packed[at : at + 2] != _GZIP_BEGINS:
                    return
                members += 1
                if members > _MEMBERS:
                    raise self.too_large(f"{_MEMBERS} gzip members")
                unpacker = zlib.decompressobj(window)
        if not unpacker.eof:
            raise zlib.error

    def _is_success(self) -> bool:
        return self._status is None or 200 <= self._status <= 299

    def _seen(self) -> Evidence:
        return attrs.evolve(
            RESPONSE_BEGUN, status=self._status, request_complete=self._request_complete
        )

    def too_large(self, bound: str) -> ResponseTooLargeError:
        """Return the error for a response that breaks a *bound*."""
        return ResponseTooLargeError(
            f"the response is larger than {bound}; ask for less at once.",
            evidence=self._seen(),
            headers=None if self._is_success() else self._headers,
        )


def _codings(text: str) -> tuple[str, ...]:
    words = (word.partition(";")[0].strip(" \t\"'").lower() for word in text.split(","))
    return tuple(word for word in words if word in _FORMATS or word in _NOT_UNPACKED)
