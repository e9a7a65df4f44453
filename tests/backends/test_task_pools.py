"""Task pools: a bounded number of jobs at once, given up at any time, with nothing left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("WORD", default="")


def nothing() -> None:
    """Start nothing more."""


def giving(value: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Make work that returns *value*, or raises it."""

    async def work() -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return work


class Held:
    """Work for tasks that waits for a gate, and counts how many are inside."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.inside = self.most = self.begun = 0

    async def work(self) -> int:
        self.begun += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        return self.begun


async def settle() -> None:
    """Let all tasks run until they wait."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_at_most_size_tasks_run_at_once() -> None:
    """Other jobs wait in line."""
    held = Held()
    pool = AnyioBackend().task_pool(3)
    jobs = [pool.start(held.work, nothing) for _ in range(10)]
    await settle()
    before = (held.begun, held.inside)
    held.gate.set()
    ends = [await job.result() for job in jobs]

    assert (3, 3) == before
    assert (10, 3, 10) == (held.begun, held.most, len(ends))


def test_at_most_size_threads_run_at_once() -> None:
    """And no more start than there are jobs."""
    pool = SyncBackend().task_pool(3)
    barrier = threading.Barrier(3)
    threads: set[int] = set()

    async def work() -> int:
        threads.add(threading.get_ident())
        return barrier.wait(120)

    jobs = [pool.start(work, nothing) for _ in range(9)]

    assert sorted([0, 1, 2] * 3) == sorted(step(job.result()) for job in jobs)
    assert 3 == len(threads)
    pool.abandon()


@pytest.mark.anyio
async def test_result_raises_the_error_of_a_task() -> None:
    """Each time; and no error, of any kind, ends the run or the pool."""
    pool = AnyioBackend().task_pool(1)
    for error in (LookupError("a"), KeyboardInterrupt(), SystemExit(3)):
        job = pool.start(giving(error), nothing)
        for _ in range(2):
            with pytest.raises(type(error)):
                await job.result()

    assert 5 == await pool.start(giving(5), nothing).result()


def test_result_raises_the_error_of_a_thread() -> None:
    """Each time, of any kind."""
    pool = SyncBackend().task_pool(1)
    for error in (LookupError("a"), KeyboardInterrupt(), SystemExit(3)):
        job = pool.start(giving(error), nothing)
        for _ in range(2):
            with pytest.raises(type(error)):
                step(job.result())

    assert 5 == step(pool.start(giving(5), nothing).result())
    pool.abandon()


