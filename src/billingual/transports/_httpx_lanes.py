"""Lanes of the family of httpx: one connection each, in two halves that differ in how they wait."""

from __future__ import annotations

import ssl
from typing import Any, Protocol

from billingual.abc import ExecutionScope, TransportOptions
from billingual.transports._address import Origin
from billingual.transports._httpx_dialogue import Dialogue, Outgoing
from billingual.transports._httpx_family import Family
from billingual.transports._httpx_library import AsyncLibrary, Library
from billingual.transports._httpx_loop import LoopLine, taken_over
from billingual.transports._httpx_stream import AsyncStreamLine, StreamLine
from billingual.transports._parting import part_with
from billingual.transports._trust import default_context
from billingual.transports._watch import AsyncWatchedBackend, Watch, WatchedBackend
from billingual.wire import Bounds, WireResponse

__all__ = ["AsyncLane", "BlockingLane", "HttpxLane"]

# To a handshake no time at all is a mistake of the caller.
_SHORTEST_S = 0.001


class HttpxLane(Protocol):
    """What both halves offer.

    Attributes:
        watch: what was seen of the exchange under way.
    """

    watch: Watch

    async def exchange(self, outgoing: Outgoing, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        ...

    async def exchange_through(self, request: Any, bounds: Bounds) -> WireResponse:
        """Do the same through the library's own transport, with a request of the library's."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...

    def drop(self, place: ExecutionScope) -> bool:
        """Close the connection without waiting; False if there was none."""
        ...


class _Lane:
    """What both halves keep of their connection."""

    def __init__(self, family: Family, options: TransportOptions, *, secure: bool) -> None:
        self.watch = Watch(too_late=family.core.ReadTimeout, broken=family.core.ReadError)
        self._family = family
        self._options = options
        # Made before anything is sent: a file of authorities may be missing.
        self._context = (options.tls or default_context()) if secure else None
        self._secure = secure
        self._origin: Origin | None = None
        self._dialogue = Dialogue(self.watch)
        self._cold_at = 0.0

    def _renew(self, origin: Origin) -> None:
        self._origin = origin
        self._dialogue = Dialogue(self.watch)

    def _is_cold(self, origin: Origin) -> bool:
        known = self._origin
        if known is not origin and known != origin:
            return True
        return self._options.backend.now() > self._cold_at

    def _ended_well(self) -> bool:
        """Make ready for the next exchange; False if the connection is of no more use."""
        self._cold_at = self._options.backend.now() + self._options.keepalive_s
        return self.watch.request_complete() is True and self._dialogue.may_go_on()

    def _left(self, by: float, bounds: Bounds) -> float:
        """Say how long a handshake may take where the whole connection is to stand *by* then."""
        return max(bounds.phase(by - self._options.backend.now()), _SHORTEST_S)

    def _port(self, origin: Origin) -> int:
        return origin.port or (443 if self._secure else 80)

    def _trust(self) -> ssl.SSLContext | None:
        """Return the context for a connection with TLS, as the core would set it up."""
        if self._context is not None:
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context


class AsyncLane(_Lane):
    """One connection that suspends the task while it waits."""

    def __init__(self, family: Family, options: TransportOptions, *, secure: bool) -> None:
        super().__init__(family, options, secure=secure)
        self._line: LoopLine | AsyncStreamLine | None = None
        self._library: AsyncLibrary | None = None
        if options.proxy is not None:
            self._through()

    async def exchange(self, outgoing: Outgoing, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        origin = outgoing.origin
        self.watch.begin(bounds.deadline)
        line = self._line
        if line is None or self._is_cold(origin) or line.is_stale():
            await self.aclose()
            self._renew(origin)
            line = self._line = await self._connected(origin, bounds)
        dialogue = self._dialogue
        await line.exchange(dialogue, dialogue.begin(outgoing, bounds), bounds)
        answer = dialogue.finish()
        if not self._ended_well():
            await self.aclose()
        return answer

    async def exchange_through(self, request: Any, bounds: Bounds) -> WireResponse:
        """Do the same through the library's own transport, with a request of the library's."""
        if self._line is not None:
            await self.aclose()
        self.watch.begin(bounds.deadline)
        return await self._through().exchange(request, bounds)

    async def aclose(self) -> None:
        """Close the connection."""
        line, self._line = self._line, None
        library, self._library = self._library, None
        try:
            if line is not None:
                await line.aclose()
            if library is not None:
                await library.aclose()
        finally:
            # What was connected and cancelled before it was of use is nobody else's.
            stream, self.watch.async_stream = self.watch.async_stream, None
            self.watch.connected = False
            if stream is not None and stream is not line:
                await stream.aclose()

    def drop(self, place: ExecutionScope) -> bool:
        """Close the connection without waiting; False if there was none."""
        stream, self.watch.async_stream = self.watch.async_stream, None
        self._line = None
        if isinstance(stream, LoopLine):
            stream.part(place)
        elif stream is not None:
            part_with(stream, place)
        return stream is not None

    async def _connected(self, origin: Origin, bounds: Bounds) -> LoopLine | AsyncStreamLine:
        core, watch = self._family.core, self.watch
        loop = getattr(self._options.backend.execution_scope(), "loop", None)
        on_asyncio = hasattr(loop, "create_future")
        made = core.AnyIOBackend() if on_asyncio or loop is None else core.TrioBackend()
        backend = AsyncWatchedBackend(made, watch)
        by = self._options.backend.now() + bounds.timeouts.connect
        within = bounds.phase(bounds.timeouts.connect)
        stream = await backend.connect_tcp(origin.host, self._port(origin), within)
        context = self._trust()
        line = taken_over(watch.async_stream, loop, watch, core) if on_asyncio else None
        if line is None:
            if context is not None:
                stream = await stream.start_tls(context, origin.host, self._left(by, bounds))
            return AsyncStreamLine(stream, core)
        watch.async_stream = line
        if context is not None:
            await line.start_tls(context, origin.host, self._left(by, bounds))
        return line

    def _through(self) -> AsyncLibrary:
        if self._library is None:
            self._library = AsyncLibrary(
                self._family, self._options, self.watch, secure=self._secure
            )
        return self._library


class BlockingLane(_Lane):
    """One connection that blocks its thread while it waits."""

    def __init__(self, family: Family, options: TransportOptions, *, secure: bool) -> None:
        super().__init__(family, options, secure=secure)
        self._line: StreamLine | None = None
        self._library: Library | None = None
        if options.proxy is not None:
            self._through()

    async def exchange(self, outgoing: Outgoing, bounds: Bounds) -> WireResponse:
        """Send one request and read its whole answer."""
        origin = outgoing.origin
        self.watch.begin(bounds.deadline)
        line = self._line
        if line is None or self._is_cold(origin) or line.is_stale():
            self.drop()
            self._renew(origin)
            line = self._line = self._connected(origin, bounds)
        dialogue = self._dialogue
        line.exchange(dialogue, dialogue.begin(outgoing, bounds), bounds)
        answer = dialogue.finish()
        if not self._ended_well():
            self.drop()
        return answer

    async def exchange_through(self, request: Any, bounds: Bounds) -> WireResponse:
        """Do the same through the library's own transport, with a request of the library's."""
        if self._line is not None:
            self.drop()
        self.watch.begin(bounds.deadline)
        return self._through().exchange(request, bounds)

    async def aclose(self) -> None:
        """Close the connection."""
        self.drop()

    def drop(self, place: ExecutionScope | None = None) -> bool:  # noqa: ARG002 - a thread is no place
        """Close the connection without waiting; False if there was none."""
        stream, self.watch.stream = self.watch.stream, None
        line, self._line = self._line, None
        library, self._library = self._library, None
        self.watch.connected = False
        if line is not None:
            line.close()
        if library is not None:
            library.close()
        if stream is not None:
            stream.close()
        return stream is not None

    def _connected(self, origin: Origin, bounds: Bounds) -> StreamLine:
        core = self._family.core
        backend = WatchedBackend(core.SyncBackend(), self.watch)
        by = self._options.backend.now() + bounds.timeouts.connect
        within = bounds.phase(bounds.timeouts.connect)
        stream = backend.connect_tcp(origin.host, self._port(origin), within)
        context = self._trust()
        if context is not None:
            stream = stream.start_tls(context, origin.host, self._left(by, bounds))
        return StreamLine(stream, core)

    def _through(self) -> Library:
        if self._library is None:
            self._library = Library(self._family, self._options, self.watch, secure=self._secure)
        return self._library
