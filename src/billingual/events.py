"""What happened in a call, for observers: frozen records without credentials or payloads.

They are made only while somebody listens.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from billingual.outcomes import Attempt, Outcome

__all__ = ["AttemptEnded", "AttemptStarted", "CallEnded", "CallStarted", "Event", "RetryPlanned"]


@attrs.frozen(kw_only=True)
class CallStarted:
    """An operation began: local checks passed, nothing was sent yet.

    Attributes:
        call: a number that the events of one call share; it counts up within a client.
        provider: the provider's name.
        operation: ``create``, ``list`` ...
        at_s: seconds on the backend's clock; only differences mean anything. Likewise below.
    """

    call: int
    provider: str
    operation: str
    at_s: float

    def explain(self) -> str:
        """Tell it in one line."""
        return f"call {self.call}: {self.operation} of {self.provider} began"


@attrs.frozen(kw_only=True)
class AttemptStarted:
    """One delivery goes out."""

    call: int
    number: int
    method: str
    route: str
    at_s: float

    def explain(self) -> str:
        """Tell it in one line."""
        return f"call {self.call}: attempt {self.number} goes out, {self.method} {self.route}"


@attrs.frozen(kw_only=True)
class AttemptEnded:
    """One delivery ended, well or not."""

    call: int
    attempt: Attempt
    at_s: float

    def explain(self) -> str:
        """Tell it in one line."""
        return f"call {self.call}: {self.attempt.explain()}"


@attrs.frozen(kw_only=True)
class RetryPlanned:
    """Another delivery will follow after a wait; ``why`` gives the reason in words."""

    call: int
    wait_s: float
    why: str
    at_s: float

    def explain(self) -> str:
        """Tell it in one line."""
        return f"call {self.call}: again in {self.wait_s:.2f} s, because {self.why}"


@attrs.frozen(kw_only=True)
class CallEnded:
    """The operation ended; ``error`` is the class name of what was raised, or None."""

    call: int
    outcome: Outcome
    error: str | None
    at_s: float

    def explain(self) -> str:
        """Tell it in one line."""
        return f"call {self.call}: {self.outcome.value}{f', {self.error}' if self.error else ''}"


Event: TypeAlias = CallStarted | AttemptStarted | AttemptEnded | RetryPlanned | CallEnded
