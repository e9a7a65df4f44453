"""One interface for both clients: a row of the table awaits either of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final, Self, TypeVar

import anyio

from billingual import AsyncClient, Client
from billingual.abc import Backend
from billingual.backends.anyio import AnyioBackend
from billingual.backends.stepping import step
from billingual.backends.sync import SyncBackend
from billingual.pagination import ScanReport

__all__ = ["TRANSPORT_DRIVERS", "Awaited", "client_at", "client_for", "run_by"]

T = TypeVar("T")

TRANSPORT_DRIVERS: Final[dict[str, Callable[[], Backend]]] = {
    "asyncio": AnyioBackend, "trio": AnyioBackend, "portal": AnyioBackend,
    "blocking": SyncBackend,
}  # fmt: skip
_PLAIN: Final = {"capabilities", "preview"}


class Awaited:
    """A blocking client that is awaited; no await here ever suspends."""

    def __init__(self, client: Client) -> None:
        self.blocking = client

    def list(self, *arguments: Any, **options: Any) -> AwaitedPager:
        return AwaitedPager(self.blocking.list(*arguments, **options))

    def with_options(self, **options: Any) -> Awaited:
        return Awaited(self.blocking.with_options(**options))

    async def aclose(self) -> None:
        self.blocking.close()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.blocking, name)
        if name in _PLAIN:
            return member

        async def call(*arguments: Any, **options: Any) -> Any:
            return member(*arguments, **options)

        return call


class AwaitedPager:
    """A blocking pager that is awaited."""

    def __init__(self, pager: Any) -> None:
        self._pager = pager

    @property
    def report(self) -> ScanReport:
        report: ScanReport = self._pager.report
        return report

    @property
    def checkpoint(self) -> str:
        checkpoint: str = self._pager.checkpoint
        return checkpoint

    def __aiter__(self) -> AsyncIterator[Any]:
        return _AwaitedWalk(iter(self._pager))

    def pages(self) -> AsyncIterator[Any]:
        return _AwaitedWalk(self._pager.pages())

    async def first(self) -> Any:
        return self._pager.first()

    async def collect(self, *, limit: int) -> Any:
        return self._pager.collect(limit=limit)


class _AwaitedWalk:
    """A blocking iterator that is awaited."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


def client_for(waiting: str, provider: Any, **options: Any) -> AsyncClient | Awaited:
    """Make the client that waits as it is told."""
    if waiting == "blocking":
        return Awaited(Client(provider, **options))
    if waiting == "portal":
        return Awaited(Client(provider, **{"backend": "portal", **options}))
    return AsyncClient(provider, **options)


def client_at(waiting: str, url: str, **options: Any) -> AsyncClient | Awaited:
    """Make the client of an address that waits as it is told."""
    if waiting == "blocking":
        return Awaited(Client.from_url(url, **options))
    if waiting == "portal":
        return Awaited(Client.from_url(url, **{"backend": "portal", **options}))
    return AsyncClient.from_url(url, **options)


def run_by(backend: str, work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run *work* to its end as the backend does."""
    if backend in {"blocking", "portal"}:
        return step(partial(work, *arguments)())  # type: ignore[arg-type]  # an async function's
    return anyio.run(partial(work, *arguments), backend=backend)
