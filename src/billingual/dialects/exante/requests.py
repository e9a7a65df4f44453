"""Exante's requests: the fields of bodies, filters, the mini-language of ranges, the order of rows.

Source: https://docs.exante.app/api-reference/invoices/list, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from billingual.dialects._kit.requests import (
    Field,
    collection_method,
    currency_code,
    custom_field_map,
    end_moment,
    extra_pairs,
    moment,
    uuid,
    verbatim,
    write_fields,
)
from billingual.errors import InvalidInputError, shown
from billingual.model.enums import Status, refuse_misspelt

if TYPE_CHECKING:
    from billingual.model import Query, Range, Sort

__all__ = ["CHANGES", "DRAFT", "FILTERS", "KINDS", "PAGE_LIMIT", "SORTS", "query_pairs"]

PAGE_LIMIT: Final = 100
KINDS: Final[Mapping[str, str]] = {
    "receivable": "ACCOUNTS_RECEIVABLE",
    "payable": "ACCOUNTS_PAYABLE",
}
SORTS: Final[Mapping[str, str]] = {
    "due_at": "due_date",
    "issued_at": "issue_date",
    "paid_at": "paid_date",
    "total": "total",
    "status": "status",
    "collection_method": "collection_method",
    "number": "invoice_number",
    "counterparty": "party_name",
    "overdue_days": "overdue_days",
}


def _kind(value: object, name: str) -> str:
    wire = KINDS.get(str(value))
    if wire is None:
        raise InvalidInputError(
            name, f"{shown(value)} is neither side", f"give {' or '.join(KINDS)}"
        )
    return wire


DRAFT: Final = {
    "counterparty": Field("target_party_uid", uuid, nullable=False),
    "owner": Field("owner_uid", uuid, nullable=False),
    "document": Field("document_uid", uuid, nullable=False),
    "blueprint": Field("invoice_blueprint_uid", uuid),
    "issued_at": Field("issue_date", moment),
    "due_at": Field("due_date", moment),
    "number": Field("invoice_number", verbatim),
    "status": Field("status", verbatim, nullable=False),
    "currency": Field("currency", currency_code, nullable=False),
    "kind": Field("invoice_type", _kind, nullable=False),
    "fields": Field("invoice_fields", custom_field_map, nullable=False),
}
# Whether an update takes null is not documented, so a null the caller insists on is sent.
CHANGES: Final = {
    "status": Field("status", verbatim),
    "issued_at": Field("issue_date", moment),
    "due_at": Field("due_date", moment),
    "paid_at": Field("paid_date", moment),
    "number": Field("invoice_number", verbatim),
    "collection_method": Field("collection_method", collection_method),
    "currency": Field("currency", currency_code),
    "counterparty": Field("target_party_uid", uuid),
    "document": Field("document_uid", uuid),
    "blueprint": Field("invoice_blueprint_uid", uuid),
    "fields": Field("invoice_fields", custom_field_map),
}


def _range(value: object, name: str) -> str:
    """Write a range in the provider's mini-language: ``15``, ``1-30``, ``>90``, ``<0``.

    There is no ``>=`` and no ``<=``; between whole numbers, ``>= 31`` is ``>30``.

    Raises:
        InvalidInputError: if an exact number or an end of a closed range is negative: its sign
            could not be told from the dash of a range.
    """
    given = cast("Range", value)
    low, high = given.low, given.high
    if low is None:
        return f"<{cast(int, high) + 1}"
    if high is None:
        return f">{low - 1}"
    if low < 0:
        raise InvalidInputError(
            name,
            f"the sign of {low} would be taken for the dash of a range",
            "use only one end, like '< 0' or '> -10'",
        )
    return str(low) if low == high else f"{low}-{high}"


def _names(value: object, name: str) -> str:
    names = cast(tuple[str, ...], value)
    if any("|" in each for each in names):
        raise InvalidInputError(
            name, "a name holds '|', which separates names there", "use counterparty_ids instead"
        )
    return "|".join(names)


def _ids(value: object, name: str) -> str:
    return ",".join(uuid(each, name) for each in cast(tuple[str, ...], value))


def _listed(value: object, name: str) -> str:
    words = cast(tuple[str, ...], value)
    if any("," in each for each in words):
        raise InvalidInputError(
            name, "a value holds ',', which separates values there", "give a list of values"
        )
    return ",".join(words)


def _statuses(value: object, name: str) -> str:
    for word in cast(tuple[str, ...], value):
        refuse_misspelt(Status, word, name, f"Status({word!r})")
    return _listed(value, name)


def _methods(value: object, name: str) -> str:
    methods = cast(tuple[str, ...], value)
    return ",".join(str(collection_method(each, name)) for each in methods)


_MOMENTS: Final = {
    f"{ours}_{end}": Field(f"{theirs}_date_{end}", write)
    for ours, theirs in (("issued", "issue"), ("due", "due"), ("paid", "paid"))
    for end, write in (("from", moment), ("to", end_moment))
}
FILTERS: Final = {
    "search": Field("search", verbatim),
    "counterparty": Field("party_name", _names),
    "counterparty_ids": Field("party_uids", _ids),
    "status": Field("status", _statuses),
    "collection_method": Field("collection_method", _methods),
    **_MOMENTS,
    "overdue_days": Field("overdue_days", _range),
    "total": Field("total", _range),
    "include_inactive": Field("include_inactive", lambda _, __: "true"),
}


def query_pairs(
    query: Query, *, provider: str, organization: str | None, search_param: str
) -> list[tuple[str, str]]:
    """Write a query as the pairs of a query string, in the order of the documentation.

    Raises:
        InvalidInputError: if a value cannot be asked for.
    """
    given = query.filter.given()
    if "counterparty" in given and "counterparty_ids" in given:
        raise InvalidInputError(
            "counterparty",
            f"{provider} would pass over the names, because ids are given too",
            "give either names or ids",
        )
    pairs: list[tuple[str, str]] = (
        [] if organization is None else [("organization_uid", organization)]
    )
    written = write_fields(FILTERS, given)
    pairs += [
        (search_param if name == "search" else name, str(text)) for name, text in written.items()
    ]
    if query.sort is not None:
        pairs.append(("sort", _sort(query.sort)))
    pairs += [("page", str(query.page)), ("per_page", str(query.page_size or PAGE_LIMIT))]
    # A status that the provider has, and that is refused as a misspelt one, can be sent so.
    taken = {field.wire for name, field in FILTERS.items() if name not in {"search", "status"}}
    taken |= {search_param, "organization_uid", "sort", *(name for name, _ in pairs)}
    return pairs + extra_pairs(query.filter, taken)


def _sort(sort: Sort) -> str:
    return f"{'-' if sort.descending else '+'}{SORTS[sort.field]}"
