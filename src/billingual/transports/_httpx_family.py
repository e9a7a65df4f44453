"""The family of httpx: libraries of one shape, told apart by the modules they come in.

Their classes are disjoint, so each exception and each type is looked up in the module that owns
it: the library, its core, or h11 below both. Their own text may quote a header, so it is dropped
and only the class name is kept.

None of them is imported before it is needed, and the library itself seldom is: its core and h11
carry a request, and what nobody has imported raises nothing, and has been put in nobody's place.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any, Final, Self

import attrs

from billingual.errors import (
    ConnectionLostError,
    NotConnectedError,
    PoolTimeoutError,
    TimedOutError,
    TransportError,
)
from billingual.outcomes import Evidence
from billingual.transports._failures import (
    NOTHING,
    PERHAPS_SENT,
    SENT,
    UNSENT,
    reason,
    unwritable,
)
from billingual.wire import Bounds, WireRequest

__all__ = ["Family"]

_Row = tuple[type[TransportError], Evidence, str]

_TABLE: Final[dict[str, _Row]] = {
    "ConnectError": (NotConnectedError, NOTHING, "no connection could be made"),
    "ConnectTimeout": (NotConnectedError, NOTHING, "no connection stood in time"),
    "ProxyError": (NotConnectedError, NOTHING, "the proxy refused the connection"),
    "UnsupportedProtocol": (NotConnectedError, NOTHING, "the address is not of http(s)"),
    "PoolTimeout": (PoolTimeoutError, NOTHING, "no connection of the pool became free"),
    "LocalProtocolError": (TransportError, UNSENT, "the request cannot be written as HTTP"),
    "WriteTimeout": (TimedOutError, PERHAPS_SENT, "the request was not taken in time"),
    "ReadTimeout": (TimedOutError, SENT, "no answer came in time"),
    "WriteError": (ConnectionLostError, PERHAPS_SENT, "the connection broke while sending"),
    "ReadError": (ConnectionLostError, PERHAPS_SENT, "the connection broke"),
    "RemoteProtocolError": (ConnectionLostError, PERHAPS_SENT, "the answer broke off"),
    "TransportError": (ConnectionLostError, PERHAPS_SENT, "the exchange failed"),
}


@attrs.frozen(eq=False)
class Family:
    """One library of the family.

    Attributes:
        name: the library's name, and that of its module.
        core_name: the name of the module it is built on.
        extra: what to install for proxies of SOCKS.
    """

    name: str
    core_name: str
    extra: str
    _imported: dict[str, Any] = attrs.field(init=False, repr=False, factory=dict)
    _genuine: list[tuple[object, ...]] = attrs.field(init=False, repr=False, factory=list)

    @property
    def http(self) -> Any:
        """The library's module, imported if need be."""
        return self._imported.get(self.name) or self._import(self.name)

    @property
    def core(self) -> Any:
        """The module it is built on, imported if need be."""
        return self._imported.get(self.core_name) or self._import(self.core_name)

    def _import(self, name: str) -> Any:
        module = self._imported[name] = import_module(name)
        return module

    def _met(self, name: str) -> Any:
        """Return a module if somebody has imported it, or None."""
        if name in self._imported:
            return self._imported[name]
        # Another thread may be at it still: it is waited for.
        return self._import(name) if name in sys.modules else None

    def is_as_made(self, *, blocks: bool) -> bool:
        """Tell whether nobody has put anything of their own where the library sends requests.

        Mocks and instrumentations do, and expect to be asked.
        """
        http, core = self._met(self.name), self._met(self.core_name)
        # Neither of the two imports the other before it sends.
        found: tuple[object, ...] = (
            (
                core and core.ConnectionPool.handle_request,
                core and core.HTTPConnection.handle_request,
                core and core.HTTP11Connection.handle_request,
                http and http.HTTPTransport.handle_request,
            )
            if blocks
            else (
                core and core.AsyncConnectionPool.handle_async_request,
                core and core.AsyncHTTPConnection.handle_async_request,
                core and core.AsyncHTTP11Connection.handle_async_request,
                http and http.AsyncHTTPTransport.handle_async_request,
            )
        )
        if found in self._genuine:
            return True
        # A wrapper may take over the names of what it wraps, but not where it was written.
        names = {self.name, self.core_name}
        genuine = all(
            isinstance(each, FunctionType)
            and each.__globals__.get("__name__", "").partition(".")[0] in names
            for each in found
            if each is not None
        )
        if genuine:
            self._genuine.append(found)
        return genuine

    def knows(self, error: Exception) -> bool:
        """Tell whether *error* is of the library, its core or h11."""
        http = self._met(self.name)
        return (http is not None and isinstance(error, http.HTTPError)) or (
            type(error) in self._table()
        )

    def is_no_address(self, error: Exception) -> bool:
        """Tell whether the library says with *error* that it cannot read a URL."""
        http = self._met(self.name)
        return http is not None and isinstance(error, http.InvalidURL)

    def _table(self) -> Mapping[type[Exception], _Row]:
        owners = (self._met(name) for name in (self.name, self.core_name, "h11"))
        return _rows(*(each for each in owners if each is not None))

    def outgoing(self, request: WireRequest, bounds: Bounds) -> Any:
        """Make the library's request.

        Raises:
            TransportError: if the address is none.
        """
        timeouts = bounds.timeouts
        try:
            outgoing = self.http.Request(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.body,
                extensions={
                    "timeout": {
                        "connect": bounds.phase(timeouts.connect),
                        "write": bounds.phase(timeouts.write),
                        "read": bounds.phase(timeouts.read),
                        "pool": bounds.phase(timeouts.pool),
                    }
                },
            )
        except (self.http.InvalidURL, UnicodeError) as error:
            failure = unwritable(type(error).__name__)
        else:
            outgoing.stream = _body_class(self.http)(request.body)
            return outgoing
        raise failure

    def translated(self, error: Exception, url: Any, seen: Evidence) -> TransportError:
        """Find the most specific row for an exception; what the wire saw goes first."""
        table = self._table()
        kind, evidence, what = next(
            (table[each] for each in type(error).__mro__ if each in table),
            _TABLE["TransportError"],
        )
        if kind in {TimedOutError, ConnectionLostError} and seen.connected:
            evidence = seen
        where = url if isinstance(url, str) else f"{url.scheme}://{url.netloc.decode('ascii')}"
        what = reason(error) or what
        return kind(f"{where}: {what} ({type(error).__name__} of {self.name}).", evidence=evidence)


@functools.cache
def _rows(*owners: Any) -> Mapping[type[Exception], _Row]:
    """Look the rows up in the modules that own the classes."""
    return {
        getattr(owner, name): row
        for name, row in _TABLE.items()
        for owner in owners
        if hasattr(owner, name)
    }


@functools.cache
def _body_class(http: Any) -> type[Any]:
    """Make the class of bodies that one library takes."""
    return type("_Body", (_Body, http.AsyncByteStream, http.SyncByteStream), {})


class _Body:
    """A request's body. The library's is a generator, which a cancelled request leaves half-way."""

    def __init__(self, body: bytes | None) -> None:
        self._pieces = () if body is None else (body,)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self._pieces)


class _Pieces:
    """Pieces of a body, one after another."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._left = iter(pieces)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._left:
            return piece
        raise StopAsyncIteration
