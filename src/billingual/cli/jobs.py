"""The commands about a job that is kept in a ledger: show, resume, reconcile and the others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection, open_client
from billingual.cli.exit_codes import FAILURE, OK, UNCLEAR
from billingual.cli.job_report import (
    show_entry,
    show_history,
    show_report,
    show_verification,
)
from billingual.cli.ledger_place import LedgerPlace
from billingual.cli.messages import hint
from billingual.cli.output import FormatOption, output_kept
from billingual.cli.progress import shown_progress
from billingual.cli.running_job import JobCommand, RunOptions, see_command
from billingual.jobs.job import decide, history_of
from billingual.jobs.report import report_of
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


def show_job(ledger: str, entry: str | None = None, /, *, output: FormatOption = "table") -> None:
    """Show what became of every write of a job, or all that is known about one.

    It needs no connection, and the exit code is 0 whatever became of them. While another process
    runs the job, this shows how far it is.

    Args:
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        entry: The name of one write in the ledger.
        output: table (the default), json or ndjson (on one line).
    """
    with LedgerPlace.of(ledger).looked_into() as opened:
        if entry is None:
            show_report(report_of(opened), output)
        else:
            show_history(history_of(opened, entry), output)


async def resume_job(  # noqa: D417 - groups of options say themselves what they hold
    ledger: str,
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
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        output: table (the default), json or ndjson (on one line).
    """
    return await _run(LedgerPlace.of(ledger), options, output, connection, sends=True)


async def reconcile_job(  # noqa: D417 - groups of options say themselves what they hold
    ledger: str,
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
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        output: table (the default), json or ndjson (on one line).
    """
    return await _run(LedgerPlace.of(ledger), options, output, connection, sends=False)


async def _run(
    place: LedgerPlace,
    options: RunOptions,
    output: FormatOption,
    connection: Connection,
    *,
    sends: bool,
) -> int:
    place.refuse_missing()
    command = JobCommand(ledger=place, options=options, connection=connection, output=output)
    with shown_progress(quiet=options.quiet) as view:
        async with open_client(connection) as client, command.opened(client) as job:
            return await command.carry_out(job, view, sends=sends)


def resolve_entry(
    ledger: str,
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
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        entry: The name of the write; 'billingual jobs show' lists them.
        decision: committed if it was carried out, abandoned if it is not to be, planned if it is
            to be sent again, whatever the provider shows.
        by: Who decides.
        note: Why; it is kept for good.
        invoice_id: Of a create that was carried out, the id of the invoice.
        output: table (the default), json or ndjson (on one line).
    """
    place = LedgerPlace.of(ledger)
    with place.opened() as opened:
        decided = decide(
            opened,
            entry,
            decision,
            now=opened.clock(time.time()),
            by=by,
            note=note,
            invoice_id=invoice_id,
        )
    return output_kept(lambda: show_entry(decided, output), OK, see_command(place, decided.id))


def export_job(ledger: str, target: Path, /) -> None:
    """Write the audit trail: a row for each request, look and decision, in plain words.

    An existing file is replaced when the new one is whole.

    Args:
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        target: The file to write: .csv, .jsonl, or .parquet, which needs the extra 'arrow'.
    """
    with LedgerPlace.of(ledger).opened() as opened:
        rows = export(opened, target)
    hint(f"{rows:,} rows were written to {target}.")


async def verify_job(  # noqa: D417 - groups of options say themselves what they hold
    ledger: str,
    /,
    *,
    concurrency: Annotated[int, Parameter(validator=Number(gte=1, lte=64))] = 8,
    quiet: bool = False,
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Compare every write of a job with what the provider shows; nothing is written.

    Exit codes: 0 if each is there exactly as the ledger says, 1 if one is not, 7 if one could not
    be compared.

    Args:
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        concurrency: Requests under way at once, 1 to 64; 8 by default.
        quiet: Show no progress.
        output: table (the default), json or ndjson (on one line).
    """
    place = LedgerPlace.of(ledger)
    place.refuse_missing()
    command = JobCommand(ledger=place, options=RunOptions(), connection=connection, output=output)
    with shown_progress(quiet=quiet) as view:
        async with open_client(connection) as client, command.opened(client) as job:
            seen = await job.verify(concurrency=concurrency, on_progress=view.compared)
    code = FAILURE if seen.wrong else UNCLEAR if seen.unchecked else OK
    return output_kept(lambda: show_verification(seen, output), code, "Run this again.")


def purge_job(
    ledger: str, /, *, older_than_days: Annotated[float, Parameter(validator=Number(gte=0))]
) -> None:
    """Forget the contents of settled writes, which are personal data; states and hashes stay.

    What was purged cannot be verified any more, and this cannot be undone.

    Args:
        ledger: The ledger of the job: a file, or postgresql://user@host/database#job.
        older_than_days: Only writes that were settled so many days ago; 0 for all settled ones.
    """
    with LedgerPlace.of(ledger).opened() as opened:
        count = opened.purge(before=opened.clock(time.time()) - older_than_days * _DAY_S)
    hint(f"The contents of {count:,} writes were forgotten.")
