"""Exante: one invoice at a time, and lists of receivables.

Its conventions, read 2026-11:

- Every response is ``{status, status_code, message, data}``. What else than ``success`` a status
  can be is not documented: only words that surely mean no refuse. https://docs.exante.app/api-reference/invoices/create
- A create that names no status, currency or kind is a receivable ``DRAFT`` in ``USD``. Same page.
- A row of a list is not an invoice: it has no currency, no lines, no custom fields.
  https://docs.exante.app/api-reference/invoices/list
- Lists show receivables only, leave out inactive ones unless asked, and fall back to the caller's
  default organization. Same page.
- The name of the free-text search parameter is missing from that page; ``search`` is a guess that
  ``search_param`` overrides.
- ``PUT`` changes only the fields it is given. What an explicit null does is not documented, nor
  what becomes of custom fields that ``invoice_fields`` leaves out.
  https://docs.exante.app/api-reference/invoices/update
- ``invoice_fields`` is an object keyed by name in requests and an array in responses.
  https://docs.exante.app/api-reference/invoices/create
- Money is whole minor units in fields named ``*_cents``; what ``total`` counts beside
  ``total_cents`` is not explained, so it stays in ``extra``. Same page.
- A response may say more beside its payload, ``skipped: true`` and a ``reason`` for instance; that
  is in the invoice's ``extra`` under ``envelope``.
  https://docs.exante.app/integrations/stripe/sync-api
- There is no idempotency key: a create is never safe to deliver twice. Same page.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Self

import attrs

from billingual import model
from billingual.abc import Scope
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects._kit.requests import (
    DialectBase,
    Field,
    read_request,
    uuid,
    write_request,
)
from billingual.dialects.exante.requests import (
    CHANGES,
    DRAFT,
    FILTERS,
    PAGE_LIMIT,
    SORTS,
    query_pairs,
)
from billingual.errors import InvalidInputError
from billingual.model import checked_text
from billingual.outcomes import Safety
from billingual.wire import Conversation, encode_query

if TYPE_CHECKING:
    from types import ModuleType

    from billingual.abc import Sightings
    from billingual.model import Changes, Draft, Filter, Invoice, InvoiceSummary, Page, Query

__all__ = ["ExanteDialect"]

_COLLECTION: Final = "/api/invoices"
_ONE: Final = "/api/invoices/{invoice_uid}"


_COMPUTED: Final = "leave it out: the provider computes it from the lines"
_NO_RATES: Final = "leave it out: the provider has no exchange rates"
_NO_CHANGE_DATES: Final = (
    "list without it and compare the rows with your copies: no row says when it changed"
)

CAPABILITIES: Final = Capabilities(
    provider="exante",
    features=frozenset({Feature.CREATE, Feature.GET, Feature.LIST, Feature.UPDATE}),
    instead={
        Feature.REPLACE: "update single fields: only those that are given are changed",
        Feature.UPDATE_MANY: "use the bulk dialect, which shares its service",
        Feature.DELETE_MANY: "use the bulk dialect, which shares its service",
        Feature.FINALIZE: "set a status with update: Changes(status='APPROVED')",
        Feature.VOID: "set a status with update: Changes(status='VOID')",
    },
    draft=FieldRules(
        accepts=frozenset(DRAFT),
        requires=frozenset({"counterparty", "owner", "document"}),
        instead={
            "paid_at": "create it first, then set paid_at by an update",
            "total": _COMPUTED,
            "exchange_rate": _NO_RATES,
        },
    ),
    changes=FieldRules(
        accepts=frozenset(CHANGES), instead={"total": _COMPUTED, "exchange_rate": _NO_RATES}
    ),
    filters=FieldRules(
        accepts=frozenset({*FILTERS, "extra_params"}),
        instead={
            "document": "list without it and compare the document of each row",
            "expand": "get each invoice: its rows cannot be expanded",
            **dict.fromkeys(("updated_from", "updated_to"), _NO_CHANGE_DATES),
        },
    ),
    sorts=frozenset(SORTS),
    page_limit=PAGE_LIMIT,
    scope=frozenset({"organization"}),
)


@attrs.frozen(kw_only=True, eq=False)
class ExanteDialect(DialectBase):
    """Speak to Exante about one invoice, or list many.

    Attributes:
        provider: the name used in errors.
        organization: UUID of the organization whose invoices are listed; None leaves it to the
            provider, which takes the default organization of the token's user.
        search_param: the name of the free-text search parameter. The documentation lost it, and
            ``search`` is unverified.

    Raises:
        InvalidInputError: if *organization* is no UUID, or *search_param* is empty.
    """

    name: ClassVar[str] = "exante"
    documented = CAPABILITIES
    draft_fields: ClassVar[Mapping[str, Field]] = DRAFT
    change_fields: ClassVar[Mapping[str, Field]] = CHANGES
    collection = _COLLECTION
    check_id: ClassVar[staticmethod[[object, str], str]] = staticmethod(uuid)

    provider: str = "exante"
    organization: str | None = None
    search_param: str = "search"

    def __attrs_post_init__(self) -> None:
        if self.organization is not None:
            uuid(self.organization, "organization")
        if not checked_text(self.search_param, "search_param"):
            raise InvalidInputError("search_param", "it is empty", "give the parameter's name")

    def scoped(self, scope: Scope) -> Self:
        """Return the dialect bound to an organization; a tenant means nothing here.

        Raises:
            InvalidInputError: if the organization is no UUID.
        """
        if scope.organization is None:
            return self
        return attrs.evolve(self, organization=scope.organization)

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create an invoice.

        Raises:
            UnsupportedError: if the draft has a field the provider does not take.
            InvalidInputError: if a required field is missing, or a value cannot be right.
        """
        body = self.draft_body(draft)
        read = partial(records().read_invoice, given=draft.given())
        invoice: Invoice = yield write_request(
            self.provider, "POST", _COLLECTION, _COLLECTION, Safety.CREATE,
            body=body, fields=DRAFT, read=read,
        )  # fmt: skip
        return invoice

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice in full.

        Raises:
            InvalidInputError: if the id is no UUID.
        """
        read = partial(records().read_invoice, asked=invoice_id)
        invoice: Invoice = yield read_request(
            self.provider, self.invoice_path(invoice_id), _ONE, read=read
        )
        return invoice

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read one page of the organization's receivables.

        Names and ids of counterparties exclude each other here: the provider would silently pass
        over the names. Pages are counted from 1; *page_size* is 1 to 100, by default 100.

        Raises:
            UnsupportedError: if there is no such filter or sort.
            InvalidInputError: if a value cannot be asked for.
        """
        self.check_query(query)
        pairs = query_pairs(
            query,
            provider=self.provider,
            organization=self.organization,
            search_param=self.search_param,
        )
        read = partial(records().read_page, number=query.page)
        text = encode_query(pairs)
        page: Page = yield read_request(self.provider, _COLLECTION, _COLLECTION, text, read=read)
        return page

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice; no status locks any, so *base* locks nothing.

        Raises:
            UnsupportedError: if there is a field the provider does not take.
            InvalidInputError: if nothing is to be changed, a value cannot be right, or *base* is
                another invoice.
        """
        path = self.invoice_path(invoice_id)
        body = self.changes_body(invoice_id, changes, base)
        read = partial(records().read_invoice, asked=invoice_id, given=changes.given())
        invoice: Invoice = yield write_request(
            self.provider, "PUT", path, _ONE, Safety.IDEMPOTENT,
            body=body, fields=CHANGES, read=read,
        )  # fmt: skip
        return invoice

    def find(self, draft: Draft) -> Conversation[Sightings]:
        """Look for a draft among the receivables of its counterparty, inactive ones included.

        There is no search by number that is documented, so a draft is looked for where the list
        would show it, and recognised by its number afterwards. Where the draft says when it is
        issued, a day before and after is looked through. Absence can be told by one whole page, in
        an organization that was named. Rows can slip between several pages, so those are read
        forwards and backwards, and all rows that the provider counts must have been seen.
        """
        from billingual.abc import Sightings  # noqa: PLC0415 - seldom wanted

        if draft.kind == "payable":
            gap = "the provider's lists show receivables only, and this is a payable"
            return Sightings(gap=gap)
        if not isinstance(draft.counterparty, str):
            return Sightings(gap="the draft names no counterparty to look under")
        where = _where(draft)
        query = model.Query(filter=where, sort=model.Sort.parse("number"), page_size=PAGE_LIMIT)
        pages = yield from self._pages(query)
        rows = _distinct(pages)
        gap = self._gap(len(rows), pages)
        if len(pages) > 1 and not gap and draft.number not in {row.number for row in rows}:
            backwards = attrs.evolve(query, sort=model.Sort.parse("-number"))
            pages += yield from self._pages(backwards)
            rows = _distinct(pages)
            gap = self._gap(len(rows), pages)
        if not gap and not rows:
            # A create names no organization: the counterparty decides, and the list may be another
            # organization's.
            gap = _UNSEEN
            if where.issued_from is not None:
                wider = attrs.evolve(where, issued_from=None, issued_to=None)
                ever = yield from self.list_page(model.Query(filter=wider, page_size=1))
                gap = "" if ever.items else _UNSEEN
        return Sightings(rows=tuple(rows), gap=gap)

    def _pages(self, query: Query) -> Conversation[list[Page]]:
        pages: list[Page] = []
        for number in range(1, _MOST_PAGES + 1):
            page = yield from self.list_page(attrs.evolve(query, page=number))
            pages.append(page)
            last = page.total_pages is not None and number >= page.total_pages
            if last or not page.items:
                break
        return pages

    def _gap(self, rows: int, pages: Sequence[Page]) -> str:
        if self.organization is None:
            return (
                "no organization was named, so the list is of the token's default one; give the "
                "client organization=..."
            )
        if any(page.total_pages is None for page in pages):
            return "the provider did not say how many pages there are"
        for page in pages:
            if page.problems:
                return f"a part of the list could not be read: {page.problems[0].path}"
        counts = {page.total_items for page in pages}
        several = any(page.total_pages is not None and page.total_pages > 1 for page in pages)
        if several and counts != {rows}:
            return "the list has more than one page, and rows may have slipped between them"
        if not counts <= {None, rows}:
            return f"the provider counts {counts.pop()} rows and showed {rows}"
        return ""


def _distinct(pages: Sequence[Page]) -> list[InvoiceSummary]:
    return list({row.id: row for page in pages for row in page.items}.values())


@functools.cache
def records() -> ModuleType:
    """Import what reads responses, with the first request and before that is sent.

    It is heavy, and making a client takes nothing of it.
    """
    from billingual.dialects.exante import records  # noqa: PLC0415 - as above

    return records


_DAY: Final = timedelta(days=1)
# 2,000 invoices of one counterparty in three days; a search through more costs too much.
_MOST_PAGES: Final = 20
_UNSEEN: Final = (
    "none of the counterparty's invoices is in this organization's list, so a new one may be in "
    "that of another organization"
)


def _where(draft: Draft) -> Filter:
    """Return the filter of the list that would show *draft*."""
    earliest = latest = None
    if isinstance(draft.issued_at, date) and 1 < draft.issued_at.year < 9999:
        issued = model.first_moment(draft.issued_at)
        earliest, latest = issued - _DAY, issued + _DAY
    return model.Filter(
        counterparty_ids=[str(draft.counterparty)],
        include_inactive=True,
        issued_from=earliest,
        issued_to=latest,
    )
