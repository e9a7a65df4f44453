"""Ctrl-C and the end of the interpreter, in the middle of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sampled(2)]  # processes, or waits that are the point

BACKENDS = ["blocking", "portal"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_ctrl_c_ends_a_hung_call_and_leaves_the_client_usable(
    start: Callable[..., Any], server: Any, backend: str, *, warm: bool
) -> None:
    """KeyboardInterrupt comes though the server never answers; the next call works."""
    program = start(f"""
with client(backend={backend!r}) as used:
    if {warm}:
        crossed(used, [1])
    print("ready")
    wait()
    try:
        used.get(uid(2))
    except KeyboardInterrupt:
        print("interrupted", crossed(used, [3]))
""")

    assert program.line() == "ready"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    assert program.line() == "interrupted 0"
    ended = program.end()
    assert (ended.code, ended.noise) == (0, "")
    server.release()


@pytest.mark.parametrize(
    ("backend", "transport"),
    [
        ("blocking", "httpx"), ("blocking", "httpx2"), ("blocking", "urllib3"), ("blocking", "h11"),
        ("portal", "httpx"), ("portal", "aiohttp"),
    ],
)  # fmt: skip
def test_ctrl_c_in_a_write_says_that_it_may_have_happened(
    start: Callable[..., Any], server: Any, backend: str, transport: str
) -> None:
    """The interrupt carries the write, which can be looked for."""
    program = start(f"""
import billingual
told = []
changes = billingual.Changes(number="N-2")
with client(transport={transport!r}, backend={backend!r}, on_unclear=told.append) as used:
    crossed(used, [1])
    print("ready")
    wait()
    try:
        used.update(uid(2), changes)
    except KeyboardInterrupt as stop:
        unclear = billingual.unclear_from(stop)
        print(unclear.operation, unclear is told[0], len(told), unclear.reconcile().finding.value)
        print(stop.__notes__[0][:52])
""")

    assert program.line() == "ready"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    assert program.line() == "update True 1 unknown"
    assert program.line() == "exante may or may not have carried out update, which"
    ended = program.end()
    assert (ended.code, ended.noise) == (0, "")
    server.release()


@pytest.mark.parametrize("transport", ["httpx", "httpx2", "urllib3", "h11"])
@pytest.mark.parametrize("operation", ["get", "update"])
def test_a_time_limit_of_the_program_ends_a_call_as_ctrl_c_does(
    start: Callable[..., Any], server: Any, operation: str, transport: str
) -> None:
    """Job queues raise an exception of their own in a signal handler, and wait for it."""
    program = start(f"""
import billingual, signal
class TimeLimit(Exception):
    pass
def limit(*_):
    raise TimeLimit
signal.signal(signal.SIGINT, limit)
told = []
calls = {{"get": [], "update": [billingual.Changes(number="N-2")]}}
with client(transport={transport!r}, on_unclear=told.append) as used:
    crossed(used, [1])
    print("ready")
    wait()
    try:
        getattr(used, {operation!r})(uid(2), *calls[{operation!r}])
    except TimeLimit as stop:
        print([billingual.unclear_from(stop)] == (told or [None]), len(told), crossed(used, [3]))
""")

    assert program.line() == "ready"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    assert program.line() == f"True {int(operation == 'update')} 0"
    ended = program.end()
    assert (ended.code, ended.noise) == (0, "")
    server.release()


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_ctrl_c_while_a_write_is_handed_over_says_that_it_may_have_happened(
    start: Callable[..., Any], server: Any, transport: str
) -> None:
    """The portal's thread may have sent before the calling thread knows that it has asked."""
    program = start(f"""
import billingual
told = []
changes = billingual.Changes(number="N-2")
handing_over = asyncio.BaseEventLoop.call_soon_threadsafe
def slow(loop, *details, **more):
    handle = handing_over(loop, *details, **more)
    asyncio.BaseEventLoop.call_soon_threadsafe = handing_over
    wait()
    return handle
with client(transport={transport!r}, backend="portal", on_unclear=told.append) as used:
    crossed(used, [1])
    print("ready")
    wait()
    asyncio.BaseEventLoop.call_soon_threadsafe = slow
    try:
        used.update(uid(2), changes)
    except KeyboardInterrupt as stop:
        unclear = billingual.unclear_from(stop)
        print(unclear is not None and unclear is told[0], len(told))
    print(crossed(used, [3]))
""")

    assert program.line() == "ready"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    assert program.line() == "True 1"
    server.release()
    ended = program.end()
    assert (ended.code, ended.out, ended.noise) == (0, "0", "")


