"""The default transport: httpx.

It uses the transport layer of httpx, not its client: no redirects, no cookies, no environment, no
retries, and no log lines with full URLs. Nothing of httpx leaves this module, its exceptions
included: their text may quote a header, so it is dropped and only the class name is kept.
"""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Final, Self

import httpx

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
from billingual.transports._httpx_lanes import AsyncLane, BlockingLane, HttpxLane
from billingual.transports._lanes import Lanes, Stack
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["HttpxTransport"]

_NOTHING: Final = Evidence(connected=False, request_complete=False, answer_begun=False)
_UNSENT: Final = Evidence(connected=None, request_complete=False, answer_begun=False)
_SENT: Final = Evidence(connected=True, request_complete=True)
# The kernel may hold, and still deliver, what could not be written in time.
_PERHAPS_SENT: Final = Evidence(connected=True)

_TABLE: Final[dict[type[Exception], tuple[type[TransportError], Evidence, str]]] = {
    httpx.ConnectError: (NotConnectedError, _NOTHING, "no connection could be made"),
    httpx.ConnectTimeout: (NotConnectedError, _NOTHING, "no connection stood in time"),
    httpx.ProxyError: (NotConnectedError, _NOTHING, "the proxy refused the connection"),
    httpx.UnsupportedProtocol: (NotConnectedError, _NOTHING, "the address is not of http(s)"),
    httpx.PoolTimeout: (PoolTimeoutError, _NOTHING, "no connection of the pool became free"),
    httpx.LocalProtocolError: (TransportError, _UNSENT, "the request cannot be written as HTTP"),
    httpx.WriteTimeout: (TimedOutError, _PERHAPS_SENT, "the request was not taken in time"),
    httpx.ReadTimeout: (TimedOutError, _SENT, "no answer came in time"),
    httpx.WriteError: (ConnectionLostError, _PERHAPS_SENT, "the connection broke while sending"),
    httpx.ReadError: (ConnectionLostError, _PERHAPS_SENT, "the connection broke"),
    httpx.RemoteProtocolError: (ConnectionLostError, _PERHAPS_SENT, "the answer broke off"),
    httpx.TransportError: (ConnectionLostError, _PERHAPS_SENT, "the exchange failed"),
}


class HttpxTransport:
    """Send through lanes of httpx's transport layer; safe to share between tasks and threads.

    Under a driver that blocks, the blocking half of httpx is used behind the same seam. Nothing
    is connected, and no TLS is set up, before the first request.
    """

    colours: Final = frozenset({"async", "blocking"})

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._lanes: dict[bool, Lanes[HttpxLane]] = {}

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`."""
        outgoing = _outgoing(request, bounds)
        lanes = self._lanes_for(secure=outgoing.url.scheme == "https")
        taken = await lanes.take(bounds.phase(bounds.timeouts.pool))
        if taken is None:
            raise PoolTimeoutError(
                f"all {self._options.connections} connections stayed busy.", evidence=_NOTHING
            )
        failure = await self._exchange(lanes, *taken, outgoing, bounds)
        if isinstance(failure, WireResponse):
            return failure
        # Raised out here, so that no frame of httpx, with its headers, hangs on the error.
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

    @staticmethod
    async def _exchange(
        lanes: Lanes[HttpxLane],
        stack: Stack[HttpxLane],
        lane: HttpxLane,
        outgoing: httpx.Request,
        bounds: Bounds,
    ) -> WireResponse | BillingualError:
        """Use the lane once; it goes back only if all went well."""
        try:
            response = await lane.exchange(outgoing, bounds)
        except httpx.HTTPError as error:
            failure: BillingualError = _translated(error, outgoing.url, lane.watch.evidence())
        except BillingualError as error:
            failure = error
        except (UnicodeError, httpx.InvalidURL) as error:
            failure = _unwritable(error)
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
                functools.partial(_lane, options, secure=secure),
                options.driver,
                limit=options.connections,
                keepalive_s=options.keepalive_s,
            )
            lanes = self._lanes.setdefault(secure, made)
        return lanes


def _lane(options: TransportOptions, *, secure: bool) -> HttpxLane:
    try:
        if options.driver.blocks:
            return BlockingLane(options, secure=secure)
        return AsyncLane(options, secure=secure)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        problem = type(error).__name__
    raise ConfigurationError(
        f"the proxy's URL cannot be used ({problem} of httpx); give an http:// or https:// URL, "
        "or install httpx[socks] for socks5://. It is not shown here."
    )


class _Body(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A request's body. That of httpx is a generator, which a cancelled request leaves half-way."""

    def __init__(self, body: bytes | None) -> None:
        self._pieces = () if body is None else (body,)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self._pieces)


class _Pieces:
    """Pieces of a body, one after another."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._left = iter(pieces)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._left:
            return piece
        raise StopAsyncIteration


def _outgoing(request: WireRequest, bounds: Bounds) -> httpx.Request:
    timeouts = bounds.timeouts
    try:
        outgoing = httpx.Request(
            request.method,
            request.url,
            headers=list(request.headers),
            content=request.body,
            extensions={
                "timeout": {
                    "connect": bounds.phase(timeouts.connect),
                    "write": bounds.phase(timeouts.write),
                    "read": bounds.phase(timeouts.read),
                    "pool": bounds.phase(timeouts.pool),
                }
            },
        )
    except (httpx.InvalidURL, UnicodeError) as error:
        failure = _unwritable(error)
    else:
        outgoing.stream = _Body(request.body)
        return outgoing
    raise failure


def _unwritable(error: Exception) -> TransportError:
    return TransportError(
        f"the request cannot be written as HTTP ({type(error).__name__}).", evidence=_UNSENT
    )


def _translated(error: httpx.HTTPError, url: httpx.URL, seen: Evidence) -> TransportError:
    """Find the most specific row for an exception of httpx; what the wire saw goes first."""
    kind, evidence, what = next(
        (_TABLE[each] for each in type(error).__mro__ if each in _TABLE),
        _TABLE[httpx.TransportError],
    )
    if kind in {TimedOutError, ConnectionLostError} and seen.connected:
        evidence = seen
    where = f"{url.scheme}://{url.netloc.decode('ascii')}"
    what = _reason(error) or what
    return kind(f"{where}: {what} ({type(error).__name__} of httpx).", evidence=evidence)


def _reason(error: BaseException | None) -> str:
    """Say why no connection stood, and what to look at; empty where the system does not tell."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the server's certificate was refused: {error.verify_message.rstrip('.')}; if its "
                "authority is your own, give tls=ssl.create_default_context(cafile=...)"
            )
        if isinstance(error, ConnectionRefusedError):
            return "nothing listens there; check the host and port of the base URL"
        if isinstance(error, socket.gaierror):
            return "there is no host of that name; check the base URL and your name server"
        error = error.__cause__ or error.__context__
    return ""
