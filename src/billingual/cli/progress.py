"""How far a job or a landing is, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from billingual.jobs.entry import State

if TYPE_CHECKING:
    from billingual.jobs.report import Progress
    from billingual.landing import LandProgress

__all__ = ["ProgressView", "shown_progress"]

_LINE_EVERY_S: Final = 5.0
_BAR_WIDTH: Final = 20


class ProgressView(Protocol):
    """Shows the progress of a job; it never fails, because it must not end the job."""

    def checked(self, rows: int) -> None:
        """So many rows of the file were read and found right."""
        ...

    def show(self, progress: Progress) -> None:
        """So far is the job."""
        ...

    def compared(self, invoices: int, total: int) -> None:
        """So many invoices of all were compared with the job."""
        ...

    def show_landing(self, progress: LandProgress) -> None:
        """So far is the landing."""
        ...

    def close(self) -> None:
        """Show no more; closing twice is no error."""
        ...


@contextmanager
def shown_progress(*, quiet: bool, console: Console | None = None) -> Iterator[ProgressView]:
    """Show progress in the way that suits stderr.

    Args:
        quiet: show nothing.
        console: where a bar is shown if it is a terminal; stderr by default.
    """
    console = console or Console(stderr=True, highlight=False)
    view: ProgressView = _Lines(quiet=quiet)
    if console.is_terminal and not quiet:
        view = _Bar(console)
    try:
        yield view
    finally:
        view.close()


class _Bar:
    """A bar on a terminal; it is gone when the job ends."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._open = True

    def checked(self, rows: int) -> None:
        """Show the rows in front of a bar that does not know its end."""
        self._show(f"{rows:,} rows checked", None, rows)

    def show(self, progress: Progress) -> None:
        """Show the words and the bar."""
        self._show(_told(progress), progress.total, progress.done)

    def compared(self, invoices: int, total: int) -> None:
        """Show the words and the bar."""
        self._show(_told_of_comparing(invoices, total), total, invoices)

    def show_landing(self, progress: LandProgress) -> None:
        """Show the words and a bar of windows."""
        self._show(_told_of_landing(progress), progress.windows, progress.done)

    def _show(self, text: str, total: int | None, done: int) -> None:
        if not self._open:
            return
        with suppress(OSError, ValueError):
            if self._task is None:
                self._task = self._bars.add_task(text, total=total)
                self._bars.start()
            self._bars.update(self._task, description=text, total=total, completed=done)

    def close(self) -> None:
        """Take the bar away."""
        self._open = False
        with suppress(OSError, ValueError):
            self._bars.stop()


class _Lines:
    """A line every few seconds, as a log keeps it; by the job's own clock."""

    def __init__(self, *, quiet: bool) -> None:
        self._open = not quiet
        self._began = time.monotonic()
        self._next_s = _LINE_EVERY_S
        self._waits = False

    def checked(self, rows: int) -> None:
        """Show nothing: rows are checked quickly."""

    def show(self, progress: Progress) -> None:
        """Show a line if the last is old enough, and when a wait begins."""
        waits = _is_waiting(progress)
        begins = waits > self._waits
        self._waits = waits
        self._say(_told(progress), progress.elapsed_s, at_once=begins)

    def compared(self, invoices: int, total: int) -> None:
        """Show a line if the last is old enough; nothing else tells the time."""
        elapsed_s = time.monotonic() - self._began
        self._say(_told_of_comparing(invoices, total), elapsed_s, at_once=False)

    def show_landing(self, progress: LandProgress) -> None:
        """Show a line if the last is old enough."""
        self._say(_told_of_landing(progress), progress.elapsed_s, at_once=False)

    def _say(self, text: str, elapsed_s: float, *, at_once: bool) -> None:
        if not self._open or (elapsed_s < self._next_s and not at_once):
            return
        self._next_s = elapsed_s + _LINE_EVERY_S
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Show no more."""
        self._open = False


def _told(progress: Progress) -> str:
    parts = [f"{progress.done:,} of {progress.total:,}"]
    if progress.settled:
        parts.append(f"{progress.per_second:,.0f} rows/s")
    if progress.left_s is not None and progress.done < progress.total:
        parts.append(f"{_span(progress.left_s)} left")
    if progress.resent:
        parts.append(f"{progress.resent:,} sent again")
    unclear = progress.counts.get(State.UNKNOWN, 0)
    if unclear:
        parts.append(f"{unclear:,} unclear")
    if _is_waiting(progress):
        parts.append("waiting for late requests")
    return ", ".join(parts)


def _told_of_landing(progress: LandProgress) -> str:
    return (
        f"{progress.done:,} of {progress.windows:,} windows, {progress.rows:,} rows, "
        f"{progress.requests:,} requests"
    )


def _told_of_comparing(invoices: int, total: int) -> str:
    return f"{invoices:,} of {total:,} invoices compared"


def _is_waiting(progress: Progress) -> bool:
    """Whether only writes are left that the job must not look at yet."""
    counts = progress.counts
    return counts.get(State.UNKNOWN, 0) > 0 and not (
        counts.get(State.PLANNED) or counts.get(State.IN_FLIGHT)
    )


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
