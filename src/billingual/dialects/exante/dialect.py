"""Exante: one invoice at a time, and lists of receivables.

Its conventions, read 2026-11:

- Every answer is ``{status, status_code, message, data}``; a 2xx with another status than
  ``success`` is a refusal. https://docs.exante.app/api-reference/invoices/create
- A row of a list is not an invoice: it has no currency, no lines, no custom fields.
  https://docs.exante.app/api-reference/invoices/list
- Lists show receivables only, leave out inactive ones unless asked, and fall back to the caller's
  default organization. Same page.
- The name of the free-text search parameter is missing from that page; ``search`` is a guess that
  ``search_param`` overrides.
- ``PUT`` changes only the fields it is given; what an explicit null does is not documented.
  https://docs.exante.app/api-reference/invoices/update
- ``invoice_fields`` is an object keyed by name in requests and an array in answers.
  https://docs.exante.app/api-reference/invoices/create
- Money is whole minor units in fields named ``*_cents``; what ``total`` counts beside
  ``total_cents`` is not explained, so it stays in ``extra``. Same page.
- An answer may say more beside its payload, ``skipped: true`` and a ``reason`` for instance; that
  is in the invoice's ``extra`` under ``envelope``.
  https://docs.exante.app/integrations/stripe/sync-api
- There is no idempotency key: a create is never safe to deliver twice. Same page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Self

import attrs

from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects._kit import readers
from billingual.dialects._kit.fields import (
    Field,
    collection_method,
    currency_code,
    custom_field_map,
    moment,
    refuse_nothing,
    uuid,
    verbatim,
    write_fields,
)
from billingual.dialects._kit.http import Answer, read_request, write_request
from billingual.dialects.exante.query import KINDS, PAGE_LIMIT, SORTS, query_pairs
from billingual.errors import InvalidInputError
from billingual.model import checked_text
from billingual.outcomes import Safety
from billingual.wire import Conversation, WireRequest, WireResponse, encode_query, path_segment

if TYPE_CHECKING:
    from billingual.abc import Sightings
    from billingual.model import Changes, Draft, Invoice, InvoiceSummary, Page, Query

__all__ = ["ExanteDialect"]

_COLLECTION: Final = "/api/invoices"
_ONE: Final = "/api/invoices/{invoice_uid}"


def _kind(value: object, name: str) -> str:
    wire = KINDS.get(str(value))
    if wire is None:
        raise InvalidInputError(name, f"{value!r} is neither side", f"give {' or '.join(KINDS)}")
    return wire


_DRAFT: Final = {
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
_CHANGES: Final = {
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
_COMPUTED: Final = "leave it out: the provider computes it from the lines"
_NO_RATES: Final = "leave it out: the provider has no exchange rates"
_FILTERS: Final = frozenset(
    {
        "collection_method", "counterparty", "counterparty_ids", "due_from", "due_to",
        "extra_params", "include_inactive", "issued_from", "issued_to", "overdue_days",
        "paid_from", "paid_to", "search", "status", "total",
    }
)  # fmt: skip

CAPABILITIES: Final = Capabilities(
    provider="exante",
    features=frozenset({Feature.CREATE, Feature.GET, Feature.LIST, Feature.UPDATE}),
    instead={
        Feature.REPLACE: "update it with Changes: only the fields given are changed",
        Feature.UPDATE_MANY: "use the bulk dialect, which shares its service",
        Feature.DELETE_MANY: "use the bulk dialect, which shares its service",
        Feature.FINALIZE: "set a status with update: Changes(status='APPROVED')",
        Feature.VOID: "set a status with update: Changes(status='VOID')",
    },
    draft=FieldRules(
        accepts=frozenset(_DRAFT),
        requires=frozenset({"counterparty", "owner", "document"}),
        instead={
            "paid_at": "create it first, then update it with Changes(paid_at=...)",
            "total": _COMPUTED,
            "exchange_rate": _NO_RATES,
        },
    ),
    changes=FieldRules(
        accepts=frozenset(_CHANGES), instead={"total": _COMPUTED, "exchange_rate": _NO_RATES}
    ),
    filters=FieldRules(
        accepts=_FILTERS,
        instead={
            "document": "list without it and compare each row's .document",
            "expand": "get each invoice: its rows cannot be expanded",
        },
    ),
    sorts=frozenset(SORTS),
    page_limit=PAGE_LIMIT,
    scope=frozenset({"organization"}),
)


def _for_provider(dialect: ExanteDialect) -> Capabilities:
    return attrs.evolve(CAPABILITIES, provider=dialect.provider)


@attrs.frozen(kw_only=True)
class ExanteDialect(Dialect):
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

    provider: str = "exante"
    organization: str | None = None
    search_param: str = "search"
    _capabilities: Capabilities = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_for_provider, takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        if self.organization is not None:
            uuid(self.organization, "organization")
        if not checked_text(self.search_param, "search_param"):
            raise InvalidInputError("search_param", "it is empty", "give the parameter's name")

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        return self._capabilities

    def scoped(self, scope: Scope) -> Self:
        """Return the dialect bound to an organization; a tenant means nothing here.

        Raises:
            InvalidInputError: if the organization is no UUID.
        """
        if scope.organization is None:
            return self
        return attrs.evolve(self, organization=scope.organization)

    def check(self, request: WireRequest, response: WireResponse) -> None:
        """Accept a good answer, or raise the one error that fits a bad one.

        Raises:
            ProviderError: if the status, the envelope or the lack of a payload says no.
        """
        readers.exante_envelope.open_envelope(
            Answer(self.provider, request, response), needs_data=True
        )

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create an invoice.

        Raises:
            UnsupportedError: if the draft has a field the provider does not take.
            InvalidInputError: if a required field is missing, or a value cannot be right.
        """
        given = draft.given()
        self.capabilities.accept(self.capabilities.draft, given, "in a draft")
        body = write_fields(_DRAFT, given)
        request = write_request("POST", _COLLECTION, _COLLECTION, Safety.CREATE, body=body)
        return (yield from self._invoice(request))

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice in full.

        Raises:
            InvalidInputError: if the id is no UUID.
        """
        return (yield from self._invoice(read_request(_one(invoice_id), _ONE), invoice_id))

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read one page of the organization's receivables.

        Names and ids of counterparties exclude each other here: the provider would silently pass
        over the names. Pages are counted from 1; *page_size* is 1 to 100, by default 100.

        Raises:
            UnsupportedError: if there is no such filter or sort.
            InvalidInputError: if a value cannot be asked for.
        """
        self.capabilities.accept(self.capabilities.filters, query.filter.given(), "as a filter")
        pairs = query_pairs(
            query,
            provider=self.provider,
            organization=self.organization,
            search_param=self.search_param,
        )
        request = read_request(_COLLECTION, _COLLECTION, encode_query(pairs))
        answers = readers.exante_answers
        response = yield request
        return answers.read_page(Answer(self.provider, request, response), query.page)

    def find(self, draft: Draft) -> Conversation[Sightings]:
        """Look for a draft among the receivables of its counterparty, inactive ones included.

        Where the draft says when it is issued, a day before and after is looked through. Absence
        can only be told by one whole page, in an organization that was named.
        """
        from billingual.dialects.exante.search import look_for  # noqa: PLC0415 - seldom wanted

        return look_for(draft, self.list_page, organization=self.organization)

    def update(
        self,
        invoice_id: str,
        changes: Changes,
        base: InvoiceSummary | None,
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice; no status locks any, so *base* locks nothing.

        Raises:
            UnsupportedError: if there is a field the provider does not take.
            InvalidInputError: if nothing is to be changed, a value cannot be right, or *base* is
                another invoice.
        """
        path = _one(invoice_id)
        given = changes.given()
        self.capabilities.refuse_locked(invoice_id, given, base)
        self.capabilities.accept(self.capabilities.changes, given, "in an update")
        refuse_nothing(given)
        body = write_fields(_CHANGES, given)
        request = write_request("PUT", path, _ONE, Safety.IDEMPOTENT, body=body)
        return (yield from self._invoice(request, invoice_id))

    def _invoice(self, request: WireRequest, asked: str | None = None) -> Conversation[Invoice]:
        # What reads answers comes with the first call, and before that is sent: should it fail to
        # load, nothing has happened.
        answers = readers.exante_answers
        response = yield request
        return answers.read_invoice(Answer(self.provider, request, response), asked=asked)


def _one(invoice_id: str) -> str:
    return f"{_COLLECTION}/{path_segment(uuid(invoice_id, 'invoice_id'))}"
