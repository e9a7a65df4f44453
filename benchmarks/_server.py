"""A server of canned responses, for measuring clients: a process of its own, on the last core.

``python benchmarks/_server.py [--body FILE] [--rows N] [--days N] [--batches] [--delay SECONDS]``
prints its port and serves until its standard input closes. With ``--rows`` it has a list of so many
invoices, in pages of 100: by number below ``/api/invoices?``, and behind an id below
``/v1/invoices``, as stripe pages. With ``--days`` it has so many that can be asked for by day of
issue and by status, and says at ``/calls`` how many pages were asked for. With ``--batches`` it
takes updates of 100 invoices, in Exante's form and in that of Elasticsearch. Everything else is
answered with the bytes of ``--body``. It looks at as little of a request as it can, so that the
client is what limits a run.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from _payloads import Batches, Days, Pages

_SPUN_S = 0.0015
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb"[?&]page=(\d+)")
_ISSUED = re.compile(rb"issue_date_(from|to)=(\d{4}-\d\d-\d\d)")
_UPDATED = re.compile(rb'"_?u?id": ?"([0-9a-f-]{36})"')
_BEHIND = re.compile(rb"[?&]starting_after=([0-9a-f]{8})")


class Canned(asyncio.Protocol):
    """Answer each request as soon as it is complete, or *delay_s* later."""

    def __init__(self, response: Callable[[bytes], bytes], delay_s: float) -> None:
        self._response = response
        self._delay_s = delay_s
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        data = self._rest + data if self._rest else data
        while (end := data.find(b"\r\n\r\n") + 4) > 3:
            if not data.startswith(b"GET"):
                length = _LENGTH.search(data, 0, end)
                end += int(length[1]) if length else 0
                if len(data) < end:
                    break
            self._reply(self._response(data))
            data = data[end:]
        self._rest = data

    def _reply(self, response: bytes) -> None:
        if self._delay_s:
            due = self._loop.time() + self._delay_s
            self._loop.call_at(due - _SPUN_S, self._write_at, due, response)
        else:
            self._transport.write(response)

    def _write_at(self, due: float, response: bytes) -> None:
        # A loop's timers are late by up to a millisecond; that would count against the client.
        if self._loop.time() < due:
            self._loop.call_soon(self._write_at, due, response)
        else:
            self._transport.write(response)


def framed(body: bytes, kind: bytes = b"application/json") -> bytes:
    """Return *body* as a whole response."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


def answering(body: bytes, rows: int) -> Callable[[bytes], bytes]:
    """Return the function that answers a request."""
    canned = framed(body)
    if not rows:
        return lambda _: canned
    pages = Pages(rows)

    # Who reads a short list many times is not held up by our making it.
    @functools.lru_cache(maxsize=256)
    def page(number: int) -> bytes:
        return framed(pages.exante(number))

    def response(request: bytes) -> bytes:
        line = request[: request.find(b"\r\n")]
        if line.startswith(b"GET /api/invoices?"):
            number = _NUMBER.search(line)
            return page(int(number[1]) if number else 1)
        if line.startswith((b"GET /v1/invoices?", b"GET /v1/invoices ")):
            behind = _BEHIND.search(line)
            return framed(pages.stripe(pages.number_of(behind[1].decode()) + 1 if behind else 1))
        return canned

    return response


def by_days(rows: int) -> Callable[[bytes], bytes]:
    """Return the function that answers lists by days of issue, and counts them."""
    days = Days(rows)
    page = functools.lru_cache(maxsize=64)(days.page)
    calls = 0

    def response(request: bytes) -> bytes:
        nonlocal calls
        line = request[: request.find(b"\r\n")]
        if line.startswith(b"GET /calls"):
            calls, told = 0, calls
            return framed(b"%d" % told)
        calls += 1
        asked = {name.decode(): day.decode() for name, day in _ISSUED.findall(line)}
        number = _NUMBER.search(line)
        return framed(
            page(
                int(number[1]) if number else 1,
                since=asked.get("from", ""),
                until=asked.get("to", "9999"),
                is_open=b"status=" in line,
            )
        )

    return response


def taking_batches() -> Callable[[bytes], bytes]:
    """Return the function that answers bulk updates, and reads of one invoice."""
    batches = Batches()
    # Without the second header the client takes the server for another product's.
    elastic = b"application/json\r\nX-Elastic-Product: Elasticsearch"

    def response(request: bytes) -> bytes:
        head = request.find(b"\r\n")
        if request.startswith(b"GET /api/invoices/"):
            uid = request[len("GET /api/invoices/") : request.find(b" ", len("GET /api/"))]
            return framed(batches.invoice(uid))
        uids = _UPDATED.findall(request, head)
        if b"/_bulk" in request[:head]:
            return framed(batches.indexed(uids), elastic)
        return framed(batches.updated(uids))

    return response


async def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--body", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--days", type=int, default=0)
    parser.add_argument("--batches", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    body = options.body.read_bytes() if options.body else b"{}"
    if options.days:
        response = by_days(options.days)
    else:
        response = taking_batches() if options.batches else answering(body, options.rows)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Canned(response, options.delay), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
