"""The difference between *not said* and *said to be nothing*.

A field of :class:`~billingual.Changes` or :class:`~billingual.Draft` has three states: ``UNSET``
(leave it alone, send nothing), ``None`` (send an explicit null) and a value.
"""

from __future__ import annotations

import enum
from typing import Final, Literal, TypeAlias

__all__ = ["UNSET", "Unset", "UnsetType"]


class Unset(enum.Enum):
    """Hold the single value ``UNSET``; falsy, so that ``if changes.due_at`` reads as expected."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
UnsetType: TypeAlias = Literal[Unset.UNSET]
