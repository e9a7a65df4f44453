"""A server on loopback that does, byte for byte, what a check tells it to.

Each connection has a thread that reads whole requests and asks the script what to do with each.
It is no web server: it can break off, send nothing, or send nonsense, which those avoid.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import attrs

from billingual.wire import WireResponse

__all__ = [
    "Heard",
    "LoopbackServer",
    "Say",
    "Script",
    "chunked",
    "to_the_end",
    "with_length",
    "written",
]

_BETWEEN_DRIPS_S: Final = 0.01


@attrs.frozen
class Say:
    """What to do with one request.

    Attributes:
        data: bytes to answer with; of several pieces each goes out by itself.
        then: what follows: ``keep`` the connection, ``close`` it, ``reset`` it, ``hang`` in
            silence, or ``drip`` byte after byte.
        drips: how many bytes to drip; then the connection is closed.
        after: wait for this before answering, but not for longer than *patience_s*.
        patience_s: seconds.
    """

    data: bytes | tuple[bytes, ...] = b""
    then: str = "keep"
    drips: int = 150
    after: threading.Event | None = None
    patience_s: float = 10.0


@attrs.frozen
class Heard:
    """One request as it came.

    Attributes:
        raw: all of its bytes.
        method: the first word of its first line.
        target: the second one.
        headers: its fields in order.
        body: its body, put together again from chunks.
        connection: the number of the connection it came on, from 1.
    """

    raw: bytes = attrs.field(repr=False)
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    def values(self, name: str) -> list[str]:
        """List the values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


Script: TypeAlias = Callable[[Heard], Say]


class LoopbackServer:
    """Answer by a script: one :class:`Say` after another, or a function of the request.

    Args:
        script: what to do.
        tls: a server's context, to speak TLS.
        reads: ``whole`` requests, their ``head`` only, or ``nothing`` at all.
        greets: what it says before anything is asked.

    Attributes:
        url: where it is.
        requests: what was heard, in order.
        connections: how many connections were accepted in all.
        most: the most that were open at once.
        threads: those that serve.
    """

    def __init__(
        self,
        script: Script | Iterable[Say],
        *,
        tls: ssl.SSLContext | None = None,
        reads: str = "whole",
        greets: bytes = b"",
    ) -> None:
        self._script = script if callable(script) else _in_turn(script)
        self._tls = tls
        self._reads = reads
        self._greets = greets
        self.dripped_out: bool = False
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.requests: list[Heard] = []
        self.connections: int = 0
        self.most: int = 0
        self.host = "127.0.0.1"
        self.port: int = int(self._listener.getsockname()[1])
        self.url: str = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self.threads: list[threading.Thread] = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def close(self) -> None:
        """Close all connections and end all threads."""
        self._over.set()
        with contextlib.suppress(OSError):
            # An accept that waits does not notice a closed socket everywhere: wake it.
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._over.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, args=(connection, self.connections), daemon=True
            )
            self.threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        with contextlib.suppress(OSError, ValueError):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(plain)
                self.most = max(self.most, len(self._open))
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open = (self._open - {plain}) | {connection}
            self._talk(connection, number)
        with self._lock:
            self._open -= {plain, connection}
        connection.close()

    def _talk(self, connection: socket.socket, number: int) -> None:
        connection.sendall(self._greets)
        if self._reads == "nothing":
            self._over.wait()
            return
        reader = connection.makefile("rb")
        with reader:
            while (heard := _read(reader, number, self._reads)) is not None:
                self.requests.append(heard)
                say = self._script(heard)
                if say.after is not None:
                    self._wait(say.after, say.patience_s)
                self._respond(connection, say)
                if say.then != "keep":
                    break
        if self._reads == "head" or (heard is not None and say.then == "reset"):
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def _wait(self, event: threading.Event, seconds: float) -> None:
        for _ in range(int(seconds / _BETWEEN_DRIPS_S)):
            if self._over.is_set() or event.wait(_BETWEEN_DRIPS_S):
                return

    def _respond(self, connection: socket.socket, say: Say) -> None:
        for piece in (say.data,) if isinstance(say.data, bytes) else say.data:
            connection.sendall(piece)
        if say.then == "hang":
            self._over.wait()
        if say.then == "drip":
            for _ in range(say.drips):
                if self._over.wait(_BETWEEN_DRIPS_S):
                    return
                connection.sendall(b"x")
            self.dripped_out = True


def _in_turn(says: Iterable[Say]) -> Script:
    left = iter(says)

    def script(heard: Heard) -> Say:  # noqa: ARG001 - a script's signature
        return next(left, Say(then="close"))

    return script


def _read(reader: socket.SocketIO | object, number: int, reads: str) -> Heard | None:
    """Read one request; None where the other side has left."""
    readline, read = reader.readline, reader.read  # type: ignore[union-attr]  # a binary file
    raw = first = readline()
    if not first.strip():
        return None
    method, _, rest = first.decode("latin-1").partition(" ")
    headers: list[tuple[str, str]] = []
    while line := readline():
        raw += line
        if line in {b"\r\n", b"\n"}:
            break
        key, _, value = line.decode("latin-1").partition(":")
        headers.append((key, value.strip()))
    named = {key.lower(): value for key, value in headers}
    body = b""
    if reads == "whole":
        if "chunked" in named.get("transfer-encoding", "").lower():
            while size := int(readline().split(b";")[0], 16):
                body += read(size)
                readline()
            readline()
        else:
            body = read(int(named.get("content-length", "0")))
    return Heard(
        raw=raw + body,
        method=method,
        target=rest.rpartition(" ")[0],
        headers=tuple(headers),
        body=body,
        connection=number,
    )


def with_length(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Write a response whose length is announced."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n", headers: tuple[bytes, ...] = ()) -> bytes:
    """Write a response in chunks."""
    head = b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers, b"", b""])
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + end


def to_the_end(body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """Write a response that ends where the connection does."""
    return b"\r\n".join([b"HTTP/" + version + b" 200 OK", *headers, b"", body])


def written(response: WireResponse) -> bytes:
    """Write a response given as a value, its length announced where it may be."""
    bodiless = response.status in {204, 304}
    fields = [f"{key}: {value}".encode("latin-1") for key, value in response.headers]
    if not bodiless:
        fields.append(b"Content-Length: %d" % len(response.body))
    head = [b"HTTP/1.1 %d Status" % response.status, *fields, b"", b""]
    return b"\r\n".join(head) + (b"" if bodiless else response.body)
