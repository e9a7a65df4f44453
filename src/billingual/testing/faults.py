"""A transport that fails on purpose, at the moments that matter, with true evidence.

``transport=fault(["refused", None, "response_lost"], "sandbox")``: no connection is made
for the first request, the second passes, and the response to the third is lost after the server has
acted. A fault is data: how often the server gets the request, how long its response takes, and what
the client sees. :data:`CATALOGUE` names the usual ones.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias, cast

import attrs

from billingual.abc import Account, Backend, Transport, TransportFactory, TransportOptions
from billingual.capabilities import Feature
from billingual.errors import (
    ConfigurationError,
    TimedOutError,
    TransportError,
    UnknownNameError,
    shown,
)
from billingual.outcomes import Evidence
from billingual.testing.fault_catalogue import CATALOGUE, Fault
from billingual.transports._inner import InnerTransport, TransportLike, make_inner
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["CATALOGUE", "Fault", "FaultTransport", "Plan", "PlannedFaults", "fault"]

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
        UnknownNameError: if the plan names a fault that is not in the catalogue.
        ConfigurationError: if the plan is no list and no function, or has a fault that takes time
            and there is no backend.
    """

    def __init__(self, inner: Transport, plan: Plan, *, backend: Backend | None = None) -> None:
        self._inner = InnerTransport.of(inner)
        self._backend = backend
        self._numbers = itertools.count(1)
        self._plan = (
            plan if callable(plan) else _in_order([self._named(each) for each in _each(plan)])
        )
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
        if fault is None:
            return None
        fault = _fault_of(fault)
        if fault.delay_s and self._backend is None:
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
        return FaultTransport(make_inner(transport, options), plan, backend=options.backend)

    return make


def _each(plan: object) -> Iterable[Fault | str | None]:
    if isinstance(plan, str):
        raise ConfigurationError(
            f"a plan lists the fault of each request; give [{shown(plan)}] for the first one."
        )
    if isinstance(plan, Iterable) and not isinstance(plan, bytes):
        return plan
    raise ConfigurationError(
        f"{shown(plan)} is no plan of faults", "give a list of their names, or a function"
    )


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


_READS: Final = "read"
_WRITES: Final = "write"
_OPERATIONS: Final = (*(str(each) for each in Feature), _READS, _WRITES)
# What our dialects send, by method and the end of the route; first one wins.
_SENT_AS: Final = (
    ("POST", "/finalize", Feature.FINALIZE),
    ("POST", "/void", Feature.VOID),
    ("POST", "", Feature.CREATE),
    ("GET", "}", Feature.GET),
    ("GET", "", Feature.LIST),
    ("PUT", "/Invoice/Update", Feature.REPLACE),
    ("PUT", "}", Feature.UPDATE),
    ("PATCH", "}", Feature.UPDATE),
    ("PUT", "", Feature.UPDATE_MANY),
    ("DELETE", "", Feature.DELETE_MANY),
)


@attrs.define(eq=False)
class _Order:
    """One fault that is to come."""

    fault: Fault
    of: str | Callable[[WireRequest], bool] | None
    left: int

    def meets(self, request: WireRequest) -> bool:
        if callable(self.of):
            return self.of(request)
        if self.of is None:
            return True
        if self.of in {_READS, _WRITES}:
            return request.safety.writes is (self.of == _WRITES)
        return self.of == _operation_of(request)

    def __str__(self) -> str:
        of = f" of {getattr(self.of, '__name__', self.of)}" if self.of else ""
        return f"{self.fault.name!r} for the next request{of}, {self.left} to come"


def _fault_of(given: object) -> Fault:
    fault = CATALOGUE.get(given) if isinstance(given, str) else given
    if not isinstance(fault, Fault):
        raise UnknownNameError("fault", cast(str, given), CATALOGUE)
    return fault


