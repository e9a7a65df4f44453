"""One world of a seed: a provider, a job that is killed and run again, and the verdict on both.

First comes chaos: faults, kills, interrupts, clocks that jump, another program that writes. Then
all that stops, and the job is run until nothing is left to do. What is wrong afterwards, or was
wrong on the way, is in the result.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import attrs

from _support.simulation.history import (
    CREATED,
    DELETED,
    LOCKED,
    Event,
    Violation,
    Write,
    hash_of,
    judge,
)
from _support.simulation.kernel import Kernel, Process, SimulatedBackend, suspend
from _support.simulation.ledger import WatchedLedger
from _support.simulation.provider import (
    ALTERATIONS,
    BREACHES,
    KEPT,
    LAG_S,
    LATEST_S,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    TENANT,
    WRITE_FAULTS,
    Exante,
    Kukkingu,
    Provider,
)
from billingual import UNSET, AsyncClient, AsyncJob, Changes, Draft, Money, UsageError
from billingual.jobs import Create, Delete, Report, SqliteLedger, State, Update

__all__ = ["Operation", "Options", "Result", "simulate"]

Operation: TypeAlias = Literal["create", "update", "delete", "beyond"]
"""What the job does. ``delete`` has updates too, and ``beyond`` are creates under a breach of what
a job takes for granted: it may go wrong, and the job has to tell."""

PlannedWrite: TypeAlias = Create | Update | Delete

_FIRST: Final = datetime(2027, 1, 1, tzinfo=UTC)
_BAD: Final = datetime(2099, 1, 1, tzinfo=UTC)
_CALM_RUNS: Final = 12
_FORMATS: Final = {"exante": "%Y-%m-%dT%H:%M:%SZ", "kukkingu": "%Y-%m-%dT%H:%M:%S.000Z"}


@attrs.frozen(kw_only=True)
class Options:
    """How a job is run; the defaults are right, and a planted bug makes one wrong.

    Attributes:
        late_arrival_s: as little as what the network does allows.
        organization: whose list is looked into; None leaves it to the provider.
        open_ledger: opens the file of the job; the second argument says if it is shared.
        shared: two processes work on one ledger; None lets chance decide.
        strangers: seconds between two writes of another program; None lets chance decide.
        crashes: how many there may be; None for as many as suit the amount.
        bad: the share of writes that meet a fault; None lets chance decide.
        faults: those; None for as many of them as chance picks.
        life_s: seconds after which a process ends, on the average.
        stalls: the probability that a thread stalls for minutes after a step of the ledger.
    """

    late_arrival_s: float = LATEST_S + LAG_S + 1.0
    organization: str | None = ORGANIZATION
    open_ledger: Callable[[Path, bool], Any] = lambda path, shared: SqliteLedger(
        path, shared=shared
    )
    shared: bool | None = None
    strangers: float | None = None
    crashes: int | None = None
    bad: float | None = None
    faults: tuple[str, ...] | None = None
    life_s: float = 200.0
    stalls: float = 0.0005


@attrs.frozen(kw_only=True)
class Result:
    """What became of a world.

    Attributes:
        violations: what must not have happened.
        history: all that happened.
        verdicts: the state of each write in the end.
        crashes: processes that were killed or interrupted.
        errors: those that a run ended with.
        requests: requests and looks of the jobs.
        met: faults of writes.
        virtual_s: seconds that went by in it.
        steps: how often a task was stepped, or something else happened.
        processes: how many worked at once.
    """

    seed: str
    violations: list[Violation]
    history: list[Event]
    verdicts: dict[str, str]
    crashes: int
    errors: list[str]
    requests: int
    met: dict[str, int]
    virtual_s: float
    steps: int
    processes: int

    @property
    def hash(self) -> str:
        """The SHA-256 of the history."""
        return hash_of(self.history)


def simulate(
    seed: str,
    place: Path,
    *,
    provider: str,
    operation: Operation,
    amount: int,
    options: Options | None = None,
) -> Result:
    """Run one world.

    Args:
        seed: what chance starts from; the same seed is the same world.
        place: a directory for the ledger.
        provider: ``exante`` or ``kukkingu``.
        operation: what the job does.
        amount: how many writes are planned.
        options: how the job is run.
    """
    world = _World(
        seed=seed,
        path=place / "job.db",
        name=provider,
        operation=operation,
        amount=amount,
        options=options or Options(),
    )
    return world.run()


@attrs.define(eq=False, kw_only=True)
class _World:
    seed: str
    path: Path
    name: str
    operation: Operation
    amount: int
    options: Options
    kernel: Kernel = attrs.field(init=False)
    provider: Provider = attrs.field(init=False)
    chance: random.Random = attrs.field(init=False)
    history: list[Event] = attrs.field(factory=list)
    writes: dict[str, Write] = attrs.field(factory=dict)
    planned: list[PlannedWrite] = attrs.field(factory=list)
    calm: bool = False
    calm_runs: int = 0
    crashes: int = 0
    most_crashes: int = 0
    shared: bool = False
    bisect: bool = False
    running: dict[str, Any] = attrs.field(factory=dict)
    processes: list[Process] = attrs.field(factory=list)
    is_planned: bool = False
    over: bool = False
    disputed: dict[str, str] = attrs.field(factory=dict)
    told: dict[str, str] | None = None
    failing: float = 0.0
    sole_writer: bool = False
    errors: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.kernel = Kernel(f"{self.seed}/steps")
        self.chance = chance = random.Random(f"{self.seed}/plan")  # noqa: S311 - seeded
        made = Exante if self.name == "exante" else Kukkingu
        unique = chance.random() < (0.2 if self.name == "exante" else 0.7)
        self.provider = made(self.kernel, self.history.append, unique=unique)
        # Where all faults happen in each world, none happens often.
        bad, most = chance.choice((0.1, 0.4, 0.4, 0.6)), len(WRITE_FAULTS)
        faults = chance.sample(WRITE_FAULTS, chance.randint(3, most))
        self.provider.bad = bad if self.options.bad is None else self.options.bad
        self.provider.faults = self.options.faults or tuple(faults)
        self.provider.lenient = chance.random() < 0.5
        self.failing = chance.choice((0.0, 0.002))
        if self.operation == "create" and chance.random() < 0.1:
            self.provider.alters, self.provider.unique = chance.choice(ALTERATIONS), False
        self.sole_writer = self.operation == "update" and chance.random() < 0.2
        wanted = self.options.shared
        self.shared = chance.random() < 0.15 if wanted is None else wanted
        self.bisect = chance.random() < 0.7
        most = self.options.crashes
        self.most_crashes = 2 + self.amount // 40 if most is None else most

    def run(self) -> Result:
        """Live through it, and judge."""
        if self.operation in {"create", "beyond"}:
            self._plan_creates()
        else:
            self._plan_updates()
        if self.operation == "beyond":
            self._break_a_condition()
        elif not self.sole_writer and not self.provider.alters:
            self._let_another_program_write()
        self._let_lists_go_blind()
        self._let_tokens_expire()
        self._begin("one")
        if self.shared:
            self.kernel.at(self.chance.uniform(0.1, 30.0), lambda: self._begin("two"))
        try:
            self.kernel.run(lambda: self.over)
        finally:
            for process in self.processes:
                process.ended = lambda _: None
                process.kill()
        # What is still under way in the network arrives now, or never.
        until = self.kernel.now + 2 * LATEST_S
        late = []
        self.kernel.at(until, lambda: late.append(until))
        self.kernel.run(lambda: bool(late))
        return self._judged()

    # The plan

    def _due(self, number: int) -> datetime:
        return _FIRST + timedelta(seconds=number)

    def _written(self, when: datetime) -> str:
        return when.strftime(_FORMATS[self.name])

    def _plan_creates(self) -> None:
        chance = self.chance
        groups = max(self.amount // 12, 2)
        for each in range(groups):
            if chance.random() < 0.95:
                self._keep_old(each)
        seen = set(self.provider.groups)
        for number in range(self.amount):
            group = self._group(chance.randrange(groups))
            bad, payable = chance.random() < 0.02, chance.random() < 0.03
            payable = payable and self.name == "exante" and self.operation == "create"
            name = f"N-{number:06d}"
            draft = self._draft(name, group, _BAD if bad else self._due(number), payable=payable)
            if chance.random() < 0.1:
                # The job chooses its number, and has to keep to it.
                draft = attrs.evolve(draft, number=UNSET)
            blind = (
                payable
                or bool(self.provider.alters)
                or (self.name == "exante" and group not in seen)
            )
            self.writes[name] = Write(operation="create", bad=bad, blind=blind)
            self.planned.append(Create(draft=draft, id=name))

    def _group(self, number: int) -> str:
        if self.name == "exante":
            return f"20000000-0000-4000-8000-{number:012d}"
        return f"ctr_{number:024d}"

    def _keep_old(self, number: int) -> None:
        """Keep an invoice of long ago, in the organization and in another one."""
        given = self._place(number)
        self.provider.stored(given, f"OLD-{number}", at=-1e6)
        if self.name == "exante":
            self.provider.stored(given, f"OLD-{number}", OTHER_ORGANIZATION, at=-1e6)

    def _place(self, number: int) -> dict[str, Any]:
        """Return what the provider needs to keep an invoice under a counterparty or contract."""
        group = self._group(number)
        if self.name == "exante":
            return {"target_party_uid": group, "due_date": "2020-01-01T00:00:00Z"}
        return {
            "contractId": group,
            "dueAt": "2020-01-01T00:00:00.000Z",
            "amountMinor": 1,
            "currencyCode": "EUR",
            "exchangeRate": 1,
        }

    def _break_a_condition(self) -> None:
        self.shared = False
        self.provider.unique = False
        self.provider.breaches = frozenset(self.chance.sample(BREACHES, self.chance.randint(1, 2)))

        def delete() -> None:
            new = [
                key
                for key, each in self.provider.invoices.items()
                if each.times[0] > 0 and not each.is_gone
            ]
            if new and not self.calm:
                self.provider.delete(self.kernel.chance.choice(new), 0)
                self._in(100.0, delete)

        if "deleted" in self.provider.breaches:
            self._in(100.0, delete)
        if "restored" in self.provider.breaches:
            self._in(100.0, lambda: self.calm or self.provider.restore(60.0))

    def _draft(self, number: str, group: str, due: datetime, *, payable: bool) -> Draft:
        if self.name == "kukkingu":
            return Draft(
                number=number, document=group, exchange_rate="1.25", due_at=due,
                total=Money.of("12.34", "EUR"),
            )  # fmt: skip
        more: dict[str, Any] = {"issued_at": self._due(0)} if self.chance.random() < 0.3 else {}
        if payable:
            more["kind"] = "payable"
        return Draft(
            number=number, counterparty=group, owner=self._group(9), document=self._group(8),
            due_at=due, **more,
        )  # fmt: skip

    def _plan_updates(self) -> None:
        chance = self.chance
        keys: list[str] = []
        values: list[tuple[str, str]] = []
        for number in range(max(self.amount // chance.choice((2, 4, 10, 40)), 2)):
            old = self._written(self._due(-1000 - number))
            wire = self.provider.fields
            given = {**self._place(number), wire["due_at"]: old, wire["paid_at"]: old}
            key = self.provider.stored(given, f"O-{number}", at=-1e6)
            keys.append(key)
            values += [(f"{key}.{field}", old) for field in wire]
        self.history.append(Event(-1e6, "start", 0, (), tuple(values)))
        for number in range(self.amount):
            key, name = chance.choice(keys), f"U-{number:06d}"
            if self.operation == "delete" and len(keys) > 1 and chance.random() < 0.4:
                self._plan_delete(keys, key, name)
                continue
            bad = chance.random() < 0.004
            fields = chance.choice((("due_at",), ("paid_at",), ("due_at", "paid_at")))
            given_at: dict[str, Any] = {
                each: self._due(10 * number + place) for place, each in enumerate(fields)
            }
            if bad:
                given_at["due_at"] = _BAD
            self.writes[name] = Write(
                operation="update",
                values=tuple(
                    (f"{key}.{field}", self._written(when)) for field, when in given_at.items()
                ),
                bad=bad,
            )
            self.planned.append(Update(invoice_id=key, changes=Changes(**given_at), id=name))

    def _plan_delete(self, keys: list[str], key: str, name: str) -> None:
        keys.remove(key)  # Nothing is planned for it afterwards.
        bad = self.chance.random() < 0.02
        if bad:
            self.provider.invoices[key].records[-1]["status"] = KEPT
        value = (f"{key}.{DELETED}", "yes")
        self.writes[name] = Write(operation="delete", values=(value,), bad=bad)
        self.planned.append(Delete(invoice_id=key, id=name))

    def _let_another_program_write(self) -> None:
        numbers = iter(range(10**9))
        provider, chance = self.provider, self.kernel.chance
        mean_s = self.options.strangers or self.chance.choice((5.0, 30.0, 200.0))
        if self.operation == "create":
            mean_s *= 10

        def write() -> None:
            if self.calm:
                return
            keys = [key for key, each in provider.invoices.items() if not each.is_gone]
            self._in(mean_s, write)
            if not keys:
                return
            key, number = chance.choice(keys), next(numbers)
            fields = chance.choice((("due_at",), ("paid_at",), ("due_at", "paid_at")))
            if self.operation == "create":
                fields = ("due_at",)
            value = self._written(self._due(10**8 + number))
            if self.operation == "delete" and chance.random() < 0.1:
                provider.delete(key, 0)
            elif self.name == "kukkingu" and chance.random() < 0.05:
                provider.change(key, {"status": chance.choice(("FINALIZED", "VOID"))})
                locked = ((f"{key}.{LOCKED}", "yes"),)
                self.history.append(Event(self.kernel.now, "effect", 0, (), locked))
            else:
                provider.changed(0, [(key, {provider.fields[each]: value for each in fields})])

        self._in(mean_s, write)

    def _let_lists_go_blind(self) -> None:
        def go_blind() -> None:
            if not self.calm:
                self.provider.blind_until = self.kernel.now + self.kernel.chance.uniform(5.0, 200.0)
                self._in(500.0, go_blind)

        self._in(500.0, go_blind)

    def _let_tokens_expire(self) -> None:
        def expire() -> None:
            if not self.calm:
                self.provider.closed_until = self.kernel.now + self.kernel.chance.uniform(0.1, 30.0)
                self._in(1000.0, expire)

        self._in(1000.0, expire)

    def _in(self, mean_s: float, call: Callable[[], None]) -> None:
        self.kernel.at(self.kernel.now + self.kernel.chance.expovariate(1 / mean_s), call)

    # Processes

    def _begin(self, slot: str) -> None:
        if self.over:
            return
        chance = self.kernel.chance
        process = Process(
            f"{slot}-{len(self.processes) + 1}", self.kernel, lambda each: self._ended(slot, each)
        )
        self.processes.append(process)
        if not self.calm and not self.shared and chance.random() < 0.1:
            process.clock_off_s = chance.choice((-3600.0, 3600.0))
        deadly = 0.0
        if not self.calm:
            process.stalls = self.options.stalls
        if not self.calm and self.crashes < self.most_crashes:
            deadly = 0.002
            end = process.kill if chance.random() < 0.6 else process.interrupt
            self._in(self.options.life_s, end)
        process.start(self._program(process, deadly))

    async def _program(self, process: Process, deadly: float) -> Report:
        ledger = self.options.open_ledger(self.path, self.shared)
        self.running[process.name] = ledger
        scope = (
            {"organization": self.options.organization}
            if self.name == "exante"
            else {"tenant": TENANT}
        )
        client = AsyncClient(
            self.name,
            transport=self.provider,
            backend=SimulatedBackend(process),
            **scope,
        )
        job = AsyncJob.open(
            WatchedLedger(
                ledger, process, self.history.append, deadly, 0.0 if self.calm else self.failing
            ),
            client,
            late_arrival_s=self.options.late_arrival_s,
            bisect=self.bisect,
            sole_writer=self.sole_writer,
            shared=self.shared,
        )
        if not self.is_planned or self.kernel.chance.random() < 0.1:
            await job.plan(self.planned)
            self.is_planned = True
        async for entry in job.entries(state=State.CONFLICT):
            with suppress(UsageError):  # decided in the other process meanwhile
                await job.resolve(entry.id, "abandoned", by="anna", note="the other one is right")
        report = await job.run(concurrency=self.kernel.chance.choice((1, 2, 4, 8)))
        ends = self._has_ended(report) or self.calm_runs == _CALM_RUNS
        if not self.shared and ends:
            # The job's own comparison with the provider has to come to the same verdict.
            self._calm_down()
            late_s = 10 * LATEST_S if self.operation == "beyond" else 0.0
            await suspend(self.kernel.now + late_s + 2 * LAG_S)
            verification = await job.verify(concurrency=4)
            self.disputed = dict(verification.wrong)
            self.told = self.disputed | dict(verification.unchecked)
        return report

    def _ended(self, slot: str, process: Process) -> None:
        """Begin again, until nothing is left to do."""
        main = process.tasks[0]
        ledger = self.running.pop(process.name, None)
        if ledger is not None:
            ledger.close()
        if main.error is not None and isinstance(main.error, Exception):
            self.errors.append(f"{type(main.error).__name__}: {main.error}")
        chance = self.kernel.chance
        wait_s = chance.uniform(0.0, 20.0)
        if main.value is None:
            self.crashes += main.error is None or not isinstance(main.error, Exception)
            if not self.shared and chance.random() < 0.05:
                wait_s = chance.uniform(7200.0, 20_000.0)
        else:
            report: Report = main.value
            if self._has_ended(report):
                if not self.running:
                    self.over = True
                return
            self._calm_down()
            wait_s = 2 * LATEST_S
        if len(self.processes) > 40 + 3 * self.most_crashes:
            self._calm_down()
        if self.calm_runs > _CALM_RUNS:
            self.over = True
            return
        self.kernel.at(self.kernel.now + wait_s, lambda: self._begin(slot))

    def _has_ended(self, report: Report) -> bool:
        open_ = [each.id for each in (*report.planned, *report.unknown)]
        return not report.conflict and all(self.writes[each].blind for each in open_)

    def _calm_down(self) -> None:
        self.calm = True
        self.calm_runs += 1
        self.provider.bad = self.provider.bad_reads = 0.0
        self.provider.blind_until = self.provider.closed_until = -1.0

    # The verdict

    def _judged(self) -> Result:
        ledger = SqliteLedger(self.path)
        try:
            entries = ledger.entries((), 0, self.amount + 1)
            requests = {each for entry in entries for each in ledger.requests(entry.id)}
        finally:
            ledger.close()
        verdicts = {entry.id: entry.state.value for entry in entries}
        history = list(self._named({entry.number: entry.id for entry in entries}))
        if self.operation == "beyond":
            violations = list(self._untold({each.id: each.number for each in entries}, verdicts))
        else:
            violations = judge(history, self.writes, verdicts, lag_s=LAG_S + 0.5)
            violations += self._disputes({each.id: each.invoice_id for each in entries})
        return Result(
            seed=self.seed,
            violations=violations,
            history=history,
            verdicts=verdicts,
            crashes=self.crashes,
            errors=self.errors,
            requests=len({each.id for each in requests}),
            met=dict(self.provider.met),
            virtual_s=self.kernel.now,
            steps=self.kernel.steps,
            processes=2 if self.shared else 1,
        )

    def _disputes(self, made: Mapping[str, str | None]) -> Iterator[Violation]:
        """List what the job finds wrong in the end, though no other program changed it."""
        if self.provider.alters:
            return
        changed = {
            register.rpartition(".")[0]
            for event in self.history
            if event.kind == "effect" and not event.request
            for register, _ in event.values
        }
        for name, why in self.disputed.items():
            if made[name] not in changed:
                yield Violation("disputed", name, why)

    def _untold(
        self, numbers: Mapping[str, str | None], verdicts: Mapping[str, str]
    ) -> Iterator[Violation]:
        """List the creates that are not as the job says, and of which it does not say so."""
        if self.told is None:
            yield Violation("left open", "all", "the job was never compared with the provider")
            return
        there = Counter(
            str(each.records[-1].get("invoice_number", each.records[-1].get("invoiceNumber")))
            for each in self.provider.invoices.values()
            if not each.is_gone
        )
        for name in self.writes:
            if name not in verdicts:
                yield Violation("lost", name, "the job does not know it")
                continue
            wanted, found = int(verdicts[name] == "committed"), there[str(numbers[name])]
            if found != wanted and name not in self.told:
                yield Violation("untold", name, f"{verdicts[name]}, and there {found} times")

    def _named(self, numbers: Mapping[str | None, str]) -> Iterator[Event]:
        """Give each effect the names of the writes that asked for it."""
        author = {pair: name for name, each in self.writes.items() for pair in each.values}
        for event in self.history:
            if event.kind != "effect" or not event.request:
                yield event
            elif event.values[0][0] == CREATED:
                yield attrs.evolve(event, writes=tuple(numbers.get(n, n) for n in event.writes))
            else:
                names = {author[pair]: None for pair in event.values if pair in author}
                yield attrs.evolve(event, writes=tuple(names))
