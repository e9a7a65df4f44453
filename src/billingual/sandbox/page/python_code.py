"""A call of billingual, or a bare request, as a Python program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from billingual.sandbox.page.operation import (
    LOST_BODY,
    NO_CALL,
    TOKEN_VARIABLE,
    Amount,
    CustomField,
    Operation,
    Record,
    Sent,
    own_headers,
    texts_if_plain,
)

__all__ = ["call_program", "request_program"]

_WIDTH: Final = 88


def call_program(sent: Sent, operation: Operation, url: str) -> str:
    """Write the program that makes a call."""
    call, names = _PYTHON[operation.name](operation)
    provider = _text(sent.provider)
    if operation.currency_number is not None:
        table = f'{{"{operation.fields["currency"]}": {operation.currency_number}}}'
        provider = f"providers.{sent.provider}(currencies={table})"
        names = [*names, "providers"]
    options: dict[str, str] = {"base_url": _text(f"{url}/{sent.provider}")}
    imports = ""
    if sent.header("authorization") is not None:
        imports = "import os\n\n"
        options["token"] = f'os.environ["{TOKEN_VARIABLE}"]'
    for name, value in (
        ("tenant", sent.header("tenant-id")),
        ("organization", operation.organization),
    ):
        if value is not None:
            options[name] = _text(value)
    client = _joined(
        "with Client(", ") as invoices:", [provider, *(f"{k}={v}" for k, v in options.items())], 0
    )
    wanted = ", ".join(sorted({"Client", *names}, key=lambda name: (name.islower(), name)))
    return f"{imports}from billingual import {wanted}\n\n{client}\n    {call}\n"


def request_program(sent: Sent, url: str) -> str:
    """Write a request that billingual does not send."""
    headers = [
        f"{_text(name)}: {_header_literal(name, value)}" for name, value in own_headers(sent)
    ]
    needs_token = sent.header("authorization") is not None
    parts = [_text(sent.method), _text(f"{url}{sent.target}")]
    if headers:
        parts.append(f"headers={_joined('{', '}', headers, 4)}")
    note = ""
    if sent.body is None:
        note = f"# Not all of the body was kept; put it into the file {LOST_BODY}.\n"
        parts.append(f'content=open("{LOST_BODY}", "rb").read()')
    elif sent.body:
        parts.append(f"content={sent.body!r}")
    imports = "import os\n\n" if needs_token else ""
    return (
        f"{imports}import httpx\n\n{NO_CALL}\n{note}"
        f"response = {_joined('httpx.request(', ')', parts, 0)}\nprint(response.text)\n"
    )


def _header_literal(name: str, value: str) -> str:
    if name.lower() == "authorization":
        return f"f\"Bearer {{os.environ['{TOKEN_VARIABLE}']}}\""
    return _text(value)


def _python_list(operation: Operation) -> tuple[str, list[str]]:
    names = ["Filter"] if operation.fields else []
    positional = [_call("Filter", [], operation.fields, 8)] if operation.fields else []
    named = {"sort": operation.sort, "page_size": operation.page_size}
    call = _call(
        "invoices.list",
        positional,
        {name: value for name, value in named.items() if value is not None},
        4,
    )
    note = (
        f"# Page {operation.page} of the list; the pages are asked for as they are needed.\n    "
        if operation.page > 1
        else ""
    )
    return (
        f"{note}for invoice in {call}:\n        print(invoice.id, invoice.status, invoice.total)",
        names,
    )


def _python_get(operation: Operation) -> tuple[str, list[str]]:
    return _printed(_call(f"invoices.{operation.name}", [_text(operation.ids[0])], {}, 4)), []


def _python_create(operation: Operation) -> tuple[str, list[str]]:
    draft, names = _value("Draft", operation.fields, 8)
    return _printed(_joined("invoices.create(", ")", [draft], 4)), names


def _python_update(operation: Operation) -> tuple[str, list[str]]:
    kind = "Replacement" if operation.is_replacement else "Changes"
    value, names = _value(kind, operation.fields, 8)
    call = _joined("invoices.update(", ")", [_text(operation.ids[0]), value], 4)
    return _printed(call), names


def _python_update_many(operation: Operation) -> tuple[str, list[str]]:
    pairs = [
        _joined("(", ")", [_text(uid), _call("Changes", [], texts_if_plain(fields), 12)], 8)
        for uid, fields in zip(operation.ids, operation.batch, strict=True)
    ]
    return f"invoices.update_many({_joined('[', ']', pairs, 4)})", ["Changes"]


def _python_delete_many(operation: Operation) -> tuple[str, list[str]]:
    return _call("invoices.delete_many", [_literal(list(operation.ids), 8)], {}, 4), []


_PYTHON: Final[Mapping[str, Callable[[Operation], tuple[str, list[str]]]]] = {
    "list": _python_list,
    "get": _python_get,
    "finalize": _python_get,
    "void": _python_get,
    "create": _python_create,
    "update": _python_update,
    "update_many": _python_update_many,
    "delete_many": _python_delete_many,
}


def _value(kind: str, fields: Mapping[str, Any], indent: int) -> tuple[str, list[str]]:
    """Write a draft, changes or a replacement, and the names that it needs."""
    simple = texts_if_plain(fields)
    names = {kind}
    for value in simple.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Amount):
                names.add("Money")
            elif isinstance(each, CustomField):
                names.add("CustomField")
            elif isinstance(each, Record):
                names.add(each.name)
    return _call(kind, [], simple, indent), sorted(names)


def _printed(call: str) -> str:
    return f"invoice = {call}\n    print(invoice)"


def _literal(value: object, indent: int = 0) -> str:
    """Write a value as Python; on several lines if it is long."""
    inner = indent + 4
    if isinstance(value, (str, Decimal)):
        return _text(f"{value:f}" if isinstance(value, Decimal) else value)
    if isinstance(value, dict):
        members = [f"{_text(name)}: {_literal(item, inner)}" for name, item in value.items()]
        return _joined("{", "}", members, indent)
    if isinstance(value, list):
        return _joined("[", "]", [_literal(item, inner) for item in value], indent)
    if isinstance(value, Amount):
        return f"Money({value.minor}, {_text(value.currency)})"
    if isinstance(value, (CustomField, Record)):
        name = value.name if isinstance(value, Record) else "CustomField"
        fields = value.fields if isinstance(value, Record) else attrs.asdict(value)
        return _call(name, [], fields, indent)
    return repr(value)


def _text(value: str) -> str:
    # Its escapes are Python's too, and the quotes are those that formatters choose.
    return json.dumps(value, ensure_ascii=False)


def _joined(before: str, after: str, parts: list[str], indent: int) -> str:
    line = before + ", ".join(parts) + after
    if "\n" not in line and len(line) + indent <= _WIDTH:
        return line
    space = " " * (indent + 4)
    return f"{before}\n" + "".join(f"{space}{part},\n" for part in parts) + " " * indent + after


def _call(name: str, positional: list[str], named: Mapping[str, Any], indent: int) -> str:
    parts = positional + [f"{key}={_literal(value, indent + 4)}" for key, value in named.items()]
    return _joined(f"{name}(", ")", parts, indent)
