"""Dialects that break one rule each, so that the suite can be seen to catch them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final

import attrs

from _support.dialect_samples import INVOICE, SUBJECTS, TENANT
from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, Feature
from billingual.dialects.exante.bulk import BulkDialect
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.dialects.tenant.dialect import TenantDialect
from billingual.errors import ConflictError, InvalidInputError, ProtocolError, ProviderError
from billingual.model import (
    UNSET,
    Changes,
    Draft,
    Filter,
    Invoice,
    InvoiceSummary,
    Money,
    Page,
    Query,
)
from billingual.outcomes import Safety
from billingual.testing import DialectSamples
from billingual.wire import Conversation, WireResponse

__all__ = ["BROKEN_DIALECTS"]

COUNT: Final[Iterator[int]] = itertools.count()
SAID: Final[list[bytes]] = []
DRAFT: Final = Draft(
    document="ctr_mqxd1kc6bgtcc676xoqzax47", number="1", exchange_rate=1, total=Money(1, "EUR")
)


def _with_request(conversation: Conversation[Any], **changes: Any) -> Conversation[Any]:
    """Hold a conversation whose first request is another."""
    request = next(conversation)
    response = yield attrs.evolve(request, **changes)
    try:
        conversation.send(response)
    except StopIteration as end:
        return end.value
    raise AssertionError


def _with_result(conversation: Conversation[Any], change: Any) -> Conversation[Any]:
    """Hold a conversation whose result is another."""
    response = yield next(conversation)
    try:
        conversation.send(response)
    except StopIteration as end:
        return change(end.value)
    raise AssertionError


class CallsACreateARead(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        return _with_request(super().create(draft), safety=Safety.READ)


class DropsADueDate(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        return super().create(attrs.evolve(draft, due_at=UNSET))


class IgnoresFilters(ExanteDialect):
    def list_page(self, query: Query) -> Conversation[Page]:
        next(super().list_page(query))  # what it does not take is refused
        return super().list_page(attrs.evolve(query, filter=Filter()))


class LeavesOneOut(BulkDialect):
    def delete_many(self, invoice_ids: Sequence[str]) -> Conversation[None]:
        next(super().delete_many(invoice_ids))
        return super().delete_many(invoice_ids[:1])


class ClearsTheRest(ExanteDialect):
    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        request = next(super().update(invoice_id, changes, base))
        body = (request.body or b"").replace(b"{", b'{"note": null,', 1)
        return _with_request(super().update(invoice_id, changes, base), body=body)


class StaysInItsScope(ExanteDialect):
    def scoped(self, scope: Scope) -> ExanteDialect:
        super().scoped(scope)
        return self


class VoidsAtOnce(TenantDialect):
    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        request = next(super().void(invoice_id))
        return _with_request(
            super().finalize(invoice_id), url=request.url, route=request.route, body=request.body
        )


class LosesARow(ExanteDialect):
    def list_page(self, query: Query) -> Conversation[Page]:
        return _with_result(
            super().list_page(query), lambda page: attrs.evolve(page, items=page.items[:1])
        )


class CountsInCents(TenantDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _with_result(super().get(invoice_id), self._times_100)

    @staticmethod
    def _times_100(invoice: Invoice) -> Invoice:
        total = invoice.total
        return attrs.evolve(invoice, total=total and total.times(100))


class TakesAnyYes(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        def read(response: WireResponse) -> object:
            return None if response.status == 202 else good(response)

        good = _reading(super().get(invoice_id))
        return _with_request(super().get(invoice_id), read=read)


class EscapesNoId(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        good = ExanteDialect.get(self, "3c90c3cc-0d44-4b50-8888-8dd25736052a")
        return _with_request(good, url=f"/api/invoices/{invoice_id}")


class EscapesNoSpaces(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        return _with_request(super().create(draft), url="/api/invoices?note=two words")


class SignsItself(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        good = ExanteDialect.create(self, draft)
        request = next(ExanteDialect.create(self, draft))
        headers = request.headers.merged([("Authorization", "Bearer t")])
        return _with_request(good, headers=headers)


class CountsItsRequests(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        request = next(ExanteDialect.create(self, draft))
        headers = request.headers.merged([("X-Count", str(next(COUNT)))])
        return _with_request(ExanteDialect.create(self, draft), headers=headers)


class DropsUnknownFields(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _with_result(ExanteDialect.get(self, invoice_id), self._without)

    @staticmethod
    def _without(invoice: Invoice) -> Invoice:
        known = {key: each for key, each in invoice.raw.items() if not key.startswith("zz_")}
        return attrs.evolve(invoice, raw=known, extra={})


class LosesTheRaw(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _with_result(
            ExanteDialect.get(self, invoice_id),
            lambda invoice: attrs.evolve(invoice, raw={}, extra={**invoice.extra, **invoice.raw}),
        )


class KnowsItsWords(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _with_result(ExanteDialect.get(self, invoice_id), self._known)

    @staticmethod
    def _known(invoice: Invoice) -> Invoice:
        strange = invoice.status is not None and invoice.status.startswith("ZZ_")
        return attrs.evolve(invoice, status=None) if strange else invoice


class StumblesOverNull(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        return _with_result(ExanteDialect.get(self, invoice_id), self._stumble)

    @staticmethod
    def _stumble(invoice: Invoice) -> Invoice:
        if "invoice_number" in invoice.raw and invoice.raw["invoice_number"] is None:
            raise KeyError("invoice_number")
        return invoice


class BlamesItsCaller(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        def read(response: WireResponse) -> object:
            invoice: Any = good(response)
            if isinstance(invoice.raw.get("total_cents"), bool):
                Money.of(1, "euros")
            return invoice

        good = _reading(super().get(invoice_id))
        return _with_request(ExanteDialect.get(self, invoice_id), read=read)


class TakesConflictsForGood(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        def read(response: WireResponse) -> object:
            try:
                return good(response)
            except ConflictError:
                return None

        good = _reading(super().get(invoice_id))
        return _with_request(ExanteDialect.get(self, invoice_id), read=read)


class TakesHtmlForNothing(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        def read(response: WireResponse) -> object:
            try:
                return good(response)
            except ProtocolError as error:
                if b"<html" in response.body:
                    raise ProviderError("html", provider="x", exchange=error.exchange) from None
                raise

        good = _reading(super().get(invoice_id))
        return _with_request(ExanteDialect.get(self, invoice_id), read=read)


def _reading(conversation: Conversation[Any]) -> Callable[[WireResponse], object]:
    """Return how the first response of a conversation is read."""
    read = next(conversation).read
    assert read is not None
    return read


class PromisesTooMuch(ExanteDialect):
    @property
    def capabilities(self) -> Capabilities:
        good = super().capabilities
        hints = {key: each for key, each in good.instead.items() if key is not Feature.VOID}
        return attrs.evolve(good, features=good.features | {Feature.VOID}, instead=hints)


class KnowsNoDays(ExanteDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        if isinstance(draft.due_at, date) and not isinstance(draft.due_at, datetime):
            raise TypeError("a date is no datetime")
        return super().create(draft)


class ChangesNothing(ExanteDialect):
    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        if not changes.given():
            return ExanteDialect.get(self, invoice_id)
        return super().update(invoice_id, changes, base)


class ShowsItsIds(ExanteDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        route = f"/api/invoices/{invoice_id}"
        try:
            next(ExanteDialect.get(self, invoice_id))
        except InvalidInputError:
            return ExanteDialect.get(self, invoice_id)
        return _with_request(ExanteDialect.get(self, invoice_id), route=route)


class TakesAnyInvoice(TenantDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        request = next(TenantDialect.get(self, invoice_id))
        created = next(TenantDialect.create(self, DRAFT))  # a create may bring any invoice
        invoice: Invoice = yield attrs.evolve(request, read=created.read)
        return invoice


class BelievesAnyNumber(TenantDialect):
    def create(self, draft: Draft) -> Conversation[Invoice]:
        request = next(TenantDialect.create(self, draft))
        read = next(TenantDialect.get(self, INVOICE)).read
        invoice: Invoice = yield attrs.evolve(request, read=read)
        return invoice


class CountsOnTheOrder(BulkDialect):
    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        def read(response: WireResponse) -> object:
            try:
                return good(response)
            except ProtocolError as error:
                if not error.path.startswith("$.data") or not error.shown:
                    raise
                return error.shown

        good = _reading(super().update_many(pairs))
        return _with_request(BulkDialect.update_many(self, pairs), read=read)


class ForgetsItsLocks(TenantDialect):
    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        return super().update(invoice_id, changes, None)


class KeepsItsLastAnswer(TenantDialect):
    def get(self, invoice_id: str) -> Conversation[Invoice]:
        SAID[:] = [b""]
        good = TenantDialect.get(self, invoice_id)
        received = yield next(good)
        SAID.append(b"")
        try:
            good.send(received)
        except StopIteration as end:
            invoice: Invoice = end.value
            return attrs.evolve(invoice, number=str(len(SAID)))
        raise AssertionError


BULK: Final = SUBJECTS["bulk"].samples
EXANTE: Final = SUBJECTS["exante"].samples
KUKKINGU: Final = SUBJECTS["tenant"].samples
BROKEN_DIALECTS: Final[dict[str, tuple[Dialect, DialectSamples, set[str]]]] = (
    {
        CountsOnTheOrder.__name__: (CountsOnTheOrder(), BULK, {"a-batch-is-whole-and-in-order"}),
        LeavesOneOut.__name__: (LeavesOneOut(), BULK, {"what-is-given-goes-out"}),
    }
    | {
        each.__name__: (each(), EXANTE, meant)
        for each, meant in {
            CallsACreateARead: {"resends-are-declared-truthfully"},
            EscapesNoId: {"hostile-ids-stay-in-their-place", "wrong-operands-are-refused-first"},
            SignsItself: {"headers-are-its-own"},
            CountsItsRequests: {"the-same-input-asks-the-same"},
            DropsUnknownFields: {"unknown-fields-are-kept"},
            LosesTheRaw: {"the-payload-is-kept"},
            KnowsItsWords: {"unknown-words-stay-readable"},
            BlamesItsCaller: {"odd-values-are-read-or-refused"},
            StumblesOverNull: {"odd-values-are-read-or-refused"},
            TakesConflictsForGood: {"a-status-that-is-no-success-is-its-own-error"},
            TakesHtmlForNothing: {"a-page-of-html-is-no-response"},
            PromisesTooMuch: {"capabilities-are-what-it-can-do"},
            KnowsNoDays: {"days-are-written-or-refused"},
            ChangesNothing: {"wrong-operands-are-refused-first"},
            ShowsItsIds: {"routes-hold-no-data"},
            DropsADueDate: {"what-is-given-goes-out"},
            IgnoresFilters: {"what-is-given-goes-out"},
            ClearsTheRest: {"an-update-leaves-the-rest-alone"},
            StaysInItsScope: {"a-scoped-dialect-is-a-dialect"},
            LosesARow: {"every-row-is-kept"},
            TakesAnyYes: {"any-success-is-a-result-or-an-error"},
            EscapesNoSpaces: {"addresses-are-relative-and-encoded"},
        }.items()
    }
    | {
        each.__name__: (each(tenant=TENANT), KUKKINGU, meant)
        for each, meant in {
            TakesAnyInvoice: {
                "anothers-response-is-refused", "a-status-that-is-no-success-is-its-own-error",
            },
            BelievesAnyNumber: {
                "another-number-is-no-plain-success",
                "a-status-that-is-no-success-is-its-own-error",
            },
            CountsInCents: {"results-show-what-the-sample-says"},
            ForgetsItsLocks: {"locks-are-kept"},
            VoidsAtOnce: {
                "no-two-operations-ask-the-same", "a-status-that-is-no-success-is-its-own-error",
            },
            KeepsItsLastAnswer: {"conversations-do-not-mix"},
        }.items()
    }
)  # fmt: skip
