"""What all calls of one client share.

:class:`ClientContext` holds what was chosen (dialects, transport, backend, policy, credentials) and
what was learnt from calls (the credential's pace and its retry budget). ``_pipeline.py`` runs one
operation on it.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

import attrs

from billingual._version import __version__
from billingual.abc import Backend, Dialect, Observer, RetryPolicy, Scope, Transport
from billingual.auth import Credentials
from billingual.capabilities import Capabilities, Feature
from billingual.errors import BillingualError, refuse_copy
from billingual.retry.budget import RetryBudget
from billingual.retry.by_credential import ByCredential
from billingual.retry.pace import JobPace, Pace
from billingual.wire import Timeouts

if TYPE_CHECKING:
    from billingual.model import InvoiceSummary

__all__ = ["HEADERS", "ClientContext", "Recent", "Wire"]

_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))
HEADERS: Final = (
    ("User-Agent", f"billingual/{__version__} Python/{_PYTHON}"),
    # What every transport can decompress within bounds; a server may pick no other encoding.
    ("Accept-Encoding", "gzip, deflate"),
)


@attrs.define(eq=False, repr=False)
class Wire:
    """A transport as the clients that share it see it: open or closed.

    A transport may have a method ``drop()``, which closes idle connections from any thread without
    waiting and returns how many there were. It is called when a client was forgotten unclosed.

    Attributes:
        transport: what moves requests.
        owned: whether it is ours to close.
        awaited: whether its clients are awaited.
        client: the first client in words, for a warning.
        closed: whether it was closed.
        budgets: what retries draw from, by host and credential.
        logged: the kinds of problems that were logged: route, path and reason.
    """

    transport: Transport
    owned: bool
    awaited: bool = True
    client: str = ""
    closed: bool = False
    budgets: ByCredential[RetryBudget] = attrs.field(factory=ByCredential)
    logged: set[tuple[str, str, str]] = attrs.field(factory=set)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

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


@attrs.define(eq=False, repr=False)
class Recent:
    """What a client remembers of its own writes; siblings of one account share it.

    Attributes:
        created: the last receivable that the client created. A search for another one must find
            it too, or it proves nothing.
        ids: of the receivables that it created lately. None of them is another one, whose create
            ended unclear.
    """

    created: InvoiceSummary | None = None
    # As many as a busy client creates in an hour, in less than a megabyte.
    ids: deque[str] = attrs.field(factory=lambda: deque(maxlen=10_000))

    def remember(self, invoice: InvoiceSummary) -> None:
        """Note a receivable that was created; any thread may do this."""
        self.created = invoice
        self.ids.append(invoice.id)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ClientContext:
    """What all calls of one client share; siblings of a client differ in a field or two.

    Attributes:
        provider: the provider's name.
        base_url: where it lives.
        dialects: for each operation the dialect that has it.
        capabilities: what the dialects can do together.
        wire: the transport.
        backend: how waiting is done.
        auth: what signs requests.
        policy: what decides about another attempt.
        timeouts: of one attempt.
        deadline_s: seconds for one operation.
        scope: the tenant or organization.
        observers: what is told about each event.
        carriers: make the header fields that observers send along with each attempt.
        pace: how fast the credential may call.
        budget: what its retries draw from.
        calls: numbers the calls of a client and its siblings.
        headers: what every request has, the program's own fields among them.
        strict_reading: whether a value that cannot be read fails the call.
        recent: what the client remembers of its own writes.
        admit: the policy's check before each attempt, if it has one.
        note: the policy's look at each end of an attempt, if it has one.
    """

    provider: str
    base_url: str
    dialects: Mapping[Feature, Dialect]
    capabilities: Capabilities
    wire: Wire
    backend: Backend
    auth: Credentials
    policy: RetryPolicy
    timeouts: Timeouts
    deadline_s: float
    scope: Scope
    observers: tuple[Observer, ...]
    pace: Pace | JobPace
    budget: RetryBudget
    calls: Iterator[int]
    carriers: tuple[Callable[[], Mapping[str, str]], ...] = ()
    headers: tuple[tuple[str, str], ...] = HEADERS
    strict_reading: bool = False
    recent: Recent = attrs.field(factory=Recent)
    admit: Callable[[float], None] | None = None
    note: Callable[[BillingualError | None, float], None] | None = None

    @property
    def account(self) -> tuple[str | None, ...]:
        """Where the calls go and on whose behalf: base URL, tenant, organization."""
        return (self.base_url, self.scope.tenant, self.scope.organization)
