"""A link between a program and a PostgreSQL server, which is cut at a chosen message."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

import attrs

__all__ = ["CutLink", "cut_link"]

_PATIENCE_S: Final = 120.0


@attrs.define(eq=False)
class CutLink:
    """Where a program connects to instead of the server.

    Attributes:
        port: of the loopback interface.
        messages: how many times the program has sent something.
        at: the message at which the link is cut, counted from 1; 0 for none.
        lost: ``request`` if that message does not arrive, ``response`` if what the server answers
            to it does not.
        cuts: how many times it was cut.
    """

    port: int
    messages: int = 0
    at: int = 0
    lost: str = "request"
    cuts: int = 0

    def forward(self, program: socket.socket, server_port: int) -> None:
        """Connect the two until one of them ends it, or the link is cut."""
        server = socket.create_connection(("127.0.0.1", server_port), _PATIENCE_S)
        back = threading.Thread(target=self._back, args=(server, program), daemon=True)
        with closing(server), closing(program), suppress(OSError):
            back.start()
            while data := program.recv(1 << 16):
                self.messages += 1
                if self.messages != self.at:
                    server.sendall(data)
                    continue
                self.cuts += 1
                if self.lost == "response":
                    # Nothing goes back from here on, and the server has done it all.
                    self._blocked = True
                    server.sendall(data)
                    server.shutdown(socket.SHUT_WR)
                    back.join(_PATIENCE_S)
                return

    _blocked: bool = False

    def _back(self, server: socket.socket, program: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if not self._blocked:
                    program.sendall(data)
        with suppress(OSError):
            program.shutdown(socket.SHUT_RDWR)
        self._blocked = False


@contextmanager
def cut_link(server_port: int) -> Iterator[CutLink]:
    """Listen for programs that want to connect to a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = CutLink(listener.getsockname()[1])

        def listen() -> None:
            with suppress(OSError):
                while True:
                    program, _ = listener.accept()
                    threading.Thread(
                        target=link.forward, args=(program, server_port), daemon=True
                    ).start()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield link
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE_S)
