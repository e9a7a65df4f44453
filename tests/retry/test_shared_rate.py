"""A rate that processes share: by a part for each of them, or by a store that they ask."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import fakeredis
import pytest
import trio

from _support.backend import StepBackend, run_in_one_step
from _support.simulation.kernel import Kernel, Process, SimulatedBackend
from billingual import (
    AsyncClient,
    Client,
    Draft,
    Job,
    Limiter,
    MemoryTransport,
    Secret,
    errors,
    events,
)
from billingual.abc import Lease
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step as step_now
from billingual.backends.sync import SyncBackend
from billingual.retry import RedisQuota
from billingual.retry.pace import JobPace, Pace
from billingual.sandbox import LANDMARKS
from billingual.testing import MemoryQuotaStore
from billingual.wire import Deadline

INVOICE = "inv_mqxd1kc6bgtcc676xoqzax47"
GOOD = MemoryTransport.json(f'{{"data": {{"id": "{INVOICE}", "status": "DRAFT"}}}}')
TENANTS = ("tnt_" + "1" * 24, "tnt_" + "2" * 24)
CANARY = "canary-token-" + "9" * 16


class Steps(StepBackend):
    """A backend whose clock the store shares, and whose threads are the caller's."""

    name, run = "steps", staticmethod(run_in_one_step)

    async def in_thread(self, call: Callable[[], Any]) -> Any:
        return call()


def busy(seconds: int | None = None) -> Any:
    """Make a 429."""
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return MemoryTransport.json("{}", status=429, headers=headers)


@attrs.define
class Workers:
    """Processes that share a quota: a limiter each, one clock, one store."""

    backend: Steps = attrs.field(factory=Steps)
    store: MemoryQuotaStore = attrs.field(init=False)
    sent: list[float] = attrs.field(factory=list)
    script: Iterator[Any] = attrs.field(factory=lambda: iter(()))
    told: list[events.Event] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.store = MemoryQuotaStore(lambda: self.backend.clock)

    def respond(self, _: object) -> Any:
        self.sent.append(self.backend.clock)
        return next(self.script, GOOD)

    def client(self, limiter: Limiter | None = None, face: Any = AsyncClient, **how: Any) -> Any:
        """Make the client of one more process."""
        how = {"tenant": TENANTS[0], "retry": "none", "token": CANARY, **how}
        return face(
            "kukkingu",
            backend=self.backend,
            base_url="https://one.example",
            transport=MemoryTransport(self.respond),
            limiter=limiter or Limiter(1, workers=4, store=self.store),
            observers=[self.told.append],
            **how,
        )

    def get(self, client: Any) -> float:
        """Make one call; return when it was sent."""
        with contextlib.suppress(errors.RateLimitedError):
            run_in_one_step(client.get(INVOICE))
        return self.sent[-1] - 1000

    def names(self) -> list[str]:
        """Return the names of the events about the store."""
        return [type(each).__name__ for each in self.told if "Quota" in type(each).__name__]


@pytest.fixture
def workers() -> Workers:
    """Make processes that share a call a second."""
    return Workers()


# Options.


def test_without_a_store_each_worker_keeps_to_its_part(workers: Workers) -> None:
    """One of four workers sends a quarter of the calls."""
    client = workers.client(Limiter(2, workers=4))

    assert [0.0, 2.0, 4.0] == [workers.get(client) for _ in range(3)]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "4", None], ids=repr)
def test_workers_are_counted(wrong: Any) -> None:
    """Anything but a whole number from 1 on is refused."""
    with pytest.raises(errors.ConfigurationError, match="whole number"):
        Limiter(10, workers=wrong)


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"store": MemoryQuotaStore()}], ids=["workers", "store"]
)
def test_what_is_shared_is_a_rate(options: Any) -> None:
    """Without one there is nothing to share."""
    with pytest.raises(errors.ConfigurationError, match="none is given"):
        Limiter(**options)


@pytest.mark.parametrize("store", [Secret("redis://:pass-word@h/0"), "redis://:pass-word@h/0"])
def test_a_limiter_shows_no_password(store: Any) -> None:
    """Nothing connects before the first call, and ``repr`` shows that there is a store."""
    limiter = Limiter(10, workers=8, store=store)

    assert "Limiter(rate=10, learns=True, workers=8, store=...)" == repr(limiter)


def test_redis_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing the error says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(errors.MissingExtraError, match=r"billingual\[redis\]"):
        Limiter(10, workers=8, store="redis://cache.example")


