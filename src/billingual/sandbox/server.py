"""The sandbox behind a real socket, by uvicorn: for the command line and for tests of the wire.

Faults of the connection need help from below, because an ASGI app sends responses and no bytes. The
protocol here puts callables into `scope["extensions"]`: `sandbox.drop` flushes what was sent and
closes the socket (uvicorn answers 500 for an app that answers nothing), `sandbox.twice` begins to
collect a response that is written twice, and `sandbox.keep_alive` sets how many seconds the idle
connection is kept.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

import attrs
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from billingual.sandbox.accounts import ACCOUNTS
from billingual.sandbox.app import Sandbox, create_app
from billingual.sandbox.index import curl_commands
from billingual.sandbox.page.site import Site

__all__ = ["MAX_PORT", "Running", "running", "serve"]

MAX_PORT: Final = 65_535
"""The largest port there is."""

_STARTUP_S = 30.0
_GRACE_S = 1


class _Twice:
    """In the place of a connection's transport: collects one response and writes it twice."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._response = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Collect bytes of the response."""
        self._response += data

    def flush(self) -> None:
        """Write the response twice, in one piece, so that a client gets both together."""
        twice, self._response = self._response * 2, b""
        if twice:
            self._transport.write(twice)

    def close(self) -> None:
        """Write the response, then close the connection."""
        self.flush()
        self._transport.close()


class _FaultyProtocol(H11Protocol):
    """HTTP/1.1 whose app may cut the connection, answer twice, or shorten the keep-alive."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = self._with_drop(self.app)

    def _with_drop(self, app: Any) -> ASGIApp:
        async def serve_one(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {
                **scope.get("extensions", {}),
                "sandbox.drop": self._drop,
                "sandbox.twice": self._twice,
                "sandbox.keep_alive": self._keep_alive,
            }
            await app(scope, receive, send)

        return serve_one

    def _drop(self) -> None:
        # With that state uvicorn neither answers 500 nor logs that the response is missing.
        self.cycle.disconnected = True
        self.transport.close()

    def _twice(self) -> Callable[[], None]:
        twice: Any = _Twice(self.transport)
        # For this response only: the protocol makes the next one's cycle with its own transport.
        self.cycle.transport = twice
        flush: Callable[[], None] = twice.flush
        return flush

    def _keep_alive(self, seconds: Any) -> None:
        # Uvicorn's type is int; its timer takes any number.
        self.timeout_keep_alive = seconds


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is up, and ends the page's live streams when it stops."""

    def __init__(self, config: uvicorn.Config, site: Site, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._site = site
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets=sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and let what is under way end."""
        self._site.close()
        await super().shutdown(sockets=sockets)


@attrs.frozen(kw_only=True)
class Running:
    """A sandbox that is up.

    Attributes:
        url: Its root, such as `http://127.0.0.1:8321`.
        port: Its port.
        app: The app itself, in the same process.
    """

    url: str
    port: int
    app: Sandbox = attrs.field(repr=False)

    def base_url(self, provider: str) -> str:
        """Give the URL that takes the place of a provider's documented host."""
        return self.url + ACCOUNTS[provider].prefix


def serve(
    host: str = "127.0.0.1",
    port: int = 8321,
    *,
    db: str | None = None,
    seed: int | None = None,
    invoices: int | None = None,
    announce: Callable[[str], None],
    allow_remote: bool = False,
) -> None:
    """Serve until Ctrl-C, which ends it without a traceback.

    Args:
        host: Address to listen on.
        port: Port to listen on, up to `MAX_PORT`; 0 picks a free one.
        db: See `create_app`.
        seed: See `create_app`.
        invoices: See `create_app`.
        announce: Takes each text to show: the URL, then one curl command per provider, which may
            go over several lines.
        allow_remote: Whether *host* may be reachable from other machines.

    Raises:
        ValueError: If *host* is not a loopback address and *allow_remote* is false: the
            credentials are well known; if *port*, *seed* or *invoices* is out of bounds.
        OSError: If the port is taken.
    """
    _check_host(host, allow_remote=allow_remote)
    _check_port(port)
    app = create_app(db=db, seed=seed, invoices=invoices, any_host=allow_remote)
    with closing(app), _listener(host, port) as listener, suppress(KeyboardInterrupt):
        url = _url(host, listener)

        def say() -> None:
            announce(url)
            for command in curl_commands(url).values():
                announce(command)

        _server(app, say).run(sockets=[listener])


@contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    db: str | None = None,
    seed: int | None = None,
    invoices: int | None = None,
) -> Iterator[Running]:
    """Serve from a background thread as long as the `with` block lasts.

    Args:
        host: A loopback address.
        port: Port to listen on, up to `MAX_PORT`; 0 picks a free one.
        db: See `create_app`.
        seed: See `create_app`.
        invoices: See `create_app`.

    Raises:
        ValueError: If *host* is not a loopback address; if *port*, *seed* or *invoices* is out of
            bounds.
        OSError: If the port is taken.
        RuntimeError: If the server does not come up.
    """
    _check_host(host, allow_remote=False)
    _check_port(port)
    app = create_app(db=db, seed=seed, invoices=invoices)
    with closing(app), _listener(host, port) as listener:
        up = threading.Event()
        server = _server(app, up.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            if not up.wait(_STARTUP_S):  # pragma: no cover  only a broken uvicorn gets here
                raise RuntimeError(f"the sandbox did not start within {_STARTUP_S:g} seconds")
            yield Running(url=_url(host, listener), port=_port(listener), app=app)
        finally:
            server.should_exit = True
            thread.join()


def _server(app: Sandbox, on_start: Callable[[], None]) -> _Server:
    site = Site(app)
    config = uvicorn.Config(
        site,
        http=_FaultyProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return _Server(config, site, on_start)


def _check_host(host: str, *, allow_remote: bool) -> None:
    if not allow_remote and not _is_loopback(host):
        raise ValueError(
            f"{host!r} is not a loopback address, and the sandbox's credentials are public;"
            " listen on 127.0.0.1, or allow remote access explicitly"
        )


def _check_port(port: int) -> None:
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"port={port} is out of bounds; give 0 to {MAX_PORT}")


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without its protocol's number, asyncio does not take the socket for TCP and leaves Nagle's
    # delay on: 40 ms on every response that is written in two parts.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{_port(listener)}"
