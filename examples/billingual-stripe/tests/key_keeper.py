"""A proxy in front of localstripe that keeps idempotency keys, as Stripe documents it to do.

localstripe ignores ``Idempotency-Key``. Stripe saves the status and body of the first response to a
key and repeats them, and refuses a key that comes with other parameters; what failed validation
is not saved. Source: https://docs.stripe.com/api/idempotent_requests, read 2026-11.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

PASSED_ON = ("Accept", "Authorization", "Content-Type", "Stripe-Version")
OTHER_REQUEST = {"error": {"type": "idempotency_error", "message": "another request's key"}}


class Heard(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    key: str | None
    body: bytes


class Said(NamedTuple):
    """One response as it went out."""

    status: int
    body: bytes


class Keeper(ThreadingHTTPServer):
    """Pass requests on, and answer a key that is known from memory.

    Attributes:
        heard: all requests, in order.
        passed_on: those that reached localstripe.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.heard: list[Heard] = []
        self.passed_on: list[Heard] = []
        self.saved: dict[str, tuple[Heard, Said]] = {}
        self.lock = threading.Lock()

    def posts(self) -> list[Heard]:
        """List the writes that came in."""
        return [each for each in self.heard if each.method == "POST"]


class _Handler(BaseHTTPRequestHandler):
    server: Keeper
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._response()

    def do_POST(self) -> None:
        self._response()

    def _response(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        heard = Heard(self.command, self.path, self.headers.get("Idempotency-Key"), body)
        with self.server.lock:
            self.server.heard.append(heard)
            said = self._kept(heard)
        self.send_response(said.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    def _kept(self, heard: Heard) -> Said:
        if heard.method != "POST" or heard.key is None:
            return self._pass_on(heard)
        if heard.key in self.server.saved:
            first, said = self.server.saved[heard.key]
            return said if first == heard else Said(400, json.dumps(OTHER_REQUEST).encode())
        said = self._pass_on(heard)
        if not 400 <= said.status <= 499:
            self.server.saved[heard.key] = (heard, said)
        return said

    def _pass_on(self, heard: Heard) -> Said:
        self.server.passed_on.append(heard)
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        inner = HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            inner.request(heard.method, heard.path, heard.body or None, headers)
            response = inner.getresponse()
            return Said(response.status, response.read())
        finally:
            inner.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def keeping_keys(port: int) -> Iterator[Keeper]:
    """Run a keeper in front of *port*."""
    keeper = Keeper(port)
    thread = threading.Thread(target=keeper.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.shutdown()
        thread.join()
        keeper.server_close()
