"""The seams: what a dialect, a transport, a driver, a policy and an observer must offer.

Each can be written by a third party and named in an entry-point group; none of them needs to know
another.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, overload, runtime_checkable

import attrs

from billingual.capabilities import Capabilities, Feature
from billingual.errors import BillingualError, OutcomeUnknown, UnsupportedError
from billingual.outcome import Attempt, Safety
from billingual.transport import Account, Transport, TransportFactory, TransportOptions
from billingual.wire import Conversation, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.events import Event
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
    from billingual.reconciliation import Reconciliation, Sightings

__all__ = [
    "Account",
    "Decision",
    "Dialect",
    "FindsDrafts",
    "InvoiceProtocol",
    "Observer",
    "Provider",
    "RetryPolicy",
    "Scope",
    "Transport",
    "TransportFactory",
    "TransportOptions",
]


@attrs.frozen(kw_only=True)
class Scope:
    """What a client is bound to at the provider.

    Attributes:
        tenant: whose data every request is about, where a provider has tenants.
        organization: likewise for organizations; None leaves it to the provider's default.
    """

    tenant: str | None = None
    organization: str | None = None


@runtime_checkable
class Dialect(Protocol):
    """How one API family writes the protocol's operations as HTTP; pure: no I/O, no clock.

    Each operation is a generator: it yields requests, is sent their answers, and returns a model.
    All that can be known to be wrong is refused before the first yield. Only good answers are
    sent in: :meth:`check` turns a bad one into an error first. Subclass this and override what
    the family has; what is left raises ``UnsupportedError``.

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

    def check(self, request: WireRequest, response: WireResponse) -> None:
        """Accept a good answer, or raise the one error that fits a bad one.

        Three layers, in this order: the HTTP status decides the class before any body is read;
        then the envelope; then whether there is a payload.

        Raises:
            ProviderError: if the answer is no, or cannot be understood.
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
        """Change several invoices in one request; answers in the order of *pairs*."""
        raise self._lacking(Feature.UPDATE_MANY)

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


@runtime_checkable
class FindsDrafts(Protocol):
    """A dialect that can look for what a create may have made; most of reconciling rests on it."""

    def find(self, draft: Draft) -> Conversation[Sightings]:
        """Look where *draft* would stand; more may be seen than resembles it.

        The answer's ``gap`` says why an invoice that exists might not be among the rows: then its
        absence proves nothing.
        """
        ...


@attrs.frozen(kw_only=True)
class Decision:
    """What to do after an attempt that did not succeed.

    Attributes:
        wait_s: seconds to wait before the next attempt, or None to stop.
        why: the reason, in words.
    """

    wait_s: float | None
    why: str


class RetryPolicy(Protocol):
    """Decide about another attempt; frozen, without state of a call, without clock or sleep.

    A policy may also have an attribute ``deadline_s``: the seconds for one operation where the
    client does not say (60 without it). One that stops first attempts too, as a circuit breaker
    does, has two methods: ``admit(now)``, called before each attempt, which raises a
    ``BillingualError`` to refuse it; and ``note(error, now)``, called after each with its error or
    None. Such a policy has state, so it belongs to the clients it is given to.
    """

    def decide(
        self,
        attempts: Sequence[Attempt],
        *,
        error: BillingualError,
        safety: Safety,
        left_s: float,
        random: Callable[[], float],
    ) -> Decision:
        """Decide from all attempts so far.

        Args:
            attempts: what was sent, in order; the last one has just failed.
            error: how the last one failed.
            safety: what a second delivery would do.
            left_s: seconds the deadline leaves.
            random: a source of numbers from 0 up to 1, for the jitter.
        """
        ...


class Observer(Protocol):
    """Listen to what happens in calls. It must be quick and must not raise."""

    def __call__(self, event: Event) -> None:
        """Take one event."""
        ...


class InvoiceProtocol(Protocol):
    """The one set of operations that every program uses; :class:`billingual.AsyncClient` has it.

    Type your own code against this where a client may be replaced by something else.
    """

    async def create(self, draft: Draft, *, key: str | None = None) -> Invoice:
        """Create an invoice."""
        ...

    async def get(self, invoice_id: str) -> Invoice:
        """Read one invoice in full."""
        ...

    def list(
        self,
        filter: Filter | None = None,
        *,
        sort: str | Sort | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
    ) -> AsyncIterable[InvoiceSummary]:
        """List invoices."""
        ...

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
        """Change some fields of an invoice, or the whole of it."""
        ...

    async def update_many(
        self, pairs: Mapping[str, Changes] | Iterable[tuple[str, Changes]]
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
        control: InvoiceSummary | None = None,
        settle: float = 120.0,
        wait: bool = False,
    ) -> Reconciliation:
        """Find out whether a write with an unclear end happened."""
        ...


@attrs.frozen(kw_only=True)
class Provider:
    """A preset: which dialects a service speaks, and where.

    Attributes:
        name: used in errors, events and the sandbox.
        dialects: names of the registry, or dialect objects; the first that has an operation
            carries it out.
        base_url: where it lives; None where that is not documented and must be given.
        needs_token: whether a call without a token is refused at construction.
        options: keyword arguments for the dialects that are named, by dialect.
    """

    name: str
    dialects: tuple[str | Dialect, ...]
    base_url: str | None = None
    needs_token: bool = True
    options: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)

    def named(self) -> Iterable[str]:
        """List the names of its dialects."""
        return tuple(each if isinstance(each, str) else each.name for each in self.dialects)
