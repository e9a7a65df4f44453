"""The client: the invoice protocol as a program speaks it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Self, overload

import attrs

from billingual.auth import TokenSource, sealed
from billingual.capabilities import Capabilities, Feature
from billingual.connecting import (
    Settings,
    async_driver,
    checked_observers,
    checked_tls,
    open_desk,
    open_wire,
    provider_named,
)
from billingual.desk import Desk
from billingual.driver import Driver
from billingual.errors import (
    BillingualError,
    ConflictError,
    InvalidRequestError,
    LockedError,
    PermissionDeniedError,
    ProviderError,
)
from billingual.model import (
    UNSET,
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
    UnsetType,
)
from billingual.operands import expected, ids_of, pairs_of, query_of, refuse_base
from billingual.pagination import Pager
from billingual.preview import Preview
from billingual.protocol import (
    Observer,
    Provider,
    RetryPolicy,
    Transport,
    TransportFactory,
    TransportOptions,
)
from billingual.wire import Timeouts

__all__ = ["AsyncClient"]


class AsyncClient:
    """Speak to one provider through the invoice protocol.

    Safe to share between the tasks of one event loop. It opens connections on the first call and
    gives them up with :meth:`aclose`, or at the end of ``async with``.

    Example:
        ::

            async with AsyncClient("exante", transport="sandbox") as invoices:
                async for invoice in invoices.list(Filter(status="OVERDUE")):
                    print(invoice.number, invoice.total)

    Args:
        provider: ``"exante"``, ``"kukkingu"``, ``"katsu"``, another registered name, or a
            :class:`~billingual.protocol.Provider`.
        token: the provider's key, or a function (plain or async) that returns the current one.
        tenant: whose invoices; needed where the provider has tenants (kukkingu).
        organization: whose invoices; where it is left out the provider takes its default (exante).
        base_url: where the provider lives, instead of the preset's address.
        transport: ``"httpx"``, ``"sandbox"`` (in process, no account), ``"memory"``, another
            registered name, a transport (which is then yours to close) or a function that makes
            one.
        retry: ``"standard"`` (up to 4 attempts, never a write that may have happened),
            ``"none"``, another registered name or a policy.
        timeout: seconds for each phase of one attempt, or :class:`~billingual.Timeouts`.
            Default: connect 5, write 10, read 30, pool 5.
        deadline: seconds for one whole operation, over all its attempts and waits. Default 60.
            For a list it holds for each page.
        observers: called with each :class:`~billingual.events.Event`.
        tls: an ``ssl.SSLContext`` instead of the default one.
        proxy: URL of a proxy; the environment is not read.
        allow_insecure: send the token over plain ``http`` beyond loopback.
        driver: how waiting is done. Default: on the running event loop.

    Raises:
        UnknownNameError: if a name is not registered; the error lists those that are.
        MissingExtraError: if a named part is not installed; the error says what to install.
        ConfigurationError: if a token, tenant or address is missing or unusable.
    """

    def __init__(
        self,
        provider: str | Provider,
        *,
        token: TokenSource | None = None,
        tenant: str | None = None,
        organization: str | None = None,
        base_url: str | None = None,
        transport: str | Transport | TransportFactory = "httpx",
        retry: str | RetryPolicy = "standard",
        timeout: float | Timeouts = Timeouts(),  # noqa: B008 - frozen
        deadline: float = 60.0,
        observers: Iterable[Observer] = (),
        tls: SSLContext | None = None,
        proxy: str | None = None,
        allow_insecure: bool = False,
        driver: str | Driver | None = None,
    ) -> None:
        token = sealed(token)
        settings = Settings(
            provider=provider_named(provider),
            token=token,
            tenant=tenant,
            organization=organization,
            base_url=base_url,
            allow_insecure=allow_insecure,
            retry=retry,
            timeout=timeout,
            deadline=deadline,
            observers=checked_observers(observers),
        )
        waiting = async_driver(driver)
        wire = open_wire(
            transport, TransportOptions(driver=waiting, tls=checked_tls(tls), proxy=proxy)
        )
        desk = open_desk(settings, wire=wire, driver=waiting, calls=itertools.count(1))
        self._settings = settings
        self._desk: Desk = desk
        self._is_sibling = False
        wire.client = repr(self)

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do, as data."""
        return self._desk.capabilities

    @property
    def preview(self) -> Preview:
        """The same operations, returning the exact request without sending it."""
        return Preview(self._desk)

    def with_options(
        self,
        *,
        token: TokenSource | None | UnsetType = UNSET,
        tenant: str | None | UnsetType = UNSET,
        organization: str | None | UnsetType = UNSET,
        retry: str | RetryPolicy | UnsetType = UNSET,
        timeout: float | Timeouts | UnsetType = UNSET,
        deadline: float | UnsetType = UNSET,
        observers: Iterable[Observer] | UnsetType = UNSET,
    ) -> AsyncClient:
        """Return a sibling with other options that shares this client's connections.

        It is cheap enough for a single call: ``client.with_options(deadline=5).get(id)``. Closing
        a sibling closes nothing; closing the first client closes all.

        Raises:
            ConfigurationError: if an option cannot be used.
        """
        token = UNSET if token is UNSET else sealed(token)
        given = {
            "token": token,
            "tenant": tenant,
            "organization": organization,
            "retry": retry,
            "timeout": timeout,
            "deadline": deadline,
            "observers": UNSET if observers is UNSET else checked_observers(observers),
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        settings: Settings = attrs.evolve(self._settings, **changes)  # type: ignore[arg-type]  # checked above
        sibling: AsyncClient = object.__new__(type(self))
        sibling._settings = settings
        sibling._desk = open_desk(
            settings, wire=self._desk.wire, driver=self._desk.driver, calls=self._desk.calls
        )
        sibling._is_sibling = True
        return sibling

    async def create(self, draft: Draft) -> Invoice:
        """Create an invoice.

        Raises:
            InvalidInputError: if a field is missing or cannot be right; nothing was sent.
            UnsupportedError: if the provider lacks the operation or a field; nothing was sent.
            OutcomeUnknown: if the invoice may or may not have been created.
            ProviderError: if the provider refused.
        """
        dialect = self._desk.dialect(Feature.CREATE)
        return await self._desk.converse(
            Feature.CREATE, dialect, dialect.create(expected(draft, Draft, "draft"))
        )

    async def get(self, invoice_id: str) -> Invoice:
        """Read one invoice in full.

        Raises:
            NotFoundError: if there is none of that id.
        """
        dialect = self._desk.dialect(Feature.GET)
        return await self._desk.converse(Feature.GET, dialect, dialect.get(invoice_id))

    def list(
        self,
        filter: Filter | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
    ) -> Pager:
        """List invoices; nothing is requested before the first row is asked for.

        Args:
            filter: which ones; all that is given must hold. Default: all the provider shows.
            sort: ``"due_at"`` or ``"-due_at"``; the names are in ``capabilities.sorts``.
            page_size: rows per request; default: the largest the provider allows.

        Raises:
            UnsupportedError: if the provider has no lists.
            InvalidInputError: if *sort* is not one key.
        """
        dialect = self._desk.dialect(Feature.LIST)
        query = query_of(filter, sort, page_size)

        async def fetch(query: Query) -> Page:
            return await self._desk.converse(Feature.LIST, dialect, dialect.list_page(query))

        return Pager(fetch, query)

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
        if isinstance(changes, Replacement):
            refuse_base(base)
            dialect = self._desk.dialect(Feature.REPLACE)
            return await self._desk.converse(
                Feature.REPLACE, dialect, dialect.replace(invoice_id, changes)
            )
        dialect = self._desk.dialect(Feature.UPDATE)
        expected(changes, Changes, "changes")
        if base is not None:
            expected(base, InvoiceSummary, "base")
        try:
            return await self._desk.converse(
                Feature.UPDATE, dialect, dialect.update(invoice_id, changes, base)
            )
        except (ConflictError, InvalidRequestError, PermissionDeniedError) as refusal:
            await self._explain_lock(refusal, invoice_id, changes)
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
        dialect = self._desk.dialect(Feature.UPDATE_MANY)
        conversation = dialect.update_many(pairs_of(pairs))
        return await self._desk.converse(Feature.UPDATE_MANY, dialect, conversation)

    async def delete_many(self, invoice_ids: Iterable[str]) -> None:
        """Delete several invoices in one request, 1 to ``capabilities.batch_limit``.

        Whether a refusal leaves all of them in place is not documented: read them again.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice.
            OutcomeUnknown: if they may or may not have been deleted.
        """
        dialect = self._desk.dialect(Feature.DELETE_MANY)
        conversation = dialect.delete_many(ids_of(invoice_ids))
        await self._desk.converse(Feature.DELETE_MANY, dialect, conversation)

    async def finalize(self, invoice_id: str) -> Invoice:
        """Make a draft final; this cannot be undone.

        Raises:
            ProviderError: if the provider refused, because it is no draft any more for example.
            OutcomeUnknown: if it may or may not be final now.
        """
        dialect = self._desk.dialect(Feature.FINALIZE)
        return await self._desk.converse(Feature.FINALIZE, dialect, dialect.finalize(invoice_id))

    async def void(self, invoice_id: str) -> Invoice:
        """Make an invoice void; this cannot be undone.

        Raises:
            ProviderError: if the provider refused.
            OutcomeUnknown: if it may or may not be void now.
        """
        dialect = self._desk.dialect(Feature.VOID)
        return await self._desk.converse(Feature.VOID, dialect, dialect.void(invoice_id))

    async def aclose(self) -> None:
        """Give up all connections; closing twice is no error."""
        if not self._is_sibling:
            await self._desk.wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        # Tools that show the frames of a failing constructor ask a client that is not made yet.
        desk: Desk | None = getattr(self, "_desk", None)
        made = "" if desk is None else f"{desk.provider!r}, base_url={desk.base_url!r}"
        return f"{type(self).__name__}({made})"

    async def _explain_lock(
        self, refusal: ProviderError, invoice_id: str, changes: Changes
    ) -> None:
        """After a refusal, read the invoice: if its status locks the change, say so."""
        capabilities = self.capabilities
        if not capabilities.locks or not capabilities.supports(Feature.GET):
            return
        try:
            invoice = await self.get(invoice_id)
        except BillingualError:
            return
        locked = capabilities.locked(invoice.status, changes.given())
        if locked and invoice.status is not None:
            raise LockedError(
                provider=capabilities.provider,
                invoice_id=invoice_id,
                status=invoice.status,
                locked=locked,
                still_open=capabilities.locks[invoice.status],
                exchange=refusal.exchange,
            ) from refusal
