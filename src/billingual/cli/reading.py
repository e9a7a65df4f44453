"""``billingual list`` and ``billingual get``."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from cyclopts import Parameter

from billingual.cli.connection import Connection, open_client
from billingual.cli.inputs import FilterOptions, filter_from
from billingual.cli.output import (
    Column,
    Format,
    FormatOption,
    record_of,
    show_rows,
    text_of,
    write_json,
)
from billingual.cli.request import show_request
from billingual.cli.sheet import show_invoice
from billingual.cli.talk import hint
from billingual.errors import InvalidInputError
from billingual.model import InvoiceSummary
from billingual.pagination import Pager

__all__ = ["get_invoice", "list_invoices"]


async def list_invoices(  # noqa: D417 - groups of options say themselves what they hold
    *,
    filters: FilterOptions = FilterOptions(),  # noqa: B008 - frozen
    sort: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    limit: int = 20,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    page_size: int | None = None,
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
        output: table (the default), json (one array) or ndjson (one object a line, as they come).
        raw: Include each row as the provider sent it.
        dry_run: Show the first request and send nothing.
    """
    if limit < 1:
        raise InvalidInputError("limit", f"{limit} asks for no rows", "give at least 1, or --all")
    chosen = filter_from(filters)
    async with open_client(connection, dry_run=dry_run) as invoices:
        largest = invoices.capabilities.page_limit
        if page_size is None and largest is not None and not everything:
            page_size = min(limit, largest)
        if dry_run:
            show_request(invoices.preview.list(chosen, sort=sort, page_size=page_size), output)
            return
        pager = invoices.list(chosen, sort=sort, page_size=page_size)
        most = None if everything else limit
        if output == "table":
            await _show_table(pager, most)
        else:
            await _stream(pager, most, output, raw=raw)


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


async def _pages(pager: Pager, most: int | None) -> AsyncIterator[Sequence[InvoiceSummary]]:
    shown = 0
    async for page in pager.pages():
        rows = page.items if most is None else page.items[: most - shown]
        shown += len(rows)
        yield rows
        if shown == most:
            return


async def _stream(pager: Pager, most: int | None, output: Format, *, raw: bool) -> None:
    """Write rows as they come. An array that breaks off is no JSON, so nobody takes it for all."""
    before, between, after = ("[\n", ",\n", "\n]\n") if output == "json" else ("", "\n", "\n")
    first = True
    async for rows in _pages(pager, most):
        for row in rows:
            sys.stdout.write(before if first else between)
            write_json(record_of(row, raw=raw), indent=None, end="")
            first = False
        sys.stdout.flush()
    if first:
        sys.stdout.write("[]\n" if output == "json" else "")
    else:
        sys.stdout.write(after)
    _say_rest(pager, most)


async def _show_table(pager: Pager, most: int | None) -> None:
    rows = [row async for page in _pages(pager, most) for row in page]
    if rows:
        show_rows(_columns(rows))
    else:
        hint("No invoice matches.")
    _say_rest(pager, most)


def _say_rest(pager: Pager, most: int | None) -> None:
    total = pager.report.total_items
    if most is not None and total is not None and total > most:
        hint(f"{most} of {total} invoices; see more with --limit or --all.")


def _columns(rows: Sequence[InvoiceSummary]) -> tuple[Column, ...]:
    bare = all(row.total is None or row.total.currency is None for row in rows)
    totals = (
        "" if row.total is None else f"{row.total.minor}" if bare else str(row.total)
        for row in rows
    )
    # An id takes half of a narrow terminal and tells a reader nothing; where there is no number,
    # it is all that names an invoice.
    numbered = all(row.number for row in rows)
    return (
        Column("number", tuple(text_of(row.number) for row in rows)),
        Column("status", tuple(text_of(row.status) for row in rows), rank=1),
        Column("minor units" if bare else "total", tuple(totals), rank=2, is_number=True),
        Column("due", tuple(text_of(row.due_at)[:10] for row in rows), rank=3),
        Column("counterparty", tuple(_name(row) for row in rows), rank=4),
        Column("id", tuple(row.id for row in rows), rank=5 if numbered else 0),
    )


def _name(row: InvoiceSummary) -> str:
    return "" if row.counterparty is None else text_of(row.counterparty.name)
