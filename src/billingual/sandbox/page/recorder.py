"""Record the exchanges of a served sandbox, and pass each on unchanged."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billingual.sandbox.page.exchanges import Exchange, Exchanges, Headers
from billingual.sandbox.request_log import Entry

__all__ = ["record"]


async def record(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    provider: str,
    exchanges: Exchanges,
) -> None:
    """Serve one request of a provider, and keep both of its sides."""
    exchange = exchanges.begin(
        provider=provider,
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        request_headers=_headers(scope),
        started=perf_counter(),
    )

    async def hear() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            exchange.request_body.add(message.get("body", b""))
            if not message.get("more_body", False):
                exchanges.count_attempt(exchange)
                exchanges.changed(exchange)
        return message

    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.response_headers = _headers(message)
        else:
            exchange.response_body.add(message.get("body", b""))
        await send(message)

    extensions = scope.get("extensions") or {}
    own = {**extensions, "sandbox.noted": _noting(exchanges, exchange)}
    if "sandbox.drop" in extensions:
        own["sandbox.drop"] = _cutting(extensions["sandbox.drop"], exchange)
    try:
        await app({**scope, "extensions": own}, hear, say)
    finally:
        exchanges.end(exchange, perf_counter() - exchange.started)


def _noting(exchanges: Exchanges, exchange: Exchange) -> Callable[[Entry], None]:
    def noted(entry: Entry) -> None:
        exchange.fault, exchange.rule = entry.fault, entry.rule
        exchanges.changed(exchange)

    return noted


def _cutting(drop: Callable[[], None], exchange: Exchange) -> Callable[[], None]:
    def cut() -> None:
        exchange.is_cut = True
        drop()

    return cut


def _headers(message: Scope | Message) -> Headers:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
    )
