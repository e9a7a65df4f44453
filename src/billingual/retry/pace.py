"""The pace of one credential: what each attempt waits for, learnt from responses of 429.

A rate limit is about a credential, not about a call. So when one call gets a 429, all calls of that
credential wait for the time that the provider asks for. Then they are sent one after another with a
gap between them rather than all together. The call that came first goes first: the calls wait in
line, and only the first in line watches the clock.
"""

from __future__ import annotations

from typing import Final, Protocol

import attrs

from billingual.abc import Backend, ExecutionScope, Slots
from billingual.errors import DeadlineExceededError
from billingual.wire import Deadline

__all__ = [
    "HELD_BACK",
    "NEVER",
    "JobPace",
    "Pace",
    "Rules",
    "Tell",
    "tell_no_one",
    "too_late",
]

NEVER: Final = float("-inf")
HELD_BACK: Final = "the limiter's rate holds this credential back"

# An attempt gets at least this long, or half of what is left of the deadline if that is less. A
# write sent a moment before the deadline would be cut short, with an unknown outcome; unsent, its
# outcome is plain.
_ROOM_S: Final = 1.0

# After a 429 each success takes a fifth off the gap: from the widest gap to none takes about forty
# successes. Halving it would be back at the provider's limit after a few.
_GAP_DECAY: Final = 0.8

# A gap below this part of the first one becomes none: it would cost a wait and spread nothing.
_NEGLIGIBLE: Final = 0.01


class Tell(Protocol):
    """Tell the observers of a call of an event."""

    def __call__(self, kind: str, **details: object) -> None:
        """Make the event of class *kind*."""
        ...


def tell_no_one(kind: str, **details: object) -> None:
    """Tell nothing: the caller has no observers."""


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
    _last: float = attrs.field(default=NEVER, init=False)
    _rate_limited_at: float = attrs.field(default=NEVER, init=False)
    _paused_until: float = attrs.field(default=NEVER, init=False)
    _gap_s: float = attrs.field(default=0.0, init=False)
    _turns: dict[ExecutionScope, Slots] = attrs.field(factory=dict, init=False)
    _waiting: set[object] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.engaged = self._rules.spacing_s > 0

    @property
    def must_report(self) -> bool:
        """Whether a 429 was noted that a store does not know of; see :meth:`report`."""
        return False

    @property
    def _apart_s(self) -> float:
        """The seconds that certainly lie between two attempts."""
        return self._rules.spacing_s

    def due_s(self, now: float) -> float:
        """Return the seconds until the next attempt may go; zero or less for now."""
        apart = max(self._rules.spacing_s, self._gap_s)
        return max(self._paused_until, self._last + apart) - now

    def is_paused(self, now: float) -> bool:
        """Return True if the time that the provider asked for is not over."""
        return now < self._paused_until

    async def report(self, backend: Backend, tell: Tell = tell_no_one) -> None:
        """Pass a 429 on to the store of the quota, if there is one."""

    def for_jobs(self) -> JobPace:
        """Return the pace for the calls of jobs, which let all others go first."""
        return JobPace(self)

    async def enter(
        self,
        backend: Backend,
        deadline: Deadline,
        tell: Tell = tell_no_one,
        *,
        is_job: bool = False,
    ) -> None:
        """Wait for this attempt's turn.

        Args:
            backend: how to wait.
            deadline: the call's.
            tell: tells the call's observers that a store was lost or found again.
            is_job: whether the attempt belongs to a job; a store serves others first.

        Raises:
            DeadlineExceededError: if the turn would come so late that the deadline leaves a
                second or less for the attempt. Raised at once, and nothing was sent.
        """
        latest = _latest(deadline)
        self._refuse_too_late(backend.now(), latest, ahead=len(self._waiting))
        turn, me = _turn(self._turns, backend), object()
        self._waiting.add(me)
        try:
            if not await turn.acquire(latest.left()):
                raise _crowded()
            try:
                await self._wait_as_first(backend, latest, tell, is_job=is_job)
            finally:
                turn.release()
        finally:
            self._waiting.discard(me)

    async def _wait_as_first(
        self,
        backend: Backend,
        latest: Deadline,
        tell: Tell,  # noqa: ARG002 - only a store is told of
        *,
        is_job: bool,  # noqa: ARG002 - the line has seen to that
    ) -> None:
        self._last = now = await self._wait_until_due(backend, latest)
        if self._gap_s == 0.0 and self._rules.spacing_s == 0.0:
            self.engaged = False
            # Checked again, because another thread may have noted a 429 between the two lines.
            self.engaged = self._gap_s > 0.0 or self._paused_until > now

    async def _wait_until_due(self, backend: Backend, latest: Deadline) -> float:
        now = backend.now()
        while (wait_s := self.due_s(now)) > 0:
            self._refuse_too_late(now, latest)
            await backend.sleep(wait_s)
            # A sleep that ended counts, even where a test has stopped the clock.
            now = max(backend.now(), now + wait_s)
        return now

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

    def _refuse_too_late(self, now: float, latest: Deadline, *, ahead: int = 0) -> None:
        # Learnt gaps narrow while the line moves, so for the calls ahead only the fixed spacing is
        # certain.
        wait_s = max(0.0, self.due_s(now)) + ahead * self._apart_s
        if wait_s >= latest.left() and wait_s > 0:
            why = "the provider's rate limit holds this credential back"
            if self._paused_until <= now:
                why = HELD_BACK
            raise too_late(f"{why} for {wait_s:.1f} s more", wait_s)


