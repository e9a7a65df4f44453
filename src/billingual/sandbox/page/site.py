"""The ASGI app around a sandbox that is served: the page, its live stream, and the recording.

What the page changes it changes by the control API, which asks where a request comes from; here is
nothing that changes anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources
from secrets import token_hex
from typing import Final

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from billingual.sandbox.accounts import ACCOUNTS
from billingual.sandbox.actions import RefusalError
from billingual.sandbox.app import Sandbox
from billingual.sandbox.faults import fault_record
from billingual.sandbox.instants import second_text
from billingual.sandbox.json_text import json_text
from billingual.sandbox.origins import refuse_foreign_host, refuse_foreign_pages
from billingual.sandbox.page.detail import detail, row
from billingual.sandbox.page.exchanges import Exchanges, record
from billingual.sandbox.page.invoice_rows import invoice_rows, watch_changes
from billingual.sandbox.page.markup import page_html

__all__ = ["MAX_STREAMS", "Site"]

MAX_STREAMS: Final = 32
"""Most pages that are kept up to date at a time."""

_PREFIX: Final = "/_sandbox/page/"
# Often enough to seem at once, seldom enough to cost nothing beside the requests that it shows.
_PERIOD_S: Final = 0.2
# Proxies and browsers give up connections on which nothing is ever said.
_QUIET_PERIODS: Final = 75
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILES: Final = {"page.css": "text/css", "page.js": "text/javascript"}


class Site:
    """Serve a sandbox with its page; it serves the sandbox's own requests as they are."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._state = sandbox.sandbox_state
        self._exchanges = Exchanges()
        self._clearings = self._state.request_log.clearings
        # Numbers begin at 1 in each server, and a page may outlive one.
        self._run = token_hex(8)
        self._streams = 0
        self._is_closing = False
        watch_changes(self._state)
        routes = [
            Route("/", self._page),
            *(Route(f"{_PREFIX}{name}", self._file) for name in _FILES),
            Route(f"{_PREFIX}events", self._events),
            Route(f"{_PREFIX}invoices", self._invoices),
            Route(f"{_PREFIX}exchanges/{{number:int}}", self._exchange),
        ]
        self._site = Starlette(
            routes=routes, exception_handlers={RefusalError: _refused, HTTPException: _missing}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._sandbox(scope, receive, send)
            return
        path: str = scope["path"]
        provider = path.split("/", 2)[1] if path.startswith("/") else ""
        if provider in ACCOUNTS and path != f"/{provider}/openapi.json":
            self._forget_with_the_log()
            await record(
                self._sandbox,
                scope,
                receive,
                send,
                provider=provider,
                exchanges=self._exchanges,
            )
        elif path.startswith(_PREFIX) or (path == "/" and _wants_html(scope)):
            await self._site(scope, receive, send)
        else:
            await self._sandbox(scope, receive, send)

    def close(self) -> None:
        """End the live streams, so that a server that stops need not wait for them."""
        self._is_closing = True

    def _forget_with_the_log(self) -> None:
        clearings = self._state.request_log.clearings
        if clearings != self._clearings:
            self._clearings = clearings
            self._exchanges.clear()

    async def _page(self, request: Request) -> Response:
        # A link of another page may lead here: there is nothing in it but what is in every sandbox.
        refuse_foreign_host(self._state, request.headers)
        url = f"{request.url.scheme}://{request.url.netloc}"
        return _response(page_html(url), "text/html")

    async def _file(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        file = resources.files("billingual.sandbox.page").joinpath("static", name)
        return _response(file.read_text(encoding="utf-8"), _FILES[name])

    async def _invoices(self, request: Request) -> Response:
        refuse_foreign_pages(self._state, request.headers, request.method)
        provider = request.query_params.get("provider", "")
        if provider not in ACCOUNTS:
            raise RefusalError(400, "bad-parameter", "provider must be of " + ", ".join(ACCOUNTS))
        return _json(invoice_rows(self._state, provider, request.query_params.get("search", "")))

    async def _exchange(self, request: Request) -> Response:
        refuse_foreign_pages(self._state, request.headers, request.method)
        self._forget_with_the_log()
        found = self._exchanges.find(request.path_params["number"])
        if found is None:
            raise RefusalError(404, "no-exchange", "This request is no longer kept")
        return _json(detail(found, f"{request.url.scheme}://{request.url.netloc}"))

    async def _events(self, request: Request) -> Response:
        refuse_foreign_pages(self._state, request.headers, request.method)
        if self._streams >= MAX_STREAMS:
            raise RefusalError(503, "too-many-pages", f"More than {MAX_STREAMS} pages are open")
        if request.method == "HEAD":
            return _response("", "text/event-stream")
        return StreamingResponse(
            self._stream(), headers=_HEADERS, media_type="text/event-stream; charset=utf-8"
        )

    async def _stream(self) -> AsyncIterator[str]:
        """Say what there is, and then what is new."""
        self._streams += 1
        try:
            version, switches, quiet = -1, "", 0
            yield f"data: {json_text({'run': self._run})}\n\n"
            while not self._is_closing:
                self._forget_with_the_log()
                news: dict[str, object] = {}
                if self._exchanges.version != version:
                    news["exchanges"] = [row(each) for each in self._exchanges.since(version)]
                    news["first"] = self._exchanges.first()
                    version = self._exchanges.version
                now = self._switches()
                if news:
                    # A request may have met a fault that was switched on a moment ago. Then nothing
                    # has changed since the last message, but the page knows of that fault.
                    news["faults"] = now["faults"]
                if json_text(now) != switches:
                    news |= now
                    switches = json_text(now)
                if news:
                    yield f"data: {json_text(news)}\n\n"
                    quiet = 0
                elif quiet == _QUIET_PERIODS:
                    yield ":\n\n"
                    quiet = 0
                quiet += 1
                await anyio.sleep(_PERIOD_S)
        finally:
            self._streams -= 1

    def _switches(self) -> dict[str, object]:
        """Give what the page's switches show, and a number that grows with the data."""
        with self._state.lock:
            return {
                # To the second: a running clock is shown as a clock is.
                "now": second_text(self._state.clock.now() // 10**6 * 10**6),
                "frozen": self._state.clock.frozen,
                "faults": [
                    {
                        name: value
                        for name, value in fault_record(each).items()
                        if name in ("kind", "provider", "method", "times")
                    }
                    for each in self._state.faults.pending()
                ],
                "writes": self._state.store.writes,
            }


def _wants_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _response(text: str, media_type: str, status: int = 200) -> Response:
    return Response(text, status, headers=_HEADERS, media_type=media_type)


def _json(value: object, status: int = 200) -> Response:
    return _response(json_text(value), "application/json", status)


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001  a handler's shape
    refusal = error if isinstance(error, RefusalError) else RefusalError(500, "page", "Failed")
    response = _json({"error": refusal.message}, refusal.status)
    response.headers["Sandbox-Rule"] = refusal.rule
    return response


async def _missing(request: Request, error: Exception) -> Response:  # noqa: ARG001  a handler's shape
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _json({"error": "Nothing is here"}, status)
