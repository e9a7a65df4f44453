"""What all clients of one credential share: its pace and its retry budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Generic, TypeVar
from weakref import ref

__all__ = ["ByCredential"]

T = TypeVar("T")

LATEST: Final = 1_000
"""So many are kept although no client uses them any more: a service makes a sibling for each call
of a user, and the user's next call must find what the last one learnt."""


class ByCredential(Generic[T]):
    """Values by a key that tells credentials apart; any thread may ask.

    A value lives as long as a client uses it, or while it is among the latest. A service whose
    users have tokens of their own, which change, sees more credentials than memory could hold.
    """

    __slots__ = ("_alive", "_latest")

    def __init__(self) -> None:
        self._alive: dict[Hashable, ref[T]] = {}
        self._latest: deque[T] = deque(maxlen=LATEST)

    def __len__(self) -> int:
        return len(self._alive)

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of *key*, made if there is none."""
        while True:
            known = self._alive.get(key)
            value = None if known is None else known()
            if value is not None:
                return value
            made = make()
            # No lock, which a fork could leave taken: of two threads that are here at once the
            # dict lets one set its value. A reference that ends takes itself out.
            known = self._alive.setdefault(key, ref(made, partial(self._alive.pop, key)))
            if known() is made:
                self._latest.append(made)
