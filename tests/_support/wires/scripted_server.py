"""A real server on loopback that says, byte for byte, what a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import attrs
import pytest


@attrs.frozen
class Say:
    """What to do with one request.

    Attributes:
        data: bytes to answer with.
        then: what follows: ``keep`` the connection, ``close`` it, ``reset`` it, ``hang`` in
            silence, or ``drip`` one byte after another for as long as the client listens.
    """

    data: bytes = b""
    then: str = "keep"


class ScriptedServer:
    """Answer request after request from a script.

    Attributes:
        requests: each request as it came, whole.
        connections: how many connections were accepted.
    """

    def __init__(self, script: tuple[Say, ...]) -> None:
        self._script = iter(script)
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End all threads and close all sockets."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=120)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(0.01)
        with connection, contextlib.suppress(OSError, StopIteration):
            while request := self._read(connection):
                self.requests.append(request)
                say = next(self._script)
                connection.sendall(say.data)
                if say.then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                if say.then == "close":
                    return
                if say.then == "hang":
                    self._over.wait()
                    return
                while say.then == "drip" and not self._over.wait(0.002):
                    connection.sendall(b"x")

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while not self._over.is_set():
            head, found, body = data.partition(b"\r\n\r\n")
            if found and len(body) >= _announced(head):
                return data
            with contextlib.suppress(TimeoutError):
                piece = connection.recv(65_536)
                if not piece:
                    return b""
                data += piece
        return b""


def _announced(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server with a script; it ends with the test."""
    running: list[ScriptedServer] = []

    def start(*script: Say) -> ScriptedServer:
        running.append(ScriptedServer(script))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture
def say() -> type[Say]:
    """Return the class of which scripts are made."""
    return Say
