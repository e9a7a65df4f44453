"""Show which of our files and functions one call visits.

``python tools/trace_call.py`` traces ``get``, ``update``, a ``create`` that is answered 503, and
``list(prefetch=4)``, each on a warm client and over several transports. ``--calls`` lists the
functions of each in order. ``--max-files update:memory=12 update:httpx=16`` fails where a call
visits more files than that, for the gate.

Only files of the package count: not the standard library, not what attrs generates, and not the
code of other packages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import billingual
from billingual import AsyncClient, Changes, Draft, Money, OutcomeUnknown
from billingual.errors import MissingExtraError, UnknownNameError
from billingual.transports.memory import MemoryTransport
from billingual.wire import Headers, WireRequest, WireResponse

PACKAGE: Final = str(Path(billingual.__file__).parent)
TENANT: Final = f"tnt_{'a' * 24}"
INVOICE_ID: Final = f"inv_{'a' * 24}"
DRAFT: Final = Draft(
    document=f"ctr_{'a' * 24}", number="A-1", exchange_rate=1, total=Money.of("12.50", "EUR")
)
CHANGES: Final = Changes(number="A-2", total=Money.of("13.00", "EUR"))
INVOICE: Final = {
    "id": INVOICE_ID, "status": "DRAFT", "invoiceNumber": "A-2", "amountMinor": 1300,
    "currencyCode": "EUR", "issuedAt": "2026-11-01T00:00:00.000Z",
}  # fmt: skip
PAGES: Final = 6


class Trace(NamedTuple):
    """What one call visited.

    Attributes:
        calls: the functions, once for each time they were entered or resumed.
        changes: how often the code that ran changed from one file to another.
    """

    calls: list[CodeType]
    changes: int

    @property
    def files(self) -> list[str]:
        """The files, in the order of the first visit."""
        return list(dict.fromkeys(named(each) for each in self.calls))


class Tracer:
    """Note the package's own functions while it is active."""

    def __init__(self) -> None:
        self.calls: list[CodeType] = []
        self.changes = 0
        self._file = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Take one event of :func:`sys.setprofile`."""
        if event == "call" and is_ours(frame):
            self.calls.append(frame.f_code)
            self._move_to(frame)
        elif event == "return" and is_ours(frame):
            caller = frame.f_back
            while caller is not None and not is_ours(caller):
                caller = caller.f_back
            if caller is not None:
                self._move_to(caller)

    def _move_to(self, frame: FrameType) -> None:
        if frame.f_code.co_filename != self._file:
            self.changes += self._file != ""
            self._file = frame.f_code.co_filename


def is_ours(frame: FrameType) -> bool:
    """Tell whether a frame runs code of the package."""
    return frame.f_code.co_filename.startswith(PACKAGE)


def named(code: CodeType) -> str:
    """Name the file of a function by its path in the package."""
    return str(Path(code.co_filename).relative_to(PACKAGE))


async def traced(call: Callable[[], Awaitable[object]]) -> Trace:
    """Make the call three times to warm everything up, and trace the fourth."""
    for _ in range(3):
        await call()
    tracer = Tracer()
    sys.setprofile(tracer)
    try:
        await call()
    finally:
        sys.setprofile(None)
    return Trace(tracer.calls, tracer.changes)


def response_to(method: str, path: str) -> tuple[int, bytes]:
    """Play both providers: status and body for one request."""
    if method == "POST":
        return 503, b'{"error": "down for maintenance"}'
    if path.startswith("/api/v1/"):
        return 200, json.dumps({"data": INVOICE}).encode()
    number = int((re.search(r"[?&]page=(\d+)", path) or [0, 1])[1])
    rows = [{"uid": f"00000000-0000-4000-8000-{number:06}{row:06}"} for row in range(3)]
    meta = {"page": number, "total_pages": PAGES, "total_items": 3 * PAGES}
    data = {"items": rows, "_meta": meta}
    return 200, json.dumps({"status": "success", "status_code": 200, "data": data}).encode()


def from_memory(request: WireRequest) -> WireResponse:
    """Answer a request without a wire."""
    _, _, path = request.url.removeprefix("http://").partition("/")
    status, body = response_to(request.method, f"/{path}")
    return WireResponse(
        status=status, headers=Headers([("Content-Type", "application/json")]), body=body
    )


class Handler(BaseHTTPRequestHandler):
    """The same over loopback."""

    protocol_version = "HTTP/1.1"

    def _respond(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = response_to(self.command, self.path)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = _respond  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def create_unclear(client: AsyncClient) -> None:
    """Create an invoice whose end stays unclear."""
    try:
        await client.create(DRAFT)
    except OutcomeUnknown:
        return
    raise AssertionError("a create that is answered 503 must end unclear")


async def list_all(client: AsyncClient) -> None:
    """Read a list of several pages, four at once."""
    rows = [row.id async for row in client.list(prefetch=4)]
    if len(rows) != 3 * PAGES:
        raise AssertionError(f"{len(rows)} rows came, not {3 * PAGES}")


async def trace_all(transport: str, base_url: str) -> dict[str, Trace]:
    """Trace every call over one transport."""
    options: dict[str, Any] = {"token": "not-a-real-one", "base_url": base_url}
    options["transport"] = MemoryTransport(from_memory) if transport == "memory" else transport
    async with (
        AsyncClient("kukkingu", tenant=TENANT, **options) as tenant,
        AsyncClient("exante", **options) as paged,
    ):
        return {
            "get": await traced(lambda: tenant.get(INVOICE_ID)),
            "update": await traced(lambda: tenant.update(INVOICE_ID, CHANGES)),
            "create answered 503": await traced(lambda: create_unclear(tenant)),
            "list(prefetch=4)": await traced(lambda: list_all(paged)),
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures, and compare them with bounds if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("transports", nargs="*", default=["memory", "httpx", "h11"])
    parser.add_argument("--calls", action="store_true", help="list the functions of each call")
    parser.add_argument(
        "--max-files", nargs="+", default=[], metavar="CALL:TRANSPORT=FILES",
        help="fail where a call visits more files, as in update:memory=12",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{server.server_port}"
    seen: dict[tuple[str, str], Trace] = {}
    print(f"{'call':22}{'over':10}{'calls':>7}{'functions':>11}{'files':>7}{'file changes':>14}")
    for transport in given.transports:
        try:
            traces = asyncio.run(trace_all(transport, base_url))
        except (UnknownNameError, MissingExtraError) as missing:
            print(f"{transport}: {missing}")
            continue
        for call, trace in traces.items():
            seen[call, transport] = trace
            counts = (len(trace.calls), len(set(trace.calls)), len(trace.files), trace.changes)
            print("{:22}{:10}{:7}{:11}{:7}{:14}".format(call, transport, *counts))
            if given.calls:
                print(*(f"    {named(each)}:{each.co_qualname}" for each in trace.calls), sep="\n")
    server.shutdown()
    server.server_close()
    return 1 if broken_bounds(given.max_files, seen) else 0


def broken_bounds(bounds: Sequence[str], seen: dict[tuple[str, str], Trace]) -> list[str]:
    """Print each bound that is broken or was not measured, and return them."""
    broken = []
    for bound in bounds:
        name, _, most = bound.partition("=")
        call, _, transport = name.partition(":")
        trace = seen.get((call, transport))
        if trace is None:
            broken.append(f"{name} was not traced")
        elif len(trace.files) > int(most):
            broken.append(
                f"{call} over {transport} visits {len(trace.files)} of our files, and {most} are "
                f"allowed: {', '.join(trace.files)}"
            )
    for each in broken:
        print(each)
    return broken


if __name__ == "__main__":
    raise SystemExit(main())
