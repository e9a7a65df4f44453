"""A job whose ledger fails at any step sends nothing that is not in it, and goes on later."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from _support.canary.search import Canary
from billingual import AsyncClient, AsyncJob, BillingualError, Changes, Client, Draft, Job
from billingual.backends.sync import SyncBackend
from billingual.backends.threads import ThreadTaskPool
from billingual.errors import PermissionDeniedError, ProtocolError
from billingual.jobs import LedgerError, SqliteLedger, State
from billingual.sandbox import ACCOUNTS, LANDMARKS, Sandbox
from billingual.transports import sandboxed

Make = Callable[..., Draft]


class FullDisk(SqliteLedger):
    """A ledger whose *first* to *last* steps find the disk full, at their very end."""

    def __init__(self, path: Path, first: int, last: float) -> None:
        self.steps = 0
        self.first, self.last = float("inf"), 0.0
        super().__init__(path)
        self.steps, self.first, self.last = 0, first, last

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        with super()._step() as connection:
            yield connection
            self.steps += 1
            if self.first <= self.steps <= self.last:
                raise sqlite3.OperationalError("database or disk is full")


def numbers_of(sandbox: Sandbox) -> Counter[str]:
    """Count the invoices of each number."""
    rows = sandbox._control("GET", "invoices?provider=exante&limit=9999")["invoices"]
    return Counter(row["number"] for row in rows)


def run_until_done(path: Path, client: Client, **options: Any) -> None:
    """Run the job as the next process does, until there is nothing left."""
    with Job.open(path, client, late_arrival_s=0.01, **options) as job:
        report = job.run(concurrency=2)

        assert report.complete, report
        assert job.verify().ok


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [False, True])
def test_each_step_may_fail(
    in_memory: Path,
    client: Client,
    sandbox: Sandbox,
    draft: Make,
    lasting: bool,  # noqa: FBT001
    proof: Any,
) -> None:
    """The n-th step, n = 1, 2, 3 ... until none fails: nothing is lost and nothing is doubled.

    In the gate every fifth step; where all later ones fail too, those in the middle between.
    """
    failed = place = 0
    if lasting and not proof.full:
        place = -2
    while True:
        place += proof.amount(5, 1)
        path = in_memory / f"{place}.db"
        # One more than are ever in flight at once: a create that is not there is sent again only
        # when a search finds another invoice of the job, so one has to be created without a doubt.
        # And none may resemble those of earlier rounds, which are of other jobs.
        due_at = datetime(2027 + lasting, 1, 1, tzinfo=UTC) + timedelta(days=place)
        writes = [draft(f"{lasting}-{place}-{each}", due_at=due_at) for each in range(5)]
        sandbox.add_fault("drop_after_commit", method="POST")
        with closing(FullDisk(path, place, float("inf") if lasting else place)) as ledger:
            try:
                with Job.open(ledger, client, late_arrival_s=0.01) as job:
                    job.plan(writes)
                    job.run(concurrency=2)
            except LedgerError as error:
                failed += 1

                assert "database or disk is full" in str(error)  # noqa: PT017 - not each one fails
            if ledger.steps < place:
                break
        # What was planned before the failure is there; planned again, the rest is too.
        with Job.open(path, client, late_arrival_s=0.01) as job:
            job.plan(writes)
        run_until_done(path, client)
        numbers = numbers_of(sandbox)

        assert [1] * 5 == [numbers[str(each.number)] for each in writes]

    # A bind, a plan, a recovery; a claim and an end for each draft; and the looks.
    assert failed > proof.amount(4, 9)


@pytest.mark.slow
@pytest.mark.anyio
async def test_each_step_of_a_batch_may_fail(in_memory: Path, sandbox: Sandbox, proof: Any) -> None:
    """Updates through the awaited client, refused and halved and lost, as above."""
    organization = LANDMARKS["exante_organization"]
    async with AsyncClient(
        "exante", transport=sandboxed(sandbox), retry="none", organization=organization
    ) as client:
        ids = [row.id for row in await client.list(page_size=100).collect(limit=4)]
        bad = "00000000-0000-4000-8000-000000000000"
        place = failed = 0
        while True:
            place += proof.amount(3, 1)
            changes = Changes(due_at=f"2027-{1 + place % 12:02}-{1 + place // 12:02}T00:00:00Z")
            options = {"late_arrival_s": 0.01, "bisect": True, "sole_writer": True}
            path = in_memory / f"{place}.db"
            sandbox.add_fault("drop_after_commit", method="PUT")
            with closing(FullDisk(path, place, place)) as ledger:
                try:
                    async with AsyncJob.open(ledger, client, **options) as job:
                        await job.plan([(each, changes) for each in (*ids, bad)])
                        await job.run(concurrency=2)
                except LedgerError:
                    failed += 1
                if ledger.steps < place:
                    break
            async with AsyncJob.open(path, client, **options) as job:
                await job.plan([(each, changes) for each in (*ids, bad)])
                report = await job.run(concurrency=2)

                assert (4, [bad]) == (report.committed, [each.id for each in report.rejected])
                assert (await job.verify()).ok
            for each in ids:
                assert changes.due_at == (await client.get(each)).due_at
        await anyio.lowlevel.checkpoint()

    assert failed > proof.amount(4, 9)


@pytest.mark.slow
def test_what_a_killed_process_shared_is_taken_over(
    path: Path, client: Client, draft: Make, sandbox: Sandbox
) -> None:
    """A run that works meanwhile ends it, when its lease has ended."""
    with Job.open(path, client) as job:
        job.plan([draft("S-1"), draft("S-2")])
    now = time.time()
    with closing(SqliteLedger(path, shared=True)) as ledger:
        ledger.claim(
            owner="killed", now=now, lease=now + 0.2, limits={"create": 1}, before=False, full=False
        )
    run_until_done(path, client, shared=True)

    assert (1, 1) == (numbers_of(sandbox)["S-1"], numbers_of(sandbox)["S-2"])


class QuickBackend(SyncBackend):
    """A backend whose clock moves only when it sleeps, with one worker: no other moves it too."""

    def __init__(self, jump_s: float = 0.0) -> None:
        super().__init__()
        self.clock = 0.0
        self.jump_s = jump_s
        self.slept: list[float] = []

    def now(self) -> float:  # type: ignore[override]
        return self.clock

    def wall(self) -> float:  # type: ignore[override]
        # The system's clock is set while the job waits for late requests.
        return 1_800_000_000.0 + self.clock + (self.jump_s if self.clock > 60 else 0.0)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock += seconds

    def task_pool(self, size: int) -> ThreadTaskPool:
        return super().task_pool(1)


@pytest.mark.parametrize("jump_s", [0.0, 3600.0, -3600.0])
def test_a_clock_that_is_set_meanwhile_changes_no_wait(
    path: Path, sandbox: Sandbox, draft: Make, jump_s: float
) -> None:
    """A lost request is waited for as long as was asked for, no shorter and no hour longer."""
    backend = QuickBackend(jump_s)
    sandbox.add_fault("drop_before_commit", method="POST")
    with (
        Client(
            "exante",
            transport=sandboxed(sandbox),
            retry="none",
            backend=backend,
            organization=LANDMARKS["exante_organization"],
        ) as client,
        Job.open(path, client, late_arrival_s=120.0) as job,
    ):
        job.plan([draft("W-1"), draft("W-2")])
        report = job.run(concurrency=1)

    assert report.complete
    assert 1 == numbers_of(sandbox)["W-1"]
    # Once before it is sent again, and once for the late look.
    assert 240 <= backend.clock < 260


def test_a_read_that_succeeds_ends_a_row_of_failures(path: Path, sandbox: Sandbox) -> None:
    """Reads that fail now and then are no outage: each pause is that of a first failure."""
    backend = QuickBackend()
    with Client(
        "exante",
        transport=sandboxed(sandbox),
        retry="none",
        backend=backend,
        organization=LANDMARKS["exante_organization"],
    ) as client:
        ids = [row.id for row in client.list(page_size=100).collect(limit=24)]
        for each in ids[::2]:
            sandbox.add_fault("status", status=503, method="GET", path_suffix=each)
        with Job.open(path, client, late_arrival_s=0.01) as job:
            job.plan((each, Changes(due_at="2027-03-01T00:00:00Z")) for each in ids)
            report = job.run(concurrency=1)

    assert report.complete
    assert {2.0} == {each for each in backend.slept if each > 1}


class StaggeredBackend(SyncBackend):
    """Keeps how long each worker was to sleep, and lets all sleep a moment only."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(min(seconds, 0.01))


