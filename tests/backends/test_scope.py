"""Whether the event loop of a connection is still there."""

from __future__ import annotations

import asyncio
import os

import pytest
import trio

from billingual.backends.anyio import AnyioBackend
from billingual.backends.scope import RunScope


async def scope() -> RunScope:
    """Return the scope of the loop that runs."""
    return AnyioBackend().execution_scope()


@pytest.mark.anyio
async def test_the_scope_of_a_running_loop_is_alive() -> None:
    """And it takes calls."""
    here = await scope()

    assert (True, True) == (here.is_alive(), here.call_soon(lambda: None))


@pytest.mark.parametrize("run", [asyncio.run, lambda work: trio.run(lambda: work)])
def test_the_scope_of_a_finished_run_is_not_alive(run: object) -> None:
    """Clients close the connections that they kept for it."""
    finished: RunScope = run(scope())  # type: ignore[operator]  # either of the two

    assert (False, False) == (finished.is_alive(), finished.call_soon(lambda: None))


def test_a_scope_of_another_process_is_inherited_and_not_alive() -> None:
    """Its connections belong to that process."""
    inherited = RunScope(os.getpid() + 1)

    assert (True, False) == (inherited.is_inherited(), inherited.is_alive())


def test_without_a_loop_the_scope_of_this_process_is_alive() -> None:
    """But there is no loop to call on."""
    here = RunScope(os.getpid())

    assert (True, False) == (here.is_alive(), here.call_soon(lambda: None))


@pytest.mark.parametrize("run", [asyncio.run, lambda work: trio.run(lambda: work)])
def test_a_backend_has_one_scope_for_each_loop(run: object) -> None:
    """Each call asks for it, and looks for its connections under it."""
    backend = AnyioBackend()

    async def twice() -> list[RunScope]:
        return [backend.execution_scope() for _ in range(2)]

    first, second = run(twice())  # type: ignore[operator]  # either of the two
    third, _ = run(twice())  # type: ignore[operator]  # as above

    assert first is second
    assert first != third
