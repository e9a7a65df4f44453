"""Walks that fetch ahead, where processes fork, end or are interrupted and loops are closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sampled(2)]  # processes, or waits that are the point

HUNG = """
from billingual import MemoryTransport
reached = threading.Event()
class Hung:
    supports = frozenset({"sync"})
    async def send(self, request, bounds):
        number = int(request.url.partition("?page=")[2].partition("&")[0])
        if number > 1:
            reached.set()
            threading.Event().wait()
        data = {"items": [{"uid": uid(1)}], "_meta": {"page": 1, "total_pages": 9}}
        return MemoryTransport.json(json.dumps({"data": data}))
    async def aclose(self): pass
"""
QUIET = ("-W", "default", "-W", "ignore::DeprecationWarning")  # of forks with threads


@pytest.mark.parametrize("end", ["", "del walk; gc.collect()", "walk.close()", "used.close()"])
def test_a_program_does_not_wait_for_pages_it_does_not_read(
    start: Callable[..., Any], end: str
) -> None:
    """Its threads hang in a provider that never answers, and it ends all the same."""
    program = start(f"""
{HUNG}
used = Client("exante", base_url=URL, token="t", transport=Hung())
walk = iter(used.list(prefetch=4))
next(walk)
reached.wait()
{end}
print("done")
""")
    ended = program.end()

    assert (ended.code, ended.out, ended.noise) == (0, "done", "")


def test_ctrl_c_ends_the_wait_for_a_page(start: Callable[..., Any]) -> None:
    """Though the thread that fetches it hangs."""
    program = start(f"""
{HUNG}
used = Client("exante", base_url=URL, token="t", transport=Hung())
walk = iter(used.list(prefetch=4))
next(walk)
reached.wait()
try:
    print("ready")
    next(walk)
except KeyboardInterrupt:
    print("interrupted")
""")

    assert program.line() == "ready"
    program.interrupt()
    ended = program.end()
    assert (ended.code, ended.out, ended.noise) == (0, "interrupted", "")


@pytest.mark.parametrize("backend", ["blocking", "portal"])
def test_both_sides_of_a_fork_read_a_walk_to_its_end(
    run: Callable[..., Any], server: Any, backend: str
) -> None:
    """The child fetches anew what the parent had under way; no response is crossed."""
    ended = run(
        f"""
used = client(backend={backend!r})
walk = iter(used.list(prefetch=4))
first = next(walk)
pid = os.fork()
rest = [row.id[-2:] for row in walk]
if pid == 0:
    print(*rest, flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
used.close()
print(*rest)
""",
        *QUIET,
    )

    assert (ended.code, ended.out, ended.noise) == (0, "0b 14 15 1e 1f\n0b 14 15 1e 1f", "")
    server.wait_for_open(0)


@pytest.mark.parametrize("end", ["", "del walk; gc.collect()"], ids=["kept", "dropped"])
def test_a_loop_closed_in_the_middle_of_a_walk_is_left_in_silence(
    start: Callable[..., Any], server: Any, end: str
) -> None:
    """No task is destroyed aloud, and nothing is said of a coroutine or an error unseen."""
    program = start(f"""
loop = asyncio.new_event_loop()
used = async_client()
walk = aiter(used.list(prefetch=4))
loop.run_until_complete(anext(walk))
print("first")
wait()
async def until_held():
    print("held")
    await asyncio.to_thread(wait)
loop.run_until_complete(until_held())
loop.run_until_complete(loop.shutdown_default_executor())
{end}
loop.close()
print("closed")
""")

    assert program.line() == "first"
    server.hold(1)
    program.go_on()
    assert program.line() == "held"
    server.wait_for_held()
    program.go_on()
    ended = program.end()
    server.release()

    assert (ended.code, ended.out, ended.noise) == (0, "closed", "")


def test_an_async_program_that_leaves_a_walk_ends_in_silence(
    start: Callable[..., Any], server: Any
) -> None:
    """The loop's end cancels what is under way, and all connections are closed."""
    program = start("""
async def main():
    async with async_client() as used:
        async for row in used.list(prefetch=4):
            print(row.id[-2:])
            break
asyncio.run(main())
""")
    ended = program.end()

    assert (ended.code, ended.out, ended.noise) == (0, "0a", "")
    server.wait_for_open(0)
