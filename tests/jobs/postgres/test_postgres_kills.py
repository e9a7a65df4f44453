"""Jobs in a database, whose processes and whose server are killed, lose and double nothing.

They are judged as those in a file, see ``tests/jobs/test_kills.py``.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import attrs
import psycopg
import pytest

from _support.command import line_of
from _support.postgres_server import PostgresServer, new_job
from billingual.jobs import State
from billingual.jobs.postgres import PostgresLedger
from billingual.testing.conformance import ledger as steps
from jobs.test_kills import PATIENCE_S, STORIES, Story, of_all, of_creates, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# A process that is killed leaves its claims until their leases end; so those are short here.
DEADLINE_S = 1.5
MARGIN_S = 0.5
KILLS_OF_A_JOB = 4


@attrs.define(eq=False)
class PostgresStory(Story):
    """A job in a database."""

    database: PostgresServer = attrs.field(kw_only=True)
    job: str = attrs.field(factory=new_job)
    more: dict[str, Any] = attrs.field(
        factory=lambda: {"client": {"deadline": DEADLINE_S}, "lease_margin_s": MARGIN_S}
    )

    @property
    def ledger(self) -> str:
        return self.database.url(self.job)

    def counts(self) -> dict[State, int]:
        with closing(PostgresLedger(self.ledger)) as ledger:
            return ledger.counts()

    @contextmanager
    def asking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        with psycopg.connect(
            self.database.url(), autocommit=True, options=f"-c search_path=billingual_{self.job}"
        ) as connection:
            yield lambda query: connection.execute(query).fetchall()


def test_a_killed_job_ends_as_one_that_was_not(
    server: PostgresServer, tmp_path: Path, proof: Any
) -> None:
    """60 kills in the session ``pipelines``, one in the gate; the clock of a run may be off."""
    for name in list(STORIES)[-proof.amount(1, 4) :]:
        chance = Random(f"{proof.seed} {name}")  # noqa: S311 - no secret
        kills = jobs = 0
        while kills < proof.amount(1, 15):
            with serving() as invoices:
                place = tmp_path / f"{name}-{jobs}"
                place.mkdir()
                story = PostgresStory(invoices, place, chance, database=server)
                STORIES[name](story)
                for _ in range(proof.amount(1, KILLS_OF_A_JOB)):
                    killed = story.run_and_kill()
                    kills += killed
                    if not killed:
                        break
                sys.stdout.write(f"seed {proof.seed}, {name}, job {jobs}, {kills} kills so far\n")
                sys.stdout.write(story.finish())
                story.judge()
            jobs += 1


def test_processes_share_a_job(server: PostgresServer, tmp_path: Path, proof: Any) -> None:
    """Each write is sent by one of two processes.

    In the session ``pipelines`` also by one of four, of which one is killed.
    """
    chance = Random(proof.seed)  # noqa: S311 - no secret
    for processes in (2, 4)[: proof.amount(1, 2)]:
        place = tmp_path / str(processes)
        place.mkdir()
        with serving() as invoices, ExitStack() as started:
            story = PostgresStory(invoices, place, chance, database=server)
            of_all(story)
            invoices.app.add_fault("latency", seconds=0.05, times=200)
            running = [started.enter_context(story.start()) for _ in range(processes)]
            if processes > 2:
                wait_for(running[0])
                time.sleep(0.2)
                running.pop(0).send_signal(signal.SIGKILL)
            for each in running:
                _, noise = each.communicate(timeout=PATIENCE_S)

                assert each.returncode == 0, noise
            story.judge()


def test_a_run_outlives_the_connection_and_the_server(
    server: PostgresServer, tmp_path: Path, proof: Any
) -> None:
    """All connections end in the middle of a run.

    In the session ``pipelines`` the server is also killed and started again.
    """
    chance = Random(proof.seed)  # noqa: S311 - no secret
    for fate in ("cut", *["killed"] * 5)[: proof.amount(1, 6)]:
        place = tmp_path / new_job()
        place.mkdir()
        with serving() as invoices:
            story = PostgresStory(invoices, place, chance, database=server)
            of_creates(story)
            invoices.app.add_fault("latency", seconds=0.02, times=1000)
            with story.start() as process:
                wait_for(process)
                for _ in range(3):
                    time.sleep(chance.random() * 0.3)
                    if fate == "cut":
                        server.cut()
                    else:
                        server.kill()
                        server.start()
                _, noise = process.communicate(timeout=PATIENCE_S)

                assert process.returncode == 0, noise
            story.judge()


def wait_for(process: subprocess.Popen[str]) -> None:
    """Wait until a program says that it runs its job."""
    while line_of(process) != "running":
        pass


def test_processes_claim_no_entry_twice(server: PostgresServer) -> None:
    """Four ledgers that claim and settle as fast as they can take each entry once."""
    name, taken = new_job(), []
    with closing(PostgresLedger(server.url(name))) as first:
        first.bind("exante", [], now=steps.NOW)
        first.add(steps.update(f"inv_{each % 150}", entry_id=str(each)) for each in range(600))

    def work(owner: str) -> None:
        with closing(PostgresLedger(server.url(name))) as ledger:
            while ledger.next_due(now=steps.NOW, sends=True, looks=True) is not None:
                made = steps.claim(ledger, owner=owner)
                if made is not None:
                    taken.extend(steps.ids(made))
                    steps.commit(ledger, made)

    threads = [threading.Thread(target=work, args=(f"machine {each}",)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(map(str, range(600))) == sorted(taken)
