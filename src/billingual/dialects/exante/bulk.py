"""Exante's bulk half: many invoices in one request.

Its conventions, read 2026-11:

- ``PUT`` takes an array of 1 to 100 changes, each with the ``uid`` it is about, and is all or
  nothing: one that is missing or invalid fails them all.
  https://docs.exante.app/api-reference/invoices/bulk-update
- Only the fields given are changed; there are fewer of them than in a single update. Same page.
- The order of the response is not documented: records are matched by ``uid``. Same page.
- ``DELETE`` takes an array of 1 to 100 uids in its body; whether it is all or nothing is not
  documented, so after an error read again. The payload of its response is optional.
  https://docs.exante.app/api-reference/invoices/bulk-delete
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import attrs

from billingual.capabilities import Capabilities, Feature, FieldRules
from billingual.dialects._kit.requests import (
    DialectBase,
    Field,
    encode_json,
    uuid,
    write_request,
)
from billingual.dialects.exante.dialect import records
from billingual.dialects.exante.requests import CHANGES
from billingual.outcomes import Safety
from billingual.wire import Conversation

if TYPE_CHECKING:
    from billingual.dialects._kit.responses import ResponseReader
    from billingual.model import Changes, Invoice

__all__ = ["BulkDialect"]

Asked: TypeAlias = list[tuple[str, Mapping[str, object]]]
"""Ids, and for each what was asked for, as ``Changes.given()`` returns it."""

_COLLECTION: Final = "/api/invoices"
_LIMIT: Final = 100
_CHANGES: Final = {
    name: CHANGES[name]
    for name in (
        "status", "issued_at", "due_at", "paid_at", "number", "collection_method", "currency",
        "counterparty",
    )
}  # fmt: skip
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
        Feature.REPLACE: "update single fields: only those that are given are changed",
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


@attrs.frozen(kw_only=True, eq=False)
class BulkDialect(DialectBase):
    """Speak to Exante about up to 100 invoices at once.

    Attributes:
        provider: the name used in errors.
    """

    name: ClassVar[str] = "bulk"
    documented = CAPABILITIES
    change_fields: ClassVar[Mapping[str, Field]] = _CHANGES
    check_id: ClassVar[staticmethod[[object, str], str]] = staticmethod(uuid)

    provider: str = "exante"

    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        """Change 1 to 100 invoices, all or none of them; returns them in the order of *pairs*.

        Raises:
            UnsupportedError: if a change has a field that a batch does not take.
            InvalidInputError: if there are too few or too many, an id comes twice or is no UUID,
                or a change is empty or cannot be right.
        """
        return self._updated(pairs, read_invoices)

    def update_many_quietly(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        """Change 1 to 100 invoices; where all are as asked for, read no more of the response."""
        return self._updated(pairs, read_others)

    def _updated(
        self, pairs: Sequence[tuple[str, Changes]], read: Callable[..., tuple[Invoice, ...]]
    ) -> Conversation[tuple[Invoice, ...]]:
        self.check_batch([invoice_id for invoice_id, _ in pairs], "pairs", any_case=True)
        asked: Asked = []
        texts: list[str] = []
        body: list[dict[str, object]] = []
        # The invoices of a batch often get the same changes, which are written once.
        known: dict[int, tuple[dict[str, object], str]] = {}
        for index, (invoice_id, changes) in enumerate(pairs):
            if id(changes) not in known:
                given = changes.given()
                members = self.batch_body(index, invoice_id, given)
                body.append({"uid": invoice_id, **members})
                known[id(changes)] = given, encode_json(members).decode()[1:]
            given, rest = known[id(changes)]
            asked.append((invoice_id, given))
            texts.append(f'{{"uid":"{invoice_id}",{rest}')  # A UUID needs no escapes.
        invoices: tuple[Invoice, ...] = yield write_request(
            self.provider, "PUT", _COLLECTION, _COLLECTION, Safety.IDEMPOTENT,
            body=body, written=f"[{','.join(texts)}]".encode(), fields=_CHANGES,
            read=partial(read, asked=asked),
        )  # fmt: skip
        return invoices

    def delete_many(self, invoice_ids: Sequence[str]) -> Conversation[None]:
        """Delete 1 to 100 invoices; after an error, read which of them are left.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice or is no
                UUID.
        """
        body = list(self.check_batch(invoice_ids, "invoice_ids", any_case=True))
        yield write_request(
            self.provider, "DELETE", _COLLECTION, _COLLECTION, Safety.IDEMPOTENT,
            body=body, read=partial(records().read_deletion, asked=len(body)),
        )  # fmt: skip


def read_others(reader: ResponseReader, asked: Asked) -> tuple[Invoice, ...]:
    """Read all invoices if one is not as it was asked for, or none.

    Raises:
        ProviderError, ProtocolError: as :func:`read_invoices` does.
    """
    exante = records()
    wanted = {invoice_id.lower(): given for invoice_id, given in asked}
    for head in exante.read_heads(reader):
        given = wanted.pop(head.uid.lower(), None)
        if given is None:
            break
        for name, value in given.items():
            if name not in exante.HEAD or getattr(head, exante.HEAD[name]) != value:
                return read_invoices(reader, asked)
    else:
        if not wanted:
            return ()
    return read_invoices(reader, asked)


def read_invoices(reader: ResponseReader, asked: Asked) -> tuple[Invoice, ...]:
    """Read the full invoices that are the data of a response, in the order of *asked*.

    The order of the response is not documented, so records are matched by their ids. The batch is
    all or nothing: a response that says or shows less is no success.

    Args:
        reader: the response.
        asked: the ids, and for each what was asked for, as ``Changes.given()`` returns it.

    Raises:
        ProviderError: if the envelope says no.
        ProtocolError: if the invoices are not exactly those asked for; it has those that came.
    """
    exante = records()
    plain = exante.opened(reader, exante.read_many)
    payloads, beside = (plain.data, None) if plain is not None else exante.judged(reader)
    partly = [each for each in reader.problems if each.path == "$.status"]
    rows = exante.array_of(payloads, "$.data")
    invoices: tuple[Invoice, ...] = exante.INVOICES.matched(
        reader, rows, "$.data", asked=asked, doubts=partly, beside=beside
    )
    return invoices
