"""Fan-out: at most so many at once, results in order, the first error goes up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from billingual.backends.anyio import AnyioBackend
from billingual.backends.sync import SteppingBackend, step

Job = Callable[[], Coroutine[Any, Any, int]]


class Crowd:
    """Jobs that wait for each other, and count how many were inside at once."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def job(self, number: int) -> Job:
        """Make a job that blocks until *size* jobs are inside."""

        async def work() -> int:
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self.barrier.wait(10)
            with self.lock:
                self.inside -= 1
            return number

        return work


def test_threads_run_at_most_so_many_at_once() -> None:
    """Twelve jobs that only move three at a time end, in order, with never more than three."""
    crowd = Crowd(3)

    results = step(SteppingBackend().gather([crowd.job(n) for n in range(12)], limit=3))

    assert (list(range(12)), 3) == (results, crowd.most)


def test_one_at_a_time_stays_in_the_callers_thread_and_in_order() -> None:
    """With a limit of 1 there is no second thread."""
    seen: list[tuple[int, int]] = []

    def job(number: int) -> Job:
        async def work() -> int:
            seen.append((number, threading.get_ident()))
            return number

        return work

    results = step(SteppingBackend().gather([job(n) for n in range(4)], limit=1))

    assert [0, 1, 2, 3] == results
    assert [(n, threading.get_ident()) for n in range(4)] == seen


def failing(started: list[int], at: int) -> Callable[[int], Job]:
    """Make jobs of which one raises."""

    def job(number: int) -> Job:
        async def work() -> int:
            started.append(number)
            if number == at:
                raise LookupError(str(number))
            return number

        return work

    return job


@pytest.mark.parametrize("limit", [1, 2])
def test_in_threads_the_first_error_goes_up_and_the_rest_never_begins(limit: int) -> None:
    """A failed job stops those that were still to come."""
    started: list[int] = []
    job = failing(started, at=0)

    with pytest.raises(LookupError, match="0"):
        step(SteppingBackend().gather([job(n) for n in range(500)], limit=limit))

    assert len(started) < 500


@pytest.mark.anyio
async def test_tasks_run_at_most_so_many_at_once() -> None:
    """Results come in the order of the jobs, whatever order they end in."""
    inside = most = 0

    def job(number: int) -> Job:
        async def work() -> int:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            for _ in range(12 - number):
                await anyio.lowlevel.checkpoint()
            inside -= 1
            return number

        return work

    results = await AnyioBackend().gather([job(n) for n in range(12)], limit=4)

    assert (list(range(12)), 4) == (results, most)


@pytest.mark.anyio
async def test_among_tasks_the_first_error_goes_up_by_itself() -> None:
    """No group is wrapped around it, and the others are cancelled."""
    started: list[int] = []
    job = failing(started, at=1)

    with pytest.raises(LookupError, match="1"):
        await AnyioBackend().gather([job(n) for n in range(20)], limit=2)

    assert len(started) < 20


@pytest.mark.anyio
async def test_no_jobs_are_no_trouble() -> None:
    """An empty list gives an empty list."""
    assert [] == await AnyioBackend().gather([], limit=4)


@pytest.mark.anyio
async def test_what_blocks_runs_in_another_thread() -> None:
    """A call that blocks does not block the loop."""
    here = threading.get_ident()

    there = await AnyioBackend().in_thread(threading.get_ident)

    assert here != there
