"""Places that tasks of asyncio wait for: handed over in turn, and never lost."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal

import pytest

from billingual.backends.anyio import LoopSlots

pytestmark = pytest.mark.asyncio

LONG_S = 30.0


def a_place() -> LoopSlots:
    """Make one place on the loop that runs."""
    return LoopSlots(1, asyncio.get_running_loop())


async def turns(count: int = 3) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_waits_longest_is_next() -> None:
    """Nobody who comes later, or comes back, gets in before."""
    slots = a_place()
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


async def test_a_wait_ends_in_time() -> None:
    """The others still wait, and the place is theirs."""
    slots = a_place()
    await slots.acquire(LONG_S)
    other = asyncio.create_task(slots.acquire(LONG_S))

    ended = [await slots.acquire(0.01), await slots.acquire(0)]
    slots.release()

    assert ended == [False, False]
    assert await other is True


async def test_one_who_is_cancelled_while_waiting_takes_nothing() -> None:
    """The place goes to the next."""
    slots = a_place()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    first.cancel()
    await turns()
    slots.release()

    assert await second is True
    assert first.cancelled()


async def test_a_place_handed_to_one_who_is_cancelled_goes_on() -> None:
    """Cancelled in the same turn, after the place was handed over."""
    slots = a_place()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    slots.release()
    first.cancel()

    assert await second is True
    assert first.cancelled()


async def test_a_place_is_not_handed_to_one_who_was_cancelled() -> None:
    """Cancelled in the same turn, before the place was handed over."""
    slots = a_place()
    await slots.acquire(LONG_S)
    first, second = (asyncio.create_task(slots.acquire(LONG_S)) for _ in range(2))
    await turns()

    first.cancel()
    slots.release()

    assert await second is True
    assert first.cancelled()


async def test_no_place_is_lost_or_made_by_cancelling_at_random() -> None:
    """After hundreds of tasks that end in every way there are as many places as before."""
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


async def test_one_who_is_closed_while_waiting_takes_nothing() -> None:
    """A coroutine that nobody drives on leaves the line as a cancelled one does."""
    slots = a_place()
    await slots.acquire(LONG_S)
    waits = slots.acquire(LONG_S)
    waits.send(None)

    waits.close()
    slots.release()

    assert await slots.acquire(0) is True


async def test_one_who_cannot_wait_takes_nothing() -> None:
    """Where the event loop refuses the timer, nobody stands in line."""
    slots = a_place()
    await slots.acquire(LONG_S)

    with pytest.raises(TypeError):
        await slots.acquire(Decimal(1))  # type: ignore[arg-type]  # no loop adds it to its time
    slots.release()

    assert await slots.acquire(0) is True
