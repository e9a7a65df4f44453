"""Stripe: invoices of one account, where every write carries a key that makes it safe to repeat.

Its conventions, read 2026-11:

- A request is a form, an answer is JSON without an envelope. https://docs.stripe.com/api
- ``Stripe-Version`` chooses the version of the API. https://docs.stripe.com/api/versioning
- Every POST may carry ``Idempotency-Key``: Stripe keeps the first answer for at least 24 hours and
  repeats it. https://docs.stripe.com/api/idempotent_requests
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

import re
from collections.abc import Mapping
from typing import ClassVar, Final, Self
from urllib.parse import urlencode

import attrs
from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects import Answer, read_request
from billingual.errors import InvalidInputError, LockedError
from billingual.model import Changes, Draft, Invoice, InvoiceSummary, Page, Query
from billingual.outcomes import Safety
from billingual.wire import Conversation, Headers, WireRequest, WireResponse, encode_query

from billingual_stripe.forms import CHANGES, DRAFT, FILTERS, LARGEST_PAGE, form, page_query
from billingual_stripe.records import read_invoice

__all__ = ["VERSION", "StripeDialect"]

VERSION: Final = "2025-11-17.clover"
"""The version whose documentation this was written from."""

_COLLECTION: Final = "/v1/invoices"
_ONE: Final = "/v1/invoices/{invoice}"
_ID: Final = re.compile(r"in_[0-9A-Za-z_]{1,250}")
_BY_CREATION: Final = "filter by creation: extra_params={'created[gte]': '1767225600'}"
_HINTS: Final = {
    "collection_method": "give due_at, and the invoice is to be sent; or change it afterwards",
    "document": "keep your own reference in fields",
    "paid_at": "leave it out: paying is an operation of Stripe's own",
    "status": "use finalize or void: there is no status to write",
    "total": "leave it out and add items: POST /v1/invoiceitems with the invoice's id",
}

CAPABILITIES: Final = Capabilities(
    provider="stripe",
    features=frozenset(
        {
            Feature.CREATE, Feature.GET, Feature.LIST, Feature.UPDATE,
            Feature.FINALIZE, Feature.VOID,
        }
    ),
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
            "issued_from": _BY_CREATION,
            "issued_to": _BY_CREATION,
        },
    ),
    page_limit=LARGEST_PAGE,
    locks=dict.fromkeys(
        ("open", "paid", "uncollectible", "void"), frozenset({"fields", "issued_at", "number"})
    ),
    list_rows_complete=True,
    final_statuses={
        Feature.FINALIZE: frozenset({"open", "paid"}), Feature.VOID: frozenset({"void"}),
    },
    idempotency_keys=True,
)  # fmt: skip


@attrs.frozen(kw_only=True)
class StripeDialect(Dialect):
    """Speak to Stripe.

    Attributes:
        provider: the name used in errors.
        version: the version of the API to ask for.
    """

    name: ClassVar[str] = "stripe"

    provider: str = "stripe"
    version: str = VERSION

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        return attrs.evolve(CAPABILITIES, provider=self.provider)

    def scoped(self, scope: Scope) -> Self:  # noqa: ARG002 - a secret key is of one account
        """Return the dialect itself: Stripe knows neither tenants nor organizations."""
        return self

    def check(self, request: WireRequest, response: WireResponse) -> None:
        """Accept a JSON object with a 2xx, or raise the one error that fits.

        Raises:
            ProviderError: if the answer is no, or cannot be understood.
        """
        answer = self._answer(request, response)
        answer.refuse_status()
        answer.read()

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create a draft without items; one with ``due_at`` is to be sent to its customer."""
        given = draft.given()
        self.capabilities.accept(self.capabilities.draft, given, "in a draft")
        pairs = form(DRAFT, given)
        if "due_at" in given:
            pairs["collection_method"] = "send_invoice"
        request = self._post(_COLLECTION, _COLLECTION, pairs)
        response = yield request
        return self._invoice(request, response)

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice."""
        request = read_request(_one(invoice_id), _ONE, headers=self._version())
        response = yield request
        return self._invoice(request, response, invoice_id)

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read the rows after the cursor; the newest ones where there is none."""
        self.capabilities.accept(self.capabilities.filters, query.filter.given(), "as a filter")
        pairs = encode_query(page_query(query, self.provider).items())
        request = read_request(_COLLECTION, _COLLECTION, pairs, headers=self._version())
        response = yield request
        answer = self._answer(request, response)
        body = answer.read()
        rows, more = body.get("data"), body.get("has_more")
        if not isinstance(rows, list) or not isinstance(more, bool):
            raise answer.unreadable("$", "there are no rows, or nothing says whether others follow")
        if more and not rows:
            raise answer.unreadable("$.data", "more rows are promised, and none to go on from")
        items = tuple(read_invoice(answer, row, f"$.data[{i}]") for i, row in enumerate(rows))
        return Page(
            items=items,
            number=query.page,
            has_next=more,
            next_cursor=items[-1].id if more else None,
            is_whole=query.cursor is None and not more,
            raw=body,
        )

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice; metadata that is not named stays."""
        path, given = _one(invoice_id), changes.given()
        self.capabilities.accept(self.capabilities.changes, given, "in an update")
        pairs = form(CHANGES, given)
        if not pairs:
            raise InvalidInputError("changes", "they change nothing", "give a field, like due_at")
        self._refuse_locked(invoice_id, given, base)
        request = self._post(path, _ONE, pairs)
        response = yield request
        return self._invoice(request, response, invoice_id)

    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a draft final, which cannot be undone."""
        return self._act(invoice_id, Feature.FINALIZE)

    def void(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a finalized invoice void, which cannot be undone."""
        return self._act(invoice_id, Feature.VOID)

    def _act(self, invoice_id: str, feature: Feature) -> Conversation[Invoice]:
        act, ends = feature.value, self.capabilities.final_statuses[feature]
        request = self._post(f"{_one(invoice_id)}/{act}", f"{_ONE}/{act}", {})
        response = yield request
        invoice = self._invoice(request, response, invoice_id)
        if invoice.status not in ends:
            raise self._answer(request, response).unreadable(
                "$.status", f"after this it must be {' or '.join(sorted(ends))}"
            )
        return invoice

    def _post(self, path: str, route: str, pairs: Mapping[str, str]) -> WireRequest:
        """Make a write; the key that the client puts into it makes it safe to repeat."""
        shapes = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        return WireRequest(
            method="POST",
            url=path,
            route=route,
            safety=Safety.KEYED,
            key_header="Idempotency-Key",
            headers=Headers([*shapes.items(), *self._version()]),
            body=urlencode(pairs).encode(),
            keys=tuple(pairs),
        )

    def _version(self) -> list[tuple[str, str]]:
        return [("Stripe-Version", self.version)]

    def _answer(self, request: WireRequest, response: WireResponse) -> Answer:
        return Answer(self.provider, request, response)

    def _invoice(
        self, request: WireRequest, response: WireResponse, asked: str | None = None
    ) -> Invoice:
        answer = self._answer(request, response)
        return read_invoice(answer, answer.read(), "$", asked)

    def _refuse_locked(
        self, invoice_id: str, given: Mapping[str, object], base: InvoiceSummary | None
    ) -> None:
        if base is None:
            return
        if base.id != invoice_id:
            raise InvalidInputError("base", f"it is invoice {base.id}", "give the same invoice")
        locked = self.capabilities.locked(base.status, given)
        if locked:
            raise LockedError(
                provider=self.provider,
                invoice_id=invoice_id,
                status=str(base.status),
                locked=locked,
                still_open=self.capabilities.locks[str(base.status)],
            )


def _one(invoice_id: str) -> str:
    if not _ID.fullmatch(str(invoice_id)):
        fix = "give one like 'in_1Mt'"
        raise InvalidInputError("invoice_id", f"{invoice_id!r:.80} is no Stripe invoice's", fix)
    return f"{_COLLECTION}/{invoice_id}"
