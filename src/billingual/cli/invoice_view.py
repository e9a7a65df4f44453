"""One invoice or receipt on the screen, or as JSON."""

from __future__ import annotations

import sys
from typing import Final

import attrs

from billingual.cli.csv_output import Sheet
from billingual.cli.exit_codes import OK
from billingual.cli.messages import hint
from billingual.cli.output import (
    Column,
    Format,
    SheetFormat,
    output_kept,
    record_of,
    show_facts,
    show_rows,
    text_of,
    write_json,
)
from billingual.model import Invoice, LineItem, Receipt

__all__ = ["show_invoice", "show_written"]

_APART: Final = frozenset({"extra", "fields", "lines", "problems", "raw"})


def show_written(invoice: Invoice | Receipt, done: str, output: Format, *, raw: bool) -> None:
    """Show what a write returned; if that fails, stderr still names the invoice.

    Args:
        invoice: the invoice or receipt.
        done: what was done to it, such as ``created``.
        output: table, json or ndjson.
        raw: include it as the provider sent it.
    """
    output_kept(
        lambda: show_invoice(invoice, output, raw=raw),
        OK,
        f"The invoice was {done}: its id is {text_of(invoice.id)}. Do not run this again.",
    )


def show_invoice(invoice: Invoice | Receipt, output: SheetFormat, *, raw: bool = False) -> None:
    """Write one invoice, or the receipt a provider gives instead of one."""
    if output == "csv":
        # Only 'get' and 'list' offer it, and they show invoices.
        assert isinstance(invoice, Invoice)  # noqa: S101 - as above
        sheet = Sheet(is_whole=True, raw=raw, on_screen=True)
        sys.stdout.write(sheet.header() + sheet.lines([invoice]))
        return
    if output != "table":
        write_json(record_of(invoice, raw=raw), indent=2 if output == "json" else None)
        return
    facts = [
        (field.name, text_of(getattr(invoice, field.name)))
        for field in attrs.fields(type(invoice))
        if field.name not in _APART
    ]
    if isinstance(invoice, Invoice):
        facts += [(f"fields.{each.key}", text_of(each.value)) for each in invoice.fields]
    show_facts(facts)
    for problem in invoice.problems:
        hint(f"{problem.path}: {problem.reason}.")
    if isinstance(invoice, Invoice) and invoice.lines:
        print()  # noqa: T201 - stdout is where data goes
        show_rows(_columns(invoice.lines))
    if raw:
        print()  # noqa: T201 - stdout is where data goes
        write_json(record_of(invoice.raw))


def _columns(lines: tuple[LineItem, ...]) -> tuple[Column, ...]:
    return (
        Column("line", tuple(text_of(line.name) for line in lines)),
        Column("kind", tuple(text_of(line.kind) for line in lines), rank=2),
        Column("quantity", tuple(text_of(line.quantity) for line in lines), is_number=True),
        Column("unit price", tuple(text_of(line.unit_price) for line in lines), is_number=True),
        Column("total", tuple(text_of(line.total) for line in lines), rank=1, is_number=True),
    )
