"""One operation, start to end: the one loop.

:func:`execute` starts the conversation that an :class:`Operation` holds. For each request that the
dialect yields it waits, signs, sends, reads, and sends what was read back into the conversation.
An attempt that fails goes to the retry policy; only that repeats. What all attempts of a write
mean together is decided here and nowhere else: a definite result, or ``OutcomeUnknown``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

import attrs

from billingual._config.options import headers_of
from billingual._context import ClientContext
from billingual.abc import Dialect, RetryDecision
from billingual.auth import UNSIGNED, Secret, Signature, origin_of, redact_secrets
from billingual.capabilities import Feature
from billingual.errors import (
    AuthenticationError,
    BillingualError,
    ClosedError,
    ConfigurationError,
    DeadlineExceededError,
    InternalError,
    OutcomeUnknown,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    ResponseTooLargeError,
    ServerError,
    TokenUnavailableError,
    TransportError,
    UsageError,
    carried_by,
    carry,
)
from billingual.outcomes import Attempt, Intent, Outcome
from billingual.retry.classify import classify, evidence_of, refused_resend, verdict
from billingual.retry.retry_after import asked_wait_s
from billingual.wire import (
    Bounds,
    Conversation,
    Deadline,
    Exchange,
    Headers,
    WireRequest,
    WireResponse,
)

if TYPE_CHECKING:
    from logging import Logger

    from billingual.events import Event
    from billingual.model import BadPage, Problem
    from billingual.model.payload import Facts, KeepsPayload

__all__ = [
    "Operation",
    "Received",
    "dialect_for",
    "execute",
    "first_request",
    "start_deadline",
    "tell_of_bad_page",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Received: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited when a response has come in, before it is read; prefetching sends other requests then."""

FIRST: Final = "the first attempt"
MAX_LOGGED: Final = 100
"""A client logs this many kinds of problems, so that a provider cannot fill a log or the memory."""

_OF_EVERY_REQUEST: Final = frozenset({"User-Agent", "Accept-Encoding"})
_TOO_MANY: Final = 429
_FAILED: Final = 500
_NO_SUCCESS: Final = 300
_INDEX: Final = r"\[\d+\]"

BUDGET_SPENT: Final = "the retry budget of this host and credential is used up: too many calls fail"


# Not frozen, though it is a value: attrs would set each field twice as slowly, in each call.
@attrs.define(kw_only=True, eq=False, repr=False)
class Operation(Generic[T_co]):
    """One operation whose arguments were checked and of which nothing was sent.

    Attributes:
        feature: which one.
        dialect: the dialect that has it.
        conversation: the dialect's, not started.
        intent: what a write means, for finding out later what became of it; None for a read.
        key: the caller's idempotency key for the first request; None for a fresh one.
    """

    feature: Feature
    dialect: Dialect
    conversation: Conversation[T_co]
    intent: Intent | None = None
    key: str | None = None


def dialect_for(context: ClientContext, feature: Feature) -> Dialect:
    """Return the dialect that has an operation.

    Raises:
        UnsupportedError: if none has; the error says what to use instead.
    """
    if feature not in context.capabilities.features:
        context.capabilities.require(feature)
    return context.dialects[feature]


def start_deadline(context: ClientContext) -> Deadline:
    """Return the end of an operation that begins now."""
    now = context.backend.now
    return Deadline(now() + context.deadline_s, now)


def first_request(context: ClientContext, operation: Operation[object]) -> WireRequest:
    """Return the first request that an operation would send, absolute and unsigned.

    Raises:
        UsageError: if an argument cannot be right.
    """
    try:
        request = next(operation.conversation)
    except StopIteration:
        raise InternalError("the operation sends no request to preview.") from None
    finally:
        operation.conversation.close()
    if operation.key is not None:
        request = request.keyed(operation.key)
    return _addressed(context, request)


def _addressed(context: ClientContext, request: WireRequest) -> WireRequest:
    """Return an unsigned copy of a request, with the address and fields of the client."""
    headers = UNSIGNED.sign(request.headers, context.headers)
    return request.with_headers(context.base_url, headers)


