"""The exact requests that operations would send, without sending them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from billingual._arguments import expected, ids_of, pairs_of, query_of, refuse_base
from billingual._context import HEADERS, ClientContext
from billingual.capabilities import Feature
from billingual.errors import InternalError
from billingual.model import Changes, Draft, Filter, InvoiceSummary, Replacement, Sort
from billingual.wire import Conversation, WireRequest

__all__ = ["Preview"]


@attrs.frozen
class Preview:
    """Each method takes what the client's takes and returns the first request it would send.

    The request is absolute and unsigned: no token is in it. All local checks run, so a preview
    that returns is a call that would be sent.
    """

    _context: ClientContext = attrs.field(repr=False)

    def create(self, draft: Draft) -> WireRequest:
        """Show the request of ``create``."""
        return self._first(
            self._context.dialect(Feature.CREATE).create(expected(draft, Draft, "draft"))
        )

    def get(self, invoice_id: str) -> WireRequest:
        """Show the request of ``get``."""
        return self._first(self._context.dialect(Feature.GET).get(invoice_id))

    def list(
        self,
        filter: Filter | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
    ) -> WireRequest:
        """Show the first request of ``list``."""
        query = query_of(filter, sort, page_size)
        return self._first(self._context.dialect(Feature.LIST).list_page(query))

    def update(
        self,
        invoice_id: str,
        changes: Changes | Replacement,
        *,
        base: InvoiceSummary | None = None,
    ) -> WireRequest:
        """Show the request of ``update``."""
        if isinstance(changes, Replacement):
            refuse_base(base)
            dialect = self._context.dialect(Feature.REPLACE)
            return self._first(dialect.replace(invoice_id, changes))
        expected(changes, Changes, "changes")
        if base is not None:
            expected(base, InvoiceSummary, "base")
        return self._first(self._context.dialect(Feature.UPDATE).update(invoice_id, changes, base))

    def update_many(
        self, pairs: Mapping[str, Changes] | Iterable[tuple[str, Changes]]
    ) -> WireRequest:
        """Show the request of ``update_many``."""
        dialect = self._context.dialect(Feature.UPDATE_MANY)
        return self._first(dialect.update_many(pairs_of(pairs)))

    def delete_many(self, invoice_ids: Iterable[str]) -> WireRequest:
        """Show the request of ``delete_many``."""
        dialect = self._context.dialect(Feature.DELETE_MANY)
        return self._first(dialect.delete_many(ids_of(invoice_ids)))

    def finalize(self, invoice_id: str) -> WireRequest:
        """Show the request of ``finalize``."""
        return self._first(self._context.dialect(Feature.FINALIZE).finalize(invoice_id))

    def void(self, invoice_id: str) -> WireRequest:
        """Show the request of ``void``."""
        return self._first(self._context.dialect(Feature.VOID).void(invoice_id))

    def _first(self, conversation: Conversation[Any]) -> WireRequest:
        try:
            return next(conversation).addressed(self._context.base_url, HEADERS)
        except StopIteration:
            raise InternalError("the operation sends no request to preview.") from None
        finally:
            conversation.close()
