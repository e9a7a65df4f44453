"""What a library cannot tell: the only difference between ways that is allowed, line by line.

A fact of the evidence that the transport h11 tells may be None on another way if a line says so.
Nothing else may differ: neither another fact, nor the outcome that was concluded. Each line names a
row where it happens; a line that is not met there any more is an error too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeVar

import attrs

from billingual.outcomes import Attempt, Evidence

__all__ = ["LINES", "Line", "lent", "lines_of"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Line:
    """One fact that one way cannot tell.

    Attributes:
        transport: of the way.
        fact: of the evidence.
        told: what h11 tells of it.
        because: why the library does not.
        met: a row where it happens.
    """

    transport: str
    fact: str
    told: bool
    because: str
    met: str

    def __str__(self) -> str:
        return f"{self.transport}, {self.fact}"

    def covers(self, mine: Evidence, other: Evidence) -> bool:
        """Tell whether the fact is one that is told there and not here, on a connection."""
        return (
            mine.connected is True
            and other.connected is True
            and getattr(mine, self.fact) is None
            and getattr(other, self.fact) is self.told
        )


LINES: Final = (
    *(
        Line(
            transport=transport,
            fact="response_begun",
            told=False,
            because="the library shows a response when its head is whole, and no part before",
            met="a create dropped after it took effect",
        )
        for transport in (
            "aiohttp", "httpx", "httpx2", "my aiohttp", "my httpx", "my httpx2", "urllib3",
        )
    ),
    *(
        Line(
            transport=transport,
            fact="request_complete",
            told=True,
            because="the library does not tell how much of a request it has written",
            met="a create dropped after it took effect",
        )
        for transport in ("aiohttp", "my aiohttp", "urllib3")
    ),
)  # fmt: skip


def lines_of(transport: str) -> tuple[Line, ...]:
    """List what cannot be told on a way."""
    return tuple(each for each in LINES if each.transport == transport)


def lent(mine: T, other: Any, lines: Collection[Line]) -> T:
    """Fill in from *other* what *mine* lacks and a line allows, all the way down."""
    if not lines or type(mine) is not type(other):
        return mine
    value: Any = mine
    if isinstance(value, Evidence):
        facts = {each.fact: each.told for each in lines if each.covers(value, other)}
        value = attrs.evolve(value, **facts)
    elif isinstance(value, Attempt):
        value = attrs.evolve(value, evidence=lent(value.evidence, other.evidence, lines))
    elif isinstance(value, dict):
        value = {key: lent(each, other.get(key), lines) for key, each in value.items()}
    elif isinstance(value, (tuple, list)) and len(value) == len(other):
        value = type(value)(lent(*pair, lines) for pair in zip(value, other, strict=True))
    return value  # type: ignore[no-any-return]  # of the type that came in
