"""A pool of connections that each carry one request at a time, and a transport over one.

Why not the pool of the library: httpx's scans every connection for every request, so that it
collapses under concurrency, and it loses a slot for good when a request is cancelled at the wrong
moment (https://github.com/encode/httpcore/issues/1093). Here a connection whose exchange did not
end well is closed whole, so no broken state is met again. The connection used last is taken first:
few connections are kept, and those are warm. None is used again after ``options.keepalive_s``, or
after the time that its server announced: the server may be closing it just then, and it would stay
unclear what became of the request.

A connection belongs to an *execution scope*: a process and, where there is one, an event loop.
After a fork the child keeps the parent's connections untouched: to use them would mix up
responses, and to close them could end the parent's TLS sessions. On another loop the pool starts
afresh.

A loop that ends takes its idle connections with it: an async generator waits for that, because
``asyncio.run`` and trio finish those before the loop closes. Afterwards no public API could close
them, and Python would report them as leaked.
"""

from __future__ import annotations

import abc
import functools
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

from billingual.abc import Account, ExecutionScope, Slots, TransportOptions
from billingual.errors import BillingualError, PoolTimeoutError
from billingual.transports._failures import NOTHING
from billingual.wire import Bounds, Headers, WireResponse

__all__ = ["Connection", "Pool", "PooledTransport", "forget_frames"]


class Connection(Protocol):
    """One connection to a server, or the means to open one with the first request.

    It may have an attribute ``waits_to_close``: true if dropping it starts tasks on its event loop,
    so that a loop which ends must wait for ``aclose`` instead.
    """

    async def aclose(self) -> None:
        """Close it."""
        ...

    def drop(self, scope: ExecutionScope) -> bool:
        """Close it without waiting, from outside its *scope*; False if it was not open."""
        ...


C = TypeVar("C", bound=Connection)

# Source: https://www.rfc-editor.org/rfc/rfc2068#section-19.7.1.1; Apache and Node.js send it.
_ANNOUNCED: Final = r"(?i)\b(timeout|max)\s*=\s*\"?(\d{1,9})"
# The server counts from when it sent the response, and our next request takes time to arrive.
_MARGIN_S: Final = 1.0

# What a child inherited is never touched again, not even by the garbage collector.
_INHERITED: Final[list[object]] = []


class _Local(Generic[C]):
    """The connections of one execution scope.

    Attributes:
        scope: which one.
        slots: limits how many are in use.
        idle: those that are not, each with the time until which it may be used.
        closed: whether those in use are closed when they come back.
        keeper: closes the idle ones when the event loop ends.
        ended_with_loop: whether each connection that the keeper closed was open.
    """

    __slots__ = ("closed", "ended_with_loop", "idle", "keeper", "scope", "slots")

    def __init__(self, scope: ExecutionScope, slots: Slots) -> None:
        self.scope: ExecutionScope = scope
        self.slots: Slots = slots
        self.idle: list[tuple[C, float]] = []
        self.closed: bool = False
        self.keeper: AsyncGenerator[None] | None = None
        self.ended_with_loop: list[bool] = []


