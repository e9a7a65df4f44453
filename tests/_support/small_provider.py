"""A provider small enough to keep in mind, spoken by a dialect of a third party.

``/invoices`` holds invoices ``{"id": ..., "number": ..., "status": ...}``. A response with
``"no": true`` says no inside a 200.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import attrs

from billingual import (
    AsyncClient,
    Changes,
    Draft,
    Feature,
    Invoice,
    InvoiceSummary,
    MemoryTransport,
    Page,
    Provider,
    Receipt,
    Replacement,
    Status,
    errors,
)
from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, FieldRules
from billingual.model import Query
from billingual.outcomes import Safety
from billingual.wire import Conversation, Exchange, Headers, WireRequest, WireResponse

REFUSALS = {
    401: errors.AuthenticationError, 403: errors.PermissionDeniedError, 404: errors.NotFoundError,
    409: errors.ConflictError, 429: errors.RateLimitedError,
}  # fmt: skip
FAMILIES = {
    3: errors.RedirectedError, 4: errors.InvalidRequestError, 5: errors.ServerError,
}  # fmt: skip
CAPABILITIES = Capabilities(
    provider="small",
    features=frozenset(Feature),
    draft=FieldRules(accepts=frozenset({"number", "status"}), requires=frozenset({"number"})),
    changes=FieldRules(accepts=frozenset({"number", "paid_at"})),
    locks={"FINALIZED": frozenset({"paid_at"}), "VOID": frozenset()},
    batch_limit=100,
    page_limit=2,
)


class SmallDialect(Dialect):
    """Speak to the small provider."""

    name = "small"

    def __init__(
        self, capabilities: Capabilities = CAPABILITIES, scope: Scope | None = None
    ) -> None:
        self._capabilities = capabilities
        self.scope = scope

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def scoped(self, scope: Scope) -> Self:
        return type(self)(self._capabilities, scope)

    def judge(self, request: WireRequest, response: WireResponse) -> None:
        """Raise the error that fits a bad response."""
        if 200 <= response.status <= 299:
            kind: type[errors.ProviderError] | None = None
            try:
                if response.body and json.loads(response.body).get("no"):
                    kind = errors.RejectedError
            except ValueError:
                kind = errors.ProtocolError
        else:
            kind = REFUSALS.get(response.status) or FAMILIES[response.status // 100]
        if kind is not None:
            raise kind(
                f"small said {response.status}.",
                provider="small",
                exchange=Exchange.of(request, response),
            )

    def create(self, draft: Draft) -> Conversation[Invoice]:
        given = draft.given()
        self.capabilities.accept(self.capabilities.draft, given, "in a draft")
        response = yield self._ask("POST", "/invoices", Safety.CREATE, given)
        return self._invoice(response)

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        response = yield self._ask("GET", f"/invoices/{invoice_id}", Safety.READ)
        return self._invoice(response)

    def list_page(self, query: Query) -> Conversation[Page]:
        response = yield self._ask("GET", f"/invoices?page={query.page}", Safety.READ)
        payload = json.loads(response.body)
        rows = tuple(InvoiceSummary(id=each) for each in payload.pop("rows"))
        return Page(items=rows, number=query.page, **payload)

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        locked = self.capabilities.locked(base.status if base else None, changes.given())
        if base is not None and locked:
            raise errors.LockedError(
                provider="small", invoice_id=invoice_id, status=str(base.status), locked=locked,
                still_open=self.capabilities.locks[str(base.status)],
            )  # fmt: skip
        body = {name: str(value) for name, value in changes.given().items()}
        response = yield self._ask("PATCH", f"/invoices/{invoice_id}", Safety.IDEMPOTENT, body)
        return self._invoice(response)

    def replace(self, invoice_id: str, replacement: Replacement) -> Conversation[Receipt]:
        body = {"description": replacement.description}
        response = yield self._ask("PUT", f"/invoices/{invoice_id}", Safety.SIDE_EFFECTS, body)
        return Receipt(id=self._invoice(response).id)

    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        body = [[each, changes.number] for each, changes in pairs]
        yield self._ask("PUT", "/bulk", Safety.IDEMPOTENT, body)
        return tuple(Invoice(id=each) for each, _ in pairs)

    def delete_many(self, invoice_ids: Sequence[str]) -> Conversation[None]:
        yield self._ask("DELETE", "/bulk", Safety.IDEMPOTENT, list(invoice_ids))

    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        response = yield self._ask("POST", f"/invoices/{invoice_id}/finalize", Safety.IDEMPOTENT)
        return self._invoice(response)

    def void(self, invoice_id: str) -> Conversation[Invoice]:
        # Two round trips: read, then void; the second starts counting anew.
        yield self._ask("GET", f"/invoices/{invoice_id}", Safety.READ)
        response = yield self._ask("POST", f"/invoices/{invoice_id}/void", Safety.IDEMPOTENT)
        return self._invoice(response)

    def _ask(self, method: str, path: str, safety: Safety, body: Any = None) -> WireRequest:
        return self.reading(ask(method, path, safety, body))

    def reading(self, request: WireRequest) -> WireRequest:
        """Return the request with how its response is read: it is judged and kept as it is."""

        def read(response: WireResponse) -> WireResponse:
            self.judge(request, response)
            return response

        return attrs.evolve(request, read=read)

    def _invoice(self, response: WireResponse) -> Invoice:
        payload = json.loads(response.body)
        if payload.get("crash"):
            raise AttributeError("a bug in the dialect")
        if "id" not in payload:
            raise errors.ProtocolError(
                "there is no id.",
                provider="small",
                exchange=Exchange.of(ask("GET", "/", Safety.READ), response),
            )
        return Invoice(
            id=payload["id"],
            number=payload.get("number"),
            status=Status(payload["status"]) if "status" in payload else None,
        )


def ask(method: str, path: str, safety: Safety, body: Any = None) -> WireRequest:
    """Make a request of the dialect."""
    return WireRequest(
        method=method,
        url=path,
        route=path.partition("?")[0],
        safety=safety,
        headers=Headers([("Accept", "application/json")]),
        body=None if body is None else json.dumps(body).encode(),
    )


SMALL = Provider(
    name="small",
    dialects=(SmallDialect(),),
    base_url="https://small.example/base",
    needs_token=False,
)


def say(status: int = 200, text: str = '{"id": "i1"}', **headers: str) -> WireResponse:
    """Make a response; ``retry_after="1"`` becomes a header."""
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return WireResponse(status=status, headers=Headers(fields), body=text.encode())


def client_of(
    backend: Any, responses: Iterable[Any] | Callable[[WireRequest], Any] = (), **options: Any
) -> tuple[AsyncClient, MemoryTransport]:
    """Make a client of the small provider and the transport that answers it."""
    transport = MemoryTransport(responses)
    options.setdefault("provider", SMALL)
    options.setdefault("base_url", "https://small.example/base")
    return AsyncClient(transport=transport, backend=backend, **options), transport
