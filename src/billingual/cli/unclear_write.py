"""A write with an unclear end: the error of the command line, which names the command to run."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, cast

import attrs

from billingual.cli.connection import Connection
from billingual.cli.error_text import error_text
from billingual.cli.inputs import ChangeOptions, DraftOptions, changes_from, draft_from
from billingual.cli.messages import command_line
from billingual.errors import InvalidInputError, OutcomeUnknown, unclear_from
from billingual.model import Changes, CustomField, Draft, Money, as_json

__all__ = ["UnclearWriteError", "reconcilable"]

_NAMES: Final = {"delete_many": "delete"}


class UnclearWriteError(Exception):
    """A write may or may not have been carried out.

    Attributes:
        command: the command that finds out; empty if there is no way to.
    """

    def __init__(self, text: str, command: str) -> None:
        super().__init__(text)
        self.command = command


@contextmanager
def reconcilable(connection: Connection) -> Iterator[None]:
    """Let an unclear end say which command finds out what became of the write.

    Raises:
        UnclearWriteError: instead of the error or the interrupt that left the write unclear.
    """
    try:
        yield
    except (OutcomeUnknown, asyncio.CancelledError) as error:
        unclear = unclear_from(error)
        if unclear is None:
            raise
        if unclear is error:
            text = error_text(unclear)
        else:
            text = (
                f"interrupted: {unclear.provider} may or may not have carried out "
                f"{unclear.operation}. Do not simply run this again."
            )
        raise UnclearWriteError(text, _command(unclear, connection)) from error


def _command(unclear: OutcomeUnknown, connection: Connection) -> str:
    """Write the command that finds out, ready to be copied; empty if nothing could be read."""
    intent = unclear.intent
    if intent is None or intent.replacement is not None:
        return ""
    where = [
        word
        for name, value in attrs.asdict(connection).items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    if intent.draft is not None and intent.invoice_ids:
        # The provider gave it an id, and what failed is a read of it.
        return command_line(["billingual", "get", *intent.invoice_ids, *where])
    stdin, options = "", []
    ids = [*intent.invoice_ids, *(invoice_id for invoice_id, _ in intent.pairs)]
    fields = intent.draft or next((changes for _, changes in intent.pairs), None)
    if isinstance(fields, (Draft, Changes)):
        try:
            options = _options(fields)
        except InvalidInputError:
            # A null, or a custom field that is no text, is no option.
            stdin = f"echo {shlex.quote(json.dumps(as_json(fields.given())))} | "
            options = ["--from", "-"]
    given_up_at = datetime.fromtimestamp(unclear.given_up_at, UTC)
    words = ["billingual", "reconcile", _NAMES.get(intent.operation, intent.operation), *ids]
    words += [*options, "--given-up-at", given_up_at.isoformat().replace("+00:00", "Z")]
    return stdin + command_line([*words, *where])


def _options(fields: Draft | Changes) -> list[str]:
    """Write fields as the options that mean exactly them.

    Raises:
        InvalidInputError: if there are none.
    """
    given = fields.given()
    texts = {name: _text(name, value) for name, value in given.items() if name != "fields"}
    custom = [
        f"{each.key}={each.value}"
        for each in cast("tuple[CustomField, ...]", given.get("fields", ()))
    ]
    again: Draft | Changes
    if isinstance(fields, Draft):
        again = draft_from(DraftOptions(**texts, field=tuple(custom)), None)
    else:
        again = changes_from(ChangeOptions(**texts, field=tuple(custom)), None)
    if again != fields:
        raise InvalidInputError("fields", "options cannot say them", "write JSON")
    pairs = [*texts.items(), *(("field", each) for each in custom)]
    return [word for name, text in pairs for word in _option(name, text)]


def _text(name: str, value: object) -> str:
    if value is None:
        raise InvalidInputError(name, "no option is a null", "write JSON")
    return str(value if isinstance(value, Money) else as_json(value))


def _option(name: str, text: str) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    # What begins with a dash would be taken for an option.
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
