"""The life of a transport: cancelled, closed, forked, and used on one loop after another."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import os
import signal
import threading
import warnings
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, cast

import anyio
import attrs

from billingual.abc import Account, account_of
from billingual.backends.threads import ThreadedTransport
from billingual.errors import BillingualError
from billingual.testing.conformance.harness import (
    Bench,
    ExecutionScope,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.pooling import crossed
from billingual.testing.conformance.report import NotApplicableError, checks_in, expect
from billingual.testing.conformance.server import LoopbackServer, Say, with_length
from billingual.wire import Timeouts, WireResponse

__all__ = ["LIFE_CHECKS"]

_MOST_POINTS: Final = 200
_CALLS: Final = range(20)
_PARTING_S: Final = 2.0
"""A thread may need a moment to end."""


@attrs.define(eq=False)
class _Stepped:
    """Drive *work* and call *cancel* where it suspends for the *point*-th time."""

    work: Coroutine[Any, Any, object]
    point: int
    cancel: Callable[[], object]
    suspended: int = 0

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self.work.__await__()
        step: Callable[[], Any] = functools.partial(steps.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as done:
                return cast(object, done.value)
            self.suspended += 1
            if self.suspended == self.point:
                self.cancel()
            try:
                value = yield awaited
            except BaseException as error:  # noqa: BLE001 - it is thrown in
                step = functools.partial(steps.throw, error)
            else:
                step = functools.partial(steps.send, value)


async def _by_scope(work: Coroutine[Any, Any, object], point: int) -> bool:
    with anyio.CancelScope() as scope:
        driven = _Stepped(work, point, scope.cancel)
        await driven
    return driven.suspended >= point


async def _by_task(work: Coroutine[Any, Any, object], point: int) -> bool:
    async def run() -> None:
        await driven

    task = asyncio.create_task(run())
    driven = _Stepped(work, point, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return driven.suspended >= point


@transport_check
async def a_cancelled_request_leaves_nothing_behind(bench: Bench) -> None:
    """A request that is cancelled, wherever it suspends, holds no connection: 20 more succeed."""
    if bench.backend.blocks:
        raise NotApplicableError("a blocking call is not cancelled from outside")
    server = bench.server(script=echoed)
    ways = {"a scope": _by_scope}
    if bench.backend_name in {"asyncio", "uvloop"}:
        ways["its task"] = _by_task

    for (how, cancel), warm in itertools.product(ways.items(), (False, True)):
        place = ExecutionScope(server.url, bench.transport(connections=1, keepalive_s=60.0), list)
        for point in range(1, _MOST_POINTS):
            if not warm:
                place = ExecutionScope(server.url, bench.transport(connections=1), list)
            cancelled = place.transport.send(
                request(server.url, f"/cancelled/{point}"), bench.bounds()
            )
            met = await cancel(cancelled, point)
            wrong = await crossed(bench, place, range(point, point + 1), "after/")
            expect(
                not wrong, expected=f"a response after {how} was cancelled at {point}", seen=wrong
            )
            if not met:
                break
        wrong = await crossed(bench, place, _CALLS, "then/")
        expect(not wrong, expected="20 of 20 responses after that", seen=wrong)


@transport_check
def the_next_event_loop_is_served_too(bench: Bench) -> None:
    """After the first loop has ended (the first thread, where it blocks) another one is served."""
    with warnings.catch_warnings():
        # Python warns, rightly, that the connections of the first loop were not closed.
        warnings.simplefilter("ignore", ResourceWarning)
        place = _kept(bench)

        async def calls() -> list[str]:
            return await crossed(bench, place, range(3))

        wrong = bench.run(calls, closing=False)
        seen: list[list[str]] = []
        last = threading.Thread(target=lambda: seen.append(bench.run(calls)))
        last.start()
        last.join()
        gc.collect()

    expect(not wrong, expected="responses on the first loop", seen=wrong)
    expect(seen == [[]], expected="responses on the second loop", seen=seen)


def _kept(bench: Bench) -> ExecutionScope:
    """Make a transport outside any loop, as a program that is about to start one does."""
    server = bench.server(script=echoed)
    return ExecutionScope(server.url, bench.transport(keepalive_s=60.0), list)


@transport_check
def a_forked_child_crosses_no_responses(bench: Bench) -> None:
    """Parent and child go on with the same transport, and each gets its own responses."""
    if not hasattr(os, "fork"):
        raise NotApplicableError("this system has no fork")
    with warnings.catch_warnings():
        # Newer Pythons warn of every fork with threads, rightly; here the threads are ours.
        warnings.simplefilter("ignore", DeprecationWarning)
        place = _kept(bench)
        code, wrong = bench.run(lambda: _forked(bench, place))

    expect(code == 0, expected="20 of 20 own responses in the child", seen=f"it ended with {code}")
    expect(not wrong, expected="20 of 20 own responses in the parent", seen=wrong)


async def _forked(bench: Bench, place: ExecutionScope) -> tuple[int, list[str]]:
    await crossed(bench, place, range(2), "warm/")
    child = os.fork()
    if child == 0:
        _in_child(bench, place)
    wrong = await crossed(bench, place, _CALLS, "parent/")
    end = bench.backend.now() + 10
    while (code := _ended(child)) is None:
        if bench.backend.now() > end:
            os.kill(child, signal.SIGKILL)
        await bench.backend.sleep(0.01)
    return code, wrong


def _ended(child: int) -> int | None:
    found, status = os.waitpid(child, os.WNOHANG)
    return None if found == 0 else os.waitstatus_to_exitcode(status)


def _in_child(bench: Bench, place: ExecutionScope) -> None:
    """Ask in the child, and end it without cleaning up: it is a copy of the whole test run."""
    codes = [3]

    def ask() -> None:
        wrong = bench.run(lambda: crossed(bench, place, _CALLS, "child/"), closing=False)
        codes.append(1 if wrong else 0)

    with contextlib.suppress(BaseException):
        # This thread is still inside the parent's event loop; another one is not.
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    os._exit(codes[-1])


@transport_check
async def closing_while_in_use_ends_well(bench: Bench) -> None:
    """A request under way while the transport is closed ends with its response or our error."""
    release = threading.Event()
    bench.keep(release.set)
    server = bench.server(Say(with_length(b"ok"), after=release))
    transport = bench.transport()

    async def use() -> None:
        met = await bench.either(transport, request(server.url))
        good = isinstance(met, BillingualError) or met.body == b"ok"
        expect(good, expected="its response or an error of ours", seen=described(met))

    async def close() -> None:
        await bench.until(lambda: server.requests, what="the request arrives")
        try:
            await transport.aclose()
        finally:
            release.set()

    await bench.together([use, close])
    await transport.aclose()


@transport_check
def closing_leaves_nothing_behind(bench: Bench) -> None:
    """After closing no connection is open, and no task or thread of the transport goes on."""
    release = threading.Event()
    server = bench.server(
        script=lambda heard: Say(
            with_length(b"ok"),
            after=release if heard.target == "/cancelled" else None,
            patience_s=60.0,
        )
    )
    bench.keep(release.set)
    before = {*threading.enumerate(), *server.threads}
    bench.run(lambda: _used_and_closed(bench, server))
    left = [each for each in threading.enumerate() if each not in {*before, *server.threads}]
    for each in left:
        each.join(_PARTING_S)

    running = [each.name for each in left if each.is_alive()]
    expect(not running, expected="no thread after closing", seen=running)


async def _used_and_closed(bench: Bench, server: LoopbackServer) -> None:
    has_tasks = bench.backend_name in {"asyncio", "uvloop"}
    before = asyncio.all_tasks() if has_tasks else set()
    transport = bench.transport(keepalive_s=60.0)
    held = 0
    # A thread cannot be cancelled.
    if not (bench.backend.blocks or isinstance(transport, ThreadedTransport)):
        # The server holds this one, and does not see that it was given up.
        held = 1
        asked = request(server.url, "/cancelled")
        # What goes on nevertheless must not end by itself.
        bounds = bench.bounds(deadline_s=60.0, timeouts=Timeouts.each(60.0))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.either, transport, asked, bounds)
            await bench.until(lambda: server.requests, what="the request arrives")
            tasks.cancel_scope.cancel()
    await bench.response(transport, request(server.url))
    await transport.aclose()
    await bench.until(lambda: server.open <= held, what="the connections are closed")
    if has_tasks:
        await bench.until(lambda: asyncio.all_tasks() <= before, what="no task goes on")


@transport_check
async def closing_twice_is_no_error(bench: Bench) -> None:
    """A transport may be closed before its first request, after it, and again."""
    fresh = bench.anywhere().transport
    await fresh.aclose()
    await fresh.aclose()
    used = bench.anywhere()
    await bench.either(used.transport, request(used.url))
    await used.transport.aclose()
    await used.transport.aclose()


@transport_check
async def sending_after_closing_never_hangs(bench: Bench) -> None:
    """A closed transport refuses with an error of ours, or begins anew."""
    place = bench.anywhere()
    await bench.either(place.transport, request(place.url))
    await place.transport.aclose()
    for _ in range(3):
        await bench.either(place.transport, request(place.url))


@transport_check
async def the_seam_is_complete(bench: Bench) -> None:
    """The optional members of a transport return what the seam says."""
    place = bench.anywhere()
    supports = getattr(place.transport, "supports", frozenset({"async"}))
    known = supports and set(supports) <= {"async", "sync"}
    expect(known, expected="supports of 'async' and 'sync'", seen=supports)
    account = account_of(place.transport, "exante")
    expect(
        account is None or isinstance(account, Account), expected="an Account or None", seen=account
    )
    met = await bench.either(place.transport, request(place.url))
    if isinstance(met, WireResponse):
        expect(
            type(met.status) is int and hasattr(met.headers, "get_all"),
            expected="an int and Headers",
            seen=(type(met.status), type(met.headers)),
        )
    drop = getattr(place.transport, "drop", None)
    if drop is not None:
        dropped = drop()
        expect(type(dropped) is int, expected="drop() says how many", seen=dropped)


LIFE_CHECKS: Final = checks_in(globals())