class PlannedFaults:
    """Faults for requests to come, in the order in which a test plans them.

    It is also the function that makes the transports on which they strike::

        faults = PlannedFaults("sandbox")
        with Client("exante", transport=faults, retry="none") as invoices:
            faults.next("server_error_after_acting", of="update")

    A request meets at most one fault: the first that fits. Each attempt is a request, so a fault
    that the retry policy gets over is seen in :attr:`struck` only. Safe for tasks and threads.

    Args:
        transport: what sends: a name, a transport (which stays the caller's to close) or a
            function that makes one.
        account: the account of a provider by its name, where the transport is to have another than
            its own.
    """

    def __init__(
        self,
        transport: TransportLike,
        *,
        account: Callable[[str], Account | None] | None = None,
    ) -> None:
        self._transport = transport
        self._account = account
        self._orders: list[_Order] = []
        self._struck: list[tuple[str, str]] = []
        self._made: list[FaultTransport] = []
        self._lock = threading.Lock()

    def __call__(self, options: TransportOptions) -> FaultTransport:
        """Make a transport for a client; the client closes it."""
        inner = make_inner(self._transport, options)
        made = _Planned(inner, self._take, backend=options.backend, account=self._account)
        self._made.append(made)
        return made

    def next(
        self,
        fault: Fault | str,
        *,
        of: str | Callable[[WireRequest], bool] | None = None,
        times: int = 1,
    ) -> None:
        """Let the next request end in *fault*.

        Args:
            fault: a :class:`~billingual.testing.Fault`, or a name of
                :data:`~billingual.testing.CATALOGUE`, such as ``"server_error_after_acting"``.
            of: an operation (``"create" "get" "list" "update" "replace" "update_many"
                "delete_many" "finalize" "void"``), ``"read"`` or ``"write"``, or a function that
                tells whether it means a request. Default: any request. Operations are told by what
                the dialects of this package send; for another one give a function.
            times: how many requests in a row, at least 1. Default 1.

        Raises:
            UnknownNameError: if there is no such fault or operation.
            ConfigurationError: if *times* is below 1.
        """
        fault = _fault_of(fault)
        if isinstance(of, str) and of not in _OPERATIONS:
            raise UnknownNameError("operation", of, _OPERATIONS)
        if type(times) is not int or times < 1:
            raise ConfigurationError(
                f"times={shown(times)} is no number of requests; give 1 or more."
            )
        with self._lock:
            self._orders.append(_Order(fault, of, times))

    @property
    def pending(self) -> tuple[str, ...]:
        """The faults that no request met yet, as texts."""
        with self._lock:
            return tuple(str(each) for each in self._orders)

    @property
    def struck(self) -> tuple[tuple[str, str], ...]:
        """Operation and fault of each request that met one, in order."""
        with self._lock:
            return tuple(self._struck)

    def clear(self) -> None:
        """Forget the faults that are still to come."""
        with self._lock:
            self._orders.clear()

    def drop(self) -> int:
        """Close the idle connections of all transports it made; return how many there were."""
        return sum(each.drop() for each in self._made)

    def _take(self, _: int, request: WireRequest) -> Fault | None:
        with self._lock:
            for order in self._orders:
                if order.meets(request):
                    order.left -= 1
                    if not order.left:
                        self._orders.remove(order)
                    self._struck.append((_operation_of(request), order.fault.name))
                    return order.fault
        return None


class _Planned(FaultTransport):
    """A transport with planned faults, and perhaps an account of another place."""

    def __init__(
        self,
        inner: Transport,
        plan: Plan,
        *,
        backend: Backend,
        account: Callable[[str], Account | None] | None,
    ) -> None:
        super().__init__(inner, plan, backend=backend)
        self._other_account = account

    def account(self, provider: str) -> Account | None:
        """Return the account of the other place, or the inner transport's."""
        known = None if self._other_account is None else self._other_account(provider)
        return known or super().account(provider)


def _operation_of(request: WireRequest) -> str:
    """Name the operation that *request* belongs to, or its method and route."""
    for method, end, feature in _SENT_AS:
        if request.method == method and request.route.endswith(end):
            return str(feature)
    return f"{request.method} {request.route}"
