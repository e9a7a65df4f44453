"""The ASGI app: providers by prefix, the control API, the index, and their middleware."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any, Final

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from billingual.sandbox import control
from billingual.sandbox.actions import (
    PREFIX,
    RefusalError,
    Refuse,
    address_of,
    response_of,
)
from billingual.sandbox.clock import DEFAULT_NOW, Clock
from billingual.sandbox.index import index_record
from billingual.sandbox.json_text import json_text
from billingual.sandbox.middleware import ProviderMiddleware
from billingual.sandbox.providers.exante import invoices as exante
from billingual.sandbox.providers.exante import lists as exante_lists
from billingual.sandbox.providers.katsu import invoices as katsu
from billingual.sandbox.providers.kukkingu import invoices as kukkingu
from billingual.sandbox.providers.kukkingu import tenancy as kukkingu_tenancy
from billingual.sandbox.seed import DEFAULT_INVOICES, DEFAULT_SEED, seed_store
from billingual.sandbox.state import SandboxState, Sleep
from billingual.sandbox.store import Store

__all__ = ["MAX_INVOICES", "MAX_SEED", "Sandbox", "create_app"]

MAX_INVOICES: Final = 100_000
"""Most invoices a sandbox starts with: more would take minutes to make."""
MAX_SEED: Final = 2**63 - 1
"""The largest seed that SQLite holds; the smallest is its negative."""

_REFUSALS: Mapping[str, Refuse] = {
    "exante": exante.refuse,
    "katsu": katsu.refuse,
    "kukkingu": kukkingu_tenancy.refuse,
}
_ROUTES = (exante_lists, exante, kukkingu, kukkingu_tenancy, katsu, control)


class Sandbox(Starlette):
    """The sandbox as an ASGI app, with the control API as methods.

    One request never suspends unless `receive`, `send` or a latency fault does, so the app can be
    driven without an event loop. It may be shared between threads.
    """

    def __init__(self, state: SandboxState) -> None:
        routes = [route for module in _ROUTES for route in module.routes(state)]
        routes += [_openapi(provider) for provider in _REFUSALS]
        routes.append(Route("/", _index, methods=["GET"]))
        super().__init__(routes=routes, exception_handlers={HTTPException: _unrouted(state)})
        self.router.redirect_slashes = False
        self.sandbox_state = state
        self._middleware = ProviderMiddleware(super().__call__, state, _REFUSALS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; below a prefix of another app, as if there were none."""
        prefix: str = scope.get("root_path", "")
        if prefix:
            path = scope["path"]
            path = path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path
            scope = {**scope, "path": path, "root_path": "", PREFIX: prefix}
        await self._middleware(scope, receive, send)

    @property
    def now(self) -> str:
        """The sandbox's time, as text in UTC."""
        return str(self._control("GET", "clock")["now"])

    def move_clock(
        self, *, now: str | None = None, advance_s: float = 0, frozen: bool | None = None
    ) -> str:
        """Set the clock, then advance it, then freeze it or let it run; return its time.

        Args:
            now: A date-time such as `2026-12-24T00:00:00Z`, or `real`.
            advance_s: Seconds to add; invoices become overdue.
            frozen: Whether it stands still from now on; None leaves that as it is.

        Raises:
            ValueError: If a value cannot be right.
        """
        body: dict[str, object] = {"advance_s": advance_s}
        body |= {} if now is None else {"now": now}
        body |= {} if frozen is None else {"frozen": frozen}
        return str(self._control("POST", "clock", body)["now"])

    def add_fault(self, kind: str, **fields: object) -> None:
        """Let something go wrong with requests to come; the fields are those of the control API.

        Raises:
            ValueError: If there is no such kind or field.
        """
        self._control("POST", "faults", {"kind": kind, **fields})

    @property
    def faults(self) -> list[dict[str, Any]]:
        """The faults that are still to come."""
        return list(self._control("GET", "faults")["faults"])

    def clear_faults(self) -> None:
        """Forget the faults that are still to come."""
        self._control("DELETE", "faults")

    def requests(self, limit: int = 100) -> list[dict[str, Any]]:
        """List the last requests: method, path, status, fault and rule; never a token."""
        return list(self._control("GET", f"requests?limit={limit}")["requests"])

    def reset(self) -> None:
        """Go back to the start: data, clock, settings, no faults, an empty request log."""
        self._control("POST", "reset", {})

    def seed(self, seed: int, invoices: int | None = None) -> None:
        """Replace the data by that of another seed, dated around the clock as it stands.

        Raises:
            ValueError: If a number is out of bounds.
        """
        more = {} if invoices is None else {"invoices": invoices}
        self._control("POST", "seed", {"seed": seed, **more})

    def change_settings(self, **settings: object) -> None:
        """Choose among undocumented shapes; the names are those of the control API.

        Raises:
            ValueError: If there is no such setting or choice.
        """
        self._control("POST", "settings", settings)

    def _control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask the control API; it waits for nothing, so that no event loop is needed."""
        path, _, query = path.partition("?")
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": f"/_sandbox/{path}",
            "raw_path": f"/_sandbox/{path}".encode(),
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/json")],
            "scheme": "http",
            "server": ("sandbox.localhost", 80),
            "root_path": "",
        }
        sent: list[Message] = []

        async def receive() -> Message:
            data = b"" if body is None else json_text(body).encode()
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asking = self(scope, receive, send)
        try:
            asking.send(None)
        except StopIteration:
            pass
        else:
            raise RuntimeError("the control API waited")
        head, *rest = sent
        record: dict[str, Any] = json.loads(b"".join(each.get("body", b"") for each in rest))
        if head["status"] != 200:
            raise ValueError(record["error"])
        return record

    def close(self) -> None:
        """Close the database; an app that is simply dropped closes it too."""
        # SQLite crashes the process if a connection is closed while another thread uses it.
        with self.sandbox_state.lock:
            self.sandbox_state.store.close()


def create_app(
    *,
    db: str | None = None,
    seed: int | None = None,
    invoices: int | None = None,
    sleep: Sleep | None = None,
    any_host: bool = False,
) -> Sandbox:
    """Make a sandbox.

    Args:
        db: Path of the SQLite file to keep the data in; None keeps it in memory. A file that
            holds data already is taken as it is, with its own seed and clock.
        seed: Seed of the data, at most `MAX_SEED` either side of zero; the same seed gives the
            same bytes. None takes the file's own, or 42.
        invoices: How many invoices Exante's default organization starts with, from 0 to
            `MAX_INVOICES`. None takes the file's own number, or 1000.
        sleep: Waits a number of seconds for latency faults; `anyio.sleep` if None.
        any_host: Whether the control API may be reached under any name, and not only as
            localhost or by an IP address.

    Raises:
        ValueError: If *seed* or *invoices* is out of bounds, or is not that of a file that holds
            data; if the file is another program's database.
        sqlite3.Error: If the file cannot be opened or is no database.
    """
    _check_bounds(seed, invoices)
    store = Store(db)
    now = store.meta("clock")
    if now is not None:
        kept = {"seed": store.ids.seed, "invoices": store.meta("invoices") or 0}
        asked = {"seed": seed, "invoices": invoices}
        for name, value in asked.items():
            if value is not None and value != kept[name]:
                store.close()
                raise ValueError(
                    f"{db} holds data of {name}={kept[name]}, and {name}={value} would change "
                    f"nothing; leave {name} out, or name another file"
                )
        seed, invoices = kept["seed"], kept["invoices"]
    seed = DEFAULT_SEED if seed is None else seed
    invoices = DEFAULT_INVOICES if invoices is None else invoices
    state = SandboxState(
        store=store,
        sleep=sleep or anyio.sleep,
        seed=seed,
        invoices=invoices,
        any_host=any_host,
        clock=Clock(DEFAULT_NOW if now is None else now),
    )
    if now is None:
        with store.transaction():
            seed_store(state, seed, invoices)
    return Sandbox(state)


def _check_bounds(seed: int | None, invoices: int | None) -> None:
    if invoices is not None and not 0 <= invoices <= MAX_INVOICES:
        raise ValueError(f"invoices={invoices} is out of bounds; give 0 to {MAX_INVOICES}")
    if seed is not None and not -MAX_SEED <= seed <= MAX_SEED:
        raise ValueError(f"seed={seed} is out of bounds; give {-MAX_SEED} to {MAX_SEED}")


def _openapi(provider: str) -> Route:
    """Serve a provider's OpenAPI document as it is checked in."""

    async def document(request: Request) -> Response:  # noqa: ARG001  the shape of an endpoint
        name = f"{provider}.json"
        text = resources.files("billingual.sandbox").joinpath("openapi", name).read_bytes()
        return Response(text, media_type="application/json")

    return Route(f"/{provider}/openapi.json", document, methods=["GET"])


async def _index(request: Request) -> Response:
    return Response(json_text(index_record(address_of(request))), media_type="application/json")


def _unrouted(state: SandboxState) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answer unknown paths and methods in the shape of the provider they were meant for."""

    async def handle(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        rule = {404: "unknown-route", 405: "method-not-allowed"}.get(status, "http")
        provider = request.url.path.split("/", 2)[1]
        refuse = _REFUSALS.get(provider, control.refuse)
        message = f"{request.method} is not possible here" if status == 405 else "No such route"
        return response_of(refuse(state, RefusalError(status, rule, message)))

    return handle
