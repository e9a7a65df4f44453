"""A real process that is killed at any instant, over a real socket, loses and doubles nothing.

Each job is killed several times at random instants, while responses are lost, late or cut, and then
runs to its end. The end state must be that of a job that was not killed: by ``job.verify()``, by
what the server itself has stored, and by the audit trail.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
import pytest

from _support import killed_job
from _support.command import check_runs
from billingual import Client, Job
from billingual.jobs.entry import State
from billingual.jobs.sqlite import SqliteLedger
from billingual.sandbox.server import Running, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX"),
]

PROGRAM: Final = Path(killed_job.__file__)
NOWHERE: Final = "00000000-0000-4000-8000-{:012x}"
PATIENCE_S: Final = 120.0
KILLS_OF_A_JOB: Final = 8
RUNS: Final = 5
FAULTS: Final[list[dict[str, Any]]] = [
    {"kind": "drop_after_commit"},
    {"kind": "drop_after_commit"},
    {"kind": "drop_before_commit"},
    {"kind": "latency", "seconds": 0.1},
    {"kind": "latency", "seconds": 0.1, "after_commit": True},
    {"kind": "status", "status": 500, "after_commit": True},
    {"kind": "status", "status": 503},
    {"kind": "truncate"},
]


BACKENDS: Final = ("blocking", "blocking", "asyncio", "trio")
# Most runs find the clock as it was.
JUMPS_S: Final = (0, 0, 3600, -3600)


def day(number: int) -> str:
    """Return a due date."""
    return f"2027-03-{number:02}T00:00:00Z"


@contextmanager
def serving() -> Iterator[Running]:
    """Run a server that takes a number twice, so that a create which is sent twice shows."""
    with running(invoices=130) as server:
        server.app._control("POST", "settings", {"exante_number_taken": "accepted"})
        yield server


@attrs.define(eq=False)
class Story:
    """A job, the server that it writes to, and what must be there at its end.

    Attributes:
        server: has the invoices.
        place: has the ledger and the plan.
        chance: when to kill, and what else goes wrong.
        writes: the plan.
        options: of the job.
        broken: the name of a broken ledger, to show that it is caught.
        jumps_s: how far the clock may be off in a run, in seconds.
        bad: the ids of invoices that are not there, which the server refuses.
        more: what else the plan has.
    """

    server: Running
    place: Path
    chance: Random
    writes: list[tuple[str, str, str | None]] = attrs.field(factory=list)
    options: dict[str, Any] = attrs.field(factory=dict)
    broken: str | None = None
    bad: set[str] = attrs.field(factory=set)
    jumps_s: tuple[int, ...] = JUMPS_S
    more: dict[str, Any] = attrs.field(factory=dict)

    @property
    def path(self) -> Path:
        """The ledger."""
        return self.place / "job.db"

    @property
    def ledger(self) -> str:
        """Where the program keeps the job."""
        return str(self.path)

    def counts(self) -> dict[State, int]:
        """Count the entries in each state."""
        with closing(SqliteLedger(self.path)) as ledger:
            return ledger.counts()

    @contextmanager
    def asking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Return a function that asks the tables of the ledger, which must be whole."""
        with closing(sqlite3.connect(self.path)) as connection:

            def rows(query: str) -> list[tuple[Any, ...]]:
                return connection.execute(query).fetchall()

            assert [("ok",)] == rows("PRAGMA integrity_check")
            assert [] == rows("PRAGMA foreign_key_check")
            yield rows

    @property
    def plan(self) -> dict[str, Any]:
        """The plan, as the program reads it."""
        more = {"writes": self.writes, "options": self.options, "broken": self.broken}
        return self.more | more

    def start(self, most_bytes: int = 0) -> subprocess.Popen[str]:
        """Start the program, with any client, on a clock that may be an hour off.

        No file may have more than *most_bytes*, if that is not 0.
        """
        (self.place / "plan.json").write_text(json.dumps(self.plan), encoding="utf-8")
        return subprocess.Popen(
            [
                sys.executable, PROGRAM, self.server.base_url("exante"), self.ledger,
                self.place / "plan.json", self.chance.choice(BACKENDS),
                str(self.chance.choice(self.jumps_s)),
                str(most_bytes),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip

    def run_and_kill(self) -> bool:
        """Run the program, and kill it at a random instant; False if it ended before that."""
        chance = self.chance
        with self.start() as process:
            assert process.stdout is not None
            instant = "planning" if chance.random() < 0.15 else "running"
            while process.stdout.readline().strip() != instant:
                check_runs(process)
            self.go_wrong()
            time.sleep(chance.random() * (0.02 if instant == "planning" else 0.25))
            self.go_wrong()
            time.sleep(chance.random() * (0.02 if instant == "planning" else 0.25))
            process.send_signal(signal.SIGKILL)
            _, noise = process.communicate()

            assert process.returncode in {0, -signal.SIGKILL}, noise
            return process.returncode != 0

    def go_wrong(self) -> None:
        """Let something go wrong with a request to come."""
        for fault in self.chance.sample(FAULTS, self.chance.randrange(3)):
            self.server.app.add_fault(**fault)

    def finish(self) -> str:
        """Run the program to its end; return its last report.

        What still goes wrong may make a run leave something to the next one.
        """
        for _ in range(RUNS):
            with self.start() as process:
                out, noise = process.communicate(timeout=PATIENCE_S)

            assert process.returncode == 0, noise
            if not {State.PLANNED, State.UNKNOWN, State.IN_FLIGHT} & self.counts().keys():
                return out
        raise AssertionError(out)

    def rows(self) -> list[dict[str, Any]]:
        """Return what the server has stored."""
        found = self.server.app._control("GET", "invoices?provider=exante&limit=9999")
        return list(found["invoices"])

    def has_stored(self, count: int) -> bool:
        """Tell whether the server has stored so many of the planned numbers."""
        return sum(str(row["number"]).startswith("K-") for row in self.rows()) >= count

    # How it is judged

    def judge(self) -> None:
        """Check that the end state is that of a job that was not killed."""
        self.server.app.clear_faults()
        self.judge_ledger()
        self.judge_server()
        with (
            Client("exante", **killed_job.client_options(self.server.base_url("exante"))) as client,
            Job.open(self.ledger, client) as job,
        ):
            verification = job.verify()

        assert verification.ok, verification
        assert len(self.writes) == verification.checked

    def judge_ledger(self) -> None:
        """Check the ledger itself, and what its audit trail says."""
        with self.asking() as rows:
            expected = Counter(
                "rejected" if name in self.bad else "committed" for _, name, _ in self.writes
            )

            assert dict(expected) == dict(rows("SELECT state, count(*) FROM entry GROUP BY state"))
            assert self.bad == {
                name for (name,) in rows("SELECT target FROM entry WHERE state = 'rejected'")
            }
            # What was acknowledged is never sent again, nor what was refused alone.
            assert [] == rows(
                "SELECT entry.id FROM entry JOIN attempt AS a ON a.entry = seq"
                " JOIN request AS done ON done.id = a.request"
                " JOIN attempt AS b ON b.entry = seq JOIN request AS again ON again.id = b.request"
                " WHERE done.outcome IN ('committed', 'rejected') AND again.kind = 'send'"
                " AND again.id > done.id"
            )
            assert [] == rows("SELECT id FROM request WHERE ended IS NULL")
            ((sends,),) = rows("SELECT count(*) FROM request WHERE kind = 'send'")
        # No request left before it was in the ledger.
        log = self.server.app.requests(limit=9999)
        arrived = sum(each["method"] in {"POST", "PUT", "DELETE"} for each in log)

        assert arrived <= sends

    def judge_server(self) -> None:
        """Check each invoice that the server has stored."""
        stored = {row["uid"]: row for row in self.rows()}
        numbers = Counter(row["number"] for row in stored.values())
        creates = [(name, value) for operation, name, value in self.writes if operation == "create"]
        with self.asking() as rows:
            kept = rows("SELECT id, number, invoice_id FROM entry WHERE operation = 'create'")

        assert len(creates) == len(kept) == len({invoice for _, _, invoice in kept})
        for name, number, invoice in kept:
            assert 1 == numbers[number], name
            assert number == stored[invoice]["number"]
        assert {value for _, value in creates if value} <= numbers.keys()
        assert sum(str(each).startswith(("K-", "CHOSEN-")) for each in numbers) == len(creates)
        last = {name: (operation, value) for operation, name, value in self.writes}
        for name, (operation, value) in last.items():
            if operation == "delete":
                assert name not in stored
            elif operation == "update" and name not in self.bad:
                assert value is not None
                due = datetime.fromisoformat(value).timestamp()

                assert due * 1_000_000 == stored[name]["due_date"]


def of_creates(story: Story) -> None:
    """Plan drafts, half of them without a number."""
    story.writes = [
        ("create", f"draft-{each}", f"K-{each}" if each % 2 else None) for each in range(50)
    ]


def some_ids(story: Story, count: int) -> list[str]:
    """Choose invoices of the server that may be changed and deleted."""
    organization = killed_job.LANDMARKS["exante_organization"]
    own = [
        row["uid"]
        for row in story.rows()
        if row["organization"] == organization
        and row["type"] == "ACCOUNTS_RECEIVABLE"
        and not row["inactive"]
    ]
    return own[:count]


def of_updates(story: Story) -> None:
    """Plan two changes of each invoice, so that batches wait for one another."""
    ids = some_ids(story, 110)
    story.writes = [("update", each, day(1 + place % 9)) for place, each in enumerate(ids)]
    story.writes += [("update", each, day(11 + place % 9)) for place, each in enumerate(ids)]


def of_bad_updates(story: Story) -> None:
    """Plan batches with a few bad writes, which are to be found by halves."""
    ids = some_ids(story, 120)
    story.bad = {NOWHERE.format(each) for each in (1, 2, 3)}
    for each in story.bad:
        ids.insert(story.chance.randrange(len(ids)), each)
    story.options = {"bisect": True, "sole_writer": True}
    story.writes = [("update", each, day(1 + place % 9)) for place, each in enumerate(ids)]


def of_all(story: Story) -> None:
    """Plan updates, deletes after updates, and creates, mixed."""
    ids = some_ids(story, 60)
    story.writes = [("update", each, day(1 + place % 9)) for place, each in enumerate(ids)]
    story.writes += [("delete", each, None) for each in ids[:30]]
    story.writes += [("update", each, day(20)) for each in ids[30:]]
    # More than can be in flight at all kills together: at least one has to be created without a
    # doubt, or nothing vouches for the searches for the others.
    story.writes += [("create", f"draft-{each}", f"K-{each}") for each in range(40)]


STORIES: Final = {
    "creates": of_creates,
    "updates": of_updates,
    "bad updates": of_bad_updates,
    "all": of_all,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STORIES)
def test_a_killed_job_ends_as_one_that_was_not(name: str, tmp_path: Path, proof: Any) -> None:
    """200 kills in the session ``proofs``, six in the gate."""
    wanted = proof.amount(2 if name in {"creates", "bad updates"} else 1, 50)
    chance = Random(f"{proof.seed} {name}")  # noqa: S311 - no secret
    kills = jobs = 0
    while kills < wanted:
        place = tmp_path / str(jobs)
        place.mkdir()
        with serving() as server:
            story = Story(server, place, chance)
            STORIES[name](story)
            most = min(wanted - kills, KILLS_OF_A_JOB)
            for _ in range(most):
                killed = story.run_and_kill()
                kills += killed
                if not killed:
                    break
            # pytest shows this with a failure, and only then.
            sys.stdout.write(f"seed {proof.seed}, {name}, job {jobs}, {kills} kills so far\n")
            sys.stdout.write(story.finish())
            story.judge()
        jobs += 1


@pytest.mark.timeout(600)
def test_a_ledger_that_breaks_a_rule_is_caught(tmp_path: Path, proof: Any) -> None:
    """The same kill, at the same instant, ends well only with a ledger that is right.

    In the gate the killed process's request was carried out; in the session ``proofs`` also late,
    while the next process is at work, for a ledger that does not wait.
    """
    cases = [(None, 0.0), ("PlansAgain", 0.0), (None, 4.0), ("LooksAtOnce", 4.0)]
    for broken, late_s in cases[: proof.amount(2, 4)]:
        place = tmp_path / f"{broken}-{late_s}"
        place.mkdir()
        with serving() as server:
            story = Story(server, place, Random(proof.seed), broken=broken)  # noqa: S311 - no secret
            story.writes = [("create", f"draft-{each}", f"K-{each}") for each in range(3)]
            story.options = {"late_arrival_s": late_s + killed_job.LATE_ARRIVAL_S}
            # One of the three gets through, to vouch for the search.
            server.app.add_fault(
                "latency", seconds=late_s or 5.0, after_commit=not late_s, method="POST", times=2
            )
            with story.start() as process:
                while not story.has_stored(1 if late_s else 3):
                    check_runs(process)
                time.sleep(late_s / 4)
                process.send_signal(signal.SIGKILL)
            story.finish()
            time.sleep(late_s)
            if broken is None:
                story.judge()
            else:
                with pytest.raises(AssertionError, match="draft-"):
                    story.judge_server()


@pytest.mark.timeout(600)
def test_two_processes_share_a_job(tmp_path: Path, proof: Any) -> None:
    """Each write is sent by one of them; in the session ``proofs`` one is killed meanwhile.

    The other then takes over what that one had claimed, when its lease has ended.
    """
    with serving() as server:
        story = Story(server, tmp_path, Random(proof.seed))  # noqa: S311 - no secret
        # They are on one machine.
        story.jumps_s = (0,)
        of_all(story)
        story.options = {"shared": True}
        with story.start() as one, story.start() as two:
            assert one.stdout is not None
            while one.stdout.readline().strip() != "running":
                check_runs(one)
            if proof.full:
                server.app.add_fault("latency", seconds=0.2, after_commit=True, method="PUT")
                time.sleep(0.1)
                one.send_signal(signal.SIGKILL)
            else:
                _, noise = one.communicate(timeout=PATIENCE_S)

                assert one.returncode == 0, noise
            _, noise = two.communicate(timeout=500)

            assert two.returncode == 0, noise
        story.judge()


@pytest.mark.timeout(600)
def test_a_job_on_a_full_disk_goes_on_where_there_is_room(tmp_path: Path, proof: Any) -> None:
    """A file can grow to so many bytes and no further: the run stops, and another ends it."""
    chance = Random(proof.seed)  # noqa: S311 - no secret
    stopped = 0
    sizes = range(140_000, 300_000, proof.amount(120_000, 8_000))
    for most_bytes in sizes:
        place = tmp_path / str(most_bytes)
        place.mkdir()
        with serving() as server:
            story = Story(server, place, chance)
            of_creates(story)
            with story.start(most_bytes) as process:
                _, noise = process.communicate(timeout=PATIENCE_S)
            if process.returncode:
                stopped += 1

                assert "LedgerError" in noise
                assert "nothing is sent that is not in it" in noise
            story.finish()
            story.judge()

    assert stopped > len(sizes) // 2
