"""Exante's bulk half: many invoices in one request.

Its conventions, read 2026-11:

- ``PUT`` takes an array of 1 to 100 changes, each with the ``uid`` it is about, and is all or
  nothing: one that is missing or invalid fails them all.
  https://docs.exante.app/api-reference/invoices/bulk-update
- Only the fields given are changed; there are fewer of them than in a single update. Same page.
- The order of the answer is not documented: records are matched by ``uid``. Same page.
- ``DELETE`` takes an array of 1 to 100 uids in its body; whether it is all or nothing is not
  documented, so after an error read again. The payload of its answer is optional.
  https://docs.exante.app/api-reference/invoices/bulk-delete
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Self

import attrs

from billingual.abc import Dialect, Scope
from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects._kit import readers
from billingual.dialects._kit.fields import (
    Field,
    collection_method,
    currency_code,
    moment,
    refuse_nothing,
    uuid,
    verbatim,
    write_fields,
)
from billingual.dialects._kit.http import Answer, write_request
from billingual.errors import InvalidInputError, ProtocolError, UnsupportedError
from billingual.outcomes import Safety
from billingual.wire import Conversation, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.model import Changes, Invoice

__all__ = ["BulkDialect"]

_COLLECTION: Final = "/api/invoices"
_LIMIT: Final = 100
_CHANGES: Final = {
    "status": Field("status", verbatim),
    "issued_at": Field("issue_date", moment),
    "due_at": Field("due_date", moment),
    "paid_at": Field("paid_date", moment),
    "number": Field("invoice_number", verbatim),
    "collection_method": Field("collection_method", collection_method),
    "currency": Field("currency", currency_code),
    "counterparty": Field("target_party_uid", uuid),
}
_ONE_BY_ONE: Final = "update that invoice by itself, with update"
_ONE_AT_A_TIME: Final = "use the exante dialect, which shares its service"

CAPABILITIES: Final = Capabilities(
    provider="exante",
    features=frozenset({Feature.UPDATE_MANY, Feature.DELETE_MANY}),
    instead={
        Feature.CREATE: _ONE_AT_A_TIME,
        Feature.GET: _ONE_AT_A_TIME,
        Feature.LIST: _ONE_AT_A_TIME,
        Feature.UPDATE: _ONE_AT_A_TIME,
        Feature.REPLACE: "update it with Changes: only the fields given are changed",
        Feature.FINALIZE: "set a status with update_many: Changes(status='APPROVED')",
        Feature.VOID: "set a status with update_many: Changes(status='VOID')",
    },
    batch_changes=FieldRules(
        accepts=frozenset(_CHANGES),
        instead={
            "document": _ONE_BY_ONE,
            "blueprint": _ONE_BY_ONE,
            "fields": _ONE_BY_ONE,
            "total": "leave it out: the provider computes it from the lines",
            "exchange_rate": "leave it out: the provider has no exchange rates",
        },
    ),
    batch_limit=_LIMIT,
    atomic_updates=True,
)


def _for_provider(dialect: BulkDialect) -> Capabilities:
    return attrs.evolve(CAPABILITIES, provider=dialect.provider)


@attrs.frozen(kw_only=True)
class BulkDialect(Dialect):
    """Speak to Exante about up to 100 invoices at once.

    Attributes:
        provider: the name used in errors.
    """

    name: ClassVar[str] = "bulk"

    provider: str = "exante"
    _capabilities: Capabilities = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_for_provider, takes_self=True)
    )

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        return self._capabilities

    def scoped(self, scope: Scope) -> Self:  # noqa: ARG002 - batches name their invoices by id
        """Return the dialect itself: its invoices are named by id, whatever the organization."""
        return self

    def check(self, request: WireRequest, response: WireResponse) -> None:
        """Accept a good answer, or raise the one error that fits a bad one.

        Raises:
            ProviderError: if the status, the envelope or the lack of a payload says no.
        """
        answer = Answer(self.provider, request, response)
        readers.exante_envelope.open_envelope(answer, needs_data=request.method != "DELETE")

    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        """Change 1 to 100 invoices, all or none of them; answers in the order of *pairs*.

        Raises:
            UnsupportedError: if a change has a field that a batch does not take.
            InvalidInputError: if there are too few or too many, an id comes twice or is no UUID,
                or a change is empty or cannot be right.
        """
        ids = _distinct([invoice_id for invoice_id, _ in pairs], "pairs")
        body = [self._element(index, *pair) for index, pair in enumerate(pairs)]
        request = write_request("PUT", _COLLECTION, _COLLECTION, Safety.IDEMPOTENT, body=body)
        # Loaded with the first call; before that is sent, lest it fail afterwards.
        answers = readers.exante_answers
        response = yield request
        answer = Answer(self.provider, request, response)
        return _matched(answer, answers.read_invoices(answer), ids)

    def delete_many(self, invoice_ids: Sequence[str]) -> Conversation[None]:
        """Delete 1 to 100 invoices; after an error, read which of them are left.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice or is no
                UUID.
        """
        body = list(_distinct(invoice_ids, "invoice_ids"))
        request = write_request("DELETE", _COLLECTION, _COLLECTION, Safety.IDEMPOTENT, body=body)
        envelope = readers.exante_envelope
        response = yield request
        envelope.open_envelope(Answer(self.provider, request, response), needs_data=False)

    def _element(self, index: int, invoice_id: str, changes: Changes) -> dict[str, object]:
        given = changes.given()
        where = f"pairs[{index}] ({invoice_id})"
        try:
            self.capabilities.accept(self.capabilities.batch_changes, given, "in a batch")
            refuse_nothing(given)
            return {"uid": invoice_id, **write_fields(_CHANGES, given)}
        except UnsupportedError as problem:
            feature = f"{problem.feature}, {where}"
            raise UnsupportedError(
                problem.provider,
                feature,
                problem.instead,
                field=problem.field,
                known=problem.known,
            ) from problem
        except InvalidInputError as problem:
            field = f"{where}.{problem.field}"
            raise InvalidInputError(field, problem.problem, problem.fix) from problem


def _distinct(invoice_ids: Sequence[str], name: str) -> tuple[str, ...]:
    if not 1 <= len(invoice_ids) <= _LIMIT:
        raise InvalidInputError(
            name,
            f"one request takes 1 to {_LIMIT} invoices, and these are {len(invoice_ids)}",
            "split larger batches yourself, because each part then succeeds or fails alone"
            if invoice_ids
            else "give at least one",
        )
    seen: dict[str, int] = {}
    for index, invoice_id in enumerate(invoice_ids):
        key = uuid(invoice_id, f"{name}[{index}]").lower()
        if key in seen:
            raise InvalidInputError(
                f"{name}[{index}]",
                f"{invoice_id} is already at [{seen[key]}]",
                "give each invoice once",
            )
        seen[key] = index
    return tuple(invoice_ids)


def _matched(
    answer: Answer, invoices: Sequence[Invoice], ids: Sequence[str]
) -> tuple[Invoice, ...]:
    """Bring the records into the order of *ids*; a record too few, too many or double is wrong."""
    wanted = [invoice_id.lower() for invoice_id in ids]
    found = {invoice.id.lower(): invoice for invoice in invoices}
    if len(found) != len(invoices) or found.keys() != set(wanted):
        raise _mismatch(answer, invoices, wanted)
    return tuple([found[key] for key in wanted])


def _mismatch(answer: Answer, invoices: Sequence[Invoice], wanted: Sequence[str]) -> ProtocolError:
    seen: set[str] = set()
    for index, invoice in enumerate(invoices):
        key = invoice.id.lower()
        if key not in wanted or key in seen:
            problem = "it comes twice" if key in seen else "that invoice was not asked for"
            return answer.unreadable(f"$.data[{index}].uid", problem)
        seen.add(key)
    missing = next(key for key in wanted if key not in seen)
    return answer.unreadable("$.data", f"invoice {missing} is missing")
