"""The operations of the protocol, as a client carries them out on its context.

What only some of them need is named by its package, which loads it on first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, overload

from billingual import model
from billingual._arguments import (
    expected,
    ids_of,
    pages_ahead,
    pairs_of,
    query_of,
    refuse_base,
    refuse_key,
)
from billingual._context import ClientContext
from billingual._pipeline import Received, converse
from billingual.abc import Dialect
from billingual.capabilities import Feature
from billingual.errors import (
    ConflictError,
    InvalidRequestError,
    OutcomeUnknown,
    PermissionDeniedError,
)
from billingual.intent import Intent
from billingual.reconcile.readback import explain_lock, settle_act
from billingual.wire import Conversation

if TYPE_CHECKING:
    from billingual.model import (
        Changes,
        Draft,
        Filter,
        Invoice,
        InvoiceSummary,
        Page,
        Query,
        Receipt,
        Replacement,
        Sort,
    )
    from billingual.pagination import Pager
    from billingual.reconcile.result import Reconciliation

__all__ = ["AsyncOperations"]


class AsyncOperations:
    """What every client can be asked for.

    A provider that lacks an operation or a field refuses it before anything is sent, and the error
    says what to use instead; ``capabilities`` tells beforehand.
    """

    _context: ClientContext

    async def create(self, draft: Draft, *, key: str | None = None) -> Invoice:
        """Create an invoice.

        Args:
            draft: what to create. Choose a *number* of your own where you can: it is what an
                invoice can be recognised by.
            key: your own idempotency key, where ``capabilities.idempotency_keys``: keep it, and a
                create that is repeated with it later does nothing twice. Default: a fresh one,
                the same for all attempts of this call.

        Raises:
            InvalidInputError: if a field is missing or cannot be right; nothing was sent.
            UnsupportedError: if the provider lacks the operation or a field; nothing was sent.
            OutcomeUnknown: if the invoice may or may not have been created.
            ProviderError: if the provider refused.
        """
        context = self._context
        dialect = context.dialect(Feature.CREATE)
        refuse_key(key, context.capabilities)
        conversation = dialect.create(expected(draft, model.Draft, "draft"))
        intent = Intent(operation=Feature.CREATE, draft=draft)
        invoice = await converse(
            context, Feature.CREATE, dialect, conversation, intent=intent, key=key
        )
        if invoice.kind != model.Kind.PAYABLE:
            context.known.created = invoice
        return invoice

    async def get(self, invoice_id: str) -> Invoice:
        """Read one invoice in full.

        Raises:
            NotFoundError: if there is none of that id.
        """
        dialect = self._context.dialect(Feature.GET)
        return await converse(self._context, Feature.GET, dialect, dialect.get(invoice_id))

    def list(
        self,
        filter: Filter | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
    ) -> Pager:
        """List invoices; nothing is requested before the first row is asked for.

        Args:
            filter: which ones; all that is given must hold. Default: all the provider shows.
            sort: ``"due_at"`` or ``"-due_at"``; the names are in ``capabilities.sorts``.
            page_size: rows per request; default: the largest the provider allows.
            prefetch: pages fetched at once, 1 to 64, where the provider says how many there are.
                They are handed out in order. At most so many are under way, and if you are slower
                than the provider, so many wait. Default 1.

        Raises:
            UnsupportedError: if the provider has no lists.
            InvalidInputError: if *sort* is not one key, or *prefetch* is out of bounds.
        """
        from billingual.pagination import Pager  # noqa: PLC0415 - of the first use

        dialect = self._context.dialect(Feature.LIST)
        query = query_of(filter, sort, page_size)

        async def fetch(query: Query, *, received: Received | None = None) -> Page:
            listing = dialect.list_page(query)
            return await converse(self._context, Feature.LIST, dialect, listing, received=received)

        return Pager(fetch, query, backend=self._context.backend, prefetch=pages_ahead(prefetch))

    @overload
    async def update(
        self, invoice_id: str, changes: Changes, *, base: InvoiceSummary | None = None
    ) -> Invoice: ...

    @overload
    async def update(
        self, invoice_id: str, changes: Replacement, *, base: None = None
    ) -> Receipt: ...

    @overload
    async def update(
        self,
        invoice_id: str,
        changes: Changes | Replacement,
        *,
        base: InvoiceSummary | None = None,
    ) -> Invoice | Receipt: ...

    async def update(
        self,
        invoice_id: str,
        changes: Changes | Replacement,
        *,
        base: InvoiceSummary | None = None,
    ) -> Invoice | Receipt:
        """Change an invoice: the given fields of it, or the whole of it.

        Args:
            invoice_id: the invoice.
            changes: :class:`~billingual.Changes` to set some fields; a complete
                :class:`~billingual.Replacement` where the provider replaces documents (katsu).
            base: your copy of the invoice; where its status locks a field of *changes*, that is
                refused before anything is sent. Without it the provider decides.

        Returns:
            The invoice as it is now, or for a Replacement the provider's receipt.

        Raises:
            LockedError: if the invoice's status forbids the change.
            OutcomeUnknown: if the change may or may not have been made.
        """
        context = self._context
        if isinstance(changes, model.Replacement):
            refuse_base(base)
            dialect = context.dialect(Feature.REPLACE)
            replacing = dialect.replace(invoice_id, changes)
            intent = Intent(
                operation=Feature.REPLACE, invoice_ids=(invoice_id,), replacement=changes
            )
            return await converse(context, Feature.REPLACE, dialect, replacing, intent=intent)
        dialect = context.dialect(Feature.UPDATE)
        expected(changes, model.Changes, "changes")
        if base is not None:
            expected(base, model.InvoiceSummary, "base")
        updating = dialect.update(invoice_id, changes, base)
        intent = Intent(operation=Feature.UPDATE, pairs=((invoice_id, changes),))
        deadline = context.deadline()
        try:
            return await converse(
                context, Feature.UPDATE, dialect, updating, intent=intent, deadline=deadline
            )
        except (ConflictError, InvalidRequestError, PermissionDeniedError) as refusal:
            await explain_lock(context, refusal, invoice_id, changes, deadline)
            raise

    async def update_many(
        self, pairs: Mapping[str, Changes] | Iterable[tuple[str, Changes]]
    ) -> tuple[Invoice, ...]:
        """Change several invoices in one request: all of them, or none.

        Args:
            pairs: changes by invoice id, 1 to ``capabilities.batch_limit``.

        Returns:
            The invoices as they are now, in the order of *pairs*.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice.
            ProviderError: if the provider refused; then no invoice was changed.
            OutcomeUnknown: if the changes may or may not have been made, all of them.
        """
        context = self._context
        dialect = context.dialect(Feature.UPDATE_MANY)
        listed = pairs_of(pairs)
        intent = Intent(operation=Feature.UPDATE_MANY, pairs=listed)
        conversation = dialect.update_many(listed)
        return await converse(context, Feature.UPDATE_MANY, dialect, conversation, intent=intent)

    async def delete_many(self, invoice_ids: Iterable[str]) -> None:
        """Delete several invoices in one request, 1 to ``capabilities.batch_limit``.

        Whether a refusal leaves all of them in place is not documented: read them again.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice.
            OutcomeUnknown: if they may or may not have been deleted.
        """
        context = self._context
        dialect = context.dialect(Feature.DELETE_MANY)
        ids = ids_of(invoice_ids)
        intent = Intent(operation=Feature.DELETE_MANY, invoice_ids=ids)
        conversation = dialect.delete_many(ids)
        await converse(context, Feature.DELETE_MANY, dialect, conversation, intent=intent)

    async def finalize(self, invoice_id: str) -> Invoice:
        """Make a draft final; this cannot be undone.

        Where the end is unclear the invoice is read once: if it is final, it is returned.

        Raises:
            ProviderError: if the provider refused, because it is no draft any more for example.
            OutcomeUnknown: if it may or may not be final now.
        """
        dialect = self._context.dialect(Feature.FINALIZE)
        return await self._act(Feature.FINALIZE, invoice_id, dialect, dialect.finalize(invoice_id))

    async def void(self, invoice_id: str) -> Invoice:
        """Make an invoice void; this cannot be undone.

        Where the end is unclear the invoice is read once: if it is void, it is returned.

        Raises:
            ProviderError: if the provider refused.
            OutcomeUnknown: if it may or may not be void now.
        """
        dialect = self._context.dialect(Feature.VOID)
        return await self._act(Feature.VOID, invoice_id, dialect, dialect.void(invoice_id))

    async def reconcile(
        self,
        unclear: OutcomeUnknown,
        *,
        control: InvoiceSummary | None = None,
        settle: float = 120.0,
        wait: bool = False,
    ) -> Reconciliation:
        """Find out whether a write with an unclear end happened, by reading; nothing is sent again.

        A finding of *adopted* can come at once. *Absent* needs time: a request that was given up
        may still arrive, and until *settle* is over the finding is unknown and says when to ask
        again.

        Args:
            unclear: the error; it may come from another process.
            control: for a create, an invoice of the same kind that is known to exist; the look
                must find it, or its silence proves nothing. Default: the last receivable that
                this client created.
            settle: seconds after which a request that was given up cannot arrive any more.
                Default 120. How long a provider may hold a request is documented by none.
            wait: wait for that time instead of answering that it is not over.

        Returns:
            Adopted with the invoice, absent, or still unknown with the reason. A look that fails
            is unknown too.

        Raises:
            InvalidInputError: if *unclear* is another error, or *settle* no time.
            UsageError: if this client is closed or lacks something.
        """
        from billingual.reconcile.reconciler import find_out  # noqa: PLC0415 - of the first use

        return await find_out(self._context, unclear, control=control, settle=settle, wait=wait)

    async def _act(
        self,
        feature: Feature,
        invoice_id: str,
        dialect: Dialect,
        conversation: Conversation[Invoice],
    ) -> Invoice:
        context, deadline = self._context, self._context.deadline()
        intent = Intent(operation=feature, invoice_ids=(invoice_id,))
        try:
            return await converse(
                context, feature, dialect, conversation, intent=intent, deadline=deadline
            )
        except OutcomeUnknown as unclear:
            return await settle_act(context, feature, unclear, invoice_id, deadline)
