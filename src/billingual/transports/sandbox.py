"""The sandbox as a transport: all providers in this process, without an account or a socket.

The sandbox is a door of the house and stands above this floor, so it is named here and imported
when a client asks for it, as a server is told its application: ``module:attribute``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from importlib import import_module
from typing import Any, ClassVar, Final

from billingual.abc import Account, TransportOptions
from billingual.errors import MissingExtraError, TimedOutError
from billingual.outcomes import Evidence
from billingual.transports.asgi import AsgiTransport
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["SandboxTransport"]

_ORIGIN: Final = "http://sandbox.localhost"
_PATIENCE: ContextVar[float] = ContextVar("billingual_sandbox_patience")


class _OutOfPatienceError(Exception):
    """The sandbox would have answered later than the caller waits."""


class SandboxTransport(AsgiTransport):
    """A sandbox of its own, seeded alike each time, with its state in memory.

    It answers as the sandbox server does, faults and latency included; a latency beyond the read
    timeout ends as it would over a socket.
    """

    supports: Final = frozenset({"async", "sync"})
    library: ClassVar[str | None] = "starlette"

    def __init__(self, options: TransportOptions) -> None:
        try:
            sandbox: Any = import_module("billingual.sandbox")
            # Its parts are imported when they are first asked for, and need more than it does.
            make = sandbox.create_app
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("billingual"):
                raise
            raise MissingExtraError(
                "the transport 'sandbox'", "sandbox", str(missing.name)
            ) from missing
        self._accounts = sandbox.ACCOUNTS
        self._sandbox = make(sleep=_patiently(options.backend.sleep))
        super().__init__(self._sandbox)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        ticket = _PATIENCE.set(bounds.phase(bounds.timeouts.read))
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
            _PATIENCE.reset(ticket)

    async def aclose(self) -> None:
        """Forget the sandbox and all that is in it; closing twice is no error."""
        self._sandbox.close()

    def account(self, provider: str) -> Account | None:
        """Return the well-known account the sandbox is seeded with, if it has the provider."""
        known = self._accounts.get(provider)
        if known is None:
            return None
        return Account(base_url=f"{_ORIGIN}{known.prefix}", token=known.token, tenant=known.tenant)


def _patiently(
    sleep: Callable[[float], Awaitable[None]],
) -> Callable[[float], Awaitable[None]]:
    async def sleep_patiently(seconds: float) -> None:
        patience = _PATIENCE.get(seconds)
        await sleep(min(seconds, patience))
        if seconds > patience:
            raise _OutOfPatienceError

    return sleep_patiently


def _is_impatience(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _OutOfPatienceError):
            return True
        error = error.__cause__ or error.__context__
    return False
