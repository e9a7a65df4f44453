"""The adapter that httpx and httpx2 share; which of them it speaks to is its *family*."""

from __future__ import annotations

import functools
from typing import ClassVar, Final

from billingual.errors import BillingualError, ConfigurationError
from billingual.transports._failures import unwritable
from billingual.transports._httpx_family import Family
from billingual.transports._httpx_lanes import AsyncLane, BlockingLane, HttpxLane
from billingual.transports._lane_transport import LaneTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["FamilyTransport"]


class FamilyTransport(LaneTransport[HttpxLane]):
    """Send through lanes of the library's transport layer; for tasks and threads to share."""

    colours: Final = frozenset({"async", "blocking"})
    family: ClassVar[Family]

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`."""
        outgoing = self.family.outgoing(request, bounds)
        return await self._carry(
            lambda lane: lane.exchange(outgoing, bounds),
            functools.partial(self._translated, outgoing.url),
            secure=outgoing.url.scheme == "https",
            bounds=bounds,
        )

    def _translated(self, url: object, error: Exception, lane: HttpxLane) -> BillingualError | None:
        http = self.family.http
        if isinstance(error, http.HTTPError):
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
