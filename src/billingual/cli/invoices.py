"""The commands about invoices: list, get, create and update."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from billingual.cli.connection import Connection, chosen, open_client
from billingual.cli.dry_run import show_request
from billingual.cli.inputs import (
    ChangeOptions,
    DraftOptions,
    FilterOptions,
    Source,
    changes_from,
    draft_from,
    filter_from,
    found_in,
    named_numbers,
    refuse_misspelt_key,
    replacement_from,
)
from billingual.cli.invoice_view import show_invoice, show_written
from billingual.cli.messages import hint
from billingual.cli.output import (
    Column,
    Format,
    FormatOption,
    record_of,
    show_rows,
    text_of,
    write_json,
)
from billingual.cli.unclear_write import reconcilable
from billingual.errors import InvalidInputError
from billingual.model import InvoiceSummary, Page
from billingual.pagination import Pager

__all__ = ["create_invoice", "get_invoice", "list_invoices", "update_invoice"]


async def list_invoices(  # noqa: D417 - groups of options say themselves what they hold
    *,
    filters: FilterOptions = FilterOptions(),  # noqa: B008 - frozen
    sort: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    limit: int = 20,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    page_size: int | None = None,
    resume: Path | None = None,
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
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
        output: table (the default), json (one array) or ndjson (one object a line, as they come).
        raw: Include each row as the provider sent it.
        dry_run: Show the first request and send nothing.
    """
    if limit < 1:
        raise InvalidInputError("limit", f"{limit} asks for no rows", "give at least 1, or --all")
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
        pager = invoices.list(chosen, sort=sort, page_size=page_size, resume=place)
        shown = _Shown(pager, None if everything else limit, resume)
        if output == "table":
            await _show_table(shown)
        else:
            await _stream(shown, output, raw=raw)


async def get_invoice(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Show one invoice in full.

    Args:
        invoice_id: The provider's id of the invoice; 'billingual list' shows ids.
        output: table (the default), json or ndjson (on one line).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the request and send nothing.
    """
    async with open_client(connection, dry_run=dry_run) as invoices:
        if dry_run:
            show_request(invoices.preview.get(invoice_id), output)
            return
        show_invoice(await invoices.get(invoice_id), output, raw=raw)


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

    pager: Pager
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
            fresh = self.place.with_name(f"{self.place.name}.new")
            fresh.write_text(self.pager.checkpoint, encoding="utf-8")
            fresh.replace(self.place)

    def say_rest(self) -> None:
        """Say that there are more rows, so that a short list is not taken for a whole one."""
        total = self.pager.report.total_items
        if self.cut is False or (total is not None and total <= self.count):
            return
        there = "there are more" if self.cut else "there may be more"
        of = f"{there} than these {self.count}" if total is None else f"{self.count} of {total}"
        hint(f"{of} invoices; see more with --limit or --all.".capitalize())


def _kept(place: Path) -> str | None:
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _has_next(page: Page) -> bool | None:
    if page.is_whole:
        return False
    if page.next_cursor is not None:
        return bool(page.next_cursor.strip())
    if page.has_next is None and page.total_pages is not None:
        return page.number < page.total_pages
    return page.has_next


async def _stream(shown: _Shown, output: Format, *, raw: bool) -> None:
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


async def create_invoice(  # noqa: D417 - groups of options say themselves what they hold
    *,
    fields: DraftOptions = DraftOptions(),  # noqa: B008 - frozen
    source: Source = None,
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Create an invoice from options, from a JSON file, or from both.

    Exit code 7 means that it may or may not have been created; the error gives the command that
    finds out.

    Args:
        source: A JSON file (- is stdin) with fields named like the options; options win.
        output: table (the default), json or ndjson (on one line).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    draft = draft_from(fields, source)
    async with open_client(connection, dry_run=dry_run) as invoices:
        try:
            request = invoices.preview.create(draft)
        except InvalidInputError:
            _say_example(connection)
            raise
        if dry_run:
            show_request(request, output)
            return
        with reconcilable(connection):
            created = await invoices.create(draft)
        show_written(created, "created", output, raw=raw)


async def update_invoice(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    fields: ChangeOptions = ChangeOptions(),  # noqa: B008 - frozen
    source: Source = None,
    replacement: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    currency_code: tuple[str, ...] = (),
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Change some fields of an invoice, or put a whole document in its place.

    Exit code 7 means that it may or may not have been changed; the error gives the command that
    finds out.

    Args:
        invoice_id: The provider's id of the invoice; 'billingual list' shows ids.
        source: A JSON file (- is stdin) with fields named like the options; options win.
        replacement: A JSON file (- is stdin) with the complete new document (katsu).
        currency_code: The provider's number of a currency, like USD=1; repeat it (katsu).
        output: table (the default), json or ndjson (on one line).
        raw: Include the response as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    changes = changes_from(fields, source)
    whole = None if replacement is None else replacement_from(replacement)
    if whole is not None and changes.given():
        raise InvalidInputError(
            "replacement",
            "a complete document and single fields exclude each other",
            "give --replacement alone",
        )
    currencies = named_numbers("currency-code", currency_code)
    async with open_client(connection, currencies=currencies, dry_run=dry_run) as invoices:
        with found_in(replacement, besides=("invoice_id",)):
            if dry_run:
                show_request(invoices.preview.update(invoice_id, whole or changes), output)
                return
            with reconcilable(connection):
                if whole is not None:
                    receipt = await invoices.update(invoice_id, whole)
                    show_written(receipt, "replaced", output, raw=raw)
                else:
                    changed = await invoices.update(invoice_id, changes)
                    show_written(changed, "changed", output, raw=raw)


def _say_example(connection: Connection) -> None:
    """Where the sandbox is used, give a command that works with the ids it has."""
    options = chosen(connection)
    if options.get("transport") != "sandbox":
        return
    from billingual.sandbox import LANDMARKS  # noqa: PLC0415 - only this hint needs it

    examples = {
        "exante": "--counterparty {exante_party} --owner {exante_owner} "
        "--document {exante_document}",
        "kukkingu": "--provider kukkingu --number INV-1 --document {kukkingu_contract} "
        "--total '120.00 EUR' --exchange-rate 1",
    }
    example = examples.get(str(options["provider"]))
    if example is not None:
        hint(f"The sandbox takes, for example:\n  billingual create {example.format(**LANDMARKS)}")
