"""How fast a credential may call: a pace that is given, and one that is learnt from 429.

A rate limit is about a credential, not about a call. So when one call is turned away, all calls of
that credential wait until the provider's time is over, and then set out one after another, a
little apart, rather than together. Whoever came first goes first: waiting is done one at a time at
a turnstile, where tasks or threads stand in line.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import attrs

from billingual.abc import Backend, ExecutionScope, Slots
from billingual.errors import ConfigurationError, DeadlineExceededError
from billingual.wire import Deadline

__all__ = ["Limiter", "Pace"]

_NEVER: Final = float("-inf")

# A write that goes out with a moment left is cut short and ends unclear; unsent, it ends plainly.
_ROOM_S: Final = 1.0


@attrs.frozen(kw_only=True)
class Rules:
    """The numbers of a limiter.

    Attributes:
        spacing_s: least seconds between two attempts, always; 0 for none.
        learns: whether a 429 slows all calls of its credential down.
        longest_s: longest pause, whatever the provider names.
        gentle_s: first spacing after a 429, which doubles with the next; each success takes a
            fifth off.
        widest_s: largest spacing that is learnt.
    """

    spacing_s: float = 0.0
    learns: bool = True
    longest_s: float = 3600.0
    gentle_s: float = 0.1
    widest_s: float = 5.0


@attrs.define(eq=False)
class Pace:
    """The pace of one credential at one host, for one tenant.

    Exact among the tasks of one event loop and among threads; where several loops share it, two of
    them may let an attempt through at the same instant.

    Attributes:
        engaged: whether attempts must :meth:`enter`; one look at it is all that a call pays
            while nothing slows it down.
    """

    _rules: Rules
    engaged: bool = attrs.field(init=False)
    _last: float = attrs.field(default=_NEVER, init=False)
    _turned_away_at: float = attrs.field(default=_NEVER, init=False)
    _paused_until: float = attrs.field(default=_NEVER, init=False)
    _gap_s: float = attrs.field(default=0.0, init=False)
    _turns: dict[ExecutionScope, Slots] = attrs.field(factory=dict, init=False, repr=False)
    _line: set[object] = attrs.field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.engaged = self._rules.spacing_s > 0

    def due_s(self, now: float) -> float:
        """Return the seconds until the next attempt may go; zero or less for now."""
        apart = max(self._rules.spacing_s, self._gap_s)
        return max(self._paused_until, self._last + apart) - now

    def is_paused(self, now: float) -> bool:
        """Tell whether the provider's time is not over."""
        return now < self._paused_until

    async def enter(self, backend: Backend, deadline: Deadline) -> None:
        """Wait for this attempt's turn.

        Raises:
            DeadlineExceededError: if the turn would come so late that the deadline leaves a
                second or less for the attempt itself; at once, and nothing was sent.
        """
        latest = Deadline(deadline.at - min(_ROOM_S, deadline.left() / 2), deadline.now)
        self._refuse_too_late(backend.now(), latest, ahead=len(self._line))
        turn, me = self._turn(backend), object()
        self._line.add(me)
        try:
            if not await turn.acquire(latest.left()):
                raise _too_late("too many calls of this credential wait before this one", None)
            try:
                await self._stand_at_the_front(backend, latest)
            finally:
                turn.release()
        finally:
            self._line.discard(me)

    async def _stand_at_the_front(self, backend: Backend, latest: Deadline) -> None:
        while (wait_s := self.due_s(backend.now())) > 0:
            self._refuse_too_late(backend.now(), latest)
            await backend.sleep(wait_s)
        self._last = now = backend.now()
        if self._gap_s == 0.0 and self._rules.spacing_s == 0.0:
            self.engaged = False
            # Asked again, because a 429 may have come in another thread between the two lines.
            self.engaged = self._gap_s > 0.0 or self._paused_until > now

    def turned_away(self, asked_s: float | None, *, sent_at: float, now: float) -> None:
        """Learn from a 429: pause for the time that is named, and go on with gaps in any case.

        Args:
            asked_s: seconds the provider asks to wait, or None.
            sent_at: when the attempt went out: those that were under way together are one event.
            now: the time of its answer.
        """
        rules = self._rules
        if not rules.learns:
            return
        if sent_at > self._turned_away_at:
            self._gap_s = min(max(rules.gentle_s, self._gap_s * 2), rules.widest_s)
            self._turned_away_at = now
        if asked_s is not None:
            self._paused_until = max(self._paused_until, now + min(asked_s, rules.longest_s))
        self.engaged = True

    def let_in(self) -> None:
        """Learn from a success: come closer together again.

        What succeeds while nobody was let through since the last 429 was under way before it, and
        tells nothing. Whoever goes next and finds neither pause nor gap opens the way to all.
        """
        if self._last <= self._turned_away_at:
            return
        self._gap_s *= 0.8
        if self._gap_s < self._rules.gentle_s / 100:
            self._gap_s = 0.0

    def _turn(self, backend: Backend) -> Slots:
        place = backend.execution_scope()
        turn = self._turns.get(place)
        if turn is None:
            # Copied at once: another thread may add its own place meanwhile.
            for gone in [each for each in list(self._turns) if not each.is_alive()]:
                self._turns.pop(gone, None)
            turn = self._turns.setdefault(place, backend.slots(1))
        return turn

    def _refuse_too_late(self, now: float, latest: Deadline, *, ahead: int = 0) -> None:
        # Learnt gaps close while a line moves, so only the fixed ones of those ahead are certain.
        wait_s = max(0.0, self.due_s(now)) + ahead * self._rules.spacing_s
        if wait_s >= latest.left() and wait_s > 0:
            why = "the provider's rate limit holds this credential back"
            if self._paused_until <= now:
                why = "the limiter's rate holds this credential back"
            raise _too_late(f"{why} for {wait_s:.1f} s more", wait_s)


def _too_late(why: str, wait_s: float | None) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"{why}, longer than the call's deadline; try again later or give it more time with "
        "with_options(deadline=...). Nothing was sent.",
        retry_after=wait_s,
    )


class Limiter:
    """Hold calls back, for each credential and tenant by itself.

    Every client has a limiter that only learns: it costs nothing until a 429 comes. Pass one with
    a *rate* to never go faster, and pass the same one to several clients to make them share it.
    Fair between tasks and between threads; safe to share between both.

    Args:
        rate: most attempts a second, evenly spaced; None for no fixed rate.
        learns: whether a 429 pauses all calls of its credential until the time that the provider
            names, an hour at most, and lets them go on one by one, closer and closer together.
            Default True.

    Raises:
        ConfigurationError: if *rate* is not above zero.
    """

    def __init__(self, rate: float | None = None, *, learns: bool = True) -> None:
        if rate is not None and (isinstance(rate, bool) or not 0 < rate < float("inf")):
            raise ConfigurationError(
                f"Limiter(rate={rate!r}) lets nothing through or everything; give attempts per "
                "second, a number above zero."
            )
        self._rate = rate
        self._rules = Rules(spacing_s=1 / rate if rate else 0.0, learns=learns)
        self._paces: dict[Hashable, Pace] = {}

    def pace(self, key: Hashable) -> Pace:
        """Return the pace of *key*: a host, a credential and a tenant."""
        pace = self._paces.get(key)
        return self._paces.setdefault(key, Pace(self._rules)) if pace is None else pace

    def __repr__(self) -> str:
        return f"Limiter(rate={self._rate!r}, learns={self._rules.learns!r})"
