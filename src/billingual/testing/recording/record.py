"""Record what crosses a transport, without credentials, to play it back later.

``AsyncClient("exante", transport=record("tape.json"))`` sends over httpx and keeps each exchange,
failures included. What is never written: authorization, cookies and every header field that is
not on a short list; tokens, wherever a response quotes them; values of fields and parameters that
are named like secrets; the provider's address; tenants, for which numbers stand in. Invoices are
written as they came: look at a tape before you give it away.
"""

from __future__ import annotations

import os

from billingual.abc import Account, Transport, TransportFactory, TransportOptions
from billingual.errors import ConfigurationError, TransportError
from billingual.testing.recording.cassette import (
    Cassette,
    TapedExchange,
    TapedFailure,
    TapedRequest,
    TapedResponse,
)
from billingual.testing.recording.redaction import Redactor
from billingual.transports._inner import InnerTransport, TransportLike, make_inner
from billingual.wire import Bounds, WireRequest, WireResponse

__all__ = ["RecordTransport", "record"]


class RecordTransport:
    """Send through *inner* and keep what was asked and answered; safe for tasks and threads.

    The tape is written after each exchange, so that a crash loses none, and replaces one that was
    there as a whole. The caller that waits for the response writes it: for tests, not for servers.

    Args:
        inner: the transport that sends; it stays the caller's to close.
        path: the file to write; its folder must be there.

    Raises:
        ConfigurationError: if there is no such folder.
    """

    def __init__(self, inner: Transport, path: str | os.PathLike[str]) -> None:
        self._inner = InnerTransport.of(inner)
        self._cassette = Cassette(path)
        self._redactor = Redactor()
        self._fault: Exception | None = None
        self.supports: frozenset[str] = self._inner.supports
        if not self._cassette.path.parent.is_dir():
            raise ConfigurationError(
                f"there is no folder {str(self._cassette.path.parent)!r} to write a tape to; "
                "make it first."
            )

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver *request* once and keep how it ended."""
        try:
            response = await self._inner.send(request, bounds)
        except TransportError as failure:
            self._keep(request, failure)
            raise
        self._keep(request, response)
        return response

    async def aclose(self) -> None:
        """Write the tape, and close the inner transport if it was made for this one.

        Raises:
            ConfigurationError: if the tape cannot be written, or lacks an exchange.
        """
        try:
            self._save()
        finally:
            await self._inner.aclose()
        if self._fault is not None:
            fault, self._fault = self._fault, None
            reason = fault.strerror if isinstance(fault, OSError) else type(fault).__name__
            raise ConfigurationError(
                f"the tape {str(self._cassette.path)!r} is not whole ({reason}); every request "
                "went out and was answered as usual."
            )

    def drop(self) -> int:
        """Pass it on."""
        return self._inner.drop()

    def account(self, provider: str) -> Account | None:
        """Pass the question on."""
        return self._inner.account(provider)

    def _keep(self, request: WireRequest, end: WireResponse | TransportError) -> None:
        """Put one exchange on the tape. Trouble with a tape must not take a response away."""
        try:
            taped = TapedRequest.of(request, self._redactor)
            if isinstance(end, TransportError):
                failure = TapedFailure.of(end, self._redactor)
                self._cassette.add(TapedExchange(request=taped, failure=failure))
            else:
                response = TapedResponse.of(end, self._redactor)
                self._cassette.add(TapedExchange(request=taped, response=response))
        except Exception as fault:  # noqa: BLE001 - raised when the transport is closed
            self._fault = fault.with_traceback(None)
        else:
            self._save()

    def _save(self) -> None:
        try:
            self._cassette.save()
        except OSError as fault:
            self._fault = fault
        else:
            if isinstance(self._fault, OSError):
                self._fault = None


def record(path: str | os.PathLike[str], transport: TransportLike = "httpx") -> TransportFactory:
    """Return a factory of a transport that records.

    Args:
        path: the file to write; its folder must be there.
        transport: what sends: a name, a transport (which stays the caller's to close) or a
            factory. Default ``"httpx"``.
    """

    def make(options: TransportOptions) -> RecordTransport:
        return RecordTransport(make_inner(transport, options), path)

    return make
