"""A request as it was sent, and the call of billingual that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from billingual.sandbox.page.exchanges import Headers

__all__ = ["Amount", "CustomField", "Fields", "Operation", "Record", "Sent", "texts_if_plain"]

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
