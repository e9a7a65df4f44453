"""What every chapter of the demo gets: screen, sandbox, control API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import httpx

from billingual.abc import Provider
from billingual.cli.demo.steps import Screen
from billingual.client import AsyncClient
from billingual.sandbox import ACCOUNTS

__all__ = ["ControlApi", "DemoContext"]


@attrs.define(kw_only=True)
class DemoContext:
    """The screen, the sandbox's address, its control API, and what a chapter leaves to the next.

    Attributes:
        created: ids of the invoices that the demo made at Exante; the bulk chapter deletes them.
    """

    screen: Screen
    url: str
    control: ControlApi
    created: list[str] = attrs.field(factory=list)

    def client(self, name: str, provider: Provider | None = None) -> AsyncClient:
        """Open a client of a provider over real sockets, with the sandbox's account."""
        account = ACCOUNTS[name]
        return AsyncClient(
            name if provider is None else provider,
            token=account.token,
            tenant=account.tenant,
            base_url=f"{self.url}{account.prefix}",
            transport="httpx",
            observers=[self.screen],
        )


class ControlApi:
    """Ask the sandbox at *url* what it holds, and order faults from it."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/_sandbox", trust_env=False, timeout=30)

    async def invoices(self, provider: str) -> list[dict[str, Any]]:
        """List the rows the sandbox stores for a provider, payload under ``doc``."""
        response = await self._http.get("/invoices", params={"provider": provider})
        body = json.loads(response.raise_for_status().content, parse_float=Decimal)
        rows: list[dict[str, Any]] = body["invoices"]
        return rows

    async def order(self, fault: Mapping[str, object]) -> None:
        """Queue one fault."""
        (await self._http.post("/faults", json=dict(fault))).raise_for_status()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()
