"""What each error of the client means to a caller of this service."""

from __future__ import annotations

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
    ProviderError,
    RateLimitedError,
    TimedOutError,
    TransportError,
    UnsupportedError,
)
from fastapi import Request
from fastapi.responses import JSONResponse

__all__ = ["tell_problem", "tell_unclear"]

_STATUS: Final[tuple[tuple[type[BillingualError], int], ...]] = (
    (InvalidInputError, 422),
    (InvalidRequestError, 422),
    (UnsupportedError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (LockedError, 409),
    (RateLimitedError, 503),
    (CircuitOpenError, 503),
    (DeadlineExceededError, 504),
    (TimedOutError, 504),
    (TransportError, 502),
    (ProviderError, 502),
)
"""The first that fits counts. What is not here, such as a missing token, is our own fault: 500."""


async def tell_problem(request: Request, error: Exception) -> JSONResponse:
    """Answer with the status that fits, and with the error's text if its sender can act on it."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    wait_s = getattr(error, "retry_after", None)
    return JSONResponse(
        {
            "problem": str(error) if status < 500 else "the invoices cannot be reached now",
            "request_id": request.scope["request_id"],
        },
        status,
        {} if wait_s is None else {"Retry-After": str(int(wait_s) + 1)},
    )


async def tell_unclear(request: Request, error: Exception) -> JSONResponse:
    """Answer 202, which is neither yes nor no, with the place that will know."""
    assert isinstance(error, OutcomeUnknown)
    number = request.path_params["number"]
    return JSONResponse(
        {
            "problem": f"it is not known yet whether invoice {number} exists",
            "request_id": request.scope["request_id"],
        },
        202,
        {"Location": f"/invoices/{number}/outcome", "Retry-After": "2"},
    )