class Pool(Generic[C]):
    """Hand out connections, at most ``options.connections`` at once in each execution scope.

    Safe to share between tasks and threads.

    Args:
        make: makes a connection; it connects with its first request.
        options: the limits, and the backend that waits.
    """

    def __init__(self, make: Callable[[], C], options: TransportOptions) -> None:
        self._make = make
        self._options = options
        self._backend = options.backend
        self._locals: dict[ExecutionScope, _Local[C]] = {}
        # Nearly every call has the scope of the one before.
        self._last: _Local[C] | None = None

    async def take(self, seconds: float) -> tuple[_Local[C], C] | None:
        """Wait for a slot and take the warmest connection; None if no slot came free in time."""
        scope, local = self._backend.execution_scope(), self._last
        if local is None or local.scope is not scope or local.closed:
            local = self._last = self._local_of(scope)
            if local.keeper is None and not self._backend.blocks:
                local.keeper = _kept_until_the_loop_ends(scope, local.idle, local.ended_with_loop)
                await anext(local.keeper)
        if not await local.slots.acquire(seconds):
            return None
        try:
            try:
                # A list's pop is atomic; a check before it would not be.
                connection, until = local.idle.pop()
            except IndexError:
                # What fails to be made below must not show this as its context.
                pass
            else:
                if self._backend.now() <= until:
                    return local, connection
                # The others are hardly warmer: each return closes one of them.
                with self._backend.shielded(), suppress(Exception):
                    await connection.aclose()
            return local, self._make()
        except BaseException:
            local.slots.release()
            raise

    async def give_back(
        self, local: _Local[C], connection: C, headers: Headers | None = None
    ) -> None:
        """Keep a connection whose exchange ended well, and close the coldest if it is too old.

        Args:
            local: where it was taken from.
            connection: it.
            headers: of the response. Their ``Keep-Alive`` shortens the time it is kept.
        """
        now = self._backend.now()
        kept_s = self._options.keepalive_s
        if headers is not None and "keep-alive" in headers.names:
            kept_s = min(kept_s, _announced_s(headers))
        cold: C | None = connection
        if not local.closed and kept_s > 0:
            local.idle.append((connection, now + kept_s))
            # Most calls find the pool as small as this one leaves it.
            cold = self._coldest(local, now) if len(local.idle) > 1 else None
        local.slots.release()
        if cold is not None:
            # The response is in hand: trouble with an old connection must not take it away.
            with suppress(Exception):
                await cold.aclose()

    async def discard(self, local: _Local[C], connection: C) -> None:
        """Close a connection whose exchange failed or was cancelled."""
        try:
            with self._backend.shielded():
                await connection.aclose()
        finally:
            local.slots.release()

    async def aclose(self) -> None:
        """Close the idle connections of this scope; those in use close when they come back."""
        here = self._backend.execution_scope()
        for scope, local in list(self._locals.items()):
            local.closed = True
            del self._locals[scope]
            if scope != here:
                self._leave(scope, local)
                continue
            try:
                with self._backend.shielded():
                    while local.idle:
                        await local.idle.pop()[0].aclose()
            finally:
                # If closing was interrupted, nothing else will find the remaining ones.
                self._leave(scope, local)

    def drop(self) -> int:
        """Close all idle connections without waiting; return how many were open."""
        locals_, self._locals = self._locals, {}
        return sum(self._leave(scope, local) for scope, local in locals_.items())

    def _local_of(self, scope: ExecutionScope) -> _Local[C]:
        local = self._locals.get(scope)
        if local is None:
            # A copy, because another thread may add its own scope meanwhile.
            for other in [each for each in list(self._locals) if not each.is_alive()]:
                self._leave(other, self._locals.pop(other, None))
            fresh: _Local[C] = _Local(scope, self._backend.slots(self._options.connections))
            local = self._locals.setdefault(scope, fresh)
        return local

    @staticmethod
    def _leave(scope: ExecutionScope, local: _Local[C] | None) -> int:
        if local is None:
            return 0
        local.closed = True
        if scope.is_inherited():
            _INHERITED.append(local)
            return 0
        _drop_all(scope, local.idle, local.ended_with_loop)
        if local.keeper is not None:
            # Nothing is left for it to wait for, so it ends at once. Left to the collector, it
            # would end as a task of the loop.
            with suppress(StopIteration):
                local.keeper.aclose().send(None)
        return sum(local.ended_with_loop)

    def _coldest(self, local: _Local[C], now: float) -> C | None:
        # One look at each return keeps the list clean: it is ordered by age.
        try:
            connection, until = local.idle[0]
            if now <= until:
                return None
            local.idle.remove((connection, until))
        except (IndexError, ValueError):
            return None
        return connection