def test_ctrl_c_before_a_call_reaches_the_portal_sends_nothing(
    start: Callable[..., Any], server: Any
) -> None:
    """The call ends at once, and no coroutine is left that was never awaited."""
    program = start("""
handing_over = asyncio.BaseEventLoop.call_soon_threadsafe
def stopped(loop, *details, **more):
    asyncio.BaseEventLoop.call_soon_threadsafe = handing_over
    print("handing over")
    wait()
with client(backend="portal") as used:
    crossed(used, [1])
    asyncio.BaseEventLoop.call_soon_threadsafe = stopped
    try:
        used.get(uid(2))
    except KeyboardInterrupt:
        print("interrupted", crossed(used, [3]))
""")

    assert program.line() == "handing over"
    program.interrupt()
    assert program.line() == "interrupted 0"
    ended = program.end()
    assert (ended.code, ended.noise) == (0, "")


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_costs_no_place_of_the_pool(
    start: Callable[..., Any], server: Any, backend: str
) -> None:
    """A client with a single connection can be interrupted again and again."""
    program = start(f"""
import attrs
from billingual.transports.httpx import HttpxTransport
one = lambda options: HttpxTransport(attrs.evolve(options, connections=1))
with client(backend={backend!r}, transport=one) as used:
    for each in range(3):
        print("ready")
        wait()
        try:
            used.get(uid(each))
        except KeyboardInterrupt:
            print("interrupted")
    print(crossed(used, [4]))
""")

    for _ in range(3):
        assert program.line() == "ready"
        server.hold()
        program.go_on()
        server.wait_for_held()
        program.interrupt()
        assert program.line() == "interrupted"
        server.release()
    ended = program.end()
    assert (ended.code, ended.out, ended.noise) == (0, "0", "")


def test_ctrl_c_ends_an_awaited_call(start: Callable[..., Any], server: Any) -> None:
    """The call is cancelled, the client closes, and nothing but the interrupt is told."""
    program = start("""
async def main():
    async with async_client() as used:
        print(await async_crossed(used, [1]))
        await asyncio.to_thread(wait)
        await used.get(uid(2))
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
""")

    assert program.line() == "0"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    ended = program.end()
    assert (ended.code, ended.out, ended.noise) == (0, "interrupted", "")
    server.release()
    server.wait_for_open(0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_interpreter_ends_while_a_daemon_thread_calls(
    start: Callable[..., Any], server: Any, backend: str
) -> None:
    """The program ends at once, and prints nothing."""
    program = start(f"""
used = client(backend={backend!r})
print(crossed(used, [1]))
wait()
threading.Thread(target=lambda: used.get(uid(2)), daemon=True).start()
wait()
""")

    assert program.line() == "0"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.go_on()
    ended = program.end()
    assert (ended.code, ended.noise) == (0, "")
    server.release()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_interpreter_ends_in_the_middle_of_the_main_threads_call(
    start: Callable[..., Any], server: Any, backend: str
) -> None:
    """SystemExit out of a signal handler ends the call and the program, with its status."""
    program = start(f"""
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
with client(backend={backend!r}) as used:
    print(crossed(used, [1]))
    wait()
    used.get(uid(2))
""")

    assert program.line() == "0"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.terminate()
    ended = program.end()
    assert (ended.code, ended.noise) == (3, "")
    server.release()


def test_an_unhandled_ctrl_c_prints_its_own_traceback_only(
    start: Callable[..., Any], server: Any
) -> None:
    """Nothing of ours is added to what Python prints."""
    program = start("""
with client() as used:
    print(crossed(used, [1]))
    wait()
    used.get(uid(2))
""")

    assert program.line() == "0"
    server.hold()
    program.go_on()
    server.wait_for_held()
    program.interrupt()
    ended = program.end()
    assert ended.code == -2
    assert ended.noise.endswith("KeyboardInterrupt")
    assert ended.noise.count("Traceback") == 1
    server.release()
