"""The adapter that httpx and httpx2 share; which of them it speaks to is its *family*."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Final

from billingual.errors import BillingualError, ConfigurationError, PoolTimeoutError
from billingual.protocol import Account, TransportOptions
from billingual.transports._failures import NOTHING, unwritable
from billingual.transports._httpx_family import Family
from billingual.transports._httpx_lanes import AsyncLane, BlockingLane, HttpxLane
from billingual.transports._lanes import Lanes, Stack
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["FamilyTransport"]


class FamilyTransport:
    """Send through lanes of the library's transport layer; for tasks and threads to share."""

    colours: Final = frozenset({"async", "blocking"})
    http2: Final = False
    family: ClassVar[Family]

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._lanes: dict[bool, Lanes[HttpxLane]] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`."""
        outgoing = self.family.outgoing(request, bounds)
        lanes = self._lanes_for(secure=outgoing.url.scheme == "https")
        taken = await lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy.", evidence=NOTHING
            )
        failure = await self._exchange(lanes, *taken, outgoing, bounds)
        if isinstance(failure, WireResponse):
            return failure
        # Raised out here, so that no frame of the library, with its headers, hangs on the error.
        raise failure

    async def aclose(self) -> None:
        """Give up all connections of this process and loop."""
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

    async def _exchange(
        self,
        lanes: Lanes[HttpxLane],
        stack: Stack[HttpxLane],
        lane: HttpxLane,
        outgoing: Any,
        bounds: Bounds,
    ) -> WireResponse | BillingualError:
        """Use the lane once; it goes back only if all went well."""
        http = self.family.http
        try:
            response = await lane.exchange(outgoing, bounds)
        except http.HTTPError as error:
            failure: BillingualError = self.family.translated(
                error, outgoing.url, lane.watch.evidence()
            )
        except BillingualError as error:
            failure = error
        except (UnicodeError, OverflowError, http.InvalidURL) as error:
            failure = unwritable(type(error).__name__)
        except (OSError, ExceptionGroup):
            # Neither the core nor anyio translates everything: a refused client certificate, say.
            watch = lane.watch
            kind = http.NetworkError if watch.connected else http.ConnectError
            failure = self.family.translated(kind("?"), outgoing.url, watch.evidence())
        except BaseException:
            # Cancelled or interrupted: whatever state the lane is in, nobody meets it again.
            await lanes.scrap(stack, lane)
            raise
        else:
            await lanes.give(stack, lane)
            return response
        await lanes.scrap(stack, lane)
        return failure

    def _lanes_for(self, *, secure: bool) -> Lanes[HttpxLane]:
        lanes = self._lanes.get(secure)
        if lanes is None:
            options = self._options
            made = Lanes(
                functools.partial(self._lane, options, secure=secure),
                options.driver,
                limit=options.connections,
                keepalive_s=options.keepalive_s,
            )
            lanes = self._lanes.setdefault(secure, made)
        return lanes

    @classmethod
    def _lane(cls, options: TransportOptions, *, secure: bool) -> HttpxLane:
        family = cls.family
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
