"""A server that answers every request with the same bytes, for measuring clients.

Run by the benchmarks as a process of its own: ``python benchmarks/_server.py BODY_FILE``. It
prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


class Canned(asyncio.Protocol):
    """Count requests by their blank line and Content-Length; answer each at once."""

    answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.transport.write(self.answer)


async def main() -> None:
    """Serve until standard input closes."""
    body = Path(sys.argv[1]).read_bytes()
    Canned.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