@attrs.define(eq=False, repr=False)
class JobPace:
    """The pace of a credential as jobs see it: one of their calls waits in line at a time.

    So a call of a person waits for one call of a job at most, however many the jobs send at once.
    """

    _pace: Pace
    _turns: dict[ExecutionScope, Slots] = attrs.field(factory=dict, init=False)

    @property
    def engaged(self) -> bool:
        """Whether attempts must :meth:`enter`."""
        return self._pace.engaged

    @property
    def must_report(self) -> bool:
        """Whether a 429 was noted that a store does not know of."""
        return self._pace.must_report

    async def enter(self, backend: Backend, deadline: Deadline, tell: Tell = tell_no_one) -> None:
        """Wait for this attempt's turn, among jobs first; see :meth:`Pace.enter`."""
        turn = _turn(self._turns, backend)
        if not await turn.acquire(_latest(deadline).left()):
            raise _crowded()
        try:
            await self._pace.enter(backend, deadline, tell, is_job=True)
        finally:
            turn.release()

    async def report(self, backend: Backend, tell: Tell = tell_no_one) -> None:
        """Pass a 429 on to the store of the quota, if there is one."""
        await self._pace.report(backend, tell)

    def is_paused(self, now: float) -> bool:
        """Return True if the time that the provider asked for is not over."""
        return self._pace.is_paused(now)

    def note_rate_limit(self, asked_s: float | None, *, sent_at: float, now: float) -> None:
        """Note a 429; see :meth:`Pace.note_rate_limit`."""
        self._pace.note_rate_limit(asked_s, sent_at=sent_at, now=now)

    def note_success(self) -> None:
        """Note a success."""
        self._pace.note_success()

    def for_jobs(self) -> JobPace:
        """Return itself."""
        return self


def _latest(deadline: Deadline) -> Deadline:
    """Return when an attempt must be sent at the latest."""
    return Deadline(deadline.at - min(_ROOM_S, deadline.left() / 2), deadline.now)


def _turn(turns: dict[ExecutionScope, Slots], backend: Backend) -> Slots:
    """Return the line of the caller's scope."""
    scope = backend.execution_scope()
    turn = turns.get(scope)
    if turn is None:
        # Copied first, because another thread may add its own scope meanwhile.
        for dead in [each for each in list(turns) if not each.is_alive()]:
            turns.pop(dead, None)
        turn = turns.setdefault(scope, backend.slots(1))
    return turn


def _crowded() -> DeadlineExceededError:
    return too_late("too many calls of this credential wait before this one", None)


def too_late(why: str, wait_s: float | None) -> DeadlineExceededError:
    """Return the error for an attempt that would be due after its deadline."""
    return DeadlineExceededError(
        f"{why}, longer than the call's deadline; try again later or give it more time with "
        "with_options(deadline=...). Nothing was sent.",
        retry_after=wait_s,
    )
