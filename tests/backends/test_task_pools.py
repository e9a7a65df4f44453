"""Work beside the caller's own: so much at once, given up at any time, and nothing left behind."""

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
from billingual.backends.sync import SteppingBackend, step

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("WORD", default="")


def nothing() -> None:
    """Begin nothing more."""


def giving(value: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Make work that brings *value*, or raises it."""

    async def work() -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return work


class Held:
    """Work for tasks that goes on when it is let go, and counts how many are inside."""

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
    """Let all tasks run as far as they come."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@pytest.mark.anyio
async def test_tasks_are_no_more_than_were_asked_for() -> None:
    """What is begun beyond that waits in line."""
    held = Held()
    pool = AnyioBackend().task_pool(3)
    jobs = [pool.start(held.work, nothing) for _ in range(10)]
    await settle()
    before = (held.begun, held.inside)
    held.gate.set()
    ends = [await job.result() for job in jobs]

    assert (3, 3) == before
    assert (10, 3, 10) == (held.begun, held.most, len(ends))


def test_threads_are_no_more_than_were_asked_for() -> None:
    """And no more are begun than there is work for."""
    pool = SteppingBackend().task_pool(3)
    barrier = threading.Barrier(3)
    threads: set[int] = set()

    async def work() -> int:
        threads.add(threading.get_ident())
        return barrier.wait(10)

    jobs = [pool.start(work, nothing) for _ in range(9)]

    assert sorted([0, 1, 2] * 3) == sorted(step(job.result()) for job in jobs)
    assert 3 == len(threads)
    pool.abandon()


@pytest.mark.anyio
async def test_an_error_of_a_task_goes_up_where_its_result_is_asked_for() -> None:
    """Each time; and no error takes the run or the pool down, whatever its kind."""
    pool = AnyioBackend().task_pool(1)
    for error in (LookupError("a"), KeyboardInterrupt(), SystemExit(3)):
        job = pool.start(giving(error), nothing)
        for _ in range(2):
            with pytest.raises(type(error)):
                await job.result()

    assert 5 == await pool.start(giving(5), nothing).result()


def test_an_error_of_a_thread_goes_up_where_its_result_is_asked_for() -> None:
    """Each time, whatever its kind."""
    pool = SteppingBackend().task_pool(1)
    for error in (LookupError("a"), KeyboardInterrupt(), SystemExit(3)):
        job = pool.start(giving(error), nothing)
        for _ in range(2):
            with pytest.raises(type(error)):
                step(job.result())

    assert 5 == step(pool.start(giving(5), nothing).result())
    pool.abandon()


@pytest.mark.anyio
async def test_a_task_goes_on_at_once_with_what_its_end_begins() -> None:
    """Before any other task comes round, and in the task it ran in."""
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


def test_a_thread_goes_on_with_what_its_end_begins() -> None:
    """A pool of one needs no second."""
    pool = SteppingBackend().task_pool(1)
    told = threading.Event()
    jobs: list[Any] = []

    def more() -> None:
        jobs.append(pool.start(giving(2), nothing))
        told.set()

    pool.start(giving(1), more)
    assert told.wait(10)

    assert 2 == step(jobs[0].result())
    pool.abandon()


@pytest.mark.anyio
async def test_tasks_see_the_context_in_which_the_pool_was_made() -> None:
    """And what they set in it stays with them."""

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
    """Each job a copy of its own."""

    async def work() -> str:
        before = WORD.get()
        WORD.set("inside")
        return before

    token = WORD.set("made")
    pool = SteppingBackend().task_pool(1)
    WORD.reset(token)
    seen = [step(pool.start(work, nothing).result()) for _ in range(2)]
    pool.abandon()

    assert (["made", "made"], "") == (seen, WORD.get())


@pytest.mark.anyio
async def test_closing_a_pool_of_tasks_waits_for_their_ends() -> None:
    """Clean-ups that wait have been waited for; what stood in line never begins."""
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
async def test_a_pool_that_has_not_set_out_can_be_closed() -> None:
    """Nothing begins then."""
    held = Held()
    pool = AnyioBackend().task_pool(2)
    pool.start(held.work, nothing)
    await pool.aclose()
    await settle()

    assert 0 == held.inside


@pytest.mark.anyio
async def test_a_pool_of_tasks_can_be_given_up_from_another_thread() -> None:
    """As the garbage collector does; the loop cancels them as it comes round."""
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
async def test_who_is_cancelled_while_waiting_cancels_only_himself() -> None:
    """The job goes on, and its result can be asked for again."""
    held = Held()
    pool = AnyioBackend().task_pool(1)
    job = pool.start(held.work, nothing)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await job.result()
    held.gate.set()

    assert scope.cancelled_caught
    assert 1 == await job.result()


def test_threads_that_are_given_up_end_and_begin_nothing_more() -> None:
    """What is under way goes on to its end; they are daemons, so no program waits for them."""
    pool = SteppingBackend().task_pool(1)
    inside, gate = threading.Event(), threading.Event()
    workers: list[threading.Thread] = []
    begun: list[int] = []

    def job(number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            begun.append(number)
            workers.append(threading.current_thread())
            inside.set()
            gate.wait(10)

        return work

    for number in range(3):
        pool.start(job(number), nothing)
    assert inside.wait(10)
    pool.abandon()
    gate.set()
    workers[0].join(10)

    assert ([0], False, True) == (begun, workers[0].is_alive(), workers[0].daemon)


def test_a_loop_that_is_closed_over_its_tasks_is_left_in_silence() -> None:
    """Nobody knows of these tasks, so nobody could have ended them; warnings are errors."""
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
async def test_a_pool_knows_its_place() -> None:
    """Its jobs cannot be waited for on another event loop."""
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
