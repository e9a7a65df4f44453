"""The middleware around every provider: the limit of a body, faults, the request log.

Pure ASGI. It reads the whole body, lets the inner app respond into memory, and then sends, spoils
or drops the response. It suspends only where the server's `receive` and `send` do, and in the
injected sleep of a latency fault.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billingual.sandbox.actions import RULE_HEADER, RefusalError, Refuse, response_of
from billingual.sandbox.faults import DroppedConnection, Fault
from billingual.sandbox.instants import millisecond_text
from billingual.sandbox.json_text import UnreadableJsonError, json_text, parse_json, stored_json
from billingual.sandbox.state import SandboxState

__all__ = ["MAX_BODY", "ProviderMiddleware"]

MAX_BODY = 4 * 1024 * 1024
"""Bytes of request body accepted; more gets a 413."""

_BODILESS = (204, 205, 304)
_NUMBERS = ("invoice_number", "invoiceNumber")
_MOVES = ("/finalize", "/void")
_RULE = RULE_HEADER.lower().encode()


@attrs.define
class _Reply:
    """What the inner app sent."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        """Stand in for the server's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        else:
            self.body += message.get("body", b"")

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    def with_json(self, value: object) -> _Reply:
        """Put other JSON in the place of the body."""
        body = json_text(value).encode()
        kept = [(name, old) for name, old in self.headers if name != b"content-length"]
        return _Reply(self.status, [*kept, (b"content-length", b"%d" % len(body))], body)

    def rule(self) -> str | None:
        """Name the sandbox rule that fired, if one did."""
        for name, value in self.headers:
            if name == _RULE:
                return value.decode("latin-1")
        return None


class ProviderMiddleware:
    """Wrap an app; what is no call of a provider passes without fault and unrecorded."""

    def __init__(self, app: ASGIApp, state: SandboxState, refusals: Mapping[str, Refuse]) -> None:
        self._app = app
        self._state = state
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        provider = scope["path"].split("/", 2)[1] if "/" in scope["path"] else ""
        body = await _read(receive)
        if body is None:
            return
        if provider not in self._refusals or scope["path"] == f"/{provider}/openapi.json":
            other = await self._carry_out(scope, body) if len(body) <= MAX_BODY else _Reply(413)
            await _send(other, send, with_body=scope["method"] != "HEAD")
            return
        with self._state.lock:
            fault = self._state.faults.take(provider, scope["method"], scope["path"])
        try:
            response = await self._respond(scope, provider, body, fault)
        except BaseException:
            # A sleep that gives up, or a cancelled server: nothing was sent.
            self._note(scope, provider, fault, None)
            raise
        # Before the delay: the request was acted on, and who looks meanwhile must see it.
        self._note(scope, provider, fault, response)
        if fault is not None and fault.kind == "latency" and fault.after_commit:
            await self._state.sleep(fault.seconds)
        await _deliver(scope, send, response, fault)

    async def _respond(
        self, scope: Scope, provider: str, body: bytes, fault: Fault | None
    ) -> _Reply | None:
        """Carry the request out as far as the fault lets it; None if nothing shall be sent."""
        if fault is None:
            return await self._met(scope, provider, body)
        if fault.kind == "drop_before_commit":
            return None
        if fault.kind == "rate_limit":
            return self._rate_limited(provider, fault)
        if fault.kind == "latency" and not fault.after_commit:
            await self._state.sleep(fault.seconds)
        if fault.kind == "status" and not fault.after_commit:
            return self._failed(provider, fault)
        if fault.kind == "old_values":
            return await self._unchanged(scope, provider, body, fault)
        if fault.kind == "alter_number":
            body = self._renumbered(body, fault)
        return self._altered(await self._met(scope, provider, body), provider, fault)

    def _altered(self, response: _Reply, provider: str, fault: Fault) -> _Reply | None:
        """Give what a fault makes of the response to a request that was carried out."""
        if fault.kind == "drop_after_commit":
            return None
        if fault.kind == "status":
            return self._failed(provider, fault)
        if fault.kind == "status_word":
            return _worded(response, fault.word)
        if fault.kind == "keep_alive":
            response.headers.append((b"keep-alive", b"timeout=%d" % max(1, int(fault.seconds))))
        return response

    def _renumbered(self, body: bytes, fault: Fault) -> bytes:
        """Put another invoice number into a request, as if the provider had chosen it."""
        try:
            record = parse_json(body)
        except UnreadableJsonError:
            return body
        if not isinstance(record, dict):
            return body
        serial = self._state.request_log.count + 1
        for name in _NUMBERS:
            if isinstance(number := record.get(name), str):
                record[name] = fault.altered(number, serial)
        return json_text(record).encode()

    async def _unchanged(self, scope: Scope, provider: str, body: bytes, fault: Fault) -> _Reply:
        """Answer an update with what a read gave before it, if it can be read."""
        before = await self._before(scope, body)
        if before is not None and not fault.after_commit:
            return before
        response = await self._met(scope, provider, body)
        return before if before is not None and response.ok else response

    async def _before(self, scope: Scope, body: bytes) -> _Reply | None:
        """Read what an update of one invoice, or of an array of them, is about to change."""
        path: str = scope["path"]
        for move in _MOVES:
            path = path.removesuffix(move)
        if scope["method"] == "POST" and path == scope["path"]:
            return None
        try:
            batch = parse_json(body) if body else None
        except UnreadableJsonError:
            return None
        if not isinstance(batch, list):
            return await self._read(scope, path)
        rows = [row.get("uid") for row in batch if isinstance(row, dict)]
        replies = [await self._read(scope, f"{path}/{uid}") for uid in rows]
        found = [reply for reply in replies if reply is not None]
        if not found or len(found) != len(batch):
            return None
        records = [stored_json(reply.body.decode()) for reply in found]
        data = [record["data"] for record in records if isinstance(record, dict)]
        first = records[0]
        return found[0].with_json({**first, "data": data} if isinstance(first, dict) else data)

    async def _read(self, scope: Scope, path: str) -> _Reply | None:
        inner = {
            **scope,
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
        }
        response = await self._carry_out(inner, b"")
        return response if response.ok else None

    async def _met(self, scope: Scope, provider: str, body: bytes) -> _Reply:
        if len(body) > MAX_BODY:
            return self._refused(
                provider, RefusalError(413, "body-size", f"The body has more than {MAX_BODY} bytes")
            )
        return await self._carry_out(scope, body)

    async def _carry_out(self, scope: Scope, body: bytes) -> _Reply:
        response = _Reply()
        message: Message = {"type": "http.request", "body": body, "more_body": False}

        async def replay() -> Message:
            return message

        await self._app(scope, replay, response.collect)
        return response

    def _refused(self, provider: str, refusal: RefusalError) -> _Reply:
        return _rendered(response_of(self._refusals[provider](self._state, refusal)))

    def _rate_limited(self, provider: str, fault: Fault) -> _Reply:
        """Answer 429 with a `Retry-After` as Exante documents it, or as a date."""
        response = self._refused(
            provider, RefusalError(429, "fault-rate-limit", "Rate limit exceeded")
        )
        response.status = 429
        if fault.retry_after is not None:
            response.headers.append((b"retry-after", fault.retry_after.encode("ascii")))
        return response

    def _failed(self, provider: str, fault: Fault) -> _Reply:
        refusal = RefusalError(fault.status, "fault-status", f"Injected status {fault.status}")
        response = self._refused(provider, refusal)
        response.status = fault.status
        headers = {RULE_HEADER: "fault-status"}
        text = f"Injected status {fault.status}"
        page = f"<!doctype html><title>{fault.status}</title><h1>{text}</h1>"
        if fault.body_kind == "empty" or fault.status in _BODILESS:
            return _rendered(Response(b"", fault.status, headers))
        if fault.body_kind == "html":
            return _rendered(Response(page, fault.status, headers, "text/html"))
        if fault.body_kind == "text":
            return _rendered(Response(text, fault.status, headers, "text/plain"))
        if fault.body_kind == "text_as_json":
            return _rendered(Response(text, fault.status, headers, "application/json"))
        if fault.body_kind == "json_as_text":
            return _rendered(Response(response.body, fault.status, headers, "text/plain"))
        return response

    def _note(
        self, scope: Scope, provider: str, fault: Fault | None, response: _Reply | None
    ) -> None:
        with self._state.lock:
            entry = self._state.request_log.add(
                at=millisecond_text(self._state.clock.now()),
                provider=provider,
                method=scope["method"],
                path=scope["path"],
                query=scope.get("query_string", b"").decode("latin-1"),
                status=None if response is None else response.status,
                fault=None if fault is None else fault.kind,
                rule=None if response is None else response.rule(),
            )
        noted = (scope.get("extensions") or {}).get("sandbox.noted")
        if noted is not None:
            noted(entry)


