"""What every transport over a network does alike: hand out lanes, and put each back or scrap it."""

from __future__ import annotations

import abc
import functools
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from billingual.abc import Account, Backend, TransportOptions
from billingual.errors import BillingualError, PoolTimeoutError
from billingual.transports._failures import NOTHING
from billingual.transports._lanes import Lane, Lanes
from billingual.wire import Bounds, WireResponse

__all__ = ["LaneTransport"]

L = TypeVar("L", bound=Lane)


class LaneTransport(abc.ABC, Generic[L]):
    """Send each request through a lane: one connection that serves one request at a time.

    Lanes to addresses with TLS are kept apart from those without: only they need anybody's trust.
    Nothing is connected, and no TLS is set up, before the first request.
    """

    http2: Final = False

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._lanes: dict[bool, Lanes[L]] = {}

    async def aclose(self) -> None:
        """Give up all connections of this process and loop; closing twice is no error."""
        for lanes in self._lanes.values():
            await lanes.aclose()

    def drop(self) -> int:
        """Close all idle connections without waiting; return how many there were."""
        return sum(lanes.drop() for lanes in self._lanes.values())

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abc.abstractmethod
    def _lane(self, *, secure: bool) -> L:
        """Make a lane; it connects on its first request."""

    def _backend(self) -> Backend:
        """Return the backend that lanes wait by."""
        return self._options.backend

    async def _carry(
        self,
        exchange: Callable[[L], Awaitable[WireResponse]],
        translated: Callable[[Exception, L], BillingualError | None],
        *,
        secure: bool,
        bounds: Bounds,
    ) -> WireResponse:
        """Take a lane and use it once; it goes back only if all went well.

        Args:
            exchange: what to do with the lane.
            translated: makes our error of the library's; None lets a foreign one through.
            secure: whether the address is one with TLS.
            bounds: of the attempt.
        """
        lanes = self._lanes_for(secure=secure)
        taken = await lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy, so nothing was sent; "
                "make fewer calls at once, or wait longer with timeout=Timeouts(pool=...).",
                evidence=NOTHING,
            )
        stack, lane = taken
        try:
            response = await exchange(lane)
        except BaseException as error:
            failure = error if isinstance(error, BillingualError) else None
            if failure is None and isinstance(error, Exception):
                failure = translated(error, lane)
            # Cancelled or broken: whatever state the lane is in, nobody meets it again.
            await lanes.scrap(stack, lane)
            if failure is None:
                raise
            _forget(error)
        else:
            await lanes.give(stack, lane)
            return response
        try:
            # Raised out here and bare: no frame of a library, with its headers, hangs on it.
            raise failure.with_traceback(None)
        finally:
            # This frame hangs on it: a circle would wait for the collector.
            del failure

    def _lanes_for(self, *, secure: bool) -> Lanes[L]:
        lanes = self._lanes.get(secure)
        if lanes is None:
            made = Lanes(
                functools.partial(self._lane, secure=secure),
                self._backend(),
                limit=self._options.connections,
                keepalive_s=self._options.keepalive_s,
            )
            lanes = self._lanes.setdefault(secure, made)
        return lanes


def _forget(error: BaseException | None) -> None:
    """Drop the frames of an error that nobody will see, and of all behind it.

    Libraries' frames hold the error that holds them, and what a circle holds stays in memory.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        for each in getattr(error, "exceptions", ()):
            _forget(each)
        error = error.__cause__ or error.__context__
