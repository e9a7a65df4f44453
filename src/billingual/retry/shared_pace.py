"""The pace that several processes keep to together, by a store.

The store hands out *leases*: how many calls a process may send, from when on and how far apart. No
two leases of a store overlap, so that all processes together keep to the rate, and a process that
needs no calls leaves them to the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import attrs

from billingual.abc import Backend, ExecutionScope, Lease, QuotaStore
from billingual.retry.pace import HELD_BACK, NEVER, Pace, Tell, tell_no_one, too_late
from billingual.wire import Deadline

__all__ = ["Quota", "SharedPace"]

T = TypeVar("T")

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
    _away_until: float = attrs.field(default=NEVER, init=False)
    _away_s: float = attrs.field(default=0.0, init=False)
    _alone_until: float = attrs.field(default=NEVER, init=False)
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

    async def report(self, backend: Backend, tell: Tell = tell_no_one) -> None:
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
                    raise too_late(f"{HELD_BACK} for {due - now:.1f} s more", due - now)
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
            self._away_s, self._away_until = 0.0, NEVER
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


def _log(text: str) -> None:
    logging.getLogger("billingual").warning("%s", text)