async def execute(
    context: ClientContext,
    operation: Operation[T],
    *,
    deadline: Deadline | None = None,
    received: Received | None = None,
) -> T:
    """Run one operation to its end.

    Args:
        context: what the client's calls share.
        operation: the operation.
        deadline: the end of a larger operation that this one is a part of.
        received: awaited after each response, before it is read.

    Raises:
        UsageError: if something is wrong before anything is sent.
        OutcomeUnknown: if a write may or may not have happened.
        BillingualError: if the operation failed and nothing is unclear.
    """
    try:
        try:
            request = next(operation.conversation)
        except StopIteration as done:
            # Nothing to send: a batch of no invoices, for example.
            result: T = done.value
            return result
        deadline = deadline or start_deadline(context)
        call = _Call(context, operation, next(context.calls), deadline, received)
        return await call.run(request)
    finally:
        operation.conversation.close()


class _Call(Generic[T]):
    """One operation under way.

    Attributes of the class hold the first values: setting each of them in every call would take
    longer than making all the rest of the call.

    Attributes:
        attempts: those of the current request.
        wait_s: seconds waited before the current attempt.
        why: the reason for it.
        sent_at: when it was sent.
        took_s: seconds from then to its response.
        request: the current request; None before the first one.
        in_flight: whether it was sent and its end is not known.
        response: its response; None before one came.
        signature: what it was signed with.
        renewal: what the next attempt is signed with, where a token was renewed.
        renewed: whether one was, or was asked for.
        keyed: how many requests carried an idempotency key.
        carried_out: the requests of the operation that succeeded, each with what was read.
        interrupt: what a signal handler of the program raised while the call waited.
    """

    wait_s: float = 0.0
    why: str = FIRST
    sent_at: float = 0.0
    took_s: float = 0.0
    request: WireRequest | None = None
    in_flight: bool = False
    response: WireResponse | None = None
    signature: Signature | None = None
    renewal: Signature | None = None
    renewed: bool = False
    key: str | None = None
    keyed: int = 0
    carried_out: tuple[tuple[WireRequest, object], ...] = ()
    interrupt: Exception | None = None

    def __init__(
        self,
        context: ClientContext,
        operation: Operation[T],
        number: int,
        deadline: Deadline,
        received: Received | None,
    ) -> None:
        self.context = context
        self.operation = operation
        self.number = number
        self.deadline = deadline
        self.received = received
        self.attempts: list[Attempt] = []

    @property
    def earlier_write_committed(self) -> bool:
        """Whether a write of the operation was carried out; then nothing is a mere failure."""
        return any(request.safety.writes for request, _ in self.carried_out)

    async def run(self, request: WireRequest) -> T:
        """Exchange *request* and those that follow; tell observers of the start and the end."""
        # Events are named and filled only for observers: most clients have none.
        if self.context.observers:
            feature = self.operation.feature
            self._emit(
                "CallStarted",
                provider=self.context.provider,
                base_url=self.context.base_url,
                operation=feature.value,
            )
        try:
            result = await self._exchange_all(request)
        except BaseException as error:
            if self._stops(error) and self._may_have_written():
                # Cancelled or interrupted. The one who did that learns what it left unclear from
                # the exception that passes through here, and from nothing else.
                carry(error, self._unclear(self.request or request, error))
            unclear = carried_by(error) is not None or self.in_flight
            outcome = Outcome.UNKNOWN if unclear else verdict(self.attempts)
            self._end(outcome, error)
            raise
        if self.context.observers:
            self._end(Outcome.COMMITTED, None)
        return result

    def _end(self, outcome: Outcome, error: BaseException | None) -> None:
        """Tell observers how the call ended."""
        try:
            self._emit("CallEnded", outcome=outcome, error=error and type(error).__name__)
        except BaseException as stop:
            # Only an interrupt gets here: an observer's own errors are logged. It must not hide a
            # write that is unclear, so it carries that one along.
            unclear = None if error is None else carried_by(error)
            if unclear is None and self.request is not None and self._may_have_written():
                unclear = self._unclear(self.request, stop)
            if unclear is not None:
                carry(stop, unclear)
            raise

    def _may_have_written(self) -> bool:
        """Tell whether what was sent so far may have changed something."""
        if self.earlier_write_committed or self.request is None or not self.request.safety.writes:
            return self.earlier_write_committed
        return self.in_flight or verdict(self.attempts, self.request.safety) is Outcome.UNKNOWN

    async def _exchange_all(self, request: WireRequest) -> T:
        while True:
            self.request = request
            self.attempts, self.wait_s, self.why, self.renewed = [], 0.0, FIRST, False
            if request.key_header is not None:
                self.request = request = request.keyed(self._next_key())
            try:
                received = await self._deliver(request)
                ended, following = self._resume(received)
            except Exception as error:
                if self._stops(error):
                    raise
                if isinstance(error, BillingualError):
                    error.attempts = tuple(self.attempts)
                unclear = verdict(self.attempts, request.safety) is Outcome.UNKNOWN
                if self.earlier_write_committed or (request.safety.writes and unclear):
                    raise self._unclear(request, error) from error
                raise
            # Noted first: an interrupt may come while observers are told, and the write is done.
            self.carried_out = (*self.carried_out, (request, received))
            self._learn_from(None)
            self.in_flight = False
            if self.context.observers:
                self._record(Outcome.COMMITTED, None)
            if ended:
                self._keep_facts(following)
                result: T = following
                return result
            request = following

    async def _deliver(self, request: WireRequest) -> object:
        """Send *request* until it succeeds or the policy stops; return what was read."""
        attempt = self._attempt_renewing if self.context.auth.renews else self._attempt
        try:
            # Outside the loop of tenacity, which costs more than all the rest of a call: nearly
            # every call succeeds at once and does not even import it.
            return await attempt(request)
        except BillingualError as error:
            if not self._may_try_again(request, error):
                raise
        from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415 - see above

        def may_try_again(error: BaseException) -> bool:
            return isinstance(error, BillingualError) and self._may_try_again(request, error)

        await self.context.backend.sleep(self.wait_s)
        # One for each call: a shared one mixes up the state of its callers.
        retrying = AsyncRetrying(
            retry=retry_if_exception(may_try_again),
            wait=lambda _: self.wait_s,
            sleep=self.context.backend.sleep,
        )
        return await retrying(attempt, request)

    async def _attempt_renewing(self, request: WireRequest) -> object:
        """Make an attempt; if its token is refused and there is another now, make one more.

        A token may expire on its way. The provider checks it before anything else, so a write that
        was refused for its token did nothing.
        """
        try:
            return await self._attempt(request)
        except AuthenticationError as error:
            # Not its token: a traceback may show this frame.
            refused = self.signature or UNSIGNED
            # A policy of one attempt is for programs that retry themselves; they count on it.
            if self.renewed or getattr(self.context.policy, "attempts", None) == 1:
                self.context.auth.forget(refused)
                raise
            self.renewed = True
            try:
                fresh = await self._sign(request, refused)
            except Exception as fault:
                if self._stops(fault):
                    raise
                raise error from None  # whatever the token function met, the refusal counts
            if fresh.token == refused.token:
                raise
        self.why, self.wait_s = "the token function has another token now", 0.0
        self._emit("RetryPlanned", wait_s=0.0, why=self.why)
        self.renewal = fresh
        return await self._attempt(request)

    async def _attempt(self, request: WireRequest) -> object:
        number = len(self.attempts) + 1
        if self.context.observers:
            self._emit("AttemptStarted", number=number, method=request.method, route=request.route)
        self.response = None
        try:
            signature = self.signature = await self._prepare_attempt(request, number)
            response = await self._send(request, signature)
            self.response, self.took_s = response, self.context.backend.now() - self.sent_at
            if self.received is not None:
                await self.received()
            value = self._read(request, response)
            if problems := _problems_of(value):
                self._report_problems(problems, request, response)
        except BillingualError as error:
            limit_first = self.operation.dialect.capabilities.rate_limit_precedes_handler
            outcome = classify(error, rate_limit_precedes_handler=limit_first)
            # What went wrong before it was sent, a policy's own fault say, leaves nothing unclear.
            self._record(outcome if self.in_flight else Outcome.NOT_SENT, error)
            # Noted first: a policy may be interrupted, and what the response said is known.
            self._learn_from(error)
            if self.context.pace.must_report:
                await self.context.pace.report(self.context.backend, self._emit)
            raise
        except BaseException as error:
            # If a token function raised, its error goes up as it is, and nothing was sent.
            unclear = self.in_flight and self._stops(error)
            self._record(Outcome.UNKNOWN if unclear else Outcome.NOT_SENT, error)
            raise
        return value

    async def _prepare_attempt(self, request: WireRequest, number: int) -> Signature:
        """Wait for this attempt's turn and sign it."""
        context = self.context
        if context.wire.closed:
            raise ClosedError("this client is closed; make a new one.")
        if context.admit is not None:
            try:
                context.admit(context.backend.now())
            except BillingualError:
                raise
            except Exception as fault:
                if self._stops(fault):
                    raise
                raise plugin_error("a retry policy's admit()", fault) from fault
        if context.pace.engaged:
            await context.pace.enter(context.backend, self.deadline, self._emit)
        signature, self.renewal = self.renewal or context.auth.fixed, None
        if signature is None:
            signature = await self._sign(request)
        if context.pace.engaged and context.pace.is_paused(context.backend.now()):
            # While a token function took its time, another call may have met a rate limit.
            await context.pace.enter(context.backend, self.deadline, self._emit)
        self.sent_at = context.backend.now()
        if self.sent_at >= self.deadline.at:
            raise DeadlineExceededError(
                f"the deadline of {context.deadline_s:g} s passed before attempt {number} was "
                "sent; give the call more time with with_options(deadline=...)."
            )
        return signature

    async def _sign(self, request: WireRequest, refused: Signature = UNSIGNED) -> Signature:
        context = self.context
        if context.auth.reads_request:
            request = _addressed(context, request)
        try:
            return await context.auth.sign(
                request, context.backend, self.deadline.left(), self._fetch, refused
            )
        except (InternalError, RuntimeError) as fault:
            if not self.context.backend.blocks:
                raise
            # Only a client that blocks gets here, so the module is loaded.
            from billingual.backends.stepping import lacks_a_loop  # noqa: PLC0415

            if not (isinstance(fault, InternalError) or lacks_a_loop(fault)):
                raise
            raise ConfigurationError(
                "the token function waits on an event loop, and Client blocks the thread; give a "
                'plain function, use AsyncClient, or backend="portal". Nothing was sent.'
            ) from fault

    async def _fetch(self, request: WireRequest) -> WireResponse:
        """Send a request for a token.

        Raises:
            TokenUnavailableError: if it fails: that is no evidence about the call's own request.
        """
        context = self.context
        # The program's own fields may be secrets of the provider's gateway, which the server of
        # tokens must not get.
        ours = [each for each in context.headers if each[0] in _OF_EVERY_REQUEST]
        addressed = request.addressed("", ours)
        status, asked_s = None, None
        error: BaseException
        try:
            response = await context.wire.transport.send(
                addressed, Bounds(timeouts=context.timeouts, deadline=self.deadline)
            )
        except BillingualError as raised:
            error = raised
        except Exception as fault:  # noqa: BLE001 - a foreign transport may raise anything
            error = fault if self._stops(fault) else plugin_error("the transport", fault)
        except BaseException as stop:  # noqa: BLE001 - cancelled or interrupted: raised below
            error = stop
        else:
            status = response.status
            if status != _TOO_MANY and status < _FAILED:
                return response
            error = BillingualError(f"it responded with {status}.")
            asked_s = asked_wait_s(response.headers, context.backend.wall())
        if self._stops(error) or isinstance(error, UsageError):
            raise error.with_traceback(None)
        # Without a cause, whose frames hold the credentials of the request.
        text = f"no token came from {origin_of(request.url)}: {error}"
        raise TokenUnavailableError(text, status=status, retry_after=asked_s)

    async def _send(self, request: WireRequest, signature: Signature) -> WireResponse:
        context = self.context
        headers = signature.sign(request.headers, context.headers)
        addressed = request.with_headers(context.base_url, headers)
        if context.carriers:
            addressed = attrs.evolve(addressed, headers=_carrying(context, addressed.headers))
        bounds = Bounds(timeouts=context.timeouts, deadline=self.deadline)
        self.in_flight = True
        error: BaseException
        try:
            return redact_secrets(await context.wire.transport.send(addressed, bounds), signature)
        except ResponseTooLargeError as raised:
            seen = raised.evidence
            if seen.status is not None and seen.status >= _NO_SUCCESS:
                # The status decides before the body: a refusal with a very long page is a refusal,
                # and no reason to look what became of a write.
                refusal = WireResponse(
                    status=seen.status,
                    headers=raised.headers or Headers(),
                    request_complete=seen.request_complete,
                )
                return redact_secrets(refusal, signature)
            error = raised
        except BillingualError as raised:
            error = raised
        except Exception as fault:  # noqa: BLE001 - a foreign transport may raise anything
            error = fault if self._stops(fault) else _transport_error(fault, addressed)
        except BaseException as stop:  # noqa: BLE001 - cancelled or interrupted: raised below
            error = stop
        # Raised outside the handler and without its traceback, whose frames belong to a library
        # and hold the signed headers.
        raise error.with_traceback(None)

    def _stops(self, error: BaseException) -> bool:
        """Tell whether *error* cancels or interrupts the call."""
        if isinstance(error, BillingualError):
            return False
        if isinstance(error, Exception) and is_from_signal_handler(error):
            # Noted, because its traceback is taken off on the way.
            self.interrupt = error
        return error is self.interrupt or not isinstance(error, Exception)

    def _read(self, request: WireRequest, response: WireResponse) -> object:
        """Return what the conversation is sent: the value that *response* was read to."""
        try:
            # Without a function to read with, this raises, and the dialect is blamed for it.
            read: Any = request.read
            return read(response)
        except Exception as fault:
            # A UsageError would say of a write that happened that nothing was sent.
            if isinstance(fault, BillingualError) and not isinstance(fault, UsageError):
                raise
            if self._stops(fault):
                raise
            raise plugin_error(f"the dialect {self.operation.dialect.name!r}", fault) from fault

    def _report_problems(
        self, problems: Sequence[Problem], request: WireRequest, response: WireResponse
    ) -> None:
        """Tell observers and the log what does not fit, or raise it where reading is strict.

        Neither the event nor the log holds a value: it may be personal data.
        """
        context = self.context
        if context.strict_reading:
            first = problems[0]
            summary = (
                f"{context.provider} responded to {request.method} {request.route} with "
                f"{response.status}{response.headers.request_id_text}, but not as expected: at "
                f"{first.path}, {first.reason}"
            )
            error = ProtocolError(
                f'{summary}; reading="tolerant" keeps the rest of the response.',
                provider=context.provider,
                exchange=Exchange.of(request, response),
                summary=summary,
            )
            error.path = first.path
            raise error
        found = tuple((each.path, each.reason) for each in problems)
        self._emit("ProblemsFound", problems=found)
        for path, reason in dict.fromkeys((re.sub(_INDEX, "[]", path), why) for path, why in found):
            kind = (request.route, path, reason)
            if kind not in context.wire.logged and len(context.wire.logged) < MAX_LOGGED:
                context.wire.logged.add(kind)
                _log().warning(
                    "%s %s %s: at %s, %s; logged once",
                    context.provider, request.method, request.route, path, reason,
                )  # fmt: skip

    def _resume(self, received: object) -> tuple[bool, Any]:
        """Send what was read into the conversation.

        Returns:
            Whether the conversation ended, and its result or the next request.
        """
        try:
            request: object = self.operation.conversation.send(received)
            if not isinstance(request, WireRequest):
                raise TypeError("a conversation yields requests")  # noqa: TRY301 - a dialect's fault
        except StopIteration as done:
            # Returned, not raised: an error that is raised in this handler would carry the value
            # along as its context, and it would be logged with it.
            return True, done.value
        except Exception as fault:
            # After a read, a dialect may refuse what the caller gave; after a write, as above.
            blames = isinstance(fault, UsageError) and self._may_have_written()
            if isinstance(fault, BillingualError) and not blames:
                self._record_unreadable(fault)
                raise
            if self._stops(fault):
                raise
            ours = plugin_error(f"the dialect {self.operation.dialect.name!r}", fault)
            self._record_unreadable(ours)
            raise ours from fault
        return False, request

    def _keep_facts(self, result: object) -> None:
        """Note on a result which response it is from; if asked for, that becomes an object."""
        response = self.response
        if response is None:
            return
        # Observers have every attempt recorded; without them only failures are.
        attempts = len(self.attempts) + (not self.context.observers)
        facts = (response, self.took_s, attempts)
        kind, keep = _keeping_facts()
        if isinstance(result, kind):
            keep(result, facts)
        elif isinstance(result, tuple):
            for each in result:
                if isinstance(each, kind):
                    keep(each, facts)

    def _next_key(self) -> str:
        """Return the idempotency key of the next request.

        All keys of an operation are made from its first one. So a caller who repeats the
        operation with the same key repeats all of its requests with theirs.
        """
        import hashlib  # noqa: PLC0415 - few providers take keys

        self.key = self.key or self.operation.key or self.context.backend.fresh_key()
        self.keyed += 1
        if self.keyed == 1:
            return self.key
        # A key holds no space, so no caller's own key can equal the text that is hashed here.
        return hashlib.sha256(f"{self.key} {self.keyed}".encode()).hexdigest()

    def _record_unreadable(self, error: BillingualError) -> None:
        self._record(classify(error), error)
        self._learn_from(error)

    def _record(self, outcome: Outcome, error: BaseException | None) -> None:
        evidence, status = evidence_of(error)
        response = self.response
        attempt = Attempt(
            number=len(self.attempts) + 1,
            outcome=outcome,
            evidence=evidence,
            status=response.status if error is None and response is not None else status,
            error=None if error is None else type(error).__name__,
            waited_s=self.wait_s,
            why=self.why,
        )
        self.attempts.append(attempt)
        self.in_flight = False
        if self.context.observers:
            seen = None if response is None else response.headers.without_credentials()
            self._emit("AttemptEnded", attempt=attempt, headers=seen)

    def _learn_from(self, error: BillingualError | None) -> None:
        """Report how an attempt ended to what a credential's calls share: pace, budget, policy."""
        context = self.context
        if error is None:
            if context.budget.tokens < context.budget.capacity:
                context.budget.earn()
            if context.pace.engaged:
                context.pace.note_success()
        elif isinstance(error, (RateLimitedError, ServerError)):
            error.retry_after = asked_wait_s(error.exchange.headers, context.backend.wall())
        if isinstance(error, RateLimitedError):
            now = context.backend.now()
            context.pace.note_rate_limit(error.retry_after, sent_at=self.sent_at, now=now)
        if context.note is not None:
            try:
                context.note(error, context.backend.now())
            except Exception as fault:  # noqa: BLE001 - a foreign policy may raise anything
                # As with an observer: its error must not replace the end of a write.
                log_plugin_error("a retry policy's note()", fault)

    def _may_try_again(self, request: WireRequest, error: BillingualError) -> bool:
        """Decide about another attempt, and keep the wait before it or the reason against it."""
        decision = self._consult_policy(request, error)
        if decision.wait_s is not None and not self.context.budget.spend(
            throttled=isinstance(error, RateLimitedError)
        ):
            decision = RetryDecision(wait_s=None, why=BUDGET_SPENT)
        self.why = decision.why
        if decision.wait_s is None:
            error.stopped = decision.why
            if not isinstance(error, UsageError):
                error.add_note(f"not tried again: {decision.why}")
            return False
        self.wait_s = decision.wait_s
        self._emit("RetryPlanned", wait_s=decision.wait_s, why=decision.why)
        return True

    def _consult_policy(self, request: WireRequest, error: BillingualError) -> RetryDecision:
        refusal = refused_resend(self.attempts, request.safety)
        if refusal:
            # Asked here and not in each policy: no policy may send an unclear write again, not
            # even one that a program brings along.
            return RetryDecision(wait_s=None, why=refusal)
        left_s = self.deadline.left()
        try:
            decision = self.context.policy.decide(
                self.attempts,
                error=error,
                safety=request.safety,
                left_s=left_s,
                random=self.context.backend.random,
            )
            return _clamp_to_deadline(decision, left_s)
        except Exception as fault:
            if self._stops(fault):
                raise
            return RetryDecision(wait_s=None, why=f"the retry policy raised {type(fault).__name__}")

    def _unclear(self, request: WireRequest, error: BaseException) -> OutcomeUnknown:
        """Make the error for a write that may or may not have happened."""
        context, operation = self.context, self.operation
        if self._stops(error):
            error = BillingualError(f"{type(error).__name__} stopped it.")
        if not isinstance(error, BillingualError):
            # A token function raised before a resend; what was sent before it stays unclear.
            error = BillingualError(f"{type(error).__name__} kept it from being sent again.")
        # The advice in a provider's error is for failures; this one has its own.
        text = error.summary if isinstance(error, ProviderError) else str(error)
        status = None if self.response is None else self.response.status
        applied = self.earlier_write_committed or is_unreadable_success(error, status)
        failed, intent, named = f"{request.method} {request.route}", operation.intent, ""
        if self.earlier_write_committed and not request.safety.writes:
            # What failed is a read after the write, such as one of the invoice that a create made.
            writes = [each for each in self.carried_out if each[0].safety.writes]
            request, made = writes[0]
            made_id = made if isinstance(made, str) else getattr(made, "id", "")
            # Of several writes, the first may have made the customer.
            sure = operation.feature is Feature.CREATE and len(writes) == 1
            if sure and intent is not None and made_id:
                intent = attrs.evolve(intent, invoice_ids=(str(made_id),))
                named = f" The provider gave it the id {made_id}."
        unknown = OutcomeUnknown(
            f"{context.provider} may or may not have carried out {operation.feature.value} "
            f"({failed}): {text.rstrip('.')}.{named} Do not simply send it again: look at the "
            "provider first, as reconcile() does.",
            provider=context.provider,
            operation=operation.feature.value,
            request=request.without_read(),
            likely="applied" if applied else "unclear",
            exchange=error.exchange if isinstance(error, ProviderError) else None,
            intent=intent,
            given_up_at=context.backend.wall(),
            account=context.account,
        )
        unknown.attempts = tuple(self.attempts)
        if isinstance(error, ProtocolError):
            unknown.shown = error.shown
        unknown.stopped = error.stopped
        return unknown

    def _emit(self, kind: str, **details: object) -> None:
        """Make an event and hand it to the observers; without any, none is made."""
        if self.context.observers:
            _emit(self.context, kind, call=self.number, **details)


