"""How to look for an invoice that Exante may or may not have created.

There is no idempotency key and no search by number that is documented, so a draft is looked for
where the list would show it, and recognised by its number afterwards.

Source: https://docs.exante.app/api-reference/invoices/list, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import attrs

from billingual.abc import Sightings
from billingual.dialects.exante.query import PAGE_LIMIT
from billingual.model import Draft, Filter, InvoiceSummary, Page, Query, Sort
from billingual.wire import Conversation

_DAY: Final = timedelta(days=1)
# A match on any page proves presence; absence needs one page only, so more are a courtesy.
_MOST_PAGES: Final = 20
_UNSEEN: Final = (
    "none of the counterparty's invoices is in this organization's list, so a new one may stand in "
    "that of another organization"
)


def look_for(
    draft: Draft, list_page: Callable[[Query], Conversation[Page]], *, organization: str | None
) -> Conversation[Sightings]:
    """Read the pages where *draft* would stand."""
    if draft.kind == "payable":
        return Sightings(gap="the provider's lists show receivables only, and this is a payable")
    if not isinstance(draft.counterparty, str):
        return Sightings(gap="the draft names no counterparty to look under")
    where = _where(draft)
    query = Query(filter=where, sort=Sort.parse("number"), page_size=PAGE_LIMIT)
    rows: list[InvoiceSummary] = []
    for number in range(1, _MOST_PAGES + 1):
        page = yield from list_page(attrs.evolve(query, page=number))
        rows.extend(page.items)
        last = page.total_pages is not None and number >= page.total_pages
        if last or not page.items:
            break
    gap = _gap(organization, len(rows), page)
    if not gap and not rows:
        # A create names no organization: the counterparty decides, and the list may be another's.
        gap = _UNSEEN
        if where.issued_from is not None:
            wider = attrs.evolve(where, issued_from=None, issued_to=None)
            ever = yield from list_page(Query(filter=wider, page_size=1))
            gap = "" if ever.items else _UNSEEN
    return Sightings(rows=tuple(rows), gap=gap)


def _where(draft: Draft) -> Filter:
    earliest = latest = None
    if isinstance(draft.issued_at, datetime) and 1 < draft.issued_at.year < 9999:
        earliest, latest = draft.issued_at - _DAY, draft.issued_at + _DAY
    return Filter(
        counterparty_ids=[str(draft.counterparty)],
        include_inactive=True,
        issued_from=earliest,
        issued_to=latest,
    )


def _gap(organization: str | None, rows: int, last: Page) -> str:
    if organization is None:
        return (
            "no organization was named, so the list is of the token's default one; give the client "
            "organization=..."
        )
    if last.total_pages is None:
        return "the provider did not say how many pages there are"
    if last.total_pages > 1:
        return "the list has more than one page, and rows can slip between pages"
    if last.total_items not in {None, rows}:
        return f"the provider counts {last.total_items} rows and showed {rows}"
    return ""
