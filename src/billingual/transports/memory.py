"""A transport without a wire: answers come from a script or a function, requests are kept.

For tests of programs that use a client, and for our own. It runs under any backend, because it
never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from billingual.abc import Account, TransportOptions
from billingual.errors import BillingualError, ConfigurationError
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["Answer", "MemoryTransport", "memory"]

Answer: TypeAlias = WireResponse | BillingualError
"""What a request is met with: an answer, or an error that is raised."""


class MemoryTransport:
    """Answer each request from *answers*, in order or by function.

    Args:
        answers: answers in the order they are given, or a function of the request.

    Attributes:
        requests: what was sent, absolute and signed, in order.
    """

    supports: Final = frozenset({"async", "sync"})
    library: Final = None
    http2: Final = False

    def __init__(self, answers: Iterable[Answer] | Callable[[WireRequest], Answer] = ()) -> None:
        self.requests: list[WireRequest] = []
        if callable(answers):
            self._answer = answers
        else:
            script = iter(answers)
            self._answer = lambda request: _next_of(script, request)

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:  # noqa: ARG002
        """Keep *request* and give its answer, or raise it."""
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, BillingualError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give up."""

    def account(self, provider: str) -> Account | None:
        """Return an address that leads nowhere, so that no token is needed."""
        return Account(base_url=f"http://{provider}.memory.localhost")

    @staticmethod
    def json(
        text: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> WireResponse:
        """Make a JSON answer, for scripts."""
        fields = {"Content-Type": "application/json", **(headers or {})}
        return WireResponse(status=status, headers=Headers(fields.items()), body=text.encode())


def memory(options: TransportOptions) -> MemoryTransport:  # noqa: ARG001 - a factory's signature
    """Make a memory transport without answers: good for previews, refuses to send."""
    return MemoryTransport()


def _next_of(script: Iterable[Answer], request: WireRequest) -> Answer:
    for answer in script:
        return answer
    raise ConfigurationError(
        f"the memory transport has no answer left for {request.method} {request.route}; give "
        "MemoryTransport([...]) one answer for each request."
    )
