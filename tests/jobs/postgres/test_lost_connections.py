"""A connection is lost at any message, and no step of the ledger is lost or taken twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from _support.cut_link import CutLink, cut_link
from _support.postgres_server import PostgresServer, new_job
from billingual.jobs import Claim, LedgerError, State
from billingual.jobs.postgres import PostgresLedger
from billingual.testing.conformance import ledger as steps

NOW = steps.NOW
LATE_ARRIVAL_S = steps.LATE_ARRIVAL_S


@pytest.fixture
def link(server: PostgresServer) -> Iterator[CutLink]:
    """Connect the ledgers and the server."""
    with cut_link(server.port) as running:
        yield running


def url_through(server: PostgresServer, link: CutLink) -> str:
    """Return a URL that leads through the link."""
    return server.url().replace(str(server.port), str(link.port)) + "?sslmode=disable"


def story(ledger: PostgresLedger) -> None:
    """Take steps of all kinds, alone and together."""
    ledger.bind("exante", ["org_1", None], now=NOW)
    updates = [steps.update(f"inv_{each}") for each in range(3)]
    ledger.add([*updates, steps.create("A-1"), steps.create("A-2"), steps.delete("inv_9")])
    batch = steps.claimed(ledger)
    assert ledger.entry("inv_1") is not None
    steps.commit(ledger, batch)

    def one_unclear() -> Claim:
        first = steps.claimed(ledger)
        # A connection that is lost here is told otherwise.
        with suppress(LedgerError):
            steps.found(ledger, first, State.CONFLICT, now=NOW)
        second = steps.claimed(ledger)
        steps.unclear(ledger, first)
        return second

    second = ledger.together(one_unclear)
    steps.unclear(ledger, second, refusal="the number is taken")
    look = steps.looked(ledger, now=NOW + LATE_ARRIVAL_S)

    def one_found() -> Claim:
        steps.found(ledger, look, State.COMMITTED, now=NOW + LATE_ARRIVAL_S, invoice_id="inv_A")
        return steps.looked(ledger, now=NOW + LATE_ARRIVAL_S)

    look = ledger.together(one_found)
    steps.found(ledger, look, State.CONFLICT, now=NOW + LATE_ARRIVAL_S)
    steps.resolve(ledger, "A-2", State.ABANDONED)
    steps.reject(ledger, steps.claimed(ledger))
    ledger.recover(now=NOW + 1, late_arrival_s=LATE_ARRIVAL_S)


def told(ledger: PostgresLedger) -> Any:
    """Return all that the ledger has."""
    return [
        (
            entry,
            [(each.kind, each.outcome, each.why) for each in ledger.requests(entry.id)],
            ledger.decisions(entry.id),
        )
        for entry in ledger.entries((), 0, 100)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lost", ["request", "response"])
def test_no_message_is_one_that_may_not_be_lost(
    lost: str, server: PostgresServer, link: CutLink, proof: Any
) -> None:
    """Whichever is lost, the ledger has in the end what it has without a loss."""

    def play(at: int) -> Any:
        link.messages, link.at, link.lost = 0, 0, lost
        ledger = PostgresLedger(url_through(server, link), job=new_job())
        # The first connection of all is not made again.
        with pytest.raises(Exception, match="no job"):
            ledger.counts()
        link.messages, link.at = 0, at
        story(ledger)
        sent, link.at = link.messages, 0
        found = told(ledger)
        ledger.close()
        return sent, found

    sent, expected = play(0)
    places = range(1, sent + 1)
    cuts = link.cuts
    chosen = places[5 :: proof.amount(19, 1)]
    for at in chosen:
        assert (at, expected) == (at, play(at)[1])
    # Messages may arrive together, so that there are fewer of them.
    assert link.cuts - cuts > len(chosen) // 2


@pytest.mark.slow
def test_a_server_that_is_killed_is_waited_for(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """A step goes on when the server is there again, also in the middle of a transaction."""
    ledger = open_ledger()
    ledger.add(steps.create(f"A-{each}") for each in range(6))
    starting = [threading.Thread(target=server.start)]

    def both() -> tuple[Claim, Claim]:
        first = steps.claimed(ledger)
        if starting:
            server.kill()
            starting.pop().start()
        return first, steps.claimed(ledger)

    first, second = ledger.together(both)
    steps.commit(ledger, first)
    steps.commit(ledger, second)
    server.kill()
    server.start()

    assert ledger.counts() == {State.COMMITTED: 2, State.PLANNED: 4}
    server.kill()
    server.start()
    third = steps.claimed(ledger)

    assert third.request not in {first.request, second.request}


def test_what_another_process_took_meanwhile_is_left_to_it(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """A transaction that is taken anew finds something else, and nothing of it is there twice."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])

    chosen: list[list[str]] = []
    others: list[Claim] = []

    def first() -> Claim:
        claim = steps.claimed(one)
        chosen.append(steps.ids(claim))
        if not others:
            server.cut()
            others.append(steps.claimed(two, owner="two"))
        one.keep_before({"A-1": "{}"})
        return claim

    claim = one.together(first)

    assert [["A-1"], ["A-2"]] == chosen
    assert (["A-2"], ["A-1"]) == (steps.ids(claim), steps.ids(others[0]))
    assert {State.IN_FLIGHT: 2} == one.counts()


