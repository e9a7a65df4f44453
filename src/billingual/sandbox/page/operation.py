"""A request as it was sent, the call of billingual that sends it, and what a copy needs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from billingual.sandbox.page.exchanges import Headers
from billingual.sandbox.page.wire_text import MASK, is_secret_name

__all__ = [
    "LOST_BODY",
    "NO_CALL",
    "NO_COMMAND",
    "TOKEN_VARIABLE",
    "Amount",
    "CustomField",
    "Fields",
    "Operation",
    "Record",
    "Sent",
    "amount_text",
    "own_headers",
    "texts_if_plain",
]

TOKEN_VARIABLE: Final = "BILLINGUAL_TOKEN"  # noqa: S105  the name of a variable
"""The environment variable that holds the token."""

LOST_BODY: Final = "request-body"
"""A file for a body that was not kept whole, or is no text."""

NO_CALL: Final = "# No call of billingual sends this request."
"""Comes before code that sends the request without billingual."""

NO_COMMAND: Final = "# No command of billingual sends this request."
"""Comes before curl where there is no command."""

# What curl and httpx write by themselves, or what belongs to a connection.
_LEFT_OUT: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"}
)

# Digits of the minor unit where they are not two. Source: ISO 4217, list one.
_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
         "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip

Fields = dict[str, Any]


@attrs.frozen(kw_only=True)
class Sent:
    """A request; *path* is as sent and has the provider's prefix, *body* is None if a part is lost.

    *headers* may hold secrets.
    """

    provider: str
    method: str
    path: str
    query: str = attrs.field(default="", repr=False)
    headers: Headers = attrs.field(default=(), repr=False)
    body: bytes | None = attrs.field(default=b"", repr=False)

    @property
    def target(self) -> str:
        """The path and the query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """Give the value of a header, if it was sent."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@attrs.frozen
class Amount:
    """Minor units of a currency."""

    minor: int
    currency: str


@attrs.frozen
class CustomField:
    """A custom field of Exante."""

    key: str
    value: object
    type: str


@attrs.frozen
class Record:
    """An object of billingual's within another, by the name of its class."""

    name: str
    fields: Fields


@attrs.frozen(kw_only=True)
class Operation:
    """A call of billingual.

    Attributes:
        name: The method: list, get, create, update, update_many, delete_many, finalize or void.
        ids: The invoices it is about.
        fields: Of the filter, the draft, the changes or the replacement.
        batch: Of an update_many, the fields for each id.
        is_replacement: Whether an update puts a whole document in the place of another.
        sort: The key of a list.
        page_size: Rows of a page.
        page: Which page of a list; billingual asks for pages by itself.
        organization: Whose invoices.
        currency_number: Katsu Pay's number for the currency of a replacement.
    """

    name: str
    ids: tuple[str, ...] = ()
    fields: Fields = attrs.field(factory=dict)
    batch: tuple[Fields, ...] = ()
    is_replacement: bool = False
    sort: str | None = None
    page_size: int | None = None
    page: int = 1
    organization: str | None = None
    currency_number: int | None = None


def texts_if_plain(fields: Mapping[str, Any]) -> Fields:
    """Write custom fields in their short form, if all of them are texts."""
    custom = fields.get("fields")
    if custom and all(each.type == "string" and isinstance(each.value, str) for each in custom):
        return {**fields, "fields": {each.key: each.value for each in custom}}
    return dict(fields)


def own_headers(sent: Sent) -> list[tuple[str, str]]:
    """List the headers that a copy of a request needs, with masks for secrets."""
    return [
        (name, MASK if is_secret_name(name) else value)
        for name, value in sent.headers
        if name.lower() not in _LEFT_OUT and (name.lower(), value) != ("accept", "*/*")
    ]


def amount_text(minor: int, currency: str) -> str:
    """Write an amount with its currency: `12.34 EUR`."""
    return f"{Decimal(minor).scaleb(-_DIGITS.get(currency, 2)):f} {currency}"
