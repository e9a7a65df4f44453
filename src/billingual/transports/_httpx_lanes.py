"""Lanes of the family of httpx: one connection each, in two halves that differ in how they wait."""

from __future__ import annotations

from typing import Any, Protocol

from billingual.driver import Place
from billingual.errors import TransportError
from billingual.protocol import TransportOptions
from billingual.transports._body import BodyReader
from billingual.transports._httpx_family import Family
from billingual.transports._parting import part_with
from billingual.transports._trust import default_context, no_trust
from billingual.transports._watch import AsyncWatchedBackend, Watch, WatchedBackend
from billingual.wire import Bounds, Headers, WireResponse

__all__ = ["AsyncLane", "BlockingLane", "HttpxLane"]


class HttpxLane(Protocol):
    """What both halves offer.

    Attributes:
        watch: what was seen of the exchange under way.
    """

    watch: Watch

    async def exchange(self, request: Any, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...

    def drop(self, place: Place) -> bool:
        """Close the connection without waiting; False if there was none."""
        ...


class AsyncLane:
    """One connection that suspends the task while it waits."""

    def __init__(self, family: Family, options: TransportOptions, *, secure: bool) -> None:
        self.watch = Watch(too_late=family.core.ReadTimeout)
        self._errors: type[Exception] = family.http.HTTPError
        self._half = family.http.AsyncHTTPTransport(**_arguments(family, options, secure=secure))
        # The core takes a backend, the library above has no word for it.
        pool = self._half._pool  # noqa: SLF001
        pool._network_backend = AsyncWatchedBackend(pool._network_backend, self.watch)  # noqa: SLF001

    async def exchange(self, request: Any, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        self.watch.begin(bounds.deadline)
        response = await self._half.handle_async_request(request)
        status = self.watch.status = response.status_code
        complete = self.watch.request_complete()
        reader = BodyReader(
            response.headers.get("content-encoding"),
            bounds,
            status=status,
            request_complete=complete,
        )
        failure: TransportError | None = None
        try:
            async for piece in response.aiter_raw():
                failure = failure or _feed(reader, piece)
                if failure is not None:
                    # Generators of httpx that are left half-way make trio complain, so the loop
                    # goes on until they find the connection closed.
                    await response.aclose()
        except self._errors:
            if failure is None:
                raise
        await response.aclose()
        if _holds_surplus(self._half):
            await self._half.aclose()
        return _answer(response, reader, failure, complete=complete)

    async def aclose(self) -> None:
        """Close the connection."""
        try:
            await self._half.aclose()
        finally:
            # The library forgets a connection whose TLS handshake was cancelled.
            stream, self.watch.async_stream = self.watch.async_stream, None
            if stream is not None:
                await stream.aclose()

    def drop(self, place: Place) -> bool:
        """Close the connection without waiting; False if there was none."""
        stream, self.watch.async_stream = self.watch.async_stream, None
        if stream is not None:
            part_with(stream, place)
        return stream is not None


class BlockingLane:
    """One connection that blocks its thread while it waits."""

    def __init__(self, family: Family, options: TransportOptions, *, secure: bool) -> None:
        self.watch = Watch(too_late=family.core.ReadTimeout)
        self._half = family.http.HTTPTransport(**_arguments(family, options, secure=secure))
        pool = self._half._pool  # noqa: SLF001 - as above
        pool._network_backend = WatchedBackend(pool._network_backend, self.watch)  # noqa: SLF001

    async def exchange(self, request: Any, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        self.watch.begin(bounds.deadline)
        response = self._half.handle_request(request)
        status = self.watch.status = response.status_code
        complete = self.watch.request_complete()
        reader = BodyReader(
            response.headers.get("content-encoding"),
            bounds,
            status=status,
            request_complete=complete,
        )
        failure: TransportError | None = None
        for piece in response.iter_raw():
            failure = _feed(reader, piece)
            if failure is not None:
                break
        response.close()
        if _holds_surplus(self._half):
            self._half.close()
        return _answer(response, reader, failure, complete=complete)

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()

    def drop(self, place: Place | None = None) -> bool:  # noqa: ARG002 - a thread is no place
        """Close the connection without waiting; False if there was none."""
        stream, self.watch.stream = self.watch.stream, None
        self._half.close()
        if stream is not None:
            stream.close()
        return stream is not None


def _arguments(family: Family, options: TransportOptions, *, secure: bool) -> dict[str, Any]:
    """List the arguments that both halves take."""
    over_tls = (options.proxy or "").startswith("https")
    context = options.tls or (default_context() if secure or over_tls else no_trust())
    proxy = options.proxy
    return {
        "verify": context,
        "trust_env": False,
        "proxy": family.http.Proxy(proxy, ssl_context=context) if over_tls else proxy,
        "limits": family.http.Limits(
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=options.keepalive_s,
        ),
    }


def _holds_surplus(half: Any) -> bool:
    """Tell whether bytes came after the answer: the core would take them for the next one."""
    connection = next(iter(half._pool.connections), None)  # noqa: SLF001 - it has no word for it
    while connection is not None and not hasattr(connection, "_h11_state"):
        connection = getattr(connection, "_connection", None)
    return connection is not None and bool(connection._h11_state.trailing_data[0])  # noqa: SLF001


def _feed(reader: BodyReader, piece: bytes) -> TransportError | None:
    try:
        reader.feed(piece)
    except TransportError as failure:
        return failure
    return None


def _answer(
    response: Any, reader: BodyReader, failure: TransportError | None, *, complete: bool | None
) -> WireResponse:
    if failure is not None:
        raise failure
    headers = Headers(
        (key.decode("latin-1"), value.decode("latin-1")) for key, value in response.headers.raw
    )
    return WireResponse(
        status=response.status_code,
        headers=headers,
        body=reader.finish(),
        request_complete=complete,
    )
