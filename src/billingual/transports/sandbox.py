"""The sandbox as a transport: all providers in this process, without an account or a socket.

The sandbox is in a layer above this one, so it is named here and imported when a client asks
for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, Final, TypeAlias

from billingual.abc import Account, TransportFactory, TransportOptions
from billingual.errors import MissingExtraError, TimedOutError
from billingual.outcomes import Evidence
from billingual.transports.asgi import AsgiTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["SandboxTransport", "sandboxed"]

_ORIGIN: Final = "http://sandbox.localhost"

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_WAITING: ContextVar[tuple[Sleep, float]] = ContextVar("billingual_sandbox_waiting")
"""How the caller of the request at hand waits, and for how many seconds at most."""


class _OutOfPatienceError(Exception):
    """The sandbox would have answered later than the caller waits."""


class SandboxTransport(AsgiTransport):
    """A sandbox of its own, seeded alike each time, with its state in memory.

    It answers as the sandbox server does, faults and latency included; a latency beyond the read
    timeout ends as it would over a socket.

    Args:
        options: of the client.
        sandbox: a sandbox that the program keeps, and closes; None for one of its own.
    """

    supports: Final = frozenset({"async", "sync"})
    library: ClassVar[str | None] = "starlette"

    def __init__(self, options: TransportOptions, sandbox: Any = None) -> None:
        try:
            home: Any = import_module("billingual.sandbox")
            # Its parts are imported when they are first asked for, and need more than it does.
            make = home.create_app
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("billingual"):
                raise
            raise MissingExtraError(
                "the transport 'sandbox'", "sandbox", str(missing.name)
            ) from missing
        self._accounts = home.ACCOUNTS
        self._sleep = options.backend.sleep
        self._owns = sandbox is None
        self._sandbox = make(sleep=_sleep_as_its_caller) if sandbox is None else sandbox
        self._sandbox.sandbox_state.sleep = _sleep_as_its_caller
        super().__init__(self._sandbox)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        ticket = _WAITING.set((self._sleep, bounds.phase(bounds.timeouts.read)))
        try:
            return await super().send(request, bounds)
        except Exception as error:
            if _is_impatience(error):
                raise TimedOutError(
                    "no response came in time.",
                    evidence=Evidence(connected=True, request_complete=True, response_begun=False),
                ) from None
            raise
        finally:
            _WAITING.reset(ticket)

    async def aclose(self) -> None:
        """Forget the sandbox and all that is in it; closing twice is no error."""
        if self._owns:
            self._sandbox.close()

    def account(self, provider: str) -> Account | None:
        """Return the well-known account the sandbox is seeded with, if it has the provider."""
        known = self._accounts.get(provider)
        if known is None:
            return None
        return Account(base_url=f"{_ORIGIN}{known.prefix}", token=known.token, tenant=known.tenant)


def sandboxed(sandbox: Callable[..., object]) -> TransportFactory:
    """Return the transport to a sandbox that the program keeps.

    Its methods move its clock, order faults and tell what was requested::

        sandbox = create_app(invoices=50)
        with Client("exante", transport=sandboxed(sandbox)) as invoices:
            sandbox.add_fault("rate_limit", retry_after=1)

    Args:
        sandbox: what :func:`billingual.sandbox.create_app` returns. Closing a client does not
            close it.
    """
    return partial(SandboxTransport, sandbox=sandbox)


async def _sleep_as_its_caller(seconds: float) -> None:
    sleep, patience = _WAITING.get()
    await sleep(min(seconds, patience))
    if seconds > patience:
        raise _OutOfPatienceError


def _is_impatience(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _OutOfPatienceError):
            return True
        error = error.__cause__ or error.__context__
    return False
