"""The ways of a row: who waits, and what carries.

Every row meets three transports: a socket, an application in process and a function. The others
and HTTP clients of the user's own are met by rows that concern the wire, and in a full run by all
rows; tapes are met by rows that are marked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from _support.equivalence.row import Row

__all__ = ["DRIVERS", "NAMED", "OWNED", "TAPED", "TRANSPORTS", "Way", "ways_of"]

DRIVERS: Final = ("asyncio", "trio", "blocking")
TRANSPORTS: Final = ("httpx", "sandbox", "memory")

NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "aiohttp": ("asyncio",), "httpx2": DRIVERS, "urllib3": DRIVERS,
}  # fmt: skip
"""Transports that are chosen by name, and who may wait for them. A loop has urllib3 in threads."""

OWNED: Final[Mapping[str, tuple[str, ...]]] = {
    "my aiohttp": ("asyncio",), "my httpx": DRIVERS, "my httpx2": DRIVERS,
}  # fmt: skip
"""Clients that the user owns: a session of aiohttp, and the two clients of each httpx."""

TAPED: Final[Mapping[str, tuple[str, ...]]] = {"record": DRIVERS, "replay": DRIVERS}
"""A row is recorded over httpx, and then played from its own tape."""


@attrs.frozen
class Way:
    """One way to run a row."""

    backend: str
    transport: str

    def __str__(self) -> str:
        return f"{self.backend} x {self.transport}"


def ways_of(row: Row, *, widely: bool, full: bool) -> Iterator[Way]:
    """List the ways of *row*: the first three transports, *widely* more, in a *full* run all."""
    backends = (*DRIVERS, *(("portal",) if row.portal else ()))
    for backend in backends:
        yield from (Way(backend, each) for each in row.transports)
    if "httpx" not in row.transports:
        return
    if widely or full:
        yield from _all(NAMED)
        # One adapter serves both libraries of the family, so one of them is a fair sample.
        yield from _all({each: OWNED[each] for each in OWNED if full or each != "my httpx2"})
        if row.portal:
            # A loop of asyncio runs there, so that a blocking program has aiohttp too.
            yield from (Way("portal", each) for each in NAMED)
    if row.taped:
        yield from _all(TAPED)


def _all(table: Mapping[str, tuple[str, ...]]) -> Iterator[Way]:
    for transport, backends in table.items():
        yield from (Way(each, transport) for each in backends)