async def _read(receive: Receive) -> bytes | None:
    """Read the body, or a little more than the limit of it; None if the client left."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        # What is beyond the limit is read and dropped, so that the client can read our response.
        if size - len(chunk) <= MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _worded(response: _Reply, word: str) -> _Reply:
    """Put *word* into the `status` of a success."""
    record = stored_json(response.body.decode()) if response.ok and response.body else None
    return response.with_json({**record, "status": word}) if isinstance(record, dict) else response


def _rendered(response: Response) -> _Reply:
    return _Reply(response.status_code, list(response.raw_headers), bytes(response.body))


async def _deliver(scope: Scope, send: Send, response: _Reply | None, fault: Fault | None) -> None:
    if response is None:
        _drop(scope)
    elif fault is not None and fault.kind == "truncate":
        await send(_start(response))
        part = response.body[: fault.cut(len(response.body))]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        _drop(scope)
    else:
        extensions = scope.get("extensions") or {}
        # In one process there is no connection to keep or to write to twice.
        finish = None
        if fault is not None and fault.kind == "duplicate" and "sandbox.twice" in extensions:
            finish = extensions["sandbox.twice"]()
        if fault is not None and fault.kind == "keep_alive" and "sandbox.keep_alive" in extensions:
            extensions["sandbox.keep_alive"](fault.seconds)
        await _send(response, send, with_body=scope["method"] != "HEAD")
        if finish is not None:
            finish()


async def _send(response: _Reply, send: Send, *, with_body: bool) -> None:
    await send(_start(response))
    body = response.body if with_body else b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _start(response: _Reply) -> Message:
    return {"type": "http.response.start", "status": response.status, "headers": response.headers}


def _drop(scope: Scope) -> None:
    drop = (scope.get("extensions") or {}).get("sandbox.drop")
    if drop is None:
        raise DroppedConnection("the connection was cut by a fault")
    drop()
