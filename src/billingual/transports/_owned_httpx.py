"""Send through a client of httpx or httpx2 that is the user's.

Both libraries have the same names, so the one that made the client is asked for them. How far a
request got is told by the trace of httpcore, which both stand on. A client may be given another
transport, say one that retries: where no trace comes, nothing is claimed.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

import attrs

from billingual.abc import Account
from billingual.errors import (
    BillingualError,
    ClosedError,
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._address import checked
from billingual.transports._body import BodyReader
from billingual.transports._failures import NOTHING, UNSENT, unwritable
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["OwnedAsyncHttpx", "OwnedBlockingHttpx"]

_PLAIN: Final = frozenset({"AsyncHTTPTransport", "HTTPTransport"})

# Most specific first: the class of the library, ours if nothing was sent, ours otherwise, why.
_TABLE: Final[tuple[tuple[str, type[TransportError], type[TransportError], str], ...]] = (
    ("PoolTimeout", PoolTimeoutError, TimedOutError, "no connection of the pool became free"),
    ("ConnectTimeout", NotConnectedError, TimedOutError, "no connection stood in time"),
    ("ConnectError", NotConnectedError, ConnectionLostError, "no connection could be made"),
    ("ProxyError", NotConnectedError, ConnectionLostError, "the proxy refused the connection"),
    (
        "UnsupportedProtocol",
        NotConnectedError,
        ConnectionLostError,
        "the address is not of http(s)",
    ),
    ("WriteTimeout", TimedOutError, TimedOutError, "the request was not taken in time"),
    ("ReadTimeout", TimedOutError, TimedOutError, "no answer came in time"),
    ("LocalProtocolError", TransportError, ConnectionLostError, "it cannot be written as HTTP"),
    ("RemoteProtocolError", ConnectionLostError, ConnectionLostError, "the answer broke off"),
    ("NetworkError", ConnectionLostError, ConnectionLostError, "the connection broke"),
    ("HTTPStatusError", ConnectionLostError, ConnectionLostError, "a hook refused the answer"),
)


@attrs.define
class _Trace:
    """What httpcore told about one request; a request of the client's own counts as well."""

    heard: bool = False
    sending: bool = False
    sent: bool = False
    reading: bool = False
    answered: bool = False
    status: int | None = None

    def note(self, event: str, info: dict[str, Any]) -> None:
        self.heard = True
        step = event.partition(".")[2]
        if step == "send_request_headers.started":
            # A proxy is asked for a tunnel by a request as well, which is not ours.
            self.sending = self.sending or getattr(info.get("request"), "method", b"") != b"CONNECT"
        elif not self.sending:
            return
        elif step == "send_request_body.complete":
            self.sent = True
        elif step == "receive_response_headers.started":
            self.reading = True
        elif step == "receive_response_headers.complete":
            self.answered = True

    async def anote(self, event: str, info: dict[str, Any]) -> None:
        self.note(event, info)

    def evidence(self, *, plain: bool) -> Evidence:
        if self.sending:
            begun = True if self.answered else (None if self.reading else False)
            return Evidence(
                connected=True, request_complete=True if self.sent else None, answer_begun=begun,
                status=self.status,
            )  # fmt: skip
        return UNSENT if self.heard or plain else Evidence()


