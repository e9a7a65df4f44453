"""SQLite itself refuses what a ledger must not hold, also from another program."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from billingual.jobs.entry import State
from billingual.jobs.ledger import LEGAL
from billingual.jobs.sqlite import SqliteLedger

# A new entry for each state: how it gets there by legal steps.
WAY = {
    State.PLANNED: (),
    State.IN_FLIGHT: ("in_flight",),
    State.UNKNOWN: ("in_flight", "unknown"),
    State.COMMITTED: ("in_flight", "committed"),
    State.REJECTED: ("in_flight", "rejected"),
    State.CONFLICT: ("in_flight", "unknown", "conflict"),
    State.DOUBLED: ("in_flight", "unknown", "doubled"),
    State.ABANDONED: ("abandoned",),
}
STATES = list(State)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a plain connection to the file of a new ledger; it has one request and two entries."""
    SqliteLedger(tmp_path / "job.db").close()
    with closing(sqlite3.connect(tmp_path / "job.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(
            "INSERT INTO request (id, kind, owner, started) VALUES (1, 'send', 'me', 1.0)"
        )
        connection.execute(
            "INSERT INTO entry (id, operation, number, body, body_hash, held, request, invoice_id)"
            " VALUES ('A-1', 'create', 'A-1', '{}', 'x', 1, 1, 'inv_1')"
        )
        connection.execute(
            "INSERT INTO entry (id, operation, target, body, body_hash, held, request)"
            " VALUES ('inv_7', 'update', 'inv_7', '{}', 'x', 1, 1)"
        )
        yield connection


def bring(base: sqlite3.Connection, state: State) -> None:
    """Bring the first entry into a state."""
    for step in WAY[state]:
        base.execute("UPDATE entry SET state = ? WHERE seq = 1", (step,))


def state_of(base: sqlite3.Connection) -> str:
    """Return the state of the first entry."""
    return str(base.execute("SELECT state FROM entry WHERE seq = 1").fetchone()[0])


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, STATES)))
def test_each_step_is_legal_or_refused(
    base: sqlite3.Connection, before: State, after: State
) -> None:
    """All 64 pairs of states: what is not in the table of legal steps is refused."""
    bring(base, before)
    if before is after or (before, after) in LEGAL:
        base.execute("UPDATE entry SET state = ? WHERE seq = 1", (after,))

        assert after == state_of(base)
        return
    with pytest.raises(sqlite3.IntegrityError, match="cannot go from that state"):
        base.execute("UPDATE entry SET state = ? WHERE seq = 1", (after,))

    assert before == state_of(base)


def test_what_may_be_there_is_never_planned_without_a_look() -> None:
    """The table itself: nothing that is carried out goes back, and only people undo a refusal."""
    assert {State.DOUBLED} == {after for before, after in LEGAL if before is State.COMMITTED}
    assert set() == {after for before, after in LEGAL if before is State.ABANDONED}
    assert {State.PLANNED, State.ABANDONED} == {b for a, b in LEGAL if a is State.REJECTED}


