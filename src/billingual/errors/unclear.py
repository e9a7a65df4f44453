"""The end that is no failure: a write may or may not have happened."""

from __future__ import annotations

from typing import ClassVar

from billingual.errors.root import BillingualError
from billingual.wire import Exchange, WireRequest

__all__ = [
    "OutcomeUnknown",
]


class OutcomeUnknown(BillingualError):  # noqa: N818 - it is not an error that something failed
    """A write may or may not have happened. Do not simply send it again: look first.

    Attributes:
        provider: the provider's name.
        operation: the operation's name: ``create``, ``update`` ...
        request: the request without credentials, its body frozen as it was sent.
        likely: ``"applied"`` where the provider said yes but unreadably, else ``"unclear"``.
        exchange: the answer that came, with its raw body, or None where none did.
    """

    maybe_applied: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        operation: str,
        request: WireRequest,
        likely: str,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.operation = operation
        self.request = request
        self.likely = likely
        self.exchange = exchange
