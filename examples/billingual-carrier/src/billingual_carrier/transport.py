"""A transport over http.client: it blocks, needs no package, and tells truly what it saw.

The tools of :mod:`billingual.transports` do what every transport must: ``checked`` refuses what
cannot be written as HTTP, ``Pool`` hands out connections and survives forks, ``BodyReader`` keeps a
response within its bounds. What is left is one connection, in ``connection.py``.
"""

from __future__ import annotations

from typing import Final

import attrs
from billingual import ConfigurationError, PoolTimeoutError
from billingual.abc import TransportOptions
from billingual.outcomes import Evidence
from billingual.transports import Pool, checked
from billingual.wire import Bounds, WireRequest, WireResponse

from billingual_carrier.connection import StdlibConnection

__all__ = ["StdlibTransport"]


class StdlibTransport:
    """Send through connections of http.client; safe to share between threads.

    ``Client`` uses it as it is; for ``AsyncClient`` each exchange runs in a worker thread.

    Raises:
        ConfigurationError: if a proxy is asked for; it has none.
    """

    supports: Final = frozenset({"sync"})
    limits: Final = {"a-large-head-is-read": "http.client refuses more than 100 header fields"}

    def __init__(self, options: TransportOptions) -> None:
        if options.proxy is not None:
            raise ConfigurationError("the transport 'stdlib' knows no proxy; use 'httpx'.")
        # An async client calls from worker threads, where waiting may block.
        options = attrs.evolve(options, backend=options.backend.for_threads())
        self._limit = options.connections
        self._pool = Pool(lambda: StdlibConnection(options), options)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        address = checked(request)
        taken = await self._pool.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            unsent = Evidence(connected=False, request_complete=False, response_begun=False)
            raise PoolTimeoutError(f"all {self._limit} connections stayed busy.", evidence=unsent)
        local, connection = taken
        try:
            response = connection.exchange(request, address, bounds)
        except BaseException:
            await self._pool.discard(local, connection)
            raise
        # The pool reads in the headers how long the server keeps the connection.
        await self._pool.give_back(local, connection, response.headers)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    def drop(self) -> int:
        """Close the idle connections; return how many there were."""
        return self._pool.drop()
