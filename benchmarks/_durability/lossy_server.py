"""The server between a contestant and the provider: it loses responses, counts, and calls kills.

It takes one request a connection, hands it to the provider and passes the response on, or resets
the connection instead. While the provider is down nothing listens, as on a machine whose server
died.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

import attrs

_HEAD_END: Final = b"\r\n\r\n"


@attrs.frozen
class Request:
    """One request.

    Attributes:
        method: GET, POST or another.
        path: with the query.
        headers: names in small letters.
        body: the bytes.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Handler: TypeAlias = Callable[[Request], Awaitable[bytes]]


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request whose body has a length, or none."""
    head = (await reader.readuntil(_HEAD_END)).decode("latin-1")
    line, *rest = head.strip().split("\r\n")
    method, path, _ = line.split(" ")
    pairs = (each.partition(":") for each in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


async def exchange(port: int, request: Request) -> bytes:
    """Send a request to a port of this machine and return the whole response.

    Raises:
        OSError: if the connection ends before the response does.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        headers = request.headers | {
            "connection": "close",
            "content-length": str(len(request.body)),
        }
        lines = [f"{request.method} {request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode("latin-1") + _HEAD_END + request.body)
        response = await reader.read(-1)
    finally:
        writer.transport.abort()
    head, found, body = response.partition(_HEAD_END)
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not found or (lengths and len(body) < int(lengths[0].partition(b":")[2])):
        raise ConnectionResetError("the response was cut")
    return response


@attrs.define(eq=False)
class LossyServer:
    """Listen on one port as long as the race lasts.

    Attributes:
        handler: gives a request to the provider.
        is_create: tells the creates among requests.
        seed: of which responses are lost.
        lost_of: of so many creates in a row, the response to one is lost.
        on_create: told how many creates have come in, as each does.
        requests: how many came in.
        creates: how many of them were creates.
    """

    handler: Handler
    is_create: Callable[[Request], bool]
    seed: int
    lost_of: int
    on_create: Callable[[int], None] = lambda _: None
    requests: int = 0
    creates: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def open(self) -> None:
        """Listen; after the first time on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening; what is under way finds its own end."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection that is aborted is reset: the contestant cannot tell what became of it.
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await read_request(reader)
            self.requests += 1
            is_lost = False
            if self.is_create(request):
                self.creates += 1
                row, place = divmod(self.creates - 1, self.lost_of)
                # Python's own generator, seeded: the race can be repeated.
                is_lost = place == random.Random(f"{self.seed} {row}").randrange(self.lost_of)  # noqa: S311
                self.on_create(self.creates)
            response = await self.handler(request)
            if not is_lost:
                writer.write(response)
                await writer.drain()
                writer.close()
                return
        writer.transport.abort()
