"""Kukkingu's list query: two filters and the records to include.

Source: https://docs.kukkingu.software/api-reference/invoices/list-invoices, read 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billingual.dialects._kit.requests import extra_pairs, one_of, prefixed_id
from billingual.errors import InvalidInputError, shown

if TYPE_CHECKING:
    from billingual.model import Query

EXPANSIONS: Final = ("contract", "contract.client")

_contract_id: Final = prefixed_id("ctr")
_status: Final = one_of("DRAFT", "FINALIZED", "VOID")


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
