"""Speak to any invoicing API through one invoice protocol.

Everything public is here, and loaded on first use: ``import billingual`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from billingual._sync import Client
    from billingual._sync_pager import SyncPager
    from billingual._version import (
        __version__,
    )
    from billingual.capabilities import (
        Capabilities,
        Feature,
    )
    from billingual.client import (
        AsyncClient,
    )
    from billingual.driver import Driver
    from billingual.errors import (
        AnswerTooLargeError,
        AuthenticationError,
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
        ServerError,
        TimedOutError,
        TransportError,
        UnknownNameError,
        UnsupportedError,
        UsageError,
    )
    from billingual.events import (
        Event,
    )
    from billingual.intent import Intent
    from billingual.model import (
        UNSET,
        Changes,
        CollectionMethod,
        Contact,
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
        UnsetType,
        minor_unit_exponent,
    )
    from billingual.outcome import (
        Attempt,
        Evidence,
        Outcome,
        Safety,
    )
    from billingual.pagination import (
        Pager,
        ScanReport,
    )
    from billingual.policy.breaker import CircuitBreaker
    from billingual.policy.budget import RetryBudget
    from billingual.policy.limiter import Limiter
    from billingual.policy.retry import Retry
    from billingual.protocol import (
        Dialect,
        InvoiceProtocol,
        Observer,
        Provider,
        RetryPolicy,
        Transport,
        TransportOptions,
    )
    from billingual.reconciliation import Finding, Reconciliation
    from billingual.secret import Secret
    from billingual.tls import Tls
    from billingual.transports.drift import Drift, drift
    from billingual.transports.fallback import FallbackTransport, fallback
    from billingual.transports.fault import Fault, FaultTransport, fault
    from billingual.transports.memory import (
        MemoryTransport,
    )
    from billingual.transports.owned import owned
    from billingual.transports.record import RecordTransport, record
    from billingual.transports.replay import ReplayTransport, replay
    from billingual.wire import (
        Exchange,
        Timeouts,
        WireRequest,
        WireResponse,
    )

__all__ = [
    "UNSET",
    "AnswerTooLargeError",
    "AsyncClient",
    "Attempt",
    "AuthenticationError",
    "BillingualError",
    "Capabilities",
    "Changes",
    "CircuitBreaker",
    "CircuitOpenError",
    "Client",
    "ClosedError",
    "CollectionMethod",
    "ConfigurationError",
    "ConflictError",
    "ConnectionLostError",
    "Contact",
    "CustomField",
    "DeadlineExceededError",
    "Dialect",
    "Discount",
    "Draft",
    "Drift",
    "Driver",
    "Event",
    "Evidence",
    "Exchange",
    "FallbackTransport",
    "Fault",
    "FaultTransport",
    "Feature",
    "Filter",
    "Finding",
    "Intent",
    "InternalError",
    "InvalidInputError",
    "InvalidRequestError",
    "Invoice",
    "InvoiceProtocol",
    "InvoiceSummary",
    "Kind",
    "Limiter",
    "LineItem",
    "LockedError",
    "MemoryTransport",
    "MissingExtraError",
    "Money",
    "NotConnectedError",
    "NotFoundError",
    "Observer",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "Pager",
    "PaginationError",
    "Party",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "ProtocolError",
    "Provider",
    "ProviderError",
    "Range",
    "RateLimitedError",
    "Receipt",
    "Reconciliation",
    "RecordTransport",
    "RedirectedError",
    "RejectedError",
    "Replacement",
    "ReplacementLine",
    "ReplayTransport",
    "Retry",
    "RetryBudget",
    "RetryPolicy",
    "Safety",
    "ScanReport",
    "Secret",
    "ServerError",
    "Sort",
    "Status",
    "SyncPager",
    "Tax",
    "TimedOutError",
    "Timeouts",
    "Tls",
    "Transport",
    "TransportError",
    "TransportOptions",
    "UnknownNameError",
    "UnsetType",
    "UnsupportedError",
    "UsageError",
    "WireRequest",
    "WireResponse",
    "__version__",
    "drift",
    "fallback",
    "fault",
    "minor_unit_exponent",
    "owned",
    "record",
    "replay",
]

_HOMES = {
    "AnswerTooLargeError": "errors",
    "AsyncClient": "client",
    "Attempt": "outcome",
    "AuthenticationError": "errors",
    "BillingualError": "errors",
    "Capabilities": "capabilities",
    "Changes": "model",
    "CircuitBreaker": "policy.breaker",
    "CircuitOpenError": "errors",
    "Client": "_sync",
    "ClosedError": "errors",
    "CollectionMethod": "model",
    "ConfigurationError": "errors",
    "ConflictError": "errors",
    "ConnectionLostError": "errors",
    "Contact": "model",
    "CustomField": "model",
    "DeadlineExceededError": "errors",
    "Dialect": "protocol",
    "Discount": "model",
    "Draft": "model",
    "Drift": "transports.drift",
    "Driver": "driver",
    "Event": "events",
    "Evidence": "outcome",
    "Exchange": "wire",
    "FallbackTransport": "transports.fallback",
    "Fault": "transports.fault",
    "FaultTransport": "transports.fault",
    "Feature": "capabilities",
    "Filter": "model",
    "Finding": "reconciliation",
    "Intent": "intent",
    "InternalError": "errors",
    "InvalidInputError": "errors",
    "InvalidRequestError": "errors",
    "Invoice": "model",
    "InvoiceProtocol": "protocol",
    "InvoiceSummary": "model",
    "Kind": "model",
    "Limiter": "policy.limiter",
    "LineItem": "model",
    "LockedError": "errors",
    "MemoryTransport": "transports.memory",
    "MissingExtraError": "errors",
    "Money": "model",
    "NotConnectedError": "errors",
    "NotFoundError": "errors",
    "Observer": "protocol",
    "Outcome": "outcome",
    "OutcomeUnknown": "errors",
    "Page": "model",
    "Pager": "pagination",
    "PaginationError": "errors",
    "Party": "model",
    "PermissionDeniedError": "errors",
    "PoolTimeoutError": "errors",
    "ProtocolError": "errors",
    "Provider": "protocol",
    "ProviderError": "errors",
    "Range": "model",
    "RateLimitedError": "errors",
    "Receipt": "model",
    "Reconciliation": "reconciliation",
    "RecordTransport": "transports.record",
    "RedirectedError": "errors",
    "RejectedError": "errors",
    "Replacement": "model",
    "ReplacementLine": "model",
    "ReplayTransport": "transports.replay",
    "Retry": "policy.retry",
    "RetryBudget": "policy.budget",
    "RetryPolicy": "protocol",
    "Safety": "outcome",
    "ScanReport": "pagination",
    "Secret": "secret",
    "ServerError": "errors",
    "Sort": "model",
    "Status": "model",
    "SyncPager": "_sync_pager",
    "Tax": "model",
    "TimedOutError": "errors",
    "Timeouts": "wire",
    "Tls": "tls",
    "Transport": "protocol",
    "TransportError": "errors",
    "TransportOptions": "protocol",
    "UNSET": "model",
    "UnknownNameError": "errors",
    "UnsetType": "model",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "WireRequest": "wire",
    "WireResponse": "wire",
    "__version__": "_version",
    "drift": "transports.drift",
    "fallback": "transports.fallback",
    "fault": "transports.fault",
    "minor_unit_exponent": "model",
    "owned": "transports.owned",
    "record": "transports.record",
    "replay": "transports.replay",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a first use pays for it

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
