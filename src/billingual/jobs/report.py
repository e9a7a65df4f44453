"""What became of the writes of a job, and its progress while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import attrs

from billingual.jobs.entry import Entry, State

if TYPE_CHECKING:
    from billingual.jobs.ledger import Ledger

__all__ = ["PROGRESS_EVERY_S", "Progress", "Report", "named_with_reasons", "report_of"]

PROGRESS_EVERY_S: Final = 0.1
_SHOWN: Final = 100
_READ_AT_ONCE: Final = 1000

_MEANING: Final[Mapping[State, str]] = {
    State.PLANNED: "to be sent: run the job again",
    State.IN_FLIGHT: "on its way",
    State.UNKNOWN: "may have been carried out: run the job again, or look at the provider",
    State.REJECTED: "refused by the provider",
    State.CONFLICT: "the provider shows something else: look at it, then resolve the entry",
    State.DOUBLED: "it is there more than once: look at it, then resolve the entry",
    State.ABANDONED: "given up by a person",
}


@attrs.frozen(kw_only=True)
class Progress:
    """How far a running job is; given to ``on_progress`` after each request.

    Attributes:
        total: entries in the ledger.
        counts: entries in each state.
        requests: requests and looks of this run.
        resent: requests of this run that repeated an earlier one.
        elapsed_s: seconds since the run began.
        settled: entries that this run settled.
    """

    total: int
    counts: Mapping[State, int] = attrs.field(hash=False)
    requests: int
    resent: int
    elapsed_s: float
    settled: int

    @property
    def done(self) -> int:
        """Entries that need no more work of the job."""
        return self.total - sum(
            self.counts.get(each, 0) for each in (State.PLANNED, State.IN_FLIGHT, State.UNKNOWN)
        )

    @property
    def per_second(self) -> float:
        """Entries settled in a second, on the average of this run."""
        return self.settled / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at that pace; None while it cannot be told."""
        pace = self.per_second
        return (self.total - self.done) / pace if pace else None


@attrs.frozen(kw_only=True)
class Report:
    """What became of every write of a job.

    ``print(report)`` shows the counts and each entry that is not committed, by name.

    Attributes:
        total: entries in the ledger.
        counts: entries in each state; a state without entries is left out.
        adopted: committed entries that had an unclear request: a look at the provider found them.
        unfinished: the entries that are not committed, in the order of the plan, without their
            bodies; :meth:`~billingual.jobs.AsyncJob.entries` has them.
        note: what a person should know about how the ledger is kept, or which options the job has
            now that it had not before; None if there is nothing.
    """

    total: int
    counts: Mapping[State, int] = attrs.field(hash=False)
    adopted: int
    unfinished: tuple[Entry, ...]
    note: str | None = None

    @property
    def committed(self) -> int:
        """How many writes the provider carried out, each once."""
        return self.counts.get(State.COMMITTED, 0)

    @property
    def rejected(self) -> tuple[Entry, ...]:
        """Those that the provider refused; ``reason`` says why."""
        return self._in(State.REJECTED)

    @property
    def conflict(self) -> tuple[Entry, ...]:
        """Those where the provider shows something that the write did not make."""
        return self._in(State.CONFLICT)

    @property
    def doubled(self) -> tuple[Entry, ...]:
        """Those that the provider shows more than once."""
        return self._in(State.DOUBLED)

    @property
    def unknown(self) -> tuple[Entry, ...]:
        """Those that may have been carried out."""
        return self._in(State.UNKNOWN, State.IN_FLIGHT)

    @property
    def planned(self) -> tuple[Entry, ...]:
        """Those that are to be sent: earlier requests did nothing, or a key makes another safe."""
        return self._in(State.PLANNED)

    @property
    def complete(self) -> bool:
        """Whether every write is committed."""
        return self.committed == self.total

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do or to look at; refused and given-up writes are settled."""
        return not any(
            self.counts.get(each)
            for each in (
                State.PLANNED,
                State.IN_FLIGHT,
                State.UNKNOWN,
                State.CONFLICT,
                State.DOUBLED,
            )
        )

    def _in(self, *states: State) -> tuple[Entry, ...]:
        return tuple(each for each in self.unfinished if each.state in states)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from billingual.model._html import facts_table, plain_table  # noqa: PLC0415 - of notebooks

        counts = [(state.value, self.counts.get(state)) for state in State]
        told = facts_table(
            f"{self.committed:,} of {self.total:,} writes are committed",
            [*counts, ("found by a look at the provider", self.adopted or None), ("", self.note)],
        )
        rows = [
            (each.id, each.state.value, _MEANING[each.state], each.reason)
            for each in self.unfinished[:_SHOWN]
        ]
        if rows:
            more = len(self.unfinished) - len(rows)
            caption = f"{more:,} more: export the job to see them all" if more else ""
            told += plain_table(("entry", "state", "meaning", "reason"), rows, caption)
        return told

    def __str__(self) -> str:
        """Tell it to a person."""
        lines = [f"{self.committed:,} of {self.total:,} writes are committed"]
        if self.adopted:
            lines[0] += f" ({self.adopted:,} of them found by a look at the provider)"
        lines[0] += "."
        for state, meaning in _MEANING.items():
            those = self._in(state)
            if not those:
                continue
            lines.append(f"{len(those):,} {state.value} ({meaning}):")
            lines += [
                f"  {entry}: {why}" if why else f"  {entry}"
                for entry, why in named_with_reasons(those[:_SHOWN])
            ]
            if len(those) > _SHOWN:
                lines.append(f"  and {len(those) - _SHOWN:,} more: export the job to see them all")
        if self.note:
            lines.append(self.note)
        return "\n".join(lines)


def named_with_reasons(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Give the id of each entry, and why it is in its state.

    A batch that was refused has one long reason a hundred times: it is told once in a row.
    """
    last = None
    for each in entries:
        yield each.id, "the same" if each.reason and each.reason == last else each.reason or ""
        last = each.reason


def report_of(ledger: Ledger) -> Report:
    """Read a report from a ledger."""
    counts = ledger.counts()
    unfinished: list[Entry] = []
    # A stopped job may have all of its entries here, and what was refused is often refused for one
    # reason.
    reasons: dict[str | None, str | None] = {}
    blocking: dict[str, str] = {}
    for state in (each for each in State if each is not State.COMMITTED):
        last = 0
        while found := ledger.entries((state,), last, _READ_AT_ONCE, bodies=False):
            unfinished += (
                attrs.evolve(each, reason=reasons.setdefault(each.reason, each.reason))
                for each in found
            )
            last = found[-1].seq
    unfinished.sort(key=lambda each: each.seq)
    for place, entry in enumerate(unfinished):
        if entry.target in blocking and entry.state is State.PLANNED:
            why = f"it waits for {blocking[entry.target]}, which is about the same invoice"
            unfinished[place] = attrs.evolve(entry, reason=why)
        elif entry.target is not None and entry.state in {State.UNKNOWN, State.CONFLICT}:
            blocking.setdefault(entry.target, entry.id)
    return Report(
        total=sum(counts.values()),
        counts=counts,
        adopted=ledger.adopted(),
        unfinished=tuple(unfinished),
        note=ledger.note,
    )
