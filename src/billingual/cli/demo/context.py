"""What every chapter of the demo gets: screen, sandbox, control API."""

from __future__ import annotations

import attrs

from billingual.abc import Provider
from billingual.cli.demo.control_api import ControlApi
from billingual.cli.demo.steps import Screen
from billingual.client import AsyncClient
from billingual.sandbox import ACCOUNTS

__all__ = ["DemoContext"]


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
