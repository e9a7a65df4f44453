"""An HTTP client that the user has already: its pool, proxies, certificates and hooks are used.

``AsyncClient("exante", transport=my_client)`` takes an ``AsyncClient`` or ``Client`` of httpx or
httpx2, or a ``ClientSession`` of aiohttp. It is never closed here. Redirects are refused for each
request, answers are read under our bounds, and the client's own headers, cookies and
authentication stay the user's affair. Its library is not imported to recognise it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from billingual.abc import Transport
from billingual.errors import ConfigurationError

__all__ = ["is_http_client", "owned"]

_HOMES: Final = {
    ("httpx", "AsyncClient"): "billingual.transports._owned_httpx:OwnedAsyncHttpx",
    ("httpx", "Client"): "billingual.transports._owned_httpx:OwnedBlockingHttpx",
    ("httpx2", "AsyncClient"): "billingual.transports._owned_httpx:OwnedAsyncHttpx",
    ("httpx2", "Client"): "billingual.transports._owned_httpx:OwnedBlockingHttpx",
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
    """Name the library and the adapter of *client*, by the classes it is made from."""
    for each in type(client).__mro__:
        library = each.__module__.partition(".")[0]
        home = _HOMES.get((library, each.__name__))
        if home is not None:
            return library, home
    return None
