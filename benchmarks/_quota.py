"""A provider with a quota on loopback, a Redis, and worker processes that share the quota.

``python benchmarks/_quota.py '{"gate": "store", "seconds": 10}'`` runs one contest and prints what
came of it as JSON; see :class:`Contest` for what it takes.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import attrs

from billingual import AsyncClient, BillingualError, Limiter, Secret
from billingual.abc import Lease, QuotaStore
from billingual.retry import RedisQuota

UID = "inv_mqxd1kc6bgtcc676xoqzax47"
BODY = f'{{"data":{{"id":"{UID}","status":"DRAFT"}}}}'.encode()
TOKEN = "canary-token-" + "7" * 16
GATES = ("none", "each", "part", "limits", "store")


@attrs.define(kw_only=True)
class Contest:
    """One contest.

    Attributes:
        gate: how workers keep to the quota: ``none``, ``each`` (each at the whole rate), ``part``
            (each at its part), ``limits`` (the library of that name, a moving window on Redis,
            leases of the same size as ours, asked every 10 ms), ``store`` (ours on Redis).
        rate: the quota, calls a second; the provider's bucket holds a fifth of that.
        workers: processes.
        busy: how many of them have calls to make.
        tasks: calls that each makes at once.
        seconds: how long.
        restarts: how often Redis fails, and works again a while later.
        fault: how it fails: ``kill`` (it starts again without its memory), ``stop`` (it is there
            and does not respond), ``replica`` (it is made one, which only reads), ``full`` (it
            refuses for want of memory), ``flush`` (it loses its memory and goes on).
        away_s: how many seconds it fails.
        storm_s: seconds, a third of the way in, for which the provider turns everything away.
    """

    gate: str = "store"
    rate: float = 80.0
    workers: int = 8
    busy: int = 8
    tasks: int = 4
    seconds: float = 10.0
    restarts: int = 0
    fault: str = "kill"
    away_s: float = 1.0
    storm_s: float = 0.0
    begin: float = 0.0
    provider: str = ""
    redis: str = ""
    name: str = ""

    @property
    def end(self) -> float:
        """When it is over, on the wall clock."""
        return self.begin + self.seconds


class Provider:
    """Answer every request, or 429 where the bucket is empty."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.deep = contest.rate / 5
        self.tokens, self.at = self.deep, time.time()
        self.good: Counter[str] = Counter()
        self.refused = 0

    def decide(self) -> int:
        """Return 0 for a success, or the seconds of ``Retry-After``."""
        contest, now = self.contest, time.time()
        storm = contest.begin + contest.seconds / 3
        if storm <= now < storm + contest.storm_s:
            return max(1, math.ceil(storm + contest.storm_s - now))
        self.tokens = min(self.deep, self.tokens + (now - self.at) * contest.rate)
        self.at = now
        if self.tokens < 1:
            return 1
        self.tokens -= 1
        return 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                worker = head.lower().partition(b"x-worker: ")[2].partition(b"\r\n")[0].decode()
                wait_s = self.decide() if worker else 0
                status, more, body = b"200 OK", b"", BODY
                if wait_s:
                    self.refused += 1
                    status, more, body = b"429 Slow", b"Retry-After: %d\r\n" % wait_s, b"{}"
                elif worker and time.time() <= self.contest.end:
                    self.good[worker] += 1
                writer.write(
                    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
                    % (status, more, len(body))
                    + body
                )
        writer.close()


class Counting:
    """A store that counts how often it was asked."""

    def __init__(self, store: QuotaStore) -> None:
        self.store, self.calls = store, 0

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        """Reserve calls."""
        self.calls += 1
        return self.store.acquire(key, rate=rate, count=count, is_job=is_job)

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        """Note a 429."""
        self.calls += 1
        self.store.observe(key, sent_ago_s=sent_ago_s, retry_after_s=retry_after_s)


def polling(contest: Contest, counting: Counter[str]) -> Callable[[], Awaitable[None]]:
    """Return a gate that takes leases from a moving window of the library limits."""
    from limits import RateLimitItemPerSecond  # noqa: PLC0415 - a peer may be missing
    from limits.storage import RedisStorage  # noqa: PLC0415 - as above
    from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415 - as above

    window = MovingWindowRateLimiter(RedisStorage(contest.redis))
    item = RateLimitItemPerSecond(int(contest.rate))
    size, lock, left = max(1, int(contest.rate / (10 * contest.workers))), asyncio.Lock(), [0]

    async def take() -> None:
        async with lock:
            while not left[0]:
                counting["calls"] += 1
                if await asyncio.to_thread(window.hit, item, "quota", cost=size):
                    left[0] = size
                else:
                    await asyncio.sleep(0.01)
            left[0] -= 1

    return take


