"""What happened in a call, for observers: frozen records without credentials or payloads.

They are made only while somebody listens.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from billingual.outcome import Attempt, Outcome

__all__ = ["AttemptEnded", "AttemptStarted", "CallEnded", "CallStarted", "Event", "RetryPlanned"]


@attrs.frozen(kw_only=True)
class CallStarted:
    """An operation began: local checks passed, nothing was sent yet.

    Attributes:
        call: a number that the events of one call share; it counts up within a client.
        provider: the provider's name.
        operation: ``create``, ``list`` ...
        at_s: seconds on the driver's clock; only differences mean anything. Likewise below.
    """

    call: int
    provider: str
    operation: str
    at_s: float


@attrs.frozen(kw_only=True)
class AttemptStarted:
    """One delivery goes out."""

    call: int
    number: int
    method: str
    route: str
    at_s: float


@attrs.frozen(kw_only=True)
class AttemptEnded:
    """One delivery ended, well or not."""

    call: int
    attempt: Attempt
    at_s: float


@attrs.frozen(kw_only=True)
class RetryPlanned:
    """Another delivery will follow after a wait; ``why`` gives the reason in words."""

    call: int
    wait_s: float
    why: str
    at_s: float


@attrs.frozen(kw_only=True)
class CallEnded:
    """The operation ended; ``error`` is the class name of what was raised, or None."""

    call: int
    outcome: Outcome
    error: str | None
    at_s: float


Event: TypeAlias = CallStarted | AttemptStarted | AttemptEnded | RetryPlanned | CallEnded
