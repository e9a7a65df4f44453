"""The ways of a row: which backend waits, and which transport carries.

A full run takes every backend with every transport, and HTTP clients of the user's own. The gate
takes a sample: each row meets each backend, and each of three transports: a socket, an application
in process and a function. Rows that concern the wire meet each of the others as well. Which backend
meets which transport is drawn. Tapes are met by rows that are marked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from _support.equivalence.row import Row

__all__ = ["BACKENDS", "NAMED", "OWNED", "TAPED", "TRANSPORTS", "Way", "ways_of"]

BACKENDS: Final = ("asyncio", "trio", "blocking")
TRANSPORTS: Final = ("h11", "sandbox", "memory")

NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "aiohttp": ("asyncio",), "httpx": BACKENDS, "httpx2": BACKENDS, "urllib3": BACKENDS,
}  # fmt: skip
"""Transports that are chosen by name, and who may wait for them. A loop has urllib3 in threads."""

OWNED: Final[Mapping[str, tuple[str, ...]]] = {
    "my aiohttp": ("asyncio",), "my httpx": BACKENDS, "my httpx2": BACKENDS,
}  # fmt: skip
"""Clients that the user owns: a session of aiohttp, and the two clients of each httpx."""

TAPED: Final[Mapping[str, tuple[str, ...]]] = {"record": BACKENDS, "replay": BACKENDS}
"""A row is recorded over h11, and then played from its own tape."""


@attrs.frozen
class Way:
    """One way to run a row."""

    backend: str
    transport: str

    def __str__(self) -> str:
        return f"{self.backend} x {self.transport}"


def ways_of(row: Row, *, widely: bool, full: bool, seed: int = 0) -> Iterator[Way]:
    """List the ways of *row*: all of them in a *full* run, else a sample that *seed* draws.

    Args:
        row: the row.
        widely: whether the sample is drawn from all transports, or from the first three.
        full: whether to list all.
        seed: what chance starts from.
    """
    backends = (*BACKENDS, *(("portal",) if row.portal else ()))
    ways = [Way(backend, each) for backend in backends for each in row.transports]
    tapes = list(_all(TAPED)) if row.taped else []
    if "h11" in row.transports and (widely or full):
        ways += _all({**NAMED, **OWNED})
        if row.drops_a_read:
            # A session of the user's sends a GET again by itself, and has no public option for it.
            ways.remove(Way("asyncio", "my aiohttp"))
        if row.portal:
            # A loop of asyncio runs there, so that a blocking program has aiohttp too.
            ways += [Way("portal", each) for each in NAMED]
    if full:
        yield from (*ways, *tapes)
        return
    chance = Random(f"{seed} {row.name}")  # noqa: S311 - which ways are tried is no secret
    # The first is what the others are compared with; it can tell all that there is to tell.
    first, *others = ways
    chance.shuffle(others)
    yield from _covering([first, *others])
    taped_by = chance.choice(BACKENDS)
    yield from (each for each in tapes if each.backend == taped_by)


def _covering(ways: Sequence[Way]) -> Iterator[Way]:
    """Keep each way whose backend or transport is in none before it: all are met, pairs are not."""
    met: set[str] = set()
    for way in ways:
        if not {way.backend, way.transport} <= met:
            met |= {way.backend, way.transport}
            yield way


def _all(table: Mapping[str, tuple[str, ...]]) -> Iterator[Way]:
    for transport, backends in table.items():
        yield from (Way(each, transport) for each in backends)