REFUSED: dict[str, str] = {
    "a second entry with the number": (
        "INSERT INTO entry (id, operation, number, body, body_hash) VALUES"
        " ('A-2', 'create', 'A-1', '{}', 'x')"
    ),
    "a second entry with the id": (
        "INSERT INTO entry (id, operation, number, body, body_hash) VALUES"
        " ('A-1', 'create', 'A-2', '{}', 'x')"
    ),
    "an entry that begins as committed": (
        "INSERT INTO entry (id, operation, number, body, body_hash, state, invoice_id) VALUES"
        " ('A-2', 'create', 'A-2', '{}', 'x', 'committed', 'inv_1')"
    ),
    "an entry without a body": (
        "INSERT INTO entry (id, operation, number, body_hash) VALUES ('A-2', 'create', 'A-2', 'x')"
    ),
    "a create with a target": (
        "INSERT INTO entry (id, operation, target, body, body_hash) VALUES"
        " ('A-2', 'create', 'inv_1', '{}', 'x')"
    ),
    "an update without a target": (
        "INSERT INTO entry (id, operation, body, body_hash) VALUES ('A-2', 'update', '{}', 'x')"
    ),
    "a number of an update": (
        "INSERT INTO entry (id, operation, target, number, body, body_hash) VALUES"
        " ('A-2', 'update', 'inv_1', 'A-2', '{}', 'x')"
    ),
    "an operation that there is not": (
        "INSERT INTO entry (id, operation, target, body, body_hash) VALUES"
        " ('A-2', 'pay', 'inv_1', '{}', 'x')"
    ),
    "a state that there is not": "UPDATE entry SET state = 'lost'",
    "a text where a number belongs": "UPDATE entry SET attempts = 'many'",
    "in flight without a request": (
        "UPDATE entry SET state = 'in_flight', request = NULL WHERE seq = 1"
    ),
    "in flight without a claim": "UPDATE entry SET state = 'in_flight', held = 0 WHERE seq = 1",
    "a request that there is not": "UPDATE entry SET request = 9 WHERE seq = 1",
    "another body": "UPDATE entry SET body = '[]' WHERE seq = 1",
    "no body, while it may be sent": "UPDATE entry SET body = NULL WHERE seq = 1",
    "another hash": "UPDATE entry SET body_hash = 'y' WHERE seq = 1",
    "another id": "UPDATE entry SET id = 'A-9' WHERE seq = 1",
    "another number": "UPDATE entry SET number = 'A-9' WHERE seq = 1",
    "another target": "UPDATE entry SET target = 'inv_9' WHERE seq = 2",
    "another place": "UPDATE entry SET seq = 9 WHERE seq = 1",
    "fewer attempts": "UPDATE entry SET attempts = attempts - 1 WHERE seq = 1",
    "more doubts than attempts": "UPDATE entry SET unclear = 1 WHERE seq = 1",
    "one entry less": "DELETE FROM entry WHERE seq = 1",
    "one request less": "DELETE FROM request",
    "a second job": "INSERT INTO job VALUES (2, 'exante', '[]', 0.0, '1', 'x', '{}')",
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_write_is_refused(base: sqlite3.Connection, what: str) -> None:
    """Neither by our code nor by hand."""
    with pytest.raises(sqlite3.IntegrityError):
        base.execute(REFUSED[what])


def test_one_invoice_has_one_unsettled_write(base: sqlite3.Connection) -> None:
    """Neither two in flight, nor one in flight while another is unknown."""
    base.execute(
        "INSERT INTO entry (id, operation, target, body, body_hash, held, request)"
        " VALUES ('later', 'delete', 'inv_7', '{}', 'x', 1, 1)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="one unsettled write"):
        base.execute("UPDATE entry SET state = 'in_flight' WHERE target = 'inv_7'")
    with pytest.raises(sqlite3.IntegrityError, match="of several entries"):
        base.execute("DELETE FROM shared_target")
    base.execute("UPDATE entry SET state = 'in_flight' WHERE id = 'inv_7'")
    for state in ("in_flight", "unknown"):
        base.execute("UPDATE entry SET state = ? WHERE id = 'inv_7'", (state,))
        with pytest.raises(sqlite3.IntegrityError, match="one unsettled write"):
            base.execute("UPDATE entry SET state = 'in_flight' WHERE id = 'later'")
    base.execute("UPDATE entry SET state = 'committed', invoice_id = target WHERE id = 'inv_7'")
    base.execute("UPDATE entry SET state = 'in_flight' WHERE id = 'later'")


def test_nothing_is_committed_without_its_invoice(base: sqlite3.Connection) -> None:
    """What was made has a name."""
    base.execute("UPDATE entry SET state = 'in_flight', invoice_id = NULL WHERE seq = 1")
    with pytest.raises(sqlite3.IntegrityError, match="invoice_id"):
        base.execute("UPDATE entry SET state = 'committed' WHERE seq = 1")


def test_a_doubt_forbids_a_rejection(base: sqlite3.Connection) -> None:
    """Only a look may say that an entry with a doubt was refused."""
    base.execute("UPDATE entry SET state = 'in_flight', attempts = 2, unclear = 1 WHERE seq = 1")
    with pytest.raises(sqlite3.IntegrityError, match="may have been carried out"):
        base.execute("UPDATE entry SET state = 'rejected' WHERE seq = 1")
    base.execute("UPDATE entry SET state = 'unknown' WHERE seq = 1")
    base.execute("UPDATE entry SET state = 'rejected' WHERE seq = 1")


def test_the_audit_trail_is_only_added_to(base: sqlite3.Connection) -> None:
    """Attempts, ended requests and decisions neither change nor go."""
    base.execute("INSERT INTO attempt VALUES (1, 1)")
    base.execute("UPDATE request SET ended = 2.0, outcome = 'unknown'")
    base.execute(
        "INSERT INTO decision (entry, at, by, note, before, after)"
        " VALUES (1, 1.0, 'anna', '', 'unknown', 'committed')"
    )
    for statement in (
        "DELETE FROM attempt",
        "UPDATE attempt SET entry = 2",
        "UPDATE request SET outcome = 'committed'",
        "UPDATE request SET ended = NULL",
        "DELETE FROM decision",
        "UPDATE decision SET by = 'bert'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            base.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        base.execute(
            "INSERT INTO decision (entry, at, by, note, before, after)"
            " VALUES (1, 1.0, ' ', '', 'unknown', 'committed')"
        )
