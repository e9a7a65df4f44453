"""An HTTP client that the user owns: its pool, proxies, certificates and hooks are used.

``AsyncClient("exante", transport=my_client)`` takes an ``AsyncClient`` or ``Client`` of httpx or
httpx2, or a ``ClientSession`` of aiohttp. It is never closed here. Redirects are refused for each
request, and responses are read under our bounds. The client's own headers and cookies go out as
well; its own authentication does not, because the request is signed already. A client is
recognised by the names of its classes, so no library is imported for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from billingual.abc import Transport
from billingual.errors import ConfigurationError

__all__ = ["is_http_client", "owned"]

_HOMES: Final = {
    ("httpx", "AsyncClient"): "billingual.transports.httpx:ClientTransport",
    ("httpx", "Client"): "billingual.transports.httpx:ClientTransport",
    ("httpx2", "AsyncClient"): "billingual.transports.httpx:ClientTransport",
    ("httpx2", "Client"): "billingual.transports.httpx:ClientTransport",
    ("aiohttp", "ClientSession"): "billingual.transports.aiohttp:SessionTransport",
}


def is_http_client(value: object) -> bool:
    """Tell whether *value* is a client that :func:`owned` takes, or of a class made from one."""
    return _home(value) is not None


def owned(client: object) -> Transport:
    """Return a transport that sends through *client* and never closes it.

    It waits as the client does: a ``Client`` of httpx blocks, the others need an event loop, and
    a session of aiohttp needs that of asyncio.

    Raises:
        ConfigurationError: if it is no such client.
    """
    home = _home(client)
    if home is None:
        raise ConfigurationError(
            f"a {type(client).__name__} is no client that can be used here; give an AsyncClient or "
            "Client of httpx or httpx2, or a ClientSession of aiohttp."
        )
    module, _, attribute = home[1].partition(":")
    return cast(Transport, getattr(import_module(module), attribute)(client, home[0]))


def _home(client: object) -> tuple[str, str] | None:
    """Name the library and the adapter of *client*, by the names of its classes."""
    for each in type(client).__mro__:
        library = each.__module__.partition(".")[0]
        home = _HOMES.get((library, each.__name__))
        if home is not None:
            return library, home
    return None
