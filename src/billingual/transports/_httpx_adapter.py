"""The adapter that httpx and httpx2 share; which of them it speaks to is its *family*."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from billingual.abc import TransportOptions
from billingual.errors import BillingualError, ConfigurationError
from billingual.transports._failures import unwritable
from billingual.transports._httpx_family import Family
from billingual.transports._lane_transport import LaneTransport
from billingual.wire import Bounds, WireRequest, WireResponse

if TYPE_CHECKING:
    from billingual.transports._httpx_dialogue import Writer
    from billingual.transports._httpx_lanes import HttpxLane

__all__ = ["FamilyTransport"]


class FamilyTransport(LaneTransport["HttpxLane"]):
    """Send through lanes; for tasks and threads to share.

    A lane connects by the library's network layer and speaks by its engine, h11. What the library
    has between the two, pools within pools and an object for every part of a request, is passed
    by, unless a proxy is asked for, or somebody has put a function of their own there.
    """

    supports: Final = frozenset({"async", "sync"})
    family: ClassVar[Family]

    def __init__(self, options: TransportOptions) -> None:
        super().__init__(options)
        self._writer: Writer | None = None

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        options = self._options
        if options.proxy is not None or not self.family.is_as_made(blocks=options.backend.blocks):
            return await self._send_through(request, bounds)
        writer = self._writer or self._first_writer()
        outgoing = writer.write(request)
        origin = outgoing.origin
        return await self._carry(
            lambda lane: lane.exchange(outgoing, bounds),
            lambda error, lane: self._translated(origin.text, error, lane),
            secure=origin.scheme == "https",
            bounds=bounds,
        )

    def _first_writer(self) -> Writer:
        # The engine is not imported before it is asked for anything.
        from billingual.transports._httpx_dialogue import Writer  # noqa: PLC0415 - as said

        self._writer = Writer()
        return self._writer

    async def _send_through(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        outgoing = self.family.outgoing(request, bounds)
        return await self._carry(
            lambda lane: lane.exchange_through(outgoing, bounds),
            lambda error, lane: self._translated(outgoing.url, error, lane),
            secure=outgoing.url.scheme == "https",
            bounds=bounds,
        )

    def _translated(self, url: object, error: Exception, lane: HttpxLane) -> BillingualError | None:
        if self.family.knows(error):
            return self.family.translated(error, url, lane.watch.evidence())
        odd = isinstance(error, (UnicodeError, OverflowError)) or self.family.is_no_address(error)
        if odd and not lane.watch.wrote:
            return unwritable(type(error).__name__)
        if odd or isinstance(error, (OSError, ExceptionGroup)):
            # Neither the core nor anyio translates everything: a refused client certificate, say.
            watch = lane.watch
            core = self.family.core
            kind = core.NetworkError if watch.connected else core.ConnectError
            return self.family.translated(kind("?"), url, watch.evidence())
        return None

    def _lane(self, *, secure: bool) -> HttpxLane:
        from billingual.transports._httpx_lanes import (  # noqa: PLC0415 - of the first request
            AsyncLane,
            BlockingLane,
        )

        family, options = self.family, self._options
        try:
            if options.backend.blocks:
                return BlockingLane(family, options, secure=secure)
            return AsyncLane(family, options, secure=secure)
        except Exception as error:
            refused = isinstance(error, (ValueError, ImportError)) or family.is_no_address(error)
            if options.proxy is None or not refused:
                raise
            problem = type(error).__name__
        raise ConfigurationError(
            f"the proxy's URL cannot be used ({problem} of {family.name}); give an http:// or "
            f"https:// URL, or install {family.extra} for socks5://. It is not shown here."
        )
