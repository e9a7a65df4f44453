"""The adapter that httpx and httpx2 share; which of them it speaks to is its *family*."""

from __future__ import annotations

from typing import ClassVar, Final

from billingual.errors import BillingualError, ConfigurationError
from billingual.protocol import TransportOptions
from billingual.transports._failures import unwritable
from billingual.transports._httpx_dialogue import Writer
from billingual.transports._httpx_family import Family
from billingual.transports._httpx_lanes import AsyncLane, BlockingLane, HttpxLane
from billingual.transports._lane_transport import LaneTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["FamilyTransport"]


class FamilyTransport(LaneTransport[HttpxLane]):
    """Send through lanes; for tasks and threads to share.

    A lane connects by the library's network layer and speaks by its engine, h11. What the library
    has between the two, pools within pools and an object for every part of a request, is passed
    by, unless a proxy is asked for, or somebody has put a function of their own there.
    """

    colours: Final = frozenset({"async", "blocking"})
    family: ClassVar[Family]

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self._writer = Writer()

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`."""
        options = self._options
        if options.proxy is not None or not self.family.is_as_made(blocks=options.driver.blocks):
            return await self._send_through(request, bounds)
        outgoing = self._writer.write(request)
        origin = outgoing.origin
        return await self._carry(
            lambda lane: lane.exchange(outgoing, bounds),
            lambda error, lane: self._translated(origin.text, error, lane),
            secure=origin.scheme == "https",
            bounds=bounds,
        )

    async def _send_through(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        outgoing = self.family.outgoing(request, bounds)
        return await self._carry(
            lambda lane: lane.exchange_through(outgoing, bounds),
            lambda error, lane: self._translated(outgoing.url, error, lane),
            secure=outgoing.url.scheme == "https",
            bounds=bounds,
        )

    def _translated(self, url: object, error: Exception, lane: HttpxLane) -> BillingualError | None:
        http = self.family.http
        if self.family.knows(error):
            return self.family.translated(error, url, lane.watch.evidence())
        if isinstance(error, (UnicodeError, OverflowError, http.InvalidURL)):
            return unwritable(type(error).__name__)
        if isinstance(error, (OSError, ExceptionGroup)):
            # Neither the core nor anyio translates everything: a refused client certificate, say.
            watch = lane.watch
            kind = http.NetworkError if watch.connected else http.ConnectError
            return self.family.translated(kind("?"), url, watch.evidence())
        return None

    def _lane(self, *, secure: bool) -> HttpxLane:
        family, options = self.family, self._options
        try:
            if options.driver.blocks:
                return BlockingLane(family, options, secure=secure)
            return AsyncLane(family, options, secure=secure)
        except (ValueError, ImportError, family.http.InvalidURL) as error:
            problem = type(error).__name__
        raise ConfigurationError(
            f"the proxy's URL cannot be used ({problem} of {family.name}); give an http:// or "
            f"https:// URL, or install {family.extra} for socks5://. It is not shown here."
        )
