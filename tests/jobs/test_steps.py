"""Workers do not wait for the disk one after another, and send in the order of the plan."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from billingual import AsyncClient, AsyncJob, Changes, Client, Job
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.jobs import SqliteLedger
from billingual.jobs.entry import State
from billingual.jobs.ledger import LedgerError
from billingual.jobs.runner import Steps
from billingual.transports.memory import MemoryTransport
from billingual.wire import WireRequest, WireResponse

CHANGES = Changes(status="SENT")


class Counting(SqliteLedger):
    """A ledger that counts transactions, and may wait at the end of one."""

    transactions = 0
    full = False
    pause: threading.Event | None = None
    began = threading.Event()

    def together(self, call: Callable[[], Any]) -> Any:
        def counted() -> Any:
            self.began.set()
            value = call()
            self.transactions += 1
            if self.pause is not None:
                self.pause.wait(120)
            if self.full:
                raise sqlite3.OperationalError("database or disk is full")
            return value

        return super().together(counted)


def taken_at_once(steps: Steps, ledger: Counting, calls: list[Any]) -> list[Any]:
    """Take steps in threads: the first one's transaction ends when the others wait."""
    ledger.pause, ledger.began = threading.Event(), threading.Event()
    ends: list[Any] = [None] * len(calls)
    kept: list[int] = []

    def take(place: int) -> None:
        try:
            asked = steps.ask(calls[place], lambda _: kept.append(place))
            ends[place] = step(steps.keep(asked))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ends[place] = error

    threads = [threading.Thread(target=take, args=(place,)) for place in range(len(calls))]
    threads[0].start()
    assert ledger.began.wait(120)
    for place, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(steps._asked) < place:
            pass
    ledger.pause.set()
    for thread in threads:
        thread.join(120)
    assert kept == sorted(kept)
    return ends


def test_steps_that_are_asked_for_meanwhile_share_a_transaction(path: Path) -> None:
    """Three workers wait for one disk, once; each gets its own value."""
    with closing(Counting(path)) as ledger:
        steps = Steps(ledger, SyncBackend())

        assert [0, 1, 2, 3] == taken_at_once(steps, ledger, [lambda n=n: n for n in range(4)])
        assert 2 == ledger.transactions


def test_a_step_that_raises_fails_alone(path: Path) -> None:
    """The others of its transaction are taken."""
    with closing(Counting(path)) as ledger:
        found = taken_at_once(
            Steps(ledger, SyncBackend()), ledger, [lambda: 1, lambda: 1 // 0, lambda: 3]
        )

    assert (1, 3) == (found[0], found[2])
    assert isinstance(found[1], ZeroDivisionError)


def test_no_step_is_taken_that_the_disk_does_not_keep(path: Path) -> None:
    """Each worker hears of it, and none goes on."""
    with closing(Counting(path)) as ledger:
        ledger.full = True
        found = taken_at_once(
            Steps(ledger, SyncBackend()), ledger, [lambda: 1, lambda: 2, lambda: 3]
        )

    assert [LedgerError] * 3 == [type(each) for each in found]


class Provider:
    """Carries out batches of updates, and looks into the ledger while it does."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.order: list[str] = []
        self.in_flight: list[int] = []
        self.seen = threading.Condition()

    def __call__(self, request: WireRequest) -> WireResponse:
        rows = json.loads(request.body or b"")
        self.order += [each["uid"] for each in rows]
        # What comes next is claimed by another worker: wait for it, as a slow provider would.
        deadline = 200
        while (count := self.ledger.counts().get(State.IN_FLIGHT, 0)) < 200 and deadline:
            deadline -= 1
            threading.Event().wait(0.01)
        self.in_flight.append(count)
        found = {"status": "success", "status_code": 200, "message": "", "data": rows}
        return MemoryTransport.json(json.dumps(found))


ACCOUNT = {"token": "t", "base_url": "http://memory.localhost", "retry": "none"}


def test_the_next_batch_is_in_the_ledger_while_one_is_under_way(path: Path) -> None:
    """One request at a time, in the order of the plan, and no request waits for the disk."""
    ids = [str(uuid.UUID(int=place, version=4)) for place in range(500)]
    with closing(SqliteLedger(path)) as ledger:
        provider = Provider(ledger)
        with (
            Client("exante", transport=MemoryTransport(provider), **ACCOUNT) as client,
            Job.open(ledger, client, sole_writer=True) as job,
        ):
            job.plan((each, CHANGES) for each in ids)

            assert job.run(concurrency=1).complete
    # The last batch has none after it.
    assert [200, 200, 200, 200, 100] == provider.in_flight
    assert ids == provider.order


@pytest.mark.anyio
async def test_a_cancelled_run_hands_back_what_it_had_not_sent(path: Path) -> None:
    """What was claimed ahead is planned again, and nothing of it is unclear."""
    ids = [str(uuid.UUID(int=place, version=4)) for place in range(500)]
    with closing(SqliteLedger(path)) as ledger:
        sent = anyio.Event()

        class Hanging(MemoryTransport):
            async def send(self, request: Any, bounds: Any) -> Any:
                sent.set()
                await anyio.sleep_forever()

        async with (
            AsyncClient("exante", transport=Hanging([]), **ACCOUNT) as client,
            AsyncJob.open(ledger, client, sole_writer=True) as job,
        ):
            await job.plan((each, CHANGES) for each in ids)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: job.run(concurrency=1))
                await sent.wait()
                with anyio.fail_after(120):
                    while ledger.counts().get(State.IN_FLIGHT) != 200:
                        await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()

        assert {State.UNKNOWN: 100, State.PLANNED: 400} == ledger.counts()
