"""The ASGI app: providers by prefix, the control API, the front page, and their middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from billingual.sandbox import control
from billingual.sandbox.clock import DEFAULT_NOW, Clock
from billingual.sandbox.front_page import index_page, index_record
from billingual.sandbox.json_text import json_text
from billingual.sandbox.messages import RefusalError, Refuse, response_of
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
    """The sandbox as an ASGI app.

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
        """Serve one ASGI scope."""
        await self._middleware(scope, receive, send)

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
    url = f"{request.url.scheme}://{request.url.netloc}"
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(index_page(url))
    return Response(json_text(index_record(url)), media_type="application/json")


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
