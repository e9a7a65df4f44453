"""The commands that find out what became of an unclear write, by reading: reconcile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import attrs
from cyclopts import Group, Parameter
from cyclopts.validators import Number

from billingual.cli.connection import Connection, open_client
from billingual.cli.exit_codes import ABSENT, OK, UNCLEAR
from billingual.cli.inputs import (
    ChangeOptions,
    DraftOptions,
    Source,
    changes_from,
    draft_from,
    found_in,
)
from billingual.cli.invoice_view import show_invoice
from billingual.cli.messages import hint
from billingual.cli.output import (
    FormatOption,
    output_kept,
    record_of,
    show_facts,
    text_of,
    write_json,
)
from billingual.cli.table_file import TableOptions
from billingual.client import AsyncClient
from billingual.errors import InvalidInputError, OutcomeUnknown
from billingual.model import Invoice, instant, last_moment
from billingual.outcomes import Finding, Intent, Safety
from billingual.reconcile.result import Reconciliation
from billingual.wire import WireRequest

__all__ = [
    "reconcile_create",
    "reconcile_delete",
    "reconcile_finalize",
    "reconcile_update",
    "reconcile_void",
]

_GROUP: Final = Group("Looking", sort_key=2)
_CODES: Final = {Finding.ADOPTED: OK, Finding.ABSENT: ABSENT, Finding.UNKNOWN: UNCLEAR}


@Parameter(name="*", group=_GROUP)
@attrs.frozen(kw_only=True)
class LookOptions:
    """How to look.

    Attributes:
        given_up_at: When the write was given up, as its error says; now by default, so that it
            is never taken to be over too early.
        late_arrival: Seconds after which a request that was given up cannot arrive any more; 120 by
            default.
        wait: Wait for that time, instead of telling when to look again.
    """

    given_up_at: str | None = None
    late_arrival: Annotated[float, Parameter(validator=Number(gte=0, lte=86_400))] = 120.0
    wait: bool = False


async def reconcile_create(  # noqa: D417 - groups of options say themselves what they hold
    *,
    fields: DraftOptions = DraftOptions(),  # noqa: B008 - frozen
    source: Source = None,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    known_invoice: str | None = None,
    look: LookOptions = LookOptions(),
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out whether an invoice was created; nothing is sent but questions.

    Give the fields that 'create' was given. The number is what it is found by; the others tell it
    from another invoice. Exit codes: 0 it was created, 9 it was not and can be sent again, 7 it is
    still unclear, and the output says what is missing.

    Args:
        source: A JSON or CSV file (- is stdin), as the command took it; options win.
        known_invoice: The id of an invoice of the same kind that was created before: the search
            must find it too, or finding nothing proves nothing.
        output: table (the default), json or ndjson (on one line).
    """
    draft = draft_from(fields, source, table)
    if not isinstance(draft.number, str) or not draft.number.strip():
        with found_in(source):
            raise InvalidInputError(
                "number", "an invoice is recognised by it, and there is none", "give --number"
            )
    intent = Intent(operation="create", draft=draft)
    return await _find_out(intent, look, output, connection, known_invoice=known_invoice)


