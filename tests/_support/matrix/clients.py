"""Both clients over a transport that fails as the matrix says, on a clock that never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import groupby
from typing import Any, Final

import attrs

from _support.matrix.calls import CALLS, Scene, options_of
from _support.matrix.responses import Reply, Responses
from _support.matrix.table import Cell, Step
from billingual import AsyncClient, Client, errors
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.events import AttemptEnded, CallEnded, CallStarted, Event
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Plan", "Ran", "failure_of", "run_blocking", "run_on_asyncio", "told"]

WALL: Final = 1_800_000_000.0
JSON: Final = ("Content-Type", "application/json")


class Clock:
    """A clock that moves when the code under test sleeps, and a chance that is always one half."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return WALL + self.seconds

    def random(self) -> float:
        return 0.5


class OnAsyncio(Clock, AnyioBackend):
    """Wait by letting the loop turn once."""

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Stepping(Clock, SyncBackend):
    """Wait without suspending."""

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@attrs.define
class Plan:
    """How the requests of one cell end, and how many there were.

    Attributes:
        steps: how one delivery of the operation after another ends.
        responses: the provider.
        sends: deliveries of the operation.
        reads: its own reads after them.
        begun: whether the fault strikes; until then reads succeed and writes end unclear.
        altered: whether a delivery differed from the one before it.
        safety: what the operation says a second delivery would do.
    """

    steps: Iterator[Step]
    responses: Responses
    sends: int = 0
    reads: int = 0
    begun: bool = False
    altered: bool = False
    safety: str = ""
    _operation: tuple[str, str] | None = None
    _body: bytes | None = None

    def begin(self) -> None:
        """Let the fault strike."""
        self.begun = True

    def meet(self, method: str, url: str, body: bytes | None) -> Step | Reply:
        """Say what a request meets: an end of the matrix, or a plain response."""
        if not self.begun:
            if method == "GET":
                return self.responses.good(method, url, body)
            return Reply(500, self.responses.complaint(500))
        if self._operation is None:
            self._operation, self._body = (method, url), body
        if self._operation == (method, url):
            self.sends += 1
            self.altered = self.altered or body != self._body
            return next(self.steps)
        self.reads += 1
        if self.responses.status == "unreadable":
            return Reply(503, self.responses.complaint(503))
        return self.responses.good(method, url, body)

    def reply(self, end: Step, method: str, url: str, body: bytes | None) -> Reply:
        """Make the response of an end that has a status."""
        if end.ends == "committed":
            return self.responses.good(method, url, body)
        assert end.status is not None
        if end.says:
            return Reply(end.status, self.responses.unwell(method, url, body, end.says))
        return Reply(end.status, self.responses.complaint(end.status))


