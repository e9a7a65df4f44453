"""The commands about your account: whoami, profiles, and doctor, which looks at everything once."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from billingual._config.profile import profiles_in
from billingual._config.url import NamedOptions
from billingual._version import __version__
from billingual.capabilities import Feature
from billingual.cli.connection import Connection, chosen, open_client
from billingual.cli.error_text import error_text
from billingual.cli.exit_codes import OK, exit_code
from billingual.cli.messages import hint
from billingual.cli.output import (
    Column,
    FormatOption,
    record_of,
    show_facts,
    show_rows,
    text_of,
    write_json,
)
from billingual.cli.visible_text import visible
from billingual.client import AsyncClient, client_context
from billingual.errors import AuthenticationError, BillingualError, PermissionDeniedError
from billingual.events import AttemptEnded, Event

__all__ = ["doctor", "profiles", "whoami"]

_MAX_SKEW_S: Final = 60.0
"""A clock that is further away breaks certificates and signatures, and makes wrong dates."""


@attrs.frozen
class _Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        result: ok, warning, failed, or unknown where it cannot be told.
        detail: what was seen, and how to mend it.
    """

    check: str
    result: str
    detail: str


async def doctor(  # noqa: D417 - the group says itself what it holds
    *,
    output: FormatOption = "table",
    connection: Connection = Connection(),  # noqa: B008 - frozen
) -> int:
    """Check the installation, the configuration, the connection and the token; change nothing.

    At most one request is sent: it reads one row of the list of invoices. The exit code is that of
    the first thing that failed.

    Args:
        output: table (the default), json or ndjson.
    """
    findings = [_Finding("installation", "ok", _installation())]
    code = OK
    try:
        options = chosen(connection)
        client = open_client(connection, retry="none", observers=(seen := _Seen(),))
    except BillingualError as wrong:
        findings.append(_Finding("configuration", "failed", error_text(wrong)))
        code = exit_code(wrong)
    else:
        async with client:
            findings.append(_Finding("configuration", "ok", _configuration(client, options)))
            error = await _try_list(client)
        findings += _of_call(client, error, seen)
        code = OK if error is None else exit_code(error)
    _show(findings, output)
    return code


class _Seen:
    """Keep how the attempt ended."""

    def __init__(self) -> None:
        self.ended: AttemptEnded | None = None
        self.seconds = 0.0
        self._began = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            self.ended, self.seconds = event, time.monotonic() - self._began


def _installation() -> str:
    return (
        f"billingual {__version__}, {platform.python_implementation()} "
        f"{platform.python_version()}, {platform.system()}"
    )


def _configuration(client: AsyncClient, options: NamedOptions) -> str:
    token = "a token" if options.get("token") is not None else "no token"
    return f"{client!r}, {token}, transport {options.get('transport')}"


async def _try_list(client: AsyncClient) -> BillingualError | None:
    if Feature.LIST not in client.capabilities.features:
        return None
    size = None if client.capabilities.page_limit is None else 1
    try:
        await client.list(page_size=size).first()
    except BillingualError as error:
        return error
    return None


def _of_call(client: AsyncClient, error: BillingualError | None, seen: _Seen) -> list[_Finding]:
    """Tell what the one request showed: of the connection, the token, the list and the clock."""
    if seen.ended is None and error is None:
        why = f"{client.capabilities.provider} has no list, so there is nothing harmless to ask for"
        return [_Finding("connection", "unknown", why), _Finding("token", "unknown", why)]
    why = "" if error is None else error_text(error)
    if seen.ended is None:
        return [_Finding("configuration", "failed", why)]
    status = seen.ended.attempt.status
    if status is None:
        untried = "the provider could not be asked"
        return [_Finding("connection", "failed", why), _Finding("token", "unknown", untried)]
    findings = [_Finding("connection", "ok", f"status {status} after {seen.seconds:.2f} s")]
    refused = isinstance(error, (AuthenticationError, PermissionDeniedError))
    if refused:
        findings.append(_Finding("token", "failed", why))
    elif error is None:
        findings.append(_Finding("token", "ok", "the list of invoices was given"))
    else:
        findings.append(_Finding("list", "failed", why))
    return [*findings, *_of_clock(seen.ended)]


def _of_clock(ended: AttemptEnded) -> list[_Finding]:
    told = None if ended.headers is None else ended.headers.get("Date")
    try:
        theirs = None if told is None else parsedate_to_datetime(told)
    except ValueError:
        theirs = None
    if theirs is None or theirs.tzinfo is None:
        return []
    seconds = (datetime.now(UTC) - theirs).total_seconds()
    if abs(seconds) <= _MAX_SKEW_S:
        return [_Finding("clock", "ok", f"within {_MAX_SKEW_S:.0f} s of the provider's")]
    way = "ahead of" if seconds > 0 else "behind"
    text = f"{abs(seconds):.0f} s {way} the provider's; set this machine's clock"
    return [_Finding("clock", "warning", text)]


def _show(findings: list[_Finding], output: FormatOption) -> None:
    if output == "table":
        show_rows(
            [
                Column("check", tuple(each.check for each in findings)),
                Column("result", tuple(each.result for each in findings)),
                Column("detail", tuple(visible(each.detail) for each in findings)),
            ]
        )
        return
    records = [record_of(each) for each in findings]
    if output == "json":
        write_json(records)
        return
    for record in records:
        write_json(record, indent=None)


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


def profiles(*, output: FormatOption = "table") -> None:
    """Show the profiles that --profile takes, without their tokens.

    Args:
        output: table (the default), json or ndjson.
    """
    file, found = profiles_in(getenv=os.environ.get)
    if output == "table":
        show_rows(
            [
                Column("name", tuple(each.name for each in found)),
                Column("address", tuple(each.address for each in found), rank=1),
                Column("token", tuple(each.token for each in found), rank=2),
            ]
        )
        hint(f"From {file}. Use one with --profile NAME, or BILLINGUAL_PROFILE.")
        return
    records = [record_of(each) for each in found]
    if output == "json":
        write_json(records)
    else:
        for record in records:
            write_json(record, indent=None)
