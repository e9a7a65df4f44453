"""The client's two faces, for tests that are written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any

import attrs
import pytest
from billingual import AsyncClient, Client

from localstripe_shop import TOKEN


@attrs.frozen
class Face:
    """One of the client's two faces, for tests that are written once."""

    name: str

    @asynccontextmanager
    async def client(self, url: str, **options: Any) -> Any:
        """Open a client of that face."""
        options = {"token": TOKEN, "base_url": url, **options}
        if self.name == "async":
            async with AsyncClient("stripe", **options) as client:
                yield client
        else:
            with Client("stripe", **options) as client:
                yield client

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a test: on a loop, or step by step where nothing may suspend."""
        if self.name == "async":
            asyncio.run(work())
            return
        with pytest.raises(StopIteration):
            work().send(None)


async def done(result: Any) -> Any:
    """Wait for what an async client returns; a blocking one has returned it."""
    return await result if isawaitable(result) else result


async def listed(pager: Any) -> list[Any]:
    """Walk a list of either face."""
    if hasattr(pager, "__aiter__"):
        return [row async for row in pager]
    return list(pager)
