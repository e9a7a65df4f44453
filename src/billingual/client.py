"""The client: the operations of the invoice protocol, and a preview of each.

:class:`AsyncClient` is what a program uses. ``_Operations`` checks the arguments of each operation
once, for the client that carries it out and for the :class:`Preview` that shows its request.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike, getenv
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self, TypeVar, Unpack, cast, overload

import attrs

from billingual import model
from billingual._arguments import (
    check_prefetch,
    ids_of,
    key_of,
    model_of,
    pairs_of,
    query_of,
    refuse_base,
    wrong_kind,
)
from billingual._config.build import async_backend, open_context, open_wire, provider_named
from billingual._config.options import (
    Settings,
    app_of,
    budget_of,
    checked_observers,
    context_of,
    headers_of,
    hook_of,
    limiter_of,
    policy_of,
    proxy_of,
    reading_of,
)
from billingual._context import ClientContext, Wire
from billingual._pipeline import (
    Operation,
    Received,
    dialect_for,
    execute,
    first_request,
    log_plugin_error,
    start_deadline,
    tell_of_bad_page,
)
from billingual.abc import (
    Backend,
    CallOptions,
    HttpClient,
    Observer,
    Pairs,
    Provider,
    RetryPolicy,
    Transport,
    TransportFactory,
    TransportOptions,
)
from billingual.auth import Secret, TokenSource, as_secret, as_token
from billingual.capabilities import Capabilities, Feature
from billingual.errors import (
    ConflictError,
    InvalidRequestError,
    OutcomeUnknown,
    PermissionDeniedError,
    carried_by,
    refuse_copy,
    refuse_name,
)
from billingual.model import UNSET, UnsetType
from billingual.outcomes import Found, Intent
from billingual.reconcile.readback import explain_lock, settle_act
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Limiter
from billingual.wire import Deadline, Timeouts

if TYPE_CHECKING:
    from datetime import date
    from ssl import SSLContext

    from billingual._config.url import ClientOptions
    from billingual.landing import LandProgress, LandReport, Target
    from billingual.model import (
        Changes,
        ChangesDict,
        Draft,
        DraftDict,
        Filter,
        FilterDict,
        Invoice,
        InvoiceSummary,
        Page,
        Query,
        Receipt,
        Replacement,
        ReplacementDict,
        Sort,
    )
    from billingual.pagination import AsyncPager, OnBadPage, OnBadRow, Place
    from billingual.preview import PreviewedRequest
    from billingual.reconcile.result import Reconciliation
    from billingual.transports.tls import Tls

__all__ = ["AsyncClient", "Preview"]

T = TypeVar("T")

_LOG: Final = "BILLINGUAL_LOG"
"""The one variable that a client reads by itself: it must work without a change of the program."""


class AsyncClient:
    """Speak to one provider through the invoice protocol.

    A provider that lacks an operation or a field refuses it before anything is sent, and the error
    says what to use instead; ``capabilities`` tells beforehand.

    Safe to share between the tasks of one event loop. It opens connections on the first call and
    gives them up with :meth:`aclose`, or at the end of ``async with``.

    Example:
        ::

            async with AsyncClient("exante", transport="sandbox") as invoices:
                async for invoice in invoices.list(Filter(status="OVERDUE")):
                    print(invoice.number, invoice.total)

    Args:
        provider: ``"exante"``, ``"kukkingu"``, ``"katsu"``, another registered name, or a
            :class:`~billingual.abc.Provider`.
        token: the provider's key, or a function (plain or async) that returns the current one,
            as text or as :class:`~billingual.Token`, or
            :class:`~billingual.ClientCredentials` for OAuth 2.0. Calls that wait together share
            what the function returns, so it must not depend on who calls: a user's own token is
            given with :meth:`with_options`.
        tenant: whose invoices; needed where the provider has tenants (kukkingu).
        organization: whose invoices; where it is left out the provider takes its default (exante).
        base_url: where the provider lives, instead of the preset's address.
        transport: ``"httpx"``, ``"sandbox"`` (in process, no account), ``"memory"``, another
            registered name, a transport (which is then yours to close) or a function that makes
            one.
        retry: ``"standard"`` (up to 4 attempts), ``"patient"`` (as many as 15 minutes take, for
            pipelines), ``"none"`` (for programs that retry themselves), ``"breaker"``, another
            registered name or a policy. No policy sends a write again that may have happened,
            unless it carries an idempotency key.
        timeout: seconds for each phase of one attempt, or :class:`~billingual.Timeouts`.
            Default: connect 5, write 10, read 30, pool 5.
        deadline: seconds for one whole operation, over all its attempts and waits; for a list it
            holds for each page. Default: the policy's (standard 60, patient 900).
        limiter: a :class:`~billingual.Limiter`, or attempts per second. Default: one that only
            learns from 429, so that a rate limit pauses all calls of its credential.
        budget: the :class:`~billingual.RetryBudget` that retries draw from. Default: one of 500
            tokens for each host and credential of this client and its siblings.
        observers: called with each :class:`~billingual.events.Event`; functions, or ``"log"``,
            ``"opentelemetry"`` or another name of the entry-point group ``billingual.observers``.
            The variable ``BILLINGUAL_LOG`` (``info`` or ``debug``) adds one that writes to stderr.
        on_unclear: called once with the :class:`~billingual.OutcomeUnknown` of each write that
            ends unclear, also where it was cancelled or interrupted and nothing else is left of
            it. A plain function; keep the error (it can be pickled), for example in a table.
        headers: header fields of your own for every request, such as a gateway's key or a
            correlation id. A value in :class:`~billingual.Secret`, or under a name that looks
            secret such as ``X-Api-Key``, is hidden like the token. Those that the client writes
            itself are refused, and those that the dialect or the scheme writes stay as they are.
        app: name and version of your program, and its address if you like, which come first in
            ``User-Agent``: ``("acme-billing", "1.2", "https://acme.example")``.
        reading: ``"tolerant"`` (a value that does not fit what the provider documents is left out
            and named in the model's ``problems``) or ``"strict"`` (it fails the call, and a write
            ends unclear).
        tls: an ``ssl.SSLContext`` instead of the default one; the path of a PEM file with the
            authorities to trust instead; or :class:`~billingual.Tls` for a certificate of your
            own. The same on every transport.
        proxy: URL of a proxy; the environment is not read.
        allow_insecure: send the token over plain ``http`` beyond loopback.
        backend: how waiting is done. Default: on the running event loop.

    Raises:
        UnknownNameError: if a name is not registered; the error lists those that are.
        MissingExtraError: if a named part is not installed; the error says what to install.
        ConfigurationError: if a token or address is missing, or one of them or a tenant is
            unusable. A tenant that is missing is refused by the first operation that needs one.
    """

    if not TYPE_CHECKING:  # or type checkers would take any name
        __getattr__ = refuse_name

    def __init__(
        self,
        provider: str | Provider,
        *,
        token: TokenSource | None = None,
        tenant: str | None = None,
        organization: str | None = None,
        base_url: str | None = None,
        transport: str | Transport | TransportFactory | HttpClient = "httpx",
        retry: str | RetryPolicy = "standard",
        timeout: float | Timeouts = Timeouts(),  # noqa: B008 - frozen
        deadline: float | None = None,
        limiter: Limiter | float | None = None,
        budget: RetryBudget | None = None,
        observers: Iterable[Observer | str] = (),
        on_unclear: Callable[[OutcomeUnknown], object] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        app: tuple[str, str] | tuple[str, str, str] | None = None,
        reading: Literal["tolerant", "strict"] = "tolerant",
        tls: SSLContext | Tls | str | PathLike[str] | None = None,
        proxy: str | Secret | None = None,
        allow_insecure: bool = False,
        backend: str | Backend | None = None,
    ) -> None:
        token, proxy = as_token(token), as_secret(proxy)
        settings = Settings(
            provider=provider_named(provider),
            token=token,
            tenant=tenant,
            organization=organization,
            base_url=base_url,
            allow_insecure=allow_insecure,
            retry=policy_of(retry),
            timeout=timeout,
            deadline=deadline,
            limiter=limiter_of(limiter),
            budget=budget_of(budget),
            observers=checked_observers(observers, getenv(_LOG)),
            reading=reading_of(reading),
            on_unclear=hook_of(on_unclear),
            headers=headers_of(headers),
            app=app_of(app),
        )
        waiting = async_backend(backend)
        options = TransportOptions(backend=waiting, tls=context_of(tls), proxy=proxy_of(proxy))
        self._open(settings, open_wire(transport, options), waiting)

    def _open(self, settings: Settings, wire: Wire, backend: Backend) -> None:
        self._settings = settings
        self._context = open_context(settings, wire=wire, backend=backend, calls=itertools.count(1))
        self._operations = _Operations(self._context)
        self._is_sibling = False
        wire.client = repr(self)

    @classmethod
    def from_url(cls, url: str, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from an address: ``exante+aiohttp://dev.exante.app?retry=patient``.

        The scheme names the provider (or a dialect) and, after a plus, the transport; a query
        gives ``tenant organization retry timeout deadline limiter reading``. A host is spoken to
        over https, loopback over http unless ``secure=true``. Without a host, as in
        ``exante+sandbox:``, the transport's own server or the documented address is taken.

        Args:
            url: the address. It never holds a token, because addresses end in logs.
            options: as for the class itself; they win over the address.

        Raises:
            UnknownNameError: if there is no such provider, dialect or transport.
            ConfigurationError: if the address cannot be read, or an option cannot be used.
        """
        from billingual._config.url import from_address, mask_secrets  # noqa: PLC0415 - of the first use

        return cls(**from_address(url, mask_secrets(options)))

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from the environment.

        ``BILLINGUAL_URL`` is an address as for :meth:`from_url`; ``BILLINGUAL_PROVIDER TOKEN
        TENANT ORGANIZATION TRANSPORT BASE_URL RETRY TIMEOUT DEADLINE LIMITER PROXY READING``, each
        after ``BILLINGUAL_``, add to it or replace it, and win over it.

        Args:
            options: as for the class itself; they win over the environment.

        Raises:
            ConfigurationError: if nothing names a provider, or a value cannot be used.
        """
        from billingual._config.environment import from_environment  # noqa: PLC0415 - as above
        from billingual._config.url import mask_secrets  # noqa: PLC0415 - as above

        return cls(**from_environment(getenv, mask_secrets(options)))

    @classmethod
    def from_profile(
        cls, name: str, *, path: str | PathLike[str] | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """Make a client from the table ``[profiles.<name>]`` of a TOML file.

        The table has ``url`` or ``provider``, and any of ``transport base_url tenant organization
        retry timeout deadline limiter proxy reading allow_insecure``; the token comes from the
        variable that ``token_env`` names, or from ``token`` in a file that only its owner can read.

        Args:
            name: of the profile.
            path: the file. Default: ``BILLINGUAL_CONFIG``, or ``billingual.toml`` in the current
                folder, or ``billingual/profiles.toml`` in your folder for settings.
            options: as for the class itself; they win over the file.

        Raises:
            UnknownNameError: if the file has no such profile.
            ConfigurationError: if there is no file, or something in it cannot be used.
        """
        from billingual._config.profile import from_file  # noqa: PLC0415 - as above
        from billingual._config.url import mask_secrets  # noqa: PLC0415 - as above

        return cls(**from_file(name, mask_secrets(options), path=path, getenv=getenv))

    async def create(
        self, draft: Draft | DraftDict, *, key: str | None = None, **options: Unpack[CallOptions]
    ) -> Invoice:
        """Create an invoice.

        Args:
            draft: what to create; or a mapping with its fields, as ``Draft.from_dict`` reads it,
                and likewise for *changes*, *pairs* and *filter* of other operations. Choose a
                *number* of your own where you can: it is what an invoice can be recognised by.
            key: your own idempotency key, where ``capabilities.idempotency_keys``: keep it, and a
                create that is repeated with it later does nothing twice. Default: a fresh one,
                the same for all attempts of this call.
            options: ``headers``, ``timeout``, ``deadline`` and ``retry`` of this call alone, as
                for the client; the headers are added to the client's. Each operation takes them,
                and so does a job when it is opened.

        Raises:
            InvalidInputError: if a field is missing or cannot be right; nothing was sent.
            UnsupportedError: if the provider lacks the operation or a field; nothing was sent.
            OutcomeUnknown: if the invoice may or may not have been created.
            ProviderError: if the provider refused.
        """
        if options:
            return await self._with(options).create(draft, key=key)
        invoice = await self._execute(self._operations.create(draft, key=key))
        if invoice.kind != model.Kind.PAYABLE:
            # No list shows a payable, so a search for another invoice would not find it.
            self._context.recent.remember(invoice)
        return invoice

    async def get(self, invoice_id: str, **options: Unpack[CallOptions]) -> Invoice:
        """Read one invoice in full.

        Raises:
            NotFoundError: if there is none of that id.
        """
        if options:
            return await self._with(options).get(invoice_id)
        return await self._execute(self._operations.get(invoice_id))

    def list(
        self,
        filter: Filter | FilterDict | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume: str | None = None,
        on_bad_row: OnBadRow = "skip",
        on_bad_page: OnBadPage = "raise",
        **options: Unpack[CallOptions],
    ) -> AsyncPager:
        """List invoices; nothing is requested before the first row is asked for.

        Args:
            filter: which ones; all that is given must hold. Default: all the provider shows.
            sort: ``"due_at"`` or ``"-due_at"``; the names are in ``capabilities.sorts``.
            page_size: rows per request; default: the largest the provider allows.
            prefetch: pages fetched at once, 1 to 64, where the provider says how many there are.
                They are handed out in order. At most that many requests are under way, and at most
                that many pages wait for you to take them. Default 1.
            resume: the ``checkpoint`` of an earlier pager with the same filter and sort: walks go
                on behind the last row that it handed out. Default: from the first row.
            on_bad_row: what to do about a row whose id cannot be read: ``"skip"`` (the default)
                leaves it out, ``"raise"`` raises ``BadRowError`` before the rows of its page, and
                a function is called with each :class:`~billingual.model.BadRow`, which holds the
                row as it came. Observers get ``ProblemsFound`` in any case.
            on_bad_page: what to do about a page that cannot be read, or that the provider fails to
                make: ``"raise"`` (the default), ``"skip"``, or a function that is called with the
                :class:`~billingual.model.BadPage`. Up to 5 in a row are skipped, where pages have
                numbers; never the first one of a walk.

        Raises:
            UnsupportedError: if the provider has no lists.
            InvalidInputError: if *sort* is not one key, *prefetch* is out of bounds, *resume* is
                the checkpoint of another list, or an argument is of the wrong kind.
        """
        from billingual.pagination import AsyncPager, Skips  # noqa: PLC0415 - of the first use

        if options:
            return self._with(options).list(
                filter,
                sort=sort,
                page_size=page_size,
                prefetch=prefetch,
                resume=resume,
                on_bad_row=on_bad_row,
                on_bad_page=on_bad_page,
            )
        operations = self._operations
        query, start = operations.start_of_list(filter, sort, page_size, prefetch, resume)
        tell = partial(tell_of_bad_page, self._context) if self._context.observers else None
        skips = Skips(on_bad_row, on_bad_page, tell)

        async def fetch(query: Query, *, received: Received | None = None) -> Page:
            return await execute(self._context, operations.list_page(query), received=received)

        return AsyncPager(
            fetch,
            query,
            start,
            backend=self._context.backend,
            prefetch=prefetch,
            full_page=query.page_size or self._context.capabilities.page_limit,
            skips=skips,
        )

    async def land(
        self,
        target: str | PathLike[str] | Target,
        *,
        since: date | str | None = None,
        until: date | str | None = None,
        filter: Filter | FilterDict | None = None,
        full: bool = False,
        days: int = 30,
        lookback_days: int = 90,
        open_statuses: Iterable[str] | None = None,
        concurrency: int = 4,
        raw: bool = True,
        on_progress: Callable[[LandProgress], object] | None = None,
        **options: Unpack[CallOptions],
    ) -> LandReport:
        """Land invoices in DuckDB, in Parquet files or in a Delta table, and keep them up to date.

        Run it again and it goes on: what is closed is not read again, and a run that was killed at
        any moment leaves nothing that counts twice. Needs the extra ``duckdb``, ``delta`` or, for
        Parquet files, ``arrow``.

        Args:
            target: a file that ends in ``.duckdb``, a folder that ends in ``.delta``, another
                folder, or a :class:`~billingual.landing.Target` of your own. It holds the invoices
                of one account and one *filter*.
            since: first day of issue, like ``"2026-01-01"``. Invoices are read in windows of days;
                those older than *lookback_days* are read once. Default: the whole list, each time.
            until: last day of issue. Default: no end.
            filter: what else must hold for each invoice. Default: nothing, inactive ones included.
            full: read the whole list; only that tells which invoices are gone.
            days: days of a window, 1 to 366. Default 30.
            lookback_days: windows that ended within so many days are read each time. Default 90.
            open_statuses: statuses that are read each time, whatever the date. Default: those of
                Exante that are not final.
            concurrency: windows that are read at once, 1 to 64. Default 4.
            raw: keep each payload as it came, as JSON text. Default True.
            on_progress: called with a :class:`~billingual.landing.LandProgress` after each page.

        Returns:
            What was read. ``incomplete`` names the windows that are not provably whole.

        Raises:
            InvalidInputError: if an argument cannot be right; nothing was sent.
            MissingExtraError: if a library is missing; the error says what to install.
            LandingInUseError: if another process lands there.
            LandingError: if the target cannot be read or written.
        """
        from billingual.landing import OPEN_STATUSES, land  # noqa: PLC0415 - of an extra

        client = self._with(options) if options else self
        context = client._context  # noqa: SLF001 - of this class
        return await land(
            client,
            target,
            backend=context.backend,
            source=(context.provider, context.account),
            since=since,
            until=until,
            filter=None if filter is None else model_of(filter, model.Filter, "filter"),
            full=full,
            days=days,
            lookback_days=lookback_days,
            open_statuses=OPEN_STATUSES if open_statuses is None else open_statuses,
            concurrency=concurrency,
            raw=raw,
            on_progress=on_progress,
        )

    @overload
    async def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict,
        *,
        base: InvoiceSummary | None = None,
        **options: Unpack[CallOptions],
    ) -> Invoice: ...

    @overload
    async def update(
        self,
        invoice_id: str,
        changes: Replacement | ReplacementDict,
        *,
        base: None = None,
        **options: Unpack[CallOptions],
    ) -> Receipt: ...

    @overload
    async def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None = None,
        **options: Unpack[CallOptions],
    ) -> Invoice | Receipt: ...

    async def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None = None,
        **options: Unpack[CallOptions],
    ) -> Invoice | Receipt:
        """Change an invoice: the given fields of it, or the whole of it.

        Args:
            invoice_id: the invoice.
            changes: :class:`~billingual.Changes` to set some fields; a complete
                :class:`~billingual.Replacement` where the provider replaces documents (katsu).
            base: your copy of the invoice; where its status locks a field of *changes*, that is
                refused before anything is sent. Without it the provider decides. If the end is
                unclear, ``reconcile()`` tells by it which values were there before.

        Returns:
            The invoice as it is now, or for a Replacement the provider's receipt.

        Raises:
            LockedError: if the invoice's status forbids the change.
            OutcomeUnknown: if the change may or may not have been made.
        """
        if options:
            return await self._with(options).update(invoice_id, changes, base=base)
        operation = self._operations.update(invoice_id, changes, base=base)
        deadline = start_deadline(self._context)
        try:
            return await self._execute(operation, deadline)
        except (ConflictError, InvalidRequestError, PermissionDeniedError) as refusal:
            await explain_lock(self._context, operation, refusal, deadline)
            raise

    @overload
    async def update_many(
        self, pairs: Mapping[str, Changes | ChangesDict], **options: Unpack[CallOptions]
    ) -> tuple[Invoice, ...]: ...

    @overload
    async def update_many(
        self, pairs: Iterable[tuple[str, Changes | ChangesDict]], **options: Unpack[CallOptions]
    ) -> tuple[Invoice, ...]: ...

    async def update_many(
        self,
        pairs: Pairs,
        **options: Unpack[CallOptions],
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
        if options:
            return await self._with(options).update_many(pairs)
        return await self._execute(self._operations.update_many(pairs))

    async def delete_many(self, invoice_ids: Iterable[str], **options: Unpack[CallOptions]) -> None:
        """Delete several invoices in one request, 1 to ``capabilities.batch_limit``.

        Whether a refusal leaves all of them in place is not documented: read them again.

        Raises:
            InvalidInputError: if there are too few or too many, or an id comes twice.
            OutcomeUnknown: if they may or may not have been deleted.
        """
        if options:
            await self._with(options).delete_many(invoice_ids)
            return
        await self._execute(self._operations.delete_many(invoice_ids))

    async def finalize(self, invoice_id: str, **options: Unpack[CallOptions]) -> Invoice:
        """Make a draft final; this cannot be undone.

        Where the end is unclear the invoice is read once: if it is final, it is returned.

        Raises:
            ProviderError: if the provider refused, because it is no draft any more for example.
            OutcomeUnknown: if it may or may not be final now.
        """
        if options:
            return await self._with(options).finalize(invoice_id)
        return await self._act(self._operations.finalize(invoice_id))

    async def void(self, invoice_id: str, **options: Unpack[CallOptions]) -> Invoice:
        """Make an invoice void; this cannot be undone.

        Where the end is unclear the invoice is read once: if it is void, it is returned.

        Raises:
            ProviderError: if the provider refused.
            OutcomeUnknown: if it may or may not be void now.
        """
        if options:
            return await self._with(options).void(invoice_id)
        return await self._act(self._operations.void(invoice_id))

    async def reconcile(
        self,
        unclear: OutcomeUnknown,
        *,
        known_invoice: InvoiceSummary | None = None,
        late_arrival_s: float = 120.0,
        wait: bool = False,
        **options: Unpack[CallOptions],
    ) -> Reconciliation:
        """Find out whether a write with an unclear end happened, by reading; nothing is sent again.

        A finding of *adopted* can come at once. *Absent* needs time: a request that was given up
        may still arrive. Until *late_arrival_s* is over the finding is unknown and says when to
        ask again.

        Args:
            unclear: the error; it may come from another process.
            known_invoice: for a create, an existing invoice of the same kind that the search must
                also find; otherwise a missing invoice proves nothing. Default: the last receivable
                that this client created.
            late_arrival_s: seconds after which a request that was given up cannot arrive any more.
                Default 120: no provider documents how long it may hold a request.
            wait: wait for that time instead of returning *unknown* before it is over.

        Returns:
            Adopted with the invoice, absent, or still unknown with the reason. A search that fails
            is unknown too, and so is one that meets an invoice which the write may have made if the
            provider altered what was sent: it is among the *candidates*.

        Raises:
            InvalidInputError: if an argument is of the wrong kind, or the write is another
                provider's or account's.
            UsageError: if this client is closed or lacks something.
        """
        from billingual.reconcile.reconciler import reconcile  # noqa: PLC0415 - of the first use

        client = self._with(options) if options else self
        return await reconcile(
            client._context,  # noqa: SLF001 - of this class
            unclear,
            known_invoice=known_invoice,
            late_arrival_s=late_arrival_s,
            wait=wait,
        )

    async def _execute(self, operation: Operation[T], deadline: Deadline | None = None) -> T:
        try:
            return await execute(self._context, operation, deadline=deadline)
        except BaseException as error:
            self._tell_unclear(error)
            raise

    async def _act(self, operation: Operation[Invoice]) -> Invoice:
        deadline = start_deadline(self._context)
        try:
            try:
                return await execute(self._context, operation, deadline=deadline)
            except OutcomeUnknown as unclear:
                return await settle_act(self._context, operation, unclear, deadline)
        except BaseException as error:
            self._tell_unclear(error)
            raise

    def _tell_unclear(self, error: BaseException) -> None:
        """If an operation ends with a write unclear, let it be reconciled, and tell the hook."""
        unclear = carried_by(error)
        if unclear is None:
            return
        unclear.bind(partial(_reconcile, self._context))
        hook = self._settings.on_unclear
        if hook is not None:
            try:
                hook(unclear)
            except Exception as fault:  # noqa: BLE001 - a program's own hook may raise anything
                # As with an observer: it must not replace the end of a write.
                log_plugin_error("on_unclear", fault)

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do, as data."""
        return self._context.capabilities

    @property
    def preview(self) -> Preview:
        """The same operations, returning the exact request without sending it."""
        return Preview(self._operations)

    def with_options(
        self,
        *,
        token: TokenSource | None | UnsetType = UNSET,
        tenant: str | None | UnsetType = UNSET,
        organization: str | None | UnsetType = UNSET,
        retry: str | RetryPolicy | UnsetType = UNSET,
        timeout: float | Timeouts | UnsetType = UNSET,
        deadline: float | None | UnsetType = UNSET,
        observers: Iterable[Observer | str] | UnsetType = UNSET,
        on_unclear: Callable[[OutcomeUnknown], object] | None | UnsetType = UNSET,
        headers: Mapping[str, str | Secret] | None | UnsetType = UNSET,
        reading: Literal["tolerant", "strict"] | UnsetType = UNSET,
    ) -> Self:
        """Return a sibling with other options that shares this client's connections.

        It is cheap enough for a single call: ``client.with_options(deadline=5).get(id)``. Closing
        a sibling closes nothing; closing the first client closes all. The sibling of a subclass is
        one too, with the same attributes.

        Raises:
            ConfigurationError: if an option cannot be used.
        """
        token = UNSET if token is UNSET else as_token(token)
        given = {
            "token": token,
            "tenant": tenant,
            "organization": organization,
            "retry": UNSET if retry is UNSET else policy_of(retry),
            "timeout": timeout,
            "deadline": deadline,
            "observers": (
                UNSET if observers is UNSET else checked_observers(observers, getenv(_LOG))
            ),
            "on_unclear": UNSET if on_unclear is UNSET else hook_of(on_unclear),
            "headers": UNSET if headers is UNSET else headers_of(headers),
            "reading": UNSET if reading is UNSET else reading_of(reading),
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        settings: Settings = attrs.evolve(self._settings, **changes)  # type: ignore[arg-type]  # checked above
        sibling = object.__new__(type(self))
        vars(sibling).update(vars(self))
        sibling._settings = settings
        context = self._context
        opened = open_context(
            settings,
            wire=context.wire,
            backend=context.backend,
            calls=context.calls,
            siblings=context.auth,
        )
        if (opened.account, opened.auth.identity) == (context.account, context.auth.identity):
            opened = attrs.evolve(opened, recent=context.recent)
        sibling._context = opened
        sibling._operations = _Operations(opened)
        sibling._is_sibling = True
        return sibling

    def _with(self, options: CallOptions) -> AsyncClient:
        """Return the sibling that one call with options of its own is made with."""
        unknown = sorted(options.keys() - CallOptions.__optional_keys__)
        if unknown:
            raise TypeError(
                f"an operation takes no option {unknown[0]!r}; there are "
                f"{', '.join(sorted(CallOptions.__optional_keys__))}, and others in "
                "with_options(). Fields go into one argument, as in list({'status': 'PAID'}); "
                "how many rows, into list().collect(limit=10)."
            )
        if options.get("headers") is not None:
            new = headers_of(options["headers"])
            replaced = {name.lower() for name, _ in new}
            kept = [each for each in self._settings.headers if each[0].lower() not in replaced]
            options = {**options, "headers": dict([*kept, *new])}
        # A plain client: an operation that a subclass overrides has run its own part already.
        plain = object.__new__(AsyncClient)
        vars(plain).update(vars(self))
        return plain.with_options(**options)

    async def aclose(self) -> None:
        """Give up all connections; closing twice is no error."""
        if not self._is_sibling:
            await self._context.wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        # Tools that show the frames of a failing constructor ask a client that is not made yet.
        context: ClientContext | None = getattr(self, "_context", None)
        made = "" if context is None else f"{context.provider!r}, base_url={context.base_url!r}"
        return f"{type(self).__name__}({made})"


class Preview:
    """Each method takes what the client's takes and returns the first request it would send.

    The request is absolute and unsigned: no token is in it, and its ``curl()`` is a command that
    reads the token from a variable. All local checks run, so a preview that returns is a call that
    would be sent. Each call makes a fresh idempotency key, so the preview shows only a key that you
    give.
    """

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __init__(self, operations: _Operations) -> None:
        self._operations = operations

    def create(self, draft: Draft | DraftDict, *, key: str | None = None) -> PreviewedRequest:
        """Show the request of ``create``."""
        return self._operations.first_request(self._operations.create(draft, key=key))

    def get(self, invoice_id: str) -> PreviewedRequest:
        """Show the request of ``get``."""
        return self._operations.first_request(self._operations.get(invoice_id))

    def list(
        self,
        filter: Filter | FilterDict | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume: str | None = None,
    ) -> PreviewedRequest:
        """Show the first request of ``list``."""
        query, _ = self._operations.start_of_list(filter, sort, page_size, prefetch, resume)
        return self._operations.first_request(self._operations.list_page(query))

    def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None = None,
    ) -> PreviewedRequest:
        """Show the request of ``update``."""
        return self._operations.first_request(
            self._operations.update(invoice_id, changes, base=base)
        )

    @overload
    def update_many(self, pairs: Mapping[str, Changes | ChangesDict]) -> PreviewedRequest: ...

    @overload
    def update_many(
        self, pairs: Iterable[tuple[str, Changes | ChangesDict]]
    ) -> PreviewedRequest: ...

    def update_many(
        self,
        pairs: Pairs,
    ) -> PreviewedRequest:
        """Show the request of ``update_many``."""
        return self._operations.first_request(self._operations.update_many(pairs))

    def delete_many(self, invoice_ids: Iterable[str]) -> PreviewedRequest:
        """Show the request of ``delete_many``."""
        return self._operations.first_request(self._operations.delete_many(invoice_ids))

    def finalize(self, invoice_id: str) -> PreviewedRequest:
        """Show the request of ``finalize``."""
        return self._operations.first_request(self._operations.finalize(invoice_id))

    def void(self, invoice_id: str) -> PreviewedRequest:
        """Show the request of ``void``."""
        return self._operations.first_request(self._operations.void(invoice_id))


