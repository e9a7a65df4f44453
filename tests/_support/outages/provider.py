"""A provider that fails as it is told, and remembers all that was sent to it."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias

import attrs

from _support.outages.clock import EPOCH
from billingual import errors
from billingual.outcomes import Evidence
from billingual.wire import Bounds, Headers, WireRequest, WireResponse

__all__ = ["CALL", "Delivery", "Fate", "OutageProvider", "Weather"]

CALL: Final[ContextVar[int]] = ContextVar("CALL")
"""The number of the call that runs."""

LONGEST_S: Final = 3600.0
"""A limiter's longest pause, which it documents."""

UNSENT: Final = Evidence(connected=False, request_complete=False, response_begun=False)
HALF_SENT: Final = Evidence(connected=True, request_complete=False, response_begun=False)
SENT: Final = Evidence(connected=True, request_complete=True, response_begun=False)
GOOD: Final = json.dumps(
    {"data": {"id": "inv_mqxd1kc6bgtcc676xoqzax47", "status": "DRAFT"}}
).encode()
UNCLEAR: Final = frozenset({"500", "503", "lost", "timeout"})
LATENCY_S: Final = {"refused": 0.001, "429": 0.01, "half": 0.02, "lost": 0.2, "timeout": 1e9}


@attrs.frozen(kw_only=True)
class Fate:
    """What becomes of one delivery.

    Attributes:
        kind: ``good``, ``refused`` (no connection), ``half`` (broke while it was written),
            ``lost`` (broke before the response), ``timeout``, or a status.
        applied: whether a write happens nonetheless.
        asks: a form of ``Retry-After`` and its seconds, or None.
    """

    kind: str = "good"
    applied: bool = False
    asks: tuple[str, float] | None = None


Weather: TypeAlias = Callable[[float, Hashable, random.Random], Fate]
"""The fate of a delivery at a time, of a credential and tenant."""


@attrs.define(kw_only=True)
class Delivery:
    """One request that went out, and how it ended."""

    at: float
    who: tuple[str, str]
    fate: Fate
    answered_at: float = math.inf


class OutageProvider:
    """A transport into nothing.

    Attributes:
        deliveries: of each call, in order.
        applied: how often each number was created.
        promises: until when each credential and tenant was asked to wait.
        complaints: rules that were broken, in words.
        good_at: when each success went out.
    """

    supports: Final = frozenset({"async"})

    def __init__(self, weather: Weather, seed: int) -> None:
        self._weather = weather
        self._dice = random.Random(seed)  # noqa: S311 - a seeded draw
        self._hash = sha256()
        self.deliveries: defaultdict[int, list[Delivery]] = defaultdict(list)
        self.in_order: list[Delivery] = []
        self.applied: Counter[str] = Counter()
        self.promises: dict[Hashable, float] = {}
        self.complaints: list[str] = []
        self.good_at: list[float] = []

    async def send(self, request: WireRequest, bounds: Bounds) -> WireResponse:
        now, call = _now(), CALL.get()
        headers = request.headers
        who = (headers.get("authorization") or "", headers.get("tenant-id") or "")
        fate = self._weather(now, who, self._dice)
        self._look(now, call, who, request)
        delivery = Delivery(at=now, who=who, fate=fate)
        self.deliveries[call].append(delivery)
        self.in_order.append(delivery)
        self.remember(f"{call} sends {request.method} as {who[0][-1]}{who[1][-1]}: {fate.kind}")
        if request.body and (fate.applied or fate.kind == "good"):
            self.applied[json.loads(request.body)["invoiceNumber"]] += 1
        patience_s = bounds.phase(bounds.timeouts.read)
        latency_s = LATENCY_S.get(fate.kind) or 0.05 + 0.1 * self._dice.random()
        await asyncio.sleep(min(latency_s, patience_s))
        delivery.answered_at = _now()
        if latency_s >= patience_s:
            # The deadline cut a request short whose fate is decided: to its caller it is a timeout.
            cut = "timeout" if fate.kind not in {"refused", "half"} else fate.kind
            delivery.fate = fate = attrs.evolve(fate, kind=cut)
        return self._response(fate, call, who, delivery)

    def _look(self, now: float, call: int, who: Hashable, request: WireRequest) -> None:
        """Judge a request as it goes out."""
        for key in (who, call):
            until = self.promises.get(key, -1.0)
            if now < until - 1e-6:
                self.complaints.append(f"{call} undercuts: sent at {now:.4f}, asked {until:.4f}")
        before = self.deliveries[call]
        if before and now <= before[-1].answered_at:
            self.complaints.append(f"{call} was sent again in no time, at {now:.4f}")
        if request.method != "GET" and any(each.fate.kind in UNCLEAR for each in before):
            self.complaints.append(f"{call} writes again after something unclear")

    def _response(self, fate: Fate, call: int, who: Hashable, delivery: Delivery) -> WireResponse:
        if fate.kind == "good":
            self.good_at.append(delivery.at)
            return WireResponse(status=200, body=GOOD)
        if fate.kind == "refused":
            raise errors.NotConnectedError("refused", evidence=UNSENT)
        if fate.kind == "half":
            raise errors.ConnectionLostError("broke", evidence=HALF_SENT)
        if fate.kind == "lost":
            raise errors.ConnectionLostError("lost", evidence=SENT)
        if fate.kind == "timeout":
            raise errors.TimedOutError("no response", evidence=SENT)
        fields: list[tuple[str, str]] = []
        if fate.asks is not None:
            field, until = _asked(*fate.asks)
            fields.append(field)
            # A rate limit is about the credential, any other Retry-After about the one call.
            key: Hashable = who if fate.kind == "429" else call
            until = min(until, _now() + LONGEST_S)
            self.promises[key] = max(self.promises.get(key, 0.0), until)
        return WireResponse(status=int(fate.kind), headers=Headers(fields), body=b"{}")

    async def aclose(self) -> None:
        """Do nothing."""

    def account(self, provider: str) -> Any:
        return None

    def remember(self, what: str) -> None:
        """Add a line to the history."""
        self._hash.update(f"{_now():.6f} {what}\n".encode())

    def history(self) -> str:
        """Return the hash of all that happened."""
        return self._hash.hexdigest()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _asked(form: str, seconds: float) -> tuple[tuple[str, str], float]:
    """Write a field that asks to wait, and tell until when, on the loop's clock."""
    if form == "date":
        moment = math.ceil(EPOCH + _now() + seconds)
        date = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)
        return ("Retry-After", date), moment - EPOCH
    if form == "ms":
        return ("retry-after-ms", str(round(seconds * 1000))), _now() + seconds
    return ("Retry-After", str(round(seconds))), _now() + seconds
