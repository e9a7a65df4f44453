"""The outcome of one attempt, and of all attempts of a write together."""

from __future__ import annotations

import inspect

import pytest

from billingual import errors
from billingual.errors import BillingualError, ProviderError
from billingual.model import BadRow
from billingual.outcomes import Attempt, Evidence, Outcome, Safety
from billingual.retry.classify import classify, verdict
from billingual.wire import Exchange, WireRequest, WireResponse

REQUEST = WireRequest(method="POST", url="/x", route="/x", safety=Safety.CREATE)
N, A, R, C, U = (
    Outcome.NOT_SENT, Outcome.NOT_APPLIED, Outcome.REJECTED, Outcome.COMMITTED, Outcome.UNKNOWN,
)  # fmt: skip


def provider_error(kind: type[ProviderError], status: int) -> ProviderError:
    """Make a response's error."""
    exchange = Exchange.of(REQUEST, WireResponse(status=status))
    return kind("no", provider="p", exchange=exchange)


def transport_error(
    kind: type[errors.TransportError],
    connected: bool | None = None,  # noqa: FBT001
    complete: bool | None = None,  # noqa: FBT001
    begun: bool | None = None,  # noqa: FBT001
) -> errors.TransportError:
    """Make a wire's error with its evidence."""
    evidence = Evidence(connected=connected, request_complete=complete, response_begun=begun)
    return kind("broke", evidence=evidence)


def locked(*, by_server: bool) -> errors.LockedError:
    """Make a lock, refused by the client itself or by the provider."""
    exchange = Exchange.of(REQUEST, WireResponse(status=409)) if by_server else None
    return errors.LockedError(
        provider="p", invoice_id="i", status="VOID", locked=["a"], still_open=[], exchange=exchange
    )


ATTEMPTS = {
    "refused locally": (errors.InvalidInputError("f", "p", "x"), N),
    "bad token at signing": (errors.ConfigurationError("x"), N),
    "client closed": (errors.ClosedError("x"), N),
    "deadline before sending": (errors.DeadlineExceededError("x"), N),
    "circuit open": (errors.CircuitOpenError("x", retry_after=1.0), N),
    "no connection": (transport_error(errors.NotConnectedError, False, False, False), N),
    "no token now": (errors.TokenUnavailableError("x"), N),
    "no free connection": (transport_error(errors.PoolTimeoutError, False, False, False), N),
    "local protocol error": (transport_error(errors.TransportError, None, False, False), N),
    "broke while writing": (transport_error(errors.ConnectionLostError, True, False, False), N),
    "broke, perhaps written": (transport_error(errors.ConnectionLostError, True, None), U),
    "nothing is known": (transport_error(errors.ConnectionLostError), U),
    "read timeout": (transport_error(errors.TimedOutError, True, True), U),
    "write timeout": (transport_error(errors.TimedOutError, True), U),
    "response before the request was whole": (
        transport_error(errors.ConnectionLostError, True, False, True), U,
    ),
    "response cut": (transport_error(errors.ConnectionLostError, True, True, True), U),
    "response too large": (transport_error(errors.ResponseTooLargeError, True, True, True), U),
    "400": (provider_error(errors.InvalidRequestError, 400), R),
    "401": (provider_error(errors.AuthenticationError, 401), R),
    "403": (provider_error(errors.PermissionDeniedError, 403), R),
    "404": (provider_error(errors.NotFoundError, 404), R),
    "405": (provider_error(errors.InvalidRequestError, 405), R),
    "408": (provider_error(errors.InvalidRequestError, 408), U),
    "409": (provider_error(errors.ConflictError, 409), R),
    "413": (provider_error(errors.InvalidRequestError, 413), R),
    "415": (provider_error(errors.InvalidRequestError, 415), R),
    "422": (provider_error(errors.InvalidRequestError, 422), R),
    "429": (provider_error(errors.RateLimitedError, 429), A),
    "500": (provider_error(errors.ServerError, 500), U),
    "502": (provider_error(errors.ServerError, 502), U),
    "503": (provider_error(errors.ServerError, 503), U),
    "504": (provider_error(errors.ServerError, 504), U),
    "301": (provider_error(errors.RedirectedError, 301), U),
    "307": (provider_error(errors.RedirectedError, 307), U),
    "200 whose envelope says no": (provider_error(errors.RejectedError, 200), R),
    "200 that cannot be read": (provider_error(errors.ProtocolError, 200), U),
    "locked by the server": (locked(by_server=True), R),
    "locked by the client": (locked(by_server=False), N),
    "a bug of ours": (errors.InternalError("x"), U),
    "something new": (BillingualError("x"), U),
    "paging": (errors.PaginationError("x"), U),
    "a bad row": (errors.BadRowError([BadRow(path="$", reason="x", value={})]), U),
    "already unknown": (
        errors.OutcomeUnknown("x", provider="p", operation="o", request=REQUEST, likely="unclear"),
        U,
    ),
}  # fmt: skip


