"""The worlds of a seed: which kinds there are, how large they are, and what came of one."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import attrs

from _support.simulation.world import Operation, Result, simulate

__all__ = ["KINDS", "Outcome", "World", "run_world", "worlds_of"]

KINDS: Final = (
    ("exante", "create", 0.25),
    ("kukkingu", "create", 0.25),
    ("exante", "update", 0.15),
    ("kukkingu", "update", 0.15),
    ("exante", "delete", 0.1),
    ("exante", "beyond", 0.1),
)
"""Providers, what is done with each, and its share of all writes."""

_SIZES: Final = (20, 80, 200, 400)
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it


@attrs.frozen
class World:
    """One world, by its seed and what it is made of."""

    seed: str
    provider: str
    operation: Operation
    number: int
    amount: int

    @property
    def kind(self) -> str:
        """What is done with whom."""
        return f"{self.provider} {self.operation}"

    @property
    def name(self) -> str:
        """By this it is run again."""
        return f"{self.seed}/{self.provider}/{self.operation}/{self.number}/{self.amount}"

    @classmethod
    def named(cls, name: str) -> World:
        """Return the world of a name."""
        seed, provider, operation, number, amount = name.rsplit("/", 4)
        return cls(seed, provider, cast(Operation, operation), int(number), int(amount))


@attrs.frozen
class Outcome:
    """What came of a world, small enough to cross processes."""

    world: World
    complaints: list[str]
    counts: dict[str, int]
    hash: str


def worlds_of(seed: str, amount: int) -> Iterator[World]:
    """List worlds with so many writes in all, each kind its share."""
    chance = random.Random(f"{seed}/sizes")  # noqa: S311 - seeded
    left = {(provider, operation): amount * share for provider, operation, share in KINDS}
    number = 0
    while left:
        for provider, operation in list(left):
            size = chance.choice(_SIZES)
            yield World(seed, provider, cast(Operation, operation), number, size)
            left[provider, operation] -= size
            if left[provider, operation] <= 0:
                del left[provider, operation]
        number += 1


def run_world(world: World) -> Outcome:
    """Run a world, its ledger in memory where the system has a directory there."""
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as directory:
        try:
            result = simulate(
                world.name.rpartition("/")[0],
                Path(directory),
                provider=world.provider,
                operation=world.operation,
                amount=world.amount,
            )
        except RuntimeError as stuck:
            return Outcome(world, [str(stuck)], {"worlds": 1}, "")
    return Outcome(
        world,
        [f"{each.kind}: {each.write}: {each.why}" for each in result.violations],
        _counted(result),
        result.hash,
    )


def _counted(result: Result) -> dict[str, int]:
    counts = Counter(result.verdicts.values())
    counts.update(
        worlds=1,
        writes=len(result.verdicts),
        crashes=result.crashes,
        requests=result.requests,
    )
    return dict(counts)
