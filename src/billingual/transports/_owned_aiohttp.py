"""Send through a session of aiohttp that is the user's. It needs the event loop of asyncio.

aiohttp sends a PUT or DELETE again by itself when a connection breaks. Here it does not: a
middleware, the innermost of all, lets no such failure through in a form that it would answer so,
and counts what was sent, because middlewares of the user may send again as well.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import aiohttp
import attrs
from yarl import URL

from billingual.abc import Account
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConfigurationError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._address import Address, checked
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, UNSENT
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["OwnedAiohttp"]

_NO_CONNECTION: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ConnectionTimeoutError,
)
_BROKEN: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


class _BrokenError(Exception):
    """A connection broke; of a class that aiohttp does not answer by sending again."""


@attrs.define
class _Guard:
    """The innermost middleware: it sees each delivery that is tried."""

    unconnected: int = 0
    connected: int = 0
    answered: bool = False
    status: int | None = None

    async def __call__(self, request: Any, handler: Any) -> Any:
        try:
            response = await handler(request)
        except _NO_CONNECTION:
            self.unconnected += 1
            raise
        except _BROKEN as error:
            self.connected += 1
            broken = _BrokenError(type(error).__name__)
        except BaseException:
            self.connected += 1
            raise
        else:
            self.connected += 1
            self.answered = True
            return response
        raise broken

    def evidence(self) -> Evidence:
        """Say what is proved: the library does not tell how much it had written."""
        if self.connected:
            return Evidence(
                connected=True, answer_begun=True if self.answered else None, status=self.status
            )
        return NOTHING if self.unconnected else Evidence()


class OwnedAiohttp:
    """A ``ClientSession``; as safe to share as that."""

    supports: Final = frozenset({"async"})

    def __init__(self, session: aiohttp.ClientSession, library: str = "aiohttp") -> None:
        self._session = session
        self._library = library

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`.

        Raises:
            ConfigurationError: if it is awaited under trio.
        """
        if self._session.closed:
            raise ClosedError(f"the {self!r} is closed; give an open one.")
        trio = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_run():
            raise ConfigurationError(
                "a session of aiohttp needs the event loop of asyncio, and trio runs here; give "
                "an AsyncClient of httpx instead."
            )
        address = checked(request)
        if bounds.deadline.left() <= 0:
            # To aiohttp, no time at all is all the time there is.
            raise TimedOutError("the deadline passed before it was sent.", evidence=NOTHING)
        answer = await self._exchange(request, address, bounds)
        if isinstance(answer, WireResponse):
            return answer
        # Raised out here, so that no frame of aiohttp, with its headers, hangs on the error.
        raise answer

    async def aclose(self) -> None:
        """Do nothing: the session is the user's."""

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"owned({type(self._session).__name__} of {self._library})"

    async def _exchange(
        self, request: WireRequest, address: Address, bounds: Bounds
    ) -> WireResponse | BillingualError:
        guard = _Guard()
        try:
            async with self._session.request(
                request.method, URL(request.url, encoded=True), **self._options(request, bounds),
                middlewares=(*_middlewares(self._session), guard),
            ) as response:  # fmt: skip
                guard.status = response.status
                reader = BodyReader(
                    response.headers.get("Content-Encoding"), bounds, status=response.status
                )
                async for piece in response.content.iter_any():
                    reader.feed(piece)
            headers = Headers(
                (key.decode("latin-1"), value.decode("latin-1"))
                for key, value in response.raw_headers
            )
            return WireResponse(status=response.status, headers=headers, body=reader.finish())
        except BillingualError as error:
            return error
        except Exception as error:  # noqa: BLE001 - middlewares and hooks are the user's
            return _translated(error, address, guard)

    @staticmethod
    def _options(request: WireRequest, bounds: Bounds) -> dict[str, Any]:
        timeouts = bounds.timeouts
        headers = list(request.headers)
        if "Accept-Encoding" not in request.headers:
            # The session would ask for codings that are not unpacked here.
            headers.append(("Accept-Encoding", "gzip, deflate"))
        return {
            "headers": headers,
            "skip_auto_headers": ["Content-Type"],
            "data": request.body,
            "allow_redirects": False,
            "raise_for_status": False,
            "auto_decompress": False,
            "timeout": aiohttp.ClientTimeout(
                total=bounds.deadline.left(),
                connect=bounds.phase(timeouts.pool + timeouts.connect),
                sock_connect=bounds.phase(timeouts.connect),
                sock_read=bounds.phase(timeouts.read),
            ),
        }


def _middlewares(session: aiohttp.ClientSession) -> tuple[Any, ...]:
    # To name one for a request hides those of the session, which are the user's.
    return tuple(getattr(session, "_middlewares", None) or ())


def _translated(error: Exception, address: Address, guard: _Guard) -> TransportError:
    evidence = guard.evidence()
    name = str(error) if isinstance(error, _BrokenError) else type(error).__name__
    kind: type[TransportError] = ConnectionLostError
    what = "the connection broke"
    if isinstance(error, (aiohttp.InvalidURL, UnicodeError, ValueError)) and not guard.connected:
        kind, what, evidence = TransportError, "the request cannot be written as HTTP", UNSENT
    elif isinstance(error, _NO_CONNECTION) and evidence == NOTHING:
        kind, what = NotConnectedError, "no connection stood"
    elif isinstance(error, TimeoutError):
        kind, what = TimedOutError, "no whole answer came in time"
    elif isinstance(error, aiohttp.ClientPayloadError):
        what = "the answer broke off"
    return kind(f"{address.origin}: {what} ({name} of your aiohttp session).", evidence=evidence)
