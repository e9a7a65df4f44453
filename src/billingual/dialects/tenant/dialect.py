"""Kukkingu: invoices of one tenant, whose status locks their fields.

Its conventions, read 2026-11:

- Every request carries ``tenant-id``. Success is ``{data: ...}``.
  https://docs.kukkingu.software/api-reference/invoices/partially-update-invoice
- ``PATCH`` changes the fields it is given. A ``DRAFT`` takes all of them, a ``FINALIZED`` invoice
  only ``paidAt``, a ``VOID`` one none; the server has the last word. Same page.
- There is no status to write: finalizing and voiding are requests of their own, and finalizing
  cannot be undone. The path ``finalize`` is inferred from ``void``.
  https://docs.kukkingu.software/api-reference/invoices/finalize-an-invoice-draft
- A list has no pages and no order: one response is all of it.
  https://docs.kukkingu.software/api-reference/invoices/list-invoices
- ``contractId`` goes in; ``contract``, an id or an object, comes out. Same page.
- Timestamps are UTC with a literal ``Z``; amounts are whole minor units up to 2**53 - 1.
  https://docs.kukkingu.software/api-reference/invoices/create-invoice
- ``PUT`` exists and repeats every field, locked ones too, so it is not used.
  https://docs.kukkingu.software/api-reference/invoices/update-invoice
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
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
    write_request,
)
from billingual.dialects.tenant.requests import (
    CHANGES,
    DRAFT,
    FILTERS,
    prefixed_id,
    query_pairs,
    tenant_id,
)
from billingual.errors import ConfigurationError
from billingual.outcomes import Safety
from billingual.wire import Conversation, encode_query

if TYPE_CHECKING:
    from types import ModuleType

    from billingual.abc import Sightings
    from billingual.model import Changes, Draft, Invoice, InvoiceSummary, Page, Query

__all__ = ["TenantDialect"]

_COLLECTION: Final = "/api/v1/invoices"
_ONE: Final = "/api/v1/invoices/{invoiceId}"
LOCKS: Final[Mapping[str, frozenset[str]]] = {
    "DRAFT": frozenset(CHANGES),
    "FINALIZED": frozenset({"paid_at"}),
    "VOID": frozenset(),
}
"""The fields that each status leaves open."""

_BY_CONTRACT: Final = "leave it out: the contract names the client"
_NO_STATUS: Final = "use finalize or void: there is no status to write"
_NO_FIELDS: Final = "leave it out: the provider has no such field"
_HINTS: Final = {
    "blueprint": _NO_FIELDS,
    "collection_method": _NO_FIELDS,
    "counterparty": _BY_CONTRACT,
    "fields": _NO_FIELDS,
    "kind": _NO_FIELDS,
    "owner": _BY_CONTRACT,
    "status": _NO_STATUS,
}

CAPABILITIES: Final = Capabilities(
    provider="kukkingu",
    features=frozenset(
        {
            Feature.CREATE, Feature.GET, Feature.LIST, Feature.UPDATE,
            Feature.FINALIZE, Feature.VOID,
        }
    ),
    instead={
        Feature.REPLACE: "update single fields: only those that are given are changed",
        Feature.UPDATE_MANY: "update invoices one by one; they then succeed or fail alone",
        Feature.DELETE_MANY: "void them one by one: an invoice cannot be deleted",
    },
    draft=FieldRules(
        accepts=frozenset(DRAFT),
        requires=frozenset({"document", "exchange_rate", "number", "total"}),
        instead=_HINTS,
    ),
    changes=FieldRules(
        accepts=frozenset(CHANGES),
        instead={**_HINTS, "document": "leave it out: an invoice cannot move to another contract"},
    ),
    filters=FieldRules(
        accepts=frozenset({*FILTERS, "extra_params"}),
        instead=dict.fromkeys(
            ("updated_from", "updated_to"),
            "list without it and compare the updated_at of each row: a list comes whole",
        )
        | dict.fromkeys(
            (
                "counterparty", "counterparty_ids", "due_from", "due_to", "issued_from",
                "issued_to", "paid_from", "paid_to", "search", "total",
            ),
            "list without it and compare the rows: a list comes whole, and rows are invoices",
        ),
    ),
    locks=LOCKS,
    list_rows_complete=True,
    scope=frozenset({"tenant"}),
    final_statuses={Feature.FINALIZE: frozenset({"FINALIZED"}), Feature.VOID: frozenset({"VOID"})},
)  # fmt: skip


@attrs.frozen(kw_only=True, eq=False)
class TenantDialect(DialectBase):
    """Speak to Kukkingu about the invoices of one tenant.

    Attributes:
        provider: the name used in errors.
        tenant: whose invoices; every operation needs one.

    Raises:
        InvalidInputError: if *tenant* is not ``tnt_`` and 24 small letters and digits.
    """

    name: ClassVar[str] = "tenant"
    documented = CAPABILITIES
    draft_fields: ClassVar[Mapping[str, Field]] = DRAFT
    change_fields: ClassVar[Mapping[str, Field]] = CHANGES
    collection = _COLLECTION
    check_id: ClassVar[staticmethod[[object, str], str]] = staticmethod(prefixed_id("inv"))

    provider: str = "kukkingu"
    tenant: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.tenant is not None:
            tenant_id(self.tenant, "tenant")

    def scoped(self, scope: Scope) -> Self:
        """Return the dialect bound to a tenant; an organization means nothing here.

        Raises:
            InvalidInputError: if the tenant is not of the documented form.
        """
        return self if scope.tenant is None else attrs.evolve(self, tenant=scope.tenant)

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create a draft invoice.

        Raises:
            ConfigurationError: if there is no tenant.
            UnsupportedError: if the draft has a field the provider does not take.
            InvalidInputError: if a required field is missing, or a value cannot be right.
        """
        headers, body = self._headers(), self.draft_body(draft)
        read = partial(records().read_invoice, given=draft.given())
        invoice: Invoice = yield write_request(
            self.provider, "POST", _COLLECTION, _COLLECTION, Safety.CREATE,
            body=body, headers=headers, fields=DRAFT, read=read,
        )  # fmt: skip
        return invoice

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice.

        Raises:
            ConfigurationError: if there is no tenant.
            InvalidInputError: if the id is not of the documented form.
        """
        headers, path = self._headers(), self.invoice_path(invoice_id)
        read = partial(records().read_invoice, asked=invoice_id)
        invoice: Invoice = yield read_request(self.provider, path, _ONE, headers=headers, read=read)
        return invoice

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read the whole list, which is one page.

        Raises:
            ConfigurationError: if there is no tenant.
            UnsupportedError: if there is no such filter, or a sort or page size is given.
            InvalidInputError: if a value cannot be asked for.
        """
        headers = self._headers()
        self.check_query(query)
        text = encode_query(query_pairs(query))
        page: Page = yield read_request(
            self.provider, _COLLECTION, _COLLECTION, text,
            headers=headers, read=records().read_page,
        )  # fmt: skip
        return page

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice.

        Raises:
            ConfigurationError: if there is no tenant.
            UnsupportedError: if there is a field the provider does not take.
            InvalidInputError: if nothing is to be changed, or a value cannot be right.
            LockedError: if the status of *base* locks a field that is to be changed.
        """
        headers, path = self._headers(), self.invoice_path(invoice_id)
        body = self.changes_body(invoice_id, changes, base)
        read = partial(records().read_invoice, asked=invoice_id, given=changes.given())
        invoice: Invoice = yield write_request(
            self.provider, "PATCH", path, _ONE, Safety.IDEMPOTENT,
            body=body, headers=headers, fields=CHANGES, read=read,
        )  # fmt: skip
        return invoice

    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a draft final, which cannot be undone.

        Raises:
            ConfigurationError: if there is no tenant.
            InvalidInputError: if the id is not of the documented form.
        """
        return self._act(invoice_id, Feature.FINALIZE)

    def void(self, invoice_id: str) -> Conversation[Invoice]:
        """Make an invoice void, which cannot be undone.

        Raises:
            ConfigurationError: if there is no tenant.
            InvalidInputError: if the id is not of the documented form.
        """
        return self._act(invoice_id, Feature.VOID)

    def find(self, draft: Draft) -> Conversation[Sightings]:
        """Look for a draft in the tenant's list, which is whole; in that of its contract, if any.

        Raises:
            ConfigurationError: if there is no tenant.
        """
        from billingual.abc import Sightings  # noqa: PLC0415 - seldom wanted

        contract = draft.document if isinstance(draft.document, str) else None
        page = yield from self.list_page(model.Query(filter=model.Filter(document=contract)))
        gap = f"a part of it could not be read: {page.problems[0].path}" if page.problems else ""
        return Sightings(rows=page.items, gap=gap)

    def _act(self, invoice_id: str, feature: Feature) -> Conversation[Invoice]:
        headers, path = self._headers(), self.invoice_path(invoice_id)
        read_invoice = partial(records().read_invoice, asked=invoice_id)
        read = self.expecting(feature, read_invoice, "$.data.status")
        # A second delivery meets the status that the first one made and is refused, which would
        # hide that the first one worked: an unclear end is settled by reading the invoice.
        invoice: Invoice = yield write_request(
            self.provider, "POST", f"{path}/{feature.value}", f"{_ONE}/{feature.value}",
            Safety.SIDE_EFFECTS, headers=headers, read=read,
        )  # fmt: skip
        return invoice

    def _headers(self) -> list[tuple[str, str]]:
        if self.tenant is None:
            raise ConfigurationError(
                f"{self.provider} needs a tenant for every operation",
                "give the client tenant='tnt_' followed by 24 small letters and digits",
                field="tenant",
                hint="give_tenant",
            )
        return [("tenant-id", self.tenant)]


@functools.cache
def records() -> ModuleType:
    """Import what reads responses, with the first request and before that is sent.

    It is heavy, and making a client takes nothing of it.
    """
    from billingual.dialects.tenant import records  # noqa: PLC0415 - as above

    return records
