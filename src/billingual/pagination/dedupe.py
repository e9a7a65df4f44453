"""Which ids came before, in about nine bytes each.

A set of a million ids takes more than 120 MB, which would be most of what a walk holds. So the ids
themselves are kept while they are few, and beyond that a fingerprint of each: 78 bits of a hash
with a salt drawn for each walk.

What that costs: a row that is new is taken for one that came before if its fingerprint equals
another's. For two given ids the chance is 1 in 2**78. Over a whole walk of a million rows it is 2
in 10**12, over ten million 2 in 10**10. Walks of up to 16,384 rows are exact. A repeat is never
missed.
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

__all__ = ["EXACT", "Seen"]

EXACT: Final = 16_384
"""So many ids are kept as they are."""

_WIDTH: Final = 8
"""Bytes of a fingerprint that are stored."""

_BUCKETS: Final = 2**14
_SHIFT: Final = 2
"""The hash has 16 bits more; less these two, they choose the bucket."""

_DIGEST: Final = _WIDTH + 2
_PARTS: Final = Struct(f"<{_WIDTH}sH").unpack
_CAPACITY: Final = 4
_DIGEST_OF: Final = methodcaller("digest")


class Seen:
    """A set of texts that only grows."""

    __slots__ = ("_marks", "_texts")

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._marks: _Marks | None = None

    def repeats(self, texts: Sequence[str]) -> list[int]:
        """Add *texts*; return which of them, by their index, had come before or come again."""
        if self._marks is None and len(self._texts) < EXACT:
            return self._repeats_exactly(texts)
        if self._marks is None:
            self._marks = _Marks()
        if self._texts:
            self._marks.repeats(self._moved(texts))
        return self._marks.repeats(texts)

    def _repeats_exactly(self, texts: Sequence[str]) -> list[int]:
        known = self._texts
        expected = len(known) + len(texts)
        if known.isdisjoint(texts):
            known.update(texts)
            return [] if len(known) == expected else _again(texts)
        found: list[int] = []
        for index, text in enumerate(texts):
            if text in known:
                found.append(index)
            known.add(text)
        return found

    def _moved(self, texts: Sequence[str]) -> list[str]:
        """Take those of *texts* out of the set, and some more: all at once would take long."""
        known = self._texts
        moved = list(known.intersection(texts))
        known.difference_update(moved)
        moved += [known.pop() for _ in range(min(len(known), 2 * len(texts)))]
        if not known:
            self._texts = set()
        return moved


def _again(texts: Iterable[str]) -> list[int]:
    seen: set[str] = set()
    found = []
    for index, text in enumerate(texts):
        if text in seen:
            found.append(index)
        seen.add(text)
    return found


class _Marks:
    """Fingerprints in one piece of memory: buckets of equal size, each filled from its start.

    The bucket is a part of the fingerprint that need not be stored. The search within one is a
    search for bytes, done in C. Where a bucket is full, its fingerprints go to a small set beside
    it; when that grows beyond a hundredth of all, every bucket is made larger, in place: a table
    that doubles would need three times its memory while it does.
    """

    __slots__ = ("_beside", "_capacity", "_counts", "_hash", "_rows", "_table")

    def __init__(self) -> None:
        salt = os.urandom(blake2b.SALT_SIZE)
        self._hash = partial(blake2b, digest_size=_DIGEST, salt=salt)
        self._capacity = _CAPACITY
        self._table = bytearray(_BUCKETS * _CAPACITY * _WIDTH)
        self._counts = array("I", bytes(array("I").itemsize * _BUCKETS))
        self._beside: set[bytes] = set()
        self._rows = 0

    def repeats(self, texts: Iterable[str]) -> list[int]:
        """Add *texts*; return which of them, by their index, had come before or come again."""
        found: list[int] = []
        counts, table, look = self._counts, self._table, self._table.find
        digests = map(_DIGEST_OF, map(self._hash, _encoded(texts)))
        for index, (mark, bucket) in enumerate(map(_PARTS, digests)):
            bucket >>= _SHIFT  # noqa: PLW2901 - the hash has more bits than there are buckets
            start = bucket * self._capacity * _WIDTH
            count = counts[bucket]
            end = start + count * _WIDTH
            at = look(mark, start, end)
            while at >= 0 and (at - start) % _WIDTH:
                # Bytes of two neighbours together look like the fingerprint.
                at = look(mark, at + 1, end)
            if at >= 0:
                found.append(index)
            elif count < self._capacity:
                table[end : end + _WIDTH] = mark
                counts[bucket] = count + 1
            elif not self._put_beside(mark + bucket.to_bytes(2, "little")):
                found.append(index)
            self._rows += 1
        return found

    def _put_beside(self, mark: bytes) -> bool:
        """Keep a fingerprint whose bucket is full; False if it is there already."""
        if mark in self._beside:
            return False
        self._beside.add(mark)
        if len(self._beside) * 100 > self._rows:
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
        beside, self._beside = self._beside, set()
        for mark in beside:
            bucket = int.from_bytes(mark[_WIDTH:], "little")
            count = counts[bucket]
            if count < self._capacity:
                at = bucket * new + count * _WIDTH
                table[at : at + _WIDTH] = mark[:_WIDTH]
                counts[bucket] = count + 1
            else:
                self._beside.add(mark)


def _encoded(texts: Iterable[str]) -> list[bytes]:
    try:
        return list(map(str.encode, texts))
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write
        return [text.encode("utf-8", "surrogatepass") for text in texts]
