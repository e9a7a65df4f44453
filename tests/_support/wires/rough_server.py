"""A server whose every move a test writes out, with TLS if need be, and the ways to call it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import trio
import trustme
import uvloop

from _support.wires.link import contexts
from billingual.abc import Transport, TransportOptions
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.transports.aiohttp import AiohttpTransport
from billingual.transports.h11.transport import H11Transport
from billingual.transports.httpx import HttpxTransport
from billingual.transports.urllib3 import Urllib3Transport

__all__ = ["ALL_WAYS", "WAYS", "RoughServer", "Talk", "cork", "cut", "lay_over", "reset"]

T = TypeVar("T")
Talk = Callable[["RoughServer", Any], object]

PATIENCE_S: Final = 120.0
AUTHORITY: Final = trustme.CA()
THEIRS, OURS = contexts(AUTHORITY, "127.0.0.1")

WAYS: Final[dict[str, tuple[Callable[[TransportOptions], Transport], str]]] = {
    "h11, asyncio": (H11Transport, "asyncio"),
    "h11, uvloop": (H11Transport, "uvloop"),
    "h11, trio": (H11Transport, "trio"),
    "h11, blocking": (H11Transport, "blocking"),
    "aiohttp, asyncio": (AiohttpTransport, "asyncio"),
    "aiohttp, uvloop": (AiohttpTransport, "uvloop"),
}
ALL_WAYS: Final = {
    **WAYS,
    "urllib3, blocking": (Urllib3Transport, "blocking"),
    "httpx, asyncio": (HttpxTransport, "asyncio"),
    "httpx, trio": (HttpxTransport, "trio"),
    "httpx, blocking": (HttpxTransport, "blocking"),
}


def lay_over(way: str, work: Callable[[Any], Awaitable[T]], **options: Any) -> T:
    """Run *work* with a transport of one kind, which is closed after it."""
    make, loop = ALL_WAYS[way]
    backend: Any = SyncBackend() if loop == "blocking" else AnyioBackend()
    settings = {"backend": backend, "tls": OURS, "keepalive_s": 60.0, **options}

    async def main() -> T:
        transport = make(TransportOptions(**settings))
        try:
            return await work(transport)
        finally:
            await transport.aclose()

    if loop == "blocking":
        return step(main())
    if loop == "trio":
        return trio.run(main)
    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


class RoughServer:
    """Talk to each connection in a thread of its own.

    Attributes:
        url: where it is.
        connections: how many connections were accepted.
        requests: each request as it came, whole.
        read: set when a request was read.
        over: set when the test is over.
    """

    def __init__(self, talk: Talk, *, secure: bool = False) -> None:
        self._talk = talk
        self._secure = secure
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.url = f"http{'s' * secure}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.read = threading.Event()
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def request(self, connection: Any) -> bytes:
        """Read one request whole."""
        data = b""
        while True:
            head, found, body = data.partition(b"\r\n\r\n")
            if found and len(body) >= _announced(head):
                break
            piece = connection.recv(65_536)
            if not piece:
                raise ConnectionAbortedError
            data += piece
        self.requests.append(data)
        self.read.set()
        return data

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Any) -> None:
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._secure:
                connection = stack.enter_context(THEIRS.wrap_socket(connection, server_side=True))
            self._talk(self, connection)


def _announced(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


@contextlib.contextmanager
def cork(connection: Any) -> Any:
    """Have all that is written meanwhile travel together."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    yield
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def cut(connection: Any) -> None:
    """End a TLS connection without close_notify, as anyone on the way could."""
    socket.socket(fileno=connection.detach()).close()


def reset(connection: Any) -> None:
    """Reset a connection."""
    bare = socket.socket(fileno=connection.detach())
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.close()
