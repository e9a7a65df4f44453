"""The wire's errors: no whole answer came, and the evidence says how far the request got."""

from __future__ import annotations

from billingual.errors.root import BillingualError
from billingual.outcomes import Evidence

__all__ = [
    "AnswerTooLargeError",
    "ConnectionLostError",
    "NotConnectedError",
    "PoolTimeoutError",
    "TimedOutError",
    "TransportError",
]


class TransportError(BillingualError):
    """The wire failed.

    Attributes:
        evidence: what the transport saw: connected, request complete, answer begun.
    """

    def __init__(self, message: str, *, evidence: Evidence | None = None) -> None:
        super().__init__(message)
        self.evidence = Evidence() if evidence is None else evidence


class NotConnectedError(TransportError):
    """No connection stood (name, address, TLS or proxy), so nothing was sent."""


class PoolTimeoutError(TransportError):
    """No connection of the pool became free in time, so nothing was sent."""


class TimedOutError(TransportError):
    """The provider did not take the request, or did not answer, in time."""


class ConnectionLostError(TransportError):
    """The connection broke before the answer was whole."""


class AnswerTooLargeError(TransportError):
    """The answer was larger than its bounds allow, so it was not read to its end."""
