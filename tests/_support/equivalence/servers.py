"""What is at the end of each way: a server, an application in process, and a function."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import attrs

from _support.equivalence.clients import TRANSPORT_DRIVERS
from _support.equivalence.owned_clients import borrowed
from _support.equivalence.ways import NAMED, OWNED, TRANSPORTS, Way
from _support.sandbox_app import control
from billingual import MemoryTransport, errors
from billingual.abc import TransportOptions
from billingual.backends.stepping import step
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, Sandbox, create_app, running
from billingual.sandbox.settings import Settings
from billingual.testing.recording.record import record
from billingual.testing.recording.replay import replay
from billingual.transports.asgi import AsgiTransport
from billingual.transports.sandbox import SandboxTransport
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

__all__ = ["Control", "Reply", "Sandboxes", "open_sandboxes"]

INVOICES: Final = 40
NO_SERVER: Final = "http://127.0.0.1:9"
"""Port 9 is that of the discard protocol, which no program serves here."""
_ENDLESS: Final = Bounds(timeouts=Timeouts(), deadline=Deadline(1e9, lambda: 0.0))
_SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)


@attrs.frozen
class Reply:
    """A response no sandbox gives."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


class Control:
    """The control API of a sandbox, without a socket."""

    def __init__(self, app: Sandbox) -> None:
        self.app = app

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask, and read the response."""
        found = control(self.app, method, path, body)
        assert "error" not in found, found
        return found

    def fault(self, kind: str, **details: Any) -> None:
        """Let something go wrong with the next requests."""
        self.ask("POST", "faults", {"kind": kind, **details})

    def is_untouched(self) -> bool:
        """Tell whether there were only reads, and no faults or settings are left."""
        state = self.ask("GET", "state")
        asked = self.ask("GET", "requests?limit=999999")["requests"]
        default = attrs.asdict(Settings())
        reads = all(each["method"] == "GET" for each in asked)
        return bool(reads and not state["faults"] and state["settings"] == default)

    def stored(self, provider: str) -> list[dict[str, Any]]:
        """Return the raw rows of a provider."""
        rows: list[dict[str, Any]] = self.ask("GET", f"invoices?provider={provider}")["invoices"]
        return rows


class _ImpatienceError(Exception):
    """The response would come later than the row waits."""


class _InMemory:
    """Answer by stepping a sandbox app inside the memory transport's function."""

    def __init__(self) -> None:
        self.patience_s = 1.0
        self.app = create_app(invoices=INVOICES, sleep=self._sleep)
        self._asgi = AsgiTransport(self.app)

    def response(self, request: WireRequest) -> WireResponse | errors.BillingualError:
        try:
            return step(self._asgi.send(request, _ENDLESS))
        except errors.ConnectionLostError as lost:
            if isinstance(lost.__cause__, _ImpatienceError):
                return errors.TimedOutError("no response came in time.", evidence=_SENT)
            return lost

    async def _sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, self.patience_s))  # noqa: ASYNC251 - it plays a slow server
        if seconds > self.patience_s:
            raise _ImpatienceError


class ScriptedApp:
    """An ASGI app that answers from a script."""

    def __init__(self, script: Sequence[Reply]) -> None:
        self._script = iter(script)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        reply = next(self._script)
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


class ScriptedAsgi(AsgiTransport):
    """It suspends where its app does: nowhere."""

    supports: Final = frozenset({"async", "sync"})


