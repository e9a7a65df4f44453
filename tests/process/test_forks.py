"""A forked child never meets a connection of its parent, and the parent keeps its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sampled(2)]  # processes, or waits that are the point


@pytest.fixture(params=["httpx", "h11"])
def transport(request: pytest.FixtureRequest) -> str:
    """Return the transport of the programs' clients."""
    name: str = request.param
    return name


# Newer Pythons warn of every fork with threads, rightly; here the threads are the point.
QUIET = ("-W", "default", "-W", "ignore::DeprecationWarning")

FOUR_CHILDREN = """
import attrs
from billingual.plugins import TRANSPORTS
def kept(options):
    # On a slow machine the children take longer than a connection may be idle by default.
    return TRANSPORTS.load(TRANSPORT)(attrs.evolve(options, keepalive_s=600))
def four_children(in_child):
    ends = []
    for child in range(4):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            wrong = in_child(range(1000 * child + 1, 1000 * child + 151))
            os.write(write, str(wrong).encode())
            os._exit(0)
        os.close(write)
        ends.append((pid, read))
    told = []
    for pid, read in ends:
        told.append(os.read(read, 9).decode())
        os.close(read)
        assert os.waitpid(pid, 0)[1] == 0
    return told
"""


@pytest.mark.parametrize("backend", ["blocking", "portal"])
def test_four_children_cross_no_response(
    run: Callable[..., Any], server: Any, backend: str
) -> None:
    """In 600 calls of children whose parent keeps a connection open, no response is another's."""
    ended = run(
        FOUR_CHILDREN
        + f"""
with client(kept, backend={backend!r}) as parent:
    before = crossed(parent, [1])
    told = four_children(lambda numbers: crossed(parent, numbers))
    print(before, *told, crossed(parent, [2]))
""",
        *QUIET,
    )

    assert (ended.code, ended.out, ended.noise) == (0, "0 0 0 0 0 0", "")
    assert server.connections == 1 + 4, "the parent went on with the connection it had"


def test_four_children_of_an_async_client_cross_no_response(
    run: Callable[..., Any], server: Any
) -> None:
    """A child that forks off inside a running loop starts its own and its own connections."""
    ended = run(
        FOUR_CHILDREN
        + """
async def main():
    async with async_client(kept) as parent:
        before = await async_crossed(parent, [1])
        told = four_children(lambda numbers: asyncio.run(async_crossed(parent, numbers)))
        print(before, *told, await async_crossed(parent, [2]))
asyncio.run(main())
""",
        *QUIET,
    )

    assert (ended.code, ended.out, ended.noise) == (0, "0 0 0 0 0 0", "")
    assert server.connections == 1 + 4


@pytest.mark.parametrize("backend", ["blocking", "portal"])
def test_a_fork_in_the_middle_of_another_threads_call(
    start: Callable[..., Any], server: Any, backend: str
) -> None:
    """The child can call at once, and the call of the parent's other thread ends well."""
    program = start(
        FOUR_CHILDREN
        + f"""
parent = client(kept, backend={backend!r})
wrong = [crossed(parent, [1])]
print("warm")
wait()
other = threading.Thread(target=lambda: wrong.append(crossed(parent, [2])))
other.start()
wait()
told = four_children(lambda numbers: crossed(parent, numbers))
print(*told)
wait()
other.join()
parent.close()
print(*wrong)
""",
        *QUIET,
    )

    assert program.line() == "warm"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.go_on()
    assert program.line() == "0 0 0 0"
    server.release()
    program.go_on()
    ended = program.end()

    assert (ended.code, ended.out, ended.noise) == (0, "0 0", "")
    assert server.connections == 1 + 4


def test_a_child_that_closes_its_parents_client_closes_nothing_of_the_parents(
    run: Callable[..., Any], server: Any
) -> None:
    """Closing, or forgetting, in the child leaves the parent's connection as it was."""
    ended = run("""
parent = client()
print(crossed(parent, [1]))
for end in ("parent.close()", "del parent; gc.collect()"):
    pid = os.fork()
    if pid == 0:
        exec(end)
        os._exit(0)
    os.waitpid(pid, 0)
print(crossed(parent, [2]))
parent.close()
""")

    assert (ended.code, ended.out, ended.noise) == (0, "0\n0", "")
    assert server.connections == 1