# Sharing.


@pytest.mark.parametrize("face", [AsyncClient, Client])
def test_workers_take_turns(workers: Workers, face: Any) -> None:
    """However many there are, all calls of all callers are a second apart."""
    clients = [workers.client(face=face) for _ in range(4)]
    for client in (*clients, clients[0], clients[0], clients[2]):
        if face is AsyncClient:
            workers.get(client)
        else:
            client.get(INVOICE)

    assert [1000.0 + number for number in range(7)] == workers.sent


def test_a_worker_gets_what_the_others_do_not_need(workers: Workers) -> None:
    """One of a hundred workers that calls alone has the whole rate."""
    client = workers.client(Limiter(5, workers=100, store=workers.store))

    assert [pytest.approx(n / 5) for n in range(20)] == [workers.get(client) for _ in range(20)]


def test_a_worker_asks_the_store_once_for_several_calls(workers: Workers) -> None:
    """A lease is worth a tenth of a second of the rate, over all workers."""
    client = workers.client(Limiter(400, workers=4, store=workers.store))
    for _ in range(100):
        workers.get(client)

    assert 10 == workers.store.calls
    assert pytest.approx(99 / 400) == workers.sent[-1] - 1000


def test_a_lease_of_no_call_serves_one(workers: Workers) -> None:
    """A store of another author may grant fewer calls than it was asked for, even none."""

    class GrantsNone(MemoryQuotaStore):
        def acquire(self, key: str, **how: Any) -> Lease:
            return attrs.evolve(super().acquire(key, **how), count=0)

    client = workers.client(Limiter(400, workers=4, store=GrantsNone(workers.backend.now)))
    for _ in range(5):
        workers.get(client)

    assert 5 == client._context.pace._store.calls  # type: ignore[attr-defined]


def test_what_a_worker_does_not_use_lapses(workers: Workers) -> None:
    """A second later it takes a new lease, because that time belongs to others."""
    one, other = (workers.client(Limiter(400, workers=4, store=workers.store)) for _ in range(2))
    workers.get(one)
    workers.backend.clock += 1.5
    for _ in range(10):
        workers.get(other)
    asked = workers.store.calls
    begin = workers.get(one)

    assert asked + 1 == workers.store.calls
    assert pytest.approx(1.5 + 10 / 400) == begin


@pytest.mark.parametrize(
    "other", [{"tenant": TENANTS[1]}, {"token": "token_" + "b" * 16}], ids=["tenant", "credential"]
)
def test_other_credentials_have_quotas_of_their_own(workers: Workers, other: Any) -> None:
    """Another tenant or token waits for none of these calls."""
    one, two = workers.client(), workers.client(**other)

    assert [0.0, 1.0, 1.0, 2.0] == [workers.get(each) for each in (one, one, two, one)]


# 429.


@pytest.mark.parametrize("retry", ["none", "standard"])
def test_a_429_makes_all_workers_wait(workers: Workers, retry: str) -> None:
    """Also one that has never sent a call, and no call is sent before the provider said."""
    workers.script = iter([busy(40)])
    one, two, three = (workers.client(retry=retry) for _ in range(3))
    workers.get(one)
    workers.get(two)
    workers.get(three)
    workers.get(one)

    gaps = [after - before for before, after in pairwise(workers.sent)]
    assert 40.0 <= gaps[0]
    assert [pytest.approx(1.0)] * len(gaps[1:]) == gaps[1:]


def test_a_429_without_a_time_lowers_the_rate_of_all(workers: Workers) -> None:
    """They go on at 70 % of the rate."""
    workers.script = iter([busy()])
    one, two = workers.client(), workers.client()
    sent = [workers.get(each) for each in (one, two, two, one)]

    assert [pytest.approx(1 / 0.7)] * 2 == [sent[2] - sent[1], sent[3] - sent[2]]


def test_a_limiter_that_does_not_learn_tells_no_one(workers: Workers) -> None:
    """The store then knows the rate, and no freeze."""
    workers.script = iter([busy(40)])
    client = workers.client(Limiter(1, workers=4, store=workers.store, learns=False))

    assert [0.0, 1.0] == [workers.get(client) for _ in range(2)]


