"""Remember which ids came before, in about nine bytes each.

A set of a million ids takes more than 120 MB, which would be most of the memory of a walk. So the
ids themselves are kept while they are few, and beyond that a fingerprint of each: 78 bits of a hash
with a salt drawn for each walk. The salt keeps a provider from choosing ids that collide.

The price: a new row is taken for a repeated one if its fingerprint equals another's. For two given
ids the chance is 1 in 2**78. Over a walk of a million rows it is 2 in 10**12, over ten million
2 in 10**10. Walks of up to 16,384 rows are exact. A repeat is never missed.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import blake2b
from operator import methodcaller
from struct import Struct
from typing import Final

__all__ = ["MAX_EXACT", "SeenIds"]

MAX_EXACT: Final = 16_384
"""Up to so many ids are kept as they are: about 2 MB, and most lists are shorter."""

_WIDTH: Final = 8
"""Bytes of a fingerprint that are stored."""

_BUCKETS: Final = 2**14
_SHIFT: Final = 2
"""The digest has 16 bits more than are stored. Without these two, they choose the bucket."""

_DIGEST: Final = _WIDTH + 2
_PARTS: Final = Struct(f"<{_WIDTH}sH").unpack
_CAPACITY: Final = 4
"""Fingerprints that a bucket has room for at first: 65,536 in all, four times MAX_EXACT."""

_DIGEST_OF: Final = methodcaller("digest")


class SeenIds:
    """A set of ids that only grows."""

    __slots__ = ("_fingerprints", "_texts")

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._fingerprints: _Fingerprints | None = None

    def add(self, texts: Sequence[str]) -> list[int]:
        """Add *texts*; return the indexes of those that were added before."""
        if self._fingerprints is None and len(self._texts) < MAX_EXACT:
            return self._add_exactly(texts)
        if self._fingerprints is None:
            self._fingerprints = _Fingerprints()
        if self._texts:
            self._fingerprints.add(self._take_some(texts))
        return self._fingerprints.add(texts)

    def _add_exactly(self, texts: Sequence[str]) -> list[int]:
        known = self._texts
        expected = len(known) + len(texts)
        if known.isdisjoint(texts):
            known.update(texts)
            return [] if len(known) == expected else _repeats_within(texts)
        found: list[int] = []
        for index, text in enumerate(texts):
            if text in known:
                found.append(index)
            known.add(text)
        return found

    def _take_some(self, texts: Sequence[str]) -> list[str]:
        """Take those of *texts* out of the set, and some others.

        Moving all ids at once would make the reader wait for one page. Moving twice as many as a
        page brings empties the set after a while.
        """
        known = self._texts
        taken = list(known.intersection(texts))
        known.difference_update(taken)
        taken += [known.pop() for _ in range(min(len(known), 2 * len(texts)))]
        if not known:
            self._texts = set()
        return taken


def _repeats_within(texts: Iterable[str]) -> list[int]:
    seen: set[str] = set()
    found = []
    for index, text in enumerate(texts):
        if text in seen:
            found.append(index)
        seen.add(text)
    return found


class _Fingerprints:
    """Fingerprints in one block of memory: buckets of equal size, each filled from its start.

    The number of the bucket is part of the fingerprint and need not be stored. Within a bucket,
    bytes are searched for in C. When a bucket is full, its fingerprints go to a small overflow set.
    When that set holds more than a hundredth of all, every bucket is made larger, in place: a table
    that doubles by copying would take three times its memory meanwhile.
    """

    __slots__ = ("_capacity", "_counts", "_hash", "_overflow", "_rows", "_table")

    def __init__(self) -> None:
        salt = os.urandom(blake2b.SALT_SIZE)
        self._hash = partial(blake2b, digest_size=_DIGEST, salt=salt)
        self._capacity = _CAPACITY
        self._table = bytearray(_BUCKETS * _CAPACITY * _WIDTH)
        self._counts = array("I", bytes(array("I").itemsize * _BUCKETS))
        self._overflow: set[bytes] = set()
        self._rows = 0

    def add(self, texts: Iterable[str]) -> list[int]:
        """Add *texts*; return the indexes of those that were added before."""
        found: list[int] = []
        counts, table, find = self._counts, self._table, self._table.find
        digests = map(_DIGEST_OF, map(self._hash, _encoded(texts)))
        for index, (stored, bucket) in enumerate(map(_PARTS, digests)):
            bucket >>= _SHIFT  # noqa: PLW2901 - the hash has more bits than there are buckets
            start = bucket * self._capacity * _WIDTH
            count = counts[bucket]
            end = start + count * _WIDTH
            at = find(stored, start, end)
            while at >= 0 and (at - start) % _WIDTH:
                # The end of one fingerprint and the start of the next look like this one.
                at = find(stored, at + 1, end)
            if at >= 0:
                found.append(index)
            elif count < self._capacity:
                table[end : end + _WIDTH] = stored
                counts[bucket] = count + 1
            elif not self._put_overflow(stored + bucket.to_bytes(2, "little")):
                found.append(index)
            self._rows += 1
        return found

    def _put_overflow(self, fingerprint: bytes) -> bool:
        """Keep a fingerprint whose bucket is full; False if it is there already."""
        if fingerprint in self._overflow:
            return False
        self._overflow.add(fingerprint)
        if len(self._overflow) * 100 > self._rows:
            self._widen()
        return True

    def _widen(self) -> None:
        table, counts = self._table, self._counts
        old = self._capacity * _WIDTH
        self._capacity += max(2, self._capacity // 16)
        new = self._capacity * _WIDTH
        table.extend(bytes(_BUCKETS * (new - old)))
        for bucket in range(_BUCKETS - 1, 0, -1):
            length = counts[bucket] * _WIDTH
            at = bucket * old
            table[bucket * new : bucket * new + length] = table[at : at + length]
        overflow, self._overflow = self._overflow, set()
        for fingerprint in overflow:
            bucket = int.from_bytes(fingerprint[_WIDTH:], "little")
            count = counts[bucket]
            if count < self._capacity:
                at = bucket * new + count * _WIDTH
                table[at : at + _WIDTH] = fingerprint[:_WIDTH]
                counts[bucket] = count + 1
            else:
                self._overflow.add(fingerprint)


def _encoded(texts: Iterable[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write
        return [text.encode("utf-8", "surrogatepass") for text in texts]
