"""The desk: one operation from the caller's word to the provider's, and back.

:class:`Desk` opens a conversation with the dialect that has the operation, and for each request it
yields runs the one loop there is: wait, sign, send, check. Only that repeats. What a write's
attempts mean together is pronounced here, once: a definite answer, or ``OutcomeUnknown``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, TypeVar

import attrs

from billingual._version import __version__
from billingual.auth import BearerAuth, struck_out
from billingual.capabilities import Capabilities, Feature
from billingual.driver import Driver
from billingual.drivers.blocking import lacks_a_loop
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConfigurationError,
    DeadlineExceededError,
    InternalError,
    LockedError,
    OutcomeUnknown,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from billingual.events import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    RetryPlanned,
)
from billingual.outcome import Attempt, Evidence, Outcome
from billingual.policy.backoff import retry_after_s
from billingual.policy.driving import attempt_until
from billingual.policy.outcome import classify, verdict
from billingual.protocol import (
    Decision,
    Dialect,
    Observer,
    RetryPolicy,
    Transport,
)
from billingual.wire import (
    Bounds,
    Conversation,
    Deadline,
    Headers,
    Timeouts,
    WireRequest,
    WireResponse,
)

__all__ = ["Desk"]

T = TypeVar("T")

FIRST: Final = "the first attempt"
HEADERS: Final = (
    ("User-Agent", f"billingual/{__version__}"),
    ("Accept-Encoding", "gzip, deflate"),
)


@attrs.define
class Wire:
    """A transport as the clients that share it see it: open or closed.

    A transport may have a method ``drop()``, which closes idle connections from any thread without
    waiting and returns how many there were. It is called when nobody can close the wire any more.

    Attributes:
        transport: what moves requests.
        owned: whether it is ours to close.
        awaited: whether its clients are awaited.
        client: the first client in words, for a warning.
        closed: whether it was closed.
    """

    transport: Transport
    owned: bool
    awaited: bool = True
    client: str = ""
    closed: bool = False

    async def aclose(self) -> None:
        """Close the transport if it is ours."""
        self.closed = True
        if self.owned:
            await self.transport.aclose()

    def __del__(self) -> None:
        drop = getattr(self.transport, "drop", None)
        if self.closed or not self.owned or drop is None or sys.is_finalizing():
            return
        dropped = 0
        with suppress(Exception):
            dropped = drop()
        if dropped:
            name, cure = "AsyncClient", '"async with", or await its aclose()'
            if not self.awaited:
                name, cure = "Client", '"with", or call its close()'
            warnings.warn(
                f"unclosed {self.client.replace('AsyncClient', name, 1)}: its {dropped} idle "
                f"connection(s) are closed now; use it in {cure}.",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


@attrs.frozen(kw_only=True)
class Desk:
    """All that a client's calls share; siblings of a client differ in a field or two."""

    provider: str
    base_url: str
    dialects: tuple[Dialect, ...]
    capabilities: Capabilities
    wire: Wire
    driver: Driver
    auth: BearerAuth
    policy: RetryPolicy
    timeouts: Timeouts
    deadline_s: float
    observers: tuple[Observer, ...]
    calls: Iterator[int] = attrs.field(repr=False, eq=False)

    def dialect(self, feature: Feature) -> Dialect:
        """Return the dialect that carries the operation out.

        Raises:
            UnsupportedError: if none does.
        """
        self.capabilities.require(feature)
        return next(each for each in self.dialects if each.capabilities.supports(feature))

    async def converse(
        self, feature: Feature, dialect: Dialect, conversation: Conversation[T]
    ) -> T:
        """Run one operation to its end.

        Raises:
            UsageError: if something is wrong before anything is sent.
            OutcomeUnknown: if a write may or may not have happened.
            BillingualError: if the operation failed and nothing is unclear.
        """
        call = _Call(desk=self, feature=feature, dialect=dialect, number=next(self.calls))
        try:
            return await call.run(conversation)
        finally:
            conversation.close()