@attrs.define
class PlannedWire:
    """A transport that meets each request as its plan says."""

    plan: Plan
    backend: Any

    supports: Final = frozenset({"async", "sync"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Response, or fail with the evidence of the matrix."""
        met = self.plan.meet(request.method, request.url, request.body)
        if self.plan.begun and not self.plan.reads:
            self.plan.safety = request.safety.value
        # One turn of the loop at least, as on a wire.
        await self.backend.sleep(0)
        if isinstance(met, Reply):
            return WireResponse(status=met.status, headers=Headers([JSON]), body=met.body)
        if met.takes:
            await self.backend.sleep(min(met.takes, bounds.deadline.left()))
        if met.status is not None or met.ends == "committed":
            reply = self.plan.reply(met, request.method, request.url, request.body)
            headers = Headers([JSON, *headers_of(met)])
            return WireResponse(status=reply.status, headers=headers, body=reply.body)
        raise failure_of(met)

    async def aclose(self) -> None:
        """Do nothing."""

    def account(self, provider: str) -> None:
        """Bring none."""


def failure_of(end: Step) -> Exception:
    """Make the exception of an end that has no status, with the evidence of the matrix."""
    if end.seen is None:
        return ValueError("an exception that no transport should let out")
    connected, complete, begun = end.seen
    evidence = Evidence(
        connected=connected, request_complete=complete, response_begun=begun, status=end.head
    )
    kind: type[errors.TransportError] = getattr(errors, end.raises)
    return kind("as planned.", evidence=evidence)


def headers_of(met: Step) -> list[tuple[str, str]]:
    """List the header fields that an end brings."""
    if met.asks_until is not None:
        moment = datetime.fromtimestamp(WALL + met.asks_until, UTC)
        return [("Retry-After", format_datetime(moment, usegmt=True))]
    if met.asks is not None:
        return [("Retry-After", str(met.asks))]
    if met.status is not None and 300 <= met.status <= 399:
        return [("Location", "https://elsewhere.example/")]
    return []


@attrs.frozen
class Ran:
    """What one cell did, in the words of the matrix, and how many requests went out."""

    cell: Cell
    policy: str
    told: str
    requests: int


def run_on_asyncio(cells: Iterable[tuple[Cell, str]]) -> list[Ran]:
    """Run cells through the awaited client, on one event loop."""

    async def run_all() -> list[Ran]:
        return [await _run(cell, policy, AsyncClient, OnAsyncio()) for cell, policy in cells]

    return asyncio.run(run_all())


def run_blocking(cells: Iterable[tuple[Cell, str]]) -> list[Ran]:
    """Run cells through the blocking client."""
    return [step(_run(cell, policy, Client, Stepping())) for cell, policy in cells]


async def _run(cell: Cell, policy: str, kind: type[Any], backend: Any) -> Ran:
    responses = Responses(cell.dialect)
    plan = Plan(cell.steps(), responses)
    events: list[Event] = []
    client = kind(
        **options_of(cell.dialect),
        base_url="https://provider.example",
        transport=PlannedWire(plan, backend),
        retry=policy,
        backend=backend,
        observers=[events.append],
    )

    def begin() -> None:
        plan.begin()
        events.clear()

    scene = Scene(client=client, responses=responses, begin=begin, dialect=cell.dialect)
    end: str | errors.BillingualError
    try:
        end = await CALLS[cell.operation](scene)
    except errors.BillingualError as error:
        end = error
    if not plan.begun:
        events.clear()
    said = told(end, plan, events)
    if plan.safety not in {"", cell.safety}:
        said += f" (sent as {plan.safety})"
    return Ran(cell, policy, said, plan.sends + plan.reads)


def told(end: str | errors.BillingualError, plan: Plan, events: list[Event]) -> str:
    """Say what happened in the words of a cell."""
    requests = f"{plan.sends}+{plan.reads}" if plan.reads else str(plan.sends)
    if plan.altered:
        requests += " with another body"
    said = f"{requests} {_end(end)}"
    began = next((each for each in events if isinstance(each, CallStarted)), None)
    if began is None:
        return said
    mine = [each for each in events if each.call == began.call]
    (ended,) = (each for each in mine if isinstance(each, CallEnded))
    classes = [each.attempt.outcome.value for each in mine if isinstance(each, AttemptEnded)]
    if isinstance(end, errors.BillingualError):
        kept = [each.outcome.value for each in end.attempts]
        if kept != classes:
            said += f" (which tells of {kept})"
    runs = [(name, len(list(run))) for name, run in groupby(classes)]
    listed = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in runs)
    return f"{said} {ended.at_s - began.at_s:.2f}s: {listed} = {ended.outcome.value}"


def _end(end: str | errors.BillingualError) -> str:
    if isinstance(end, str):
        return end
    name = type(end).__name__
    if isinstance(end, errors.OutcomeUnknown):
        name = f"{name}({type(end.__cause__).__name__})"
        flag = "likely" if end.likely == "applied" else "maybe"
        return f"{name} {flag}" if end.maybe_applied else f"{name} not applied"
    return f"{name} maybe" if end.maybe_applied else name
