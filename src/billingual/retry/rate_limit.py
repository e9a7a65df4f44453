"""How fast a credential may call: at a given rate, and at a pace learnt from responses of 429.

A rate limit is about a credential, not about a call. So when one call gets a 429, all calls of that
credential wait for the time that the provider asks for. Then they are sent one after another with a
gap between them rather than all together. The call that came first goes first: the calls stand in
line, and only the first in line watches the clock.
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

# An attempt gets at least this long, or half of what is left of the deadline if that is less. A
# write sent a moment before the deadline would be cut short, with an unknown outcome; unsent, its
# outcome is plain.
_ROOM_S: Final = 1.0

# After a 429 each success takes a fifth off the gap: from the widest gap to none takes about forty
# successes. Halving it would be back at the provider's limit after a few.
_GAP_DECAY: Final = 0.8

# A gap below this part of the first one is none: it would cost a wait and spread nothing.
_NEGLIGIBLE: Final = 0.01


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Rules:
    """The numbers of a limiter.

    Attributes:
        spacing_s: least seconds between two attempts, always; 0 for none.
        learns: whether a 429 slows all calls of its credential down.
        longest_pause_s: longest pause, whatever the provider asks for. Default an hour: a
            ``Retry-After`` of a year, by mistake or malice, must not stop a program that long.
        first_gap_s: gap between attempts after a 429; it doubles with the next 429. Default
            0.1, so that a burst of calls goes on at ten a second.
        widest_gap_s: largest gap that is learnt. Default 5: without a bound, a provider that
            turns everything away for a while would leave gaps of hours.
    """

    spacing_s: float = 0.0
    learns: bool = True
    longest_pause_s: float = 3600.0
    first_gap_s: float = 0.1
    widest_gap_s: float = 5.0


@attrs.define(eq=False, repr=False)
class Pace:
    """The pace of one credential at one host, for one tenant.

    Exact among the tasks of one event loop and among threads. If several event loops share it, two
    of them may each send an attempt at the same instant.

    Attributes:
        engaged: whether attempts must :meth:`enter`. While nothing slows calls down, reading this
            attribute is all that a call pays.
    """

    _rules: Rules
    engaged: bool = attrs.field(init=False)
    _last: float = attrs.field(default=_NEVER, init=False)
    _rate_limited_at: float = attrs.field(default=_NEVER, init=False)
    _paused_until: float = attrs.field(default=_NEVER, init=False)
    _gap_s: float = attrs.field(default=0.0, init=False)
    _turns: dict[ExecutionScope, Slots] = attrs.field(factory=dict, init=False)
    _waiting: set[object] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.engaged = self._rules.spacing_s > 0

    def due_s(self, now: float) -> float:
        """Return the seconds until the next attempt may go; zero or less for now."""
        apart = max(self._rules.spacing_s, self._gap_s)
        return max(self._paused_until, self._last + apart) - now

    def is_paused(self, now: float) -> bool:
        """Return True if the time that the provider asked for is not over."""
        return now < self._paused_until

    async def enter(self, backend: Backend, deadline: Deadline) -> None:
        """Wait for this attempt's turn.

        Raises:
            DeadlineExceededError: if the turn would come so late that the deadline leaves a
                second or less for the attempt. Raised at once, and nothing was sent.
        """
        latest = Deadline(deadline.at - min(_ROOM_S, deadline.left() / 2), deadline.now)
        self._refuse_too_late(backend.now(), latest, ahead=len(self._waiting))
        turn, me = self._turn(backend), object()
        self._waiting.add(me)
        try:
            if not await turn.acquire(latest.left()):
                raise _too_late("too many calls of this credential wait before this one", None)
            try:
                await self._wait_as_first(backend, latest)
            finally:
                turn.release()
        finally:
            self._waiting.discard(me)

    async def _wait_as_first(self, backend: Backend, latest: Deadline) -> None:
        now = backend.now()
        while (wait_s := self.due_s(now)) > 0:
            self._refuse_too_late(now, latest)
            await backend.sleep(wait_s)
            # A sleep that ended counts, even where a test has stopped the clock.
            now = max(backend.now(), now + wait_s)
        self._last = now
        if self._gap_s == 0.0 and self._rules.spacing_s == 0.0:
            self.engaged = False
            # Checked again, because another thread may have noted a 429 between the two lines.
            self.engaged = self._gap_s > 0.0 or self._paused_until > now

    def note_rate_limit(self, asked_s: float | None, *, sent_at: float, now: float) -> None:
        """Note a 429: pause for as long as it asks, and send with gaps afterwards in any case.

        Args:
            asked_s: seconds the provider asks to wait, or None.
            sent_at: when the attempt was sent. Several 429s to attempts that were under way
                together widen the gap once.
            now: the time of the response.
        """
        rules = self._rules
        if not rules.learns:
            return
        if sent_at > self._rate_limited_at:
            self._gap_s = min(max(rules.first_gap_s, self._gap_s * 2), rules.widest_gap_s)
            self._rate_limited_at = now
        if asked_s is not None:
            self._paused_until = max(self._paused_until, now + min(asked_s, rules.longest_pause_s))
        self.engaged = True

    def note_success(self) -> None:
        """Note a success: narrow the gap.

        If no attempt was sent since the last 429, this success belongs to one sent before it, and
        says nothing. The next attempt that finds neither pause nor gap sets ``engaged`` to False.
        """
        if self._last <= self._rate_limited_at:
            return
        self._gap_s *= _GAP_DECAY
        if self._gap_s < self._rules.first_gap_s * _NEGLIGIBLE:
            self._gap_s = 0.0

    def _turn(self, backend: Backend) -> Slots:
        scope = backend.execution_scope()
        turn = self._turns.get(scope)
        if turn is None:
            # Copied first, because another thread may add its own scope meanwhile.
            for dead in [each for each in list(self._turns) if not each.is_alive()]:
                self._turns.pop(dead, None)
            turn = self._turns.setdefault(scope, backend.slots(1))
        return turn

    def _refuse_too_late(self, now: float, latest: Deadline, *, ahead: int = 0) -> None:
        # Learnt gaps narrow while the line moves, so for the calls ahead only the fixed spacing is
        # certain.
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
    """Slow calls down, for each credential and tenant separately.

    Every client has a limiter that only learns: it costs nothing until a 429 comes. Pass one with
    a *rate* to never go faster, and pass the same one to several clients to make them share it.
    Fair between tasks and between threads; safe to share between both.

    Args:
        rate: most attempts a second, evenly spaced; None for no fixed rate.
        learns: whether a 429 pauses all calls of its credential for the time that the provider
            asks for, an hour at most, and then sends them one by one with narrowing gaps.
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
