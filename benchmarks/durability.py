"""Is each invoice there exactly once, though responses are lost and both sides are killed?

``python benchmarks/durability.py``: every contestant of ``_durability/`` creates the same invoices,
8 at a time, at the sandbox and at localstripe, as ``_durability/scenario.toml`` says: a part of the
responses is lost after the provider has acted, the contestant is killed and started again, and so
is the provider. Then the provider's own store is compared with the orders and with what the
contestant told:

- *lost*: told as done, and not there;
- *doubled*: there more than once;
- *wrongly failed*: told as failed, and there;
- *failed*: told as failed, and truly not there; *open*: told as not known.

The contestants run as their documentation says. *With numbers* or *with keys*, each sends in
addition what makes a second create known to that provider: a number of the caller's own at the
sandbox, which refuses one that is taken (Exante does not document that; the sandbox infers it), or
an Idempotency-Key at localstripe, which Stripe documents.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import attrs
from _durability.lossy_server import LossyServer
from _durability.postgres import new_database, postgres
from _durability.providers import PROVIDERS, Provider
from _measuring import HERE, Cell, Study, arguments

CONTESTANTS: Final = HERE / "_durability"
OURS: Final = "billingual"
MOST_S: Final = 900.0
MOST_STARTS: Final = 50
KILL_LATE_S: Final = 0.03
"""A kill strikes up to so many seconds after a create has come in: before, in and after it."""


@attrs.frozen
class Contestant:
    """One side of the race.

    Attributes:
        name: in the table.
        program: its file.
        needs: the package that must be installed.
        marked: whether its creates carry a number or key of the caller's.
    """

    name: str
    program: str
    needs: str
    marked: bool = False


PEERS: Final = {
    "naive loop": ("naive.py", "httpx"),
    "tenacity": ("tenacity_loop.py", "tenacity"),
    "DBOS (SQLite)": ("dbos_workflows.py", "dbos"),
    "procrastinate (PostgreSQL)": ("procrastinate_tasks.py", "procrastinate"),
}
MARKS: Final = {"sandbox": "with numbers", "localstripe": "with keys"}


def contestants(provider: str) -> list[Contestant]:
    """Return who runs against a provider."""
    plain = [Contestant(name, *how) for name, how in PEERS.items()]
    marked = [
        Contestant(f"{name} {MARKS[provider]}", *how, marked=True) for name, how in PEERS.items()
    ]
    return [*plain, *marked, Contestant(OURS, "billingual_job.py", "billingual")]


@attrs.frozen(kw_only=True)
class Scenario:
    """What all go through; see ``scenario.toml``."""

    orders: int
    at_once: int
    lost_of: int
    client_kills: int
    server_kills: int
    down_s: float
    late_arrival_s: float
    seeds: list[int]


@attrs.frozen(kw_only=True)
class Finish:
    """How one run ended."""

    lost: int
    doubled: int
    wrongly_failed: int
    failed: int
    open: int
    requests: float
    client_kills: int
    server_kills: int
    seconds: float

    @property
    def wrong(self) -> int:
        """How many orders are not as they were told."""
        return self.lost + self.doubled + self.wrongly_failed


@attrs.define(eq=False)
class Run:
    """One contestant at one provider with one seed."""

    contestant: Contestant
    provider: Provider
    scenario: Scenario
    seed: int
    folder: Path
    postgres: str
    client_kills: int = 0
    server_kills: int = 0
    _lossy: LossyServer = attrs.field(init=False)
    _process: asyncio.subprocess.Process | None = None
    _tasks: list[asyncio.Task[None]] = attrs.field(factory=list)
    _due: dict[int, Any] = attrs.field(factory=dict)
    _random: random.Random = attrs.field(init=False)
    _server: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(f"kills {self.seed}")  # noqa: S311 - to be repeated
        self._lossy = LossyServer(
            self.provider.handle, self.provider.is_create, self.seed, self.scenario.lost_of,
            self._on_create,
        )  # fmt: skip
        kills = self.scenario.client_kills + self.scenario.server_kills
        moments = self._random.sample(range(5, max(self.scenario.orders - 5, 6 + kills)), kills)
        sides = [self._kill_client] * self.scenario.client_kills
        sides += [self._kill_server] * self.scenario.server_kills
        self._due = dict(zip(moments, sides, strict=True))

    def _on_create(self, count: int) -> None:
        kill = self._due.pop(count, None)
        if kill is not None:
            late_s = self._random.uniform(0.0, KILL_LATE_S)
            self._tasks.append(asyncio.create_task(kill(late_s)))

    async def _kill_client(self, late_s: float) -> None:
        await asyncio.sleep(late_s)
        if self._process is not None and self._process.returncode is None:
            # Not its own send_signal, which may reap a process that has just ended by itself.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
                self.client_kills += 1

    async def _kill_server(self, late_s: float) -> None:
        await asyncio.sleep(late_s)
        async with self._server:
            self._lossy.close()
            await self.provider.kill()
            self.server_kills += 1
            await asyncio.sleep(self.scenario.down_s)
            await self.provider.start()
            await self._lossy.open()

    async def finish(self) -> Finish:
        """Run it to its end, and judge."""
        await self.provider.start()
        try:
            await self.provider.prepare(self.scenario.orders)
            await self._lossy.open()
            self._tell()
            began = time.monotonic()
            await self._until_done(began + MOST_S)
            seconds = time.monotonic() - began
            await asyncio.gather(*self._tasks)
            return self._judged(await self.provider.counts(), seconds)
        finally:
            self._lossy.close()
            await self.provider.kill()

    def _tell(self) -> None:
        told = {
            "url": f"http://127.0.0.1:{self._lossy.port}{self.provider.prefix}",
            "provider": self.provider.name,
            "marked": self.contestant.marked,
            "at_once": self.scenario.at_once,
            "late_arrival_s": self.scenario.late_arrival_s,
            "postgres": self.postgres,
            "orders": self.provider.orders,
        }
        (self.folder / "race.json").write_text(json.dumps(told), encoding="utf-8")

    async def _until_done(self, deadline: float) -> None:
        program = str(CONTESTANTS / self.contestant.program)
        said = self.folder / "said.txt"
        for _ in range(MOST_STARTS):
            with said.open("wb") as output:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, program, str(self.folder), stdout=output, stderr=output,
                    env=os.environ | {"PYTHONWARNINGS": "ignore"},
                )  # fmt: skip
                try:
                    async with asyncio.timeout(deadline - time.monotonic()):
                        code = await self._process.wait()
                except TimeoutError:
                    self._process.kill()
                    raise RuntimeError(f"it has not ended after {MOST_S:.0f} s") from None
            if code == 0:
                return
            if code != -signal.SIGKILL and self.contestant.name != OURS:
                break
        lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RuntimeError((lines or [f"exit status {code}"])[-1])

    def _judged(self, counts: dict[str, int], seconds: float) -> Finish:
        told = json.loads((self.folder / "told.json").read_text(encoding="utf-8"))
        failed, unclear = set(told["failed"]), set(told["open"])
        orders = [each["order"] for each in self.provider.orders]
        count = {order: counts.get(order, 0) for order in orders}
        return Finish(
            lost=sum(not count[each] for each in orders if each not in failed | unclear),
            doubled=sum(count[each] > 1 for each in orders),
            wrongly_failed=sum(count[each] > 0 for each in failed),
            failed=sum(not count[each] for each in failed),
            open=len(unclear),
            requests=self._lossy.requests / len(orders),
            client_kills=self.client_kills,
            server_kills=self.server_kills,
            seconds=seconds,
        )


@contextmanager
def databases(study: Study) -> Iterator[Any]:
    """Yield what makes a database of a name; one that makes none where there is no PostgreSQL."""
    with ExitStack() as closing:
        try:
            server = closing.enter_context(postgres())
        except (FileNotFoundError, RuntimeError) as problem:
            study.leave_out("procrastinate (PostgreSQL)", problem)
            yield None
        else:
            yield functools.partial(new_database, server)


def taking_part(study: Study, provider: str, *, has_postgres: bool, only: str) -> list[Contestant]:
    """Return who can run against a provider; tell *study* of the others."""
    found = []
    for each in contestants(provider):
        if only not in each.name:
            continue
        if find_spec(each.needs) is None:
            study.left_out[each.name] = f"{each.needs} is not installed"
        elif each.needs != "procrastinate" or has_postgres:
            found.append(each)
    return found


def rows_of(finishes: dict[Contestant, list[Finish]]) -> list[list[Cell]]:
    """Return a row for each contestant, over all seeds."""
    return [
        [
            contestant.name,
            *(
                sum(getattr(each, name) for each in ends)
                for name in (
                    "lost", "doubled", "wrongly_failed", "failed", "open", "client_kills",
                    "server_kills",
                )
            ),
            statistics.mean(each.requests for each in ends),
            statistics.mean(each.seconds for each in ends),
        ]
        for contestant, ends in finishes.items()
    ]  # fmt: skip


def race(study: Study, provider: str, scenario: Scenario, *, only: str) -> None:
    """Let all run against one provider, and tell *study*."""
    finishes = finishes_of(study, provider, scenario, only=only)
    heads = [
        "contestant", "lost", "doubled", "wrongly failed", "failed", "open", "kills",
        "server kills", "requests/invoice", "seconds",
    ]  # fmt: skip
    seeds = ", ".join(map(str, scenario.seeds))
    kills = "with kills" if scenario.client_kills else "responses lost, nothing killed"
    title = f"{provider}, {kills}: {scenario.orders} invoices for each of the seeds {seeds}"
    study.table(title, heads, rows_of(finishes))
    for contestant, ends in finishes.items():
        if contestant.name == OURS:
            wrong = float(sum(each.wrong + each.failed + each.open for each in ends))
            what = f"{provider}, {kills}: lost, doubled, failed or open"
            study.goal(what, wrong, 0.0, "invoices")
            if not scenario.client_kills:
                requests = statistics.mean(each.requests for each in ends)
                study.goal(f"{provider}, {kills}: for an invoice", requests, 1.25, "requests")


def finishes_of(
    study: Study, provider: str, scenario: Scenario, *, only: str
) -> dict[Contestant, list[Finish]]:
    """Let all run against one provider, with each seed; a peer that fails is left out."""
    finishes: dict[Contestant, list[Finish]] = {}
    with databases(study) as database:
        ready = taking_part(study, provider, has_postgres=database is not None, only=only)
        for seed in scenario.seeds:
            for index, contestant in enumerate(ready):
                with tempfile.TemporaryDirectory() as folder:
                    name = f"race_{seed}_{index}"
                    conninfo = database(name) if contestant.needs == "procrastinate" else ""
                    kind = PROVIDERS[provider](Path(folder))
                    run = Run(contestant, kind, scenario, seed, Path(folder), conninfo)
                    try:
                        finish = asyncio.run(run.finish())
                    except RuntimeError as problem:  # a peer must not end the race
                        if contestant.name == OURS:
                            raise
                        study.left_out[f"{contestant.name}, {provider}, seed {seed}"] = str(problem)
                        continue
                    print(provider, seed, contestant.name, finish, flush=True)
                    finishes.setdefault(contestant, []).append(finish)
    return finishes


def main() -> None:
    """Run, show and keep."""
    options = arguments(
        __doc__, rounds=0, only=("", "only contestants whose name has this in it"),
        provider=("", "sandbox or localstripe; both without"),
    )  # fmt: skip
    scenario = Scenario(
        **tomllib.loads((CONTESTANTS / "scenario.toml").read_text(encoding="utf-8"))
    )
    if options.quick:
        scenario = attrs.evolve(scenario, orders=40, client_kills=2, server_kills=1, seeds=[1])
    study = Study("durability", "Is each invoice there exactly once, though both sides are killed?")
    study.settings |= {
        "at once": scenario.at_once,
        "responses lost": f"1 of {scenario.lost_of}",
        "kills of the client": scenario.client_kills,
        "kills of the server": scenario.server_kills,
    }
    for provider in PROVIDERS:
        if (options.provider or provider) == provider:
            # A run where nothing is killed shows what lost responses alone cost in requests.
            calm = attrs.evolve(scenario, client_kills=0, server_kills=0, seeds=scenario.seeds[:1])
            race(study, provider, calm, only=options.only or "")
            race(study, provider, scenario, only=options.only or "")
    study.close(quick=options.quick or bool(options.only or options.provider))


if __name__ == "__main__":
    main()