@pytest.mark.parametrize("seen", ATTEMPTS)
def test_each_error_has_one_outcome(seen: str) -> None:
    """As in the table."""
    error, outcome = ATTEMPTS[seen]

    assert classify(error) is outcome


def test_every_error_class_is_in_the_table() -> None:
    """A new error class needs an outcome; it must not fall through."""
    placed = {type(error) for error, _ in ATTEMPTS.values()}
    abstract = {errors.UsageError, errors.ProviderError, errors.BillingualError}
    like_configuration = {
        errors.UnsupportedError, errors.UnknownNameError, errors.MissingExtraError,
        errors.TokenError,
    }  # fmt: skip

    classes = {
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, BillingualError)
    }
    assert classes - placed - abstract - like_configuration == set()
    assert all(issubclass(each, errors.UsageError) for each in like_configuration)


@pytest.mark.parametrize(
    ("ends", "whole"),
    [
        ([], N),
        ([N], N),
        ([A], A),
        ([R], R),
        ([C], C),
        ([U], U),
        ([N, N, C], C),
        ([N, A, R], R),
        ([A, N], N),
        ([U, R], U),
        ([U, A], U),
        ([U, N], U),
        ([U, C], C),
        ([N, U, N, R], U),
    ],
    ids=lambda value: "+".join(each.name for each in value) if isinstance(value, list) else "",
)
def test_the_verdict_follows_from_all_attempts(ends: list[Outcome], whole: Outcome) -> None:
    """Our own earlier success may have caused the refusal of the last attempt."""
    attempts = [
        Attempt(number=number, outcome=end, evidence=Evidence())
        for number, end in enumerate(ends, 1)
    ]

    assert verdict(attempts) is whole


KEYED_ENDS = {
    "a refusal after an unclear attempt is the response": ([(U, None), (R, 422)], R),
    "a conflict says that an attempt is under way": ([(U, None), (R, 409)], U),
    "who may not ask is told so before the key is read": ([(U, None), (R, 401)], U),
    "likewise what may not be asked": ([(U, None), (R, 403)], U),
    "a success after an unclear attempt": ([(U, None), (C, 200)], C),
    "unclear to the end": ([(U, None), (U, 503)], U),
    "turned away after an unclear attempt": ([(U, None), (A, 429)], U),
}


@pytest.mark.parametrize("name", KEYED_ENDS)
def test_with_a_key_a_late_refusal_is_definite(name: str) -> None:
    """The provider repeats its first response, so the refusal is that of all attempts."""
    ends, expected = KEYED_ENDS[name]
    attempts = [
        Attempt(number=number, outcome=end, evidence=Evidence(), status=status)
        for number, (end, status) in enumerate(ends, 1)
    ]

    assert expected is verdict(attempts, Safety.KEYED)