def _announced_s(headers: Headers) -> float:
    """Return how many seconds a server keeps a connection for us, less a margin.

    ``max`` is what is left to Apache, and all there is to Node.js, so the last one is not used.
    """
    announced = ",".join(headers.get_all("keep-alive"))
    told = {name.lower(): int(value) for name, value in re.findall(_ANNOUNCED, announced)}
    if told.get("max", 2) < 2:
        return 0.0
    seconds = told.get("timeout", math.inf)
    return max(seconds - _MARGIN_S, seconds / 2)


async def _kept_until_the_loop_ends(
    scope: ExecutionScope, idle: list[tuple[C, float]], ended: list[bool]
) -> AsyncGenerator[None]:
    # It holds neither pool nor transport: those must be free to go before the loop does.
    try:
        yield
    finally:
        while idle and getattr(idle[-1][0], "waits_to_close", False):
            ended.append(True)
            await idle.pop()[0].aclose()
        _drop_all(scope, idle, ended)


def _drop_all(scope: ExecutionScope, idle: list[tuple[C, float]], ended: list[bool]) -> None:
    while idle:
        ended.append(idle.pop()[0].drop(scope))


class PooledTransport(abc.ABC, Generic[C]):
    """A transport that sends each request over one connection of a pool.

    Connections with TLS and those without have a pool each, because only the first need
    certificates. Nothing is connected, and no TLS is set up, before the first request.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._pools: dict[bool, Pool[C]] = {}

    async def aclose(self) -> None:
        """Close all connections of this process and event loop; closing twice is no error."""
        for pool in list(self._pools.values()):
            await pool.aclose()

    def drop(self) -> int:
        """Close all idle connections without waiting; return how many there were."""
        return sum(pool.drop() for pool in self._pools.values())

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abc.abstractmethod
    def _connection(self, *, secure: bool) -> C:
        """Make a connection, which connects with its first request."""

    async def _over_pool(
        self,
        exchange: Callable[[C], Awaitable[WireResponse]],
        translated: Callable[[Exception, C], BillingualError | None],
        *,
        secure: bool,
        bounds: Bounds,
    ) -> WireResponse:
        """Take a connection and use it once; it goes back only if all went well.

        Args:
            exchange: sends the request over the connection and reads the response.
            translated: makes our error from one of the library; None lets a foreign one through.
            secure: whether the connection needs TLS.
            bounds: of the attempt.
        """
        pool = self._pools.get(secure) or self._pool(secure=secure)
        taken = await pool.take(min(bounds.timeouts.pool, bounds.deadline.left()))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy, so nothing was sent; "
                "make fewer calls at once, or wait longer with timeout=Timeouts(pool=...).",
                evidence=NOTHING,
            )
        local, connection = taken
        try:
            response = await exchange(connection)
        except BaseException as error:
            failure = error if isinstance(error, BillingualError) else None
            if failure is None and isinstance(error, Exception):
                failure = translated(error, connection)
            # Cancelled or broken: the connection may be in any state, so no other call gets it.
            await pool.discard(local, connection)
            if failure is None:
                raise
            forget_frames(error)
        else:
            await pool.give_back(local, connection, response.headers)
            return response
        try:
            # Raised outside the handler, so that no frame of a library, with its headers, is kept.
            raise failure.with_traceback(None)
        finally:
            # This frame is in the traceback: without this, a cycle would wait for the collector.
            del failure

    def _pool(self, *, secure: bool) -> Pool[C]:
        pool = self._pools.get(secure)
        if pool is None:
            made = Pool(functools.partial(self._connection, secure=secure), self._options)
            pool = self._pools.setdefault(secure, made)
        return pool


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error that no caller will see, and of all errors behind it.

    A library's frames hold the error that holds them, and such a cycle stays in memory.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        for each in getattr(error, "exceptions", ()):
            forget_frames(each)
        error = error.__cause__ or error.__context__
