"""A server on loopback that answers with whatever bytes it is told to, and counts who comes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

import attrs

__all__ = ["ByteServer", "Bytes", "header_of", "serving"]

Then = Literal["close", "hang", "keep", "reset"]
PATIENCE_S: Final = 120


@attrs.frozen
class Bytes:
    """What to say to one request, in pieces, and what follows."""

    pieces: Iterable[bytes] = ()
    then: Then = "close"


class ByteServer:
    """Answer each request by *response*, a function of the request's bytes.

    Attributes:
        requests: what came, request by request, whole.
        connections: how many came.
    """

    def __init__(
        self, response: Callable[[bytes], Bytes], tls: ssl.SSLContext | None = None
    ) -> None:
        self._response = response
        self._tls = tls
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._threads[0].start()

    def close(self) -> None:
        """End all threads and close all sockets."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

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
        with contextlib.suppress(OSError):
            if self._tls is not None:
                connection.settimeout(PATIENCE_S)
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.settimeout(0.01)
            while request := self._read(connection):
                self.requests.append(request)
                say = self._response(request)
                for piece in say.pieces:
                    self._send(connection, piece)
                if say.then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if say.then == "hang":
                    self._over.wait(PATIENCE_S)
                if say.then != "keep":
                    break
        connection.close()

    def _send(self, connection: socket.socket, piece: bytes) -> None:
        connection.settimeout(PATIENCE_S)
        connection.sendall(piece)
        connection.settimeout(0.01)

    def _read(self, connection: socket.socket) -> bytes:
        data = b""
        while not self._over.is_set():
            head, found, body = data.partition(b"\r\n\r\n")
            if found and len(body) >= int(header_of(head, "content-length") or 0):
                return data
            with contextlib.suppress(TimeoutError):
                piece = connection.recv(65_536)
                if not piece:
                    return b""
                data += piece
        return b""


def header_of(head: bytes, name: str) -> str:
    """Read a header off a request's bytes; empty where there is none."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.encode():
            return value.strip().decode("latin-1")
    return ""


@contextmanager
def serving(
    response: Callable[[bytes], Bytes], tls: ssl.SSLContext | None = None
) -> Iterator[ByteServer]:
    """Run a server for as long as a test needs it."""
    server = ByteServer(response, tls)
    try:
        yield server
    finally:
        server.close()
