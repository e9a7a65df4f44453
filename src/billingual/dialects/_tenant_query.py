"""Kukkingu's list query: two filters and the records to include.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

from __future__ import annotations

from typing import Final

from billingual.dialects._fields import prefixed_id
from billingual.dialects._http import extra_pairs
from billingual.errors import InvalidInputError, UnsupportedError
from billingual.model import Query

EXPANSIONS: Final = ("contract", "contract.client")

_contract_id: Final = prefixed_id("ctr")


def query_pairs(query: Query, provider: str) -> list[tuple[str, str]]:
    """Write a query as the pairs of a query string, in the order of the documentation.

    Raises:
        InvalidInputError: if a value cannot be asked for.
        UnsupportedError: if a sort or a page size is given.
    """
    _refuse_paging(query, provider)
    wanted = query.filter
    for each in wanted.expand:
        if each not in EXPANSIONS:
            raise InvalidInputError(
                "expand", f"{each!r} cannot be included", f"give {' or '.join(EXPANSIONS)}"
            )
    if len(wanted.status) > 1:
        raise InvalidInputError(
            "status", f"{provider} takes exactly one", "list once for each status"
        )
    pairs = [("expand", ",".join(wanted.expand))] if wanted.expand else []
    if wanted.document is not None:
        pairs.append(("contractId", _contract_id(wanted.document, "document")))
    pairs += [("status", word) for word in wanted.status]
    return pairs + extra_pairs(wanted, {"expand", "contractId", "status"})


def _refuse_paging(query: Query, provider: str) -> None:
    if query.sort is not None:
        raise UnsupportedError(provider, "a sorted list", "sort what it brings")
    if query.page_size is not None:
        raise UnsupportedError(
            provider, "a page size", "leave it out: a list comes whole in one answer"
        )
    if query.page != 1:
        raise InvalidInputError("page", f"there is no page {query.page!r}", "ask for page 1")
