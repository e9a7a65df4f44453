"""Every error this package raises on purpose, and who is to blame.

::

    BillingualError
    ├── UsageError                   the program's: refused before anything was sent
    │   ├── InvalidInputError        a value cannot be right (also a ValueError)
    │   ├── UnsupportedError         this provider has no such feature or field
    │   ├── ConfigurationError       the client lacks something, or has too much
    │   │   ├── UnknownNameError     no transport, dialect, provider or policy of that name
    │   │   └── MissingExtraError    a part that is not installed
    │   └── ClosedError              the client was closed
    ├── LockedError                  the invoice's status forbids the change
    ├── TransportError               the wire's
    │   ├── NotConnectedError        no connection stood: nothing was sent
    │   ├── PoolTimeoutError         no connection became free: nothing was sent
    │   ├── TimedOutError            the answer did not come in time
    │   ├── ConnectionLostError      the connection broke before the answer was whole
    │   └── AnswerTooLargeError      the answer broke a bound
    ├── DeadlineExceededError        the call's time was over before an attempt could be made
    ├── ProviderError                the provider's: it answered, and the answer is no
    │   ├── InvalidRequestError      400, 422 and other 4xx
    │   ├── AuthenticationError      401
    │   ├── PermissionDeniedError    403
    │   ├── NotFoundError            404, 410
    │   ├── ConflictError            409, 412
    │   ├── RateLimitedError         429
    │   ├── RejectedError            a 2xx whose envelope says no
    │   ├── RedirectedError          3xx: never followed
    │   ├── ServerError              5xx
    │   └── ProtocolError            the answer cannot be read
    ├── OutcomeUnknown               a write may or may not have happened: not a failure
    ├── PaginationError              the pages of a list do not fit together
    └── InternalError                ours: please report it

Every error answers ``maybe_applied``. Only :class:`OutcomeUnknown` answers True: wherever a write
ends unclearly, it is raised *from* the error that was seen, and ``except ProviderError`` does not
catch it. Errors hold data as attributes, can be pickled, and carry no credentials.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from billingual.outcome import Attempt, Evidence
from billingual.wire import Exchange, WireRequest

__all__ = [
    "AnswerTooLargeError",
    "AuthenticationError",
    "BillingualError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionLostError",
    "DeadlineExceededError",
    "InternalError",
    "InvalidInputError",
    "InvalidRequestError",
    "LockedError",
    "MissingExtraError",
    "NotConnectedError",
    "NotFoundError",
    "OutcomeUnknown",
    "PaginationError",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "ProtocolError",
    "ProviderError",
    "RateLimitedError",
    "RedirectedError",
    "RejectedError",
    "ServerError",
    "TimedOutError",
    "TransportError",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
]


def _revive(cls: type[BillingualError], text: str, state: dict[str, Any]) -> BillingualError:
    error = cls.__new__(cls, text)
    error.args = (text,)
    error.__dict__.update(state)
    return error


class BillingualError(Exception):
    """The root: everything this package raises on purpose.

    Attributes:
        maybe_applied: whether the provider may have acted on the write that failed.
        attempts: what was sent for the call, in order; empty where nothing was.
    """

    maybe_applied: ClassVar[bool] = False
    attempts: tuple[Attempt, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_revive, (type(self), str(self), dict(self.__dict__)))


class UsageError(BillingualError):
    """The program asked for something that cannot be; nothing was sent."""


class InvalidInputError(UsageError, ValueError):
    """A value cannot be right, and can be known to be wrong without asking the provider.

    Attributes:
        field: the name of the field or argument.
        problem: what is wrong with it.
        fix: what to do.
    """

    def __init__(self, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{field}: {problem}; {fix}.")
        self.field = field
        self.problem = problem
        self.fix = fix


class UnsupportedError(UsageError):
    """The provider has no such feature or field.

    Attributes:
        provider: the provider's name.
        feature: what was asked for: an operation, or a field of one.
        instead: what to use instead.
    """

    def __init__(self, provider: str, feature: str, instead: str) -> None:
        super().__init__(f"{provider} does not support {feature}; {instead}.")
        self.provider = provider
        self.feature = feature
        self.instead = instead


class ConfigurationError(UsageError):
    """The client was given too little, too much or the wrong thing to work with."""


class UnknownNameError(ConfigurationError, LookupError):
    """Nothing is registered under the name.

    Attributes:
        kind: what was looked for: a transport, dialect, provider or policy.
        name: the name given.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.known = tuple(known)
        super().__init__(f"there is no {kind} named {name!r}; there are: {', '.join(self.known)}.")
        self.kind = kind
        self.name = name


