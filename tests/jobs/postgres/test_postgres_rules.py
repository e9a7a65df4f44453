"""A ledger in PostgreSQL keeps every rule of the seam, and the database refuses what breaks one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from _support.postgres_server import PostgresServer, new_job
from billingual.jobs.entry import State
from billingual.jobs.ledger import LEGAL
from billingual.jobs.postgres import PostgresLedger
from billingual.testing.conformance import ledger as steps
from billingual.testing.conformance.ledger import LEDGER_CHECKS, run_ledger_check
from billingual.testing.conformance.report import Check
from jobs.test_ledger_machine import SharedMachine
from jobs.test_ledger_schema import REFUSED, STATES, WAY


@pytest.mark.parametrize("check", LEDGER_CHECKS, ids=str)
def test_the_ledger_keeps_the_rule(check: Check, server: PostgresServer) -> None:
    """The rule is in the check; every ledger in a database is shared."""
    result = run_ledger_check(check, lambda name: PostgresLedger(server.url(), job=name))

    assert result.outcome == "passed", f"{check.rule} {result.expected} / {result.seen}"


class PostgresMachine(SharedMachine):
    """Two processes on one job in a database."""

    server: PostgresServer

    def __init__(self) -> None:
        super().__init__()
        self.job = new_job()

    def open(self) -> Any:
        ledger = PostgresLedger(self.server.url(), job=self.job)
        ledger.bind("exante", [], now=self.now)
        return ledger


@pytest.mark.slow
def test_the_ledger_does_what_the_model_does(server: PostgresServer, proof: Any) -> None:
    """Any steps in any order, of two processes."""
    PostgresMachine.server = server
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        PostgresMachine,
        settings=settings(
            max_examples=proof.amount(4, 1_000),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def base(
    open_ledger: Callable[[], PostgresLedger], server: PostgresServer, job: str
) -> Iterator[psycopg.Connection]:
    """Return a plain connection to the tables of a new job, with one request and two entries."""
    open_ledger()
    with psycopg.connect(
        server.url(), autocommit=True, options=f"-c search_path=billingual_{job}"
    ) as connection:
        # The ledger counts by itself.
        connection.execute("CREATE SEQUENCE places")
        connection.execute("ALTER TABLE entry ALTER seq SET DEFAULT nextval('places')")
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


def test_each_step_is_legal_or_refused(base: psycopg.Connection) -> None:
    """All 64 pairs of states: what is not in the table of legal steps is refused."""
    for place, (before, after) in enumerate(itertools.product(STATES, STATES)):
        base.execute(
            "INSERT INTO entry (id, operation, number, body, body_hash, held, request, invoice_id)"
            " VALUES (%s, 'create', %s, '{}', 'x', 1, 1, 'inv_1')",
            (f"B-{place}", f"B-{place}"),
        )
        for step in (*WAY[before], after):
            last = step is after
            query = "UPDATE entry SET state = %s WHERE id = %s"
            if last and before is not after and (before, after) not in LEGAL:
                with pytest.raises(psycopg.IntegrityError, match="cannot go from that state"):
                    base.execute(query, (step, f"B-{place}"))
            else:
                base.execute(query, (step, f"B-{place}"))
        row = base.execute("SELECT state FROM entry WHERE id = %s", (f"B-{place}",)).fetchone()

        assert row == (after if before is after or (before, after) in LEGAL else before,)


@pytest.mark.parametrize(
    "statement",
    [
        *REFUSED.values(),
        *(f"TRUNCATE {table} CASCADE" for table in ("job", "entry", "request", "attempt")),
        "TRUNCATE decision",
    ],
)
def test_a_wrong_write_is_refused(base: psycopg.Connection, statement: str) -> None:
    """Neither by our code nor by hand."""
    with pytest.raises((psycopg.IntegrityError, psycopg.DataError)):
        base.execute(statement)


def test_one_invoice_has_one_unsettled_write(base: psycopg.Connection) -> None:
    """Neither two in flight, nor one in flight while another is unknown."""
    base.execute(
        "INSERT INTO entry (id, operation, target, body, body_hash, held, request)"
        " VALUES ('later', 'delete', 'inv_7', '{}', 'x', 1, 1)"
    )
    base.execute("UPDATE entry SET state = 'in_flight' WHERE id = 'inv_7'")
    for state in ("in_flight", "unknown"):
        base.execute("UPDATE entry SET state = %s WHERE id = 'inv_7'", (state,))
        with pytest.raises(psycopg.errors.UniqueViolation, match="one_unsettled_write"):
            base.execute("UPDATE entry SET state = 'in_flight' WHERE id = 'later'")


def test_a_doubt_forbids_a_rejection(base: psycopg.Connection) -> None:
    """Only a look may say that an entry with a doubt was refused."""
    base.execute("UPDATE entry SET state = 'in_flight', attempts = 2, unclear = 1 WHERE seq = 1")
    with pytest.raises(psycopg.IntegrityError, match="may have been carried out"):
        base.execute("UPDATE entry SET state = 'rejected' WHERE seq = 1")
    base.execute("UPDATE entry SET state = 'unknown' WHERE seq = 1")
    base.execute("UPDATE entry SET state = 'rejected' WHERE seq = 1")


def test_the_audit_trail_is_only_added_to(base: psycopg.Connection) -> None:
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
        with pytest.raises(psycopg.IntegrityError):
            base.execute(statement)


def test_entries_that_come_free_during_a_claim_are_not_claimed_with_others(
    open_ledger: Callable[[], PostgresLedger],
    server: PostgresServer,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A claim has entries of one operation, and no more than one request of it takes."""
    ledger = open_ledger()
    ledger.add([steps.create("A-1"), steps.create("A-2"), steps.update("inv_1")])
    path = f"-c search_path=billingual_{job}"
    with psycopg.connect(server.url(), options=path) as other_process:
        other_process.execute("SELECT FROM entry WHERE operation = 'create' FOR UPDATE")
        select = ledger._select

        def let_go_and_select(*given: Any) -> list[Any]:
            other_process.rollback()
            return select(*given)

        with monkeypatch.context() as patch:
            patch.setattr(ledger, "_select", let_go_and_select)

            assert steps.claim(ledger) is None

    claims = [steps.ids(steps.claimed(ledger)) for _ in range(3)]

    assert [["A-1"], ["A-2"], ["inv_1"]] == claims


def test_states_of_the_model_are_those_of_the_table() -> None:
    """What the tests above go through is all there is."""
    assert set(State) == set(WAY)
