"""Ask again what is on a tape, and report where the provider's responses have changed their shape.

Values come and go; what breaks a program is another status, a field that is gone or new, or a
number that has become text. Only that is compared, and the report holds no value of a response.
Reads alone are asked again: what is a write on the tape is never sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias
from urllib.parse import unquote

import attrs

from billingual.abc import HttpClient, Transport, account_of
from billingual.backends.clock import SystemClock
from billingual.errors import ConfigurationError, TransportError
from billingual.outcomes import Safety
from billingual.testing.recording.cassette import Cassette, TapedExchange, TapedRequest
from billingual.testing.recording.matching import likeness
from billingual.testing.recording.redaction import STRUCK, is_tenant
from billingual.transports._inner import InnerTransport
from billingual.wire import Bounds, Deadline, Headers, Timeouts, WireRequest

__all__ = ["Difference", "Drift", "drift"]

Shape: TypeAlias = dict[str, set[str]]
"""The types of the values at each path; the elements of a list share one."""

_TYPES: Final = {
    bool: "true or false", dict: "object", float: "number", int: "number", list: "list",
    str: "text",
}  # fmt: skip
_PATIENCE_S: Final = 60.0


@attrs.frozen
class Difference:
    """One change.

    Attributes:
        request: method and route.
        path: where in the response, like ``$.data.items[].uid``; ``status`` for the status.
        change: what has become of it.
    """

    request: str
    path: str
    change: str

    def __str__(self) -> str:
        return f"{self.request}: {self.path}: {self.change}"


@attrs.frozen(kw_only=True)
class Drift:
    """What has changed since a tape was recorded; ``str`` is the report, false is no change.

    Attributes:
        differences: every change.
        asked: how many reads were sent again.
        left_out: what was not sent, and why.
    """

    differences: tuple[Difference, ...]
    asked: int
    left_out: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.differences)

    def __str__(self) -> str:
        found = f"{len(self.differences)} difference(s)" if self else "no difference"
        lines = [f"{self.asked} read(s) asked again: {found}"]
        lines += [f"  {each}" for each in self.differences]
        lines += [f"  not asked: {each}" for each in self.left_out]
        return "\n".join(lines)


async def drift(
    path: str | os.PathLike[str],
    transport: Transport | HttpClient,
    *,
    base_url: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    provider: str | None = None,
    bounds: Bounds | None = None,
) -> Drift:
    """Send the reads of a tape through *transport*, and compare the shapes of the responses.

    Each read is sent once, and compared with its last response on the tape. A null fits every type,
    and the elements of an empty list are unknown.

    Args:
        path: the tape.
        transport: a transport or an HTTP client, which stays yours to close. One that brings its
            own server (the sandbox) knows the address and the account of *provider*.
        base_url: where the provider lives.
        headers: what every request needs: ``Authorization``, and ``tenant-id`` if any.
        provider: whose tape it is, for a transport that brings its own server.
        bounds: of each request; by default the usual timeouts, and 60 seconds in all.

    Raises:
        ConfigurationError: if the tape cannot be read, or no address is known.
    """
    asker = _asker(InnerTransport.of(transport), base_url, Headers(headers), provider)
    differences: list[Difference] = []
    left_out: list[str] = []
    asked = 0
    for exchange in _latest(Cassette.load(path).exchanges):
        name = f"{exchange.request.method} {exchange.request.route}"
        why = _why_not(exchange)
        if why is not None:
            left_out.append(f"{name} ({why})")
            continue
        asked += 1
        differences += [
            Difference(name, where, change)
            for where, change in await asker.compare(exchange, bounds or _usual_bounds())
        ]
    return Drift(
        differences=tuple(dict.fromkeys(differences)),
        asked=asked,
        left_out=tuple(dict.fromkeys(left_out)),
    )


@attrs.frozen
class _Asker:
    transport: Transport
    base_url: str
    headers: Headers = attrs.field(repr=False)

    async def compare(self, exchange: TapedExchange, bounds: Bounds) -> list[tuple[str, str]]:
        """Ask again and list the changes: where, and what."""
        taped = exchange.response
        assert taped is not None  # noqa: S101 - only answered reads are asked again
        try:
            now = await self.transport.send(self._request(exchange.request), bounds)
        except TransportError as failure:
            return [("status", f"was {taped.status}, now {type(failure).__name__}")]
        if now.status != taped.status:
            return [("status", f"was {taped.status}, now {now.status}")]
        return list(_changes(_shape(taped.body), _shape(now.body)))

    def _request(self, taped: TapedRequest) -> WireRequest:
        tenants = [value for name, value in self.headers if is_tenant(name)]
        url = taped.url
        for name, value in taped.headers:
            if is_tenant(name) and tenants:
                url = url.replace(value, tenants[0])
        kept = [each for each in taped.headers if not is_tenant(each[0])]
        return WireRequest(
            method=taped.method,
            url=f"{self.base_url}{url}",
            route=taped.route,
            safety=Safety.READ,
            headers=Headers(kept).merged(self.headers),
            body=taped.body,
        )


def _asker(
    transport: Transport, base_url: str | None, headers: Headers, provider: str | None
) -> _Asker:
    account = None if provider is None else account_of(transport, provider)
    if account is not None:
        base_url = base_url or account.base_url
        if account.token is not None and "Authorization" not in headers:
            headers = headers.merged([("Authorization", f"Bearer {account.token}")])
        if account.tenant is not None and not any(is_tenant(name) for name, _ in headers):
            headers = headers.merged([("tenant-id", account.tenant)])
    if base_url is None:
        raise ConfigurationError(
            "a tape knows no address; give base_url='https://...', or provider=... where the "
            "transport brings its own server."
        )
    return _Asker(transport, base_url.rstrip("/"), headers)


def _usual_bounds() -> Bounds:
    now = SystemClock().now
    return Bounds(timeouts=Timeouts(), deadline=Deadline(now() + _PATIENCE_S, now))


def _latest(exchanges: Iterable[TapedExchange]) -> list[TapedExchange]:
    """Keep the last exchange of each request, an answered one if there is any."""
    latest: dict[object, TapedExchange] = {}
    for exchange in exchanges:
        key = likeness(exchange.request)
        if exchange.response is not None or key not in latest:
            latest[key] = exchange
    return list(latest.values())


def _why_not(exchange: TapedExchange) -> str | None:
    request = exchange.request
    # The method is checked too: a tape may have been edited, its *safety* included.
    if request.safety is not Safety.READ or request.method not in {"GET", "HEAD"}:
        return "a write is never sent again"
    if exchange.response is None:
        return "it had no response"
    if STRUCK in unquote(request.url):
        return "a secret was struck out of it"
    return None


def _shape(body: bytes) -> Shape:
    try:
        value = json.loads(body, parse_constant=str)
        shape: Shape = {}
        for path, kind in _walk(value, "$"):
            shape.setdefault(path, set()).add(kind)
    except (ValueError, RecursionError):
        return {"$": {"no JSON" if body else "nothing"}}
    return shape


def _walk(value: object, path: str) -> Iterator[tuple[str, str]]:
    yield path, "null" if value is None else _TYPES[type(value)]
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _walk(each, f"{path}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, f"{path}[]")


def _changes(taped: Shape, now: Shape) -> Iterator[tuple[str, str]]:
    for path in sorted({*taped, *now}):
        if path not in now:
            if _is_known(path, now):
                yield path, f"missing, was {_kinds(taped[path])}"
        elif path not in taped:
            if _is_known(path, taped):
                yield path, f"new, {_kinds(now[path])}"
        elif (fresh := now[path] - taped[path] - {"null"}) and taped[path] != {"null"}:
            yield path, f"was {_kinds(taped[path])}, now {_kinds(fresh)}"


def _is_known(path: str, shape: Shape) -> bool:
    """Tell whether *shape* would have the path: whether there is something to look into."""
    parent, element, _ = path.rpartition("[]") if path.endswith("[]") else path.rpartition(".")
    if element == "[]":
        return False
    return "object" in shape.get(parent, ())


def _kinds(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))