@functools.cache  # An import costs as much in each call as all that is kept there.
def _keeping_facts() -> tuple[type[KeepsPayload], Callable[[object, Facts], None]]:
    from billingual.model.payload import KeepsPayload, set_response  # noqa: PLC0415 - loaded by now

    return KeepsPayload, set_response


def tell_of_bad_page(context: ClientContext, page: BadPage) -> None:
    """Tell observers that a walk goes on behind a page that cannot be read."""
    _emit(
        context,
        "PageSkipped",
        call=next(context.calls),
        number=page.number,
        first_row=page.first_row,
        last_row=page.last_row,
        error=type(page.error).__name__,
    )


def is_from_signal_handler(fault: Exception) -> bool:
    """Tell whether a signal handler of the program raised *fault*.

    Time limits of job queues, such as Celery's, are such exceptions. The program waits for them, so
    they must pass through like Ctrl-C, whose handler differs in the class alone.
    """
    import signal  # noqa: PLC0415 - of a fault

    handlers = [signal.getsignal(each) for each in signal.valid_signals()]
    codes = {getattr(getattr(each, "__func__", each), "__code__", None) for each in handlers}
    trace = fault.__traceback__
    while trace is not None and trace.tb_frame.f_code not in codes:
        trace = trace.tb_next
    return trace is not None


