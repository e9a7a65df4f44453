"""A transport that only blocks, made fit for an event loop: each exchange in a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from billingual.driver import Driver
from billingual.drivers.blocking import step
from billingual.protocol import Account, Transport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ThreadedTransport"]


class ThreadedTransport:
    """Wrap *transport*, which blocks, for a *driver* that suspends.

    A cancelled caller waits for its thread: an exchange that blocks cannot be broken off. It ends
    by its own timeouts.
    """

    colours: Final = frozenset({"async"})

    def __init__(self, transport: Transport, driver: Driver) -> None:
        self._transport = transport
        self._driver = driver

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once, in a worker thread."""
        return await self._driver.in_thread(lambda: step(self._transport.send(request, bounds)))

    async def aclose(self) -> None:
        """Close the transport, in a worker thread."""
        await self._driver.in_thread(lambda: step(self._transport.aclose()))

    def drop(self) -> int:
        """Close what can be closed without waiting; return how many connections there were."""
        drop: Callable[[], int] = getattr(self._transport, "drop", lambda: 0)
        return drop()

    def account(self, provider: str) -> Account | None:
        """Pass the question on."""
        return self._transport.account(provider)