def test_a_failure_of_all_workers_counts_once(path: Path, sandbox: Sandbox) -> None:
    """Eight reads that fail together are followed by one short pause each."""
    backend = StaggeredBackend()
    with Client(
        "exante",
        transport=sandboxed(sandbox),
        retry="none",
        backend=backend,
        organization=LANDMARKS["exante_organization"],
    ) as client:
        ids = [row.id for row in client.list(page_size=100).collect(limit=8)]
        for each in ids:
            sandbox.add_fault("status", status=503, method="GET", path_suffix=each)
        with Job.open(path, client, late_arrival_s=0.01) as job:
            job.plan((each, Changes(due_at="2027-03-01T00:00:00Z")) for each in ids)
            report = job.run(concurrency=8)

    assert report.complete
    assert 2.0 >= max(backend.slept)


def test_no_credential_is_in_the_files(
    tmp_path: Path, sandbox: Sandbox, draft: Make, proof: Any
) -> None:
    """Nor a piece of it in any writing, whatever went wrong, and however much a transport tells."""
    canary = Canary(proof.seed)
    token = ACCOUNTS["exante"].token
    for fault in ({"kind": "status", "status": 500}, {"kind": "drop_after_commit"}):
        sandbox.add_fault(**fault)
    said: list[str] = []
    kept: list[str] = []
    for name, transport, credential in (
        ("right", sandboxed(sandbox), token),
        ("refused", sandboxed(sandbox), canary.reveal()),
        ("told", FailingTransport(canary), canary.reveal()),
    ):
        place = tmp_path / name
        place.mkdir()
        with (
            Client(
                "exante",
                token=credential,
                transport=transport,
                retry="none",
                organization=LANDMARKS["exante_organization"],
            ) as client,
            Job.open(
                place / "job.db",
                client,
                late_arrival_s=0.01,
                shared=True,
                policy="manual" if name == "told" else "reconcile_then_resend",
            ) as job,
        ):
            job.plan(draft(f"{name}-{each}") for each in range(4))
            try:
                job.run(concurrency=2)
            except BillingualError as error:
                said.append(str(error))
            said += [repr(job), str(job.report()), repr(job.history(f"{name}-0"))]
            files = list(place.iterdir())
            kept += [each.read_bytes().decode("latin-1").lower() for each in files]
            job.export(place / "trail.csv")
            said.append((place / "trail.csv").read_text(encoding="utf-8"))

    text, content = "\n".join(said), "\n".join(kept)

    assert all(f"{name}-3" in content for name in ("right", "refused", "told"))
    assert "500" in text
    assert token not in text
    assert token.lower() not in content
    assert not canary.is_in(text)
    # The whole search takes seconds for so many bytes.
    assert not any(each in content for each in canary._needles)


