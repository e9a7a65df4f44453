"""A proxy on loopback: it forwards plain requests, and makes tunnels for secure ones."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Self
from urllib.parse import urlsplit

__all__ = ["TunnelProxy"]


class TunnelProxy:
    """Forward to whatever is asked for; one exchange or tunnel for each connection.

    Attributes:
        port: where it listens.
        heads: the head of each request that came, whole.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.heads: list[bytes] = []
        self.port = int(self._listener.getsockname()[1])
        self._begin(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(timeout=120)

    def _begin(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._begin(self._serve, near)

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                near = self._tls.wrap_socket(near, server_side=True)
            self._sockets.append(near)
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(65_536)
            self.heads.append(head)
            method, target = head.split(b" ")[:2]
            tunnel = method == b"CONNECT"
            parts = urlsplit(f"//{target.decode()}" if tunnel else target.decode())
            far = socket.create_connection((parts.hostname, parts.port), timeout=120)
            far.settimeout(None)
            self._sockets.append(far)
            if tunnel:
                near.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                far.sendall(head.replace(target, parts.path.encode(), 1))
            self._begin(_pour, far, near)
            _pour(near, far)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