def _carrying(context: ClientContext, headers: Headers) -> Headers:
    """Return the headers of an attempt with what observers send along; the client's own win."""
    added: dict[str, str] = {}
    for carrier in context.carriers:
        try:
            given = list(carrier().items())
        except Exception as fault:  # noqa: BLE001 - a foreign observer may raise anything
            log_plugin_error("an observer", fault)
            continue
        for pair in given:
            try:
                ((name, text),) = headers_of(dict([pair]))
            except ConfigurationError as fault:
                # A field that cannot be sent must not cost the call, nor the other fields.
                log_plugin_error("an observer", fault)
            else:
                added[name] = text.reveal() if isinstance(text, Secret) else text
    return Headers(added.items()).merged(headers)


def _emit(context: ClientContext, kind: str, **details: object) -> None:
    event = _event_class(kind)(at_s=context.backend.now(), **details)
    for observer in context.observers:
        try:
            observer(event)
        except Exception as fault:  # noqa: BLE001 - a foreign observer may raise anything
            # An observer's error must not turn a write that succeeded into a failure.
            log_plugin_error("an observer", fault)


@functools.cache
def _event_class(kind: str) -> Callable[..., Event]:
    from billingual import events  # noqa: PLC0415 - loaded when observers were given

    made: Callable[..., Event] = getattr(events, kind)
    return made


