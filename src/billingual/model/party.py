"""The companies and people on an invoice."""

from __future__ import annotations

import attrs

from billingual.model._mapping import ToDict

__all__ = ["Contact", "Party"]


@attrs.frozen(kw_only=True, repr=False)
class Contact(ToDict):
    """A person to write to about an invoice."""

    id: str | None = None
    name: str | None = None
    title: str | None = None
    email: str | None = attrs.field(default=None, repr=False)
    phone: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True, repr=False)
class Party(ToDict):
    """A buyer or seller; what a provider does not state is None."""

    id: str | None = None
    name: str | None = None
    address: str | None = attrs.field(default=None, repr=False)
    role: str | None = None
    contact: Contact | None = None
