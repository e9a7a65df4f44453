"""A request as a curl command, and a call of billingual as a command of its own."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from billingual.sandbox.json_text import json_text
from billingual.sandbox.page.operation import (
    LOST_BODY,
    TOKEN_VARIABLE,
    Amount,
    CustomField,
    Operation,
    Record,
    Sent,
    amount_text,
    own_headers,
    texts_if_plain,
)

__all__ = ["call_command", "curl_command"]

_WIDTH: Final = 88


def curl_command(sent: Sent, url: str) -> str:
    """Write the curl command that sends a request again."""
    address = f"{url}{sent.target}"
    parts = ["curl"]
    if sent.method == "HEAD":
        parts[0] += " --head"
    elif sent.method != "GET" or sent.body != b"":
        parts[0] += f" -X {_quoted(sent.method)}"
    if set(address) & set("[]{}"):
        parts[0] += " --globoff"
    parts[0] += f" {_quoted(address)}"
    for name, value in own_headers(sent):
        if name.lower() == "authorization":
            parts.append(f'-H "Authorization: Bearer ${TOKEN_VARIABLE}"')
        else:
            parts.append(f"-H {_quoted(f'{name}: {value}')}")
    note = ""
    if sent.body is None:
        note = f"# Not all of the body was kept; put it into the file {LOST_BODY}.\n"
        parts.append(f"--data-binary @{LOST_BODY}")
    elif sent.body:
        try:
            parts.append(f"--data-raw {_quoted(sent.body.decode('utf-8'))}")
        except UnicodeDecodeError:
            note = f"# The body is no text; put it into the file {LOST_BODY}.\n"
            parts.append(f"--data-binary @{LOST_BODY}")
    return note + " \\\n  ".join(parts) + "\n"


def call_command(sent: Sent, operation: Operation, url: str) -> str | None:
    """Write a command of billingual; None if none sends this."""
    words, options, after = _COMMANDS[operation.name](operation)
    if options is None:
        return None
    place: list[tuple[str, object]] = [("base-url", f"{url}/{sent.provider}")]
    if sent.provider != "exante":
        place.insert(0, ("provider", sent.provider))
    for name, value in (
        ("tenant", sent.header("tenant-id")),
        ("organization", operation.organization),
    ):
        if value is not None:
            place.append((name, value))
    parts = [" ".join(["billingual", *words]), *(_option(*each) for each in (*place, *options))]
    line = " ".join(parts)
    text = line if len(line) <= _WIDTH else " \\\n  ".join(parts)
    return f"{text}{after}\n"


_Command = tuple[list[str], list[tuple[str, object]] | None, str]


def _option(name: str, value: object) -> str:
    if value is True:
        return f"--{name}"
    text = str(value)
    # A value that begins with a dash would be taken for an option.
    between = "=" if text.startswith("-") else " "
    return f"--{name}{between}{_quoted(text)}"


def _cli_list(operation: Operation) -> _Command:
    options: list[tuple[str, object]] = []
    for name, value in operation.fields.items():
        if name == "extra_params":
            if any("=" in key for key in value):
                return [], None, ""
            options += [("param", f"{key}={text}") for key, text in value.items()]
        else:
            option = {"counterparty_ids": "counterparty-id"}.get(name, name.replace("_", "-"))
            options += [(option, each) for each in (value if isinstance(value, list) else [value])]
    if operation.sort is not None:
        options.append(("sort", operation.sort))
    if operation.page_size is not None:
        options.append(("page-size", operation.page_size))
    return ["list"], options, ""


def _cli_get(operation: Operation) -> _Command:
    yes: list[tuple[str, object]] = [] if operation.name == "get" else [("yes", True)]
    return [operation.name, _quoted(operation.ids[0])], yes, ""


def _cli_create(operation: Operation) -> _Command:
    return _with_fields(["create"], operation.fields)


def _cli_update(operation: Operation) -> _Command:
    words = ["update", _quoted(operation.ids[0])]
    if not operation.is_replacement:
        return _with_fields(words, operation.fields)
    code = operation.fields["currency"]
    options: list[tuple[str, object]] = [
        ("currency-code", f"{code}={operation.currency_number}"),
        ("replacement", "-"),
    ]
    return words, options, _document([_plain(operation.fields)])


def _cli_update_many(operation: Operation) -> _Command:
    rows = [
        {"invoice_id": uid, **fields}
        for uid, fields in zip(operation.ids, operation.batch, strict=True)
    ]
    if any(None in row.values() for row in rows):
        return [], None, ""
    return ["bulk", "update", "-"], [("job", "changes.db")], _document(rows)


def _cli_delete_many(operation: Operation) -> _Command:
    return ["delete", *map(_quoted, operation.ids)], [("yes", True)], ""


_COMMANDS: Final[Mapping[str, Callable[[Operation], _Command]]] = {
    "list": _cli_list,
    "get": _cli_get,
    "finalize": _cli_get,
    "void": _cli_get,
    "create": _cli_create,
    "update": _cli_update,
    "update_many": _cli_update_many,
    "delete_many": _cli_delete_many,
}


def _with_fields(words: list[str], fields: Mapping[str, Any]) -> _Command:
    """Give fields as options, or as JSON where an option cannot hold one: null, or no text."""
    options = _field_options(fields)
    if options is not None:
        return words, options, ""
    return words, [("from", "-")], _document([_plain(fields)])


def _field_options(fields: Mapping[str, Any]) -> list[tuple[str, object]] | None:
    options: list[tuple[str, object]] = []
    for name, value in texts_if_plain(fields).items():
        option = name.replace("_", "-")
        if name == "fields" and isinstance(value, dict) and not any("=" in key for key in value):
            options += [("field", f"{key}={text}") for key, text in value.items()]
        elif isinstance(value, Amount):
            options.append((option, amount_text(value.minor, value.currency)))
        elif isinstance(value, Decimal):
            options.append((option, f"{value:f}"))
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            options.append((option, value))
        else:
            return None
    return options


def _plain(value: object) -> object:
    if isinstance(value, Record):
        return _plain(value.fields)
    if isinstance(value, (Amount, CustomField)):
        return attrs.asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _document(records: list[Any]) -> str:
    """Write what a command reads from its stdin; a line of it never ends it."""
    text = "\n".join(json_text(each) for each in records)
    # JSON has escapes of its own for what a terminal would obey.
    shown = "".join(
        each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text
    )
    return f" <<'END'\n{shown}\nEND"


def _quoted(text: str) -> str:
    """Quote a text for a shell; what a terminal would obey goes as escapes, as bash and zsh do."""
    if text.isprintable():
        return shlex.quote(text)
    pieces = []
    for each in text:
        code = ord(each)
        if each in "\\'":
            pieces.append(f"\\{each}")
        elif each.isprintable():
            pieces.append(each)
        else:
            pieces.append(f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")
    return "$'" + "".join(pieces) + "'"
