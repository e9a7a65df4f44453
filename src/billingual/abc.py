"""The seams: what a dialect, a transport, a backend, a retry policy and an observer must offer.

A third party can write each of them and name it in an entry-point group. None of them needs to know
another, and the core never sleeps, locks, fans out or reads a clock by itself: it asks its backend.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager
from functools import partial
from inspect import iscoroutinefunction
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
    runtime_checkable,
)

import attrs

from billingual.auth import AuthScheme, Bearer, Secret, TokenFlow, as_secret
from billingual.capabilities import Capabilities, Feature
from billingual.errors import BillingualError, OutcomeUnknown, UnsupportedError
from billingual.outcomes import Attempt, Found, Safety
from billingual.wire import Bounds, Conversation, Timeouts, WireRequest, WireResponse

if TYPE_CHECKING:
    from ssl import SSLContext

    from billingual.events import Event
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

__all__ = [
    "Account",
    "AsyncWalk",
    "AuthScheme",
    "Backend",
    "BlockingBackend",
    "CallOptions",
    "Clock",
    "Dialect",
    "ExecutionScope",
    "FindsDrafts",
    "HttpClient",
    "InvoiceProtocol",
    "Lease",
    "Observer",
    "Pairs",
    "PoolJob",
    "Provider",
    "QuotaStore",
    "RetryDecision",
    "RetryPolicy",
    "Scope",
    "Sightings",
    "Slots",
    "TaskPool",
    "TokenFlow",
    "Transport",
    "TransportFactory",
    "TransportOptions",
    "Walk",
    "account_of",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class AsyncWalk(Protocol[T_co]):
    """An async iterator that can be left early."""

    def __aiter__(self) -> AsyncWalk[T_co]:
        """Return itself."""
        ...

    def __anext__(self) -> Awaitable[T_co]:
        """Return the next item."""
        ...

    async def aclose(self) -> None:
        """End the walk, and stop the requests under way for it."""
        ...


class Walk(Iterator[T_co], Protocol[T_co]):
    """An iterator that can be left early."""

    def close(self) -> None:
        """End the walk, and stop the requests under way for it."""
        ...


class ExecutionScope(Hashable, Protocol):
    """The process and event loop that a connection belongs to.

    Two scopes are equal only if a connection made in one works in the other.
    """

    def is_inherited(self) -> bool:
        """Return True if this process was forked from the scope's process."""
        ...

    def is_alive(self) -> bool:
        """Return True if connections made there can still be used and closed."""
        ...

    def call_soon(self, call: Callable[[], object]) -> bool:
        """Schedule *call* on the scope's event loop, from any thread; False if no loop runs."""
        ...


class Slots(Protocol):
    """A fixed number of slots; callers wait for one in the order they came."""

    async def acquire(self, seconds: float) -> bool:
        """Wait for a slot; False if none became free in time."""
        ...

    def release(self) -> None:
        """Give the slot back."""
        ...


class PoolJob(Protocol[T_co]):
    """Work that a task pool runs beside the caller."""

    async def result(self) -> T_co:
        """Wait until the job is done; return its value or raise its error.

        Cancelling the waiting caller does not cancel the job. May be called again.
        """
        ...


class TaskPool(Protocol):
    """Run jobs beside the caller, in the execution scope where the pool was made.

    Each job runs in a copy of the context in which the pool was made. Use it for reads only: the
    pool may give a job up at any moment, and then nothing tells whether the work was done.
    """

    def is_here(self) -> bool:
        """Return True if the caller can wait for the jobs: same process, same event loop."""
        ...

    def paused(self) -> AbstractContextManager[object]:
        """Delay completion callbacks inside this block."""
        ...

    def start(
        self, work: Callable[[], Coroutine[Any, Any, T]], then: Callable[[], object]
    ) -> PoolJob[T]:
        """Start *work*; when it is done, call *then*, never inside a ``paused`` block.

        If the callback starts a new job, the same worker runs it next.
        """
        ...

    def abandon(self) -> None:
        """Give up all jobs without waiting, from any thread; no job starts afterwards."""
        ...

    async def aclose(self) -> None:
        """Give up all jobs, and wait for those that can be cancelled."""
        ...


