"""The commands that carry out a write for each row of a file: bulk create, update and delete."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Annotated, Final, TypeAlias

import attrs
from anyio.lowlevel import checkpoint
from cyclopts import Parameter

from billingual.cli.connection import Connection, open_client
from billingual.cli.error_text import row_text
from billingual.cli.exit_codes import OK, USAGE
from billingual.cli.ledger_place import LedgerPlace
from billingual.cli.messages import fail, hint
from billingual.cli.output import Format, FormatOption, show_request
from billingual.cli.progress import ProgressView, shown_progress
from billingual.cli.running_job import NUMBER_PREFIX, JobCommand, RunOptions
from billingual.cli.table_file import Operation, Row, TableFile, TableOptions, opened_table
from billingual.client import AsyncClient
from billingual.errors import InvalidInputError, UnsupportedError, UsageError
from billingual.jobs.entry import Create, Delete, PlannedWrite, Update
from billingual.jobs.ledger import LedgerError
from billingual.jobs.planning import request_of
from billingual.wire import WireRequest

__all__ = ["bulk_create", "bulk_delete", "bulk_update"]

_Source: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
_Ledger: TypeAlias = Annotated[str | None, Parameter(name="--job")]

_LISTED: Final = 20
"""Rows whose problems are listed; the others are counted."""

_PAUSE_EVERY: Final = 500
"""Rows after which a command that reads a file can be interrupted."""


async def bulk_create(  # noqa: D417 - groups of options say themselves what they hold
    file: _Source,
    /,
    *,
    ledger: _Ledger = None,
    dry_run: bool = False,
    number_prefix: str = NUMBER_PREFIX,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Create an invoice for each row of a file, each once, whatever happens meanwhile.

    The columns are the fields of a draft, such as number, counterparty, due_at, total and
    fields.NAME for a custom field. All rows are checked before the first is planned, and all are
    in the ledger before the first is sent: stopped or killed, 'billingual jobs resume' goes on.

    Args:
        file: A CSV or JSON Lines file; - is stdin.
        ledger: What keeps the job, made if it is not there: a file like november.db, or a database,
            like postgresql://user@host/database#november.
        dry_run: Check the rows and show the exact requests; send nothing and make no ledger.
        number_prefix: What the number of a row without one starts with; INV- by default.
        output: table (the default), json or ndjson (on one line).
    """
    bulk = _Bulk("create", file, ledger, table, options, output, connection, number_prefix)
    return await (bulk.show_requests() if dry_run else bulk.carry_out())


