"""The provider's errors: it answered, and the answer is no."""

from __future__ import annotations

from typing import Any

from billingual.errors.root import BillingualError
from billingual.wire import Exchange

__all__ = [
    "AuthenticationError",
    "ConflictError",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProtocolError",
    "ProviderError",
    "RateLimitedError",
    "RedirectedError",
    "RejectedError",
    "ServerError",
]


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
        import json  # noqa: PLC0415 - whoever asks for it pays for it

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
