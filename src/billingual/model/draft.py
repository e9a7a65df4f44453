"""What a caller gives to create an invoice."""

from __future__ import annotations

import attrs

from billingual.model._given import Given, text_if_given
from billingual.model.unset import UNSET, UnsetType

__all__ = ["Draft"]


@attrs.frozen(kw_only=True)
class Draft(Given):
    """An invoice to be created. Which fields a provider takes is in its capabilities.

    A field left out is not sent; ``None`` sends an explicit null, where the provider allows it.

    Attributes:
        number: the number to be printed; where it is left out the provider may choose one.
        counterparty: the provider's id of who is to pay.
        owner: the provider's id of the invoice's owner.
        document: the provider's id of the contract or document behind the invoice.
        blueprint: the provider's id of what recurring invoices are made from.
        issued_at: an aware datetime, or ISO text with an offset or ``Z``.
        due_at: likewise.
        paid_at: likewise.
        status: the provider's word; sent as it is given.
        currency: ISO 4217 code; where *total* is given its currency counts instead.
        kind: ``"receivable"`` or ``"payable"``.
        total: the whole amount, where the provider does not compute it.
        exchange_rate: text, an int or a Decimal; never a float.
        fields: custom fields: ``{"name": "text"}`` or :class:`CustomField` objects.

    Raises:
        InvalidInputError: if a value is of the wrong type, a datetime has no time zone, a number
            is a float, or a text holds half of a surrogate pair.
    """

    owner: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
    kind: str | None | UnsetType = attrs.field(default=UNSET, validator=text_if_given)
