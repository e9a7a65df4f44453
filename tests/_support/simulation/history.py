"""What happened in a simulation, and what may not have: a judge that knows nothing of the code.

A history lists in the order of time what the job began and how that ended in its eyes, what the
provider carried out, and what it showed. The judge is a pure function of a history, of what was
planned, and of what the job says in the end. A request without a known end stays open for ever, as
in Jepsen: its effect may come at any later time.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import attrs

__all__ = [
    "CREATED",
    "DELETED",
    "LOCKED",
    "Event",
    "Kind",
    "Violation",
    "Write",
    "hash_of",
    "judge",
]

Kind: TypeAlias = Literal["start", "invoke", "ok", "fail", "info", "effect", "shown"]

CREATED: Final = "invoice"
"""The register of an effect that created an invoice; its value is the invoice's id."""

DELETED: Final = "deleted"
"""The field of an invoice that an effect which deleted it sets."""

LOCKED: Final = "locked"
"""The field that another program sets when it closes an invoice to changes."""

_STRANGER: Final = "*"
_START: Final = "^"
_UNFINISHED: Final = frozenset({"planned", "in_flight"})


@attrs.frozen(slots=True)
class Event:
    """One thing that happened.

    Attributes:
        at: seconds since the start.
        kind: ``invoke``, ``ok``, ``fail`` or ``info`` of a request of the job; ``effect`` of one
            at the provider; ``shown`` for what a read brought; ``start`` for what was there before.
        request: the job's request; 0 where another program wrote, or for a read.
        writes: the planned writes that it is about.
        values: registers (an invoice and a field) and their values; of a created invoice, its id.
    """

    at: float
    kind: Kind
    request: int
    writes: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True, slots=True)
class Write:
    """One planned write.

    Attributes:
        operation: ``create``, ``update`` or ``delete``.
        values: the registers that an update or a delete sets.
        bad: whether the provider has to refuse it.
        blind: whether no read can show it, so that it may stay unknown.
    """

    operation: Literal["create", "update", "delete"]
    values: tuple[tuple[str, str], ...] = ()
    bad: bool = False
    blind: bool = False


@attrs.frozen(slots=True)
class Violation:
    """One thing that must not happen.

    Attributes:
        kind: ``lost``, ``doubled``, ``wrongly rejected``, ``stale``, ``reordered`` and others.
        write: the planned write.
        why: what was seen.
    """

    kind: str
    write: str
    why: str


def hash_of(history: Iterable[Event]) -> str:
    """Return the SHA-256 of a history, in hex."""
    digest = hashlib.sha256()
    for each in history:
        digest.update(repr(attrs.astuple(each)).encode())
    return digest.hexdigest()


def judge(
    history: Sequence[Event],
    writes: Mapping[str, Write],
    verdicts: Mapping[str, str],
    *,
    lag_s: float = 3.0,
) -> list[Violation]:
    """List all that must not have happened.

    Args:
        history: what happened, in the order of time.
        writes: what was planned, in the order of the plan.
        verdicts: the state that the job says each write is in.
        lag_s: how old a read may be.
    """
    requests = _Requests(history)
    found = requests.odd()
    effects = Counter(name for event in history if event.kind == "effect" for name in event.writes)
    registers = _Registers(history, writes, requests)
    found += registers.odd(lag_s)
    for name, write in writes.items():
        times = effects[name]
        if write.operation == "create" and times > 1:
            found.append(Violation("doubled", name, f"{times} invoices were created"))
        if name not in verdicts:
            found.append(Violation("lost", name, "the job does not know it"))
        elif verdicts[name] == "rejected":
            if times:
                found.append(Violation("wrongly rejected", name, "it was carried out"))
            elif not any(
                writes[each].bad or registers.closed(each) for each in requests.together(name)
            ):
                found.append(Violation("wrongly rejected", name, "nothing was wrong with it"))
        else:
            found += _misjudged(name, write, verdicts[name], times, requests, registers)
    return found


def _misjudged(
    name: str,
    write: Write,
    verdict: str,
    times: int,
    requests: _Requests,
    registers: _Registers,
) -> Iterator[Violation]:
    """List what is wrong about a verdict other than a refusal."""
    if verdict == "committed" and not registers.has_all(name, times):
        yield Violation("lost", name, "committed, and never carried out")
    if verdict in _UNFINISHED or (verdict == "unknown" and not write.blind):
        yield Violation("left open", name, verdict)
    if verdict == "doubled" and times < 2:
        yield Violation("false alarm", name, "it is there once")
    together = requests.together(name)
    if verdict == "conflict" and not registers.foreign(together):
        yield Violation("false alarm", name, "no other program wrote to it")


