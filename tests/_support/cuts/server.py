"""A real server on loopback that takes so many bytes, says so many, and ends as it is told.

One thread serves every *stage*: a port with a script of its own, so that many callers can be cut
at once and each knows what its own request met. TLS is spoken in memory, so that a cut counts the
bytes on the wire in either case.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import ssl
import struct
import threading
import time
from collections import deque
from typing import Final, Self

import attrs

__all__ = ["Cut", "CuttingServer", "Seen", "Stage", "is_whole"]

_RESET: Final = struct.pack("ii", 1, 0)


@attrs.frozen(kw_only=True)
class Cut:
    """What to do with one request.

    Attributes:
        take: bytes to read from the wire before acting; None for the whole request.
        say: what to answer.
        then: ``fin`` ends the response, ``reset`` the connection, ``stall`` sends nothing more and
            ``keep`` waits for another request.
    """

    take: int | None = None
    say: bytes = b""
    then: str = "fin"


@attrs.frozen(kw_only=True)
class Seen:
    """What the server had of a request when it acted.

    Attributes:
        data: the request as far as it came, decrypted.
        taken: bytes read from the wire.
    """

    data: bytes
    taken: int

    @property
    def whole(self) -> bool:
        """Tell whether it could carry the request out."""
        return is_whole(self.data)


def is_whole(data: bytes | bytearray) -> bool:
    """Tell whether *data* is a whole request."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    for line in bytes(data[:end]).lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(data) - end - 4 >= int(line.split(b":")[1])
    return True


@attrs.define
class _Scene:
    """One call: what its connections meet, and what was seen of them."""

    cuts: deque[Cut]
    seen: list[Seen] = attrs.field(factory=list)
    under_way: int = 0
    acted: threading.Event = attrs.field(factory=threading.Event)


class Stage:
    """A port for one caller, who makes one call at a time.

    A connection beyond the script of its call is reset and not told of.
    """

    def __init__(self, server: CuttingServer, *, small_buffers: bool) -> None:
        self._listener = socket.socket()
        if small_buffers:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self._scene = _Scene(deque())
        self.port = int(self._listener.getsockname()[1])
        scheme = "http" if server.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.tls = server.tls
        self.parked: list[socket.socket] = []

    def expect(self, *cuts: Cut) -> None:
        """Forget the call before, and lay out what the next one meets."""
        self._take_up()
        self._scene = _Scene(deque(cuts))
        while self.parked:
            _close(self.parked.pop(), reset=True)

    def settled(self) -> list[Seen]:
        """Wait until the server is done with the call, and return what it saw."""
        self._take_up()
        scene = self._scene
        scene.acted.wait(120)
        return scene.seen

    def _take_up(self) -> None:
        """Wait until all connections of the call are taken up; a caller in haste is gone by now."""
        while select.select([self._listener], [], [], 0)[0]:
            time.sleep(0.001)

    def accept(self) -> _Talk:
        """Take the next connection."""
        scene = self._scene
        scene.under_way += 1
        scene.acted.clear()
        connection, _ = self._listener.accept()
        connection.settimeout(5)
        # A reset throws away what waits to be sent, and nothing of the script may.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Talk(connection, self, scene)

    def close(self) -> None:
        """Close all sockets."""
        while self.parked:
            _close(self.parked.pop(), reset=True)
        self._listener.close()

    def fileno(self) -> int:
        """Return the listener's number."""
        return self._listener.fileno()


class CuttingServer:
    """Serve stages in a thread of its own.

    Args:
        tls: a server's context, or None for plain connections.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._stages: list[Stage] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def stage(self, *, small_buffers: bool = False) -> Stage:
        """Open another port."""
        stage = Stage(self, small_buffers=small_buffers)
        self._stages.append(stage)
        self._selector.register(stage, selectors.EVENT_READ, stage)
        return stage

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bell.close()
        self._thread.join(timeout=120)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Talk):
                _close(key.data.connection, reset=True)
        self._selector.close()
        self._ear.close()
        for stage in self._stages:
            stage.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                talk = key.data
                if isinstance(talk, Stage):
                    talk = talk.accept()
                    self._selector.register(talk.connection, selectors.EVENT_READ, talk)
                    # The ssl module leaks a socket that is reset before its handshake begins, so
                    # under TLS the first bytes are waited for.
                    if self.tls is not None or not talk.is_due():
                        continue
                if not talk.go_on():
                    self._selector.unregister(talk.connection)
                    talk.end()


class _Talk:
    """One connection."""

    def __init__(self, connection: socket.socket, stage: Stage, scene: _Scene) -> None:
        self.connection = connection
        self._stage = stage
        self._scene = scene
        self._is_scripted = bool(scene.cuts)
        self._cut = scene.cuts.popleft() if scene.cuts else Cut(take=0, then="reset")
        self._data = bytearray()
        self._taken = 0
        self._tls: ssl.SSLObject | None = None
        if stage.tls is not None:
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = stage.tls.wrap_bio(self._in, self._out, server_side=True)

    def is_due(self) -> bool:
        """Tell whether enough was read to act."""
        if self._cut.take is None:
            return is_whole(self._data)
        return self._taken >= self._cut.take

    def go_on(self) -> bool:
        """Read what has come and act if it is time; False once the talk is over."""
        if not self.is_due() and not self._read():
            self._note()
            return False
        if not self.is_due():
            return True
        self._note()
        with contextlib.suppress(OSError):
            self._say(self._cut.say)
        if self._cut.then != "keep":
            return False
        self._is_scripted = bool(self._scene.cuts)
        self._cut = self._scene.cuts.popleft() if self._scene.cuts else Cut(take=1, then="reset")
        self._data, self._taken = bytearray(), 0
        return True

    def end(self) -> None:
        """End the connection as the script says."""
        if self._cut.then == "reset":
            _close(self.connection, reset=True)
        else:
            # What a stalled or half-closed peer sends further lies unread in the kernel.
            self._stage.parked.append(self.connection)
            if self._cut.then == "fin":
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_WR)
        self._scene.under_way -= 1
        if not self._scene.under_way:
            self._scene.acted.set()

    def _note(self) -> None:
        if self._is_scripted:
            self._scene.seen.append(Seen(data=bytes(self._data), taken=self._taken))

    def _read(self) -> bool:
        room = 65_536 if self._cut.take is None else min(65_536, self._cut.take - self._taken)
        try:
            piece = self.connection.recv(room)
        except OSError:
            return False
        self._taken += len(piece)
        if self._tls is None:
            self._data += piece
        elif piece:
            self._in.write(piece)
            self._decrypt(self._tls)
        return bool(piece)

    def _decrypt(self, tls: ssl.SSLObject) -> None:
        try:
            tls.do_handshake()
            while more := tls.read(65_536):
                self._data += more
        except ssl.SSLWantReadError:
            pass
        with contextlib.suppress(OSError):
            self.connection.sendall(self._out.read())

    def _say(self, data: bytes) -> None:
        if not data:
            return
        if self._tls is not None:
            self._tls.write(data)
            data = self._out.read()
        self.connection.sendall(data)


def _close(connection: socket.socket, *, reset: bool) -> None:
    if reset:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