def test_a_429_during_a_long_wait_is_kept_to(workers: Workers) -> None:
    """A worker that waited longer than a second for its turn asks for a freeze before it sends."""
    one = workers.client(Limiter(0.1, workers=2, store=workers.store))
    key = one._context.pace._key
    workers.get(one)
    slept = workers.backend.sleep

    async def sleep(seconds: float) -> None:
        await slept(seconds)
        if not done:
            done.append(True)
            workers.store.observe(key, sent_ago_s=0.0, retry_after_s=30.0)

    done: list[bool] = []
    workers.backend.sleep = sleep  # type: ignore[method-assign]

    assert pytest.approx(40.0) == workers.get(one)


def test_calls_that_a_429_held_back_take_turns_afterwards() -> None:
    """What workers held when the quota froze is not sent by all of them when that ends."""
    kernel = Kernel("frozen")
    store, rate, sent = MemoryQuotaStore(lambda: kernel.now), 5, list[float]()

    def respond(_: object) -> Any:
        sent.append(kernel.now)
        return busy(20) if len(sent) == 30 else GOOD

    async def work(client: Any) -> None:
        while kernel.now < 40:
            with contextlib.suppress(errors.RateLimitedError):
                await client.get(INVOICE)

    for number in range(8):
        process = Process(f"worker {number}", kernel, lambda _: None)
        client = AsyncClient(
            "kukkingu", tenant=TENANTS[0], token=CANARY, retry="none",
            base_url="https://one.example", backend=SimulatedBackend(process),
            transport=MemoryTransport(respond),
            limiter=Limiter(rate, workers=8, store=store),
        )  # fmt: skip
        process.start(work(client))
    kernel.run(lambda: kernel.now >= 40)

    thaw = sent[29] + 20
    assert not [each for each in sent if sent[29] + 1 < each < thaw]
    assert len([each for each in sent if thaw <= each < thaw + 1]) <= rate + 1


# A store that fails.


