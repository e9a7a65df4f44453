"""Ids that look random and are not: the same seed makes the same ids in the same order."""

from __future__ import annotations

import hashlib
import uuid

__all__ = ["IdGenerator"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIXED_LENGTH = 24


class IdGenerator:
    """Make ids from a seed and a counter.

    The store keeps the counter, so a reopened file never repeats an id.
    """

    def __init__(self, seed: int, counter: int = 0) -> None:
        self.seed = seed
        self.counter: int = counter

    def uuid(self) -> str:
        """Make a version 4 UUID."""
        return str(uuid.UUID(bytes=self._digest()[:16], version=4))

    def prefixed(self, prefix: str) -> str:
        """Make an id such as `inv_` and 24 lower-case alphanumerics."""
        number = int.from_bytes(self._digest(), "big")
        letters = []
        for _ in range(_PREFIXED_LENGTH):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return prefix + "".join(letters)

    def _digest(self) -> bytes:
        self.counter += 1
        return hashlib.blake2b(f"{self.seed}:{self.counter}".encode(), digest_size=32).digest()
