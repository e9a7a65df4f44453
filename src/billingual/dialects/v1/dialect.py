"""Katsu Pay: a whole invoice is put in the place of another.

Its conventions, read 2026-11 at
https://sabi-docs.netlify.app/api/Katsu%20Pay/Invoice/update_invoice:

- ``PUT /api/v1/Invoice/Update`` carries the id in its body. What is left out may be cleared, so
  the body is always complete.
- Names go out exactly as documented: ``recuringInvoice`` is misspelt, ``counterPartyId`` has a
  capital P; both spellings of the latter are read.
- ``currency`` is a whole number there, and no table says which; the caller's table is needed.
  The other codes (``billingCycle``, ``paymentMethods``, ``notification``, ``discountType``) are
  numbers without documented meanings too.
- The response is ``{succeeded, message, errors, data: {invoiceId, amount}}`` by its schema, and a
  bare invoice by its example; both are read. Neither is an invoice: there is a receipt only.
- ``succeeded: false`` comes with status 200. A response may be labelled as text.
- Amounts are in major units; how they are rounded is not documented.
- An update may send mail (``notification``, the reminders), so it is not always safe to deliver
  twice.
- ``version`` is called a path parameter here and a query parameter on sibling pages.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, cast

import attrs

from billingual.capabilities import Capabilities, Feature
from billingual.dialects._kit.requests import DialectBase, uuid, write_fields, write_request
from billingual.dialects.v1.requests import replacement_fields, safety_of
from billingual.errors import ConfigurationError, InvalidInputError, shown
from billingual.model import checked_currency, checked_text
from billingual.wire import Conversation, encode_query, path_segment

if TYPE_CHECKING:
    from types import ModuleType

    from billingual.model import Receipt, Replacement

__all__ = ["V1Dialect"]

_ROUTE: Final = "/api/{version}/Invoice/Update"
_NOT_DOCUMENTED: Final = "use the provider's own application: no such operation is documented"

CAPABILITIES: Final = Capabilities(
    provider="katsu",
    features=frozenset({Feature.REPLACE}),
    instead={
        Feature.UPDATE: (
            "update it with a Replacement: the provider replaces the whole document, and what is "
            "left out may be cleared"
        ),
        Feature.UPDATE_MANY: "update invoices one by one, each with a Replacement",
        **dict.fromkeys(
            (
                Feature.CREATE, Feature.GET, Feature.LIST, Feature.DELETE_MANY,
                Feature.FINALIZE, Feature.VOID,
            ),
            _NOT_DOCUMENTED,
        ),
    },
)  # fmt: skip


def _copied(table: Mapping[str, int]) -> dict[str, int]:
    return dict(table)


@attrs.frozen(kw_only=True, eq=False)
class V1Dialect(DialectBase):
    """Speak to Katsu Pay.

    Attributes:
        provider: the name used in errors.
        currencies: the provider's number for each ISO 4217 code you use; it documents none.
        api_version: the version in the path.
        version_param: also send ``version`` as a query parameter, with the same text.

    Raises:
        InvalidInputError: if a currency's number is no int, or *api_version* is empty.
    """

    name: ClassVar[str] = "v1"
    documented = CAPABILITIES

    provider: str = "katsu"
    currencies: Mapping[str, int] = attrs.field(factory=dict, converter=_copied, hash=False)
    api_version: str = "v1"
    version_param: bool = False

    def __attrs_post_init__(self) -> None:
        for code, number in self.currencies.items():
            if type(number) is not int:
                raise InvalidInputError(
                    "currencies", f"the number for {code} is no int", "give one like {'USD': 1}"
                )
        version = checked_text(self.api_version, "api_version")
        if version in {"", ".", ".."} or path_segment(version) != version:
            raise InvalidInputError(
                "api_version",
                f"{shown(self.api_version)} is no segment of a path",
                "give one like 'v1'",
            )

    def replace(self, invoice_id: str, replacement: Replacement) -> Conversation[Receipt]:
        """Put a whole document in the place of one invoice.

        Raises:
            InvalidInputError: if an id is no UUID.
            ConfigurationError: if the provider's number for the currency was not given.
        """
        fields = replacement_fields(self._currency)
        # Only a discount can be None, which is not sent.
        given = {
            name: value for name in fields if (value := getattr(replacement, name)) is not None
        }
        body = {"id": uuid(invoice_id, "invoice_id"), **write_fields(fields, given)}
        path = _ROUTE.replace("{version}", self.api_version)
        query = encode_query([("version", self.api_version)] if self.version_param else [])
        read = partial(records().read_receipt, asked=invoice_id, given=given)
        receipt: Receipt = yield write_request(
            self.provider, "PUT", path + query, _ROUTE, safety_of(replacement),
            body=body, fields=fields, read=read,
        )  # fmt: skip
        return receipt

    def _currency(self, value: object, _: str) -> int:
        code = cast(str, value)
        number = self.currencies.get(code)
        if number is None:
            checked_currency(code)
            raise ConfigurationError(
                f"{self.provider} writes currencies as numbers that it does not document, so the "
                f"number of {shown(code)} must come from you",
                f'give providers.katsu(currencies={{"{code}": 1}}), with the number that your '
                "account uses in the place of 1",
                field=code,
                hint="give_currency_number",
            )
        return number


@functools.cache
def records() -> ModuleType:
    """Import what reads responses, with the first request and before that is sent.

    It is heavy, and making a client takes nothing of it.
    """
    from billingual.dialects.v1 import records  # noqa: PLC0415 - as above

    return records
