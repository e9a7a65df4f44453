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
    id_like,
    minor_units,
    moment_with_milliseconds,
    one_of,
    single,
    text_of,
    write_fields,
)
from billingual.errors import InvalidInputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from billingual.model import Query

__all__ = ["CHANGES", "DRAFT", "FILTERS", "prefixed_id", "query_pairs", "tenant_id"]

EXPANSIONS: Final = ("contract", "contract.client")


tenant_id: Final = id_like(r"tnt_[a-z0-9]{24}", "'tnt_' followed by 24 small letters and digits")


def prefixed_id(prefix: str) -> Callable[[object, str], str]:
    """Make a writer of ids of one kind of object; their length is documented of tenants alone."""
    return id_like(rf"{prefix}_[A-Za-z0-9]{{1,250}}", f"'{prefix}_' followed by letters and digits")


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


def _expansions(value: object, name: str) -> str:
    names = cast(tuple[str, ...], value)
    for each in names:
        if each not in EXPANSIONS:
            raise InvalidInputError(
                name,
                f"{shown(each)} is not documented",
                f"give {' or '.join(EXPANSIONS)}, or send it as it is with extra_params",
            )
    return ",".join(names)


FILTERS: Final = {
    "expand": Field("expand", _expansions),
    "document": Field("contractId", prefixed_id("ctr")),
    "status": Field("status", single(one_of("DRAFT", "FINALIZED", "VOID"))),
}


def query_pairs(query: Query) -> list[tuple[str, str]]:
    """Write a query as the pairs of a query string, in the order of the documentation.

    Raises:
        InvalidInputError: if a value cannot be asked for.
    """
    if query.page != 1:
        raise InvalidInputError("page", f"there is no page {shown(query.page)}", "ask for page 1")
    pairs = write_fields(FILTERS, query.filter.given())
    # "expand" is free for expansions that are documented nowhere yet, where none is given.
    taken = {"contractId", "status", *pairs}
    texts = [(name, str(text)) for name, text in pairs.items()]
    return texts + extra_pairs(query.filter, taken)
