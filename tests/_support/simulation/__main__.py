"""Run many worlds in processes of their own: ``python -m _support.simulation --amount 1000000``.

Prints the seed first, a line for each kind of world, and each world that went wrong. A world of a
seed is run again by its name: ``--world 7/exante/create/12``.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import secrets
import sys
import time
from collections import Counter

from _support.simulation.worlds import Outcome, World, run_world, worlds_of

_SHOWN = 10


def main() -> int:
    """Run what the command line says; return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", help="what chance starts from; a random one without it")
    parser.add_argument("--amount", type=int, default=1_000_000, help="writes in all")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--world", help="the name of one world to run again")
    given = parser.parse_args()
    if given.world:
        return _again(World.named(given.world))
    seed = given.seed or str(secrets.randbelow(10**9))
    _say(f"seed {seed}")
    began, wrong = time.monotonic(), 0
    sums: dict[str, Counter[str]] = {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(given.workers, logging.disable) as pool:
        for outcome in pool.imap_unordered(run_world, worlds_of(seed, given.amount), chunksize=4):
            sums.setdefault(outcome.world.kind, Counter()).update(outcome.counts)
            wrong += bool(outcome.complaints)
            if outcome.complaints:
                _tell(outcome)
    for kind, counts in sorted(sums.items()):
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
        _say(f"{kind}: {told}")
    _say(f"{wrong} worlds went wrong, in {time.monotonic() - began:.0f} s")
    return int(wrong > 0)


def _again(world: World) -> int:
    logging.disable()
    outcome = run_world(world)
    _say(f"{world.name}: {outcome.counts}, hash {outcome.hash}")
    _tell(outcome)
    return int(bool(outcome.complaints))


def _tell(outcome: Outcome) -> None:
    for complaint in outcome.complaints[:_SHOWN]:
        _say(f"{outcome.world.name}: {complaint}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main())