class _Operations:
    """Check the arguments of each operation and open its conversation; nothing is sent."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    def first_request(self, operation: Operation[object]) -> PreviewedRequest:
        """Return what an operation would send first."""
        from billingual.preview import PreviewedRequest  # noqa: PLC0415 - of the first use

        request = first_request(self._context, operation)
        auth = self._context.auth
        return PreviewedRequest(
            method=request.method,
            url=request.url,
            route=request.route,
            safety=request.safety,
            headers=request.headers,
            body=request.body,
            keys=request.keys,
            key_header=request.key_header,
            scheme=auth.scheme,
            secret_headers=auth.secret_names,
        )

    def create(self, draft: Draft | DraftDict, *, key: str | None) -> Operation[Invoice]:
        """Open a create."""
        dialect = dialect_for(self._context, Feature.CREATE)
        key = key_of(key, self._context.capabilities)
        if not isinstance(draft, model.Draft):
            draft = model_of(draft, model.Draft, "draft")
        return Operation(
            feature=Feature.CREATE,
            dialect=dialect,
            conversation=dialect.create(draft),
            intent=Intent(operation=Feature.CREATE, draft=draft),
            key=key,
        )

    def get(self, invoice_id: str) -> Operation[Invoice]:
        """Open a read of one invoice."""
        dialect = dialect_for(self._context, Feature.GET)
        return Operation(feature=Feature.GET, dialect=dialect, conversation=dialect.get(invoice_id))

    def start_of_list(
        self,
        filter: Filter | FilterDict | None,
        sort: str | Sort | None,
        page_size: int | None,
        prefetch: int,
        resume: str | None,
    ) -> tuple[Query, Place]:
        """Return the query for the page that a list starts with, and where that is."""
        from billingual.pagination import Listing, Place  # noqa: PLC0415 - of the first use

        context = self._context
        dialect = dialect_for(context, Feature.LIST)
        check_prefetch(prefetch)
        query = query_of(filter, sort, page_size)
        listing = Listing.of(
            query,
            provider=context.provider,
            dialect=dialect.name,
            account=(context.scope.tenant, context.scope.organization),
        )
        if resume is None:
            return query, Place(listing, page_size)
        start = Place.read(resume, listing, page_size)
        return attrs.evolve(
            query, page=start.page, cursor=start.cursor, page_size=start.page_size
        ), start

    def list_page(self, query: Query) -> Operation[Page]:
        """Open a read of one page."""
        dialect = dialect_for(self._context, Feature.LIST)
        return Operation(
            feature=Feature.LIST, dialect=dialect, conversation=dialect.list_page(query)
        )

    def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None,
    ) -> Operation[Invoice | Receipt]:
        """Open a change of the given fields, or of the whole document."""
        if not isinstance(changes, model.Changes):
            if self._is_for_the_whole(changes):
                whole = model_of(changes, model.Replacement, "changes")
                return self._replace(invoice_id, whole, base)
            dialect_for(self._context, Feature.UPDATE)
            changes = model_of(changes, model.Changes, "changes")
        dialect = dialect_for(self._context, Feature.UPDATE)
        if base is not None and not isinstance(base, model.InvoiceSummary):
            raise wrong_kind(base, model.InvoiceSummary, "base")
        return Operation(
            feature=Feature.UPDATE,
            dialect=dialect,
            conversation=dialect.update(invoice_id, changes, base),
            intent=Intent(operation=Feature.UPDATE, pairs=((invoice_id, changes),), base=base),
        )

    def _is_for_the_whole(self, changes: object) -> bool:
        """Tell whether *changes* replaces the invoice; a mapping does only where Changes cannot."""
        if not isinstance(changes, Mapping):
            return isinstance(changes, model.Replacement)
        supports = self._context.capabilities.supports
        return supports(Feature.REPLACE) and not supports(Feature.UPDATE)

    def _replace(
        self, invoice_id: str, replacement: Replacement, base: InvoiceSummary | None
    ) -> Operation[Receipt]:
        refuse_base(base)
        dialect = dialect_for(self._context, Feature.REPLACE)
        return Operation(
            feature=Feature.REPLACE,
            dialect=dialect,
            conversation=dialect.replace(invoice_id, replacement),
            intent=Intent(
                operation=Feature.REPLACE, invoice_ids=(invoice_id,), replacement=replacement
            ),
        )

    def update_many(self, pairs: Pairs) -> Operation[tuple[Invoice, ...]]:
        """Open a change of several invoices."""
        return self._update_many(pairs_of(pairs), quietly=False)

    def update_many_quietly(
        self, pairs: tuple[tuple[str, Changes], ...]
    ) -> Operation[tuple[Invoice, ...]]:
        """Open a change whose result may leave out the invoices that are as asked for."""
        return self._update_many(pairs, quietly=True)

    def _update_many(
        self, pairs: tuple[tuple[str, Changes], ...], *, quietly: bool
    ) -> Operation[tuple[Invoice, ...]]:
        dialect = dialect_for(self._context, Feature.UPDATE_MANY)
        update = dialect.update_many_quietly if quietly else dialect.update_many
        return Operation(
            feature=Feature.UPDATE_MANY,
            dialect=dialect,
            conversation=update(pairs),
            intent=Intent(operation=Feature.UPDATE_MANY, pairs=pairs),
        )

    def delete_many(self, invoice_ids: Iterable[str]) -> Operation[None]:
        """Open a deletion of several invoices."""
        dialect = dialect_for(self._context, Feature.DELETE_MANY)
        ids = ids_of(invoice_ids)
        return Operation(
            feature=Feature.DELETE_MANY,
            dialect=dialect,
            conversation=dialect.delete_many(ids),
            intent=Intent(operation=Feature.DELETE_MANY, invoice_ids=ids),
        )

    def finalize(self, invoice_id: str) -> Operation[Invoice]:
        """Open a finalize."""
        dialect = dialect_for(self._context, Feature.FINALIZE)
        return Operation(
            feature=Feature.FINALIZE,
            dialect=dialect,
            conversation=dialect.finalize(invoice_id),
            intent=Intent(operation=Feature.FINALIZE, invoice_ids=(invoice_id,)),
        )

    def void(self, invoice_id: str) -> Operation[Invoice]:
        """Open a void."""
        dialect = dialect_for(self._context, Feature.VOID)
        return Operation(
            feature=Feature.VOID,
            dialect=dialect,
            conversation=dialect.void(invoice_id),
            intent=Intent(operation=Feature.VOID, invoice_ids=(invoice_id,)),
        )


def client_context(client: AsyncClient) -> ClientContext:
    """Return what a client's calls share, for code that makes further calls on its behalf."""
    return client._context  # noqa: SLF001 - the class is of this module


