"""The commands about a job that is kept in a ledger: show, resume, reconcile and the others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection, open_client
from billingual.cli.exit_codes import FAILURE, OK, UNCLEAR
from billingual.cli.job_report import (
    output_kept,
    show_entry,
    show_history,
    show_report,
    show_verification,
)
from billingual.cli.messages import hint
from billingual.cli.output import FormatOption
from billingual.cli.progress import shown_progress
from billingual.cli.running_job import JobCommand, RunOptions, in_use, show_command
from billingual.errors import InvalidInputError
from billingual.jobs.job import decide, history_of
from billingual.jobs.ledger import LedgerInUseError
from billingual.jobs.report import report_of
from billingual.jobs.snapshot import snapshot
from billingual.jobs.sqlite import SqliteLedger
from billingual.jobs.trail import export

__all__ = [
    "export_job",
    "purge_job",
    "reconcile_job",
    "resolve_entry",
    "resume_job",
    "show_job",
    "verify_job",
]

_Decision: TypeAlias = Literal["committed", "abandoned", "planned"]

_DAY_S: Final = 86_400.0


def show_job(file: Path, entry: str | None = None, /, *, output: FormatOption = "table") -> None:
    """Show what became of every write of a job, or all that is known about one.

    It needs no connection, and the exit code is 0 whatever became of them. While another process
    runs the job, this shows how it stands.

    Args:
        file: The ledger of the job.
        entry: The name of one write in the ledger.
        output: table (the default), json or ndjson (on one line).
    """
    with _shown(file) as ledger:
        if entry is None:
            show_report(report_of(ledger), output)
        else:
            show_history(history_of(ledger, entry), output)


async def resume_job(  # noqa: D417 - groups of options say themselves what they hold
    file: Path,
    /,
    *,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Go on with a job that was stopped or killed, or that left something unclear.

    What was under way when it ended is looked for before anything is sent again.

    Exit codes: 0 if all is settled, 1 if the provider refused a write, 7 if one is unclear or left.

    Args:
        file: The ledger of the job.
        output: table (the default), json or ndjson (on one line).
    """
    return await _run(file, options, output, connection, sends=True)


async def reconcile_job(  # noqa: D417 - groups of options say themselves what they hold
    file: Path,
    /,
    *,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out by reading what became of unclear writes; nothing is sent.

    What provably was not carried out is planned again, for the next 'billingual jobs resume',
    unless the policy is reconcile.

    Args:
        file: The ledger of the job.
        output: table (the default), json or ndjson (on one line).
    """
    return await _run(file, options, output, connection, sends=False)


async def _run(
    file: Path, options: RunOptions, output: FormatOption, connection: Connection, *, sends: bool
) -> int:
    _refuse_missing(file)
    command = JobCommand(ledger=file, options=options, connection=connection, output=output)
    with shown_progress(quiet=options.quiet) as view:
        async with open_client(connection) as client, command.opened(client) as job:
            return await command.carry_out(job, view, sends=sends)


def resolve_entry(
    file: Path,
    entry: str,
    decision: _Decision,
    /,
    *,
    by: str,
    note: str,
    invoice_id: str | None = None,
    output: FormatOption = "table",
) -> int:
    """Keep your decision about a write that the job cannot settle; nothing is sent.

    Args:
        file: The ledger of the job.
        entry: The name of the write; 'billingual jobs show' lists them.
        decision: committed if it was carried out, abandoned if it is not to be, planned if it is
            to be sent again, whatever the provider shows.
        by: Who decides.
        note: Why; it is kept for good.
        invoice_id: Of a create that was carried out, the id of the invoice.
        output: table (the default), json or ndjson (on one line).
    """
    with _opened(file) as ledger:
        decided = decide(
            ledger, entry, decision, now=time.time(), by=by, note=note, invoice_id=invoice_id
        )
    return output_kept(lambda: show_entry(decided, output), OK, show_command(file, decided.id))


def export_job(file: Path, target: Path, /) -> None:
    """Write the audit trail: a row for each request, look and decision, in plain words.

    An existing file is replaced when the new one is whole.

    Args:
        file: The ledger of the job.
        target: The file to write: .csv, .jsonl, or .parquet, which needs the extra 'arrow'.
    """
    with _opened(file) as ledger:
        rows = export(ledger, target)
    hint(f"{rows:,} rows were written to {target}.")


async def verify_job(  # noqa: D417 - groups of options say themselves what they hold
    file: Path,
    /,
    *,
    concurrency: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 8,
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Compare every write of a job with what the provider shows; nothing is written.

    Exit codes: 0 if each is there exactly as the ledger says, 1 if one is not, 7 if one could not
    be compared.

    Args:
        file: The ledger of the job.
        concurrency: Requests under way at once, 1 to 64; 8 by default.
        output: table (the default), json or ndjson (on one line).
    """
    _refuse_missing(file)
    command = JobCommand(ledger=file, options=RunOptions(), connection=connection, output=output)
    async with open_client(connection) as client, command.opened(client) as job:
        seen = await job.verify(concurrency=concurrency)
    show_verification(seen, output)
    if seen.wrong:
        return FAILURE
    return UNCLEAR if seen.unchecked else OK


def purge_job(
    file: Path, /, *, older_than_days: Annotated[float, Parameter(validator=Number(gte=0))]
) -> None:
    """Forget the contents of settled writes, which are personal data; states and hashes stay.

    What was purged cannot be verified any more, and this cannot be undone.

    Args:
        file: The ledger of the job.
        older_than_days: Only writes that were settled so many days ago; 0 for all settled ones.
    """
    with _opened(file) as ledger:
        count = ledger.purge(before=time.time() - older_than_days * _DAY_S)
    hint(f"The contents of {count:,} writes were forgotten.")


def _refuse_missing(file: Path) -> None:
    if not file.is_file():
        raise InvalidInputError(
            str(file), "there is no such ledger", "name the file that --job named"
        )


@contextmanager
def _shown(file: Path) -> Iterator[SqliteLedger]:
    """Open a ledger to look into it, also while a process runs its job."""
    _refuse_missing(file)
    try:
        ledger = SqliteLedger(file)
    except LedgerInUseError:
        with snapshot(file) as copy:
            hint("Another process works with this job; this is how it stood just now.")
            yield copy
        return
    with closing(ledger):
        yield ledger


@contextmanager
def _opened(file: Path) -> Iterator[SqliteLedger]:
    """Open a ledger that is there, without a client: most of what it knows needs no connection."""
    _refuse_missing(file)
    try:
        ledger = SqliteLedger(file)
    except LedgerInUseError:
        raise in_use(file) from None
    try:
        yield ledger
    finally:
        ledger.close()
