"""Steps of the demo: each makes a claim, looks at what happened, and says whether it was true.

A :class:`Report` collects the steps, a :class:`Screen` prints them. A call that returned proves
nothing: a step is true only if :meth:`StepResult.holds` says so.
"""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TypeVar

import attrs
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from billingual.errors import BillingualError
from billingual.events import AttemptEnded, AttemptStarted, Event, RetryPlanned

__all__ = ["ChapterStoppedError", "Report", "Screen", "Step", "StepResult", "refused"]

E = TypeVar("E", bound=BaseException)


class ChapterStoppedError(Exception):
    """A step broke, so the steps that build on it were left out."""


class _NotRefusedError(Exception):
    """A call went through that should have been refused."""


@attrs.frozen(kw_only=True)
class Step:
    """One claim and its end.

    Attributes:
        dialect: which dialect it is about.
        claim: what should happen, in words.
        seen: what did happen, in words.
        ok: whether the claim held.
    """

    dialect: str
    claim: str
    seen: str
    ok: bool


@attrs.define
class Report:
    """All steps of a run, in order."""

    steps: list[Step] = attrs.field(factory=list)

    @property
    def failed(self) -> tuple[Step, ...]:
        """The steps whose claims did not hold."""
        return tuple(step for step in self.steps if not step.ok)

    @property
    def exit_code(self) -> int:
        """0 if there are steps and all of them held, else 1."""
        return 0 if self.steps and not self.failed else 1

    def counts(self) -> dict[str, tuple[int, int]]:
        """Count for each dialect the steps that held, and all steps."""
        counts: dict[str, tuple[int, int]] = {}
        for step in self.steps:
            held, total = counts.get(step.dialect, (0, 0))
            counts[step.dialect] = (held + step.ok, total + 1)
        return counts


@attrs.define
class StepResult:
    """What a step saw; without a word from it the step does not hold."""

    ok: bool = False
    seen: str = "nothing was checked"

    def holds(self, ok: bool, seen: str) -> None:  # noqa: FBT001 - it reads as a sentence
        """Say whether the claim held, and what was seen."""
        self.ok, self.seen = ok, seen


async def refused(kind: type[E], call: Awaitable[object]) -> E:
    """Await a call that should be refused with *kind*, and return the refusal."""
    try:
        await call
    except kind as refusal:
        return refusal
    raise _NotRefusedError(f"the call went through; it should have ended in {kind.__name__}")


class Screen:
    """Show steps as they happen. Pass it to a client as an observer, and it shows the wire too."""

    def __init__(self, console: Console, report: Report) -> None:
        self.console = console
        self.report = report
        self._dialect = ""
        self._wire: list[str] = []
        self._route = ""

    def __call__(self, event: Event) -> None:
        """Take one event of a client; see :class:`billingual.abc.Observer`."""
        if isinstance(event, AttemptStarted):
            self._route = f"{event.method} {event.route}"
        elif isinstance(event, AttemptEnded):
            end = event.attempt.status or event.attempt.error
            self._wire.append(f"{self._route} -> {end}")
        elif isinstance(event, RetryPlanned):
            self._wire.append(f"waited {event.wait_s:.1f} s")

    @property
    def sent(self) -> int:
        """How many requests the current step has sent."""
        return sum(not each.startswith("waited") for each in self._wire)

    def chapter(self, dialect: str, title: str, text: str) -> None:
        """Open a chapter of steps about one dialect."""
        self._dialect = dialect
        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), characters="─", align="left"))
        self.say(text)

    def say(self, text: str, *, indent: int = 0) -> None:
        """Print plain sentences and an empty line."""
        self._fill(text, indent=indent)
        self.console.print()

    @contextmanager
    def step(self, claim: str) -> Iterator[StepResult]:
        """Run one step; what it raises becomes its failure.

        Raises:
            ChapterStoppedError: if the step raised.
        """
        result = StepResult()
        self._wire.clear()
        try:
            yield result
        except Exception as error:
            result.holds(ok=False, seen=_told(error))
            self._end(claim, result)
            raise ChapterStoppedError(claim) from error
        self._end(claim, result)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()
    ) -> None:
        """Print a small table; columns named in *numeric* are aligned to the right."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column, justify="right" if column in numeric else "left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 1, 4), expand=False))

    def summary(self) -> None:
        """Print how many steps held, and name those that did not."""
        failed = self.report.failed
        counts = self.report.counts()
        self.chapter("", "Summary", "Each step said what it expects, then looked.")
        rows = [(name, str(total), str(held)) for name, (held, total) in counts.items()]
        self.table(("dialect", "steps", "as expected"), rows, numeric=("steps", "as expected"))
        for step in failed:
            self._line(f"{step.dialect}: {step.claim}", ok=False)
            self._fill(step.seen, indent=4)
        total = len(self.report.steps)
        verdict = "all as expected" if not failed else f"{len(failed)} NOT as expected"
        self.console.print(
            Text(f"{total} steps, {verdict}.", style="bold red" if failed else "bold green")
        )

    def _end(self, claim: str, result: StepResult) -> None:
        self.report.steps.append(
            Step(dialect=self._dialect, claim=claim, seen=result.seen, ok=result.ok)
        )
        self._line(claim, ok=result.ok)
        self._fill(result.seen, indent=4)
        self._fill(self._wire_text(), indent=4, style="dim")

    def _line(self, claim: str, *, ok: bool) -> None:
        mark, colour = ("✓", "green") if ok else ("✗", "red")
        line = Text.assemble((mark, f"bold {colour}"), " ", (claim, "bold" if ok else "bold red"))
        self.console.print(line)

    def _fill(self, text: str, *, indent: int = 0, style: str = "") -> None:
        # Wrapped here, because rich fills lines with spaces to their end.
        space = " " * indent
        filled = textwrap.fill(
            text,
            self.console.width,
            initial_indent=space,
            subsequent_indent=space,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.console.print(Text(filled, style=style), soft_wrap=True)

    def _wire_text(self) -> str:
        lines = []
        for line, same in groupby(self._wire):
            count = len(list(same))
            lines.append(line if count == 1 else f"{line} ({count} times)")
        return "wire: " + ("; ".join(lines) if lines else "the client sent nothing")


def _told(error: Exception) -> str:
    if isinstance(error, (BillingualError, _NotRefusedError)):
        return f"{type(error).__name__}: {error}"
    return f"unexpected {type(error).__name__}: {error}"