class _Requests:
    """The requests of the job: what they were about, and how they ended."""

    def __init__(self, history: Sequence[Event]) -> None:
        self.began: dict[int, Event] = {}
        self.ended: dict[int, Event] = {}
        self.of_write: dict[str, list[int]] = defaultdict(list)
        self._odd: list[Violation] = []
        self._effects: dict[int, list[Event]] = defaultdict(list)
        for event in history:
            if event.kind == "invoke":
                self.began[event.request] = event
                for name in event.writes:
                    self.of_write[name].append(event.request)
            elif event.kind == "effect" and event.request:
                self._effects[event.request].append(event)
                if event.request not in self.began:
                    self._blame("out of order", event, "carried out before it was begun")
            elif event.kind in {"ok", "fail", "info"}:
                if event.request not in self.began or event.request in self.ended:
                    self._blame("out of order", event, "a request ended that was not under way")
                self.ended[event.request] = event

    def _blame(self, kind: str, event: Event, why: str) -> None:
        self._odd += [Violation(kind, name, why) for name in event.writes]

    def odd(self) -> list[Violation]:
        """List requests whose end is not what happened at the provider."""
        for request, end in self.ended.items():
            effects = self._effects[request]
            if end.kind == "fail" and effects:
                self._blame("wrongly failed", end, "said to have done nothing, and carried out")
            elif end.kind == "ok":
                done = {name for each in effects if each.at <= end.at for name in each.writes}
                self._odd += [
                    Violation("lost", name, "said to be carried out before it was")
                    for name in end.writes
                    if name not in done
                ]
        return self._odd

    def together(self, name: str) -> set[str]:
        """Return the writes that shared a request with one, itself included."""
        return {name}.union(*(self.began[each].writes for each in self.of_write[name]))


class _Registers:
    """What each field of each invoice went through."""

    def __init__(
        self, history: Sequence[Event], writes: Mapping[str, Write], requests: _Requests
    ) -> None:
        self._requests = requests
        self._writes = writes
        self._order = {name: place for place, name in enumerate(writes)}
        # For each register: when, by whom, which request, what value.
        self._changes: dict[str, list[tuple[float, str, int, str]]] = defaultdict(list)
        self._shown: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self._foreign: set[str] = set()
        self._touched: set[str] = set()
        self._created: dict[str, list[str]] = defaultdict(list)
        author = {pair: name for name, each in writes.items() for pair in each.values}
        self._wrong_values: list[Violation] = []
        for event in history:
            for register, value in event.values:
                if event.kind == "shown":
                    self._shown[register].append((event.at, value))
                elif event.kind == "start":
                    self._changes[register].append((event.at, _START, 0, value))
                elif not event.request:
                    self._foreign.add(register)
                    self._touched.add(register.rpartition(".")[0])
                    self._changes[register].append((event.at, _STRANGER, 0, value))
                elif register == CREATED:
                    for name in event.writes:
                        self._created[name].append(value)
                else:
                    name = author.get((register, value))
                    if name is None or name not in event.writes:
                        why = f"{register} became {value}"
                        self._wrong_values.append(Violation("altered", str(event.writes), why))
                    else:
                        self._changes[register].append((event.at, name, event.request, value))

    def has_all(self, name: str, effects: int) -> bool:
        """Tell whether a write was carried out in all its fields."""
        write = self._writes[name]
        if write.operation == "create":
            return effects > 0
        return all(
            any(each[3] == value for each in self._changes[register])
            for register, value in write.values
        )

    def foreign(self, names: Iterable[str]) -> bool:
        """Tell whether another program wrote to what these writes are about."""
        return any(
            register in self._foreign for name in names for register, _ in self._writes[name].values
        ) or any(
            self.closed(name) or self._touched.intersection(self._created[name]) for name in names
        )

    def closed(self, name: str) -> bool:
        """Tell whether a write of another program leaves its invoice closed to this one."""
        keys = {register.rpartition(".")[0] for register, _ in self._writes[name].values}
        return any(f"{key}.{each}" in self._foreign for key in keys for each in (DELETED, LOCKED))

    def odd(self, lag_s: float) -> list[Violation]:
        """List values that were brought back, that came in the wrong order, or were never there."""
        found = self._wrong_values
        for register, changes in self._changes.items():
            found += self._judge(register, changes)
            found += self._misread(register, changes, lag_s)
        return found

    def _judge(self, register: str, changes: list[tuple[float, str, int, str]]) -> list[Violation]:
        found = []
        last: dict[str, int] = {}
        newest = ("", -1)
        for place, (_, name, request, _) in enumerate(changes):
            if name not in self._order:
                continue
            if name in last and any(each[1] != name for each in changes[last[name] : place]):
                found.append(Violation("stale", name, f"{register} got its old value back"))
            if self._order[name] < newest[1]:
                why = f"{register} was set after {newest[0]}, which was planned later"
                found.append(Violation("reordered", name, why))
            newest = max(newest, (name, self._order[name]), key=lambda each: each[1])
            if self._overwrote(register, changes[:place], name, request):
                why = f"{register} had another program's value, and the job had seen it"
                found.append(Violation("stale", name, why))
            last[name] = place
        return found

    def _overwrote(
        self,
        register: str,
        before: list[tuple[float, str, int, str]],
        name: str,
        request: int,
    ) -> bool:
        """Tell whether a repeated request ignores what a read showed since the first one."""
        first = self._requests.began[self._requests.of_write[name][0]]
        again = self._requests.began.get(request)
        if again is None or again.request == first.request:
            return False
        shown = [v for at, v in self._shown[register] if first.at < at <= again.at]
        strange = {value for at, who, _, value in before if who == _STRANGER and at > first.at}
        return bool(shown) and shown[-1] in strange

    def _misread(
        self, register: str, changes: list[tuple[float, str, int, str]], lag_s: float
    ) -> list[Violation]:
        times = [each[0] for each in changes]
        found = []
        for at, value in self._shown[register]:
            oldest = max(bisect_right(times, at - lag_s) - 1, 0)
            if changes[0][1] != _START and times[0] > at - lag_s:
                continue  # It was created by the job, with a value that is not in the history.
            if value not in {each[3] for each in changes[oldest : bisect_right(times, at)]}:
                found.append(Violation("misread", register, f"{value} was shown at {at:.1f} s"))
        return found