class FailingTransport:
    """A transport whose errors show what it was sent, as those of some libraries do."""

    supports = frozenset({"async", "sync"})

    def __init__(self, canary: Canary) -> None:
        self._canary = canary

    async def send(self, request: Any, bounds: Any) -> Any:
        """Fail, and tell too much."""
        raise OSError(errno.EIO, os.strerror(errno.EIO), f"Bearer {self._canary.reveal()}")

    async def aclose(self) -> None:
        """Close nothing."""


def test_looks_that_tell_nothing_wait_for_the_next_run(
    path: Path, sandbox: Sandbox, draft: Make
) -> None:
    """After six of them the entry is left, which its reason says; the next run looks again."""
    sandbox.add_fault("drop_after_commit", method="POST")
    sandbox.add_fault("drop_before_commit", method="GET", times=6)
    with (
        Client(
            "exante",
            transport=sandboxed(sandbox),
            retry="none",
            backend=QuickBackend(),
            organization=LANDMARKS["exante_organization"],
        ) as client,
        Job.open(path, client, late_arrival_s=120.0) as job,
    ):
        job.plan([draft("L-1")])
        report = job.run(concurrency=1)
        (left,) = report.unknown
        looks = [each for each in job.history("L-1").requests if each.kind == "look"]

        assert len(looks) == 6
        assert "after 6 looks that told nothing it waits for the next run" in str(left.reason)
        assert job.run(concurrency=1).complete


