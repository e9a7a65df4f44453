"""Speak to any invoicing API through one invoice protocol.

What a user of a client needs is here. Tools for tests are in ``billingual.testing``, protocols for
authors of dialects and transports in ``billingual.abc``, rarer models in ``billingual.model``.

Each name is loaded on first use: ``import billingual`` takes 0.8 ms more than an empty package.
"""

from billingual._lazy import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual._config.url import ClientOptions
    from billingual._sync.client import Client, Pager
    from billingual._sync.columns import Columns
    from billingual._sync.job import Job
    from billingual._version import __version__
    from billingual.abc import InvoiceProtocol, Provider
    from billingual.auth import Secret, Token
    from billingual.auth.oauth import ClientCredentials
    from billingual.capabilities import Capabilities, Feature
    from billingual.client import AsyncClient, Preview
    from billingual.errors import (
        AuthenticationError,
        BadRowError,
        BillingualError,
        CircuitOpenError,
        ClosedError,
        ConfigurationError,
        ConflictError,
        ConnectionLostError,
        DeadlineExceededError,
        InternalError,
        InvalidInputError,
        InvalidRequestError,
        LockedError,
        MissingExtraError,
        NotConnectedError,
        NotFoundError,
        OutcomeUnknown,
        PaginationError,
        PermissionDeniedError,
        PoolTimeoutError,
        ProtocolError,
        ProviderError,
        RateLimitedError,
        RedirectedError,
        RejectedError,
        ResponseTooLargeError,
        ServerError,
        TimedOutError,
        TokenError,
        TokenUnavailableError,
        TransportError,
        UnknownNameError,
        UnsupportedError,
        UsageError,
        unclear_from,
    )
    from billingual.jobs.job import AsyncJob
    from billingual.model import (
        UNSET,
        Changes,
        CustomField,
        Discount,
        Draft,
        Filter,
        Invoice,
        InvoiceSummary,
        Kind,
        LineItem,
        Money,
        Page,
        Party,
        Range,
        Receipt,
        Replacement,
        ReplacementLine,
        Sort,
        Status,
        Tax,
    )
    from billingual.outcomes import Attempt, Finding, Outcome
    from billingual.pagination import AsyncPager, ScanReport
    from billingual.pagination.columns import AsyncColumns
    from billingual.reconcile.result import Reconciliation
    from billingual.retry.breaker import CircuitBreaker
    from billingual.retry.budget import RetryBudget
    from billingual.retry.policy import Retry
    from billingual.retry.rate_limit import Limiter
    from billingual.transports.fallback import fallback
    from billingual.transports.memory import MemoryTransport
    from billingual.transports.tls import Tls
    from billingual.wire import Timeouts

__all__ = [
    "UNSET",
    "AsyncClient",
    "AsyncColumns",
    "AsyncJob",
    "AsyncPager",
    "Attempt",
    "AuthenticationError",
    "BadRowError",
    "BillingualError",
    "Capabilities",
    "Changes",
    "CircuitBreaker",
    "CircuitOpenError",
    "Client",
    "ClientCredentials",
    "ClientOptions",
    "ClosedError",
    "Columns",
    "ConfigurationError",
    "ConflictError",
    "ConnectionLostError",
    "CustomField",
    "DeadlineExceededError",
    "Discount",
    "Draft",
    "Feature",
    "Filter",
    "Finding",
    "InternalError",
    "InvalidInputError",
    "InvalidRequestError",
    "Invoice",
    "InvoiceProtocol",
    "InvoiceSummary",
    "Job",
    "Kind",
    "Limiter",
    "LineItem",
    "LockedError",
    "MemoryTransport",
    "MissingExtraError",
    "Money",
    "NotConnectedError",
    "NotFoundError",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Pager",
    "PaginationError",
    "Party",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "Preview",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "Range",
    "RateLimitedError",
    "Receipt",
    "Reconciliation",
    "RedirectedError",
    "RejectedError",
    "Replacement",
    "ReplacementLine",
    "ResponseTooLargeError",
    "Retry",
    "RetryBudget",
    "ScanReport",
    "Secret",
    "ServerError",
    "Sort",
    "Status",
    "Tax",
    "TimedOutError",
    "Timeouts",
    "Tls",
    "Token",
    "TokenError",
    "TokenUnavailableError",
    "TransportError",
    "UnknownNameError",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "fallback",
    "unclear_from",
]

if not TYPE_CHECKING:  # To a type checker, __getattr__ would mean that every name exists.
    __getattr__, __dir__ = attach(
        __name__,
        {
            "_config.url": "ClientOptions",
            "_sync.client": "Client Pager",
            "_sync.columns": "Columns",
            "_sync.job": "Job",
            "_version": "__version__",
            "abc": "InvoiceProtocol Provider",
            "auth": "Secret Token",
            "auth.oauth": "ClientCredentials",
            "capabilities": "Capabilities Feature",
            "client": "AsyncClient Preview",
            "errors": (
                "ResponseTooLargeError AuthenticationError BadRowError BillingualError "
                "CircuitOpenError ClosedError ConfigurationError ConflictError ConnectionLostError "
                "DeadlineExceededError InternalError InvalidInputError InvalidRequestError "
                "LockedError MissingExtraError NotConnectedError NotFoundError OutcomeUnknown "
                "PaginationError PermissionDeniedError PoolTimeoutError ProtocolError "
                "ProviderError RateLimitedError RedirectedError RejectedError ServerError "
                "TimedOutError TokenError TokenUnavailableError TransportError UnknownNameError "
                "UnsupportedError UsageError unclear_from"
            ),
            "jobs.job": "AsyncJob",
            "model": (
                "Changes CustomField Discount Draft Filter Invoice InvoiceSummary Kind "
                "LineItem Money Page Party Range Receipt Replacement ReplacementLine Sort Status "
                "Tax UNSET"
            ),
            "outcomes": "Attempt Finding Outcome",
            "pagination": "AsyncPager ScanReport",
            "pagination.columns": "AsyncColumns",
            "reconcile.result": "Reconciliation",
            "retry.breaker": "CircuitBreaker",
            "retry.budget": "RetryBudget",
            "retry.policy": "Retry",
            "retry.rate_limit": "Limiter",
            "transports.fallback": "fallback",
            "transports.memory": "MemoryTransport",
            "transports.tls": "Tls",
            "wire": "Timeouts",
        },
    )
