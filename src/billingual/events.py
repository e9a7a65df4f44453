"""Events for observers: frozen records of what happened in a call, without credentials or payloads.

They are made only if a client has observers.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from billingual.outcomes import Attempt, Outcome
from billingual.wire import Headers

__all__ = [
    "AttemptEnded",
    "AttemptStarted",
    "CallEnded",
    "CallStarted",
    "Event",
    "PageSkipped",
    "ProblemsFound",
    "QuotaStoreFound",
    "QuotaStoreLost",
    "RetryPlanned",
]


@attrs.frozen(kw_only=True)
class CallStarted:
    """An operation started: local checks passed, nothing was sent yet.

    Attributes:
        call: a number that the events of one call share; it counts up within a client.
        provider: the provider's name.
        base_url: where it lives.
        operation: ``create``, ``list`` ...
        at_s: seconds on the backend's clock; only differences mean anything. Likewise below.
    """

    call: int
    provider: str
    base_url: str
    operation: str
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return f"call {self.call}: {self.operation} of {self.provider} started"


@attrs.frozen(kw_only=True)
class AttemptStarted:
    """One attempt starts: the client waits for its turn, signs the request and sends it."""

    call: int
    number: int
    method: str
    route: str
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return f"call {self.call}: attempt {self.number} goes out, {self.method} {self.route}"


@attrs.frozen(kw_only=True)
class AttemptEnded:
    """One attempt ended, well or not.

    Attributes:
        attempt: how it ended.
        headers: the response's header fields without cookies, such as the provider's request id
            and what it says of its rate limits; None if no response came. ``repr`` shows harmless
            ones only.
    """

    call: int
    attempt: Attempt
    at_s: float
    headers: Headers | None = attrs.field(default=None, eq=False)

    @property
    def request_id(self) -> str | None:
        """What the provider calls the request; None if it says nothing."""
        return None if self.headers is None else self.headers.request_id

    def explain(self) -> str:
        """Describe it in one line."""
        request_id = "" if self.headers is None else self.headers.request_id_text
        return f"call {self.call}: {self.attempt.explain()}{request_id}"


@attrs.frozen(kw_only=True)
class RetryPlanned:
    """Another attempt follows after a wait; ``why`` gives the reason in words."""

    call: int
    wait_s: float
    why: str
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return f"call {self.call}: again in {self.wait_s:.2f} s, because {self.why}"


@attrs.frozen(kw_only=True)
class ProblemsFound:
    """A response holds values that do not fit: what the provider documents, or what was asked for.

    Attributes:
        problems: path and reason of each; the values stay in the model's ``problems``.
    """

    call: int
    problems: tuple[tuple[str, str], ...]
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        path, reason = self.problems[0]
        return (
            f"call {self.call}: {len(self.problems)} value(s) do not fit, the first at {path}: "
            f"{reason}"
        )


@attrs.frozen(kw_only=True)
class PageSkipped:
    """A walk goes on behind a page of a list that cannot be read, because it was told to.

    Attributes:
        call: a number of its own; the call that failed ended before.
        number: the page, counted from 1.
        first_row: the place of its first row in the list, counted from 1, if that is known.
        last_row: likewise its last row, if the page was full.
        error: the class name of the error.
    """

    call: int
    number: int
    first_row: int | None
    last_row: int | None
    error: str
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        rows = "" if self.first_row is None else f", rows {self.first_row} to {self.last_row}"
        return f"call {self.call}: page {self.number}{rows} is skipped after {self.error}"


@attrs.frozen(kw_only=True)
class QuotaStoreLost:
    """The store of a shared rate limit fails: until it is back, this process keeps to its part.

    Attributes:
        call: the call that met it.
        workers: how many processes share the rate; the part is one of so many.
        error: the class name of the store's error.
    """

    call: int
    workers: int
    error: str
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return (
            f"call {self.call}: the quota store does not respond ({self.error}); this worker keeps "
            f"to 1/{self.workers} of the rate"
        )


@attrs.frozen(kw_only=True)
class QuotaStoreFound:
    """The store of a shared rate limit is back: all processes share the rate by it again."""

    call: int
    workers: int
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return f"call {self.call}: the quota store is back; {self.workers} workers share the rate"


@attrs.frozen(kw_only=True)
class CallEnded:
    """The operation ended; ``error`` is the class name of what was raised, or None."""

    call: int
    outcome: Outcome
    error: str | None
    at_s: float

    def explain(self) -> str:
        """Describe it in one line."""
        return f"call {self.call}: {self.outcome.value}{f', {self.error}' if self.error else ''}"


Event: TypeAlias = (
    CallStarted
    | AttemptStarted
    | AttemptEnded
    | RetryPlanned
    | ProblemsFound
    | PageSkipped
    | QuotaStoreFound
    | QuotaStoreLost
    | CallEnded
)