@pytest.mark.anyio
async def test_a_task_runs_a_job_of_its_callback_next() -> None:
    """Before the event loop runs any other task."""
    pool = AnyioBackend().task_pool(2)
    order: list[tuple[str, int]] = []
    jobs: list[Any] = []

    def named(name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            order.append((name, anyio.get_current_task().id))

        return work

    first = pool.start(named("a"), lambda: jobs.append(pool.start(named("b"), nothing)))
    pool.start(named("c"), nothing)
    await first.result()
    await jobs[0].result()
    await settle()

    assert order[0][1] == order[1][1]
    assert {"a", "b", "c"} == {name for name, _ in order}


def test_a_thread_runs_a_job_of_its_callback_next() -> None:
    """A pool of one needs no second thread."""
    pool = SyncBackend().task_pool(1)
    told = threading.Event()
    jobs: list[Any] = []

    def more() -> None:
        jobs.append(pool.start(giving(2), nothing))
        told.set()

    pool.start(giving(1), more)
    assert told.wait(120)

    assert 2 == step(jobs[0].result())
    pool.abandon()


@pytest.mark.anyio
async def test_tasks_see_the_context_in_which_the_pool_was_made() -> None:
    """What they set in it stays in their copy."""

    async def work() -> str:
        before = WORD.get()
        WORD.set("inside")
        return before

    token = WORD.set("made")
    pool = AnyioBackend().task_pool(1)
    WORD.reset(token)
    seen = await pool.start(work, nothing).result()

    assert ("made", "") == (seen, WORD.get())


def test_threads_see_the_context_in_which_the_pool_was_made() -> None:
    """Each job has a copy of its own."""

    async def work() -> str:
        before = WORD.get()
        WORD.set("inside")
        return before

    token = WORD.set("made")
    pool = SyncBackend().task_pool(1)
    WORD.reset(token)
    seen = [step(pool.start(work, nothing).result()) for _ in range(2)]
    pool.abandon()

    assert (["made", "made"], "") == (seen, WORD.get())


@pytest.mark.anyio
async def test_closing_a_pool_waits_for_its_tasks() -> None:
    """And for clean-ups that wait; jobs in line never start."""
    cleaned: list[int] = []
    begun: list[int] = []

    def job(number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            begun.append(number)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await settle()
                    cleaned.append(number)

        return work

    pool = AnyioBackend().task_pool(2)
    for number in range(5):
        pool.start(job(number), nothing)
    await settle()
    await pool.aclose()

    assert ([0, 1], [0, 1]) == (sorted(begun), sorted(cleaned))


@pytest.mark.anyio
async def test_closing_a_pool_before_its_tasks_run_cancels_them() -> None:
    """No job starts."""
    held = Held()
    pool = AnyioBackend().task_pool(2)
    pool.start(held.work, nothing)
    await pool.aclose()
    await settle()

    assert 0 == held.inside


@pytest.mark.anyio
async def test_abandon_cancels_tasks_from_another_thread() -> None:
    """As the garbage collector does; the loop cancels them at its next turn."""
    held = Held()
    pool = AnyioBackend().task_pool(2)
    pool.start(held.work, nothing)
    await settle()
    begun = held.inside
    await anyio.to_thread.run_sync(pool.abandon)
    while held.inside:
        await anyio.lowlevel.checkpoint()

    assert 1 == begun


@pytest.mark.anyio
async def test_cancelling_a_caller_does_not_cancel_its_job() -> None:
    """The result can be asked for again."""
    held = Held()
    pool = AnyioBackend().task_pool(1)
    job = pool.start(held.work, nothing)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await job.result()
    held.gate.set()

    assert scope.cancelled_caught
    assert 1 == await job.result()


def test_abandoned_threads_start_no_more_jobs() -> None:
    """A job under way runs to its end; the threads are daemons, so no program waits for them."""
    pool = SyncBackend().task_pool(1)
    inside, gate = threading.Event(), threading.Event()
    workers: list[threading.Thread] = []
    begun: list[int] = []

    def job(number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            begun.append(number)
            workers.append(threading.current_thread())
            inside.set()
            gate.wait(120)

        return work

    for number in range(3):
        pool.start(job(number), nothing)
    assert inside.wait(120)
    pool.abandon()
    gate.set()
    workers[0].join(120)

    assert ([0], False, True) == (begun, workers[0].is_alive(), workers[0].daemon)


def test_closing_a_loop_over_our_tasks_logs_nothing() -> None:
    """The program does not know of these tasks and cannot end them; warnings are errors."""
    loop = asyncio.new_event_loop()

    async def begin() -> Any:
        pool = AnyioBackend().task_pool(2)
        pool.start(Held().work, nothing)
        await settle()
        return pool

    pool = loop.run_until_complete(begin())
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    loop.close()
    pool.abandon()
    del pool
    gc.collect()

    assert [] == told


def test_tasks_of_a_closed_loop_are_forgotten_when_another_loop_starts_some() -> None:
    """A program that closes loop after loop over our tasks does not collect their remains."""
    loops: list[weakref.ref[Any]] = []

    async def start() -> None:
        AnyioBackend().task_pool(2).start(Held().work, nothing)
        await settle()

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(start())
        loop.close()
        loops.append(weakref.ref(loop))
        del loop
    gc.collect()

    assert [None, None] == [each() for each in loops[:-1]]


@pytest.mark.anyio
async def test_a_pool_knows_its_event_loop() -> None:
    """A caller on another event loop cannot wait for its jobs."""
    pool = AnyioBackend().task_pool(1)

    async def elsewhere() -> bool:
        return pool.is_here()

    there = await anyio.to_thread.run_sync(lambda: asyncio.run(elsewhere()))

    assert (True, False) == (pool.is_here(), there)


@pytest.mark.anyio
async def test_in_thread_runs_outside_the_loops_thread() -> None:
    """A call that blocks does not block the loop."""
    here = threading.get_ident()

    there = await AnyioBackend().in_thread(threading.get_ident)

    assert here != there
