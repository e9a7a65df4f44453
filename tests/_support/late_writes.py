"""A sandbox whose writes can be lost or arrive late, on a clock that never waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from _support.sandbox_app import control
from billingual import AsyncClient, Draft, Money, errors
from billingual.abc import Account
from billingual.outcomes import Evidence
from billingual.sandbox import ACCOUNTS, LANDMARKS, create_app
from billingual.transports.asgi import AsgiTransport
from billingual.wire import Bounds, Deadline, Timeouts, WireRequest, WireResponse

ORGANIZATION: Final = LANDMARKS["exante_organization"]
SECOND_ORGANIZATION: Final = LANDMARKS["exante_second_organization"]
SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)
_ENDLESS: Final = Bounds(timeouts=Timeouts(), deadline=Deadline(1e18, lambda: 0.0))
_EXANTE: Final[Mapping[str, Any]] = {
    "counterparty": LANDMARKS["exante_party"],
    "owner": LANDMARKS["exante_owner"],
    "document": LANDMARKS["exante_document"],
    "currency": "EUR",
    "issued_at": "2026-11-20T12:00:00Z",
    "due_at": "2026-12-31T00:00:00Z",
    "fields": {"terms": "NET_30"},
}


def draft(number: str | None = "N-1", **changes: Any) -> Draft:
    """Make a draft for Exante; without a number where it is None."""
    numbered = {} if number is None else {"number": number}
    return Draft(**{**_EXANTE, **numbered, **changes})


def bill(number: str = "N-1", **changes: Any) -> Draft:
    """Make a draft for Kukkingu."""
    given = {
        "document": LANDMARKS["kukkingu_contract"],
        "exchange_rate": "1.25",
        "total": Money.of("12.34", "EUR"),
        "due_at": "2026-12-31T00:00:00Z",
    }
    return Draft(number=number, **{**given, **changes})


async def _at_once(seconds: float) -> None:
    """Wait for nothing: here a latency only takes its turn in the queue of faults."""


class LateSandbox(AsgiTransport):
    """A sandbox in this process.

    Attributes:
        now: the clock by which late writes arrive.
        delays: seconds after which the next writes arrive; its sender gives up at once.
        requests: what was sent, in order: ``"GET /api/invoices"``.
    """

    supports: Final = frozenset({"async", "sync"})

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.app = create_app(invoices=0, sleep=_at_once)
        super().__init__(self.app)
        self.now = now
        self._late: list[tuple[float, WireRequest]] = []
        self.delays: list[float] = []
        self.requests: list[str] = []

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        """Deliver what is due first; give up a write that shall be late."""
        due = [each for each in self._late if each[0] <= self.now()]
        self._late = [each for each in self._late if each not in due]
        for _, late in due:
            await super().send(late, _ENDLESS)
        self.requests.append(f"{request.method} {request.route}")
        if request.safety.writes and self.delays:
            self._late.append((self.now() + self.delays.pop(0), request))
            raise errors.TimedOutError("no response came in time.", evidence=SENT)
        return await super().send(request, bounds)

    def account(self, provider: str) -> Account | None:
        """Return the well-known account."""
        known = ACCOUNTS[provider]
        return Account(
            base_url=f"http://sandbox.localhost{known.prefix}",
            token=known.token,
            tenant=known.tenant,
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the sandbox's control API."""
        found = control(self.app, method, path, body)
        assert "error" not in found, found
        return found

    def fault(self, kind: str, **details: Any) -> None:
        """Let something go wrong with the next requests."""
        self.ask("POST", "faults", {"kind": kind, **details})

    def lose(self, method: str = "POST", *, committed: bool) -> None:
        """Break the connection of the next write, after it took effect or before."""
        kind = "drop_after_commit" if committed else "drop_before_commit"
        self.fault(kind, method=method)

    def stored(self, provider: str, number: str) -> int:
        """Count the invoices of a number."""
        rows = self.ask("GET", f"invoices?provider={provider}")["invoices"]
        return sum(number in json.dumps(row) for row in rows)

    def writes(self) -> list[str]:
        """List what was sent that is no read."""
        return [each for each in self.requests if not each.startswith("GET")]


def client_on(
    sandbox: LateSandbox, backend: Any, provider: str = "exante", **options: Any
) -> AsyncClient:
    """Make a client of the sandbox; of Exante's it names the organization."""
    if provider == "exante":
        options.setdefault("organization", ORGANIZATION)
    return AsyncClient(provider, transport=sandbox, backend=backend, **options)
