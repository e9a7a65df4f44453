"""Which transports go through the suite, under which backends, and what does not apply to each.

To add a transport, add a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from billingual.abc import TransportFactory, TransportOptions
from billingual.testing import TRANSPORT_CHECKS, Handler, InProcess, asgi_app
from billingual.transports.aiohttp import AiohttpTransport
from billingual.transports.asgi import AsgiTransport
from billingual.transports.h11.transport import H11Transport
from billingual.transports.httpx import Httpx2Transport, HttpxTransport
from billingual.transports.memory import MemoryTransport
from billingual.transports.sandbox import SandboxTransport
from billingual.transports.urllib3 import Urllib3Transport

__all__ = ["CASES", "ROWS", "Row"]

NAMES: Final = tuple(each.name for each in TRANSPORT_CHECKS)
BLOCKING: Final = {"a-cancelled-request-leaves-nothing-behind": "a blocking call is not cancelled"}
NO_NETWORK: Final = "it opens no connection"
# What a response from this process has in common with one from a wire.
IN_PROCESS: Final = frozenset(
    {
        "targets-go-out-as-they-are", "cookies-are-not-kept", "any-status-is-a-response",
        "redirects-are-not-followed", "headers-of-a-response-are-kept",
        "a-large-response-arrives-whole", "a-hundred-at-once-get-their-own-responses",
    }
)  # fmt: skip
HTTPX_LIMITS: Final[dict[str, tuple[str, ...]]] = {
    "a-dripping-head-ends-with-the-deadline": ("blocking",),
}
URLLIB3_LIMITS: Final[dict[str, tuple[str, ...]]] = dict.fromkeys(
    (
        "interim-responses-are-passed-over", "chunks-cut-short-are-an-error",
        "what-is-no-http-is-an-error", "a-large-head-is-read",
        "a-dripping-head-ends-with-the-deadline",
    ),
    ("asyncio", "trio", "blocking"),
)  # fmt: skip
LIFE: Final = frozenset(
    {"the-seam-is-complete", "closing-twice-is-no-error", "sending-after-closing-never-hangs"}
)


def _memory(handler: Handler) -> TransportFactory:
    return lambda options: MemoryTransport(handler)


def _asgi(handler: Handler) -> TransportFactory:
    return lambda options: AsgiTransport(asgi_app(handler))


def _sandbox(handler: Handler) -> TransportFactory:
    return SandboxTransport


def _all_but(applying: frozenset[str], reason: str) -> dict[str, str]:
    return {name: reason for name in NAMES if name not in applying}


@attrs.frozen
class Row:
    """A transport, and what the suite says of it beside "passed".

    Attributes:
        subject: what is checked.
        backends: under which backends.
        not_applicable: the checks that mean nothing to it, by the beginning of the reason.
        limits: the checks it cannot keep, each with the backends where it cannot; the transport
            must declare exactly these.
    """

    subject: str | Callable[[TransportOptions], object] | InProcess
    backends: tuple[str, ...] = ("asyncio", "trio", "blocking")
    not_applicable: dict[str, str] = attrs.field(factory=dict)
    limits: dict[str, tuple[str, ...]] = attrs.field(factory=dict)

    def expected(self, check: str, backend: str) -> tuple[str, str]:
        """Return the outcome of a check, and how the reason begins if it does not apply."""
        table = {**self.not_applicable, **(BLOCKING if backend == "blocking" else {})}
        if backend in self.limits.get(check, ()):
            return ("limit", "")
        return ("not applicable", table[check]) if check in table else ("passed", "")


ROWS: Final = {
    "aiohttp": Row(AiohttpTransport, backends=("asyncio",)),
    "h11": Row(H11Transport, backends=("asyncio", "uvloop", "trio", "blocking")),
    "httpx": Row(HttpxTransport, limits=HTTPX_LIMITS),
    "httpx2": Row(Httpx2Transport, limits=HTTPX_LIMITS),
    "urllib3": Row(Urllib3Transport, limits=URLLIB3_LIMITS),
    "memory": Row(InProcess(_memory), not_applicable=_all_but(IN_PROCESS | LIFE, NO_NETWORK)),
    "asgi": Row(
        InProcess(_asgi),
        backends=("asyncio", "trio"),
        not_applicable=_all_but(IN_PROCESS | LIFE, NO_NETWORK),
    ),
    "sandbox": Row(
        InProcess(_sandbox, scripted=False),
        not_applicable=_all_but(LIFE, NO_NETWORK),
    ),
}
CASES: Final = [
    (row, backend, check)
    for row, each in ROWS.items()
    for backend in each.backends
    for check in TRANSPORT_CHECKS
]
