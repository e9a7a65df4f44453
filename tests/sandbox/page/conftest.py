"""A served sandbox with its page, and a visitor's way of asking it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import httpx
import pytest

from billingual.sandbox import ACCOUNTS, Running, running

PAGE = "/_sandbox/page/"


@attrs.frozen
class Visitor:
    """Calls a served sandbox as its page and as programs do."""

    sandbox: Running
    client: httpx.Client

    def ask(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        """Send one request to the server."""
        return self.client.request(method, self.sandbox.url + path, **options)

    def call(self, provider: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request to a provider, with its default account."""
        account = ACCOUNTS[provider]
        headers = {"authorization": f"Bearer {account.token}", **options.pop("headers", {})}
        if account.tenant is not None:
            headers.setdefault("tenant-id", account.tenant)
        return self.ask(account.prefix + path, method, headers=headers, **options)

    def news(self) -> dict[str, Any]:
        """Give the message of the live stream that says all there is."""
        with self.client.stream("GET", f"{self.sandbox.url}{PAGE}events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            line = next(line for line in response.iter_lines() if line.startswith('data: {"ex'))
        news: dict[str, Any] = json.loads(line.removeprefix("data: "))
        return news

    def last(self) -> dict[str, Any]:
        """Give both sides of the last exchange."""
        number = self.news()["exchanges"][-1]["number"]
        found: dict[str, Any] = self.ask(f"{PAGE}exchanges/{number}").json()
        return found

    def invoices(self, provider: str, search: str = "") -> dict[str, Any]:
        """Give the page's table of invoices."""
        parameters = {"provider": provider, "search": search}
        found: dict[str, Any] = self.ask(f"{PAGE}invoices", params=parameters).json()
        return found


@pytest.fixture(scope="session")
def served() -> Iterator[Visitor]:
    """Serve a small sandbox, and keep one client: to make one takes longer than to call it."""
    with running(invoices=60) as sandbox, httpx.Client(trust_env=False, timeout=30) as client:
        yield Visitor(sandbox, client)


@pytest.fixture
def visitor(served: Visitor) -> Visitor:
    """Visit the sandbox as it is at the start."""
    served.sandbox.app.reset()
    return served
