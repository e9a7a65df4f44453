"""How fast a credential may call: at a given rate, and at a pace learnt from responses of 429.

A rate limit is about a credential, not about a call. So when one call gets a 429, all calls of that
credential wait for the time that the provider asks for. Then they are sent one after another with a
gap between them rather than all together. The call that came first goes first: the calls wait in
line, and only the first in line watches the clock.

Where several processes share a credential, each keeps to its part of the rate (``workers=``), or
all of them take turns by a store (``store=``). The store hands out *leases*: how many calls a
process may send, from when on and how far apart. No two leases of a store overlap, so that all
processes together keep to the rate, and a process that needs no calls leaves them to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Protocol, TypeVar

import attrs

from billingual.abc import Backend, ExecutionScope, Lease, QuotaStore, Slots
from billingual.auth import Secret, as_secret
from billingual.errors import ConfigurationError, DeadlineExceededError, shown
from billingual.retry.by_credential import ByCredential
from billingual.wire import Deadline, plain_text

__all__ = ["JobPace", "Limiter", "Pace", "SharedPace"]

T = TypeVar("T")

_NEVER: Final = float("-inf")

# An attempt gets at least this long, or half of what is left of the deadline if that is less. A
# write sent a moment before the deadline would be cut short, with an unknown outcome; unsent, its
# outcome is plain.
_ROOM_S: Final = 1.0

# After a 429 each success takes a fifth off the gap: from the widest gap to none takes about forty
# successes. Halving it would be back at the provider's limit after a few.
_GAP_DECAY: Final = 0.8

# A gap below this part of the first one becomes none: it would cost a wait and spread nothing.
_NEGLIGIBLE: Final = 0.01

# A worker may send the calls of a lease for so long. The rest then lapses, so that a worker that
# was suspended for a while does not send calls in a time that was leased to others.
_LEASE_S: Final = 1.0

# A lease is worth a tenth of a second of the quota, shared by all workers: longer ones would leave
# less to the others while a worker does not use its own, shorter ones would ask the store more.
_LEASES_PER_SECOND: Final = 10

# A store that failed is asked again after a second, then after twice as long, up to eight seconds.
# Each time costs one call as long as the store takes to fail.
_AWAY_S: Final = 1.0
_LONGEST_AWAY_S: Final = 8.0


class Tell(Protocol):
    """Tell the observers of a call of an event."""

    def __call__(self, kind: str, **details: object) -> None:
        """Make the event of class *kind*."""
        ...


def _tell_no_one(kind: str, **details: object) -> None:
    """Tell nothing: the caller has no observers."""


_MOST_WORKERS: Final = 1_000_000
"""More processes than share a credential; the gap of more could be no number of seconds."""

_HELD_BACK: Final = "the limiter's rate holds this credential back"


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

    async def report(self, backend: Backend, tell: Tell = _tell_no_one) -> None:
        """Pass a 429 on to the store of the quota, if there is one."""

    def for_jobs(self) -> JobPace:
        """Return the pace for the calls of jobs, which let all others go first."""
        return JobPace(self)

    async def enter(
        self,
        backend: Backend,
        deadline: Deadline,
        tell: Tell = _tell_no_one,
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
                why = _HELD_BACK
            raise _too_late(f"{why} for {wait_s:.1f} s more", wait_s)


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

    async def enter(self, backend: Backend, deadline: Deadline, tell: Tell = _tell_no_one) -> None:
        """Wait for this attempt's turn, among jobs first; see :meth:`Pace.enter`."""
        turn = _turn(self._turns, backend)
        if not await turn.acquire(_latest(deadline).left()):
            raise _crowded()
        try:
            await self._pace.enter(backend, deadline, tell, is_job=True)
        finally:
            turn.release()

    async def report(self, backend: Backend, tell: Tell = _tell_no_one) -> None:
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


