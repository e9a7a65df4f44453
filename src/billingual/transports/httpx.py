"""The default transport: httpx.

It uses the transport layer of httpx, not its client: no redirects, no cookies, no environment, no
retries, and no log lines with full URLs. Nothing of httpx leaves this module, its exceptions
included: their text may quote a header, so it is dropped and only the class name is kept.
"""

from __future__ import annotations

from typing import Final

import httpx

from billingual.errors import (
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcome import Evidence
from billingual.protocol import Account, TransportOptions
from billingual.transports._body import ANSWER_BEGUN, BodyReader
from billingual.transports._clocked import DEADLINE, ClockedBackend
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

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
    """Send through a pool of ``httpx.AsyncHTTPTransport``; safe to share between tasks.

    The pool is made on the first request, so that a client can be constructed without TLS set-up.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._pool: httpx.AsyncHTTPTransport | None = None

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.protocol.Transport`."""
        answered = False
        pool = self._open_pool()
        ticket = DEADLINE.set(bounds.deadline)
        try:
            outgoing = self._outgoing(request, bounds)
            response = await pool.handle_async_request(outgoing)
            answered = True
            try:
                body = await self._read(response, bounds)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            failure = _translated(error, answered=answered)
        except (httpx.InvalidURL, UnicodeError) as error:
            failure = TransportError(
                f"the request cannot be written as HTTP ({type(error).__name__}).",
                evidence=_UNSENT,
            )
        else:
            headers = Headers(
                (key.decode("latin-1"), value.decode("latin-1"))
                for key, value in response.headers.raw
            )
            return WireResponse(status=response.status_code, headers=headers, body=body)
        finally:
            DEADLINE.reset(ticket)
        # Raised out here, so that no frame of httpx, with its headers, hangs on the error.
        raise failure

    async def aclose(self) -> None:
        """Give up all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _open_pool(self) -> httpx.AsyncHTTPTransport:
        if self._pool is None:
            try:
                self._pool = _pool(self._options)
            except (ValueError, ImportError, httpx.InvalidURL) as error:
                problem = type(error).__name__
        if self._pool is None:
            raise ConfigurationError(
                f"the proxy's URL cannot be used ({problem} of httpx); give an http:// or https:// "
                "URL, or install httpx[socks] for socks5://. It is not shown here."
            )
        return self._pool

    @staticmethod
    def _outgoing(request: WireRequest, bounds: Bounds) -> httpx.Request:
        timeouts = bounds.timeouts
        return httpx.Request(
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

    @staticmethod
    async def _read(response: httpx.Response, bounds: Bounds) -> bytes:
        reader = BodyReader(response.headers.get("content-encoding"), bounds)
        failure: TransportError | None = None
        try:
            async for piece in response.aiter_raw():
                if failure is None:
                    failure = _feed(reader, piece)
                    if failure is not None:
                        # Generators of httpx that are left half-way make trio complain, so the
                        # loop goes on until they find the connection closed.
                        await response.aclose()
        except httpx.HTTPError:
            if failure is None:
                raise
        if failure is not None:
            raise failure
        return reader.finish()


def _feed(reader: BodyReader, piece: bytes) -> TransportError | None:
    try:
        reader.feed(piece)
    except TransportError as failure:
        return failure
    return None


def _pool(options: TransportOptions) -> httpx.AsyncHTTPTransport:
    transport = httpx.AsyncHTTPTransport(
        verify=True if options.tls is None else options.tls,
        trust_env=False,
        proxy=options.proxy,
        limits=httpx.Limits(
            max_connections=options.connections,
            max_keepalive_connections=options.connections,
            keepalive_expiry=options.keepalive_s,
        ),
    )
    # httpcore takes a backend, httpx has no word for it.
    pool = transport._pool  # noqa: SLF001
    pool._network_backend = ClockedBackend(pool._network_backend, options.driver)  # noqa: SLF001
    return transport


def _translated(error: httpx.HTTPError, *, answered: bool) -> TransportError:
    """Find the most specific row for an exception of httpx."""
    kind, evidence, what = next(
        (_TABLE[each] for each in type(error).__mro__ if each in _TABLE),
        _TABLE[httpx.TransportError],
    )
    if answered:
        evidence = ANSWER_BEGUN
    return kind(f"{what} ({type(error).__name__} of httpx).", evidence=evidence)
