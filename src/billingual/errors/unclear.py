"""The end that is no failure: a write may or may not have happened."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar, Protocol

from billingual.errors.root import BillingualError
from billingual.errors.usage import ConfigurationError
from billingual.outcomes import Found, Intent
from billingual.wire import Exchange, WireRequest

__all__ = ["OutcomeUnknown", "Reconcile"]


class Reconcile(Protocol):
    """Find out what became of *unclear*; the client that raises the error brings this."""

    def __call__(
        self,
        unclear: OutcomeUnknown,
        *,
        known_invoice: object,
        late_arrival_s: float,
        wait: bool,
    ) -> Awaitable[Found]:
        """Find out; a client that blocks has found out when this returns."""
        ...


class OutcomeUnknown(BillingualError):  # noqa: N818 - it is not an error that something failed
    """A write may or may not have happened. Do not simply send it again: look first.

    :meth:`reconcile` looks for you. The error can be pickled and reconciled in another process:
    ``await client.reconcile(error)``.

    Attributes:
        provider: the provider's name.
        operation: the operation's name: ``create``, ``update`` ...
        request: the request without credentials, its body frozen as it was sent.
        likely: ``"applied"`` where the provider said yes but unreadably, else ``"unclear"``.
        exchange: the answer that came, with its raw body, or None where none did.
        intent: what was meant to happen, in the protocol's words; None for a foreign operation.
        given_up_at: when the last attempt was given up, in seconds since 1970-01-01 UTC.
        account: base URL, tenant and organization it was sent for; only there can it be found.
    """

    maybe_applied: ClassVar[bool] = True

    _reconcile: Reconcile | None = None

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        operation: str,
        request: WireRequest,
        likely: str,
        exchange: Exchange | None = None,
        intent: Intent | None = None,
        given_up_at: float = 0.0,
        account: tuple[str | None, ...] = (),
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.operation = operation
        self.request = request
        self.likely = likely
        self.exchange = exchange
        self.intent = intent
        self.given_up_at = given_up_at
        self.account = account

    def bind(self, reconcile: Reconcile) -> None:
        """Let :meth:`reconcile` use this function; a client does so before it raises the error."""
        self._reconcile = reconcile

    def reconcile(
        self,
        *,
        known_invoice: object = None,
        late_arrival_s: float = 120.0,
        wait: bool = False,
    ) -> Awaitable[Found]:
        """Read back whether it happened, with the client that raised this error.

        With a blocking ``Client`` the result is there at once. ``client.reconcile(error)`` has the
        same result under its full type; see that method for the arguments.

        Raises:
            ConfigurationError: if the error was pickled, so that its client is not known any more.
        """
        if self._reconcile is None:
            raise ConfigurationError(
                "this error does not know its client any more (it was pickled); call "
                "client.reconcile(error) with a client of the same provider and account."
            )
        return self._reconcile(
            self, known_invoice=known_invoice, late_arrival_s=late_arrival_s, wait=wait
        )

    def __reduce__(self) -> tuple[Any, ...]:
        revive, (kind, text, state) = super().__reduce__()
        return (
            revive,
            (kind, text, {key: each for key, each in state.items() if key != "_reconcile"}),
        )
