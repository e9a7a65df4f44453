"""Stripe: invoices of one account, where every write carries a key that makes it safe to repeat.

Its conventions, read 2026-11:

- A request is a form, a response is JSON without an envelope. https://docs.stripe.com/api
- ``Stripe-Version`` chooses the version of the API. https://docs.stripe.com/api/versioning
- Every POST may carry ``Idempotency-Key``: Stripe keeps the first response for at least 24 hours
  and repeats it. https://docs.stripe.com/api/idempotent_requests
- A list begins with the newest and has pages of at most 100 rows; ``starting_after`` names the last
  row seen, ``has_more`` says whether others follow. https://docs.stripe.com/api/pagination
- A draft is free to edit. Once it is finalized, amounts, ``collection_method`` and ``due_date`` are
  not; of number, date of issue and metadata nothing is said, so Stripe has the last word.
  https://docs.stripe.com/api/invoices/update
- ``due_date`` belongs to ``collection_method=send_invoice``. Same page.
- Finalizing ends at ``open``, or at ``paid`` where nothing is to be paid; voiding at ``void``.
  https://docs.stripe.com/invoicing/integration/workflow-transitions
- What is owed is the sum of invoice items, which are objects of their own: an invoice takes no
  total. https://docs.stripe.com/api/invoiceitems/create

A total would take a second write, for the item. Keys make the two safe to repeat; but where the
second is refused the first has left an empty draft, and the error would not say so. So a total is
refused, and items are the caller's to add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final

import attrs
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects import (
    DialectBase,
    Field,
    ResponseReader,
    id_like,
    read_request,
    write_request,
)
from billingual.errors import InvalidInputError
from billingual.model import Changes, Draft, Invoice, InvoiceSummary, Page, Query
from billingual.outcomes import Safety
from billingual.wire import Conversation, WireRequest, encode_query

from billingual_stripe.records import read_invoice, read_page
from billingual_stripe.requests import CHANGES, DRAFT, FILTERS, LARGEST_PAGE, query_pairs

__all__ = ["VERSION", "StripeDialect"]

VERSION: Final = "2025-11-17.clover"
"""The version whose documentation this was written from."""

_COLLECTION, _ONE = "/v1/invoices", "/v1/invoices/{invoice}"
_INVOICE_ID: Final = id_like(r"in_\w{1,250}", "an id like 'in_1MtHbELkdIwHu7ix'")
_BY_CREATION: Final = "filter by creation: extra_params={'created[gte]': '1767225600'}"
_HINTS: Final = {
    "collection_method": "give due_at, and the invoice is to be sent; or change it afterwards",
    "document": "keep your own reference in fields",
    "paid_at": "leave it out: paying is an operation of Stripe's own",
    "status": "use finalize or void: there is no status to write",
    "total": "leave it out and add items: POST /v1/invoiceitems with the invoice's id",
}
_ACCEPTED: Final = frozenset({Feature.CREATE, Feature.GET, Feature.LIST, Feature.UPDATE})
_FINAL = {Feature.FINALIZE: frozenset({"open", "paid"}), Feature.VOID: frozenset({"void"})}


@attrs.frozen(kw_only=True)
class StripeDialect(DialectBase):
    """Speak to Stripe, in one *version* of its API."""

    name: ClassVar[str] = "stripe"
    documented = Capabilities(
        provider="stripe",
        features=_ACCEPTED | _FINAL.keys(),
        instead={
            Feature.REPLACE: "update it with Changes: only the fields given are changed",
            Feature.UPDATE_MANY: "update invoices one by one; they then succeed or fail alone",
            Feature.DELETE_MANY: "void them one by one",
        },
        draft=FieldRules(
            accepts=frozenset(DRAFT), requires=frozenset({"counterparty"}), instead=_HINTS
        ),
        changes=FieldRules(
            accepts=frozenset(CHANGES),
            instead={
                **_HINTS,
                "counterparty": "void it and create another: an invoice keeps its customer",
                "currency": "void it and create another: an invoice keeps its currency",
            },
        ),
        filters=FieldRules(
            accepts=frozenset({*FILTERS, "extra_params"}),
            instead={
                "counterparty": "give counterparty_ids: invoices are listed by the customer's id",
                "expand": "give extra_params={'expand[]': 'data.customer'}",
                **dict.fromkeys(("issued_from", "issued_to"), _BY_CREATION),
            },
        ),
        page_limit=LARGEST_PAGE,
        locks=dict.fromkeys(
            ("open", "paid", "uncollectible", "void"), frozenset({"fields", "issued_at", "number"})
        ),
        list_rows_complete=True,
        final_statuses=_FINAL,
        idempotency_keys=True,
    )
    draft_fields = DRAFT
    change_fields = CHANGES
    collection = _COLLECTION

    provider: str = "stripe"
    version: str = VERSION

    @staticmethod
    def check_id(value: object, name: str, /) -> str:
        """Return an invoice's id; it is ``in_``, letters and digits."""
        return _INVOICE_ID(value, name)

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create a draft without items; one with ``due_at`` is to be sent to its customer."""
        body, read = self.draft_body(draft), partial(read_invoice, given=draft.given())
        if "due_date" in body:
            body["collection_method"] = "send_invoice"
        invoice: Invoice = yield self._post(_COLLECTION, _COLLECTION, body, read, DRAFT)
        return invoice

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice."""
        path, read = self.invoice_path(invoice_id), partial(read_invoice, asked=invoice_id)
        headers = self._headers()
        invoice: Invoice = yield read_request(self.provider, path, _ONE, headers=headers, read=read)
        return invoice

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read the rows after the cursor; the newest ones where there is none."""
        self.check_query(query)
        text = encode_query(query_pairs(query))
        page: Page = yield read_request(
            self.provider, _COLLECTION, _COLLECTION, text,
            headers=self._headers(), read=partial(read_page, query=query),
        )  # fmt: skip
        return page

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice; metadata that is not named stays."""
        path, body = self.invoice_path(invoice_id), self.changes_body(invoice_id, changes, base)
        if body == {"metadata": {}}:  # A form cannot say that a map is empty.
            raise InvalidInputError("changes", "they change nothing", "give a field, like due_at")
        read = partial(read_invoice, asked=invoice_id, given=changes.given())
        invoice: Invoice = yield self._post(path, _ONE, body, read, CHANGES)
        return invoice

    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a draft final, which cannot be undone."""
        return self._act(invoice_id, Feature.FINALIZE)

    def void(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a finalized invoice void, which cannot be undone."""
        return self._act(invoice_id, Feature.VOID)

    def _act(self, invoice_id: str, feature: Feature) -> Conversation[Invoice]:
        read = self.expecting(feature, partial(read_invoice, asked=invoice_id), "$.status")
        path, act = self.invoice_path(invoice_id), feature.value
        invoice: Invoice = yield self._post(f"{path}/{act}", f"{_ONE}/{act}", {}, read, {})
        return invoice

    def _post(
        self,
        path: str,
        route: str,
        body: Mapping[str, object],
        read: Callable[[ResponseReader], Invoice],
        fields: Mapping[str, Field],
    ) -> WireRequest:
        """Make a write; the key that the client puts into it makes it safe to repeat."""
        return write_request(
            self.provider, "POST", path, route, Safety.KEYED,
            form=body, headers=self._headers(), key_header="Idempotency-Key", read=read,
            fields=fields,
        )  # fmt: skip

    def _headers(self) -> list[tuple[str, str]]:
        return [("Stripe-Version", self.version)]