class Clock(Protocol):
    """Time and random numbers."""

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC, for dates in headers."""
        ...

    def random(self) -> float:
        """Return a number from 0 up to 1, for the jitter of waits."""
        ...

    def fresh_key(self) -> str:
        """Return a text that is unique, for idempotency keys."""
        ...


class Backend(Clock, Protocol):
    """How waiting is done. The only place that sleeps, locks, starts tasks or reads a clock.

    Attributes:
        name: for errors.
        blocks: whether waiting blocks the thread; then no coroutine may ever suspend.
    """

    @property
    def name(self) -> str:
        """The backend's name."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether waiting blocks the thread."""
        ...

    def execution_scope(self) -> ExecutionScope:
        """Return the process, and the event loop if one runs, of connections made now."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellation passes through."""
        ...

    def slots(self, count: int) -> Slots:
        """Make *count* slots to wait for."""
        ...

    def shielded(self) -> AbstractContextManager[object]:
        """Delay cancellation inside this block; for a short clean-up."""
        ...

    def task_pool(self, size: int) -> TaskPool:
        """Make a pool that runs at most *size* jobs at once, in this execution scope."""
        ...

    def for_threads(self) -> Backend:
        """Return the backend for code that runs in worker threads; itself if it blocks."""
        ...

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run *call* in a thread that it may block."""
        ...


class BlockingBackend(Backend, Protocol):
    """A backend that can run the core for a caller who does not await."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        ...

    def iterate(self, items: AsyncIterator[T]) -> Walk[T]:
        """Walk an async iterator, and close it."""
        ...


@attrs.frozen(kw_only=True)
class Account:
    """Base URL, token and tenant of a server that a transport brings along (the sandbox)."""

    base_url: str
    _token: Secret | None = attrs.field(default=None, converter=as_secret)
    tenant: str | None = None

    @property
    def token(self) -> str | None:
        """The token itself."""
        return None if self._token is None else self._token.reveal()


@attrs.frozen(kw_only=True, eq=False)
class TransportOptions:
    """What a transport is made with; each option means the same for every transport.

    Attributes:
        backend: for waits and clocks.
        tls: an ``ssl.SSLContext`` to use instead of the default one.
        proxy: URL of a proxy; None for none (the environment is not read).
        connections: most connections at once. Default 100.
        keepalive_s: seconds an idle connection is kept. Default 5: most servers keep theirs
            longer, so a request seldom meets a connection that the server has closed.
    """

    backend: Backend
    tls: SSLContext | None = None
    _proxy: Secret | None = attrs.field(default=None, converter=as_secret)
    connections: int = 100
    keepalive_s: float = 5.0

    @property
    def proxy(self) -> str | None:
        """The proxy's URL, password included."""
        return None if self._proxy is None else self._proxy.reveal()


