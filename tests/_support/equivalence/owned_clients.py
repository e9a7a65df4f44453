"""HTTP clients that the user owns: made for a row, lent to our client, and closed by their user."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import aiohttp
import httpx
import httpx2
import urllib3  # noqa: F401 - or the first call of a row with a short deadline would import it

__all__ = ["borrowed"]

_FAMILY: Final[dict[str, Any]] = {"my httpx": httpx, "my httpx2": httpx2}


@cache
def _trust() -> ssl.SSLContext:
    """Read the authorities once: each client would do so again."""
    return ssl.create_default_context()


@asynccontextmanager
async def borrowed(transport: str, backend: str) -> AsyncIterator[Any]:
    """Own a client that waits as *backend* does; ours must leave it open."""
    if transport == "my aiohttp":
        async with aiohttp.ClientSession() as session:
            yield session
            assert not session.closed
    elif backend == "blocking":
        with _FAMILY[transport].Client(trust_env=False, verify=_trust()) as blocking:
            yield blocking
            assert not blocking.is_closed
    else:
        async with _FAMILY[transport].AsyncClient(trust_env=False, verify=_trust()) as client:
            yield client
            assert not client.is_closed