def client_with(client: AsyncClient, options: CallOptions) -> AsyncClient:
    """Return the sibling that has the options of a call, or the client itself without any."""
    return client._with(options) if options else client  # noqa: SLF001 - the class is of this module


def client_for_jobs(client: AsyncClient) -> AsyncClient:
    """Return a sibling whose calls let the program's other calls go first at a rate limit."""
    sibling = client.with_options()
    context = client_context(client)
    sibling._context = attrs.evolve(context, pace=context.pace.for_jobs())  # noqa: SLF001 - as above
    sibling._operations = _Operations(sibling._context)  # noqa: SLF001 - as above
    return sibling


async def update_many_quietly(
    client: AsyncClient, pairs: tuple[tuple[str, Changes], ...]
) -> tuple[Invoice, ...]:
    """Update invoices for a job; the result may leave out those that are as asked for."""
    operation = client._operations.update_many_quietly(pairs)  # noqa: SLF001 - as above
    return await client._execute(operation)  # noqa: SLF001 - as above


def _reconcile(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    known_invoice: object,
    late_arrival_s: float,
    wait: bool,
) -> Found:
    """Carry ``error.reconcile()`` out; where the backend blocks, before this returns."""
    from billingual.reconcile.reconciler import reconcile  # noqa: PLC0415 - of the first use

    finding_out = reconcile(
        context, unclear, known_invoice=known_invoice, late_arrival_s=late_arrival_s, wait=wait
    )
    run = getattr(context.backend, "run", None)
    # What is awaited is what a blocking client returns: one type serves the programs of both.
    return cast("Found", finding_out if run is None else run(finding_out))
