"""The context: all that a client's calls share, laid out before the first of them.

:class:`ClientContext` holds what was chosen (dialects, transport, backend, policy, credentials) and
what is learnt while calls go through (the credential's pace and its retry budget).
``_pipeline.py`` runs one operation on it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from billingual._version import __version__
from billingual.abc import Backend, Dialect, Observer, RetryPolicy, Scope, Transport
from billingual.auth import BearerAuth
from billingual.capabilities import Capabilities, Feature
from billingual.errors import BillingualError
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Pace
from billingual.wire import Deadline, Timeouts

if TYPE_CHECKING:
    from billingual.model import InvoiceSummary
    from billingual.reconcile.result import Reconciliation

__all__ = ["HEADERS", "ClientContext", "Known", "Wire"]

HEADERS: Final = (
    ("User-Agent", f"billingual/{__version__}"),
    ("Accept-Encoding", "gzip, deflate"),
)

Look: TypeAlias = "Callable[..., Awaitable[Reconciliation]]"
"""How an unclear write is looked up: called with the context and what the caller says."""


@attrs.define(eq=False)
class Wire:
    """A transport as the clients that share it see it: open or closed.

    A transport may have a method ``drop()``, which closes idle connections from any thread without
    waiting and returns how many there were. It is called when nobody can close the wire any more.

    Attributes:
        transport: what moves requests.
        owned: whether it is ours to close.
        awaited: whether its clients are awaited.
        client: the first client in words, for a warning.
        closed: whether it was closed.
        budgets: what retries draw from, by host and credential.
    """

    transport: Transport
    owned: bool
    awaited: bool = True
    client: str = ""
    closed: bool = False
    budgets: dict[Hashable, RetryBudget] = attrs.field(factory=dict, repr=False)

    async def aclose(self) -> None:
        """Close the transport if it is ours."""
        self.closed = True
        if self.owned:
            await self.transport.aclose()

    def __del__(self) -> None:
        drop = getattr(self.transport, "drop", None)
        if self.closed or not self.owned or drop is None or sys.is_finalizing():
            return
        dropped = 0
        with suppress(Exception):
            dropped = drop()
        if dropped:
            name, cure = "AsyncClient", '"async with", or await its aclose()'
            if not self.awaited:
                name, cure = "Client", '"with", or call its close()'
            warnings.warn(
                f"unclosed {self.client.replace('AsyncClient', name, 1)}: its {dropped} idle "
                f"connection(s) are closed now; use it in {cure}.",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


@attrs.define(eq=False)
class Known:
    """An invoice that is known to be where its client looks: the control of a search.

    Attributes:
        created: the last receivable that the client created.
    """

    created: InvoiceSummary | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True, eq=False)
class ClientContext:
    """All that a client's calls share; siblings of a client differ in a field or two."""

    provider: str
    base_url: str
    dialects: tuple[Dialect, ...]
    capabilities: Capabilities
    wire: Wire
    backend: Backend
    auth: BearerAuth
    policy: RetryPolicy
    timeouts: Timeouts
    deadline_s: float
    scope: Scope
    observers: tuple[Observer, ...]
    pace: Pace
    budget: RetryBudget
    calls: Iterator[int] = attrs.field(repr=False)
    known: Known = attrs.field(factory=Known)
    admit: Callable[[float], None] | None = None
    note: Callable[[BillingualError | None, float], None] | None = None
    look: Look | None = attrs.field(default=None, repr=False)
    _carriers: dict[Feature, Dialect] = attrs.field(factory=dict, init=False, repr=False)

    def dialect(self, feature: Feature) -> Dialect:
        """Return the dialect that carries the operation out.

        Raises:
            UnsupportedError: if none does.
        """
        carrier = self._carriers.get(feature)
        if carrier is None:
            self.capabilities.require(feature)
            carrier = next(each for each in self.dialects if each.capabilities.supports(feature))
            self._carriers[feature] = carrier
        return carrier

    @property
    def account(self) -> tuple[str | None, ...]:
        """Where the calls go and on whose behalf: base URL, tenant, organization."""
        return (self.base_url, self.scope.tenant, self.scope.organization)

    def deadline(self) -> Deadline:
        """Return the end of an operation that begins now."""
        now = self.backend.now
        return Deadline(now() + self.deadline_s, now)
