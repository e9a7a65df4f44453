"""Acme's service, and how it is reached: through the first of its regions that lets one in."""

from __future__ import annotations

from typing import Final

import attrs
from billingual import NotConnectedError
from billingual.abc import Provider, TransportFactory, TransportOptions
from billingual.transports import make_inner
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ACME", "REGIONS", "through"]

REGIONS: Final = ("https://eu.billing.acme.example", "https://us.billing.acme.example")

ACME: Final = Provider(name="acme", dialects=("tenant",))
"""Acme speaks the dialect of tenants; another would be named here, or written (see the docs)."""


class Regions:
    """Send to the first region; to the next one only where no connection was made.

    Nothing was sent then, so that a write cannot happen twice.
    """

    def __init__(self, options: TransportOptions, regions: tuple[str, ...]) -> None:
        self._inner = make_inner("httpx", options)
        self._first, *self._others = regions
        # It waits as the transport inside does: on an event loop or by blocking.
        self.supports = self._inner.supports

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Send one request, and return its response."""
        path = request.url.removeprefix(self._first)
        for other in self._others:
            try:
                return await self._inner.send(request, bounds)
            except NotConnectedError:
                request = attrs.evolve(request, url=f"{other}{path}")
        return await self._inner.send(request, bounds)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()

    def drop(self) -> int:
        """Close what it can without waiting."""
        return self._inner.drop()


def through(regions: tuple[str, ...]) -> TransportFactory:
    """Return what makes the transport of a client."""
    return lambda options: Regions(options, regions)
