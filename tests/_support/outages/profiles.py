"""Ways in which a provider fails, for ten minutes each."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from typing import Final

import attrs

from _support.outages.provider import Fate, Weather

__all__ = ["PROFILES", "SPAN_S", "Profile"]

SPAN_S: Final = 600.0
GOOD: Final = Fate()
KINDS: Final = ("refused", "half", "503", "500", "lost", "timeout")


@attrs.frozen(kw_only=True)
class Profile:
    """One way to fail.

    Attributes:
        weather: makes what decides about each delivery, anew for each run.
        retry: the policy's name.
        creates: share of calls that create.
        burst: how many calls come at the same instant.
        every_s: seconds between two bursts; 0 to spread the calls over the whole time.
        dead: whether nothing ever succeeds; all calls are then of one credential.
        recovers_at: from when on everything succeeds, or None.
        throttles: whether it answers nothing bad but 429.
    """

    weather: Callable[[], Weather]
    retry: str = "standard"
    creates: float = 0.0
    burst: int = 1
    every_s: float = 0.0
    dead: bool = False
    recovers_at: float | None = None
    throttles: bool = False


def failing(kind: str, dice: Random, asks: tuple[str, float] | None = None) -> Fate:
    """Fail in one way; where the end is unclear a write happened as often as not."""
    unclear = kind in {"500", "503", "lost", "timeout"}
    return Fate(kind=kind, applied=unclear and dice.random() < 0.5, asks=asks)


def outage(
    kind: str, begin: float, end: float, asks: tuple[str, float] | None = None
) -> Callable[[], Weather]:
    """Fail in one way from *begin* to *end*."""

    def weather(t: float, who: Hashable, dice: Random) -> Fate:
        return failing(kind, dice, asks) if begin <= t < end else GOOD

    return lambda: weather


def brown_out(share: float, *kinds: str) -> Callable[[], Weather]:
    """Fail a share of all deliveries, in ways drawn by lot."""

    def weather(t: float, who: Hashable, dice: Random) -> Fate:
        return failing(dice.choice(kinds), dice) if dice.random() < share else GOOD

    return lambda: weather


def flapping(seconds: float, kind: str) -> Callable[[], Weather]:
    """Fail and serve by turns."""

    def weather(t: float, who: Hashable, dice: Random) -> Fate:
        return failing(kind, dice) if t % (2 * seconds) < seconds else GOOD

    return lambda: weather


def slow_recovery(begin: float, end: float) -> Callable[[], Weather]:
    """Fail wholly until *begin*, then less and less until *end*."""

    def weather(t: float, who: Hashable, dice: Random) -> Fate:
        fails = dice.random() < (end - t) / (end - begin)
        return failing(dice.choice(("503", "refused")), dice) if fails else GOOD

    return lambda: weather


def rate_limited(
    per_second: float, capacity: float, asks: tuple[str, float]
) -> Callable[[], Weather]:
    """Serve each credential and tenant so many a second, and turn the others away."""

    def made() -> Weather:
        buckets: dict[Hashable, tuple[float, float]] = {}

        def weather(t: float, who: Hashable, dice: Random) -> Fate:
            tokens, at = buckets.get(who, (capacity, t))
            tokens = min(capacity, tokens + (t - at) * per_second)
            buckets[who] = (max(0.0, tokens - 1), t) if tokens >= 1 else (tokens, t)
            return GOOD if tokens >= 1 else Fate(kind="429", asks=asks)

        return weather

    return made


def one_credential(asks: tuple[str, float]) -> Callable[[], Weather]:
    """Turn one credential away for good, and serve all others."""

    def weather(t: float, who: Hashable, dice: Random) -> Fate:
        return Fate(kind="429", asks=asks) if str(who).count("a_") else GOOD

    return lambda: weather


def storm(asks: tuple[str, float] | None, *, burst: int = 1) -> Profile:
    """Turn everybody away for four minutes."""
    weather = outage("429", 60, 300, asks)
    return Profile(weather=weather, creates=0.3, burst=burst, recovers_at=300, throttles=True)


PROFILES: Final[dict[str, Profile]] = {
    "dead: refused": Profile(weather=outage("refused", 0, 1e9), creates=0.3, dead=True),
    "dead: 503": Profile(weather=outage("503", 0, 1e9), dead=True),
    "dead: 503 that asks for 5 s": Profile(
        weather=outage("503", 0, 1e9, ("seconds", 5)), dead=True
    ),
    "dead: timeout": Profile(weather=outage("timeout", 0, 1e9), creates=0.3, dead=True),
    "dead: refused, patient": Profile(
        weather=outage("refused", 0, 1e9), retry="patient", dead=True
    ),
    "dead: 503, none": Profile(weather=outage("503", 0, 1e9), retry="none", dead=True),
    "dead: refused, breaker": Profile(
        weather=outage("refused", 0, 1e9), retry="breaker", burst=30, every_s=10, dead=True
    ),
    "outage: refused": Profile(weather=outage("refused", 60, 300), recovers_at=300, creates=0.3),
    "outage: 503": Profile(weather=outage("503", 60, 300), recovers_at=300, creates=0.3),
    "outage: timeout": Profile(weather=outage("timeout", 60, 300), recovers_at=300, creates=0.3),
    "outage: refused, patient": Profile(
        weather=outage("refused", 60, 300), retry="patient", recovers_at=300
    ),
    "outage: 503, breaker": Profile(
        weather=outage("503", 60, 300), retry="breaker", recovers_at=300
    ),
    "brown-out: 10 %": Profile(weather=brown_out(0.1, *KINDS), creates=0.3),
    "brown-out: 30 %": Profile(weather=brown_out(0.3, *KINDS), creates=0.3),
    "brown-out: 50 %": Profile(weather=brown_out(0.5, *KINDS), creates=0.3),
    "brown-out: 80 %": Profile(weather=brown_out(0.8, *KINDS), creates=0.3),
    "brown-out: 30 % of reads, in bursts": Profile(weather=brown_out(0.3, "503"), burst=60),
    "flapping: 5 s": Profile(weather=flapping(5, "503"), creates=0.3),
    "flapping: 30 s, patient": Profile(weather=flapping(30, "refused"), retry="patient"),
    "slow recovery": Profile(weather=slow_recovery(60, 300), recovers_at=300, creates=0.3),
    "storm: 429": storm(None),
    "storm: 429 for 7 s": storm(("seconds", 7)),
    "storm: 429 until a date": storm(("date", 7)),
    "storm: 429 for 2500 ms": storm(("ms", 2.5)),
    "storm: 429 for 0 s": storm(("seconds", 0)),
    "storm: 429 until a past date": storm(("date", -60)),
    "storm: 429 for a day": Profile(
        weather=outage("429", 60, 90, ("seconds", 86_400)), creates=0.3, throttles=True
    ),
    "storm: 429 in bursts": storm(("seconds", 7), burst=60),
    "storm: 429 of one credential": Profile(
        weather=one_credential(("seconds", 40)), throttles=True
    ),
    "limit: 2 a second, 1 s": Profile(
        weather=rate_limited(2, 4, ("seconds", 1)), creates=0.3, burst=30, every_s=1, throttles=True
    ),
    "limit: bursts of 30, 20 s": Profile(
        weather=rate_limited(4, 30, ("seconds", 20)), burst=180, every_s=10, throttles=True
    ),
}
