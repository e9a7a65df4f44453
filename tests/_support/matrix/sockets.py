"""The same cells over real sockets: a server on loopback that ends exchanges by the matrix."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import anyio
import anyio.lowlevel
import attrs

from _support.matrix.calls import CALLS, Scene, options_of
from _support.matrix.clients import WALL, Plan, headers_of, told
from _support.matrix.responses import Reply, Responses
from _support.matrix.table import Cell, Step
from billingual import AsyncClient, Client, errors
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.events import AttemptStarted, Event
from billingual.wire import Timeouts

__all__ = ["SAMPLE", "Loopback", "run_over_sockets", "sampled", "timeless"]

JSON: Final = ("Content-Type", "application/json")
BOMB: Final = gzip.compress(bytes(3_000_000))
PATIENT: Final = Timeouts(connect=20, write=20, read=20, pool=20)
# How long a silent server is waited for. The half of a response that comes before the silence must
# come in that time, also on a busy machine.
BRISK: Final = {
    "response_late": attrs.evolve(PATIENT, read=0.25),
    "response_stalled": attrs.evolve(PATIENT, read=1.0),
}

SAMPLE: Final = (
    ("create", "exante", "nothing"), ("create", "exante", "refused"),
    ("create", "exante", "tls_refused"), ("create", "exante", "response_lost"),
    ("create", "exante", "response_late"), ("create", "exante", "response_cut"),
    ("create", "exante", "response_stalled"), ("create", "exante", "response_too_large"),
    ("create", "exante", "response_undecodable"), ("create", "exante", "moved"),
    ("create", "exante", "request_timeout"), ("create", "exante", "conflict"),
    ("create", "exante", "limited_date"), ("create", "exante", "limited_then_conflict"),
    ("create", "exante", "limited_then_lost"), ("create", "exante", "unavailable_then_conflict"),
    ("create", "exante", "yes_as_html"), ("create", "exante", "yes_cut"),
    ("create", "exante", "envelope_says_no"), ("create", "tenant", "server_error"),
    ("create", "v1", "nothing"), ("delete_many", "bulk", "yes_no_content"),
    ("delete_many", "bulk", "unavailable_2s"), ("finalize", "tenant", "response_lost"),
    ("finalize_undone", "tenant", "gateway_timeout"), ("get", "exante", "response_cut"),
    ("get", "exante", "response_lost"), ("get", "exante", "limited_61s"),
    ("get", "exante", "redirected"), ("get", "tenant", "unavailable_then_ok"),
    ("get", "tenant", "failed_limited_then_ok"), ("list_second_page", "exante", "bad_gateway"),
    ("list_filtered", "tenant", "cut_then_html"), ("preview", "exante", "nothing"),
    ("reconcile_a_create", "exante", "unavailable_then_ok"), ("replace", "v1", "limited_2s"),
    ("replace", "v1", "envelope_says_no"), ("replace_and_notify", "v1", "response_lost"),
    ("update", "exante", "unavailable_then_conflict"), ("update", "tenant", "conflict"),
    ("update_of_a_locked_invoice", "tenant", "limited_then_conflict"),
    ("update_of_a_locked_invoice", "tenant", "forbidden"),
    ("update_without_a_reason", "tenant", "unprocessable"),
    ("update_many_100", "bulk", "response_lost"), ("update_many_1", "bulk", "yes_null"),
    ("void", "tenant", "response_stalled"), ("void_unsettled", "tenant", "unavailable"),
)  # fmt: skip
"""What a server can do that does not know the client, spread over the matrix."""


class Skipping:
    """The system's clock, set forward instead of waited for."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def wall(self) -> float:
        return WALL + self.now() - self._began

    def random(self) -> float:
        return 0.5


class OnLoop(Skipping, AnyioBackend):
    """Wait by letting the loop turn once."""

    async def sleep(self, seconds: float) -> None:
        self._skipped += seconds
        await anyio.lowlevel.checkpoint()


class Blocking(Skipping, SyncBackend):
    """Wait without blocking."""

    async def sleep(self, seconds: float) -> None:
        self._skipped += seconds


