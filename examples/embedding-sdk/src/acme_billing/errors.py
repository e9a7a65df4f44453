"""What goes wrong, in Acme's words. Each error has the one of billingual as its ``__cause__``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from billingual import (
    BillingualError,
    CircuitOpenError,
    ConflictError,
    DeadlineExceededError,
    InvalidInputError,
    InvalidRequestError,
    LockedError,
    NotFoundError,
    OutcomeUnknown,
    ProtocolError,
    RateLimitedError,
    RejectedError,
    ServerError,
    TransportError,
    UnsupportedError,
)

__all__ = [
    "AcmeError",
    "AcmeUnavailableError",
    "BillInvalidError",
    "BillLockedError",
    "BillNotFoundError",
    "BillRefusedError",
    "BillUncertainError",
    "acme_errors",
]


class AcmeError(Exception):
    """The root: whatever this SDK raises.

    Attributes:
        request_id: what Acme's support asks for; None if no response came.
    """

    request_id: str | None = None


class BillInvalidError(AcmeError, ValueError):
    """A value cannot be right; nothing was sent."""


class BillRefusedError(AcmeError):
    """Acme refused, and says why."""


class BillNotFoundError(AcmeError):
    """There is no such bill."""


class BillLockedError(AcmeError):
    """The bill was sent or cancelled, and stays as it is."""


class AcmeUnavailableError(AcmeError):
    """Acme cannot be reached, and nothing was done; try again later.

    Attributes:
        retry_after_s: seconds to wait; None if that is not known.
    """

    retry_after_s: float | None = None


class BillUncertainError(AcmeError):
    """The bill may or may not have been created or sent: ask ``settle()``, do not try again."""


_KINDS: Final[tuple[tuple[type[BillingualError], type[AcmeError]], ...]] = (
    (OutcomeUnknown, BillUncertainError),
    (InvalidInputError, BillInvalidError),
    (UnsupportedError, BillInvalidError),
    (NotFoundError, BillNotFoundError),
    (LockedError, BillLockedError),
    (RateLimitedError, AcmeUnavailableError),
    (ServerError, AcmeUnavailableError),
    (ProtocolError, AcmeUnavailableError),
    (TransportError, AcmeUnavailableError),
    (DeadlineExceededError, AcmeUnavailableError),
    (CircuitOpenError, AcmeUnavailableError),
    (InvalidRequestError, BillRefusedError),
    (ConflictError, BillRefusedError),
    (RejectedError, BillRefusedError),
)
"""The first that fits counts; what is not here, such as a wrong key, is a plain AcmeError."""


@contextmanager
def acme_errors() -> Iterator[None]:
    """Raise an error of Acme in the place of each of billingual.

    A cancelled task and a program's own TimeoutError pass as they are.
    """
    try:
        yield
    except BillingualError as error:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), AcmeError)
        told = kind(str(error))
        told.request_id = getattr(error, "request_id", None)
        if isinstance(told, AcmeUnavailableError):
            told.retry_after_s = getattr(error, "retry_after", None)
        raise told from error
