"""The command that lists invoices, once or again and again: list."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection, open_client
from billingual.cli.csv_output import Sheet
from billingual.cli.inputs import FilterOptions, filter_from, refuse_misspelt_key
from billingual.cli.messages import PASSING, complain, hint
from billingual.cli.output import (
    Column,
    SheetFormat,
    SheetFormatOption,
    record_of,
    show_request,
    show_rows,
    text_of,
    write_json,
)
from billingual.errors import InvalidInputError
from billingual.jobs.trail import written_whole
from billingual.model import InvoiceSummary, Page
from billingual.pagination import AsyncPager

__all__ = ["list_invoices"]


async def list_invoices(  # noqa: D417 - groups of options say themselves what they hold
    *,
    filters: FilterOptions = FilterOptions(),  # noqa: B008 - frozen
    sort: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    limit: int = 20,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    page_size: int | None = None,
    resume: Path | None = None,
    watch: Annotated[float | None, Parameter(validator=Number(gte=1, lte=86_400))] = None,
    output: SheetFormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    sleep: Annotated[Callable[[float], Awaitable[object]], Parameter(parse=False)] = asyncio.sleep,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """List invoices.

    Args:
        sort: One key: due_at, or -due_at for the latest first.
        limit: Most rows to show; 20 unless you say otherwise.
        everything: Show all rows, however many.
        page_size: Rows per request.
        resume: A file that keeps the place: start anew if it is not there, else go on behind the
            last row that was shown.
        watch: List again so many seconds after each end, from 1 to 86400, until Ctrl-C. A table on
            a terminal is drawn anew; elsewhere rows that are new or changed follow.
        output: table (the default), json (one array), ndjson (one object a line, as they come) or
            csv (one header; amounts are exact, and what a spreadsheet takes for a formula begins
            with a quote).
        raw: Include each row as the provider sent it.
        dry_run: Show the first request and send nothing.
    """
    if limit < 1:
        raise InvalidInputError("limit", f"{limit} asks for no rows", "give at least 1, or --all")
    if watch is not None:
        _refuse_beside_watch(output, dry_run=dry_run, resume=resume)
    chosen = filter_from(filters)
    async with open_client(connection, dry_run=dry_run) as invoices:
        refuse_misspelt_key(sort, invoices.capabilities.sorts)
        largest = invoices.capabilities.page_limit
        if page_size is None and largest is not None and not everything and resume is None:
            page_size = min(limit, largest)
        place = None if resume is None else _kept(resume)
        if dry_run:
            request = invoices.preview.list(chosen, sort=sort, page_size=page_size, resume=place)
            show_request(request, output)
            return

        def shown() -> _Shown:
            pager = invoices.list(chosen, sort=sort, page_size=page_size, resume=place)
            return _Shown(pager, None if everything else limit, resume)

        is_whole = invoices.capabilities.list_rows_complete
        if watch is not None:
            view = _Watched(output, raw=raw, is_whole=is_whole)
            await _watch(shown, view, watch, sleep)
        elif output == "table":
            await _show_table(shown())
        elif output == "csv":
            await _stream_csv(shown(), Sheet(is_whole=is_whole, raw=raw, on_screen=True))
        else:
            await _stream(shown(), output, raw=raw)


@attrs.define(eq=False)
class _Shown:
    """The rows of a list that a command shows, up to a limit.

    Attributes:
        pager: the list.
        most: rows at most; None for all.
        place: the file that keeps the place, if any.
        count: rows shown so far.
        cut: whether there are more; None where it cannot be told without another request.
    """

    pager: AsyncPager
    most: int | None
    place: Path | None
    count: int = 0
    cut: bool | None = False

    async def pages(self) -> AsyncIterator[Sequence[InvoiceSummary]]:
        if self.place is not None and self.most is not None:
            # A place behind a page of which only a part is shown would lose the rest of it.
            collected = await self.pager.collect(limit=self.most)
            self.count, self.cut = len(collected), None if len(collected) == self.most else False
            yield collected
            return
        async for page in self.pager.pages():
            left = None if self.most is None else self.most - self.count
            rows = page.items[:left]
            self.count += len(rows)
            yield rows
            if self.count == self.most:
                self.cut = True if len(rows) < len(page.items) else _has_next(page)
                return

    def keep_place(self) -> None:
        """Write the place into its file, whole or not at all, now that the rows are out."""
        if self.place is not None:
            try:
                with written_whole(self.place) as draft:
                    draft.write_text(self.pager.checkpoint, encoding="utf-8")
            except OSError as error:
                raise InvalidInputError(
                    "resume",
                    f"{self.place} cannot be written: {error.strerror or error}",
                    "name another; what was shown since is shown again",
                ) from None

    def say_rest(self) -> None:
        """Say that there are more rows, so that a short list is not taken for a whole one."""
        total = self.pager.report.total_items
        if self.cut is False or (total is not None and total <= self.count):
            return
        there = "there are more" if self.cut else "there may be more"
        of = f"{there} than these {self.count}" if total is None else f"{self.count} of {total}"
        hint(f"{of} invoices; see more with --limit or --all.".capitalize())


def _kept(place: Path) -> str | None:
    """Read the place that a file keeps; None if it is not there yet.

    Raises:
        InvalidInputError: if it cannot be read, or could not be written.
    """
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and place.parent.is_dir():
            return None
        why = "it is no text" if isinstance(error, ValueError) else str(error.strerror or error)
        raise InvalidInputError(
            "resume", f"{place} cannot be used: {why}", "name another"
        ) from None


def _has_next(page: Page) -> bool | None:
    if page.is_whole:
        return False
    if page.next_cursor is not None:
        return bool(page.next_cursor.strip())
    if page.has_next is None and page.total_pages is not None:
        return page.number < page.total_pages
    return page.has_next


def _refuse_beside_watch(output: SheetFormat, *, dry_run: bool, resume: Path | None) -> None:
    if output == "json":
        raise InvalidInputError(
            "--watch", "an array of JSON has an end, and a watch has none", "give -o ndjson"
        )
    other = "--dry-run" if dry_run else "--resume" if resume is not None else None
    if other is not None:
        raise InvalidInputError("--watch", f"it does not go with {other}", f"leave {other} out")


@attrs.define(eq=False)
class _Watched:
    """What a watch has shown so far, and how it shows more.

    Attributes:
        output: table, ndjson or csv.
        raw: include rows as the provider sent them.
        is_whole: whether the rows are invoices in full.
        seen: the rows that were shown last, by their ids; None before the first time.
    """

    output: SheetFormat
    raw: bool = attrs.field(kw_only=True)
    is_whole: bool = attrs.field(kw_only=True)
    seen: dict[str, InvoiceSummary] | None = None

    def show(self, rows: Sequence[InvoiceSummary]) -> None:
        """Show all of a table on a terminal; elsewhere what is new or changed."""
        before, self.seen = self.seen, {row.id: row for row in rows}
        if self.output == "table" and sys.stdout.isatty():
            # To the upper left, and all below it cleared: what was above stays to be scrolled to.
            sys.stdout.write("\x1b[H\x1b[2J")
            self._write(rows, is_first=True)
            return
        fresh = [row for row in rows if before is None or before.get(row.id) != row]
        if fresh or before is None:
            self._write(fresh, is_first=before is None)
        gone = [] if before is None else [each for each in before if each not in self.seen]
        if gone:
            hint(f"No longer in the list: {', '.join(gone)}.")

    def _write(self, rows: Sequence[InvoiceSummary], *, is_first: bool) -> None:
        if self.output == "csv":
            sheet = Sheet(is_whole=self.is_whole, raw=self.raw, on_screen=True)
            sys.stdout.write((sheet.header() if is_first else "") + sheet.lines(rows))
        elif self.output == "ndjson":
            for row in rows:
                write_json(record_of(row, raw=self.raw), indent=None)
        elif rows:
            show_rows(_columns(rows))
        else:
            hint("No invoice matches.")
        sys.stdout.flush()


async def _watch(
    shown: Callable[[], _Shown],
    view: _Watched,
    every_s: float,
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    hint(f"The list is read again every {every_s:g} s; Ctrl-C ends it.")
    while True:
        listing = shown()
        try:
            rows = [row async for page in listing.pages() for row in page]
        except PASSING as error:
            if view.seen is None:
                raise
            complain(error)
        else:
            is_first = view.seen is None
            view.show(rows)
            if is_first:
                listing.say_rest()
        await sleep(every_s)


async def _stream(shown: _Shown, output: SheetFormat, *, raw: bool) -> None:
    """Write rows as they come. An array that breaks off is no JSON, so it cannot pass for whole."""
    before, between, after = ("[\n", ",\n", "\n]\n") if output == "json" else ("", "\n", "\n")
    first = True
    async for rows in shown.pages():
        for row in rows:
            sys.stdout.write(before if first else between)
            write_json(record_of(row, raw=raw), indent=None, end="")
            first = False
        sys.stdout.flush()
        shown.keep_place()
    if first:
        sys.stdout.write("[]\n" if output == "json" else "")
    else:
        sys.stdout.write(after)
    shown.say_rest()


async def _stream_csv(shown: _Shown, sheet: Sheet) -> None:
    sys.stdout.write(sheet.header())
    async for rows in shown.pages():
        sys.stdout.write(sheet.lines(rows))
        sys.stdout.flush()
        shown.keep_place()
    shown.say_rest()


async def _show_table(shown: _Shown) -> None:
    rows = [row async for page in shown.pages() for row in page]
    if rows:
        show_rows(_columns(rows))
    else:
        hint("No invoice matches.")
    shown.keep_place()
    shown.say_rest()


def _columns(rows: Sequence[InvoiceSummary]) -> tuple[Column, ...]:
    bare = all(row.total is None or row.total.currency is None for row in rows)
    totals = (
        "" if row.total is None else f"{row.total.minor}" if bare else str(row.total)
        for row in rows
    )
    # The id is what every other command takes, so it is never left out.
    return (
        Column("number", tuple(text_of(row.number) for row in rows)),
        Column("status", tuple(text_of(row.status) for row in rows), rank=1),
        Column("minor units" if bare else "total", tuple(totals), rank=2, is_number=True),
        Column("due", tuple(text_of(row.due_at)[:10] for row in rows), rank=3),
        Column("counterparty", tuple(_name(row) for row in rows), rank=4),
        Column("id", tuple(text_of(row.id) for row in rows)),
    )


def _name(row: InvoiceSummary) -> str:
    return "" if row.counterparty is None else text_of(row.counterparty.name)
