"""The control API of the sandbox, by plain HTTP: it shows the state past any dialect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

__all__ = ["ControlApi"]


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
