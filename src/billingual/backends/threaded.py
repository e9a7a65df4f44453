"""A transport that only blocks, made fit for an event loop: each exchange in a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from billingual.abc import Account, Backend, ExecutionScope, Slots, Transport
from billingual.backends.sync import step
from billingual.errors import PoolTimeoutError
from billingual.outcomes import Evidence
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["ThreadedTransport"]

# As many as anyio runs at once on one event loop; nobody waits there in vain, or without an end.
_THREADS: Final = 40


class ThreadedTransport:
    """Wrap *transport*, which blocks, for a *backend* that suspends.

    A cancelled caller waits for its thread: an exchange that blocks cannot be broken off. It ends
    by its own timeouts.
    """

    supports: Final = frozenset({"async"})

    def __init__(self, transport: Transport, backend: Backend) -> None:
        self._transport = transport
        self._backend = backend
        self._turns: dict[ExecutionScope, Slots] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once, in a worker thread."""
        turn = self._turn()
        if not await turn.acquire(bounds.phase(bounds.timeouts.pool)):
            raise _busy()
        try:
            return await self._backend.in_thread(lambda: self._sent(request, bounds))
        finally:
            turn.release()

    def _sent(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        if bounds.deadline.left() <= 0:
            # Other parts of the program use the threads too. Sent now, it would end unclear.
            raise _busy()
        return step(self._transport.send(request, bounds))

    def _turn(self) -> Slots:
        place = self._backend.execution_scope()
        turn = self._turns.get(place)
        if turn is None:
            for gone in [each for each in list(self._turns) if not each.is_alive()]:
                self._turns.pop(gone, None)
            turn = self._turns.setdefault(place, self._backend.slots(_THREADS))
        return turn

    async def aclose(self) -> None:
        """Close the transport, in a worker thread."""
        await self._backend.in_thread(lambda: step(self._transport.aclose()))

    def drop(self) -> int:
        """Close what can be closed without waiting; return how many connections there were."""
        drop: Callable[[], int] = getattr(self._transport, "drop", lambda: 0)
        return drop()

    def account(self, provider: str) -> Account | None:
        """Pass the question on."""
        return self._transport.account(provider)


def _busy() -> PoolTimeoutError:
    return PoolTimeoutError(
        f"all {_THREADS} worker threads stayed busy.",
        evidence=Evidence(connected=False, request_complete=False, answer_begun=False),
    )
