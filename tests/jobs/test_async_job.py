"""Jobs through the awaited client: on asyncio and trio, cancelled, and run again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from billingual import (
    AsyncClient,
    AsyncJob,
    Client,
    ClosedError,
    Draft,
    InvalidInputError,
    UsageError,
)
from billingual.jobs import SqliteLedger
from billingual.sandbox import LANDMARKS, Sandbox
from billingual.transports import sandboxed

pytestmark = pytest.mark.anyio
Make = Callable[..., Draft]


def client_of(sandbox: Sandbox) -> AsyncClient:
    """Make an awaited client that gives up at once."""
    return AsyncClient(
        "exante",
        transport=sandboxed(sandbox),
        retry="none",
        organization=LANDMARKS["exante_organization"],
    )


async def test_a_plan_may_come_from_an_async_iterator(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """It is taken one by one; the entries come back in its order."""

    async def drafts() -> AsyncIterator[Draft]:
        for n in range(5):
            await anyio.lowlevel.checkpoint()
            yield draft(f"J-{n}")

    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        assert await job.plan(drafts()) == 5
        report = await job.run(concurrency=3)
        names = [each.id async for each in job.entries(state="committed")]

    assert report.complete
    assert names == [f"J-{n}" for n in range(5)]


async def test_a_run_that_is_cancelled_loses_and_doubles_nothing(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """What was on its way is looked for, whether it arrived or not."""
    sandbox.add_fault("latency", method="POST", seconds=5, times=2, after_commit=True)
    sandbox.add_fault("latency", method="POST", seconds=5, times=2)
    async with (
        client_of(sandbox) as client,
        AsyncJob.open(path, client, late_arrival_s=0.05) as job,
    ):
        await job.plan(draft(f"J-{n}") for n in range(12))
        with anyio.move_on_after(0.3):
            await job.run(concurrency=4)
        stopped = await job.report()
        assert len(stopped.unknown) == 4
        sandbox.clear_faults()
        report = await job.run(concurrency=4)
        made = [each.number async for each in client.list()]

    assert report.complete
    assert report.adopted == 4
    assert [made.count(f"J-{n}") for n in range(12)] == [1] * 12


async def test_one_run_at_a_time(sandbox: Sandbox, path: Path, draft: Make) -> None:
    """A second one says so."""
    sandbox.add_fault("latency", method="POST", seconds=0.2)
    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        await job.plan([draft()])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.run)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(UsageError, match="is being run"):
                await job.reconcile()


async def test_a_ledger_of_the_caller_stays_open(sandbox: Sandbox, path: Path, draft: Make) -> None:
    """A job closes what it opened, and no more."""
    ledger = SqliteLedger(path)
    async with client_of(sandbox) as client:
        async with AsyncJob.open(ledger, client) as job:
            await job.plan([draft()])
        assert ledger.entry("J-1") is not None
        with pytest.raises(ClosedError, match="open it again"):
            await job.report()
    ledger.close()


def test_a_blocking_client_is_refused(sandbox: Sandbox, path: Path) -> None:
    """``Job`` takes that one."""
    with (
        Client("exante", transport=sandboxed(sandbox)) as client,
        pytest.raises(InvalidInputError, match="client"),
    ):
        AsyncJob.open(path, client)  # type: ignore[arg-type]


async def test_looks_that_come_at_once_read_the_invoice_that_vouches_once(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """Eight creates never arrived, and one that did shows that the search can be believed."""
    async with client_of(sandbox) as client, AsyncJob.open(path, client, late_arrival_s=0.1) as job:
        await job.plan([draft("J-0")])
        await job.run()
        sandbox.add_fault("drop_before_commit", method="POST", times=8)
        sandbox.add_fault("latency", method="GET", seconds=0.1, times=8)
        await job.plan(draft(f"J-{n}") for n in range(1, 9))
        report = await job.run(concurrency=8)

    assert report.complete
    reads = [each["path"] for each in sandbox.requests(limit=1000) if each["method"] == "GET"]
    assert 1 == sum(not each.endswith("/api/invoices") for each in reads)


async def test_a_run_that_is_stopped_in_its_first_moment_sends_nothing(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """Before it has begun to work, and before it was asked for; the run after it does all."""
    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        await job.plan(draft(f"J-{n}") for n in range(3))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.run)
            await anyio.lowlevel.checkpoint()
            job.stop()
        job.stop()
        stopped = await job.run()

        assert (3, []) == (len(stopped.planned), sandbox.requests())
        assert (await job.run()).complete
