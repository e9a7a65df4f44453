"""A transport that fails on purpose, at the moments that matter, with true evidence.

``transport=fault(["refused", None, "response_lost"], "sandbox")``: no connection is made
for the first request, the second passes, and the response to the third is lost after the server has
acted. A fault is data: how often the server gets the request, how long its response takes, and what
the client sees. :data:`CATALOGUE` names the usual ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import attrs

from billingual.abc import Account, Backend, Transport, TransportFactory, TransportOptions
from billingual.errors import ConfigurationError, TimedOutError, TransportError
from billingual.outcomes import Evidence
from billingual.testing.fault_catalogue import CATALOGUE, Fault
from billingual.transports._part import Part, TransportLike, make_part
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["CATALOGUE", "Fault", "FaultTransport", "Plan", "fault"]

Plan: TypeAlias = "Sequence[Fault | str | None] | Callable[[int, WireRequest], Fault | str | None]"
"""The fault of each request: in order, or by a function of its number (from 1) and itself."""

_LATE: Final = Evidence(connected=True, request_complete=True, response_begun=False)


class FaultTransport:
    """Send through *inner*, with the faults of *plan*; safe for tasks and threads.

    A real failure of *inner* is passed on as it is: a fault that was to strike after it does not.

    Args:
        inner: the transport that sends; it stays the caller's to close.
        plan: faults or their names in the order of the requests, None for none; what comes after
            its end passes. Or a function of the request's number, counted from 1, and the request.
        backend: what waits, for faults that take time.

    Attributes:
        injected: number and name of each fault that struck, in order.

    Raises:
        ConfigurationError: if the plan names a fault that is not in the catalogue, or one that
            takes time and there is no backend.
    """

    def __init__(self, inner: Transport, plan: Plan, *, backend: Backend | None = None) -> None:
        self._inner = Part.of(inner)
        self._backend = backend
        self._numbers = itertools.count(1)
        self._plan = plan if callable(plan) else _in_order([self._named(each) for each in plan])
        self.injected: list[tuple[int, str]] = []
        self.supports: frozenset[str] = self._inner.supports

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* as often as its fault says, and end as it says.

        Raises:
            TransportError: if the fault is one, or *inner* raised it.
        """
        number = next(self._numbers)
        fault = self._named(self._plan(number, request))
        if fault is None:
            return await self._inner.send(request, bounds)
        responses = await self._deliveries(fault, request, bounds)
        self.injected.append((number, fault.name))
        if fault.delay_s:
            await self._wait(fault, bounds)
        if fault.error is not None:
            raise fault.error(f"a planned fault: {fault.what}.", evidence=fault.evidence)
        return _altered(responses[: fault.answered_by + 1][-1] if responses else None, fault)

    async def aclose(self) -> None:
        """Close the inner transport if it was made for this one."""
        await self._inner.aclose()

    def drop(self) -> int:
        """Pass it on."""
        return self._inner.drop()

    def account(self, provider: str) -> Account | None:
        """Pass the question on."""
        return self._inner.account(provider)

    async def _deliveries(
        self, fault: Fault, request: WireRequest, bounds: Bounds
    ) -> list[WireResponse]:
        responses: list[WireResponse] = []
        for _ in range(fault.deliveries):
            try:
                responses.append(await self._inner.send(request, bounds))
            except TransportError:
                # The client knows of one delivery; how a second one failed would mislead it.
                if not responses:
                    raise
        return responses

    def _named(self, fault: Fault | str | None) -> Fault | None:
        if isinstance(fault, str):
            if fault not in CATALOGUE:
                raise ConfigurationError(
                    f"there is no fault named {fault!r}; there are: {', '.join(CATALOGUE)}."
                )
            fault = CATALOGUE[fault]
        if fault is not None and fault.delay_s and self._backend is None:
            raise ConfigurationError(
                f"the fault {fault.name!r} takes time, and nothing here can wait; give "
                "FaultTransport(..., backend=...), or pass the client transport=fault(...)."
            )
        return fault

    async def _wait(self, fault: Fault, bounds: Bounds) -> None:
        """Wait as long as the fault says, or until the caller's patience ends."""
        assert self._backend is not None  # noqa: S101 - checked when the fault was named
        patience_s = bounds.phase(bounds.timeouts.read)
        await self._backend.sleep(min(fault.delay_s, patience_s))
        if fault.delay_s > patience_s:
            raise TimedOutError(f"a planned fault: {fault.what}.", evidence=_LATE)


def fault(plan: Plan, transport: TransportLike = "httpx") -> TransportFactory:
    """Return a factory of a transport that applies the faults of *plan* to what is sent.

    Args:
        plan: see :class:`FaultTransport`.
        transport: what sends: a name, a transport (which stays the caller's to close) or a
            factory. Default ``"httpx"``.
    """

    def make(options: TransportOptions) -> FaultTransport:
        return FaultTransport(make_part(transport, options), plan, backend=options.backend)

    return make


def _in_order(faults: list[Fault | None]) -> Callable[[int, WireRequest], Fault | None]:
    def nth(number: int, request: WireRequest) -> Fault | None:  # noqa: ARG001 - a plan's signature
        return faults[number - 1] if number <= len(faults) else None

    return nth


def _altered(response: WireResponse | None, fault: Fault) -> WireResponse:
    response = response or WireResponse(status=200)
    body = response.body if fault.body is None else fault.body
    if fault.kept is not None:
        # Never the whole of it: a cut that cuts nothing is no fault.
        body = body[: min(int(len(body) * fault.kept), max(len(body) - 1, 0))]
    return attrs.evolve(
        response,
        status=fault.status or response.status,
        headers=response.headers if fault.headers is None else Headers(fault.headers),
        body=body,
    )
