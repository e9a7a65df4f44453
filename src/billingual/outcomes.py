"""How an attempt can end, what we know about it, and what reading back can find out.

A write has five possible outcomes, not two. The fifth, ``UNKNOWN``, is the honest one: the provider
may have acted, and nothing we saw tells. Everything that decides about sending again goes by these
five.

Errors carry these values, and the models raise errors. So nothing here may import a model: where
a value holds one, a small protocol says what is known of it.
"""

from __future__ import annotations

import enum
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

import attrs

__all__ = ["Attempt", "Evidence", "Finding", "Found", "Intent", "Outcome", "Safety"]


class Outcome(enum.Enum):
    """How one attempt ended, or a whole operation."""

    NOT_SENT = "not_sent"
    """No server can have a complete request."""

    NOT_APPLIED = "not_applied"
    """The provider responded before it looked at the request (a rate limit)."""

    REJECTED = "rejected"
    """The provider looked at the request and refused it."""

    COMMITTED = "committed"
    """The provider did it and said so."""

    UNKNOWN = "unknown"
    """The provider may have acted; nothing that we saw tells."""


class Safety(enum.Enum):
    """What a second delivery of the same request would do."""

    READ = "read"
    """Nothing: it only reads."""

    IDEMPOTENT = "idempotent"
    """Nothing more: it sets fixed values."""

    SIDE_EFFECTS = "side_effects"
    """The same values again, but perhaps a second notification to a customer."""

    CREATE = "create"
    """A second invoice."""

    KEYED = "keyed"
    """Nothing: by its key the provider recognises the request, and repeats its first response."""

    @property
    def writes(self) -> bool:
        """Return True if the request can change anything at the provider."""
        return self is not Safety.READ

    @property
    def replayable(self) -> bool:
        """Return True if it may be sent again after an unclear attempt."""
        return self in {Safety.READ, Safety.KEYED}


@attrs.frozen(kw_only=True)
class Evidence:
    """What a transport saw of one attempt; None means that it cannot tell.

    Attributes:
        connected: a connection to the server (or its proxy) was open.
        request_complete: every byte of the request was handed to the operating system.
        response_begun: at least one byte of a response arrived.
        status: the HTTP status, if the head of a response arrived and its whole body did not. Two
            pieces of evidence can be equal without it.
    """

    connected: bool | None = None
    request_complete: bool | None = None
    response_begun: bool | None = None
    status: int | None = attrs.field(default=None, eq=False)

    def explain(self) -> str:
        """Say what was seen, in words."""
        if self.connected is False:
            return "no connection was made"
        return ", ".join(
            (
                _told(self.connected, "connected", "not connected", "connected: cannot tell"),
                _told(
                    self.request_complete,
                    "the request was sent whole",
                    "the request was not sent whole",
                    "how much was sent: cannot tell",
                ),
                _told(
                    self.response_begun,
                    "a response had begun",
                    "no response had begun",
                    "whether a response had begun: cannot tell",
                ),
            )
        )


@attrs.frozen(kw_only=True)
class Attempt:
    """One delivery of a request and its end, as kept on errors and in events.

    Attributes:
        number: counted from 1.
        outcome: how this attempt alone ended.
        evidence: what the transport saw.
        status: the HTTP status, or None if no response arrived.
        error: the class name of what went wrong, or None.
        waited_s: seconds waited before this attempt.
        why: the reason for the attempt, or for stopping after it, in words.
    """

    number: int
    outcome: Outcome
    evidence: Evidence
    status: int | None = None
    error: str | None = None
    waited_s: float = 0.0
    why: str = ""

    def explain(self) -> str:
        """Say in one line how it ended and why it was made."""
        status = f" (status {self.status})" if self.status is not None else ""
        error = f", {self.error}{status}" if self.error else status
        seen = "" if self.status is not None else f"; {self.evidence.explain()}"
        waited = f" after {self.waited_s:.2f} s" if self.waited_s else ""
        return f"attempt {self.number}{waited} ({self.why}): {self.outcome.value}{error}{seen}"


class GivenFields(Protocol):
    """A :class:`~billingual.Draft` or :class:`~billingual.Changes`, as an intent knows it."""

    def given(self) -> Mapping[str, object]:
        """Return the fields that were set."""
        ...


@attrs.frozen(kw_only=True)
class Intent:
    """What a write was meant to do, in the protocol's words.

    It can be pickled and holds no credential, so that another process can find out later what
    became of the write.

    Attributes:
        operation: the value of a :class:`~billingual.Feature`: ``create``, ``update`` ...
        draft: the :class:`~billingual.Draft` of a create.
        pairs: ids and their :class:`~billingual.Changes`, of an update or a batch of them.
        invoice_ids: of an operation that names invoices only; of a create, the id that the provider
            gave the invoice before a later request of the operation failed.
        replacement: the :class:`~billingual.Replacement` of an update of the whole document.
        base: the caller's copy of the invoice before an update, if one was given.
    """

    operation: str
    draft: GivenFields | None = None
    pairs: tuple[tuple[str, GivenFields], ...] = ()
    invoice_ids: tuple[str, ...] = ()
    replacement: object | None = None
    base: FoundInvoice | None = None


class Finding(enum.Enum):
    """What reading back found out about an unclear write."""

    ADOPTED = "adopted"
    """The write happened; the invoice it made or changed was found."""

    ABSENT = "absent"
    """It is not there and no request can arrive any more, so it may be sent again.

    An update whose values another program has overwritten since looks the same.
    """

    UNKNOWN = "unknown"
    """Still unclear; ``why`` says what is missing for a proof."""


class FoundInvoice(Protocol):
    """What is known of a found invoice without its model."""

    @property
    def id(self) -> str:
        """The provider's id."""
        ...

    @property
    def number(self) -> str | None:
        """The invoice's number."""
        ...


class Found(Protocol):
    """What :meth:`OutcomeUnknown.reconcile` returns; see :class:`~billingual.Reconciliation`.

    ``client.reconcile(error)`` returns the same under its full type.
    """

    @property
    def finding(self) -> Finding:
        """Adopted, absent or still unknown."""
        ...

    @property
    def why(self) -> str:
        """What was seen, in words."""
        ...

    @property
    def adopted(self) -> bool:
        """Whether the write happened."""
        ...

    @property
    def absent(self) -> bool:
        """Whether the write provably did not happen."""
        ...

    @property
    def invoice(self) -> FoundInvoice | None:
        """The invoice, where the write happened and was about one."""
        ...

    @property
    def invoices(self) -> Sequence[FoundInvoice]:
        """The invoices that the write made or changed."""
        ...

    @property
    def candidates(self) -> Sequence[FoundInvoice]:
        """Invoices that resemble what was looked for without proving anything."""
        ...

    @property
    def ask_again_s(self) -> float | None:
        """Seconds until another look can tell more."""
        ...

    def __await__(self) -> Generator[Any, Any, Found]:
        """Wait for it, where the client is awaited; a blocking one returns it ready."""
        ...


def _told(seen: bool | None, yes: str, no: str, unseen: str) -> str:  # noqa: FBT001 - three words
    if seen is None:
        return unseen
    return yes if seen else no
