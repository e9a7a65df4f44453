"""A transport over http.client: it blocks, needs no package, and tells truly what it saw.

The tools of :mod:`billingual.transports` do what is the same for every transport: ``checked``
lets nothing out that is no HTTP, ``Lanes`` hands out connections and survives forks, ``BodyReader``
keeps an answer within its bounds. What is left is one connection, in ``line.py``.
"""

from __future__ import annotations

from typing import Final

from billingual import ConfigurationError, PoolTimeoutError
from billingual.abc import TransportOptions
from billingual.backends.sync import SyncBackend
from billingual.outcomes import Evidence
from billingual.transports import Lanes, checked
from billingual.wire import Bounds, WireRequest, WireResponse

from billingual_carrier.line import Line

__all__ = ["StdlibTransport"]


class StdlibTransport:
    """Send through connections of http.client; safe to share between threads.

    ``Client`` uses it as it is; for ``AsyncClient`` each exchange runs in a worker thread.

    Raises:
        ConfigurationError: if a proxy is asked for; it has none.
    """

    supports: Final = frozenset({"sync"})

    def __init__(self, options: TransportOptions) -> None:
        if options.proxy is not None:
            raise ConfigurationError("the transport 'stdlib' knows no proxy; use 'httpx'.")
        # For an async client too it is threads that wait here, and those may block.
        backend = options.backend if options.backend.blocks else SyncBackend()
        self._limit = options.connections
        self._lanes = Lanes(
            lambda: Line(options), backend, limit=self._limit, keepalive_s=options.keepalive_s
        )

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        address = checked(request)
        taken = await self._lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            unsent = Evidence(connected=False, request_complete=False, answer_begun=False)
            raise PoolTimeoutError(f"all {self._limit} connections stayed busy.", evidence=unsent)
        put_back = self._lanes.scrap
        try:
            response = taken[1].exchange(request, address, bounds)
            put_back = self._lanes.give
            return response
        finally:
            await put_back(*taken)

    async def aclose(self) -> None:
        """Give up all connections."""
        await self._lanes.aclose()

    def drop(self) -> int:
        """Close the idle connections; return how many there were."""
        return self._lanes.drop()
