"""What an incoming request brings along: its id, and the time that its sender will wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Final
from uuid import uuid4

from billingual import AsyncClient
from fastapi import Depends, Header, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invoice_service.unclear import UnclearWrites

__all__ = ["REQUEST_ID", "Caller", "CallerDep", "RequestIds"]

REQUEST_ID: Final = "X-Request-Id"
_SOUND: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DEFAULT_S: Final = 10.0
_LONGEST_S: Final = 30.0


@dataclass(frozen=True)
class Caller:
    """The sender of one request, and what its routes work with."""

    request_id: str
    ends_at: float
    unclear: UnclearWrites
    late_arrival_s: float
    _client: AsyncClient

    @property
    def invoices(self) -> AsyncClient:
        """A client for the next call: it carries the request's id, and has the time that is left.

        It shares the connections of the one client, and costs next to nothing.
        """
        left_s = max(self.ends_at - monotonic(), 0.001)
        return self._client.with_options(deadline=left_s, headers={REQUEST_ID: self.request_id})


def caller(
    request: Request, x_request_timeout: Annotated[float, Header(gt=0)] = _DEFAULT_S
) -> Caller:
    """Read the headers of a request; ``X-Request-Timeout`` is in seconds, and 30 at most."""
    return Caller(
        request_id=request.scope["request_id"],
        ends_at=request.scope["came_at"] + min(x_request_timeout, _LONGEST_S),
        unclear=request.app.state.unclear,
        late_arrival_s=request.app.state.late_arrival_s,
        _client=request.app.state.client,
    )


CallerDep = Annotated[Caller, Depends(caller)]


class RequestIds:
    """Give each request an id, its sender's or a new one, and each response the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        # It ends in logs and goes out to the provider, so not just any text is taken.
        request_id = given if _SOUND.fullmatch(given) else uuid4().hex
        scope["request_id"], scope["came_at"] = request_id, monotonic()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
