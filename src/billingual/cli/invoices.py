"""The commands about one invoice: get, create, update, finalize, void and delete."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from billingual.cli.connection import Connection, chosen, open_client
from billingual.cli.exit_codes import OK
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
    output_kept,
    show_request,
    text_of,
    write_json,
)
from billingual.cli.table_file import TableOptions
from billingual.cli.unclear_write import reconcilable
from billingual.errors import InvalidInputError

__all__ = [
    "create_invoice",
    "delete_invoices",
    "finalize_invoice",
    "get_invoice",
    "update_invoice",
    "void_invoice",
]


_Yes: TypeAlias = Annotated[bool, Parameter(name=["--yes", "-y"])]


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


async def finalize_invoice(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    yes: _Yes = False,
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Make a draft final; this cannot be undone.

    Exit code 7 means that it may or may not be final now; the error gives the command that
    finds out.

    Args:
        invoice_id: The provider's id of the invoice; 'billingual list' shows ids.
        yes: Do not ask; needed where there is no terminal to ask at.
        output: table (the default), json or ndjson (on one line).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    async with open_client(connection, dry_run=dry_run) as invoices:
        request = invoices.preview.finalize(invoice_id)
        if dry_run:
            show_request(request, output)
        elif _confirmed(f"Make {text_of(invoice_id)} final", yes=yes):
            with reconcilable(connection):
                invoice = await invoices.finalize(invoice_id)
            show_written(invoice, "made final", output, raw=raw)


async def void_invoice(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    yes: _Yes = False,
    output: FormatOption = "table",
    raw: bool = False,
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Make an invoice void; this cannot be undone.

    Exit code 7 means that it may or may not be void now; the error gives the command that
    finds out.

    Args:
        invoice_id: The provider's id of the invoice; 'billingual list' shows ids.
        yes: Do not ask; needed where there is no terminal to ask at.
        output: table (the default), json or ndjson (on one line).
        raw: Include the invoice as the provider sent it.
        dry_run: Show the exact request and send nothing.
    """
    async with open_client(connection, dry_run=dry_run) as invoices:
        request = invoices.preview.void(invoice_id)
        if dry_run:
            show_request(request, output)
        elif _confirmed(f"Make {text_of(invoice_id)} void", yes=yes):
            with reconcilable(connection):
                invoice = await invoices.void(invoice_id)
            show_written(invoice, "made void", output, raw=raw)


async def delete_invoices(  # noqa: D417 - groups of options say themselves what they hold
    invoice_ids: tuple[str, ...],
    /,
    *,
    yes: _Yes = False,
    output: FormatOption = "table",
    dry_run: bool = False,
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Delete invoices, all in one request; this cannot be undone.

    For more than one request takes, or to be able to go on after a stop: 'billingual bulk delete'.
    Exit code 7 means that they may or may not be deleted; the error gives the command that
    finds out.

    Args:
        invoice_ids: The provider's ids of the invoices; 'billingual list' shows ids.
        yes: Do not ask; needed where there is no terminal to ask at.
        output: table (the default), json or ndjson: the ids that were deleted.
        dry_run: Show the exact request and send nothing.
    """
    async with open_client(connection, dry_run=dry_run) as invoices:
        most = invoices.capabilities.batch_limit
        if most is not None and len(invoice_ids) > most:
            raise InvalidInputError(
                "INVOICE-IDS",
                f"one request takes {most} at most, and these are {len(invoice_ids)}",
                "give them in a file to 'billingual bulk delete'",
            )
        request = invoices.preview.delete_many(invoice_ids)
        if dry_run:
            show_request(request, output)
            return
        one = len(invoice_ids) == 1
        which = text_of(invoice_ids[0]) if one else f"{len(invoice_ids)} invoices"
        if not _confirmed(f"Delete {which}", yes=yes):
            return
        with reconcilable(connection):
            await invoices.delete_many(invoice_ids)
    hint(f"Deleted {which}.")
    if output != "table":
        record = {"deleted": list(invoice_ids)}
        indent = 2 if output == "json" else None
        output_kept(lambda: write_json(record, indent=indent), OK, "Do not run this again.")


def _confirmed(what: str, *, yes: bool) -> bool:
    """Ask whether to go on.

    Raises:
        InvalidInputError: if there is no terminal to ask at, and nothing said yes beforehand.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInputError(
            "--yes", "this cannot be undone, and there is no terminal to ask at", "give --yes"
        )
    # On stderr: stdout is for data, and may go into a file.
    sys.stderr.write(f"{what}? This cannot be undone. [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    hint("Nothing was sent.")
    return False
