"""Several transports to one provider: the next one is tried where the one before sent nothing.

``AsyncClient("exante", transport=fallback("aiohttp", "httpx"))``. A request moves on only if it is
proved that no server can have it: no connection was made, or none became free. Any other failure
ends the attempt, and the retry policy decides what follows, so a write is never sent twice from
here. Nothing is remembered: each request begins with the first transport.
"""

from __future__ import annotations

from typing import Final

from billingual.abc import Account, Transport, TransportFactory, TransportOptions
from billingual.errors import (
    ConfigurationError,
    NotConnectedError,
    PoolTimeoutError,
    TransportError,
)
from billingual.transports._inner import InnerTransport, TransportLike, make_inner
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["FallbackTransport", "fallback"]

_EITHER: Final = frozenset({"async", "sync"})


class FallbackTransport:
    """Send through the first of *transports* that gets through; safe for tasks and threads.

    Args:
        transports: the ways in their order; they stay the caller's to close.

    Raises:
        ConfigurationError: if there is none, or they do not wait alike: some on an event loop
            only, others by blocking only.
    """

    def __init__(self, *transports: Transport) -> None:
        self._ways = tuple(InnerTransport.of(each) for each in transports)
        if not self._ways:
            raise ConfigurationError("a fallback needs transports to choose from; give two.")
        self.supports: frozenset[str] = _EITHER.intersection(
            *(each.supports for each in self._ways)
        )
        if not self.supports:
            raise ConfigurationError(
                f"{', '.join(each.name for each in self._ways)} do not wait alike: some need an "
                "event loop, others block the thread; choose transports of one kind."
            )

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once, through the first transport that gets a connection.

        Raises:
            TransportError: the one of the last way that was tried, with a note of those before.
        """
        failed: list[str] = []
        for way in self._ways[:-1]:
            try:
                return await way.send(request, bounds)
            except TransportError as failure:
                if not _sent_nothing(failure) or bounds.deadline.left() <= 0:
                    _note(failure, failed)
                    raise
                failed.append(f"{way.name}: {failure}")
        try:
            return await self._ways[-1].send(request, bounds)
        except TransportError as failure:
            _note(failure, failed)
            raise

    async def aclose(self) -> None:
        """Close the transports that were made for this one, all of them."""
        failure: Exception | None = None
        for way in self._ways:
            try:
                await way.aclose()
            except Exception as error:  # noqa: BLE001 - the others are closed first
                failure = failure or error
        if failure is not None:
            raise failure

    def drop(self) -> int:
        """Pass it on."""
        return sum(way.drop() for way in self._ways)

    def account(self, provider: str) -> Account | None:
        """Return the account of the first that has one."""
        accounts = (way.account(provider) for way in self._ways)
        return next((each for each in accounts if each is not None), None)


def fallback(*transports: TransportLike) -> TransportFactory:
    """Return a factory of a transport that tries *transports* in turn.

    Args:
        transports: names, transports (which stay the caller's to close) or factories.
    """

    def make(options: TransportOptions) -> FallbackTransport:
        ways = [make_inner(each, options) for each in transports]
        made = FallbackTransport(*ways)
        waits = "sync" if options.backend.blocks else "async"
        # One that was made for an event loop would suspend in the thread of a client that blocks.
        if waits not in made.supports and any(
            each.made and waits in each.supports for each in ways
        ):
            raise ConfigurationError(
                f"{', '.join(each.name for each in ways)} do not wait alike under this client; "
                f"choose transports that are all {waits}."
            )
        return made

    return make


def _sent_nothing(failure: TransportError) -> bool:
    """Tell whether it is proved that no server can have the request."""
    seen = failure.evidence
    if isinstance(failure, (NotConnectedError, PoolTimeoutError)):
        return not seen.request_complete and not seen.response_begun
    return seen.connected is False and seen.request_complete is False


def _note(failure: TransportError, failed: list[str]) -> None:
    for each in failed:
        failure.add_note(f"before that, nothing was sent by {each}")
