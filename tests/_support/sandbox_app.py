"""Drives the sandbox app without an event loop, a thread or a socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import attrs

from billingual.sandbox import CREDENTIALS, Sandbox


@attrs.frozen
class Reply:
    """One response of the app."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, numbers exactly."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def rule(self) -> str | None:
        """The sandbox rule that fired."""
        return self.headers.get("sandbox-rule")


class SuspendedError(Exception):
    """The app waited for something that only an event loop could bring."""


@attrs.define
class Exchange:
    """The server's side of one ASGI request: one message in, all messages out."""

    body: bytes
    messages: list[Any] = attrs.field(factory=list)
    dropped: int = 0

    async def receive(self) -> dict[str, Any]:
        """Hand over the whole body at once."""
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Any) -> None:
        """Keep what the app sends."""
        self.messages.append(message)

    def drop(self) -> None:
        """Count how often the app cut the connection."""
        self.dropped += 1

    def reply(self) -> Reply:
        """Put the messages together."""
        start, *rest = self.messages
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], headers, b"".join(part.get("body", b"") for part in rest))


def step(
    app: Sandbox,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    query: bytes = b"",
    extensions: dict[str, Any] | None = None,
) -> Exchange:
    """Run one request to its end in a single step of the coroutine."""
    exchange = Exchange(body)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "server": ("sandbox", 80),
        "client": ("client", 1),
        "extensions": {"sandbox.drop": exchange.drop} if extensions is None else extensions,
    }
    coroutine = app(scope, exchange.receive, exchange.send)
    try:
        coroutine.send(None)
    except StopIteration:
        return exchange
    coroutine.close()
    raise SuspendedError


@attrs.define
class Caller:
    """Calls one provider of a sandbox with one of its credentials."""

    app: Sandbox
    credential: str
    headers: dict[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        account = CREDENTIALS[self.credential]
        self.headers["authorization"] = f"Bearer {account.token}"
        if account.tenant is not None:
            self.headers["tenant-id"] = account.tenant

    def __call__(
        self,
        method: str,
        path: str,
        json_body: object = None,
        *,
        raw: bytes | None = None,
        without: str | None = None,
        extra: Mapping[str, str] | None = None,
        **query: str,
    ) -> Reply:
        """Send one request; *query* is encoded as a form is."""
        headers = {**self.headers, "host": "sandbox", **(extra or {})}
        if without is not None:
            del headers[without]
        body = raw if raw is not None else b""
        if json_body is not None:
            body = json.dumps(json_body).encode()
        if body and not (extra and "content-type" in extra):
            headers["content-type"] = "application/json"
        prefix = CREDENTIALS[self.credential].prefix
        return step(
            self.app,
            method,
            prefix + path,
            headers=headers,
            body=body,
            query=urlencode(query).encode(),
        ).reply()


def control(app: Sandbox, method: str, name: str, json_body: object = None) -> Any:
    """Call the control API and give its JSON."""
    headers = {"host": "sandbox.localhost", "content-type": "application/json"}
    body = b""
    if json_body is not None:
        body = json.dumps(json_body).encode()
    path, _, query = name.partition("?")
    exchange = step(
        app, method, f"/_sandbox/{path}", headers=headers, body=body, query=query.encode()
    )
    return exchange.reply().json
