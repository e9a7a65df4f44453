"""Exchanges through the library's own transport: the longer way.

It is taken where a proxy stands in between, which the library knows how to speak to, and where
somebody has put a function of their own in the library's place: a test's mock, or an
instrumentation. They expect to be asked.
"""

from __future__ import annotations

from typing import Any

from billingual.abc import TransportOptions
from billingual.errors import TransportError
from billingual.transports._body import BodyReader
from billingual.transports._httpx_family import Family
from billingual.transports._trust import default_context, no_trust
from billingual.transports._watch import AsyncWatchedBackend, Watch, WatchedBackend
from billingual.wire import Bounds, Headers, WireResponse

__all__ = ["AsyncLibrary", "Library"]


class AsyncLibrary:
    """The library's transport for one connection, which suspends the task."""

    def __init__(
        self, family: Family, options: TransportOptions, watch: Watch, *, secure: bool
    ) -> None:
        self._watch = watch
        self._errors: type[Exception] = family.http.HTTPError
        self._half = family.http.AsyncHTTPTransport(**_arguments(family, options, secure=secure))
        # The core takes a backend, the library above has no word for it.
        pool = self._half._pool  # noqa: SLF001
        pool._network_backend = AsyncWatchedBackend(pool._network_backend, watch)  # noqa: SLF001

    async def exchange(self, request: Any, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        response = await self._half.handle_async_request(request)
        reader = _reader(response, bounds, self._watch)
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
        return _answer(response, reader, failure, self._watch)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._half.aclose()


class Library:
    """The library's transport for one connection, which blocks the thread."""

    def __init__(
        self, family: Family, options: TransportOptions, watch: Watch, *, secure: bool
    ) -> None:
        self._watch = watch
        self._half = family.http.HTTPTransport(**_arguments(family, options, secure=secure))
        pool = self._half._pool  # noqa: SLF001 - as above
        pool._network_backend = WatchedBackend(pool._network_backend, watch)  # noqa: SLF001

    def exchange(self, request: Any, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        response = self._half.handle_request(request)
        reader = _reader(response, bounds, self._watch)
        failure: TransportError | None = None
        for piece in response.iter_raw():
            failure = _feed(reader, piece)
            if failure is not None:
                break
        response.close()
        if _holds_surplus(self._half):
            self._half.close()
        return _answer(response, reader, failure, self._watch)

    def close(self) -> None:
        """Close the connection."""
        self._half.close()


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


def _reader(response: Any, bounds: Bounds, watch: Watch) -> BodyReader:
    watch.status = response.status_code
    return BodyReader(
        response.headers.get("content-encoding"),
        bounds,
        status=watch.status,
        request_complete=watch.request_complete(),
    )


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
    response: Any, reader: BodyReader, failure: TransportError | None, watch: Watch
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
        request_complete=watch.request_complete(),
    )
