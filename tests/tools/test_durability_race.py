"""The race of durable creates: the same seed loses the same responses, one of five."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

BENCHMARKS: Final = Path(__file__).parents[2] / "benchmarks"
CREATES: Final = 20
RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
# In a process of its own: the benchmarks are no package, and find each other by their folder.
LOSSES: Final = f"""
import asyncio
from _durability.lossy_server import LossyServer

async def handler(request):
    return {RESPONSE!r}

async def one(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /invoices HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}")
    try:
        return await reader.read(-1) == {RESPONSE!r}
    except ConnectionResetError:
        return False
    finally:
        writer.close()

async def main():
    for seed in (1, 1, 2):
        server = LossyServer(handler, lambda request: request.method == "POST", seed, 5)
        await server.open()
        came = [await one(server.port) for _ in range({CREATES})]
        server.close()
        print(server.requests, server.creates, "".join(".x"[not each] for each in came))

asyncio.run(main())
"""


def test_one_response_of_five_is_lost_and_the_seed_says_which() -> None:
    """Each request has reached the provider; which responses are lost can be repeated."""
    done = subprocess.run(
        [sys.executable, "-c", LOSSES], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    first, again, other = (line.split() for line in done.stdout.splitlines())

    assert [str(CREATES), str(CREATES)] == first[:2]
    assert first == again
    assert first != other
    assert [1, 1, 1, 1] == [first[2][start : start + 5].count("x") for start in range(0, 20, 5)]
