"""The transport urllib3: the least work per call for programs that block.

urllib3's connections are used without its pools: nothing is tried again, no redirect is followed,
no cookie kept, no environment read, no header added, nothing unpacked. Nothing of urllib3 or
http.client leaves this package, their exceptions included: their text may quote a header, so only
the class name is kept.

Why not requests: it sends through urllib3 too, and costs about twice as much for each call.
"""

from __future__ import annotations

import functools
import os
import queue
from contextlib import AbstractContextManager, nullcontext
from http.client import HTTPException
from typing import Final, cast

import attrs
from urllib3 import exceptions
from urllib3.util import Url, parse_url

from billingual.driver import Driver
from billingual.errors import (
    BillingualError,
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcome import Evidence
from billingual.protocol import Account, TransportOptions
from billingual.transports._address import checked
from billingual.transports._failures import NOTHING, reason
from billingual.transports._lanes import Lanes
from billingual.transports._urllib3_lanes import Urllib3Lane
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["Urllib3Transport"]

_Failure = tuple[type[TransportError], Evidence, str]

# Where a connection stood, the evidence is what was seen on its socket.
_TABLE: Final[dict[type[Exception], tuple[type[TransportError], str]]] = {
    exceptions.NameResolutionError: (NotConnectedError, "the host was not found"),
    exceptions.NewConnectionError: (NotConnectedError, "no connection could be made"),
    exceptions.ConnectTimeoutError: (NotConnectedError, "no connection stood in time"),
    exceptions.ProxyError: (NotConnectedError, "the proxy refused the connection"),
    exceptions.ReadTimeoutError: (TimedOutError, "no answer came in time"),
    exceptions.ProtocolError: (ConnectionLostError, "the answer broke off"),
    exceptions.HTTPError: (ConnectionLostError, "the exchange failed"),
    TimeoutError: (TimedOutError, "no answer came in time"),
    OSError: (ConnectionLostError, "the connection broke"),
    HTTPException: (ConnectionLostError, "the answer is not of HTTP"),
    Exception: (ConnectionLostError, "the exchange failed"),
}


class Urllib3Transport:
    """Send through lanes of urllib3's connections; safe to share between threads.

    An ``AsyncClient`` may use it too, each exchange then in a worker thread. Nothing is connected,
    and no TLS is set up, before the first request.
    """

    colours: Final = frozenset({"blocking"})
    library: Final = "urllib3"
    http2: Final = False

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._lanes = Lanes(
            functools.partial(_lane, options),
            # Whoever awaits this transport does so from worker threads, where no loop runs.
            options.driver if options.driver.blocks else cast("Driver", _Threads(options.driver)),
            limit=options.connections,
            keepalive_s=options.keepalive_s,
        )

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`.

        Raises:
            ConfigurationError: if the proxy's URL cannot be used.
        """
        address = checked(request)
        taken = await self._lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy.", evidence=NOTHING
            )
        stack, lane = taken
        failure: BillingualError | _Failure
        try:
            response = await lane.exchange(request, address, bounds)
        except BillingualError as error:
            failure = error
        except (exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            failure = _translated(error, lane.watch.evidence())
        except BaseException:
            # Interrupted: whatever state the lane is in, nobody meets it again.
            await self._lanes.scrap(stack, lane)
            raise
        else:
            await self._lanes.give(stack, lane)
            return response
        await self._lanes.scrap(stack, lane)
        if isinstance(failure, BillingualError):
            raise failure.with_traceback(None)
        kind, evidence, what = failure
        # Raised out here, so that no frame of urllib3, with its headers, hangs on the error.
        raise kind(f"{address.origin}: {what}.", evidence=evidence)

    async def aclose(self) -> None:
        """Give up all connections of this process."""
        await self._lanes.aclose()

    def drop(self) -> int:
        """Close all idle connections; return how many there were."""
        return self._lanes.drop()

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _lane(options: TransportOptions) -> Urllib3Lane:
    return Urllib3Lane(options, None if options.proxy is None else _proxy(options.proxy))


def _proxy(text: str) -> Url:
    try:
        proxy = parse_url(text)
        usable = proxy.scheme in {"http", "https"} and bool(proxy.hostname)
    except exceptions.LocationParseError:
        usable = False
    if usable:
        return proxy
    raise ConfigurationError(
        "the proxy's URL cannot be used; give an http:// or https:// URL, or use "
        'transport="httpx" with httpx[socks] for socks5://. It is not shown here.'
    )


def _translated(error: Exception, seen: Evidence) -> _Failure:
    """Find the most specific row for an exception; what the wire saw is the evidence."""
    kind, what = next(_TABLE[each] for each in type(error).__mro__ if each in _TABLE)
    if not seen.connected:
        kind = NotConnectedError
    return kind, seen, f"{reason(error) or what} ({type(error).__name__} of urllib3)"


@attrs.frozen
class _Process:
    """Where a blocking connection belongs: a process."""

    pid: int

    def is_inherited(self) -> bool:
        return self.pid != os.getpid()

    def is_alive(self) -> bool:
        return not self.is_inherited()

    def soon(self, call: object) -> bool:  # noqa: ARG002 - the seam's signature
        return False


class _Places:
    """Places that threads wait for in turn."""

    def __init__(self, count: int) -> None:
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(None)

    async def acquire(self, seconds: float) -> bool:
        try:
            self._free.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def release(self) -> None:
        self._free.put(None)


@attrs.frozen
class _Threads:
    """As much of a driver as lanes ask for, in the worker threads of one that does not block."""

    driver: Driver

    def now(self) -> float:
        return self.driver.now()

    def place(self) -> _Process:
        return _Process(os.getpid())

    def slots(self, count: int) -> _Places:
        return _Places(count)

    def unhurried(self) -> AbstractContextManager[object]:
        return nullcontext()
