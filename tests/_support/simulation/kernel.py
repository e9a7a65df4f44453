"""Processes that share one thread and a clock that never waits: a seed replays each step.

Coroutines are stepped in the order in which they wake; where two wake at once, chance decides. A
process can be killed or interrupted wherever one of its tasks is suspended.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import coroutine
from typing import Any, Final, Generic, TypeVar

import attrs

__all__ = ["Interrupted", "Kernel", "Killed", "Process", "SimulatedBackend", "Task", "suspend"]

T = TypeVar("T")

EPOCH: Final = 1_800_000_000.0
"""Where the wall clock of a simulation starts, in seconds since 1970-01-01 UTC."""

_MOST_STEPS: Final = 300_000
"""Steps after which a simulation is taken to run in a circle."""


class Killed(BaseException):
    """The process died here: nothing after this line was done."""


class Interrupted(BaseException):
    """The program was told to stop, as by Ctrl-C or a cancelled task."""


@coroutine
def suspend(until: object) -> Generator[object, None, None]:
    """Suspend the task until a time, or until another task is done."""
    yield until


@attrs.define(eq=False)
class Task(Generic[T]):
    """A coroutine of a process.

    Attributes:
        request: the ledger's id of the request that the task is busy with; 0 for none.
        shields: blocks around the current line that delay an interrupt.
    """

    work: Coroutine[Any, Any, T]
    process: Process
    request: int = 0
    shields: int = 0
    done: bool = False
    value: Any = None
    error: BaseException | None = None
    interrupt: bool = False
    waiters: list[Task[Any]] = attrs.field(factory=list)
    wakes: int = 0


@attrs.define(eq=False)
class Process:
    """A program that runs for a while: its tasks, and how far its wall clock is off.

    Attributes:
        stalls: the probability that a thread stalls after a step of the ledger.
    """

    name: str
    kernel: Kernel
    ended: Callable[[Process], None]
    clock_off_s: float = 0.0
    stalls: float = 0.0
    alive: bool = True
    tasks: list[Task[Any]] = attrs.field(factory=list)

    def start(self, work: Coroutine[Any, Any, T]) -> Task[T]:
        """Begin a task at the next step."""
        task = Task(work, self)
        self.tasks.append(task)
        self.kernel.wake(task, self.kernel.now)
        return task

    def interrupt(self, tasks: Iterable[Task[Any]] | None = None) -> None:
        """Interrupt tasks, all without a choice, as a cancelled task group does."""
        for task in list(self.tasks if tasks is None else tasks):
            if not task.done:
                task.interrupt = True
                if not task.shields:
                    self.kernel.wake(task, self.kernel.now)

    def kill(self) -> None:
        """End all tasks where they are."""
        if not self.alive:
            return
        self.alive = False
        for task in self.tasks:
            if not task.done and task is not self.kernel.current:
                task.done = True
                # The transport learns that its request was given up; nothing else gets through.
                with suppress(BaseException):
                    task.work.close()
        self.ended(self)


class Kernel:
    """The clock and the order of all steps."""

    def __init__(self, seed: str) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)  # noqa: S311 - seeded
        self.current: Task[Any] | None = None
        self.steps = 0
        self._queue: list[tuple[float, float, int, Callable[[], object]]] = []
        self._tickets = itertools.count()

    def at(self, when: float, call: Callable[[], object]) -> None:
        """Call something at a time."""
        heapq.heappush(self._queue, (when, self.chance.random(), next(self._tickets), call))

    def wake(self, task: Task[Any], when: float) -> None:
        """Step a task at a time, unless it is woken before."""
        task.wakes += 1
        wakes = task.wakes
        self.at(when, lambda: self._step(task, wakes))

    def run(self, finished: Callable[[], bool]) -> None:
        """Go on until it is finished.

        Raises:
            RuntimeError: if nothing is left to do before, or it goes on for ever.
        """
        while not finished():
            if not self._queue or self.steps > _MOST_STEPS:
                raise RuntimeError(f"the simulation stalls or circles at {self.now:.1f} s")
            self.steps += 1
            when, _, _, call = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            call()

    def _step(self, task: Task[Any], wakes: int) -> None:
        if task.done or task.wakes != wakes or not task.process.alive:
            return
        self.current = task
        try:
            if task.interrupt and not task.shields:
                task.interrupt = False
                until = task.work.throw(Interrupted())
            else:
                until = task.work.send(None)
        except StopIteration as done:
            self._end(task, done.value, None)
        except Killed:
            self.current = None
            task.done = True
            task.process.kill()
        except BaseException as error:  # noqa: BLE001 - raised where the task is waited for
            self._end(task, None, error)
        else:
            self._suspended(task, until)
        finally:
            self.current = None

    def _suspended(self, task: Task[Any], until: float | Task[Any]) -> None:
        if task.interrupt and not task.shields:
            self.wake(task, self.now)
        elif not isinstance(until, Task):
            self.wake(task, until)
        elif until.done:
            self.wake(task, self.now)
        else:
            until.waiters.append(task)

    def _end(self, task: Task[Any], value: object, error: BaseException | None) -> None:
        task.done, task.value, task.error = True, value, error
        for each in task.waiters:
            self.wake(each, self.now)
        if task is task.process.tasks[0]:
            self.current = None
            task.process.kill()


@attrs.frozen
class _Scope:
    """The process that connections belong to."""

    process: str

    def is_inherited(self) -> bool:
        return False

    def is_alive(self) -> bool:
        return True

    def call_soon(self, call: Callable[[], object]) -> bool:
        return False


@attrs.define(eq=False)
class _Slots:
    """Slots that tasks wait for, first come first served."""

    kernel: Kernel
    free: int
    waiting: deque[Task[Any]] = attrs.field(factory=deque)

    async def acquire(self, seconds: float) -> bool:
        """Wait for a slot; False if none became free in time."""
        if self.free:
            self.free -= 1
            return True
        task = self.kernel.current
        assert task is not None
        self.waiting.append(task)
        try:
            await suspend(self.kernel.now + seconds)
        except BaseException:
            if not self._leave(task):
                self.release()
            raise
        return not self._leave(task)

    def release(self) -> None:
        """Hand the slot to the next task in line, or give it back."""
        if self.waiting:
            self.kernel.wake(self.waiting.popleft(), self.kernel.now)
        else:
            self.free += 1

    def _leave(self, task: Task[Any]) -> bool:
        if task not in self.waiting:
            return False
        self.waiting.remove(task)
        return True


@attrs.define(eq=False)
class _Job(Generic[T]):
    work: Callable[[], Coroutine[Any, Any, T]]
    then: Callable[[], object]
    task: Task[T] | None = None

    async def result(self) -> T:
        while self.task is None:
            await suspend(0.0)
        while not self.task.done:
            await suspend(self.task)
        if self.task.error is not None:
            raise self.task.error
        value: T = self.task.value
        return value


@attrs.define(eq=False)
class _Pool:
    """Tasks of one process, so many at once."""

    process: Process
    size: int
    running: int = 0
    waiting: deque[_Job[Any]] = attrs.field(factory=deque)
    tasks: list[Task[Any]] = attrs.field(factory=list)

    def is_here(self) -> bool:
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> _Job[T]:
        job = _Job(work, then)
        self.waiting.append(job)
        self._begin()
        return job

    def _begin(self) -> None:
        while self.waiting and self.running < self.size:
            self.running += 1
            job = self.waiting.popleft()
            job.task = self.process.start(self._serve(job))
            self.tasks.append(job.task)

    async def _serve(self, job: _Job[T]) -> T:
        try:
            return await job.work()
        finally:
            self.running -= 1
            job.then()
            self._begin()

    def abandon(self) -> None:
        self.waiting.clear()

    async def aclose(self) -> None:
        """Interrupt what runs, and wait for it, as a task group does."""
        self.waiting.clear()
        me = self.process.kernel.current
        assert me is not None
        me.shields += 1
        self.process.interrupt(self.tasks)
        for task in self.tasks:
            while not task.done:
                await suspend(task)
        me.shields -= 1


class SimulatedBackend:
    """Wait in virtual time; the seam ``billingual.abc.Backend`` for one process."""

    name: Final = "simulated"
    blocks: Final = False

    def __init__(self, process: Process) -> None:
        self._process = process
        self._kernel = process.kernel
        self._keys = itertools.count()

    def now(self) -> float:
        return self._kernel.now

    def wall(self) -> float:
        return EPOCH + self._kernel.now + self._process.clock_off_s

    def random(self) -> float:
        return self._kernel.chance.random()

    def fresh_key(self) -> str:
        return f"{self._process.name}-{next(self._keys)}"

    def execution_scope(self) -> _Scope:
        return _Scope(self._process.name)

    async def sleep(self, seconds: float) -> None:
        # A sleep may always last longer, and workers that wait for one another do so in short naps,
        # which would be most of the steps.
        await suspend(self._kernel.now + max(seconds, 0.5))

    def slots(self, count: int) -> _Slots:
        return _Slots(self._kernel, count)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        task = self._kernel.current
        assert task is not None
        task.shields += 1
        try:
            yield
        finally:
            task.shields -= 1

    def task_pool(self, size: int) -> _Pool:
        return _Pool(self._process, size)

    def for_threads(self) -> SimulatedBackend:
        return self

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Take a step that other tasks may come before; now and then it takes minutes."""
        chance = self._kernel.chance
        if chance.random() < 0.2:
            await suspend(self._kernel.now + chance.uniform(0.0, 0.005))
        result = call()
        if chance.random() < self._process.stalls:
            await suspend(self._kernel.now + chance.expovariate(1 / 60.0))
        return result