class MissingExtraError(ConfigurationError):
    """A part was named that is known but not installed.

    Attributes:
        name: what was asked for.
        install: the command that installs it.
    """

    def __init__(self, name: str, extra: str, module: str) -> None:
        self.install = f'pip install "billingual[{extra}]"'
        super().__init__(f"{name} needs {module}, which is not installed; run: {self.install}")
        self.name = name


class ClosedError(UsageError):
    """The client was used after it was closed."""


class LockedError(BillingualError):
    """The invoice's status forbids the change, which was not made.

    Attributes:
        provider: the provider's name.
        invoice_id: the invoice.
        status: its status as last seen.
        locked: the fields of the change that the status locks.
        still_open: the fields that may still be changed; empty for none.
        exchange: the provider's refusal, or None where the client refused by itself.
    """

    def __init__(
        self,
        *,
        provider: str,
        invoice_id: str,
        status: str,
        locked: Iterable[str],
        still_open: Iterable[str],
        exchange: Exchange | None = None,
    ) -> None:
        self.locked = tuple(sorted(locked))
        self.still_open = tuple(sorted(still_open))
        rest = (
            f"only {', '.join(self.still_open)} may still be changed"
            if self.still_open
            else "nothing may be changed any more"
        )
        by = provider if exchange is not None else f"the rules of {provider}"
        super().__init__(
            f"invoice {invoice_id} is {status}: {by} locked {', '.join(self.locked)}; {rest}."
        )
        self.provider = provider
        self.invoice_id = invoice_id
        self.status = status
        self.exchange = exchange


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


class DeadlineExceededError(BillingualError):
    """The call's deadline ended before another attempt could be made; nothing is unclear."""


class ProviderError(BillingualError):
    """The provider answered, and the answer is no.

    Attributes:
        provider: the provider's name.
        exchange: method, route, names of the fields sent, status, headers and raw body.
        complaint: what the provider said was wrong, as text; empty where it said nothing.
        told: the message without its advice, for whoever has other advice to give.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        exchange: Exchange,
        complaint: str = "",
        told: str = "",
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.exchange = exchange
        self.complaint = complaint
        self.told = told or message

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.exchange.status

    @property
    def body(self) -> bytes:
        """The answer's body as it came."""
        return self.exchange.body

    def json(self) -> Any:
        """Read the answer's body as JSON, leniently, or return None where it is none."""
        try:
            return json.loads(self.exchange.body)
        except (ValueError, RecursionError):
            return None


class InvalidRequestError(ProviderError):
    """The provider found the request wrong (400, 422 or another 4xx)."""


class AuthenticationError(ProviderError):
    """The token is missing, wrong, expired or revoked (401)."""


class PermissionDeniedError(ProviderError):
    """The token is good but not for this (403)."""


class NotFoundError(ProviderError):
    """There is no such invoice, or none that this token may see (404, 410)."""


class ConflictError(ProviderError):
    """The invoice's state or number stands against it (409, 412)."""


class RateLimitedError(ProviderError):
    """Too many requests (429).

    Attributes:
        retry_after: seconds the provider asks to wait, or None where it does not say.
    """

    retry_after: float | None = None


class RejectedError(ProviderError):
    """The HTTP status says yes, the envelope inside says no."""


class RedirectedError(ProviderError):
    """The provider answered with a redirect, which is never followed: the token stays home."""


class ServerError(ProviderError):
    """The provider failed (5xx).

    Attributes:
        retry_after: seconds the provider asks to wait, or None where it does not say.
    """

    retry_after: float | None = None


class ProtocolError(ProviderError):
    """The answer is not what the provider documents; ``body`` keeps it as it came.

    Attributes:
        path: where in the answer, like ``$.data.items[3].uid``.
    """

    path: str = "$"


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


class PaginationError(BillingualError):
    """The pages of a list do not fit together (a page came twice, or there is no end)."""


class InternalError(BillingualError):
    """A rule of our own was broken; please report it with its text."""