@attrs.define(eq=False, repr=False)
class _Held:
    """What is left of a lease.

    Attributes:
        left: how many calls.
        due: when the next one may be sent.
        spacing_s: seconds from one to the next.
        granted: when the store last said so.
    """

    left: int
    due: float
    spacing_s: float
    granted: float


@attrs.define(eq=False, repr=False)
class SharedPace(Pace):
    """The pace of a credential that several processes keep to together, by a store.

    While the store fails, this process keeps to its part of the rate, as if there were no store;
    and for eight seconds more, in which all others find it too.
    """

    _store: QuotaStore
    _key: str
    _quota: Quota
    _held: dict[tuple[ExecutionScope, bool], _Held] = attrs.field(factory=dict, init=False)
    _size: int = attrs.field(default=1, init=False)
    _away_until: float = attrs.field(default=_NEVER, init=False)
    _away_s: float = attrs.field(default=0.0, init=False)
    _alone_until: float = attrs.field(default=_NEVER, init=False)
    _limited: tuple[float, float | None] | None = attrs.field(default=None, init=False)

    @property
    def must_report(self) -> bool:
        """Whether a 429 was noted that the store does not know of."""
        return self._limited is not None

    @property
    def _is_away(self) -> bool:
        return self._away_s > 0.0

    @property
    def _apart_s(self) -> float:
        # With a store one process may send all calls of the quota, if no other one sends any.
        return self._rules.spacing_s if self._is_away else 1 / self._quota.rate

    def due_s(self, now: float) -> float:
        """Return the seconds until the next attempt may go, as far as that is certain."""
        alone = self._is_away or now < self._alone_until
        return super().due_s(now) if alone else self._paused_until - now

    def note_rate_limit(self, asked_s: float | None, *, sent_at: float, now: float) -> None:
        """Note a 429: pause, and keep it for the store, which makes all processes pause."""
        super().note_rate_limit(asked_s, sent_at=sent_at, now=now)
        if self._rules.learns:
            until = None if asked_s is None else now + min(asked_s, self._rules.longest_pause_s)
            self._limited = (sent_at, until)

    async def report(self, backend: Backend, tell: Tell = _tell_no_one) -> None:
        """Pass a 429 on to the store; if it fails, the next call that asks it does so first."""
        if backend.now() >= self._away_until:
            await self._asked(backend, tell, lambda: None)

    async def _wait_as_first(
        self, backend: Backend, latest: Deadline, tell: Tell, *, is_job: bool
    ) -> None:
        while backend.now() >= self._away_until:
            ready = now = await self._wait_until_due(backend, latest)
            held = await self._lease(backend, tell, now, is_job=is_job)
            if held is None:
                break
            now = max(now, backend.now())
            due = max(held.due, self._paused_until)
            if due > now:
                if due >= latest.at:
                    raise _too_late(f"{_HELD_BACK} for {due - now:.1f} s more", due - now)
                await backend.sleep(due - now)
                # A sleep that ended counts, even where a test has stopped the clock.
                now = max(backend.now(), due)
            if now - held.granted > _LEASE_S:
                # Meanwhile another process may have met a 429.
                frozen = await self._asked(backend, tell, lambda: self._ask(0, is_job=is_job))
                if frozen is None:
                    break
                if frozen.wait_s > 0:
                    # All workers would send what they hold at the moment in which that ends.
                    held.left = 0
                    continue
                held.granted, held.due = now, now
            held.left -= 1
            held.due = max(held.due, now - _LEASE_S) + held.spacing_s
            # Its part of the rate counts from when that allowed it: a wait for the store is no gap.
            self._last = ready if now < self._alone_until else now
            return
        await super()._wait_as_first(backend, latest, tell, is_job=is_job)

    async def _lease(
        self, backend: Backend, tell: Tell, now: float, *, is_job: bool
    ) -> _Held | None:
        """Return a lease with a call left, from the store if need be; None if that fails."""
        # A lease belongs to one scope: a forked child and another loop take their own.
        key = (backend.execution_scope(), is_job)
        held = self._held.get(key)
        if held is not None and held.left > 0 and now <= held.due + _LEASE_S:
            return held
        size = max(self._size, self._quota.at_once)
        lease = await self._asked(backend, tell, lambda: self._ask(size, is_job=is_job))
        if lease is None:
            return None
        # If calls wait here although the quota has calls left, asking the store is what takes long
        # (a far store, a busy machine). Then more calls are asked for at once.
        self._size = min(2 * size, len(self._waiting)) if lease.wait_s <= 0 else 1
        for dead in [each for each in list(self._held) if not each[0].is_alive()]:
            self._held.pop(dead, None)
        now = max(now, backend.now())
        held = _Held(lease.count, now + lease.wait_s, lease.spacing_s, now)
        self._held[key] = held
        return held

    def _ask(self, count: int, *, is_job: bool) -> Lease:
        return self._store.acquire(self._key, rate=self._quota.rate, count=count, is_job=is_job)

    async def _asked(self, backend: Backend, tell: Tell, call: Callable[[], T]) -> T | None:
        """Call the store in a thread, after a report that is due; None if it fails."""
        limited, self._limited = self._limited, None

        def ask() -> T:
            if limited is not None:
                now, (sent_at, until) = backend.now(), limited
                self._store.observe(
                    self._key,
                    sent_ago_s=max(0.0, now - sent_at),
                    retry_after_s=None if until is None else max(0.0, until - now),
                )
            return call()

        told = False
        try:
            value = await backend.in_thread(ask)
            told = True
        except Exception as fault:  # noqa: BLE001 - each store has errors of its own
            self._lose(backend.now(), fault, tell)
            return None
        finally:
            if not told and limited is not None:
                self._limited = limited
        if self._is_away:
            self._away_s, self._away_until = 0.0, _NEVER
            # Other workers may go on with their parts of the rate until they ask the store again,
            # within so many seconds. The whole rate beside those would be nearly twice the quota.
            self._alone_until = backend.now() + _LONGEST_AWAY_S
            # What was learnt alone; the store has its own memory of that.
            self._gap_s = 0.0
            _log(f"the quota store is back; all {self._quota.workers} workers share the rate again")
            tell("QuotaStoreFound", workers=self._quota.workers)
        return value

    def _lose(self, now: float, fault: Exception, tell: Tell) -> None:
        first = not self._is_away
        self._away_s = min(max(_AWAY_S, self._away_s * 2), _LONGEST_AWAY_S)
        self._away_until = now + self._away_s
        self._held.clear()
        if first:
            # Its text is left out, because it may quote the store's address with a password.
            error, share = type(fault).__name__, self._quota.rate / self._quota.workers
            _log(
                f"the quota store does not respond ({error}); until it does, this worker keeps to "
                f"its own part of the rate, {share:g} calls a second"
            )
            tell("QuotaStoreLost", workers=self._quota.workers, error=error)


