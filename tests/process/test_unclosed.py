"""A client that was never closed closes itself and warns once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

# Processes, or waits that are the point; and what a transport shows, the other hardly changes.
pytestmark = [pytest.mark.slow, pytest.mark.sampled(2)]


@pytest.fixture(params=["httpx", "h11"])
def transport(request: pytest.FixtureRequest) -> str:
    """Return the transport of the programs' clients."""
    name: str = request.param
    return name


CLIENT = r"unclosed Client\('exante', base_url='http://127\.0\.0\.1:\d+'\): its 1 idle .*close\(\)"
ASYNC = r"unclosed AsyncClient\('exante', base_url='http://127\.0\.0\.1:\d+'\): its 1 idle .*aclose"
DEVELOPERS = ("-W", "always")


def warnings_in(noise: str) -> list[str]:
    """Return the lines of all warnings, without the source lines that Python prints below them."""
    telling = r"^\S+:\d+: \w+Warning: |Traceback|ignored|Error|destroyed"
    return [line for line in noise.splitlines() if re.search(telling, line)]


@pytest.mark.parametrize("backend", ["blocking", "portal"])
def test_a_forgotten_client_warns_once_and_closes_its_connection(
    start: Callable[..., Any], server: Any, backend: str
) -> None:
    """One ResourceWarning of ours with the client's name and the cure; the server sees the end."""
    program = start(
        f"""
forgotten = client(backend={backend!r})
print(crossed(forgotten, [1]))
wait()
del forgotten
gc.collect()
print("forgotten")
wait()
""",
        *DEVELOPERS,
    )

    assert program.line() == "0"
    server.wait_for_open(1)
    program.go_on()
    assert program.line() == "forgotten"
    server.wait_for_open(0)
    program.go_on()
    ended = program.end()
    said = warnings_in(ended.noise)
    assert ended.code == 0
    assert len(said) == 1, ended.noise
    assert re.search(f"ResourceWarning: {CLIENT}", said[0])


LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
    "trio": "import trio; trio.run(main)",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_an_async_client_forgotten_while_its_loop_runs_is_closed_in_the_background(
    start: Callable[..., Any], server: Any, loop: str
) -> None:
    """One warning; the connection ends while the loop goes on."""
    program = start(
        f"""
import anyio.to_thread
async def main():
    forgotten = async_client()
    print(await async_crossed(forgotten, [1]))
    await anyio.to_thread.run_sync(wait)
    del forgotten
    gc.collect()
    await anyio.sleep(0)
    print("forgotten")
    await anyio.to_thread.run_sync(wait)
{LOOPS[loop]}
""",
        *DEVELOPERS,
    )

    assert program.line() == "0"
    server.wait_for_open(1)
    program.go_on()
    assert program.line() == "forgotten"
    server.wait_for_open(0)
    program.go_on()
    ended = program.end()
    said = warnings_in(ended.noise)
    assert ended.code == 0
    assert len(said) == 1, ended.noise
    assert re.search(f"ResourceWarning: {ASYNC}", said[0])


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("when", ["at the end", "afterwards"])
def test_an_async_client_forgotten_as_its_loop_ends_goes_quietly(
    start: Callable[..., Any], server: Any, loop: str, when: str
) -> None:
    """Whether the loop is about to close or has closed: one warning, and no socket is left."""
    program = start(
        f"""
kept = []
async def main():
    forgotten = async_client()
    print(await async_crossed(forgotten, [1]))
    if {when!r} == "afterwards":
        kept.append(forgotten)
{LOOPS[loop]}
kept.clear()
gc.collect()
print("forgotten")
wait()
""",
        *DEVELOPERS,
    )

    assert program.line() == "0"
    assert program.line() == "forgotten"
    server.wait_for_open(0)
    program.go_on()
    ended = program.end()
    said = warnings_in(ended.noise)
    assert ended.code == 0
    assert len(said) == 1, ended.noise
    assert re.search(f"ResourceWarning: {ASYNC}", said[0])


@pytest.mark.parametrize(
    "program",
    [
        "client()",
        "with client() as used: crossed(used, [1])",
        "used = client(); crossed(used, [1]); sibling = used.with_options(); used.close()",
        "Client('exante', transport='sandbox').list().first()",
        """
async def main():
    async with async_client() as used:
        await async_crossed(used, [1])
asyncio.run(main())
""",
    ],
    ids=["unused", "closed", "closed, with a sibling", "sandbox", "async, closed"],
)
def test_a_client_without_open_connections_says_nothing(
    run: Callable[..., Any], program: str
) -> None:
    """There is nothing to close, so there is nothing to say."""
    ended = run(program + "\ngc.collect()", *DEVELOPERS)

    assert (ended.code, ended.noise) == (0, "")


def test_a_sibling_keeps_the_connections_of_a_forgotten_client(
    run: Callable[..., Any], server: Any
) -> None:
    """The warning comes when the last of them is gone, and names the first."""
    ended = run(
        """
first = client()
sibling = first.with_options(deadline=5)
del first
gc.collect()
print(crossed(sibling, [1, 2]))
sys.stderr.write("still there\\n")
del sibling
""",
        *DEVELOPERS,
    )

    assert (ended.code, ended.out, server.connections) == (0, "0", 1)
    assert ended.noise.startswith("still there")
    assert re.search(CLIENT, ended.noise)


def test_a_forgotten_client_of_a_strict_program_still_closes(
    start: Callable[..., Any], server: Any
) -> None:
    """Where warnings are errors the connection is closed all the same."""
    program = start(
        """
forgotten = client()
print(crossed(forgotten, [1]))
del forgotten
wait()
""",
        "-W", "error",
    )  # fmt: skip

    assert program.line() == "0"
    server.wait_for_open(0)
    program.go_on()
    assert program.end().code == 0


def test_a_client_on_one_loop_after_another_leaves_no_warning(
    run: Callable[..., Any], server: Any
) -> None:
    """The connections of the loop that ended are closed when the next one begins."""
    ended = run(
        """
kept = async_client()
async def main():
    return await async_crossed(kept, [1, 2])
print(asyncio.run(main()), asyncio.run(main()), len(kept._context.wire.transport._pools))
async def end():
    await kept.aclose()
asyncio.run(end())
gc.collect()
""",
        *DEVELOPERS,
    )

    assert (ended.code, ended.out, ended.noise) == (0, "0 0 1", "")
    assert server.connections == 2