@attrs.define(kw_only=True)
class _Call:
    """One operation under way."""

    desk: Desk
    feature: Feature
    dialect: Dialect
    number: int
    deadline: Deadline = attrs.field(init=False)
    attempts: list[Attempt] = attrs.field(factory=list)
    wait_s: float = 0.0
    why: str = FIRST

    def __attrs_post_init__(self) -> None:
        now = self.desk.driver.now
        self.deadline = Deadline(now() + self.desk.deadline_s, now)

    async def run(self, conversation: Conversation[T]) -> T:
        try:
            request = next(conversation)
        except StopIteration as done:
            value: T = done.value
            return value
        self._tell(CallStarted, provider=self.desk.provider, operation=self.feature.value)
        try:
            result = await self._exchange_all(conversation, request)
        except BillingualError as error:
            outcome = Outcome.UNKNOWN if error.maybe_applied else verdict(self.attempts)
            self._tell(CallEnded, outcome=outcome, error=type(error).__name__)
            raise
        except BaseException as error:
            # Cancelled, say: whatever was in flight, nobody saw its end.
            self._tell(CallEnded, outcome=Outcome.UNKNOWN, error=type(error).__name__)
            raise
        self._tell(CallEnded, outcome=Outcome.COMMITTED, error=None)
        return result

    async def _exchange_all(self, conversation: Conversation[T], request: WireRequest) -> T:
        while True:
            self.attempts, self.wait_s, self.why = [], 0.0, FIRST
            response = await self._deliver(request)
            try:
                request = conversation.send(response)
            except StopIteration as done:
                value: T = done.value
                return value
            except BillingualError as error:
                error.attempts = tuple(self.attempts)
                if request.safety.writes and classify(error) is Outcome.UNKNOWN:
                    raise self._unclear(request, error, likely="applied") from error
                raise
            except Exception as fault:
                ours = _fault(f"the dialect {self.dialect.name!r}", fault)
                ours.attempts = tuple(self.attempts)
                if request.safety.writes:
                    raise self._unclear(request, ours, likely="applied") from fault
                raise ours from fault

    async def _deliver(self, request: WireRequest) -> WireResponse:
        """Wait, sign, send, check; again where the policy says so."""

        def decide(error: BillingualError) -> Decision:
            return self._decide(request, error)

        try:
            return await attempt_until(
                lambda: self._attempt(request), decide=decide, sleep=self.desk.driver.sleep
            )
        except BillingualError as error:
            error.attempts = tuple(self.attempts)
            if request.safety.writes and verdict(self.attempts) is Outcome.UNKNOWN:
                said_yes = isinstance(error, ProtocolError) and 200 <= error.status <= 299
                likely = "applied" if said_yes else "unclear"
                raise self._unclear(request, error, likely=likely) from error
            raise

    async def _attempt(self, request: WireRequest) -> WireResponse:
        number = len(self.attempts) + 1
        desk = self.desk
        self._tell(AttemptStarted, number=number, method=request.method, route=request.route)
        try:
            if desk.wire.closed:
                raise ClosedError("this client is closed; make a new one.")
            signature = await self._sign()
            if self.deadline.left() <= 0:
                raise DeadlineExceededError(
                    f"the deadline of {desk.deadline_s:g} s passed before attempt {number} was "
                    "sent; give the call more time with with_options(deadline=...)."
                )
            response = await self._send(request.addressed(desk.base_url, (*HEADERS, *signature)))
            response = struck_out(response, signature)
            self._check(request, response)
        except BillingualError as error:
            self._note(number, classify(error), error)
            raise
        self._note(number, Outcome.COMMITTED, None, status=response.status)
        return response

    async def _sign(self) -> Headers:
        try:
            return await self.desk.auth.sign()
        except (InternalError, RuntimeError) as fault:
            if not self.desk.driver.blocks or not (
                isinstance(fault, InternalError) or lacks_a_loop(fault)
            ):
                raise
            raise ConfigurationError(
                "the token function waits on an event loop, and Client blocks the thread; give a "
                'plain function, use AsyncClient, or driver="portal". Nothing was sent.'
            ) from fault

    async def _send(self, request: WireRequest) -> WireResponse:
        bounds = Bounds(timeouts=self.desk.timeouts, deadline=self.deadline)
        try:
            return await self.desk.wire.transport.send(request, bounds)
        except BillingualError:
            raise
        except Exception as fault:  # noqa: BLE001 - a foreign transport may raise anything
            error = _fault("the transport", fault)
        # Raised out here, so that no frame of the fault's, with its headers, hangs on the error.
        raise error

    def _check(self, request: WireRequest, response: WireResponse) -> None:
        try:
            self.dialect.check(request, response)
        except BillingualError:
            raise
        except Exception as fault:
            raise _fault(f"the dialect {self.dialect.name!r}", fault) from fault

    def _note(
        self,
        number: int,
        outcome: Outcome,
        error: BillingualError | None,
        status: int | None = None,
    ) -> None:
        evidence = Evidence(connected=True, request_complete=True, answer_begun=True)
        exchange = error.exchange if isinstance(error, (ProviderError, LockedError)) else None
        if isinstance(error, TransportError):
            evidence = error.evidence
        elif isinstance(error, InternalError):
            evidence = Evidence()
        elif exchange is not None:
            status = exchange.status
        elif error is not None:
            evidence = Evidence(connected=False, request_complete=False, answer_begun=False)
        attempt = Attempt(
            number=number,
            outcome=outcome,
            evidence=evidence,
            status=status,
            error=None if error is None else type(error).__name__,
            waited_s=self.wait_s,
            why=self.why,
        )
        self.attempts.append(attempt)
        self._tell(AttemptEnded, attempt=attempt)

    def _decide(self, request: WireRequest, error: BillingualError) -> Decision:
        driver = self.desk.driver
        if isinstance(error, (RateLimitedError, ServerError)):
            said = error.exchange.headers.get("retry-after")
            error.retry_after = retry_after_s(said, driver.wall())
        decision = self.desk.policy.decide(
            self.attempts,
            error=error,
            safety=request.safety,
            left_s=self.deadline.left(),
            random=driver.random,
        )
        self.why = decision.why
        if decision.wait_s is None:
            error.add_note(f"not tried again: {decision.why}")
            return decision
        self.wait_s = decision.wait_s
        self._tell(RetryPlanned, wait_s=decision.wait_s, why=decision.why)
        return decision

    def _unclear(
        self, request: WireRequest, error: BillingualError, *, likely: str
    ) -> OutcomeUnknown:
        # The advice of the error beneath is for failures; here there is only one.
        told = error.told if isinstance(error, ProviderError) else str(error)
        unknown = OutcomeUnknown(
            f"{self.desk.provider} may or may not have carried out {self.feature.value} "
            f"({request.method} {request.route}): {told.rstrip('.')}. Do not simply send it "
            "again: look at the provider first.",
            provider=self.desk.provider,
            operation=self.feature.value,
            request=request,
            likely=likely,
            exchange=error.exchange if isinstance(error, ProviderError) else None,
        )
        unknown.attempts = tuple(self.attempts)
        return unknown

    def _tell(self, kind: Callable[..., Event], **details: object) -> None:
        """Make an event and hand it out, only where somebody listens."""
        if not self.desk.observers:
            return
        event = kind(call=self.number, at_s=self.desk.driver.now(), **details)
        for observer in self.desk.observers:
            try:
                observer(event)
            except Exception:
                # A listener's fault must not turn a write that succeeded into an error.
                import logging  # noqa: PLC0415 - nothing else here logs

                logging.getLogger("billingual").exception("an observer raised; it was ignored")


def _fault(whose: str, fault: Exception) -> InternalError:
    return InternalError(
        f"{whose} raised {type(fault).__name__}, which it must not; please report it to its author."
    )
