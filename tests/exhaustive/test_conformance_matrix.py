"""G10: every operation x every fault x every dialect: so many requests, this error, that verdict.

What must happen is in ``_support/matrix/matrix.json``, whose head says how any cell follows
from the rules. All cells run through a failing transport, each with the standard policy and with
none, on one of two backends and in the session ``proofs`` on both; a sample of them runs over real
sockets.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from _support.matrix.calls import CALLS, PROVIDERS
from _support.matrix.clients import Ran, run_blocking, run_on_asyncio
from _support.matrix.sockets import SAMPLE, Loopback, run_over_sockets, sampled, timeless
from _support.matrix.table import CELLS, MATRIX, POLICIES, Cell

pytestmark = pytest.mark.timeout(600)

TOOL: Final = Path(__file__).parents[2] / "tools" / "generate_conformance_matrix.py"
RUN: Final = {"asyncio": run_on_asyncio, "blocking": run_blocking}
SHOWN: Final = 20


def wrong(ran: list[Ran]) -> str:
    """Tell what differs from the file, as much as one reads, and how much there is."""
    found = [
        f"{each.cell.operation}, {each.cell.dialect}, {each.cell.fault}, retry={each.policy!r}: "
        f"expected {each.cell.expected(each.policy)!r}, got {each.told!r}"
        for each in ran
        if each.told != each.cell.expected(each.policy)
    ]
    return "\n".join([*found[:SHOWN], *([f"{len(found)} in all"] if found else ())])


def drawn(cell: Cell, policy: str, seed: int) -> str:
    """Draw the backend that meets a cell in the gate."""
    name = f"{seed} {cell.operation} {cell.fault} {cell.dialect} {policy}"
    return Random(name).choice(sorted(RUN))  # noqa: S311 - no secret


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    """Serve on loopback."""
    with Loopback() as server:
        yield server


def test_the_matrix_is_as_large_as_it_says() -> None:
    """It has 24 operations, 69 faults and 4 dialects, and a cell for each three of them."""
    sizes = (len(MATRIX["operations"]), len(MATRIX["faults"]), len(PROVIDERS))

    assert (24, 69, 4) == sizes
    assert 24 * 69 * 4 == len({(each.operation, each.fault, each.dialect) for each in CELLS})
    assert set(CALLS) == set(MATRIX["operations"])
    assert 40 <= len(set(SAMPLE))


def test_every_cell_follows_from_the_rules() -> None:
    """No cell was bent to what the client does: the rules at the head of the file give them all."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", sorted(PROVIDERS))
@pytest.mark.parametrize("backend", sorted(RUN))
def test_every_cell_holds(backend: str, dialect: str, proof: Any) -> None:
    """Requests, error, seconds, attempts and verdict of every cell are exactly those of the file.

    All cells run each time; in the gate each on one of the backends, which is drawn.
    """
    cells = [
        (each, policy)
        for each in CELLS
        for policy in POLICIES
        if each.dialect == dialect and (proof.full or backend == drawn(each, policy, proof.seed))
    ]

    assert "" == wrong(RUN[backend](cells))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "blocking", "trio"])
def test_the_wire_tells_the_same(backend: str, loopback: Loopback, proof: Any) -> None:
    """Over sockets and httpx a cell is as it is without: only the seconds are left out.

    The gate runs the standard policy, ``--full-proofs`` both.
    """
    policies = POLICIES[: proof.amount(1, len(POLICIES))]

    told = {
        f"{cell}, retry={policy!r}": timeless(run_over_sockets(loopback, backend, cell, policy))
        for cell in sampled(CELLS)
        for policy in policies
    }

    assert told == {
        f"{cell}, retry={policy!r}": timeless(cell.expected(policy))
        for cell in sampled(CELLS)
        for policy in policies
    }
