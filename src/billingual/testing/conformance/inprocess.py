"""Checks for transports that open no connection: they respond as a check tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, cast

import attrs

from billingual.abc import TransportFactory
from billingual.outcomes import Safety
from billingual.transports.asgi import AsgiApp
from billingual.wire import Headers, WireRequest, WireResponse

__all__ = ["Handler", "InProcess", "asgi_app"]

Handler: TypeAlias = Callable[[WireRequest], WireResponse]
"""What answers a request: it may be called from any thread."""


@attrs.frozen
class InProcess:
    """A transport that opens no connection, so that rules of the network mean nothing to it.

    Attributes:
        answering: takes a handler and returns a factory of transports that answer with it.
        scripted: False where the transport answers as it likes and never asks the handler.
        reason: why rules of the network do not apply, for the report.
    """

    answering: Callable[[Handler], TransportFactory]
    scripted: bool = True
    reason: str = "it opens no connection"


def asgi_app(handler: Handler) -> AsgiApp:
    """Make an ASGI application that answers with *handler*."""

    async def app(scope: object, receive: object, send: object) -> None:
        details, hear, say = scope, receive, send
        body = b""
        more = True
        while more:
            message = await hear()  # type: ignore[operator]  # the protocol of ASGI
            body += message.get("body", b"")
            more = message.get("more_body", False)
        response = handler(_request_of(details, body))  # type: ignore[arg-type]  # likewise
        pairs = [(key.lower().encode(), value.encode("latin-1")) for key, value in response.headers]
        await say(  # type: ignore[operator]  # likewise
            {"type": "http.response.start", "status": response.status, "headers": pairs}
        )
        await say({"type": "http.response.body", "body": response.body})  # type: ignore[operator]

    return app


def _request_of(scope: dict[str, object], body: bytes) -> WireRequest:
    path, query = cast(bytes, scope["raw_path"]), cast(bytes, scope["query_string"])
    pairs = cast(list[tuple[bytes, bytes]], scope["headers"])
    target = (path + (b"?" + query if query else b"")).decode("ascii")
    host = dict(pairs).get(b"host", b"127.0.0.1").decode("latin-1")
    return WireRequest(
        method=str(scope["method"]),
        url=f"http://{host}{target}",
        route=target,
        safety=Safety.READ,
        headers=Headers((key.decode("latin-1"), value.decode("latin-1")) for key, value in pairs),
        body=body or None,
    )