def _clamp_to_deadline(decision: object, left_s: float) -> RetryDecision:
    """Return a policy's decision, or a refusal where its wait would outlast the call."""
    if not isinstance(decision, RetryDecision):
        return RetryDecision(
            wait_s=None, why=f"the retry policy returned {type(decision).__name__}"
        )
    if decision.wait_s is None or 0 <= decision.wait_s < left_s:
        return decision
    return RetryDecision(
        wait_s=None,
        why=f"the retry policy asks to wait {decision.wait_s} s, the deadline is in {left_s:.1f} s",
    )


def is_unreadable_success(error: BillingualError, status: int | None) -> bool:
    """Tell whether the provider said yes in a response that could not be read.

    Args:
        error: what the attempt raised.
        status: that of the response; None where no whole response came.
    """
    if isinstance(error, TransportError):
        status = error.evidence.status
    elif isinstance(error, ProtocolError):
        # A success about another invoice may belong to another call; one in part is none.
        status = None if error.is_doubtful else status
    elif not isinstance(error, InternalError):
        return False
    return status is not None and 200 <= status <= 299


def _problems_of(value: object) -> Sequence[Problem]:
    """Return what could not be read of a model, or of several."""
    if isinstance(value, tuple):
        return tuple(problem for each in value for problem in getattr(each, "problems", ()))
    return getattr(value, "problems", ())