@attrs.frozen(kw_only=True)
class Quota:
    """What several processes share.

    Attributes:
        rate: calls a second, of all processes together.
        workers: how many processes there are at most.
    """

    rate: float
    workers: int

    @property
    def at_once(self) -> int:
        """How many calls a process asks the store for at once."""
        return max(1, int(self.rate / (_LEASES_PER_SECOND * self.workers)))


def _log(text: str) -> None:
    import logging  # noqa: PLC0415 - few calls log

    logging.getLogger("billingual").warning("%s", text)


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
    return _too_late("too many calls of this credential wait before this one", None)


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

    Processes on any number of machines share a rate by *workers*, each its own part of it, or by a
    *store*, which gives what one worker does not need to the others::

        Limiter(10, workers=8)
        Limiter(10, workers=8, store="redis://cache.example/0")

    With a store, a 429 makes all workers wait as long as the provider asks. If it names no time, or
    comes again within a minute, all of them go on at 70 % of the rate, and 5 % of it come back with
    each quiet minute. Calls of jobs leave a fifth of the rate to other calls, where there are some.
    While the store fails, each worker keeps to its own part: there is always a limit. One log
    record and one event for observers tell of that, and again when the store is back.

    Args:
        rate: most attempts a second, evenly spaced; None for no fixed rate.
        learns: whether a 429 pauses all calls of its credential for the time that the provider
            asks for, an hour at most, and then sends them one by one with narrowing gaps.
            Default True.
        workers: how many processes share the rate, at most: 1 to 1,000,000. Default 1.
        store: what they share it by: the address of a Redis or Valkey (``redis://``,
            ``rediss://``, ``unix://``; extra ``redis``), or a
            :class:`~billingual.abc.QuotaStore`. It holds no token: the key is a keyed hash of base
            URL, credential and tenant. Default None, for none.
        name: is in that key instead of the credential. Needed with a store where the
            token comes from a function, and equal in all workers.

    Raises:
        ConfigurationError: if *rate* is not above zero, *workers* is out of bounds, or
            *store* or *workers* comes without a rate.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """

    def __init__(
        self,
        rate: float | None = None,
        *,
        learns: bool = True,
        workers: int = 1,
        store: str | Secret | QuotaStore | None = None,
        name: str | None = None,
    ) -> None:
        # Wrapped first: a traceback that shows local variables must not show a password.
        store = as_secret(store) if isinstance(store, str) else store
        is_number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
        if rate is not None and not (is_number and 0 < rate < float("inf")):
            raise ConfigurationError(
                f"Limiter(rate={shown(rate)}) lets nothing through or everything; give attempts "
                "per second, a number above zero."
            )
        if type(workers) is not int or not 1 <= workers <= _MOST_WORKERS:
            raise ConfigurationError(
                f"Limiter(workers={shown(workers)}) counts the processes that share the rate; give "
                f"a whole number from 1 to {_MOST_WORKERS:,}."
            )
        if rate is None and (workers > 1 or store is not None):
            raise ConfigurationError(
                "workers= and store= share a rate, and none is given; write "
                "Limiter(10, workers=8) for ten attempts a second of all workers together."
            )
        self._rate, self._workers, self._name = rate, workers, plain_text(name)
        self._rules = Rules(spacing_s=workers / rate if rate else 0.0, learns=learns)
        self._store = _opened(store) if isinstance(store, Secret) else store
        self._paces: ByCredential[Pace] = ByCredential()

    def pace(
        self, key: Hashable, fingerprint: Callable[[str | None], str | None] = lambda _: None
    ) -> Pace:
        """Return the pace of *key*: a host, a credential and a tenant.

        Args:
            key: means something in this process only.
            fingerprint: turns the limiter's name, or None, into a key that is equal in all
                processes; None if the credential needs a name.

        Raises:
            ConfigurationError: if there is a store, and the credential needs a name.
        """
        return self._paces.of(key, lambda: self._made(fingerprint))

    def _made(self, fingerprint: Callable[[str | None], str | None]) -> Pace:
        if self._store is None or self._rate is None:
            return Pace(self._rules)
        key = fingerprint(self._name)
        if key is None:
            raise ConfigurationError(
                "workers recognise a quota by its token, and a function returns another token from "
                "time to time; give all of them the same Limiter(..., name=...).",
                field="limiter",
            )
        quota = Quota(rate=self._rate, workers=self._workers)
        return SharedPace(self._rules, self._store, key, quota)

    def __repr__(self) -> str:
        shared = f", workers={self._workers}" if self._workers > 1 else ""
        shared += ", store=..." if self._store is not None else ""
        return f"Limiter(rate={self._rate!r}, learns={self._rules.learns!r}{shared})"


def _opened(address: Secret) -> QuotaStore:
    from billingual.retry.redis import RedisQuota  # noqa: PLC0415 - an extra

    return RedisQuota.at(address)
