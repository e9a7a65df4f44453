"""Faults that a test plans while it runs: the next request of an operation meets one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import attrs

from billingual.abc import Account, Backend, Transport, TransportOptions
from billingual.capabilities import Feature
from billingual.errors import ConfigurationError
from billingual.testing.fault_catalogue import CATALOGUE, Fault
from billingual.testing.faults import FaultTransport, Plan
from billingual.transports._part import TransportLike, make_part
from billingual.wire import WireRequest

__all__ = ["PlannedFaults"]

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
        part = make_part(self._transport, options)
        made = _Planned(part, self._take, backend=options.backend, account=self._account)
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
            ConfigurationError: if there is no such fault or operation, or *times* is below 1.
        """
        if isinstance(fault, str):
            if fault not in CATALOGUE:
                raise ConfigurationError(
                    f"there is no fault named {fault!r}; there are: {', '.join(CATALOGUE)}."
                )
            fault = CATALOGUE[fault]
        if isinstance(of, str) and of not in _OPERATIONS:
            raise ConfigurationError(
                f"there is no operation {of!r}; there are: {', '.join(_OPERATIONS)}."
            )
        if type(times) is not int or times < 1:
            raise ConfigurationError(f"times={times!r} is no number of requests; give 1 or more.")
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
