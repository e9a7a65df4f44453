"""What goes out to Kukkingu: the fields of bodies, and the query of a list.

Sources, read 2026-11: https://docs.kukkingu.software/api-reference/invoices/create-invoice and
https://docs.kukkingu.software/api-reference/invoices/list-invoices.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

import attrs

from billingual.dialects._kit.requests import (
    Field,
    currency_code,
    extra_pairs,
    minor_units,
    moment_with_milliseconds,
    one_of,
    prefixed_id,
    text_of,
)
from billingual.errors import InvalidInputError, shown

if TYPE_CHECKING:
    from billingual.model import Query

__all__ = ["CHANGES", "DRAFT", "query_pairs"]

EXPANSIONS: Final = ("contract", "contract.client")

_contract_id: Final = prefixed_id("ctr")
_status: Final = one_of("DRAFT", "FINALIZED", "VOID")


def _rate(value: object, name: str) -> Decimal:
    rate = cast(Decimal, value)
    if rate < 0:
        raise InvalidInputError(name, f"{rate} is negative", "give 0 or more")
    return rate


CHANGES: Final = {
    "number": Field("invoiceNumber", text_of(1, 255)),
    "exchange_rate": Field("exchangeRate", _rate),
    "currency": Field("currencyCode", currency_code),
    "total": Field("amountMinor", minor_units(0, 2**53 - 1)),
    "issued_at": Field("issuedAt", moment_with_milliseconds),
    "due_at": Field("dueAt", moment_with_milliseconds),
    "paid_at": Field("paidAt", moment_with_milliseconds),
}
DRAFT: Final = {
    "document": Field("contractId", prefixed_id("ctr"), nullable=False),
    **{name: attrs.evolve(field, nullable=False) for name, field in CHANGES.items()},
}


def query_pairs(query: Query, provider: str) -> list[tuple[str, str]]:
    """Write a query as the pairs of a query string, in the order of the documentation.

    Raises:
        InvalidInputError: if a value cannot be asked for.
    """
    if query.page != 1:
        raise InvalidInputError("page", f"there is no page {shown(query.page)}", "ask for page 1")
    wanted = query.filter
    pairs: list[tuple[str, str]] = []
    taken = {"contractId", "status"}
    if wanted.expand is not None:
        pairs.append(("expand", _expansions(wanted.expand)))
        # Otherwise the name is free for expansions that are documented nowhere yet.
        taken.add("expand")
    if wanted.document is not None:
        pairs.append(("contractId", _contract_id(wanted.document, "document")))
    if wanted.status is not None:
        pairs.append(("status", _one_status(wanted.status, provider)))
    return pairs + extra_pairs(wanted, taken)


def _expansions(names: tuple[str, ...]) -> str:
    for each in names:
        if each not in EXPANSIONS:
            raise InvalidInputError(
                "expand",
                f"{shown(each)} is not documented",
                f"give {' or '.join(EXPANSIONS)}, or send it as it is with extra_params",
            )
    return ",".join(names)


def _one_status(words: tuple[str, ...], provider: str) -> str:
    if len(words) > 1:
        raise InvalidInputError(
            "status", f"{provider} takes exactly one", "list once for each status"
        )
    return str(_status(words[0], "status"))