async def reconcile_update(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    fields: ChangeOptions = ChangeOptions(),  # noqa: B008 - frozen
    source: Source = None,
    table: TableOptions = TableOptions(),  # noqa: B008 - frozen
    look: LookOptions = LookOptions(),
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out whether an invoice was changed; nothing is sent but questions.

    Give the fields that 'update' was given. Exit codes: 0 it was changed, 9 it was not and can be
    sent again, 7 it is still unclear, and the output says what is missing.

    Args:
        invoice_id: The provider's id of the invoice.
        source: A JSON or CSV file (- is stdin), as the command took it; options win.
        output: table (the default), json or ndjson (on one line).
    """
    changes = changes_from(fields, source, table, invoice_id=invoice_id)
    if not changes.given():
        raise InvalidInputError("changes", "they hold no field", "give those of the update")
    intent = Intent(operation="update", pairs=((invoice_id, changes),))
    return await _find_out(intent, look, output, connection)


async def reconcile_finalize(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    look: LookOptions = LookOptions(),
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out whether a draft was made final; nothing is sent but questions.

    Exit codes: 0 it is final, 9 it was not made final and that can be sent again, 7 it is still
    unclear, and the output says what is missing.

    Args:
        invoice_id: The provider's id of the invoice.
        output: table (the default), json or ndjson (on one line).
    """
    return await _find_out(
        Intent(operation="finalize", invoice_ids=(invoice_id,)), look, output, connection
    )


async def reconcile_void(  # noqa: D417 - groups of options say themselves what they hold
    invoice_id: str,
    /,
    *,
    look: LookOptions = LookOptions(),
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out whether an invoice was made void; nothing is sent but questions.

    Exit codes: 0 it is void, 9 it was not made void and that can be sent again, 7 it is still
    unclear, and the output says what is missing.

    Args:
        invoice_id: The provider's id of the invoice.
        output: table (the default), json or ndjson (on one line).
    """
    return await _find_out(
        Intent(operation="void", invoice_ids=(invoice_id,)), look, output, connection
    )


async def reconcile_delete(  # noqa: D417 - groups of options say themselves what they hold
    invoice_ids: tuple[str, ...],
    /,
    *,
    look: LookOptions = LookOptions(),
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Find out whether invoices were deleted; nothing is sent but questions.

    Exit codes: 0 none is left, 9 all are there and can be deleted, 7 it is still unclear, and the
    output says what is missing.

    Args:
        invoice_ids: The provider's ids of the invoices.
        output: table (the default), json or ndjson (on one line).
    """
    return await _find_out(
        Intent(operation="delete_many", invoice_ids=invoice_ids), look, output, connection
    )


async def _find_out(
    intent: Intent,
    look: LookOptions,
    output: FormatOption,
    connection: Connection,
    *,
    known_invoice: str | None = None,
) -> int:
    ends_at = datetime.now(UTC)
    if look.given_up_at is not None:
        ends_at = last_moment(instant(look.given_up_at, "given_up_at"))
    async with open_client(connection) as invoices:
        provider = invoices.capabilities.provider
        unclear = OutcomeUnknown(
            f"{provider} may or may not have carried out {intent.operation}.",
            provider=provider,
            operation=intent.operation,
            # It is told from what the write was to do, and never from how it was sent.
            request=WireRequest(method="", url="", route="", safety=Safety.READ),
            likely="unclear",
            intent=intent,
            given_up_at=ends_at.timestamp(),
        )
        known = None if known_invoice is None else await _known(invoices, known_invoice)
        found = await invoices.reconcile(
            unclear, known_invoice=known, late_arrival_s=look.late_arrival, wait=look.wait
        )
    return output_kept(
        lambda: _show(found, output), _CODES[found.finding], f"The finding: {found.finding.value}."
    )


async def _known(invoices: AsyncClient, invoice_id: str) -> Invoice:
    try:
        return await invoices.get(invoice_id)
    except InvalidInputError as error:
        raise InvalidInputError("known_invoice", error.problem, error.fix) from None


def _show(found: Reconciliation, output: FormatOption) -> None:
    why = _in_options(found.why)
    if output != "table":
        record = {
            "finding": found.finding.value,
            "why": why,
            "invoices": [record_of(each) for each in found.invoices],
            "candidates": [record_of(each) for each in found.candidates],
            "ask_again_s": found.ask_again_s,
        }
        write_json(record, indent=2 if output == "json" else None)
        return
    show_facts(
        (
            ("finding", found.finding.value),
            ("why", text_of(why)),
            ("look at", text_of(", ".join(each.id for each in found.candidates))),
        )
    )
    for invoice in found.invoices:
        print()  # noqa: T201 - stdout is where data goes
        show_invoice(invoice, "table")
    if found.absent:
        hint("It provably was not carried out, so it can be sent again.")
    elif found.ask_again_s:
        hint(f"Look again in {found.ask_again_s:.0f} s, or give --wait.")


def _in_options(why: str) -> str:
    """Name options in a finding that names arguments."""
    named = {"reconcile(known_invoice=...)": "--known-invoice", "late_arrival_s": "--late-arrival"}
    for argument, option in named.items():
        why = why.replace(argument, option)
    return why
