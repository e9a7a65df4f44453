"""The client: the invoice protocol as a program speaks it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from os import PathLike, getenv
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

import attrs

from billingual._config.build import async_backend, open_context, open_wire, provider_named
from billingual._config.options import (
    Settings,
    budget_of,
    checked_observers,
    context_of,
    limiter_of,
    policy_of,
)
from billingual._context import ClientContext, Wire
from billingual.abc import (
    Backend,
    Observer,
    Provider,
    RetryPolicy,
    Transport,
    TransportFactory,
    TransportOptions,
)
from billingual.auth import TokenSource, sealed
from billingual.capabilities import Capabilities
from billingual.model import UNSET, UnsetType
from billingual.operations import AsyncOperations
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Limiter
from billingual.secret import Secret, secret_or_none
from billingual.wire import Timeouts

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from ssl import SSLContext

    from billingual._config.url import ClientOptions
    from billingual.errors import OutcomeUnknown
    from billingual.model import InvoiceSummary
    from billingual.preview import Preview
    from billingual.reconcile.result import Reconciliation
    from billingual.tls import Tls

__all__ = ["AsyncClient"]


class AsyncClient(AsyncOperations):
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
            :class:`~billingual.abc.Provider`.
        token: the provider's key, or a function (plain or async) that returns the current one.
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
        observers: called with each :class:`~billingual.events.Event`; functions, or names of the
            entry-point group ``billingual.observers``.
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
        deadline: float | None = None,
        limiter: Limiter | float | None = None,
        budget: RetryBudget | None = None,
        observers: Iterable[Observer | str] = (),
        tls: SSLContext | Tls | str | PathLike[str] | None = None,
        proxy: str | Secret | None = None,
        allow_insecure: bool = False,
        backend: str | Backend | None = None,
    ) -> None:
        token, proxy = sealed(token), secret_or_none(proxy)
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
            observers=checked_observers(observers),
        )
        waiting = async_backend(backend)
        options = TransportOptions(backend=waiting, tls=context_of(tls), proxy=proxy)
        self._open(settings, open_wire(transport, options), waiting)

    def _open(self, settings: Settings, wire: Wire, backend: Backend) -> None:
        self._settings = settings
        calls = itertools.count(1)
        self._context = open_context(settings, wire=wire, backend=backend, calls=calls, look=_look)
        self._is_sibling = False
        wire.client = repr(self)

    @classmethod
    def from_url(cls, url: str, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from an address: ``exante+aiohttp://dev.exante.app?retry=patient``.

        The scheme names the provider (or a dialect) and, after a plus, the transport; a query
        gives ``tenant organization retry timeout deadline limiter``. A host is spoken to over
        https, loopback over http unless ``secure=true``. Without a host, as in
        ``exante+sandbox:``, the transport's own server or the documented address is taken.

        Args:
            url: the address. A token never stands in it, because addresses end in logs.
            options: as for the class itself; they win over the address.

        Raises:
            UnknownNameError: if there is no such provider, dialect or transport.
            ConfigurationError: if the address cannot be read, or an option cannot be used.
        """
        from billingual._config.url import from_address, hidden  # noqa: PLC0415 - of the first use

        return cls(**from_address(url, hidden(options)))

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """Make a client from the environment.

        ``BILLINGUAL_URL`` is an address as for :meth:`from_url`; ``BILLINGUAL_PROVIDER TOKEN
        TENANT ORGANIZATION TRANSPORT BASE_URL RETRY TIMEOUT DEADLINE LIMITER PROXY``, each after
        ``BILLINGUAL_``, add to it or stand instead of it, and win over it.

        Args:
            options: as for the class itself; they win over the environment.

        Raises:
            ConfigurationError: if nothing names a provider, or a value cannot be used.
        """
        from billingual._config.url import from_environment, hidden  # noqa: PLC0415 - as above

        return cls(**from_environment(getenv, hidden(options)))

    @classmethod
    def from_profile(
        cls, name: str, *, path: str | PathLike[str] | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """Make a client from the table ``[profiles.<name>]`` of a TOML file.

        The table has ``url`` or ``provider``, and any of ``transport base_url tenant organization
        retry timeout deadline limiter proxy allow_insecure``; the token comes from the variable
        that ``token_env`` names, or from ``token`` in a file that only its owner can read.

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
        from billingual._config.url import hidden  # noqa: PLC0415 - as above

        return cls(**from_file(name, hidden(options), path=path, getenv=getenv))

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do, as data."""
        return self._context.capabilities

    @property
    def preview(self) -> Preview:
        """The same operations, returning the exact request without sending it."""
        from billingual.preview import Preview  # noqa: PLC0415 - as above

        return Preview(self._context)

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
            "retry": UNSET if retry is UNSET else policy_of(retry),
            "timeout": timeout,
            "deadline": deadline,
            "observers": UNSET if observers is UNSET else checked_observers(observers),
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        settings: Settings = attrs.evolve(self._settings, **changes)  # type: ignore[arg-type]  # checked above
        sibling: AsyncClient = object.__new__(type(self))
        sibling._settings = settings
        context = self._context
        opened = open_context(
            settings, wire=context.wire, backend=context.backend, calls=context.calls, look=_look
        )
        if (opened.account, opened.auth.identity) == (context.account, context.auth.identity):
            opened = attrs.evolve(opened, known=context.known)
        sibling._context = opened
        sibling._is_sibling = True
        return sibling

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

    def __repr__(self) -> str:
        # Tools that show the frames of a failing constructor ask a client that is not made yet.
        context: ClientContext | None = getattr(self, "_context", None)
        made = "" if context is None else f"{context.provider!r}, base_url={context.base_url!r}"
        return f"{type(self).__name__}({made})"


def _look(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    control: InvoiceSummary | None,
    settle: float,
    wait: bool,
) -> Awaitable[Reconciliation]:
    """Find out whether an unclear write happened; what does is loaded when somebody asks."""
    from billingual.reconcile.reconciler import look  # noqa: PLC0415 - as said

    return look(context, unclear, control=control, settle=settle, wait=wait)
