"""What does the retry machinery add to a call that succeeds?

``python benchmarks/retry.py``: first the loop of attempts by itself, beside a bare await and beside
the libraries that programs put around calls; then a whole client over a transport in memory, with
the standard policy and with none. The best of many short, interleaved turns: noise only adds.
"""

# ruff: noqa: PLC0415 - a peer may be missing

from __future__ import annotations

import functools
import gc
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from _answering import Answering
from _measuring import Cell, Study, arguments
from _payloads import single
from _process import pinned

from billingual import Client
from billingual._pipeline import _Call
from billingual.wire import WireRequest

BARE = "a bare await"
OURS = "billingual, the loop of attempts"
Wrapped = Callable[[], Awaitable[object]]


async def succeed() -> None:
    """Succeed at once."""


def bare() -> Wrapped:
    """Return the call itself."""
    return succeed


class Loop(_Call[None]):
    """The loop of attempts without what an attempt does."""

    async def _attempt(self, request: WireRequest) -> None:  # noqa: ARG002 - nothing is sent
        await succeed()


def ours() -> Wrapped:
    """Return the call in our loop of attempts."""
    unused: Any = None
    # All that the loop asks of the client's context on success.
    context: Any = SimpleNamespace(auth=SimpleNamespace(renews=False))
    loop = Loop(context, operation=unused, number=1, deadline=unused, received=None)
    return functools.partial(loop._deliver, unused)  # noqa: SLF001 - the loop by itself


def by_tenacity() -> Wrapped:
    """Return the call as tenacity's decorator wraps it."""
    from tenacity import retry, stop_after_attempt

    wrapped: Wrapped = retry(stop=stop_after_attempt(4))(succeed)
    return wrapped


def by_tenacity_loop() -> Wrapped:
    """Return the call in tenacity's loop, made for each call: a shared one mixes up its callers."""
    from tenacity import AsyncRetrying, stop_after_attempt

    async def call() -> object:
        async for attempt in AsyncRetrying(stop=stop_after_attempt(4)):
            with attempt:
                return await succeed()
        return None

    return call


def by_stamina() -> Wrapped:
    """Return the call as stamina's decorator wraps it."""
    import stamina

    wrapped: Wrapped = stamina.retry(on=OSError, attempts=4)(succeed)
    return wrapped


WRAPPERS: dict[str, Callable[[], Wrapped]] = {
    BARE: bare,
    OURS: ours,
    "tenacity, AsyncRetrying made for the call": by_tenacity_loop,
    "tenacity @retry": by_tenacity,
    "stamina @retry": by_stamina,
}


def stepped(call: Callable[[], Awaitable[object]]) -> Callable[[], object]:
    """Return *call* stepped by hand: it never waits, so no event loop is needed."""

    def step() -> object:
        awaited: Any = call()
        try:
            (awaited if isinstance(awaited, Coroutine) else awaited.__await__()).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError

    return step


def best_us(sides: dict[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, float]:
    """Let all take turns, and return the shortest time per call of each."""
    best = dict.fromkeys(sides, float("inf"))
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name in random.sample(sorted(sides), len(sides)):
            call = sides[name]
            start = time.perf_counter()
            for _ in range(calls):
                call()
            best[name] = min(best[name], (time.perf_counter() - start) / calls * 1e6)
    gc.unfreeze()
    return best


def main() -> None:
    """Measure, show and keep."""
    options = arguments(__doc__, rounds=200)
    calls = 20 if options.quick else 200
    study = Study("retry", "What does the retry machinery add to a call that succeeds?")
    study.settings |= {"rounds": options.rounds, "calls": calls}
    pinned()
    sides: dict[str, Callable[[], object]] = {}
    for name, maker in WRAPPERS.items():
        try:
            sides[name] = stepped(maker())
            sides[name]()
        except ModuleNotFoundError as problem:
            study.leave_out(name, problem)
    best = best_us(sides, options.rounds, calls)
    added = {name: us - best[BARE] for name, us in best.items()}
    rows: list[list[Cell]] = [
        [name, best[name], added[name]] for name in sorted(added, key=added.__getitem__)
    ]
    study.table(
        "a call that does nothing; best of all rounds", ["wrapped by", "us", "added us"], rows
    )
    uid, body = single()
    clients = {
        policy: Client("exante", transport=Answering(body), retry=policy)
        for policy in ("none", "standard")
    }
    whole = best_us(
        {policy: (lambda client=client: client.get(uid)) for policy, client in clients.items()},
        options.rounds,
        max(1, calls // 10),
    )
    standard = whole["standard"] - whole["none"]
    study.table(
        "one get over a transport in memory; best of all rounds",
        ["policy", "us", "added us"],
        [["none", whole["none"], 0.0], ["standard", whole["standard"], standard]],
    )
    study.goal("retry machinery by itself, on success", added[OURS], 2.0, "us")
    study.goal("the standard policy beside none, in a whole call", standard, 2.0, "us")
    study.close(quick=options.quick)


if __name__ == "__main__":
    main()