class Transport(Protocol):
    """Send one request to the provider and return its response, within bounds.

    A transport never retries, never follows a redirect and never reads environment variables. It
    returns a response of any status; if there is none, it raises a ``TransportError`` with the
    evidence. No type or exception of its library leaves it.

    Three members are optional:

    - ``supports``, a set of ``"async"`` (it suspends the task) and ``"sync"`` (it blocks the
      thread). With both it waits as the backend of its options does; without the attribute it is
      async.
    - ``drop()`` closes what it can without waiting and returns how many connections there were. A
      client that was never closed calls it when it is dropped.
    - ``account(provider)`` returns the :class:`Account` of a server that it brings along, as the
      sandbox does, or None.
    """

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* (absolute and signed) once.

        Raises:
            TransportError: if no whole response came back within *bounds*.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections; closing twice is no error."""
        ...


def account_of(transport: Transport, provider: str) -> Account | None:
    """Return the account of a server that *transport* brings along; None for the network."""
    account: Callable[[str], Account | None] | None = getattr(transport, "account", None)
    return None if account is None else account(provider)


TransportFactory: TypeAlias = Callable[[TransportOptions], Transport]


@attrs.frozen(kw_only=True)
class Scope:
    """What a client is bound to at the provider.

    Attributes:
        tenant: whose data every request is about, if the provider has tenants.
        organization: likewise for organizations; None leaves it to the provider's default.
    """

    tenant: str | None = None
    organization: str | None = None


@runtime_checkable
class Dialect(Protocol):
    """How one API family writes the protocol's operations as HTTP; pure: no I/O, no clock.

    Each operation is a generator: it yields requests, is sent what each response was read to, and
    returns a model. All that can be known to be wrong is refused before the first yield. Each
    request carries how its response is read (``WireRequest.read``): the HTTP status decides the
    class of an error before any body is read, then comes the envelope, then the payload. Subclass
    this and override what the family has; what is left raises ``UnsupportedError``.

    Attributes:
        name: the dialect's name in the registry.
        capabilities: what it can do.
    """

    name: ClassVar[str]

    @property
    def capabilities(self) -> Capabilities:
        """What the dialect can do."""
        ...

    def scoped(self, scope: Scope) -> Self:
        """Return the dialect bound to a tenant or organization.

        Raises:
            InvalidInputError: if an id does not have the documented form.
        """
        ...

    def create(self, draft: Draft) -> Conversation[Invoice]:
        """Create an invoice."""
        raise self._lacking(Feature.CREATE)

    def get(self, invoice_id: str) -> Conversation[Invoice]:
        """Read one invoice in full."""
        raise self._lacking(Feature.GET)

    def list_page(self, query: Query) -> Conversation[Page]:
        """Read one page of a list."""
        raise self._lacking(Feature.LIST)

    def update(
        self, invoice_id: str, changes: Changes, base: InvoiceSummary | None
    ) -> Conversation[Invoice]:
        """Change some fields of one invoice; *base* is the caller's copy for the lock check."""
        raise self._lacking(Feature.UPDATE)

    def replace(self, invoice_id: str, replacement: Replacement) -> Conversation[Receipt]:
        """Put a whole document in the place of one invoice."""
        raise self._lacking(Feature.REPLACE)

    def update_many(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        """Change several invoices in one request; responses in the order of *pairs*."""
        raise self._lacking(Feature.UPDATE_MANY)

    def update_many_quietly(
        self, pairs: Sequence[tuple[str, Changes]]
    ) -> Conversation[tuple[Invoice, ...]]:
        """Do what :meth:`update_many` does; an invoice that is as asked for may be left out.

        Jobs ask this way. A dialect can override it to read less of a response: what was asked for
        must be seen in it, and nothing more.
        """
        return self.update_many(pairs)

    def delete_many(self, invoice_ids: Sequence[str]) -> Conversation[None]:
        """Delete several invoices in one request."""
        raise self._lacking(Feature.DELETE_MANY)

    def finalize(self, invoice_id: str) -> Conversation[Invoice]:
        """Make a draft final, which cannot be undone."""
        raise self._lacking(Feature.FINALIZE)

    def void(self, invoice_id: str) -> Conversation[Invoice]:
        """Make an invoice void, which cannot be undone."""
        raise self._lacking(Feature.VOID)

    def _lacking(self, feature: Feature) -> UnsupportedError:
        return UnsupportedError(
            self.capabilities.provider,
            feature.value,
            self.capabilities.instead.get(feature, "see its capabilities"),
        )


@attrs.frozen(kw_only=True)
class Sightings:
    """What a dialect saw when it looked for a draft at the provider.

    Attributes:
        rows: all invoices that were read; they need not resemble the draft.
        gap: why an existing invoice might be missing from them; empty if it cannot be.
    """

    rows: tuple[InvoiceSummary, ...] = ()
    gap: str = ""


@runtime_checkable
class FindsDrafts(Protocol):
    """A dialect that can look for the invoice that a create may have made.

    Without it, a create with an unclear end stays unclear.
    """

    def find(self, draft: Draft) -> Conversation[Sightings]:
        """Read the place where *draft* would be listed; not all rows need resemble it.

        Where ``gap`` says why an existing invoice might be missing, its absence proves nothing.
        """
        ...


@attrs.frozen(kw_only=True)
class RetryDecision:
    """What to do after an attempt that failed.

    Attributes:
        wait_s: seconds to wait before the next attempt, or None to stop.
        why: the reason, in words.
    """

    wait_s: float | None
    why: str


class RetryPolicy(Protocol):
    """Decide about another attempt; frozen, without state of a call, clock or sleep.

    Three members are optional:

    - ``deadline_s``: the seconds for one operation if the client does not say; 60 without it.
    - ``admit(now)`` is called before each attempt, the first included, and raises a
      ``BillingualError`` to refuse it, as a circuit breaker does.
    - ``note(error, now)`` is called after each attempt, with its error or None.

    A policy with the last two has state, which the clients that are given the policy share.
    """

    def decide(
        self,
        attempts: Sequence[Attempt],
        *,
        error: BillingualError,
        safety: Safety,
        left_s: float,
        random: Callable[[], float],
    ) -> RetryDecision:
        """Decide from all attempts so far.

        Args:
            attempts: all attempts in order; the last one has just failed.
            error: what the last one raised.
            safety: what a second delivery would do.
            left_s: seconds until the deadline.
            random: a source of numbers from 0 up to 1, for the jitter.
        """
        ...


@attrs.frozen(kw_only=True)
class Lease:
    """Calls that one of several processes may send.

    Attributes:
        count: how many.
        wait_s: seconds until the first may be sent.
        spacing_s: seconds from one to the next.
    """

    count: int
    wait_s: float
    spacing_s: float


class QuotaStore(Protocol):
    """Hand out the calls of a quota to several processes; see :class:`billingual.Limiter`.

    The methods may block, for half a second at most, and raise anything if the store fails: each
    process then keeps to its own part of the rate. They are called from any thread. The suite
    :func:`billingual.testing.check_quota_store` tries what a store must keep.
    """

    def acquire(self, key: str, *, rate: float, count: int, is_job: bool) -> Lease:
        """Reserve the next *count* calls of a quota.

        No two leases of a key overlap, and no lease begins before the end of a freeze.

        Args:
            key: names the quota.
            rate: its calls a second, of all processes together.
            count: how many calls; 0 reserves none and asks how long the quota is frozen.
            is_job: whether a job sends them. If other calls were made within the last ten seconds,
                jobs get four fifths of the rate at most.
        """
        ...

    def observe(self, key: str, *, sent_ago_s: float, retry_after_s: float | None) -> None:
        """Note a 429: freeze the quota, and lower its rate if that does not explain the 429.

        The rate falls by 30 %, to a tenth at least, if the provider named no time or if there was
        another 429 within the last minute, and 5 % of the whole rate come back with each minute
        without a 429. Of several 429s to calls that were under way together, one counts, and none
        to a call that was sent into a freeze: it was leased before.

        Args:
            key: names the quota.
            sent_ago_s: seconds since the call was sent.
            retry_after_s: seconds that the provider asks to wait from now on, or None.
        """
        ...


class Observer(Protocol):
    """Receive the events of calls. It must be quick and must not raise.

    It may have a method ``headers()``, which returns header fields as a mapping. It is called
    before each attempt, and the fields are sent along, for example to carry a trace on; those that
    the client writes itself stay as they are. A field that cannot be sent is logged and left out.
    """

    def __call__(self, event: Event, /) -> object:
        """Receive one event; what is returned is not looked at."""
        ...


def is_plain_function(function: object) -> bool:
    """Tell whether it can be called, and not to make a coroutine that nothing would await."""
    if not callable(function):
        return False
    while isinstance(function, partial):
        function = function.func
    # An object may have an async __call__, at which inspect does not look.
    call = type(function).__call__
    return not (iscoroutinefunction(function) or iscoroutinefunction(call))


class HttpxClient(Protocol):
    """An ``AsyncClient`` or ``Client`` of httpx or httpx2, as a type checker sees it."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        ...

    def build_request(self, method: str, url: str) -> Any:
        """Make a request."""
        ...


class AiohttpSession(Protocol):
    """A ``ClientSession`` of aiohttp, as a type checker sees it."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    @property
    def trust_env(self) -> bool:
        """Whether it reads the environment."""
        ...


HttpClient: TypeAlias = HttpxClient | AiohttpSession
"""A client of an HTTP library that a program brings along; it stays the program's to close."""


class CallOptions(TypedDict, total=False):
    """The options that every operation of a client takes for itself alone.

    They mean what they mean for the client, and win over it; ``headers`` are added to the client's.
    """

    headers: Mapping[str, str | Secret] | None
    timeout: float | Timeouts
    deadline: float | None
    retry: str | RetryPolicy


Pairs: TypeAlias = (
    "Mapping[str, Changes | ChangesDict] | Iterable[tuple[str, Changes | ChangesDict]]"
)
"""Changes by the id of their invoice."""


class InvoiceProtocol(Protocol):
    """The one set of operations that every program uses; :class:`billingual.AsyncClient` has it.

    Type your own code against this where a client may be replaced by something else.
    """

    async def create(self, draft: Draft | DraftDict, *, key: str | None = None) -> Invoice:
        """Create an invoice."""
        ...

    async def get(self, invoice_id: str) -> Invoice:
        """Read one invoice in full."""
        ...

    def list(
        self,
        filter: Filter | FilterDict | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
    ) -> AsyncIterable[InvoiceSummary]:
        """List invoices."""
        ...

    @overload
    async def update(
        self, invoice_id: str, changes: Changes | ChangesDict, *, base: InvoiceSummary | None = None
    ) -> Invoice: ...

    @overload
    async def update(
        self, invoice_id: str, changes: Replacement | ReplacementDict, *, base: None = None
    ) -> Receipt: ...

    @overload
    async def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None = None,
    ) -> Invoice | Receipt: ...

    async def update(
        self,
        invoice_id: str,
        changes: Changes | ChangesDict | Replacement | ReplacementDict,
        *,
        base: InvoiceSummary | None = None,
    ) -> Invoice | Receipt:
        """Change some fields of an invoice, or the whole of it."""
        ...

    @overload
    async def update_many(
        self, pairs: Mapping[str, Changes | ChangesDict]
    ) -> tuple[Invoice, ...]: ...

    @overload
    async def update_many(
        self, pairs: Iterable[tuple[str, Changes | ChangesDict]]
    ) -> tuple[Invoice, ...]: ...

    async def update_many(
        self,
        pairs: Pairs,
    ) -> tuple[Invoice, ...]:
        """Change several invoices: all of them, or none."""
        ...

    async def delete_many(self, invoice_ids: Iterable[str]) -> None:
        """Delete several invoices in one request."""
        ...

    async def finalize(self, invoice_id: str) -> Invoice:
        """Make a draft final."""
        ...

    async def void(self, invoice_id: str) -> Invoice:
        """Make an invoice void."""
        ...

    async def reconcile(
        self,
        unclear: OutcomeUnknown,
        *,
        known_invoice: InvoiceSummary | None = None,
        late_arrival_s: float = 120.0,
        wait: bool = False,
    ) -> Found:
        """Find out whether a write with an unclear end happened."""
        ...


@attrs.frozen(kw_only=True)
class Provider:
    """A preset: which dialects a service speaks, and its base URL.

    Attributes:
        name: used in errors, events and the sandbox.
        dialects: registered names, or dialect objects; an operation is done by the first dialect
            that has it.
        base_url: None if it is not documented, so that the client must be given one.
        needs_token: whether making a client without a token is refused.
        auth: how the token is sent: ``Bearer`` (the default), ``HeaderKey`` or ``Basic`` of
            :mod:`billingual.providers`, or an object of your own that signs requests.
        options: keyword arguments for the dialects that are named, by dialect.
    """

    name: str
    dialects: tuple[str | Dialect, ...]
    base_url: str | None = None
    needs_token: bool = True
    auth: AuthScheme = attrs.field(factory=Bearer)
    options: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict, hash=False)

    def named(self) -> Iterable[str]:
        """List the names of its dialects."""
        return tuple(each if isinstance(each, str) else each.name for each in self.dialects)
