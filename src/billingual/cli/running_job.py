"""A job while a command carries it out: options, progress, Ctrl-C, report and exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Annotated, Final

import attrs
from cyclopts import Group, Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection
from billingual.cli.exit_codes import INTERRUPTED, UNCLEAR
from billingual.cli.job_report import exit_code_of, show_report
from billingual.cli.ledger_place import LedgerPlace, in_use
from billingual.cli.messages import command_line, complain, hint
from billingual.cli.output import Format, output_kept
from billingual.cli.progress import ProgressView
from billingual.client import AsyncClient
from billingual.errors import BillingualError, UsageError
from billingual.jobs.entry import UNSETTLED
from billingual.jobs.job import AsyncJob
from billingual.jobs.ledger import LedgerError, LedgerInUseError
from billingual.jobs.report import Report
from billingual.jobs.runner import REFUSED_BATCH, Policy

__all__ = ["NUMBER_PREFIX", "JobCommand", "RunOptions", "see_command"]

_GROUP: Final = Group("Job", sort_key=2)
NUMBER_PREFIX: Final = "INV-"
"""What the number of a draft without one starts with, as in :meth:`AsyncJob.open`."""


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class RunOptions:
    """How a job is carried out.

    Attributes:
        concurrency: Requests under way at once, 1 to 64; 8 by default.
        policy: What to do about an unclear write: look, and send again what is provably not there
            (reconcile_then_resend, as a new job does); only look (reconcile); or leave it (manual).
            Left out, a job that is resumed goes on as before; likewise the next three.
        late_arrival: Seconds after which a request that was given up cannot arrive any more; 120 in
            a new job.
        bisect: Send the halves of a refused batch again, down to the rows that are at fault.
        sole_writer: No other program changes these invoices meanwhile.
        quiet: Show no progress.
    """

    concurrency: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 8
    policy: Policy | None = None
    late_arrival: Annotated[float | None, Parameter(validator=Number(gte=0))] = None
    bisect: Annotated[bool | None, Parameter(negative="--no-bisect", n_tokens=0)] = None
    sole_writer: Annotated[bool | None, Parameter(negative="--no-sole-writer", n_tokens=0)] = None
    quiet: bool = False


@attrs.frozen(kw_only=True)
class JobCommand:
    """A command that carries a job out.

    Attributes:
        ledger: where the job is kept.
        options: how to run it.
        connection: as which account.
        output: how to show the report.
    """

    ledger: LedgerPlace
    options: RunOptions
    connection: Connection
    output: Format

    @asynccontextmanager
    async def opened(
        self, client: AsyncClient, *, number_prefix: str = NUMBER_PREFIX
    ) -> AsyncIterator[AsyncJob]:
        """Open the job as the options say.

        Raises:
            UsageError: if another process works with it, or it is another account's.
        """
        options = self.options
        try:
            async with AsyncJob.open(
                self.ledger.place,
                client,
                policy=options.policy,
                late_arrival_s=options.late_arrival,
                bisect=options.bisect,
                sole_writer=options.sole_writer,
                number_prefix=number_prefix,
            ) as job:
                yield job
        except LedgerInUseError:
            raise in_use(self.ledger) from None

    async def carry_out(self, job: AsyncJob, view: ProgressView, *, sends: bool = True) -> int:
        """Run a job, show its report, and return the exit code.

        The first Ctrl-C lets the requests under way end; the second ends at once, and what was
        under way is unclear then.

        Args:
            job: the job.
            view: shows how far it is.
            sends: whether to send anything; otherwise it is only looked.
        """
        run = job.run if sends else job.reconcile
        with _stoppable(job, view) as stop:
            try:
                report = await run(concurrency=self.options.concurrency, on_progress=view.show)
            except asyncio.CancelledError:
                if not stop.asked:
                    raise
                self._say_resume("Stopped at once.", view)
                return INTERRUPTED
            except UsageError:
                raise
            except LedgerError as error:
                # Not "nothing is lost": the ledger itself may be damaged.
                complain(error)
                self._say_resume("Not all is settled.", view)
                return UNCLEAR
            except BillingualError:
                self._say_resume(f"Nothing is lost: {self.ledger} has it all.", view)
                raise
        view.close()
        stopped = stop.asked and not report.settled
        code = output_kept(
            lambda: show_report(report, self.output),
            INTERRUPTED if stopped else exit_code_of(report),
            see_command(self.ledger),
        )
        if stopped:
            self._say_resume("Stopped.", view)
        elif any(report.counts.get(each) for each in UNSETTLED):
            self._say_resume("Not all is settled.", view)
        self._ask_for_decisions(report)
        if any((each.reason or "").startswith(REFUSED_BATCH) for each in report.rejected):
            hint(
                "Some writes were refused for the fault of others in their batch. Give the file to "
                "another job with --bisect: it finds those at fault, and carries out the rest."
            )
        return code

    def _say_resume(self, what: str, view: ProgressView) -> None:
        view.close()
        hint(f"{what} Go on with:\n  {self._resume_command()}")

    def _resume_command(self) -> str:
        """Write the command that goes on as this one was begun, ready to be copied."""
        words = ["billingual", "jobs", "resume", str(self.ledger)]
        given = attrs.asdict(self.options, recurse=False) | attrs.asdict(self.connection)
        usual = attrs.asdict(RunOptions()) | attrs.asdict(Connection())
        for name, value in given.items():
            if value != usual[name]:
                words.append(f"--{name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return command_line(words)

    def _ask_for_decisions(self, report: Report) -> None:
        undecided = next(iter((*report.conflict, *report.doubled)), None)
        if undecided is None:
            return
        words = ["billingual", "jobs", "resolve", str(self.ledger), undecided.id, "committed"]
        hint(
            "Some writes need your decision. See what is known about one, and decide, with:\n"
            f"  {show_command(self.ledger, undecided.id)}\n"
            f"  {command_line(words)} --by NAME --note WHY"
        )


def show_command(ledger: LedgerPlace, *entry: str) -> str:
    """Write the command that shows a job, or one entry of it."""
    return command_line(["billingual", "jobs", "show", str(ledger), *entry])


def see_command(ledger: LedgerPlace, *entry: str) -> str:
    """Say how to see what became of a job whose output was lost."""
    return f"The job is in its ledger; see it with:\n  {show_command(ledger, *entry)}"


@attrs.define(eq=False)
class _Stop:
    """Whether the user asked for the end."""

    asked: bool = False


@contextmanager
def _stoppable(job: AsyncJob, view: ProgressView) -> Iterator[_Stop]:
    """Take the first Ctrl-C as a wish; the second goes to the handler before ours."""
    stop, loop = _Stop(), asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        # So a shell starts what runs in the background.
        yield stop
        return

    def say() -> None:
        view.close()
        hint("Stopping: the requests under way end first. Ctrl-C again ends at once.")

    def on_interrupt(_: int, __: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)
        job.stop()
        # A handler may run in the middle of another output.
        loop.call_soon_threadsafe(say)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
