"""One operation from the caller's word to the provider's, and back.

:func:`converse` opens a conversation with the dialect that has the operation, and for each request
it yields runs the one loop there is: wait, sign, send, check. Only that repeats. What a write's
attempts mean together is pronounced here, once: a definite answer, or ``OutcomeUnknown``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import attrs

from billingual._context import HEADERS, ClientContext
from billingual.abc import Decision, Dialect
from billingual.auth import struck_out
from billingual.capabilities import Feature
from billingual.endings import fault_of, ignored, said_yes, unclear_end
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConfigurationError,
    DeadlineExceededError,
    InternalError,
    OutcomeUnknown,
    RateLimitedError,
    ServerError,
    UsageError,
)
from billingual.outcomes import Attempt, Outcome
from billingual.retry.backoff import asked_wait_s
from billingual.retry.classify import classify, refused_resend, seen, verdict
from billingual.retry.driving import attempt_until, held_to
from billingual.wire import Bounds, Conversation, Deadline, Headers, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.events import Event
    from billingual.intent import Intent

__all__ = ["Received", "converse"]

T = TypeVar("T")

Received: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited when a response has come in, before it is read; prefetching sends other requests then."""

FIRST: Final = "the first attempt"
SPENT: Final = "the retry budget of this host and credential is used up: too many calls fail"


async def converse(
    context: ClientContext,
    feature: Feature,
    dialect: Dialect,
    conversation: Conversation[T],
    *,
    intent: Intent | None = None,
    deadline: Deadline | None = None,
    key: str | None = None,
    received: Received | None = None,
) -> T:
    """Run one operation to its end.

    Args:
        context: what the client's calls share.
        feature: the operation.
        dialect: the one that has it.
        conversation: the dialect's, not begun.
        intent: what a write means, for whoever has to find out its end later.
        deadline: the end of a larger operation that this one is a part of.
        key: the caller's idempotency key for the first request; None for a fresh one.
        received: awaited after each response, before it is read.

    Raises:
        UsageError: if something is wrong before anything is sent.
        OutcomeUnknown: if a write may or may not have happened.
        BillingualError: if the operation failed and nothing is unclear.
    """
    call = _Call(
        context=context,
        feature=feature,
        dialect=dialect,
        number=next(context.calls),
        intent=intent,
        deadline=context.deadline() if deadline is None else deadline,
        key=key,
        received=received,
    )
    try:
        return await call.run(conversation)
    finally:
        conversation.close()