def test_a_step_whose_failure_is_caught_does_not_hide_the_lost_connection(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """The steps of a run catch what one of them raises; all are taken anew then."""
    ledger = open_ledger()
    ledger.add([steps.create("A-1"), steps.create("A-2")])
    failures: list[LedgerError] = []

    def both() -> Claim:
        if not failures:
            server.cut()
        try:
            return steps.claimed(ledger)
        except LedgerError as error:
            failures.append(error)
            return steps.claimed(ledger)

    claim = ledger.together(both)

    assert ["A-1"] == steps.ids(claim)
    assert 1 == len(failures)
    assert {State.IN_FLIGHT: 1, State.PLANNED: 1} == ledger.counts()


def test_what_was_only_read_may_change_meanwhile(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """A transaction that looked at more than it holds is done again all the same."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])
    cuts = [server.cut]

    def carried_out() -> None:
        first = steps.claimed(one)

        assert 1 == one.counts()[State.IN_FLIGHT]
        if cuts:
            two.add([steps.create("A-3")])
            cuts.pop()()
        steps.commit(one, first)

    one.together(carried_out)

    assert {State.PLANNED: 2, State.COMMITTED: 1} == one.counts()


def test_a_step_that_waits_for_itself_is_taken_again(
    open_ledger: Callable[[], PostgresLedger],
) -> None:
    """Two transactions that wait for one another: the one that the server ends is done again."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])
    ready = threading.Barrier(2)

    def work(ledger: PostgresLedger, first: str, second: str) -> None:
        def step() -> None:
            with ledger._step() as both:
                both.execute("UPDATE entry SET reason = 'seen' WHERE id = ?", (first,))
                with suppress(threading.BrokenBarrierError):
                    ready.wait(10)
                ready.abort()
                both.execute("UPDATE entry SET before = '{}' WHERE id = ?", (second,))

        ledger.together(step)

    threads = [
        threading.Thread(target=work, args=(one, "A-1", "A-2")),
        threading.Thread(target=work, args=(two, "A-2", "A-1")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [("seen", "{}")] * 2 == [(each.reason, each.before) for each in one.entries((), 0, 10)]


def test_an_unfinished_pipeline_is_a_lost_connection(
    open_ledger: Callable[[], PostgresLedger],
) -> None:
    """Psycopg sends many rows as a pipeline; a connection that ends meanwhile may seem open."""
    ledger = open_ledger()
    ledger.add([steps.create("A-1")])
    claim = steps.claimed(ledger)
    lost = ledger._server.connected()

    def committed() -> None:
        if not lost.closed:
            lost.pgconn.enter_pipeline_mode()
            lost.pgconn.send_query_params(b"SELECT 1", None)
        steps.commit(ledger, claim)

    ledger.together(committed)

    assert {State.COMMITTED: 1} == ledger.counts()


def test_the_first_connection_fails_at_once(server: PostgresServer) -> None:
    """What is wrong with the place is told before anything is waited for."""
    ledger = PostgresLedger("postgresql://jobs:canary-of-no-one@127.0.0.1:1/postgres#job")
    with pytest.raises(LedgerError, match="refused"):
        ledger.bind("exante", [], now=NOW)
    ledger = PostgresLedger(server.url().replace("canary", "another"), job="job")
    with pytest.raises(LedgerError, match="password authentication failed"):
        ledger.bind("exante", [], now=NOW)