class _OwnedHttpx:
    """What both halves share."""

    def __init__(self, client: Any, library: str) -> None:
        self._client = client
        self._library: ModuleType = sys.modules[library]

    async def aclose(self) -> None:
        """Do nothing: the client is the user's."""

    def account(self, provider: str) -> Account | None:  # noqa: ARG002 - the seam's signature
        """Return None: providers are found on the network."""
        return None

    def __repr__(self) -> str:
        return f"owned({type(self._client).__name__} of {self._library.__name__})"

    def _outgoing(self, request: WireRequest, bounds: Bounds, trace: Any) -> Any:
        """Make the library's request, or return the error that says why it cannot be made."""
        if self._client.is_closed:
            return ClosedError(f"the {self!r} is closed; give an open one.")
        checked(request)
        timeouts = bounds.timeouts
        headers = list(request.headers)
        if "Accept-Encoding" not in request.headers:
            # The client would ask for codings that are not unpacked here.
            headers.append(("Accept-Encoding", "gzip, deflate"))
        try:
            outgoing = self._client.build_request(
                request.method,
                request.url,
                headers=headers,
                content=request.body,
                timeout=self._library.Timeout(
                    connect=bounds.phase(timeouts.connect),
                    write=bounds.phase(timeouts.write),
                    read=bounds.phase(timeouts.read),
                    pool=bounds.phase(timeouts.pool),
                ),
                extensions={"trace": trace},
            )
        except (self._library.InvalidURL, UnicodeError, TypeError, ValueError) as error:
            return unwritable(type(error).__name__)
        return outgoing

    def _is_plain(self, outgoing: Any) -> bool:
        """Tell whether the library's own transport sends it, which does nothing twice."""
        choose = getattr(self._client, "_transport_for_url", None)
        kind = type(choose(outgoing.url)) if choose is not None else type(None)
        return kind.__name__ in _PLAIN and kind.__module__.startswith(self._library.__name__)

    def _translated(self, error: Exception, outgoing: Any, trace: _Trace) -> TransportError:
        evidence = trace.evidence(plain=self._is_plain(outgoing))
        where = f"{outgoing.url.scheme}://{outgoing.url.netloc.decode('ascii')}"
        unsent, otherwise, what = next(
            (row[1:] for row in _TABLE if isinstance(error, getattr(self._library, row[0]))),
            (ConnectionLostError, ConnectionLostError, "the client failed"),
        )
        if evidence == UNSENT and unsent in {NotConnectedError, PoolTimeoutError}:
            evidence = NOTHING
        kind = unsent if evidence.request_complete is False else otherwise
        return kind(
            f"{where}: {what} ({type(error).__name__} of your {self._library.__name__} client).",
            evidence=evidence,
        )


class OwnedAsyncHttpx(_OwnedHttpx):
    """An ``AsyncClient``; as safe to share as that."""

    supports: Final = frozenset({"async"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        trace = _Trace()
        outgoing = self._outgoing(request, bounds, trace.anote)
        if isinstance(outgoing, BillingualError):
            raise outgoing
        answer = await self._exchange(outgoing, bounds, trace)
        if isinstance(answer, WireResponse):
            return answer
        # Raised out here, so that no frame of the library, with its headers, hangs on the error.
        raise answer

    async def _exchange(
        self, outgoing: Any, bounds: Bounds, trace: _Trace
    ) -> WireResponse | BillingualError:
        failure: BillingualError | None = None
        try:
            response = await self._client.send(outgoing, stream=True, follow_redirects=False)
            trace.status = response.status_code
            try:
                reader = BodyReader(
                    response.headers.get("content-encoding"), bounds, status=response.status_code
                )
                async for piece in response.aiter_raw():
                    failure = failure or _fed(reader, piece)
                    if failure is not None:
                        # Generators that are left half-way make trio complain, so the loop goes
                        # on until they find the connection closed.
                        await response.aclose()
            finally:
                await response.aclose()
            return failure or _answer(response, reader)
        except BillingualError as error:
            return error
        except Exception as error:  # noqa: BLE001 - hooks and transports are the user's
            return failure or self._translated(error, outgoing, trace)


class OwnedBlockingHttpx(_OwnedHttpx):
    """A ``Client``, which blocks the thread; as safe to share as that."""

    supports: Final = frozenset({"sync"})

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once; see :class:`billingual.abc.Transport`."""
        trace = _Trace()
        outgoing = self._outgoing(request, bounds, trace.note)
        if isinstance(outgoing, BillingualError):
            raise outgoing
        answer = self._exchange(outgoing, bounds, trace)
        if isinstance(answer, WireResponse):
            return answer
        raise answer

    def _exchange(
        self, outgoing: Any, bounds: Bounds, trace: _Trace
    ) -> WireResponse | BillingualError:
        try:
            response = self._client.send(outgoing, stream=True, follow_redirects=False)
            trace.status = response.status_code
            try:
                reader = BodyReader(
                    response.headers.get("content-encoding"), bounds, status=response.status_code
                )
                for piece in response.iter_raw():
                    reader.feed(piece)
            finally:
                response.close()
            return _answer(response, reader)
        except BillingualError as error:
            return error
        except Exception as error:  # noqa: BLE001 - hooks and transports are the user's
            return self._translated(error, outgoing, trace)


def _fed(reader: BodyReader, piece: bytes) -> TransportError | None:
    try:
        reader.feed(piece)
    except TransportError as failure:
        return failure
    return None


def _answer(response: Any, reader: BodyReader) -> WireResponse:
    headers = Headers(
        (key.decode("latin-1"), value.decode("latin-1")) for key, value in response.headers.raw
    )
    return WireResponse(status=response.status_code, headers=headers, body=reader.finish())
