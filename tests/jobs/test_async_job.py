"""Jobs through the awaited client: on asyncio and trio, cancelled, and run again."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from billingual import (
    AsyncClient,
    AsyncJob,
    Changes,
    Client,
    ClosedError,
    Draft,
    InvalidInputError,
    UsageError,
)
from billingual.jobs import SqliteLedger, State
from billingual.sandbox import LANDMARKS, Sandbox
from billingual.transports import sandboxed
from billingual.transports.memory import MemoryTransport
from billingual.wire import WireRequest, WireResponse

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
    sandbox.add_fault("latency", method="POST", seconds=30)
    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        await job.plan([draft()])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.run)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(UsageError, match="is being run"):
                await job.reconcile()
            tasks.cancel_scope.cancel()


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


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_task_leaves_nothing_in_flight_that_was_not_sent(path: Path) -> None:
    """Wherever asyncio's own cancellation, which no shield stops, meets the run.

    A run that would start with a wait for late requests shows that something was left in doubt.
    """
    ids = [str(uuid.UUID(int=place, version=4)) for place in range(12)]

    def respond(request: WireRequest) -> WireResponse:
        rows = json.loads(request.body or b"")
        return MemoryTransport.json(json.dumps({"status": "success", "data": rows}))

    account = {"token": "t", "base_url": "http://memory.localhost", "retry": "none"}
    async with AsyncClient("exante", transport=MemoryTransport(respond), **account) as client:
        for turns in range(0, 60, 3):
            ledger = SqliteLedger(path.with_name(f"{turns}.db"))
            async with AsyncJob.open(ledger, client, sole_writer=True) as job:
                # Writes of one invoice wait for one another, so that there are many requests.
                await job.plan(
                    (each, Changes(due_at=f"2030-01-{day:02}"))
                    for day in range(1, 9)
                    for each in ids
                )
                run = asyncio.ensure_future(job.run(concurrency=2))
                for _ in range(turns):
                    await asyncio.sleep(0)
                run.cancel()
                with suppress(asyncio.CancelledError):
                    await run

                assert ledger.counts().keys() <= {State.PLANNED, State.COMMITTED}
            ledger.close()


@pytest.mark.parametrize("name", ["reconcile", "resolve", "export", "verify"])
@pytest.mark.parametrize("turns", [0, 1, 5, 21, 55, 144])
async def test_what_is_cancelled_leaves_a_job_that_ends_right(
    sandbox: Sandbox, in_memory: Path, draft: Make, name: str, turns: int
) -> None:
    """Wherever cancellation meets it: nothing is in flight, lost, doubled or half written."""
    ledger = SqliteLedger(in_memory / "job.db")
    options: Any = {"late_arrival_s": 0.0}
    async with client_of(sandbox) as client:
        rows = await client.list().collect(limit=3)
        sandbox.add_fault("drop_after_commit", method="POST")
        sandbox.add_fault("drop_before_commit", method="PUT")
        async with AsyncJob.open(ledger, client, policy="manual", **options) as job:
            await job.plan([draft("J-1"), draft("J-2")])
            await job.plan((row, Changes(due_at="2030-01-01")) for row in rows)
            await job.run(concurrency=1)
        unclear = ledger.counts()
        assert {State.UNKNOWN: 4, State.COMMITTED: 1} == unclear

        options["policy"] = "reconcile_then_resend"
        async with AsyncJob.open(ledger, client, **options) as job:
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "reconcile": job.reconcile,
                "resolve": lambda: job.resolve("J-1", "abandoned", by="ana", note="by mistake"),
                "export": lambda: job.export(in_memory / "trail.csv"),
                "verify": job.verify,
            }
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(calls[name])
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            cancelled, decisions = ledger.counts(), len(ledger.decisions("J-1"))
            report = await job.run(concurrency=2)
            found = await job.verify()
        made = [row.number async for row in client.list(page_size=100)]
    ledger.close()

    assert State.IN_FLIGHT not in cancelled
    assert cancelled.get(State.ABANDONED, 0) == decisions
    if name in {"export", "verify"}:
        assert unclear == cancelled
    assert 5 - decisions == report.committed
    assert [1, 1] == [made.count("J-1"), made.count("J-2")]
    assert found.wrong.keys() == ({"J-1"} if decisions else set())
    assert not [each.name for each in in_memory.iterdir() if each.suffix == ".part"]  # noqa: ASYNC240 - in memory


async def test_a_progress_function_that_raises_stops_the_run_and_leaves_no_doubt(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """What was marked ahead is planned again."""
    calls = 0

    def fail(_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ZeroDivisionError

    sandbox.add_fault("latency", method="POST", seconds=0.15, times=12)
    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        await job.plan(draft(f"J-{n}") for n in range(12))
        with pytest.raises(ZeroDivisionError):
            await job.run(concurrency=2, on_progress=fail)
        report = await job.report()

        assert not report.unknown
        assert report.planned


async def test_tasks_that_use_a_job_for_the_first_time_at_once_share_its_ledger(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """None of them finds the file in use."""
    async with client_of(sandbox) as client:
        job = AsyncJob.open(path, client)
        async with anyio.create_task_group() as tasks:
            for n in range(4):
                tasks.start_soon(job.plan, [draft(f"J-{n}")])
        report = await job.report()
        await job.aclose()

    assert 4 == report.total


async def test_a_refused_plan_closes_its_async_generator(
    sandbox: Sandbox, path: Path, draft: Make
) -> None:
    """At once, and not when the garbage is collected."""
    closed = False

    async def drafts() -> AsyncIterator[Draft]:
        nonlocal closed
        try:
            yield draft()
            yield 17  # type: ignore[misc]
        finally:
            await anyio.lowlevel.checkpoint()
            closed = True

    async with client_of(sandbox) as client, AsyncJob.open(path, client) as job:
        writes = drafts()
        with pytest.raises(InvalidInputError, match="int is no write"):
            await job.plan(writes)

        assert closed
