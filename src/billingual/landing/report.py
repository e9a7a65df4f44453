"""What a landing did, and its progress while it runs."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from billingual.landing.target import Counts
from billingual.landing.windows import WindowKind

__all__ = ["LandProgress", "LandReport", "WindowReport"]


@attrs.frozen(kw_only=True)
class WindowReport:
    """What became of one window.

    Attributes:
        name: its name.
        kind: closed, recent, open or full.
        rows: rows that were read; 0 where it was landed before.
        complete: whether it is provably whole.
        how: what proves that it is whole, or why that is not proven.
        skipped: whether it was landed whole by an earlier run and not read again.
    """

    name: str
    kind: WindowKind
    rows: int
    complete: bool
    how: str
    skipped: bool = False


@attrs.frozen(kw_only=True)
class LandProgress:
    """How far a landing is; given to ``on_progress`` after each page and each window.

    Attributes:
        windows: windows to read.
        done: those that are landed.
        rows: rows that were read.
        requests: pages and invoices that were asked for.
        elapsed_s: seconds since it began.
    """

    windows: int
    done: int
    rows: int
    requests: int
    elapsed_s: float


@attrs.frozen(kw_only=True)
class LandReport:
    """What a landing did.

    Attributes:
        target: the folder or file.
        windows: each window, in the order of the plan.
        counts: how many invoices were new, changed, unchanged and deleted.
        requests: pages and invoices that were asked for.
        seconds: how long it took.
    """

    target: str
    windows: Sequence[WindowReport]
    counts: Counts
    requests: int
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that were read; an invoice in two windows is two."""
        return sum(each.rows for each in self.windows)

    @property
    def incomplete(self) -> tuple[WindowReport, ...]:
        """The windows that are not provably whole. They are read again by the next run."""
        return tuple(each for each in self.windows if not each.complete)

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        from billingual.model._html import facts_table, plain_table  # noqa: PLC0415 - of notebooks

        facts = [
            ("rows", self.rows),
            *attrs.asdict(self.counts).items(),
            ("requests", self.requests),
            ("seconds", f"{self.seconds:.1f}"),
            ("windows", len(self.windows)),
            ("there before", sum(each.skipped for each in self.windows)),
        ]
        told = facts_table(f"Landed in {self.target}", facts)
        wrong = [(each.name, each.how) for each in self.incomplete]
        return told + (plain_table(("not provably whole", "because"), wrong) if wrong else "")

    def __str__(self) -> str:
        skipped = sum(each.skipped for each in self.windows)
        found = f"{self.rows} rows"
        found += "".join(f", {n} {name}" for name, n in attrs.asdict(self.counts).items())
        text = (
            f"{self.target}: {found}; {len(self.windows) - skipped} windows read with "
            f"{self.requests} requests in {self.seconds:.1f} s, {skipped} were there before"
        )
        wrong = (f"not provably whole: {each.name}, because {each.how}" for each in self.incomplete)
        return "\n".join([text, *wrong])
