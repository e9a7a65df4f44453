"""The transport itself: a connection from the pool for each request."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from billingual.abc import TransportOptions
from billingual.errors import MissingExtraError
from billingual.transports._pool import PooledTransport
from billingual.wire import Bounds, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.transports.h11.connection import Connection
    from billingual.transports.h11.http1 import RequestWriter
    from billingual.transports.h11.proxy import Proxy

__all__ = ["H11Transport"]


class H11Transport(PooledTransport["Connection"]):
    """Send HTTP/1.1 over sockets; safe to share between tasks and threads.

    Under a backend that blocks it blocks the thread; otherwise it suspends the task, on asyncio,
    uvloop or trio. Nothing is connected, and no TLS is set up, before the first request.

    Raises:
        ConfigurationError: if the proxy's URL cannot be used.
        MissingExtraError: if httptools is not installed.
    """

    library: Final = "httptools"
    http2: Final = False
    supports: Final = frozenset({"async", "sync"})

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        if find_spec(self.library) is None:
            raise MissingExtraError("the transport 'h11'", None, self.library)
        self._proxy: Proxy | None = None
        if options.proxy is not None:
            from billingual.transports.h11.proxy import Proxy  # noqa: PLC0415 - seldom wanted

            self._proxy = Proxy.from_url(options.proxy)
        self._writer: RequestWriter | None = None

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        prepared = (self._writer or self._first_writer()).prepare(request)
        origin = prepared.origin
        return await self._over_pool(
            lambda connection: connection.exchange(prepared, bounds),
            lambda error, connection: connection.failure(error, origin),
            secure=origin.scheme == "https",
            bounds=bounds,
        )

    def _first_writer(self) -> RequestWriter:
        # httptools is imported with the first request, not when a client is made.
        from billingual.transports.h11.http1 import RequestWriter  # noqa: PLC0415 - as said

        self._writer = RequestWriter(self._proxy)
        return self._writer

    def _connection(self, *, secure: bool) -> Connection:
        from billingual.transports.h11.connection import Connection  # noqa: PLC0415 - as above

        return Connection(self._options, self._proxy, secure=secure)