class _Handler(BaseHTTPRequestHandler):
    """Meet a request as the plan of its cell says."""

    protocol_version = "HTTP/1.1"
    server: Loopback

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length) if length else None
        met = self.server.plan.meet(self.command, self.path, body)
        if isinstance(met, Reply):
            self._respond(met)
        elif met.ends == "committed" or met.status is not None:
            reply = self.server.plan.reply(met, self.command, self.path, body)
            self._respond(reply, headers_of(met))
        else:
            self.close_connection = True
            self._break(met, self.server.plan.responses.good(self.command, self.path, body))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of http.server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _respond(self, reply: Reply, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response_only(reply.status)
        for name, value in (JSON, *(headers or ())):
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.status != 204:
            self.wfile.write(reply.body)

    def _break(self, met: Step, good: Reply) -> None:
        """End the exchange badly; the evidence and the error say how."""
        begun = met.seen is not None and met.seen[2] is True
        if met.raises == "ResponseTooLargeError":
            self._respond(Reply(200, BOMB), [("Content-Encoding", "gzip")])
        elif met.name == "response_undecodable":
            broken = gzip.compress(good.body)[:10] + b"\xff" * 40
            self._respond(Reply(good.status, broken), [("Content-Encoding", "gzip")])
        elif begun:
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(good.body)))
            self.end_headers()
            self.wfile.write(good.body[: len(good.body) // 2])
        if met.raises == "TimedOutError":
            with contextlib.suppress(OSError):
                self.rfile.read(1)


class Loopback(ThreadingHTTPServer):
    """A server on loopback, with the plan of the cell that runs."""

    daemon_threads = True
    plan: Plan

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        # A port where no server listens, and that no other program can take meanwhile.
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=lambda: self.serve_forever(0.02), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._closed.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: who breaks off, and who speaks TLS here, is as planned."""

    def address(self, fault: str) -> str:
        """Return where a client goes to meet a fault."""
        if fault == "refused":
            return f"http://127.0.0.1:{self._closed.getsockname()[1]}"
        scheme = "https" if fault == "tls_refused" else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}"


def run_over_sockets(server: Loopback, backend: str, cell: Cell, policy: str) -> str:
    """Run one cell through httpx on a backend, and say what happened."""
    if backend == "blocking":
        return step(_run(server, cell, policy, Client, Blocking()))
    told_it: str = anyio.run(_run, server, cell, policy, AsyncClient, OnLoop(), backend=backend)
    return told_it


async def _run(server: Loopback, cell: Cell, policy: str, kind: type[Any], backend: Any) -> str:
    responses = Responses(cell.dialect)
    plan = server.plan = Plan(cell.steps(), responses)
    events: list[Event] = []
    client = kind(
        **options_of(cell.dialect),
        base_url=server.address(cell.fault),
        retry=policy,
        backend=backend,
        observers=[events.append],
        timeout=BRISK.get(cell.fault, PATIENT),
    )

    def begin() -> None:
        plan.begin()
        events.clear()

    scene = Scene(client=client, responses=responses, begin=begin, dialect=cell.dialect)
    end: str | errors.BillingualError
    try:
        end = await CALLS[cell.operation](scene)
    except errors.BillingualError as error:
        end = error
    if kind is Client:
        client.close()
    else:
        await client.aclose()
    if cell.fault in {"refused", "tls_refused"}:
        # The server saw none of them, or not as requests; what was tried is the count.
        assert plan.sends == 0
        plan.sends = sum(isinstance(each, AttemptStarted) for each in events)
    return told(end, plan, events)


def timeless(text: str) -> str:
    """Leave the seconds out: on a real wire they are not exact."""
    return re.sub(r" \d+\.\d\ds:", ":", text)


def sampled(cells: tuple[Cell, ...]) -> Iterator[Cell]:
    """Pick the sample from the matrix."""
    by_name = {(each.operation, each.dialect, each.fault): each for each in cells}
    return (by_name[name] for name in SAMPLE)
