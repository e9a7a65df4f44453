"""Which account a command would use: for ``billingual whoami``."""

from __future__ import annotations

from billingual.cli.connection import Connection, chosen, open_client
from billingual.cli.output import FormatOption, show_facts, text_of, write_json
from billingual.client import client_context

__all__ = ["whoami"]


async def whoami(  # noqa: D417 - the group says itself what it holds
    *,
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> None:
    """Show which account commands use with these options and variables; nothing is sent.

    The token is not shown. No provider tells whose token it is; 'billingual doctor' tries it.

    Args:
        output: table (the default), json or ndjson.
    """
    options = chosen(connection)
    async with open_client(connection, dry_run=True) as invoices:
        base_url, tenant, organization = client_context(invoices).account
        record = {
            "provider": invoices.capabilities.provider,
            "base_url": base_url,
            "tenant": tenant,
            "organization": organization,
            "profile": connection.profile,
            "transport": options["transport"],
            "has_token": options.get("token") is not None,
        }
    if output == "table":
        show_facts((name.replace("_", " "), text_of(value)) for name, value in record.items())
    else:
        write_json(record, indent=2 if output == "json" else None)
