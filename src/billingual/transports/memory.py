"""A transport without a wire: responses come from a script or a function, requests are kept.

For tests of programs that use a client, and for our own. It runs under any backend, because it
never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from billingual.abc import Account, TransportOptions
from billingual.errors import BillingualError, ConfigurationError, shown
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["MemoryTransport", "Response", "memory"]

Response: TypeAlias = WireResponse | BillingualError
"""What a request is met with: a response, or an error that is raised."""


class MemoryTransport:
    """Answer each request from *responses*, in order or by function.

    Args:
        responses: responses in the order they are given, or a function of the request.

    Attributes:
        requests: what was sent, absolute and signed, in order.
    """

    supports: Final = frozenset({"async", "sync"})
    library: Final = None
    http2: Final = False

    def __init__(
        self, responses: Iterable[Response] | Callable[[WireRequest], Response] = ()
    ) -> None:
        self.requests: list[WireRequest] = []
        given: object = responses
        if callable(responses):
            self._response = responses
        elif not isinstance(given, Iterable):
            # A transport's class in the place of a transport is called with its options.
            raise ConfigurationError(
                f"{shown(given)} is no list of responses; give MemoryTransport([...]), or "
                "MemoryTransport(function) with a function of the request."
            )
        else:
            script = iter(responses)
            self._response = lambda request: _next_of(script, request)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:  # noqa: ARG002
        """Keep *request* and give its response, or raise it."""
        self.requests.append(request)
        response = self._response(request)
        if isinstance(response, BillingualError):
            raise response
        return response

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give up."""

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere, so that no token is needed."""
        return Account(base_url=f"http://{provider}.memory.localhost")

    @staticmethod
    def json(
        text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> WireResponse:
        """Make a JSON response, for scripts."""
        fields = {"Content-Type": "application/json", **(headers or {})}
        return WireResponse(status=status, headers=Headers(fields.items()), body=text.encode())


def memory(options: TransportOptions) -> MemoryTransport:  # noqa: ARG001 - a factory's signature
    """Make a memory transport without responses: good for previews, refuses to send."""
    return MemoryTransport()


def _next_of(script: Iterable[Response], request: WireRequest) -> Response:
    for response in script:
        return response
    raise ConfigurationError(
        f"the memory transport has no response left for {request.method} {request.route}; give "
        "MemoryTransport([...]) one response for each request."
    )