class _ScriptHandler(BaseHTTPRequestHandler):
    """Answer from the server's script, over a socket."""

    protocol_version = "HTTP/1.1"
    server: ScriptServer

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        reply = self.server.script.pop(0)
        self.send_response_only(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names of http.server


class ScriptServer(ThreadingHTTPServer):
    """A server on loopback that answers from a script."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ScriptHandler)
        self.script: list[Reply] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@attrs.frozen(kw_only=True)
class Sandboxes:
    """What the rows of a module run against; each sandbox is set back before each row."""

    url: str
    scripted: ScriptServer
    over_sockets: Control
    in_process: dict[str, SandboxTransport]
    in_memory: _InMemory
    tapes: Path

    def control(self, way: Way) -> Control:
        """Return the control API of the sandbox at the end of a way."""
        if way.transport == "memory":
            return Control(self.in_memory.app)
        if way.transport != "sandbox":
            return self.over_sockets
        app: Any = self.in_process[way.backend]._app
        return Control(app)

    def prepare(self, way: Way, row: Any) -> None:
        """Set the sandbox back, if the row meets it and the one before left traces."""
        if row.script or row.unreachable:
            return
        control = self.control(way)
        if not control.is_untouched():
            control.ask("POST", "reset")

    @asynccontextmanager
    async def leading(self, way: Way, row: Any) -> AsyncIterator[dict[str, Any]]:
        """Give the client's options that lead along a way."""
        account = ACCOUNTS[row.account]
        options: dict[str, Any] = {"token": account.token, "tenant": account.tenant}
        if way.transport == "replay":
            # A tape needs no account.
            yield {"transport": replay(self._tape(way))}
        elif way.transport in TRANSPORTS[1:]:
            yield {**options, **self._here(way, row)}
        else:
            options["base_url"] = self._address(row)
            if way.transport in {TRANSPORTS[0], *NAMED}:
                options["transport"] = way.transport
            elif way.transport == "record":
                options["transport"] = record(self._tape(way), TRANSPORTS[0])
            if way.transport not in OWNED:
                yield options
                return
            async with borrowed(way.transport, way.backend) as client:
                yield {**options, "transport": client}

    def _tape(self, way: Way) -> Path:
        return self.tapes / f"{way.backend}.json"

    def _address(self, row: Any) -> str:
        """Return where a socket is listened to, or is not."""
        if not row.script:
            return NO_SERVER if row.unreachable else self.url + ACCOUNTS[row.account].prefix
        self.scripted.script[:] = row.script
        return self.scripted.url

    def _here(self, way: Way, row: Any) -> dict[str, Any]:
        if row.script or row.unreachable:
            return self._scripted(way.transport, row)
        if way.transport == "sandbox":
            return {"transport": self.in_process[way.backend]}
        self.in_memory.patience_s = row.patience_s()
        base_url = f"http://memory.localhost{ACCOUNTS[row.account].prefix}"
        return {"base_url": base_url, "transport": MemoryTransport(self.in_memory.response)}

    def _scripted(self, transport: str, row: Any) -> dict[str, Any]:
        base_url = "http://scripted.localhost"
        if transport == "sandbox":
            return {"base_url": base_url, "transport": ScriptedAsgi(ScriptedApp(row.script))}
        if row.unreachable:
            return {"base_url": base_url, "transport": MemoryTransport(_nobody)}
        app = AsgiTransport(ScriptedApp(row.script))

        def response(request: WireRequest) -> WireResponse | errors.BillingualError:
            try:
                return step(app.send(request, _ENDLESS))
            except errors.BillingualError as error:
                return error

        return {"base_url": base_url, "transport": MemoryTransport(response)}


def _nobody(request: WireRequest) -> errors.BillingualError:
    evidence = Evidence(connected=False, request_complete=False, response_begun=False)
    return errors.NotConnectedError("nothing listens there.", evidence=evidence)


@contextmanager
def open_sandboxes() -> Iterator[Sandboxes]:
    """Start what listens, for as long as the block lasts."""
    in_process = {
        name: SandboxTransport(TransportOptions(backend=make()))
        for name, make in TRANSPORT_DRIVERS.items()
    }
    with (
        running(invoices=INVOICES) as server,
        ScriptServer() as scripted,
        TemporaryDirectory() as tapes,
    ):
        thread = threading.Thread(target=lambda: scripted.serve_forever(0.02), daemon=True)
        thread.start()
        sandboxes = Sandboxes(
            url=server.url,
            scripted=scripted,
            over_sockets=Control(server.app),
            in_process=in_process,
            in_memory=_InMemory(),
            tapes=Path(tapes),
        )
        for transport in in_process.values():
            app: Any = transport._app
            app.sandbox_state.invoices = INVOICES
            Control(app).ask("POST", "reset")
        try:
            yield sandboxes
        finally:
            scripted.shutdown()
            thread.join()
            sandboxes.in_memory.app.close()
            for transport in in_process.values():
                app = transport._app
                app.close()
