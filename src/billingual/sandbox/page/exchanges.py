"""Record the last exchanges with both sides of the wire, bounded in number and in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

import attrs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billingual.sandbox.request_log import Entry

__all__ = ["MAX_BODY_KEPT", "MAX_BYTES", "MAX_EXCHANGES", "Body", "Exchange", "Exchanges", "record"]

MAX_EXCHANGES: Final = 200
"""Most exchanges that are kept."""

MAX_BODY_KEPT: Final = 64 * 1024
"""Most bytes that are kept of one body."""

MAX_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of bodies that are kept of all exchanges together."""

Headers = tuple[tuple[str, str], ...]


@attrs.define
class Body:
    """The first `MAX_BODY_KEPT` bytes of a body, and how many it has in all."""

    kept: bytes = attrs.field(default=b"", repr=False)
    size: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of it was kept."""
        return self.size == len(self.kept)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        self.kept += chunk[: MAX_BODY_KEPT - len(self.kept)]


@attrs.define(eq=False, kw_only=True)
class Exchange:
    """One request and its response, as far as there is one.

    Attributes:
        number: Counts from 1.
        version: Grows with each change of any exchange.
        provider: Whose request it is.
        method: HTTP method.
        path: Path as sent.
        query: Query string as sent, without its question mark.
        attempt: Which attempt it is: the same method, target and body as one that failed before.
        started: Seconds of a steady clock.
        seconds: How long it took; None until it is over.
        status: HTTP status that was sent; None if none was.
        fault: Kind of the fault it met, or None.
        rule: The sandbox rule that refused it, or None.
        is_cut: Whether the connection was cut.
        counted: Bytes of its bodies, once it is over.
    """

    number: int
    version: int
    provider: str
    method: str
    path: str
    query: str = attrs.field(repr=False)
    started: float
    attempt: int = 1
    seconds: float | None = None
    status: int | None = None
    fault: str | None = None
    rule: str | None = None
    is_cut: bool = False
    counted: int = 0
    request_headers: Headers = attrs.field(default=(), repr=False)
    response_headers: Headers = attrs.field(default=(), repr=False)
    request_body: Body = attrs.field(factory=Body)
    response_body: Body = attrs.field(factory=Body)

    @property
    def target(self) -> str:
        """The path and the query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def failed(self) -> bool:
        """Whether it went wrong in a way that a client may send it again for."""
        if self.fault is not None:
            return True
        if self.status is None:
            return self.seconds is not None
        return self.status in (408, 425, 429) or self.status >= 500

    def repeats(self, other: Exchange) -> bool:
        """Tell whether it is the same request as another."""
        return (self.method, self.target, self.request_body) == (
            other.method,
            other.target,
            other.request_body,
        )


class Exchanges:
    """Keep the last exchanges; the server's thread alone uses it."""

    def __init__(self) -> None:
        self._kept: deque[Exchange] = deque()
        self._count = 0
        self._bytes = 0
        self.version: int = 0

    def begin(self, **request: object) -> Exchange:
        """Keep a request whose response is still to come; the fields are an `Exchange`'s."""
        while len(self._kept) >= MAX_EXCHANGES or (self._kept and self._bytes > MAX_BYTES):
            self._bytes -= self._kept.popleft().counted
        self._count += 1
        exchange = Exchange(number=self._count, version=0, **request)  # type: ignore[arg-type]  # handed on
        self._kept.append(exchange)
        self.changed(exchange)
        return exchange

    def count_attempt(self, exchange: Exchange) -> None:
        """Find out which attempt a request is, now that its body is known."""
        for other in reversed(self._kept):
            if other.number < exchange.number and exchange.repeats(other):
                exchange.attempt = other.attempt + 1 if other.failed else 1
                return

    def end(self, exchange: Exchange, seconds: float) -> None:
        """Note that an exchange is over, and count the bytes that are kept of it."""
        exchange.seconds = seconds
        if exchange.number >= self.first():
            exchange.counted = len(exchange.request_body.kept) + len(exchange.response_body.kept)
            self._bytes += exchange.counted
        self.changed(exchange)

    def changed(self, exchange: Exchange) -> None:
        """Note that something about an exchange is new."""
        self.version += 1
        exchange.version = self.version

    def since(self, version: int) -> list[Exchange]:
        """List what is newer than *version*, oldest first."""
        return [each for each in self._kept if each.version > version]

    def first(self) -> int:
        """Give the number of the oldest that is kept, or the next one's."""
        return self._kept[0].number if self._kept else self._count + 1

    def find(self, number: int) -> Exchange | None:
        """Find one that is kept."""
        return next((each for each in self._kept if each.number == number), None)

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._kept.clear()
        self._bytes = 0
        self.version += 1


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