async def bulk_update(  # noqa: D417 - groups of options say themselves what they hold
    file: _Source,
    /,
    *,
    ledger: _Ledger = None,
    dry_run: bool = False,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Change the invoice of each row of a file, each once, whatever happens meanwhile.

    The column invoice_id (or id) names the invoice; the others are the fields to change, such as
    status or due_at. An empty cell changes nothing. All rows are checked before the first is
    planned, and all are in the ledger before the first is sent: stopped or killed, 'billingual
    jobs resume' goes on.

    Args:
        file: A CSV or JSON Lines file; - is stdin.
        ledger: What keeps the job, made if it is not there: a file like november.db, or a database,
            like postgresql://user@host/database#november.
        dry_run: Check the rows and show the exact requests; send nothing and make no ledger.
        output: table (the default), json or ndjson (on one line).
    """
    bulk = _Bulk("update", file, ledger, table, options, output, connection)
    return await (bulk.show_requests() if dry_run else bulk.carry_out())


async def bulk_delete(  # noqa: D417 - groups of options say themselves what they hold
    file: _Source,
    /,
    *,
    ledger: _Ledger = None,
    dry_run: bool = False,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Delete the invoice of each row of a file.

    The column invoice_id (or id) names the invoice, and there are no others. Stopped or killed,
    'billingual jobs resume' goes on.

    Args:
        file: A CSV or JSON Lines file; - is stdin.
        ledger: What keeps the job, made if it is not there: a file like november.db, or a database,
            like postgresql://user@host/database#november.
        dry_run: Check the rows and show the exact requests; send nothing and make no ledger.
        output: table (the default), json or ndjson (on one line).
    """
    bulk = _Bulk("delete", file, ledger, table, options, output, connection)
    return await (bulk.show_requests() if dry_run else bulk.carry_out())


@attrs.frozen
class _Bulk:
    """One bulk command."""

    operation: Operation
    file: str
    ledger: str | None
    table: TableOptions
    options: RunOptions
    output: Format
    connection: Connection
    number_prefix: str = NUMBER_PREFIX

    async def carry_out(self) -> int:
        """Check the file, plan all of it, and run the job."""
        if self.ledger is None:
            raise InvalidInputError(
                "--job",
                "nothing is named that keeps the job",
                "give --job november.db, say, or --dry-run",
            )
        place = LedgerPlace.of(self.ledger)
        command = JobCommand(
            ledger=place,
            options=self.options,
            connection=self.connection,
            output=self.output,
        )
        with (
            opened_table(self.file, self.operation, self.table) as table,
            shown_progress(quiet=self.options.quiet) as view,
        ):
            async with open_client(self.connection) as client:
                check = _Check(table, client, self.number_prefix, view)
                async for _ in check.writes():
                    pass
                if check.wrong:
                    view.close()
                    check.complain("Nothing was planned and nothing was sent.")
                    return USAGE
                async with command.opened(client, number_prefix=self.number_prefix) as job:
                    try:
                        new = await job.plan(table.writes())
                    except (asyncio.CancelledError, LedgerError):
                        view.close()
                        hint("Nothing was sent. Run the same command again to go on.")
                        raise
                    if not self.options.quiet and new < check.rows:
                        known = check.rows - new
                        hint(f"{known:,} of {check.rows:,} rows are in {place} already.")
                    return await command.carry_out(job, view)

    async def show_requests(self) -> int:
        """Show what would be sent for the rows that are right, and what is wrong with the rest."""
        requests = 0
        with (
            opened_table(self.file, self.operation, self.table) as table,
            shown_progress(quiet=True) as view,
        ):
            async with open_client(self.connection, dry_run=True) as client:
                check = _Check(table, client, self.number_prefix, view)
                batches = _Batches(client, self.number_prefix)
                async for write in check.writes():
                    for request in batches.add(write):
                        self._show(request, requests)
                        requests += 1
                for request in batches.rest():
                    self._show(request, requests)
                    requests += 1
        if self.output == "json":
            sys.stdout.write("\n]\n" if requests else "[]\n")
        if check.wrong:
            check.complain("Nothing was sent, and no ledger was made.")
            return USAGE
        hint(
            f"{_counted(check.rows, 'row')}, {_counted(requests, 'request')}. Nothing was sent, "
            "and no ledger was made."
        )
        return OK

    def _show(self, request: WireRequest, before: int) -> None:
        if self.output == "json":
            sys.stdout.write(",\n" if before else "[\n")
            show_request(request, "ndjson", end="")
        else:
            sys.stdout.write("\n" if before and self.output == "table" else "")
            show_request(request, self.output)


class _Check:
    """Look at every row of a file, and keep what is wrong with the first of the wrong ones.

    Attributes:
        rows: rows that were read.
        wrong: how many of them are wrong.
    """

    def __init__(
        self, table: TableFile, client: AsyncClient, number_prefix: str, view: ProgressView
    ) -> None:
        self.rows = 0
        self.wrong = 0
        self._table = table
        self._client = client
        self._number_prefix = number_prefix
        self._view = view
        self._complaints: list[str] = []

    async def writes(self) -> AsyncIterator[PlannedWrite]:
        """Give the writes of the rows that are right.

        Raises:
            UsageError: if the file is no table, or the provider cannot do this at all.
        """
        with closing(_Names()) as names:
            for row in self._table.rows():
                self.rows += 1
                problems = row.problems or tuple(self._problems(row, names))
                if problems:
                    self._keep(row.line, problems)
                elif row.write is not None:
                    yield row.write
                if self.rows % _PAUSE_EVERY == 0:
                    self._view.checked(self.rows)
                    await checkpoint()

    def _problems(self, row: Row, names: _Names) -> Iterator[UsageError]:
        write = row.write
        if write is None:
            return
        try:
            request_of(self._client, write, self._number_prefix)
        except UsageError as error:
            if isinstance(error, UnsupportedError) and not error.field:
                # The provider has no such operation: no row could be right.
                raise
            yield error
        for field, name in _names_of(write):
            line = names.first_line(f"{field} {name}", row.line)
            if line != row.line:
                yield InvalidInputError(
                    field, f"line {line} has the same", "give each row one of its own"
                )

    def _keep(self, line: int, problems: tuple[UsageError, ...]) -> None:
        self.wrong += 1
        if self.wrong <= _LISTED:
            self._complaints += [f"line {line}: {row_text(each)}" for each in problems]

    def complain(self, done: str) -> None:
        """Say what is wrong with the file, and what was done."""
        lines = [
            f"{_counted(self.wrong, 'row')} of {self._table.place} cannot be used. {done}",
            *self._complaints,
        ]
        if self.wrong > _LISTED:
            lines.append(f"and {_counted(self.wrong - _LISTED, 'more row')}.")
        fail("\n".join(lines))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _names_of(write: PlannedWrite) -> Iterator[tuple[str, str]]:
    """Name what no two rows of a file may share."""
    if write.id is not None:
        yield "entry_id", write.id
    if isinstance(write, Create) and isinstance(write.draft.number, str):
        yield "number", write.draft.number
    if isinstance(write, Delete):
        yield "invoice_id", write.invoice_id


class _Names:
    """The line on which each name came first; on disk, since there may be millions."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE seen (name TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID"
        )

    def first_line(self, name: str, line: int) -> int:
        """Return the line on which a name came first; *line* if it is new."""
        run = self._connection.execute
        if run("INSERT OR IGNORE INTO seen VALUES (?, ?)", (name, line)).rowcount:
            return line
        ((first,),) = run("SELECT line FROM seen WHERE name = ?", (name,)).fetchall()
        return int(first)

    def close(self) -> None:
        """Forget all."""
        self._connection.close()


class _Batches:
    """Put writes into requests as a job does, as long as none fails."""

    def __init__(self, client: AsyncClient, number_prefix: str) -> None:
        self._client = client
        self._number_prefix = number_prefix
        self._batch: dict[str, Update | Delete] = {}
        self._most = client.capabilities.batch_limit or 1

    def add(self, write: PlannedWrite) -> Iterator[WireRequest]:
        """Add a write, and give the requests that are full."""
        if isinstance(write, Create) or self._most == 1:
            yield request_of(self._client, write, self._number_prefix)
            return
        # Two changes of one invoice are two requests, one after the other.
        if write.invoice_id in self._batch or len(self._batch) == self._most:
            yield from self.rest()
        self._batch[write.invoice_id] = write

    def rest(self) -> Iterator[WireRequest]:
        """Give the request of what is left."""
        batch, self._batch = list(self._batch.values()), {}
        updates = [(each.invoice_id, each.changes) for each in batch if isinstance(each, Update)]
        if updates:
            yield self._client.preview.update_many(updates)
        elif batch:
            yield self._client.preview.delete_many([each.invoice_id for each in batch])
