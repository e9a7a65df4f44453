"""A proxy on loopback: it tunnels, forwards, or refuses."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import Final
from urllib.parse import urlsplit

import attrs

__all__ = ["LoopbackProxy"]

_LIMIT: Final = 65_536


@attrs.frozen
class Asked:
    """What a proxy was asked: the first line, and the credentials as they were before encoding."""

    line: str
    credentials: str


class LoopbackProxy:
    """Take CONNECT and absolute targets.

    Args:
        refuses: answer 407 to every client.

    Attributes:
        asked: what it was asked, in order.
        port: where it listens.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._over = False
        self.asked: list[Asked] = []
        self.port: int = int(self._listener.getsockname()[1])
        self._begin(self._accept)

    def close(self) -> None:
        """Close all connections and end all threads."""
        self._over = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._over:
                connection.close()
                return
            self._sockets.append(connection)
            self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(_LIMIT)
                if not piece:
                    return
                data += piece
            head, _, rest = data.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            named = {
                key.lower(): value.strip() for key, _, value in (f.partition(":") for f in fields)
            }
            self.asked.append(Asked(line, _decoded(named.get("proxy-authorization", ""))))
            if self._refuses:
                connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
                return
            self._pass_on(connection, line, data, rest)

    def _pass_on(self, connection: socket.socket, line: str, data: bytes, rest: bytes) -> None:
        method, target, _ = line.split(" ")
        host, _, port = (target if method == "CONNECT" else urlsplit(target).netloc).rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as beyond:
            beyond.settimeout(None)
            self._sockets.append(beyond)
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                beyond.sendall(rest)
            else:
                beyond.sendall(data)
            self._begin(_pump, beyond, connection)
            _pump(connection, beyond)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_LIMIT):
            sink.sendall(piece)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _decoded(credentials: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.b64decode(credentials.partition(" ")[2]).decode("utf-8")
    return credentials
