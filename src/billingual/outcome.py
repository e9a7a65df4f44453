"""How an attempt can end, and what we know about it.

A write has five possible ends, not two. ``UNKNOWN`` is the honest fifth: the provider may have
acted, and nothing we saw tells. Everything that decides about a resend decides by these words.
"""

from __future__ import annotations

import enum

import attrs

__all__ = ["Attempt", "Evidence", "Outcome", "Safety"]


class Outcome(enum.Enum):
    """The end of one attempt, or of a whole operation."""

    NOT_SENT = "not_sent"
    """No server can have a complete request."""

    NOT_APPLIED = "not_applied"
    """The provider answered before it looked at the request (a rate limit)."""

    REJECTED = "rejected"
    """The provider looked at the request and refused it."""

    COMMITTED = "committed"
    """The provider did it and said so."""

    UNKNOWN = "unknown"
    """The provider may have acted; nothing that was seen tells."""


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

    @property
    def writes(self) -> bool:
        """Tell whether the request can change anything at the provider."""
        return self is not Safety.READ


@attrs.frozen(kw_only=True)
class Evidence:
    """What a transport saw of one attempt; None means that it cannot tell.

    Attributes:
        connected: a connection to the server (or its proxy) stood.
        request_complete: every byte of the request was handed over.
        answer_begun: at least the status line of an answer arrived.
    """

    connected: bool | None = None
    request_complete: bool | None = None
    answer_begun: bool | None = None


@attrs.frozen(kw_only=True)
class Attempt:
    """One delivery of a request and its end, as kept on errors and in events.

    Attributes:
        number: counted from 1.
        outcome: how this attempt alone ended.
        evidence: what the transport saw.
        status: the HTTP status, or None where no answer arrived.
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
