"""Make httpx look at a call's deadline at each read and write, and at where a connection lives.

httpx gives every read a timeout of its own, so a server that drips its headers byte by byte would
hold a caller for hours. The network backend of httpcore, which carries httpx, is the one place
that sees each byte go by and needs no cancellation, after which httpx 0.28 may lose a connection
of its pool (https://github.com/encode/httpcore/issues/1093).

A connection belongs to a process and an event loop. One that was made elsewhere tells httpcore
that its server has hung up, so that it is dropped, and a client works in the next loop as in the
first. It is not closed: after a fork the parent still uses it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from typing import Any, Final, Protocol, runtime_checkable

import httpcore

from billingual.wire import Deadline

__all__ = ["DEADLINE", "ClockedBackend"]

DEADLINE: Final[ContextVar[Deadline]] = ContextVar("billingual_httpx_deadline")
"""The deadline of the call that the running task makes."""


@runtime_checkable
class Placed(Protocol):
    """A driver that can tell where it runs."""

    def place(self) -> Hashable:
        """Name the process and the event loop."""
        ...


def _cut(timeout: float | None) -> float | None:
    deadline = DEADLINE.get(None)
    if deadline is None:
        return timeout
    left = deadline.left()
    return left if timeout is None else min(timeout, left)


class ClockedBackend(httpcore.AsyncNetworkBackend):
    """Hand out connections that end with the deadline of whoever uses them."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, driver: object) -> None:
        self._inner = inner
        self._place = driver.place if isinstance(driver, Placed) else _anywhere

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore, likewise below
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within the deadline."""
        stream = await self._inner.connect_tcp(
            host,
            port,
            timeout=_cut(timeout),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _ClockedStream(stream, self._place)


class _ClockedStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream, place: Callable[[], Hashable]) -> None:
        self._inner = inner
        self._place = place
        self._home = place()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, _cut(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, _cut(timeout))

    async def aclose(self) -> None:
        if self._place() == self._home:
            await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        inner = await self._inner.start_tls(ssl_context, server_hostname, _cut(timeout))
        return _ClockedStream(inner, self._place)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._place() != self._home:
            return True
        return self._inner.get_extra_info(info)


def _anywhere() -> Hashable:
    return None