@pytest.fixture
def quick(sandbox: Sandbox) -> Iterator[Client]:
    """Make a client for which no time passes."""
    with Client(
        "exante",
        transport=sandboxed(sandbox),
        retry="none",
        backend=QuickBackend(),
        organization=LANDMARKS["exante_organization"],
    ) as client:
        yield client


@pytest.mark.parametrize("status", [403, 500])
def test_invoices_that_cannot_be_read_hold_up_no_other(
    path: Path, sandbox: Sandbox, quick: Client, status: int
) -> None:
    """They wait for the next run, which reads them again; a refused one is read once."""
    ids = [row.id for row in quick.list(page_size=100).collect(limit=40)]
    for each in (ids[3], ids[4], ids[30]):
        sandbox.add_fault("status", status=status, method="GET", path_suffix=each, times=6)
    with Job.open(path, quick) as job:
        job.plan((each, Changes(due_at="2027-03-01T00:00:00Z")) for each in ids)
        report = job.run(concurrency=1)

        assert [ids[3], ids[4], ids[30]] == [each.id for each in report.planned]
        assert all("it could not be read" in str(each.reason) for each in report.planned)
        assert 37 == report.committed

        sandbox.clear_faults()

        assert job.run(concurrency=1).complete


def test_pages_of_a_proxy_end_a_run_and_put_off_no_writes(
    path: Path, sandbox: Sandbox, quick: Client
) -> None:
    """They say nothing about the invoices, of which a job may have many."""
    ids = [row.id for row in quick.list(page_size=100).collect(limit=100)]
    sandbox.add_fault("status", status=200, body_kind="html", method="GET", times=11)
    with Job.open(path, quick) as job:
        job.plan((each, Changes(due_at="2027-03-01T00:00:00Z")) for each in ids)
        with pytest.raises(ProtocolError):
            job.run(concurrency=1)

        assert not sandbox.faults
        assert job.run(concurrency=1).complete


def test_refusals_of_all_writes_end_a_run(
    path: Path, sandbox: Sandbox, quick: Client, draft: Callable[[str], Draft]
) -> None:
    """The token may be one that may only read: with another, the others are sent."""
    sandbox.add_fault("status", status=403, method="POST", times=11)
    with Job.open(path, quick) as job:
        job.plan(draft(f"J-{each}") for each in range(30))
        with pytest.raises(PermissionDeniedError):
            job.run(concurrency=1)

        assert {State.REJECTED: 11, State.PLANNED: 19} == job.report().counts
        assert 19 == job.run(concurrency=1).committed


def test_reads_that_succeed_do_not_keep_refusals_from_ending_a_run(
    path: Path, sandbox: Sandbox, quick: Client
) -> None:
    """A token that may only read reads each invoice before its update."""
    (row,) = quick.list(page_size=1).collect(limit=1)
    sandbox.add_fault("status", status=403, method="PUT", times=30)
    with Job.open(path, quick) as job:
        job.plan((row.id, Changes(due_at=f"2027-03-{day:02}T00:00:00Z")) for day in range(1, 31))
        with pytest.raises(PermissionDeniedError):
            job.run(concurrency=1)

        assert {State.REJECTED: 11, State.PLANNED: 19} == job.report().counts


def test_a_write_that_fails_each_time_does_not_keep_a_run_from_its_end(
    path: Path, sandbox: Sandbox, quick: Client
) -> None:
    """Ten requests that did nothing are enough; the next run sends it again."""
    (row,) = quick.list().collect(limit=1)
    sandbox.add_fault("drop_before_commit", method="PUT", times=12)
    with Job.open(path, quick) as job:
        job.plan([(row, Changes(due_at="2027-03-01T00:00:00Z"))])
        report = job.run(concurrency=1)
        (left,) = report.planned

        assert "1 planned (to be sent: run the job again)" in str(report)
        assert "after 10 requests it waits for the next run" in str(left.reason)
        assert [2] == [each["times"] for each in sandbox.faults]
        assert job.run(concurrency=1).complete
