"""The commands about one invoice: get, create and update."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from billingual.cli.connection import Connection, chosen, open_client
from billingual.cli.dry_run import show_request
from billingual.cli.inputs import (
    ChangeOptions,
    DraftOptions,
    Source,
    changes_from,
    draft_from,
    found_in,
    named_numbers,
    replacement_from,
)
from billingual.cli.invoice_view import show_invoice, show_written
from billingual.cli.messages import hint
from billingual.cli.output import (
    FormatOption,
    SheetFormatOption,
)
from billingual.cli.table_file import TableOptions
from billingual.cli.unclear_write import reconcilable
from billingual.errors import InvalidInputError

__all__ = ["create_invoice", "get_invoice", "update_invoice"]


async def get_invoice(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    output: SheetFormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Show one invoice in full.

    Args:
        invoice_id: The provider's id of the invoice; 'billingual list' shows ids.
        output: table (the default), json, ndjson (on one line) or csv (a header and a row; lines
            and custom fields are JSON in one cell).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the request and send nothing.
    """
    async with open_client(connection, dry_run=dry_run) as invoices:
        if dry_run:
            show_request(invoices.preview.get(invoice_id), output)
            return
        show_invoice(await invoices.get(invoice_id), output, raw=raw)


async def create_invoice(  # noqa: D417 - groups of options say themselves what they hold
    *,
    fields: DraftOptions = DraftOptions(),  # noqa: B008 - frozen
    source: Source = None,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Create an invoice from options, from a file, or from both.

    Exit code 7 means that it may or may not have been created; the error gives the command that
    finds out.

    Args:
        source: A JSON file with one object, or a CSV file with one row (- is stdin), whose fields
            have the names of the options, with _ for -; options win.
        output: table (the default), json or ndjson (on one line).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    draft = draft_from(fields, source, table)
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
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
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
        source: A JSON file with one object, or a CSV file with one row (- is stdin), whose fields
            have the names of the options, with _ for -; options win.
        replacement: A JSON file (- is stdin) with the complete new document (katsu).
        currency_code: The provider's number of a currency, like USD=1; repeat it (katsu).
        output: table (the default), json or ndjson (on one line).
        raw: Include the response as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    changes = changes_from(fields, source, table, invoice_id=invoice_id)
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