@attrs.define(kw_only=True, eq=False, repr=False)
class _Call:
    """One operation under way."""

    context: ClientContext
    feature: Feature
    dialect: Dialect
    number: int
    intent: Intent | None
    deadline: Deadline
    attempts: list[Attempt] = attrs.field(factory=list)
    wait_s: float = 0.0
    why: str = FIRST
    sent_at: float = 0.0
    in_flight: bool = False
    key: str | None = None
    keyed: int = 0
    acted: bool = False
    status: int | None = None
    received: Received | None = None

    async def run(self, conversation: Conversation[T]) -> T:
        try:
            request = next(conversation)
        except StopIteration as done:
            value: T = done.value
            return value
        if self.context.observers:
            self._tell("CallStarted", provider=self.context.provider, operation=self.feature.value)
        try:
            result = await self._exchange_all(conversation, request)
        except BillingualError as error:
            outcome = Outcome.UNKNOWN if error.maybe_applied else verdict(self.attempts)
            self._tell("CallEnded", outcome=outcome, error=type(error).__name__)
            raise
        except BaseException as error:
            # Cancelled, say: what was in flight, or half read, or a part of it, may have been done.
            unclear = self.in_flight or self.acted
            outcome = Outcome.UNKNOWN if unclear else verdict(self.attempts)
            self._tell("CallEnded", outcome=outcome, error=type(error).__name__)
            raise
        self._tell("CallEnded", outcome=Outcome.COMMITTED, error=None)
        return result

    async def _exchange_all(self, conversation: Conversation[T], request: WireRequest) -> T:
        while True:
            self.attempts, self.wait_s, self.why = [], 0.0, FIRST
            if request.key_header is not None:
                request = request.keyed(self._next_key())
            received = await self._deliver(request)
            ended = False
            try:
                following = conversation.send(received)
            except StopIteration as done:
                # What is raised in here would carry the value along, and be logged with it.
                value: T = done.value
                ended = True
            except BillingualError as error:
                self._misread(error)
                error.attempts = tuple(self.attempts)
                if self.acted or (request.safety.writes and classify(error) is Outcome.UNKNOWN):
                    raise self._unclear(request, error, likely="applied") from error
                raise
            except Exception as fault:
                ours = fault_of(f"the dialect {self.dialect.name!r}", fault)
                self._misread(ours)
                ours.attempts = tuple(self.attempts)
                if self.acted or request.safety.writes:
                    raise self._unclear(request, ours, likely="applied") from fault
                raise ours from fault
            self._understood()
            if ended:
                return value
            self.acted = self.acted or request.safety.writes
            request = following

    def _next_key(self) -> str:
        """Return a key for each request of the operation, all of them made from one.

        Whoever repeats an operation with its key repeats all of its requests with theirs.
        """
        import hashlib  # noqa: PLC0415 - few providers take keys

        self.key = self.key or self.context.backend.fresh_key()
        self.keyed += 1
        if self.keyed == 1:
            return self.key
        # No key holds a space, so nobody's own key can be what is hashed here.
        return hashlib.sha256(f"{self.key} {self.keyed}".encode()).hexdigest()

    def _understood(self) -> None:
        self._learn_from(None)
        self.in_flight = False
        if self.context.observers:
            number = len(self.attempts) + 1
            self._note(number, Outcome.COMMITTED, None, status=self.status)

    def _misread(self, error: BillingualError) -> None:
        self._learn_from(error)
        self._note(len(self.attempts) + 1, classify(error), error)

    async def _deliver(self, request: WireRequest) -> object:
        """Wait, sign, send, read; again where the policy says so."""

        def decide(error: BillingualError) -> Decision:
            return self._decide(request, error)

        try:
            return await attempt_until(
                lambda: self._attempt(request), decide=decide, sleep=self.context.backend.sleep
            )
        except BillingualError as error:
            error.attempts = tuple(self.attempts)
            unclear = verdict(self.attempts, request.safety) is Outcome.UNKNOWN
            # Where an earlier request of the operation was carried out, nothing is a mere failure.
            if self.acted or (request.safety.writes and unclear):
                likely = "applied" if self.acted or said_yes(error) else "unclear"
                raise self._unclear(request, error, likely=likely) from error
            raise
        except Exception as foreign:
            # A token function's own. But what was sent before it may have been acted on.
            if self.acted or (
                request.safety.writes and verdict(self.attempts, request.safety) is Outcome.UNKNOWN
            ):
                likely = "applied" if self.acted else "unclear"
                kept = BillingualError(f"{type(foreign).__name__} kept it from being sent again.")
                raise self._unclear(request, kept, likely=likely) from foreign
            raise

    async def _attempt(self, request: WireRequest) -> object:
        number = len(self.attempts) + 1
        if self.context.observers:
            self._tell("AttemptStarted", number=number, method=request.method, route=request.route)
        try:
            signature = await self._made_ready(number)
            self.in_flight = True
            response = await self._send(
                request.addressed(self.context.base_url, (*HEADERS, *signature)), signature
            )
            self.status = response.status
            if self.received is not None:
                await self.received()
            received = self._read(request, response)
        except BillingualError as error:
            self._learn_from(error)
            first = self.dialect.capabilities.rate_limit_precedes_handler
            self._note(number, classify(error, rate_limit_precedes_handler=first), error)
            raise
        except Exception as foreign:
            # A token function's own: it goes up as it is, and nothing was sent.
            self._note(number, Outcome.NOT_SENT, foreign)
            raise
        return received

    async def _made_ready(self, number: int) -> Headers:
        """Wait for this attempt's turn and sign it."""
        context = self.context
        if context.wire.closed:
            raise ClosedError("this client is closed; make a new one.")
        if context.admit is not None:
            context.admit(context.backend.now())
        if context.pace.engaged:
            await context.pace.enter(context.backend, self.deadline)
        signature = await self._sign()
        if context.pace.engaged and context.pace.is_paused(context.backend.now()):
            # A token function took its time, and the provider complained meanwhile.
            await context.pace.enter(context.backend, self.deadline)
        if self.deadline.left() <= 0:
            raise DeadlineExceededError(
                f"the deadline of {context.deadline_s:g} s passed before attempt {number} was "
                "sent; give the call more time with with_options(deadline=...)."
            )
        self.sent_at = context.backend.now()
        return signature

    def _learn_from(self, error: BillingualError | None) -> None:
        """Let what all calls of the credential share know how an attempt ended."""
        context = self.context
        if error is None:
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
                # As with an observer: it must not take the end of a write away.
                ignored("a retry policy's note()", fault)

    async def _sign(self) -> Headers:
        try:
            return await self.context.auth.sign()
        except (InternalError, RuntimeError) as fault:
            if not self.context.backend.blocks:
                raise
            from billingual.backends.sync import lacks_a_loop  # noqa: PLC0415 - it is there

            if not (isinstance(fault, InternalError) or lacks_a_loop(fault)):
                raise
            raise ConfigurationError(
                "the token function waits on an event loop, and Client blocks the thread; give a "
                'plain function, use AsyncClient, or backend="portal". Nothing was sent.'
            ) from fault

    async def _send(self, request: WireRequest, signature: Headers) -> WireResponse:
        bounds = Bounds(timeouts=self.context.timeouts, deadline=self.deadline)
        error: BaseException
        try:
            response = await self.context.wire.transport.send(request, bounds)
            return struck_out(response, signature)
        except BillingualError as said:
            error = said
        except Exception as fault:  # noqa: BLE001 - a foreign transport may raise anything
            error = fault_of("the transport", fault)
        except BaseException as stop:  # noqa: BLE001 - cancelled or interrupted: it goes on below
            error = stop
        # Raised out here and bare, so that no frame of a library, with its headers, hangs on it.
        raise error.with_traceback(None)

    def _read(self, request: WireRequest, response: WireResponse) -> object:
        """Return what the conversation is sent: the value that *response* was read to."""
        try:
            if request.read is not None:
                return request.read(response)
            self.dialect.check(request, response)
        except BillingualError:
            raise
        except Exception as fault:
            raise fault_of(f"the dialect {self.dialect.name!r}", fault) from fault
        return response

    def _note(
        self,
        number: int,
        outcome: Outcome,
        error: Exception | None,
        status: int | None = None,
    ) -> None:
        evidence, answered = seen(error)
        attempt = Attempt(
            number=number,
            outcome=outcome,
            evidence=evidence,
            status=answered if status is None else status,
            error=None if error is None else type(error).__name__,
            waited_s=self.wait_s,
            why=self.why,
        )
        self.attempts.append(attempt)
        self.in_flight = False
        self._tell("AttemptEnded", attempt=attempt)

    def _decide(self, request: WireRequest, error: BillingualError) -> Decision:
        decision = self._asked_policy(request, error)
        if decision.wait_s is not None and not self.context.budget.spend(
            throttled=isinstance(error, RateLimitedError)
        ):
            decision = Decision(wait_s=None, why=SPENT)
        self.why = decision.why
        if decision.wait_s is None:
            error.stopped = decision.why
            if not isinstance(error, UsageError):
                error.add_note(f"not tried again: {decision.why}")
            return decision
        self.wait_s = decision.wait_s
        self._tell("RetryPlanned", wait_s=decision.wait_s, why=decision.why)
        return decision

    def _asked_policy(self, request: WireRequest, error: BillingualError) -> Decision:
        refusal = refused_resend(self.attempts, request.safety)
        if refusal:
            # No policy, whoever wrote it, may have an unclear write sent again.
            return Decision(wait_s=None, why=refusal)
        left_s = self.deadline.left()
        try:
            decision = self.context.policy.decide(
                self.attempts,
                error=error,
                safety=request.safety,
                left_s=left_s,
                random=self.context.backend.random,
            )
            return held_to(decision, left_s)
        except Exception as fault:  # noqa: BLE001 - a foreign policy may raise anything
            return Decision(wait_s=None, why=f"the retry policy raised {type(fault).__name__}")

    def _unclear(
        self, request: WireRequest, error: BillingualError, *, likely: str
    ) -> OutcomeUnknown:
        return unclear_end(
            self.context, self.feature, request, error,
            likely=likely, intent=self.intent, attempts=self.attempts,
        )  # fmt: skip

    def _tell(self, kind: str, **details: object) -> None:
        """Make an event and hand it out; where nobody listens, to nobody."""
        if not self.context.observers:
            return
        event = _maker(kind)(call=self.number, at_s=self.context.backend.now(), **details)
        for observer in self.context.observers:
            try:
                observer(event)
            except Exception as fault:  # noqa: BLE001 - a foreign observer may raise anything
                # A listener's fault must not turn a write that succeeded into an error.
                ignored("an observer", fault)


@functools.cache
def _maker(kind: str) -> Callable[..., Event]:
    from billingual import events  # noqa: PLC0415 - loaded when observers were given

    maker: Callable[..., Event] = getattr(events, kind)
    return maker
