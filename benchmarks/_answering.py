"""A transport that answers at once and keeps nothing, for what a call costs without a wire."""

from __future__ import annotations

from billingual.abc import Account
from billingual.wire import Bounds, Headers, WireRequest, WireResponse


class Answering:
    """A transport that answers at once and keeps nothing."""

    supports = frozenset({"async", "sync"})
    library = None
    http2 = False
    headers = Headers([("Content-Type", "application/json")])

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:  # noqa: ARG002
        """Answer at once."""
        return WireResponse(status=200, headers=self.headers, body=self._body)

    async def aclose(self) -> None:
        """Do nothing."""

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere."""
        return Account(base_url=f"http://{provider}.memory.localhost")