async def work(contest: Contest) -> dict[str, int]:
    """Make calls until the end, as one of the workers."""
    counting: Counter[str] = Counter()
    store = Counting(RedisQuota.at(Secret(contest.redis)))
    limiters: dict[str, Callable[[], Limiter]] = {
        "each": lambda: Limiter(contest.rate, learns=False),
        "part": lambda: Limiter(contest.rate, workers=contest.workers),
        "store": lambda: Limiter(contest.rate, workers=contest.workers, store=store),
    }
    limiter = limiters.get(contest.gate, lambda: Limiter(learns=False))()
    client = AsyncClient(
        "kukkingu", token=TOKEN, tenant="tnt_" + "1" * 24, base_url=contest.provider,
        limiter=limiter, retry="none", deadline=30, headers={"X-Worker": contest.name},
    )  # fmt: skip

    async def nothing() -> None:
        await asyncio.sleep(0)

    gate = polling(contest, counting) if contest.gate == "limits" else nothing

    async def go() -> None:
        while time.time() < contest.end:
            await gate()
            try:
                await client.get(UID)
            except BillingualError:
                # A program that did not wait at all would measure the loopback.
                await asyncio.sleep(0.02)

    # What a process imports with its first call is not part of the contest.
    async with AsyncClient(
        "kukkingu", token=TOKEN, tenant="tnt_" + "2" * 24, base_url=contest.provider
    ) as warm:
        await warm.get(UID)
    store.acquire("warm", rate=1.0, count=0, is_job=False)
    store.calls = 0
    print("ready", flush=True)
    contest.begin = float(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(contest.begin - time.time())
    async with client:
        async with asyncio.timeout(contest.seconds + 30):
            await asyncio.gather(*(go() for _ in range(contest.tasks)))
    return {"store_calls": store.calls + counting["calls"]}


class Redis:
    """A redis-server of our own, without a disk."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.place = tempfile.mkdtemp(prefix="quota-")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("redis-server is missing: apt-get install redis-server")
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", self.place],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise TimeoutError("redis-server does not listen")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def fail(self, fault: str) -> None:
        """Let it fail; see :class:`Contest`."""
        assert self.process is not None
        if fault == "kill":
            self.kill()
        elif fault == "stop":
            self.process.send_signal(signal.SIGSTOP)
        else:
            self.ask(
                {
                    "replica": "REPLICAOF 127.0.0.1 1",
                    "full": "CONFIG SET maxmemory 1",
                    "flush": "FLUSHALL",
                }[fault]
            )

    def mend(self, fault: str) -> None:
        """Let it work again."""
        assert self.process is not None
        if fault == "kill":
            self.start()
        elif fault == "stop":
            self.process.send_signal(signal.SIGCONT)
        elif fault == "replica":
            self.ask("REPLICAOF NO ONE")
        elif fault == "full":
            self.ask("CONFIG SET maxmemory 0")

    def ask(self, command: str) -> None:
        """Give it a command."""
        import redis  # noqa: PLC0415 - an extra

        with redis.Redis.from_url(self.url) as client:
            client.execute_command(*command.split())

    def contents(self) -> str:
        """Return all keys and values as a text."""
        import redis  # noqa: PLC0415 - an extra

        with redis.Redis.from_url(self.url) as client:
            return repr([(key, client.dump(key), client.type(key)) for key in client.keys("*")])


async def run(contest: Contest) -> dict[str, Any]:
    """Run one contest; return what came of it."""
    provider, redis = Provider(contest), Redis()
    redis.start()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    try:
        contest.redis = redis.url
        contest.provider = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        workers = []
        for number in range(contest.busy):
            asked = json.dumps({**attrs.asdict(contest), "name": f"w{number}"})
            workers.append(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    __file__,
                    "--worker",
                    asked,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
        for each in workers:
            assert each.stdout is not None
            await each.stdout.readline()
        contest.begin = time.time() + 0.5
        for each in workers:
            assert each.stdin is not None
            each.stdin.write(f"{contest.begin}\n".encode())
        for number in range(contest.restarts):
            # Behind the storm, and not together with it.
            at = contest.begin + contest.seconds * (0.5 + 0.5 * number / contest.restarts)
            await asyncio.sleep(at - time.time())
            await asyncio.to_thread(redis.fail, contest.fault)
            await asyncio.sleep(contest.away_s)
            await asyncio.to_thread(redis.mend, contest.fault)
        ended = [await each.communicate() for each in workers]
        if any(each.returncode for each in workers):
            raise RuntimeError("a worker failed")
        contents = await asyncio.to_thread(redis.contents)
    finally:
        server.close()
        redis.kill()
        shutil.rmtree(redis.place, ignore_errors=True)
    good, refused = sum(provider.good.values()), provider.refused
    calls = sum(json.loads(out)["store_calls"] for out, _ in ended)
    return {
        "good": good,
        "refused": refused,
        # What the bucket held at the start is the provider's own slack and not asked for.
        "of_quota": good / (contest.rate * (contest.seconds - contest.storm_s)),
        "refused_part": refused / max(1, good + refused),
        "store_calls_per_request": calls / max(1, good + refused),
        "fewest": min(provider.good[f"w{n}"] for n in range(contest.busy)),
        "most": max(provider.good[f"w{n}"] for n in range(contest.busy)),
        "has_token": TOKEN in contents or TOKEN.encode().hex() in contents,
    }


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        print(json.dumps(asyncio.run(work(Contest(**json.loads(sys.argv[2]))))))
    else:
        print(json.dumps(asyncio.run(run(Contest(**json.loads(sys.argv[1]))))))
