"""A server of invoices on loopback that sees its connections, and can hold or drip its responses.

It answers each invoice asked for with the id as its number, so a client that is given another's
response can tell.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Final, Self

__all__ = ["PATIENCE_S", "InvoiceServer", "uid"]

PATIENCE_S: Final = 120.0
"""How long a test waits for what must happen before it fails."""


def uid(number: int) -> str:
    """Make an id from a number."""
    return f"00000000-0000-4000-8000-{number:012x}"


class InvoiceServer:
    """Answer for Exante and Kukkingu.

    Attributes:
        url: where it is.
        requests: the first line of each request as it came.
        connections: how many connections were accepted in all.
        most: the most that were open at once.
        reached: set when all requests that are to be held have come.
        released: set while none is held.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._change = threading.Condition()
        self._open: set[socket.socket] = set()
        self._to_hold = 0
        self._drip: str | None = None
        self._over = threading.Event()
        self.requests: list[str] = []
        self.connections = 0
        self.most = 0
        self.reached = threading.Event()
        self.released = threading.Event()
        scheme = "http" if tls is None else "https"
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._change:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.wait_for_open(0)

    def hold(self, count: int = 1) -> None:
        """Leave the next *count* requests without a response until :meth:`release`."""
        self.reached.clear()
        self.released.clear()
        self._to_hold = count

    def wait_for_held(self) -> None:
        """Wait until all the requests that are to be held have come."""
        assert self.reached.wait(PATIENCE_S), "no request came"

    def release(self) -> None:
        """Answer what is held."""
        self.released.set()

    def drip(self, part: str) -> None:
        """Send ``head`` or ``body`` of each response one byte each 0.05 seconds, without end."""
        self._drip = part

    @property
    def open(self) -> int:
        """How many connections are open."""
        with self._change:
            return len(self._open)

    def wait_for_open(self, count: int) -> None:
        """Wait until exactly *count* connections are open."""
        with self._change:
            met = self._change.wait_for(lambda: len(self._open) == count, PATIENCE_S)
            left = len(self._open)
        assert met, f"{left} connections are open, not {count}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._change:
                self.connections += 1
                self._open.add(connection)
                self.most = max(self.most, len(self._open))
                self._change.notify_all()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            connection = raw
            with contextlib.suppress(OSError):  # errors of TLS are of this class
                if self._tls is not None:
                    connection = self._tls.wrap_socket(raw, server_side=True)
                for line, body in _requests(connection):
                    self._respond(connection, line, body)
        finally:
            connection.close()
            raw.close()
            with self._change:
                self._open.discard(raw)
                self._change.notify_all()

    def _respond(self, connection: socket.socket, line: str, body: bytes) -> None:
        self.requests.append(line)
        with self._change:
            held = self._to_hold > 0
            self._to_hold -= held
            if held and self._to_hold == 0:
                self.reached.set()
        if held:
            self.released.wait()
        payload = json.dumps(_response_to(*line.split(" ")[:2], body)).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if self._drip is None:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload)
            return
        if self._drip == "body":
            head += b"Content-Length: 1000000\r\n\r\n"
        else:
            head += b"X-Drip: "
        connection.sendall(head)
        while not self._over.wait(0.05):
            connection.sendall(b"x")


def _requests(connection: socket.socket) -> Iterator[tuple[str, bytes]]:
    with connection.makefile("rb") as stream:
        while line := stream.readline():
            length = 0
            while (header := stream.readline().strip().lower()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name == b"content-length" else length
            yield line.decode().strip(), stream.read(length)


def _response_to(method: str, target: str, body: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    given = json.loads(body) if body else None
    if "v1" in parts:
        invoice = next((each for each in parts if each.startswith("inv_")), "inv_" + "0" * 24)
        status = {"finalize": "FINALIZED", "void": "VOID"}.get(parts[-1], "DRAFT")
        number = (given or {}).get("invoiceNumber", invoice)
        return {"data": {"id": invoice, "invoiceNumber": number, "status": status}}
    last = parts[-1]
    data: Any
    if isinstance(given, list):
        ids = [each["uid"] if isinstance(each, dict) else each for each in given]
        data = [_row(each) for each in ids]
    elif method == "GET" and last.count("-") != 4:
        page = int(dict(each.split("=") for each in query.split("&")).get("page", "1"))
        rows = [_row(uid(10 * page + each)) for each in range(2)]
        data = {"items": rows, "_meta": {"page": page, "total_pages": 3, "total_items": 6}}
    else:
        data = _row(uid(1) if method == "POST" else last)
    return {"status": "success", "status_code": 200, "message": "ok", "data": data}


def _row(invoice: str) -> dict[str, str]:
    return {"uid": invoice, "invoice_number": invoice}