def test_a_lost_store_leaves_each_worker_its_part(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """There is always a limit; one record and one event tell of it, and again at the end."""
    client = workers.client(deadline=600)
    workers.get(client)
    workers.store.failure = ConnectionError(f"of {CANARY}")
    with caplog.at_level(logging.WARNING, "billingual"):
        parts = [workers.get(client) for _ in range(4)]
        asked = workers.store.calls
        workers.store.failure = None
        back = [workers.get(client) for _ in range(5)]

    assert [4.0, 8.0, 12.0, 16.0] == parts
    assert 4 == asked
    # Another worker may not find it for eight seconds.
    assert [4.0, 4.0] == [back[1] - back[0], back[2] - back[1]]
    assert pytest.approx(1.0) == back[4] - back[3]
    assert ["QuotaStoreLost", "QuotaStoreFound"] == workers.names()
    assert 2 == len(caplog.records)
    assert "ConnectionError" in caplog.text
    assert CANARY not in caplog.text + "".join(map(repr, workers.told))
    assert all(each.explain() for each in workers.told)


def test_workers_that_find_the_store_one_by_one_keep_to_the_quota(workers: Workers) -> None:
    """One that has found it sends its part until all others must have found it."""
    workers.store.failure = ConnectionError()
    clients = [workers.client(deadline=600) for _ in range(4)]
    for client in clients:
        workers.get(client)
        workers.backend.clock += 1
    workers.store.failure = None
    workers.sent.clear()
    found = workers.backend.clock
    while workers.backend.clock < found + 7:
        workers.get(clients[0])

    # The other three may send three quarters of the rate meanwhile.
    assert all(after - before >= 4 for before, after in pairwise(workers.sent))


def test_a_store_that_stays_away_is_asked_seldom(workers: Workers) -> None:
    """After 1, 2, 4 and then each 8 seconds: each time may cost a call half a second."""
    workers.store.failure = TimeoutError()
    client = workers.client(Limiter(100, workers=1, store=workers.store), deadline=600)
    while workers.get(client) < 62:
        pass

    # At 0, 1, 3, 7, 15, 23, 31, 39, 47 and 55 s.
    assert 10 == workers.store.calls


def test_a_429_that_the_store_missed_is_told_later(workers: Workers) -> None:
    """When the store is back, the other workers learn how long the provider asked to wait."""
    workers.script = iter([GOOD, busy(40)])
    one, two = workers.client(deadline=600), workers.client(deadline=600)
    workers.get(one)
    workers.store.failure = ConnectionError()
    limited = workers.get(one)
    workers.store.failure = None
    workers.backend.clock += 10
    run_in_one_step(one._context.pace.report(workers.backend))

    assert not one._context.pace.must_report
    assert limited + 40 == pytest.approx(workers.get(two))


def test_a_429_while_the_store_is_away_is_kept_to_by_its_worker(workers: Workers) -> None:
    """It waits as it would without a store."""
    workers.store.failure = ConnectionError()
    workers.script = iter([busy(40)])
    client = workers.client(deadline=600)

    assert [0.0, 40.0] == [workers.get(client) for _ in range(2)]


# Deadlines, scopes.


def test_a_call_whose_turn_comes_too_late_fails_at_once(workers: Workers) -> None:
    """Nothing is sent, and the next call of the worker may take its place."""
    one, two = (workers.client(Limiter(0.1, workers=2, store=workers.store)) for _ in range(2))
    workers.get(one)
    with pytest.raises(errors.DeadlineExceededError, match="Nothing was sent") as caught:
        run_in_one_step(two.with_options(deadline=5).get(INVOICE))

    assert pytest.approx(10.0) == caught.value.retry_after
    assert [] == workers.backend.sleeps
    assert pytest.approx(10.0) == workers.get(two)


def deadline_in(backend: Any, seconds: float) -> Deadline:
    """Make a deadline on the clock of *backend*."""
    return Deadline(backend.now() + seconds, backend.now)


def shared(store: MemoryQuotaStore, rate: float, workers: int = 2) -> Pace:
    """Make the pace of a worker."""
    return Limiter(rate, workers=workers, store=store).pace("key", lambda _: "key")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_tasks_of_a_loop_share_a_lease(loop: str) -> None:
    """Thirty tasks of three loops, one after another, reserve no call twice."""
    store = MemoryQuotaStore()
    pace = shared(store, 2000, workers=20)

    async def main() -> None:
        backend = AnyioBackend()
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(pace.enter, backend, deadline_in(backend, 60))

    for _ in range(3):
        anyio.run(main, backend=loop)

    # Ten calls a lease at least, and twice as many at most; more leases if some lapsed because the
    # machine was suspended.
    assert store.calls >= 2 * 3
    assert 1 == len(pace._held)  # type: ignore[attr-defined]


def test_threads_share_a_lease() -> None:
    """A blocking client asks the store from its own thread."""
    store = MemoryQuotaStore()
    pace = shared(store, 2000, workers=20)

    def go() -> None:
        backend = SyncBackend()
        step_now(pace.enter(backend, deadline_in(backend, 60)))

    threads = [threading.Thread(target=go) for _ in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert store.calls >= 3


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_takes_a_lease_of_its_own() -> None:
    """Else parent and child would send the same calls twice."""
    store = MemoryQuotaStore()
    pace = shared(store, 10_000, workers=1)
    backend = SyncBackend()
    step_now(pace.enter(backend, deadline_in(backend, 60)))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            step_now(pace.enter(backend, deadline_in(backend, 60)))
            code = 0 if store.calls == 2 and len(pace._held) == 1 else 2  # type: ignore[attr-defined]
        finally:
            os._exit(code)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_slow_store_is_asked_for_more_at_once() -> None:
    """Where calls wait and the quota has some left, a lease is doubled, to as many as wait."""
    asked: list[int] = []

    class Slow(AnyioBackend):
        async def in_thread(self, call: Callable[[], Any]) -> Any:
            await anyio.lowlevel.checkpoint()  # so that the others come to wait
            lease = call()
            asked.append(lease.count)
            return attrs.evolve(lease, wait_s=0.01 if len(asked) == 4 else 0.0)

    async def main() -> None:
        backend, pace = Slow(), shared(MemoryQuotaStore(), 200, workers=20)
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(pace.enter, backend, deadline_in(backend, 60))

    anyio.run(main)

    assert [1, 2, 4, 8, 1, 2, 4, 8] == asked[:8]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancelled_report_is_made_later(loop: str) -> None:
    """The 429 is not forgotten with the call that met it."""

    class Interrupted(MemoryQuotaStore):
        def observe(self, key: str, **how: Any) -> None:
            super().observe(key, **how)
            raise KeyboardInterrupt

    store = Interrupted()
    pace = shared(store, 10)

    async def main() -> None:
        backend = AnyioBackend()
        pace.note_rate_limit(40.0, sent_at=backend.now(), now=backend.now())
        with pytest.raises(KeyboardInterrupt):
            await pace.report(backend)

    if loop == "trio":
        trio.run(main)
    else:
        anyio.run(main)

    assert pace.must_report


# Jobs.

DRAFT = Draft(
    number="J-1",
    counterparty=LANDMARKS["exante_party"],
    owner=LANDMARKS["exante_owner"],
    document=LANDMARKS["exante_document"],
)


class Witness(MemoryQuotaStore):
    """Keeps who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.of_jobs: list[bool] = []

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        self.of_jobs.append(is_job)
        return super().acquire(key, rate=rate, count=count, is_job=is_job)


def test_calls_of_a_job_are_those_of_a_job(tmp_path: Path) -> None:
    """The store is told, so that it keeps a fifth of the rate for calls of the same client."""
    store = Witness()
    limiter = Limiter(10_000, workers=2_000, store=store)
    with Client("exante", transport="sandbox", limiter=limiter) as client:
        seen = client.list().first()
        assert seen is not None
        assert {False} == set(store.of_jobs)
        store.of_jobs.clear()
        with Job.open(tmp_path / "run.db", client) as job:
            job.plan([DRAFT])
            report = job.run()
        assert 1 == report.committed
        assert {True} == set(store.of_jobs)
        store.of_jobs.clear()
        client.get(seen.id)

    assert {False} == set(store.of_jobs)


def test_a_call_of_a_person_goes_before_those_of_jobs() -> None:
    """It waits for one call of a job at most, however many wait."""
    went: list[str] = []

    async def main() -> None:
        backend = AnyioBackend()
        pace = Limiter(rate=100).pace("key")
        jobs = pace.for_jobs()

        async def go(name: str, pace: Pace | JobPace) -> None:
            await pace.enter(backend, deadline_in(backend, 60))
            went.append(name)

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(go, "job", jobs)
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(go, "person", pace)

    anyio.run(main)

    assert went.index("person") <= 2
    assert 7 == len(went)


def test_jobs_of_a_job_are_jobs() -> None:
    """Their pace shows what the credential's shows."""
    pace = Limiter().pace("key")
    jobs = pace.for_jobs()
    assert not jobs.engaged

    jobs.note_rate_limit(5.0, sent_at=1.0, now=2.0)
    jobs.note_success()

    assert jobs is jobs.for_jobs()
    assert jobs.engaged
    assert jobs.is_paused(6.0)
    assert not jobs.must_report
    run_in_one_step(jobs.report(Steps()))


def test_a_call_of_a_job_fails_if_too_many_wait(workers: Workers) -> None:
    """Its deadline holds in the line of jobs too."""

    class Full(Steps):
        def slots(self, count: int) -> Any:
            class Taken:
                async def acquire(self, seconds: float) -> bool:
                    return False

            return Taken()

    backend = Full()
    with pytest.raises(errors.DeadlineExceededError, match="too many calls"):
        run_in_one_step(Limiter(1).pace("k").for_jobs().enter(backend, deadline_in(backend, 5)))


# Keys and secrets.

PROGRAM = """
from billingual import AsyncClient, Limiter
from billingual.sandbox import LANDMARKS
from billingual.testing import MemoryQuotaStore
client = AsyncClient(
    "kukkingu", token="{token}", tenant="{tenant}", base_url="https://one.example",
    limiter=Limiter(1, store=MemoryQuotaStore()),
)
print(client._context.pace._key)
"""


def test_a_key_is_equal_in_all_processes(workers: Workers) -> None:
    """Though each has random hashes of its own."""
    text = PROGRAM.format(token=CANARY, tenant=TENANTS[0])
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=120
    )

    assert workers.client()._context.pace._key == done.stdout.strip()


def test_redis_holds_no_token() -> None:
    """Neither in keys nor in values, in no encoding."""
    redis = fakeredis.FakeRedis()
    workers = Workers(script=iter([busy(1)]))
    client = workers.client(Limiter(1000, workers=2, store=RedisQuota(redis)))
    for _ in range(3):
        workers.get(client)

    held = repr([(key, redis.hgetall(key)) for key in redis.keys("*")])
    assert "billingual:quota:" in held
    assert CANARY not in held
    assert CANARY.encode().hex() not in held
    assert TENANTS[0] not in held


def test_a_token_function_needs_a_name(workers: Workers) -> None:
    """Its tokens change, so that workers would not recognise their quota."""
    with pytest.raises(errors.ConfigurationError, match="name="):
        workers.client(token=lambda: CANARY)

    def named(name: str) -> Any:
        limiter = Limiter(1, workers=4, store=workers.store, name=name)
        return workers.client(limiter, token=lambda: CANARY)

    one, two, other = named("acme"), named("acme"), named("umbrella")

    assert [0.0, 1.0, 1.0] == [workers.get(each) for each in (one, two, other)]
