"""Streams that watch what crosses them: for evidence, and for a deadline that drips cannot pass.

They stand between a library and its socket: those for httpcore here, in the shape that it and
httpcore2 ask for. Each read waits for what is left of the deadline at most, so a server that sends
a byte now and then holds nobody; each write and read leaves its mark, so that after a failure we
know, rather than guess, how far the request got.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

import attrs

from billingual.outcomes import Evidence
from billingual.transports._readable import said_farewell
from billingual.wire import Deadline

__all__ = ["AsyncWatchedBackend", "Watch", "WatchedBackend"]

# A socket refuses longer waits, and would refuse one when the request is out already.
_LONGEST_S: Final = 1_000_000.0


@attrs.define
class Watch:
    """What was seen of the exchange that is under way on one lane, and its connection.

    Attributes:
        too_late: what the library expects where a read takes too long.
        broken: what it expects where a connection breaks.
    """

    too_late: type[Exception]
    broken: type[Exception] = ConnectionResetError
    stream: Any = None
    async_stream: Any = None
    deadline: Deadline | None = None
    connected: bool = False
    write_failed: bool = False
    wrote: bool = False
    reading: bool = False
    read: bool = False
    ended: bool = False
    status: int | None = None

    def begin(self, deadline: Deadline) -> None:
        """Forget the exchange before."""
        self.deadline = deadline
        self.write_failed = self.wrote = self.reading = self.read = self.ended = False
        self.status = None

    def left(self, seconds: float | None) -> float | None:
        """Cut a wait to what the deadline leaves, and to what a socket takes for one."""
        if self.deadline is None:
            return seconds
        left = min(self.deadline.left(), _LONGEST_S)
        return left if seconds is None else min(seconds, left)

    def patience(self, seconds: float | None) -> float | None:
        """Cut a wait for bytes to what the deadline leaves.

        Raises:
            Exception: of the library's class *too_late*, if it leaves nothing.
        """
        self.reading = True
        left = self.left(seconds)
        if left is not None and left <= 0:
            raise self.too_late("the deadline has passed")
        return left

    def met_end(self, stream: Any) -> None:
        """Take an end for the server's word, if it is.

        Raises:
            Exception: of the library's class *broken*, if somebody cut the connection.
        """
        if not said_farewell(stream.get_extra_info("ssl_object")):
            raise self.broken("the connection was cut")

    def request_complete(self) -> bool | None:
        """Tell whether the whole request was handed over, once an answer has begun."""
        return True if self.reading and not self.write_failed else None

    def evidence(self) -> Evidence:
        """Say how far the exchange got.

        The client begins to read only when the request is written. A write that failed may still
        be delivered by the kernel, so it proves nothing.
        """
        if not self.connected or not self.wrote:
            return Evidence(connected=self.connected, request_complete=False, answer_begun=False)
        complete = True if self.reading and not self.write_failed else None
        return Evidence(
            connected=True, request_complete=complete, answer_begun=self.read, status=self.status
        )


class WatchedStream:
    """A connection that blocks, watched."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        data: bytes = self._stream.read(max_bytes, self._watch.patience(timeout))
        if data:
            self._watch.read = True
        else:
            self._watch.met_end(self._stream)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes."""
        self._watch.wrote = True
        try:
            self._stream.write(buffer, self._watch.left(timeout))
        except BaseException:
            self._watch.write_failed = True
            raise

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> WatchedStream:
        """Secure the connection."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._watch.left(timeout))
        return WatchedStream(stream, self._watch)

    def get_extra_info(self, info: str) -> Any:
        """Pass the question on."""
        return self._stream.get_extra_info(info)


class WatchedBackend:
    """Make watched connections that block."""

    def __init__(self, backend: Any, watch: Watch) -> None:
        self._backend = backend
        self._watch = watch

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> WatchedStream:
        """Connect."""
        stream = self._backend.connect_tcp(
            host, port, self._watch.left(timeout), local_address, socket_options
        )
        self._watch.connected = True
        self._watch.stream = stream
        return WatchedStream(stream, self._watch)


class AsyncWatchedStream:
    """A connection that suspends, watched."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some bytes."""
        data: bytes = await self._stream.read(max_bytes, self._watch.patience(timeout))
        if data:
            self._watch.read = True
        else:
            self._watch.met_end(self._stream)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes."""
        self._watch.wrote = True
        try:
            await self._stream.write(buffer, self._watch.left(timeout))
        except BaseException:
            self._watch.write_failed = True
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> AsyncWatchedStream:
        """Secure the connection."""
        stream = await self._stream.start_tls(
            ssl_context, server_hostname, self._watch.left(timeout)
        )
        return AsyncWatchedStream(stream, self._watch)

    def get_extra_info(self, info: str) -> Any:
        """Pass the question on; what TLS holds can be read too, though the socket is empty."""
        found = self._stream.get_extra_info(info)
        if info == "is_readable" and not found:
            return self._holds_more()
        return found

    def _holds_more(self) -> bool:
        """Tell whether bytes were taken off the socket that TLS has not unpacked yet."""
        secure = self._stream.get_extra_info("ssl_object")
        if secure is None:
            return False
        try:
            secure.read(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            pass
        return True


class AsyncWatchedBackend:
    """Make watched connections that suspend."""

    def __init__(self, backend: Any, watch: Watch) -> None:
        self._backend = backend
        self._watch = watch

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncWatchedStream:
        """Connect."""
        stream = await self._backend.connect_tcp(
            host, port, self._watch.left(timeout), local_address, socket_options
        )
        self._watch.connected = True
        self._watch.async_stream = stream
        return AsyncWatchedStream(stream, self._watch)
