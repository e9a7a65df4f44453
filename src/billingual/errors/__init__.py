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
    ├── CircuitOpenError             too many attempts failed in a row: nothing is sent for a while
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

from billingual.errors.lock import (
    LockedError,
)
from billingual.errors.provider import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    ServerError,
)
from billingual.errors.root import (
    BillingualError,
    InternalError,
    PaginationError,
)
from billingual.errors.transport import (
    AnswerTooLargeError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.errors.unclear import (
    OutcomeUnknown,
)
from billingual.errors.usage import (
    ClosedError,
    ConfigurationError,
    InvalidInputError,
    MissingExtraError,
    UnknownNameError,
    UnsupportedError,
    UsageError,
)
from billingual.errors.waiting import CircuitOpenError, DeadlineExceededError

__all__ = [
    "AnswerTooLargeError",
    "AuthenticationError",
    "BillingualError",
    "CircuitOpenError",
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
