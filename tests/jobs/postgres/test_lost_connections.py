"""A connection is lost at any message, and no step of the ledger is lost or taken twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from _support.cut_link import CutLink, cut_link
from _support.postgres_server import PostgresServer, new_job
from billingual.jobs import LedgerError, State
from billingual.jobs.postgres import PostgresLedger
from billingual.testing.conformance import ledger as steps

NOW = steps.NOW
SETTLE_S = steps.SETTLE_S


@pytest.fixture
def link(server: PostgresServer) -> Iterator[CutLink]:
    """Stand between the ledgers and the server."""
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
    with ledger.together():
        first = steps.claimed(ledger)
        with pytest.raises(LedgerError, match="refuses the step"):
            steps.found(ledger, first, State.CONFLICT, now=NOW)
        second = steps.claimed(ledger)
        steps.unclear(ledger, first)
    steps.unclear(ledger, second, refusal="the number is taken")
    look = steps.looked(ledger, now=NOW + SETTLE_S)
    with ledger.together():
        steps.found(ledger, look, State.COMMITTED, now=NOW + SETTLE_S, invoice_id="inv_A")
        look = steps.looked(ledger, now=NOW + SETTLE_S)
    steps.found(ledger, look, State.CONFLICT, now=NOW + SETTLE_S)
    steps.resolve(ledger, "A-2", State.ABANDONED)
    steps.reject(ledger, steps.claimed(ledger))
    ledger.recover(now=NOW + 1, settle_s=SETTLE_S)


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
    with ledger.together():
        first = steps.claimed(ledger)
        server.kill()
        starting = threading.Thread(target=server.start)
        starting.start()
        second = steps.claimed(ledger)
        starting.join()
    steps.commit(ledger, first)
    steps.commit(ledger, second)
    server.kill()
    server.start()

    assert ledger.counts() == {State.COMMITTED: 2, State.PLANNED: 4}
    server.kill()
    server.start()
    third = steps.claimed(ledger)

    assert third.request not in {first.request, second.request}


def test_what_another_process_changed_meanwhile_is_not_taken_again(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """A transaction that would find something else is given up whole."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])

    def both() -> None:
        with one.together():
            steps.claimed(one)
            server.cut()
            steps.claimed(two, owner="two")
            steps.claimed(one)

    with pytest.raises(LedgerError, match="nothing of this step was taken"):
        both()

    assert {State.PLANNED: 1, State.IN_FLIGHT: 1} == one.counts()


def test_what_was_only_read_may_change_meanwhile(
    server: PostgresServer, open_ledger: Callable[[], PostgresLedger]
) -> None:
    """A transaction that looked at more than it holds is done again all the same."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])
    with one.together():
        first = steps.claimed(one)

        assert {State.PLANNED: 1, State.IN_FLIGHT: 1} == one.counts()
        two.add([steps.create("A-3")])
        server.cut()
        steps.commit(one, first)

    assert {State.PLANNED: 2, State.COMMITTED: 1} == one.counts()


def test_a_step_that_waits_for_itself_is_taken_again(
    open_ledger: Callable[[], PostgresLedger],
) -> None:
    """Two transactions that wait for one another: the one that the server ends is done again."""
    one, two = open_ledger(), open_ledger()
    one.add([steps.create("A-1"), steps.create("A-2")])
    ready = threading.Barrier(2)

    def work(ledger: PostgresLedger, first: str, second: str) -> None:
        with ledger._step() as step:
            step.execute("UPDATE entry SET reason = 'seen' WHERE id = ?", (first,))
            ready.wait(10)
            step.execute("UPDATE entry SET before = '{}' WHERE id = ?", (second,))

    threads = [
        threading.Thread(target=work, args=(one, "A-1", "A-2")),
        threading.Thread(target=work, args=(two, "A-2", "A-1")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [("seen", "{}")] * 2 == [(each.reason, each.before) for each in one.entries((), 0, 10)]


def test_the_first_connection_fails_at_once(server: PostgresServer) -> None:
    """What is wrong with the place is told before anything is waited for."""
    ledger = PostgresLedger("postgresql://jobs:canary-of-no-one@127.0.0.1:1/postgres#job")
    with pytest.raises(LedgerError, match="refused"):
        ledger.bind("exante", [], now=NOW)
    ledger = PostgresLedger(server.url().replace("canary", "another"), job="job")
    with pytest.raises(LedgerError, match="password authentication failed"):
        ledger.bind("exante", [], now=NOW)
