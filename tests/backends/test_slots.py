"""Slots of an asyncio loop: handed over in order, and never lost."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest

from billingual.backends.anyio import LoopSlots

pytestmark = pytest.mark.asyncio

LONG_S = 30.0


def one_slot() -> LoopSlots:
    """Make one slot on the running loop."""
    return LoopSlots(1, asyncio.get_running_loop())


async def turns(count: int = 3) -> None:
    """Let the event loop run a few turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_task_that_waits_longest_is_next() -> None:
    """No task that comes later, or comes back, overtakes it."""
    slots = one_slot()
    order: list[int] = []
    await slots.acquire(LONG_S)

    async def work(number: int) -> None:
        for _ in range(2):
            assert await slots.acquire(LONG_S)
            order.append(number)
            slots.release()

    tasks = [asyncio.create_task(work(number)) for number in range(3)]
    await turns()
    slots.release()
    await asyncio.gather(*tasks)

    assert order == [0, 1, 2, 0, 1, 2]


async def test_a_wait_ends_at_its_timeout() -> None:
    """The other tasks keep their places in line."""
    slots = one_slot()
    await slots.acquire(LONG_S)
    other = asyncio.create_task(slots.acquire(LONG_S))

    ended = [await slots.acquire(0.01), await slots.acquire(0)]
    slots.release()

    assert ended == [False, False]
    assert await other is True


async def test_a_cancelled_wait_takes_no_slot() -> None:
    """The slot goes to the next task."""
    slots = one_slot()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    first.cancel()
    await turns()
    slots.release()

    assert await second is True
    assert first.cancelled()


async def test_a_slot_handed_to_a_cancelled_task_goes_on() -> None:
    """Cancelled in the same turn, after the slot was handed over."""
    slots = one_slot()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    slots.release()
    first.cancel()

    assert await second is True
    assert first.cancelled()


async def test_a_slot_is_not_handed_to_a_cancelled_task() -> None:
    """Cancelled in the same turn, before the slot was handed over."""
    slots = one_slot()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    first.cancel()
    slots.release()

    assert await second is True
    assert first.cancelled()


async def test_cancelling_at_random_loses_and_adds_no_slot() -> None:
    """After hundreds of tasks that end in every way there are as many slots as before."""
    chance = random.Random(6)  # noqa: S311 - a seed, so that each run is the same
    slots = LoopSlots(3, asyncio.get_running_loop())
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        if await slots.acquire(chance.choice([0.0, 0.001, LONG_S])):
            inside += 1
            most = max(most, inside)
            try:
                await turns(chance.randrange(4))
            finally:
                inside -= 1
                slots.release()

    tasks = [asyncio.create_task(work()) for _ in range(500)]
    for task in tasks:
        await turns(chance.randrange(2))
        if chance.random() < 0.4:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert most == 3
    assert [await slots.acquire(0) for _ in range(4)] == [True, True, True, False]


async def test_closing_a_waiting_coroutine_takes_no_slot() -> None:
    """It leaves the line as a cancelled task does."""
    slots = one_slot()
    await slots.acquire(LONG_S)
    waits = slots.acquire(LONG_S)
    waits.send(None)

    waits.close()
    slots.release()

    assert await slots.acquire(0) is True


async def test_a_wait_without_a_timer_takes_no_slot() -> None:
    """If the event loop refuses the timer, no task waits in line."""
    slots = one_slot()
    await slots.acquire(LONG_S)

    with pytest.raises(TypeError):
        await slots.acquire(Decimal(1))  # type: ignore[arg-type]  # no loop adds it to its time
    slots.release()

    assert await slots.acquire(0) is True
