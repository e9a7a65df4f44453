"""The limiter: which call is sent when, in what order, and that calls wait only if they must."""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import anyio
import pytest
import trio.testing

from billingual import AsyncClient, Client, Limiter, MemoryTransport, errors
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.retry.pace import Pace
from billingual.wire import Deadline

INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
GOOD = MemoryTransport.json(f'{{"data": {{"id": "{INVOICE}", "status": "DRAFT"}}}}')
TENANTS = ("tnt_" + "1" * 24, "tnt_" + "2" * 24)
KEY = ("https://one.example", "credential", None)


def busy(**headers: str) -> Any:
    """Make a 429; ``retry_after="7"`` becomes a header."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return MemoryTransport.json("{}", status=429, headers=fields)


def client_of(backend: Any, transport: Any = None, face: Any = AsyncClient, **options: Any) -> Any:
    """Make a client of kukkingu that never retries by itself."""
    options.setdefault("retry", "none")
    options.setdefault("token", "token_" + "a" * 16)
    options.setdefault("tenant", TENANTS[0])
    options.setdefault("base_url", "https://one.example")
    transport = transport or MemoryTransport(lambda _: GOOD)
    return face("kukkingu", backend=backend, transport=transport, **options)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        loop = self
        self.seconds = 0.0

        class Jump(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> list[Any]:
                assert timeout is not None, "each thread waits for another one"
                loop.seconds += max(0.0, timeout)
                return []

        super().__init__(Jump())

    def time(self) -> float:
        return self.seconds


class JumpingBackend(AnyioBackend):
    """The backend of an awaited client, on the clock of its loop."""

    def now(self) -> float:
        return anyio.current_time()

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now()


@pytest.fixture(params=["asyncio", "trio"])
def jumping(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    """Return a function that runs an async function on a loop whose clock jumps."""
    options: dict[str, Any] = {"loop_factory": JumpingLoop}
    if request.param == "trio":
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return lambda main: anyio.run(main, backend=request.param, backend_options=options)


class ThreadBackend(SyncBackend):
    """The backend of a blocking client, on a clock that moves when the one at the front sleeps."""

    def __init__(self) -> None:
        self.clock = 1000.0
        self.open = threading.Event()

    def now(self) -> float:
        return self.clock

    async def sleep(self, seconds: float) -> None:
        self.open.wait()
        self.clock += seconds


def deadline_in(backend: Any, seconds: float) -> Deadline:
    """Make a deadline on the clock of *backend*."""
    return Deadline(backend.now() + seconds, backend.now)


# A fixed rate.


def test_a_fixed_rate_is_exact_and_fair_between_tasks(jumping: Any) -> None:
    """Twenty tasks at four a second are sent a quarter of a second apart, in order."""
    went: list[tuple[int, float]] = []

    async def main() -> None:
        backend, pace = JumpingBackend(), Limiter(rate=4).pace(KEY)
        begin = backend.now()

        async def go(number: int) -> None:
            await anyio.sleep(number / 1000)
            await pace.enter(backend, deadline_in(backend, 60))
            went.append((number, backend.now() - begin))

        async with anyio.create_task_group() as tasks:
            for number in reversed(range(20)):
                tasks.start_soon(go, number)

    jumping(main)

    assert list(range(20)) == [number for number, _ in went]
    assert [pytest.approx(number / 4) for number in range(20)] == [at for _, at in went]


def test_a_fixed_rate_is_exact_and_fair_between_threads() -> None:
    """Twenty threads are sent a quarter of a second apart, in order."""
    backend, pace = ThreadBackend(), Limiter(rate=4).pace(KEY)
    went: list[tuple[int, float]] = []

    def go(number: int) -> None:
        step(pace.enter(backend, deadline_in(backend, 60)))
        went.append((number, backend.now() - 1000))

    go(0)  # the first finds no other; the next one sleeps at the front
    threads = []
    for number in range(1, 20):
        threads.append(threading.Thread(target=go, args=(number,), daemon=True))
        threads[-1].start()
        wait_for_standing(pace, number)
    backend.open.set()
    for each in threads:
        each.join()

    assert [(number, pytest.approx(number / 4)) for number in range(20)] == went


def wait_for_standing(pace: Pace, count: int) -> None:
    """Wait until so many threads wait in line, the one at the front included."""
    beat = threading.Event()
    for _ in range(5_000):
        queues: list[Any] = [waiting_at(each) for each in pace._turns.values()]
        if len(pace._waiting) == count and [count - 1] == [len(each) for each in queues]:
            return
        beat.wait(0.001)
    raise AssertionError(f"{len(pace._waiting)} wait in line, not {count}")


def waiting_at(turn: Any) -> Any:
    """Return the queue of a line for threads."""
    return turn._waiting if hasattr(turn, "_waiting") else turn._places._cond._waiters


def test_retries_keep_to_the_rate(make_backend: Any, step: Any) -> None:
    """They are attempts too."""
    backend = make_backend(chance=0.0)
    sent: list[float] = []

    def response(_: object) -> Any:
        sent.append(backend.clock)
        return MemoryTransport.json("{}", status=503) if len(sent) % 2 else GOOD

    client = client_of(backend, MemoryTransport(response), retry="standard", limiter=2)
    for _ in range(4):
        step(client.get(INVOICE))

    assert [1000 + number / 2 for number in range(8)] == sent


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan"), True], ids=repr)
def test_an_unusable_rate_is_refused(backend: Any, rate: Any) -> None:
    """A rate of zero would send nothing, an infinite one everything."""
    with pytest.raises(errors.ConfigurationError, match="above zero"):
        client_of(backend, limiter=rate)


@pytest.mark.parametrize("wrong", ["2", [], Limiter], ids=repr)
def test_limiter_must_be_a_limiter_or_a_number(backend: Any, wrong: Any) -> None:
    """Anything else is refused when the client is made."""
    with pytest.raises(errors.ConfigurationError, match="is not a limiter"):
        client_of(backend, limiter=wrong)


# What is learnt from 429.

FORMS: dict[str, Callable[[Any], Any]] = {
    "seconds": lambda _: busy(Retry_After="40"),
    "date": lambda backend: busy(Retry_After=formatdate(backend.wall() + 40, usegmt=True)),
    "milliseconds": lambda _: busy(retry_after_ms="40000", Retry_After="1"),
}


def note_rate_limit(step: Any, backend: Any, response: Any = None, **options: Any) -> Any:
    """Make a client whose first call was turned away for 40 s, unless *response* says otherwise."""
    script: Iterator[Any] = iter([response or busy(Retry_After="40")])
    client = client_of(backend, MemoryTransport(lambda _: next(script, GOOD)), **options)
    with pytest.raises(errors.RateLimitedError):
        step(client.get(INVOICE))
    return client


@pytest.mark.parametrize("form", FORMS)
def test_a_429_pauses_all_calls_of_its_credential(step: Any, backend: Any, form: str) -> None:
    """The next call, of the client or a sibling, is sent when the provider said and not before."""
    for sibling in ({}, {"deadline": 50.0}, {"retry": "standard"}):
        client = note_rate_limit(step, backend, FORMS[form](backend))
        begin = backend.clock
        step(client.with_options(**sibling).get(INVOICE))

        assert begin + 40 == pytest.approx(backend.clock)


@pytest.mark.parametrize("form", ["plain", "async"])
def test_a_token_function_that_took_its_time_waits_again(
    step: Any, backend: Any, form: str
) -> None:
    """Meanwhile another call of the credential met a 429, and the pause is for this one too."""
    sent: list[float] = []

    def respond(_: Any) -> Any:
        sent.append(backend.clock)
        return GOOD

    def ask() -> str:
        backend.clock += 3
        pace = client._context.pace
        pace.note_rate_limit(40.0, sent_at=backend.clock - 1, now=backend.clock)
        return "token_" + "b" * 16

    async def ask_awaited() -> str:
        return ask()

    token = ask if form == "plain" else ask_awaited
    client = client_of(backend, MemoryTransport(respond), token=token, deadline=60)
    step(client.get(INVOICE))

    assert [1043.0] == sent
    assert [40.0] == backend.sleeps

    hasty = client_of(backend, MemoryTransport(respond), token=token, deadline=30)
    client = hasty
    with pytest.raises(errors.DeadlineExceededError):
        step(hasty.get(INVOICE))
    assert [1043.0] == sent


@pytest.mark.parametrize(
    "other",
    [{"tenant": TENANTS[1]}, {"token": "token_" + "b" * 16}, {"base_url": "https://two.example"}],
    ids=["tenant", "credential", "host"],
)
def test_a_429_pauses_no_other_credential(step: Any, backend: Any, other: dict[str, str]) -> None:
    """Another tenant, credential or host is sent at once, with the same limiter."""
    limiter = Limiter()
    note_rate_limit(step, backend, limiter=limiter)

    step(client_of(backend, limiter=limiter, **other).get(INVOICE))

    assert [] == backend.sleeps


def test_a_shared_limiter_shares_what_it_learnt(step: Any, backend: Any) -> None:
    """Clients with limiters of their own do not."""
    limiter = Limiter()
    note_rate_limit(step, backend, limiter=limiter)
    step(client_of(backend).get(INVOICE))
    assert [] == backend.sleeps

    step(client_of(backend, limiter=limiter).get(INVOICE))

    assert [40.0] == backend.sleeps


def test_client_and_async_client_can_share_a_limiter(step: Any, make_backend: Any) -> None:
    """A ``Client`` waits for a 429 that an ``AsyncClient`` got."""

    class Both(make_backend):  # type: ignore[misc]
        name, run = "both", staticmethod(step)

    backend, limiter = Both(), Limiter()
    note_rate_limit(step, backend, limiter=limiter)

    with client_of(backend, face=Client, limiter=limiter) as blocking:
        assert INVOICE == blocking.get(INVOICE).id

    assert [40.0] == backend.sleeps


def test_a_limiter_can_be_told_not_to_learn(step: Any, backend: Any) -> None:
    """A 429 then delays its own call only."""
    client = note_rate_limit(step, backend, limiter=Limiter(learns=False))
    step(client.get(INVOICE))

    assert [] == backend.sleeps


def test_no_pause_is_longer_than_an_hour(step: Any, backend: Any) -> None:
    """A provider that asks for a year is called again after an hour."""
    client = note_rate_limit(step, backend, busy(Retry_After="31536000"), deadline=7200)
    step(client.get(INVOICE))

    assert [3600.0] == backend.sleeps


def test_a_shorter_retry_after_does_not_shorten_a_pause() -> None:
    """The latest moment counts."""
    pace = Limiter().pace(KEY)
    pace.note_rate_limit(40.0, sent_at=0.0, now=1.0)
    pace.note_rate_limit(1.0, sent_at=0.5, now=2.0)

    assert 39.0 == pace.due_s(2.0)


def test_429s_of_attempts_under_way_together_count_once() -> None:
    """One to an attempt that was sent later counts again."""
    pace = Limiter().pace(KEY)
    for number in range(20):
        pace.note_rate_limit(None, sent_at=1.0 + number / 100, now=2.0 + number / 100)
    assert pytest.approx(0.1) == pace._gap_s

    pace.note_rate_limit(None, sent_at=3.0, now=3.1)

    assert pytest.approx(0.2) == pace._gap_s


def test_gaps_grow_to_five_seconds_and_no_more() -> None:
    """After any number of 429s."""
    pace = Limiter().pace(KEY)
    for number in range(50):
        pace.note_rate_limit(0.0, sent_at=number + 0.5, now=float(number + 1))

    assert 5.0 == pace._gap_s


@pytest.mark.parametrize("before", [0, 1, 20, 21, 99])
def test_successes_of_attempts_sent_before_a_429_do_not_narrow_gaps(
    step: Any, backend: Any, before: int
) -> None:
    """They say nothing about the time after it."""
    pace = Limiter().pace(KEY)
    pace.note_rate_limit(40.0, sent_at=backend.now() - 1, now=backend.now())
    for _ in range(before):
        pace.note_success()
    assert pace.engaged

    step(pace.enter(backend, deadline_in(backend, 60)))
    step(pace.enter(backend, deadline_in(backend, 60)))

    assert [40.0, pytest.approx(0.1)] == backend.sleeps


def test_after_a_pause_calls_are_sent_with_narrowing_gaps(jumping: Any) -> None:
    """Sixty calls that wait are sent in order, closer with each success, until no gap is left."""
    went: list[tuple[int, float]] = []

    async def main() -> None:
        backend, pace = JumpingBackend(), Limiter().pace(KEY)
        begin = backend.now()
        pace.note_rate_limit(10.0, sent_at=begin - 1, now=begin)

        async def go(number: int) -> None:
            await anyio.sleep(number / 1000)
            await pace.enter(backend, deadline_in(backend, 60))
            went.append((number, backend.now() - begin))
            pace.note_success()

        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(go, number)
        assert not pace.engaged

    jumping(main)

    gaps = [other[1] - one[1] for one, other in pairwise(went)]
    assert list(range(60)) == [number for number, _ in went]
    assert pytest.approx(10.0) == went[0][1]
    assert pytest.approx(0.08) == gaps[0]
    assert gaps[:20] == sorted(gaps[:20], reverse=True)
    assert gaps[19] > 0.001
    assert pytest.approx(0.0) == gaps[-1]


# Too late.


def test_a_call_whose_turn_comes_too_late_fails_at_once(step: Any, backend: Any) -> None:
    """Nothing is sent, and the error says how long the limit lasts."""
    client = note_rate_limit(step, backend)
    sent = len(client._context.wire.transport.requests)

    with pytest.raises(errors.DeadlineExceededError, match="rate limit holds") as caught:
        step(client.with_options(deadline=30).get(INVOICE))

    assert 40.0 == caught.value.retry_after
    assert sent == len(client._context.wire.transport.requests)
    assert [] == backend.sleeps
    assert not caught.value.maybe_applied


@pytest.mark.parametrize(("seconds", "waits"), [(41.1, True), (40.9, False)])
def test_a_second_is_left_for_the_attempt_itself(
    step: Any,
    backend: Any,
    seconds: float,
    waits: bool,  # noqa: FBT001
) -> None:
    """One sent a moment before the deadline would be cut short, with an unknown outcome."""
    pace = Limiter().pace(KEY)
    pace.note_rate_limit(40.0, sent_at=backend.now() - 1, now=backend.now())
    if waits:
        step(pace.enter(backend, deadline_in(backend, seconds)))
    else:
        with pytest.raises(errors.DeadlineExceededError):
            step(pace.enter(backend, deadline_in(backend, seconds)))

    assert ([40.0] if waits else []) == backend.sleeps


def test_a_call_too_far_back_in_line_fails_at_once(jumping: Any) -> None:
    """At one a second, of 20 with 10.5 s each, ten are sent and ten fail as they come."""
    ends: dict[int, float | None] = {}

    async def main() -> None:
        backend, pace = JumpingBackend(), Limiter(rate=1).pace(KEY)

        async def go(number: int) -> None:
            begin = backend.now()
            try:
                await pace.enter(backend, deadline_in(backend, 10.5))
            except errors.DeadlineExceededError as late:
                assert begin == backend.now()
                ends[number] = late.retry_after
            else:
                ends[number] = None

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(go, number)

    jumping(main)

    assert 10 == sum(each is None for each in ends.values())
    assert {10.0} == {each for each in ends.values() if each is not None}


def test_a_pause_that_grows_during_a_wait_is_kept(jumping: Any) -> None:
    """The first in line waits longer after another 429, or fails if it has no time for it."""
    ends: list[str] = []

    async def main() -> None:
        backend, pace = JumpingBackend(), Limiter().pace(KEY)
        begin = backend.now()
        pace.note_rate_limit(10.0, sent_at=begin - 1, now=begin)

        async def go(seconds: float) -> None:
            try:
                await pace.enter(backend, deadline_in(backend, seconds))
            except errors.DeadlineExceededError:
                ends.append(f"left at {backend.now() - begin:.1f}")
            else:
                ends.append(f"went at {backend.now() - begin:.1f}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go, 15.0)
            await anyio.sleep(5)
            pace.note_rate_limit(20.0, sent_at=begin - 1, now=backend.now())
            tasks.start_soon(go, 60.0)

    jumping(main)

    assert ["left at 10.0", "went at 25.0"] == ends


# Whose turn it is.


@pytest.mark.parametrize("place", ["front", "line"])
def test_a_cancelled_call_leaves_the_line(jumping: Any, place: str) -> None:
    """The calls behind it move up, wherever it was."""
    went: list[int] = []

    async def main() -> None:
        backend, pace = JumpingBackend(), Limiter(rate=1).pace(KEY)
        scopes = {number: anyio.CancelScope() for number in range(4)}

        async def go(number: int) -> None:
            with scopes[number]:
                await pace.enter(backend, deadline_in(backend, 60))
                went.append(number)

        async with anyio.create_task_group() as tasks:
            for number in scopes:
                tasks.start_soon(go, number)
                await anyio.sleep(0.01)
            scopes[1 if place == "front" else 2].cancel()
        assert pytest.approx(2.0, abs=0.1) == backend.now() % 1000
        assert not pace._waiting

    jumping(main)

    assert [0, 2, 3] == went if place == "front" else [0, 1, 3] == went


def test_a_limiter_works_on_a_second_event_loop(jumping: Any) -> None:
    """Each loop has a line of its own; the line of a closed loop is forgotten."""
    limiter = Limiter(rate=1)

    async def main() -> None:
        backend = JumpingBackend()
        pace = limiter.pace(KEY)
        pace._last = backend.now()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(pace.enter, backend, deadline_in(backend, 60))

    for _ in range(3):
        jumping(main)

    assert [] == [each for each in limiter.pace(KEY)._turns if each.is_inherited()]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_lines_of_finished_loops_are_forgotten(loop: str) -> None:
    """A program that starts a loop for each job does not collect them."""
    pace = Limiter(rate=1_000_000).pace(KEY)

    async def main() -> None:
        backend = AnyioBackend()
        await pace.enter(backend, deadline_in(backend, 60))

    for _ in range(5):
        anyio.run(main, backend=loop)

    assert 1 == len(pace._turns)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_line() -> None:
    """It may fork while a thread of the parent is first in line."""
    backend, pace = ThreadBackend(), Limiter(rate=4).pace(KEY)
    step(pace.enter(backend, deadline_in(backend, 60)))
    sleeper = threading.Thread(
        target=lambda: step(pace.enter(backend, deadline_in(backend, 60))), daemon=True
    )
    sleeper.start()
    wait_for_standing(pace, 1)

    pid = os.fork()
    if pid == 0:
        child = ThreadBackend()
        child.open.set()
        code = 1
        try:
            step(pace.enter(child, deadline_in(child, 60)))
            code = 0 if list(pace._turns) == [child.execution_scope()] else 2
        finally:
            os._exit(code)
    backend.open.set()
    sleeper.join()

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# What it costs.


def test_a_limiter_makes_no_line_before_a_429(step: Any, make_backend: Any) -> None:
    """Until then a call pays for one attribute."""

    class Lockless(make_backend):  # type: ignore[misc]
        def slots(self, count: int) -> Any:
            raise AssertionError("a line was made")

    client = client_of(Lockless())
    for _ in range(100):
        step(client.get(INVOICE))

    assert not client._context.pace.engaged
    assert {} == client._context.pace._turns


def test_limiter_is_free_again_after_429s(step: Any, backend: Any) -> None:
    """Without gaps, calls are as before the first 429."""
    client = note_rate_limit(step, backend)
    for _ in range(40):
        step(client.get(INVOICE))
    slept = len(backend.sleeps)
    assert not client._context.pace.engaged

    for _ in range(40):
        step(client.get(INVOICE))

    assert slept == len(backend.sleeps)


def test_a_fixed_rate_stays_after_successes(step: Any, backend: Any) -> None:
    """Successes narrow learnt gaps and not the given rate."""
    client = note_rate_limit(step, backend, limiter=10)
    for _ in range(60):
        step(client.get(INVOICE))

    assert client._context.pace.engaged
    assert pytest.approx(0.1) == backend.sleeps[-1]
