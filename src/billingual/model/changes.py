"""What a caller gives to change some fields of an invoice."""

from __future__ import annotations

import attrs

from billingual.model._given import Given, text_if_given
from billingual.model.unset import UNSET, UnsetType

__all__ = ["Changes"]


@attrs.frozen(kw_only=True)
class Changes(Given):
    """New values for some fields of an invoice; fields left out stay as they are.

    ``UNSET`` (left out), ``None`` and a value are three things: ``None`` sends an explicit null,
    which no provider documents, so expect a refusal. Which fields a provider takes is in its
    capabilities.

    Attributes:
        number: the number printed on the invoice.
        status: the provider's word; sent as it is given.
        issued_at: an aware datetime, or ISO text with an offset or ``Z``.
        due_at: likewise.
        paid_at: likewise.
        currency: ISO 4217 code; where *total* is given its currency counts instead.
        collection_method: how the money is collected.
        counterparty: the provider's id of who is to pay.
        document: the provider's id of the contract or document behind the invoice.
        blueprint: the provider's id of what recurring invoices are made from.
        total: the whole amount, where the provider does not compute it.
        exchange_rate: text, an int or a Decimal; never a float.
        fields: custom fields: ``{"name": "text"}`` or :class:`CustomField` objects.

    Raises:
        InvalidInputError: if a value is of the wrong type, a datetime has no time zone, a number
            is a float, or a text holds half of a surrogate pair.
    """

    collection_method: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
