"""The commands that end what an invoice was: finalize, void and delete."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from billingual.cli.connection import Connection, open_client
from billingual.cli.dry_run import show_request
from billingual.cli.exit_codes import OK
from billingual.cli.invoice_view import show_written
from billingual.cli.messages import hint
from billingual.cli.output import FormatOption, output_kept, text_of, write_json
from billingual.cli.unclear_write import reconcilable
from billingual.errors import InvalidInputError

__all__ = ["delete_invoices", "finalize_invoice", "void_invoice"]

_Yes: TypeAlias = Annotated[bool, Parameter(name=["--yes", "-y"])]


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
