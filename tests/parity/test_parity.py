"""One table of scenarios, over every way to wait and every way to the provider.

The table is the specification: each row says what a call gives and what observers are told. It is
run over asyncio, trio and blocking (some rows over the portal too), over a socket, in process and
by a function, and all must agree with the row and, in every detail, with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import parity_answers
import parity_calls
import parity_lists
import parity_refusals
import parity_wire
import pytest
from parity_faces import DRIVERS, client_for, run_by
from parity_row import Row, Scene
from parity_seen import Seen, seen_of
from parity_stands import Stands, stands_open

from billingual import errors
from billingual.events import Event

ROWS: Final[tuple[Row, ...]] = (
    *parity_calls.ROWS,
    *parity_lists.ROWS,
    *parity_wire.ROWS,
    *parity_answers.ROWS,
    *parity_refusals.ROWS,
)


@pytest.fixture(scope="module")
def stands() -> Iterator[Stands]:
    """Start a sandbox for each transport."""
    with stands_open() as opened:
        yield opened


async def play(row: Row, driver: str, transport: str, stands: Stands) -> Seen:
    """Run a row once."""
    events: list[Event] = []
    options = {**stands.options(transport, driver, row), **row.options}
    client = client_for(driver, row.provider, observers=[events.append], **options)
    scene = Scene(
        client=client,
        control=stands.control(transport, driver),
        events=events,
        make=lambda *a, **k: client_for(driver, *a, **k),
    )
    result, failure = None, None
    try:
        result = await row.run(scene)
    except errors.BillingualError as error:
        failure = error
    finally:
        await client.aclose()
    return seen_of(result, failure, events)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_clients_are_one(stands: Stands, row: Row) -> None:
    """Whoever waits and whatever carries: same result, same error, same events."""
    runs: dict[str, Seen] = {}
    for driver in (*DRIVERS, *(["portal"] if row.portal else [])):
        for transport in row.transports:
            stands.prepare(transport, driver, row)
            runs[f"{driver} x {transport}"] = run_by(driver, play, row, driver, transport, stands)
    first = next(iter(runs.values()))

    assert dict.fromkeys(runs, (row.gives, row.trace)) == {
        name: (seen.gives, seen.trace) for name, seen in runs.items()
    }
    assert dict.fromkeys(runs, (first.whole, first.events)) == {
        name: (seen.whole, seen.events) for name, seen in runs.items()
    }


# Each needs a broken installation, and is met when a client is made.
NOT_MET: Final = {"MissingExtraError"}
# Roots, which nobody raises.
ROOTS: Final = {"BillingualError", "UsageError", "TransportError", "ProviderError"}


def test_the_table_meets_every_error() -> None:
    """An error class that no row meets would not be known to be the same everywhere."""
    met: set[Any] = {name for name in errors.__all__ if any(name in row.gives for row in ROWS)}

    assert set(errors.__all__) - NOT_MET - ROOTS == met - ROOTS


def test_the_table_is_large_enough_and_has_no_row_twice() -> None:
    """Rows are found by their names."""
    assert len(ROWS) == len({row.name for row in ROWS})
    assert len(ROWS) >= 60