def plugin_error(owner: str, fault: Exception) -> InternalError:
    """Make the error for an exception that a plugin must not raise."""
    return InternalError(
        f"{owner} raised {type(fault).__name__}, which it must not; please report it to its author."
    )


def _transport_error(fault: Exception, request: WireRequest) -> InternalError:
    """Make the error for an exception that came out of a transport in the place of ours.

    What it says is shown, because most often a mock says it: the request meets no route of it.
    """
    from billingual.transports._failures import told  # noqa: PLC0415 - of a fault

    said = told(fault, request)
    what = f"{type(fault).__name__}: {said}" if said else type(fault).__name__
    sent = f"for {request.method} {request.route}"
    if isinstance(fault, AssertionError):
        return InternalError(f"an assertion failed in the transport {sent}: {what.rstrip('.!')}.")
    return InternalError(
        f"the transport raised what it must not {sent}: {what.rstrip('.')}; please report it to "
        "its author."
    )


def log_plugin_error(owner: str, fault: Exception) -> None:
    """Log a plugin's exception that must not reach the caller; raise one that interrupts it."""
    if is_from_signal_handler(fault):
        raise fault
    _log().error("%s raised; it was ignored", owner, exc_info=fault)


def _log() -> Logger:
    import logging  # noqa: PLC0415 - few calls log

    return logging.getLogger("billingual")
