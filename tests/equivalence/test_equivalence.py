"""One table of scenarios, over every way to wait and every way to the provider.

The table is the specification: each row says what a call gives and what observers are told. It is
run over asyncio, trio and blocking (some rows over the portal too), over a socket, in process and
by a function; rows that concern the wire, and in a full run all, over every other transport and
over HTTP clients of the user's own too; and some are recorded and played back. All must agree with
the row and, in every detail, with each other; what a library cannot tell is listed in
``_support.equivalence.events``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final

import attrs
import pytest

from _support.equivalence import calls, limits, lists, refusals, responses, searches, wire
from _support.equivalence.clients import client_at, client_for, run_by
from _support.equivalence.events import LINES, Line, lent, lines_of
from _support.equivalence.observed import Seen, seen_of
from _support.equivalence.row import Row, Scene
from _support.equivalence.servers import Sandboxes, open_sandboxes
from _support.equivalence.ways import NAMED, OWNED, TRANSPORTS, Way, ways_of
from billingual import errors
from billingual.events import Event
from billingual.outcomes import Attempt, Evidence, Outcome
from billingual.plugins import TRANSPORTS as REGISTRY

ROWS: Final[tuple[Row, ...]] = (
    *calls.ROWS,
    *lists.ROWS,
    *wire.ROWS,
    *responses.ROWS,
    *refusals.ROWS,
    *searches.ROWS,
    *limits.ROWS,
)

SLOW: Final = {"a rate limit that stays", "a deadline that passes between attempts"}
"""Rows that wait on purpose, most of a second each time."""
WIDELY: Final = {
    row.name for row in ROWS if row.portal or row in (*wire.ROWS, *responses.ROWS)
} - SLOW
"""Rows whose matter is the wire, and some of each other: transports can differ most in these."""


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    """Start a sandbox for each transport."""
    with open_sandboxes() as opened:
        yield opened


def addressed(row: Row, way: Way, options: Mapping[str, Any], query: str) -> dict[str, Any]:
    """Put into an address what of a row's options can be there."""
    given = dict(options)
    where = given.pop("base_url", "").partition(":")[2]
    carrier = given.get("transport", "httpx")
    if isinstance(carrier, str):
        given.pop("transport", None)
    else:
        # An object wins over the name.
        carrier = "sandbox" if way.transport == "sandbox" else "httpx"
    given.pop("tenant")
    return {**given, "url": f"{row.provider}+{carrier}:{where}{query}"}


async def play(row: Row, way: Way, sandboxes: Sandboxes) -> Seen:
    """Run a row once."""
    events: list[Event] = []
    result, failure = None, None
    async with sandboxes.leading(way, row) as leading, AsyncExitStack() as clients:

        def opened(make: Callable[..., Any], *what: Any, **options: Any) -> Any:
            client = make(way.backend, *what, observers=[events.append], **options)
            clients.push_async_callback(client.aclose)
            return client

        options = {**leading, **row.options}
        scene = Scene(
            client=opened(client_for, row.provider, **options),
            control=sandboxes.control(way),
            events=events,
            make=partial(client_for, way.backend),
            again=lambda **more: opened(client_for, row.provider, **{**options, **more}),
            addressed=lambda query: opened(client_at, **addressed(row, way, options, query)),
        )
        try:
            result = await row.run(scene)
        except errors.BillingualError as error:
            failure = error
    return seen_of(result, failure, events)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_clients_are_one(sandboxes: Sandboxes, row: Row, proof: Any) -> None:
    """Every backend and every transport: same result, same error, same events."""
    runs: dict[str, Seen] = {}
    wholes: dict[str, Any] = {}
    for way in ways_of(row, widely=row.name in WIDELY, full=proof.full, seed=proof.seed):
        sandboxes.prepare(way, row)
        seen = runs[str(way)] = run_by(way.backend, play, row, way, sandboxes)
        whole: Any = (seen.whole, seen.events)
        first = next(iter(wholes.values()), whole)
        wholes[str(way)] = lent(whole, first, lines_of(way.transport))

    assert dict.fromkeys(runs, (row.gives, row.trace)) == {
        name: (seen.gives, seen.trace) for name, seen in runs.items()
    }
    assert dict.fromkeys(wholes, first) == wholes


@pytest.mark.parametrize("line", LINES, ids=str)
def test_what_a_library_cannot_tell_it_still_cannot(sandboxes: Sandboxes, line: Line) -> None:
    """A row meets each line of the table; a line that is not needed any more must go."""
    row = next(each for each in ROWS if each.name == line.met)
    backend = {**NAMED, **OWNED}[line.transport][0]
    attempts: list[Attempt] = []
    for way in (Way(backend, "h11"), Way(backend, line.transport)):
        sandboxes.prepare(way, row)
        seen = run_by(backend, play, row, way, sandboxes)
        attempts += [each[1] for each in seen.events if each[0] == "attempted"]
    told, untold = (each.evidence for each in attempts)

    assert line.covers(untold, told)


def test_nothing_but_what_a_line_allows_is_passed_over() -> None:
    """Another fact, a contradiction, another end or another shape stays a difference."""
    told = Evidence(connected=True, request_complete=True, response_begun=False)
    lines = lines_of("my httpx")
    other = [("attempted", Attempt(number=1, outcome=Outcome.UNKNOWN, evidence=told))]

    def as_seen(end: Outcome = Outcome.UNKNOWN, **facts: Any) -> list[Any]:
        evidence = attrs.evolve(told, **facts)
        return [("attempted", Attempt(number=1, outcome=end, evidence=evidence))]

    assert other == lent(as_seen(response_begun=None), other, lines)
    for mine in (
        as_seen(response_begun=True), as_seen(request_complete=None), as_seen(connected=None),
        as_seen(Outcome.NOT_SENT, response_begun=None), [*other, *other], [], {"attempted": other},
    ):  # fmt: skip
        assert other != lent(mine, other, lines)
    assert other != lent(as_seen(response_begun=None), other, lines_of("memory"))


def test_the_sample_meets_every_backend_with_every_transport() -> None:
    """What one row leaves out, others take."""
    full, sample = (
        {way for row in ROWS for way in ways_of(row, widely=row.name in WIDELY, full=full)}
        for full in (True, False)
    )

    assert sample == full


def test_every_transport_has_a_way() -> None:
    """Whatever can be chosen by name is held to the table."""
    assert {*TRANSPORTS, *NAMED} == set(REGISTRY.builtin)


# The first needs a broken installation, and is met when a client is made. The others need a server
# of tokens: tests/client/test_client_credentials.py meets them with both clients, over every
# library and backend.
NOT_MET: Final = {"MissingExtraError", "TokenError", "TokenUnavailableError"}
# Roots, which are never raised themselves.
ROOTS: Final = {"BillingualError", "UsageError", "TransportError", "ProviderError"}


def test_the_table_meets_every_error() -> None:
    """An error class that no row meets would not be known to be the same everywhere."""
    met: set[Any] = {name for name in errors.__all__ if any(name in row.gives for row in ROWS)}

    kinds = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert kinds - NOT_MET - ROOTS == met - ROOTS


def test_the_table_is_large_enough_and_has_no_row_twice() -> None:
    """Rows are found by their names."""
    assert len(ROWS) == len({row.name for row in ROWS})
    assert len(ROWS) >= 60
