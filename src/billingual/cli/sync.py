"""The command that lands invoices where tools can query them, and keeps them up to date."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection, open_client
from billingual.cli.exit_codes import FAILURE, OK
from billingual.cli.inputs import LandingFilterOptions, filter_from
from billingual.cli.messages import PASSING, command_line, complain, fail, hint
from billingual.cli.output import FormatOption, record_of, write_json
from billingual.cli.progress import shown_progress
from billingual.cli.visible_text import visible
from billingual.landing import LandingInUseError, LandReport

__all__ = ["sync_invoices"]


async def sync_invoices(  # noqa: D417 - groups of options say themselves what they hold
    *,
    to: str,
    since: str | None = None,
    until: str | None = None,
    filters: LandingFilterOptions = LandingFilterOptions(),  # noqa: B008 - frozen
    full: bool = False,
    watch: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    days: int = 30,
    lookback_days: int = 90,
    concurrency: int = 4,
    no_raw: bool = False,
    quiet: bool = False,
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Land invoices in a DuckDB file or a folder of Parquet files; run it again to go on.

    Killed or interrupted at any moment, the next run goes on: nothing counts twice. Exit code 1
    means that some windows are not provably whole; they are read again by the next run.

    Args:
        to: A file that ends in .duckdb, a folder that ends in .delta, or a folder of its own.
        since: First day of issue, like 2026-01-01; the whole list is read each time without it.
        until: Last day of issue.
        full: Read the whole list; only that tells which invoices are gone.
        watch: Do it again so many seconds after each end, until it is stopped; a failure that may
            pass is told, and ends only the first run.
        days: Days of a window; 30 by default.
        lookback_days: Windows that ended within so many days are read each time; 90 by default.
        concurrency: Windows that are read at once, 1 to 64; 4 by default.
        no_raw: Leave the payloads as they came out.
        quiet: Show no progress.
        output: table (the default: a few lines of text), json or ndjson (on one line).
    """
    chosen = filter_from(filters)
    async with open_client(connection) as invoices:
        is_first = True
        while True:
            with shown_progress(quiet=quiet) as view:
                try:
                    report = await invoices.land(
                        to,
                        since=since,
                        until=until,
                        filter=chosen if filters != LandingFilterOptions() else None,
                        full=full,
                        days=days,
                        lookback_days=lookback_days,
                        concurrency=concurrency,
                        raw=not no_raw,
                        on_progress=view.show_landing,
                    )
                except asyncio.CancelledError:
                    view.close()
                    _say_again()
                    raise
                except (*PASSING, LandingInUseError) as error:
                    if watch is None or is_first:
                        raise
                    view.close()
                    complain(error)
                else:
                    view.close()
                    _show(report, output)
                    if watch is None:
                        return FAILURE if report.incomplete else OK
            is_first = False
            hint(f"Again in {watch:g} s; Ctrl-C ends it.")
            await asyncio.sleep(watch)


def _say_again() -> None:
    words = command_line(["billingual", *sys.argv[1:]])
    hint(f"What was landed counts. Go on with:\n  {words}")


def _show(report: LandReport, output: FormatOption) -> None:
    if output == "table":
        sys.stdout.write(f"{visible(str(report), keep=chr(10))}\n")
        sys.stdout.flush()
    else:
        record = record_of(report)
        write_json(record, indent=2 if output == "json" else None)
        sys.stdout.flush()
    if report.incomplete:
        fail(f"{len(report.incomplete)} windows are not provably whole; run it again.")
