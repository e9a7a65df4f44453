"""Carry the entries of a ledger out: claim, send, keep the end; where it is unclear, look.

The order of the steps is what keeps a write from being lost or doubled, whenever the process dies:

1. *In flight* is on the disk before the first byte of the request leaves.
2. The end is on the disk before it is reported to anything else.
3. What was in flight when a process died is unclear, never planned: it may have been carried out.
4. An unclear end is looked into only when no late request can arrive any more (*late_arrival_s*).
5. A write goes back to the plan only if its request provably did nothing, or if the look shows the
   state from before it and the job's policy allows a resend.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

import attrs

from billingual._context import ClientContext
from billingual.capabilities import Feature
from billingual.client import update_many_quietly
from billingual.errors import (
    AuthenticationError,
    BillingualError,
    CircuitOpenError,
    ConflictError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknown,
    PermissionDeniedError,
    RateLimitedError,
    RejectedError,
    ServerError,
    TransportError,
    UsageError,
    unclear_from,
)
from billingual.jobs.entry import Entry, State, changes_of, draft_of
from billingual.jobs.ledger import NEVER, Claim, ClaimLostError, Ledger
from billingual.jobs.looker import Looker
from billingual.jobs.planning import fields_of
from billingual.jobs.report import PROGRESS_EVERY_S, Progress
from billingual.reconcile.readback import is_page, read

if TYPE_CHECKING:
    from billingual.abc import Backend, Slots
    from billingual.client import AsyncClient
    from billingual.model import InvoiceSummary

__all__ = ["REFUSED_BATCH", "Policy", "Runner", "Settings", "Steps"]

T = TypeVar("T")

Policy: TypeAlias = Literal["reconcile_then_resend", "reconcile", "manual"]
"""What a job does about an unclear end.

``reconcile_then_resend`` looks at the provider, and sends again what provably is not there.
``reconcile`` looks, and leaves what is not there for a person. ``manual`` does not even look.
"""

_LOOKS: Final = 5
"""After more looks or reads that told nothing about an entry, the run leaves it to the next run."""

_VAIN: Final = 9
"""After more requests that did not carry out an entry, the run leaves it to the next run.

Otherwise a provider that fails at each request for one write would keep the run from its end. Where
four of ten requests fail by chance, ten failures in a row happen once in ten thousand entries.
"""

_AHEAD: Final = 2
"""Workers beyond the number of requests that may be under way; at most as many as those.

While all requests are under way, these workers write how the last requests ended, and mark the next
entries as in flight. Without them each request would wait for the disk. If the process is killed,
the entries that they marked are unclear although they were not sent: each costs one look.
"""

_GATHERING_S: Final = 5.0
"""A look at creates waits at most so many seconds, so that creates due soon share its search."""

_COUNTING: Final = 19.0
"""After a count that took t seconds, the next one waits 19 t: counts take a twentieth of a run."""

_PATIENCE_S: Final = 1.0
"""So often a worker checks that another worker takes its step: that worker may be cancelled."""

REFUSED_BATCH: Final = "its batch was refused as a whole: "
"""Begins the reason of a refused write, where another write of the batch may be the cause."""

_End: TypeAlias = Callable[[], int | None]
"""Keeps a result, in a step of the ledger; returns how many entries that settled, if any."""

_Reads: TypeAlias = tuple[Entry, ...]
"""Updates whose invoices one worker reads, one after another, before they are changed."""

_PASSING: Final = (
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitedError,
    ServerError,
    TransportError,
)
"""Errors that say nothing about the write itself: the same request may succeed later."""

_REFUSALS: Final = (ConflictError, InvalidRequestError, PermissionDeniedError, RejectedError)
"""Errors by which a provider refuses one invoice. The page of a proxy is a ProtocolError: none."""


@attrs.frozen(kw_only=True)
class Settings:
    """How a job is run; see :class:`~billingual.jobs.AsyncJob` for each."""

    policy: Policy
    late_arrival_s: float
    bisect: bool
    sole_writer: bool
    owner: str
    lease_margin_s: float = 30.0


@attrs.define(eq=False)
class Runner:
    """One run of a job.

    Attributes:
        client: sends the requests.
        context: the client's.
        ledger: the job.
        nonce: what the ledger's idempotency keys start with.
        settings: how.
        sends: whether to send what is planned; otherwise the run only looks.
        on_progress: told after each request.
        stopping: whether to begin nothing more; any thread may set it.
    """

    client: AsyncClient
    context: ClientContext
    ledger: Ledger
    nonce: str
    settings: Settings
    sends: bool = True
    on_progress: Callable[[Progress], object] | None = None
    stopping: bool = False
    _looker: Looker = attrs.field(init=False)
    _lease_s: float = attrs.field(init=False)
    _steps: Steps = attrs.field(init=False)
    _slots: Slots = attrs.field(init=False)
    _line: deque[Claim | _Reads] = attrs.field(factory=deque, init=False)
    _began: float = attrs.field(default=0.0, init=False)
    _began_wall: float = attrs.field(default=0.0, init=False)
    _told_at: float = attrs.field(default=0.0, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _resent: int = attrs.field(default=0, init=False)
    _settled: int = attrs.field(default=0, init=False)
    _succeeded: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _denials: int = attrs.field(default=0, init=False)
    _concurrency: int = attrs.field(default=1, init=False)
    _looks: Counter[int] = attrs.field(factory=Counter, init=False)
    _vain: Counter[int] = attrs.field(factory=Counter, init=False)
    _reading: set[int] = attrs.field(factory=set, init=False)
    _taking: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        # A claim may wait for a slot until another request ends, and then sends its own.
        self._lease_s = 2 * self.context.deadline_s + settings.lease_margin_s
        self._steps = Steps(self.ledger, self.context.backend)
        self._looker = Looker(
            context=self.context,
            ledger=self.ledger,
            nonce=self.nonce,
            resends=settings.policy != "reconcile",
            sole_writer=settings.sole_writer,
            gathering_s=self._gathering_s,
        )

    @property
    def _late_arrival_s(self) -> float:
        # Longer than needed, so that creates which become due one after another share a search.
        return self.settings.late_arrival_s + self._gathering_s

    @property
    def _gathering_s(self) -> float:
        return min(0.25 * self.settings.late_arrival_s, _GATHERING_S)

    def _now(self) -> float:
        """Return the wall time; setting the machine's clock does not change it during the run."""
        return self._began_wall + self.context.backend.now() - self._began

    def _set_clock(self) -> None:
        backend = self.context.backend
        wall = self.ledger.clock(backend.wall())
        self._began, self._began_wall = backend.now(), wall

    async def run(self, concurrency: int) -> None:
        """Work until all is settled, or nothing more can be done.

        Raises:
            BillingualError: if the provider refuses the credential, or does not respond at all, or
                the ledger cannot be written. The job can be run again.
        """
        self._concurrency = concurrency
        self._slots = self.context.backend.slots(concurrency)
        late_arrival_s = self._late_arrival_s
        await self._in_thread(self._set_clock)
        await self._in_thread(
            lambda: self.ledger.recover(now=self._now(), late_arrival_s=late_arrival_s)
        )
        await self._tell(last=True)
        workers = concurrency + min(concurrency, _AHEAD)
        pool = self.context.backend.task_pool(workers)
        try:
            jobs = [pool.start(self._work, lambda: None) for _ in range(workers)]
            failed: Exception | None = None
            for job in jobs:
                try:
                    await job.result()
                except Exception as error:
                    if not self.stopping:  # It is no worker's, but a time limit of the program.
                        raise
                    failed = failed or error  # raised below, when all have stopped
            if failed is not None:
                raise failed
        finally:
            self.stopping = True
            await pool.aclose()
            with self.context.backend.shielded():
                await self._end()
        await self._tell(last=True)

    def _keep_at_end(self, end: _End) -> None:
        """Let the end of the run write *end*: its worker is about to raise, or was cancelled."""
        self._steps.ask(end, lambda settled: self._count(settled or 0))

    def _count(self, settled: int) -> None:
        self._settled += settled

    async def _end(self) -> None:
        """Write what stopped workers left, and hand back the entries that they had not begun.

        An entry whose end cannot be written stays in flight, and the next run looks at it.
        """
        # First: a cancelled worker's transaction may still run, and add to the line.
        await self._in_thread(self._steps.take)
        for each in self._line:
            self._keep_at_end(partial(self._hand_back, each))
        await self._in_thread(self._steps.take)

    async def _work(self) -> None:
        end: _End = _nothing
        try:
            while True:
                found = await self._next(end)
                await self._tell()
                if found:
                    end = await self._do_first()
                    continue
                if self.stopping:
                    return
                wait_s = await self._in_thread(self._idle_s)
                if wait_s is None:
                    return
                end = _nothing
                await self.context.backend.sleep(wait_s)
        except BaseException:
            self.stopping = True
            raise

    def _idle_s(self) -> float | None:
        """Return how long there is nothing to do, or None if there is nothing to come."""
        now = self._now()
        due = self.ledger.next_due(now=now, sends=self.sends, looks=self._looks_at_all)
        if due is not None and due < NEVER:
            return min(max(due - now, 0.01), 1.0)
        if not self.ledger.is_working():
            return None
        # A request under way may end unclear, or let the next write of its invoice begin. A request
        # of a process that was killed never ends: its lease does.
        self.ledger.end_leases(now=now, late_arrival_s=self._late_arrival_s)
        return 0.05

    # What to do next

    async def _next(self, end: _End) -> bool:
        """Write *end*, and put what to do next in line; return False if there is nothing to do."""
        found: list[Claim | _Reads] = []
        read: Claim | _Reads | None = None

        def step() -> tuple[Claim | _Reads | None, int]:
            nonlocal read
            settled = 0
            if isinstance(read, tuple):
                # The transaction that chose these reads was lost, and is taken again.
                self._has_read(read)
            # A process that takes over a claim looks at the provider before it sends anything, so
            # the worker that lost the claim has nothing to do.
            with suppress(ClaimLostError):
                settled = end() or 0
            read = None if self.stopping else self._take()
            return read, settled

        def then(taken: tuple[Claim | _Reads | None, int]) -> None:
            # Counted here and not in the step, which a store may have to take twice.
            todo, settled = taken
            self._count(settled)
            if todo is not None:
                found.append(todo)
                self._line.append(todo)

        await self._steps.keep(self._steps.ask(step, then))
        return bool(found)

    async def _do_first(self) -> _End:
        """Wait for a slot, do what is first in line, and return what writes how it ended.

        Another worker may have put it in line. In this way entries begin in the order of the plan,
        whichever worker gets a slot first.
        """
        while not await self._slots.acquire(self.context.deadline_s):
            pass
        try:
            todo = self._line.popleft()
            if self.stopping:
                return lambda: self._hand_back(todo)
            with suppress(ClaimLostError):
                if isinstance(todo, tuple):
                    return await self._learn_before(todo)
                return await (self._look(todo) if todo.kind == "look" else self._send(todo))
            return _nothing
        finally:
            self._slots.release()

    def _take(self) -> Claim | _Reads | None:
        # Looks at creates come last. One search settles many creates, and by then the job knows an
        # invoice of its own by which to check the search. Looks at updates come first, because an
        # unclear update delays the next one of its invoice; a look at a delete is a short read.
        taken: Claim | _Reads | None = self._take_look(creates=False)
        if taken is None and self.sends:
            taken = self._take_send()
        return taken or self._take_look(creates=True)

    def _take_look(self, *, creates: bool) -> Claim | None:
        if not self._looks_at_all:
            return None
        now = self._now()
        return self.ledger.claim_look(
            owner=self.settings.owner, now=now, lease=now + self._lease_s, creates=creates
        )

    def _take_send(self) -> Claim | _Reads | None:
        now, limits, before = self._now(), self._limits(), self._reads_before

        def claim(*, full: bool) -> Claim | None:
            return self.ledger.claim(
                owner=self.settings.owner,
                now=now,
                lease=now + self._lease_s,
                limits=limits,
                before=before,
                full=full,
            )

        if not before:
            return claim(full=False)
        # An invoice is best read just before it is changed, so only what the next request needs is
        # read ahead, and a worker waits while other workers are reading.
        return (
            claim(full=True)
            or self._take_unread()
            or (None if self._reading else claim(full=False))
        )

    def _take_unread(self) -> _Reads | None:
        # Each worker reads its part of a batch: a step of the ledger for each read costs more.
        workers = self._concurrency + min(self._concurrency, _AHEAD)
        most = max(self._limits()["update"] // workers, 1)
        # Under a lock, or two threads would choose the same invoice.
        with self._taking:
            reads = tuple(self.ledger.without_before(passing_over=self._reading.copy(), most=most))
            self._reading.update(each.seq for each in reads)
        return reads or None

    def _has_read(self, reads: _Reads) -> None:
        self._reading.difference_update(each.seq for each in reads)

    def _hand_back(self, taken: Claim | _Reads) -> int:
        now, why = self._now(), "the run was stopped"
        if isinstance(taken, tuple):
            self._has_read(taken)
        elif taken.kind == "send":
            self.ledger.release(taken, now=now, not_before=0.0, why=why)
        else:
            self.ledger.postpone(taken, now=now, not_before=now, why=why)
        return 0

    def _limits(self) -> dict[str, int]:
        """Return for each operation how many entries go into one request."""
        can = self.client.capabilities
        most = can.batch_limit or 1
        return {
            "create": 1,
            "update": most if can.supports(Feature.UPDATE_MANY) else 1,
            "delete": most,
        }

    @property
    def _looks_at_all(self) -> bool:
        # A run that sends nothing is asked for only to look.
        return self.settings.policy != "manual" or not self.sends

    @property
    def _reads_before(self) -> bool:
        """Whether an update needs to know the invoice as it was before."""
        return (
            not self.settings.sole_writer
            and self.settings.policy != "manual"
            and self.client.capabilities.supports(Feature.GET)
        )

    # The state before

    async def _learn_before(self, reads: _Reads) -> _End:
        """Read what updates are about to change; return what keeps it, before they are sent."""
        known: dict[str, str] = {}
        unread: dict[str, str] = {}

        def keep() -> int:
            try:
                self.ledger.keep_before(known)
                if unread:
                    self.ledger.put_off(unread)
            finally:
                self._has_read(reads)
            return 0

        try:
            for entry in reads:
                if self.stopping:
                    break
                try:
                    known[entry.id] = await self._before(entry)
                except (UsageError, AuthenticationError):
                    raise
                except BillingualError as error:
                    if await self._leaves_unread(entry, error):
                        unread[entry.id] = f"it could not be read before the update: {_told(error)}"
        except BaseException:
            self._has_read(reads)
            raise
        return keep

    async def _before(self, entry: Entry) -> str:
        """Read what an update is about to change, as JSON text."""
        self._requests += 1
        try:
            invoice = await read(self.context, cast("str", entry.target))
        except NotFoundError:
            before = "null"
        else:
            before = fields_of(invoice, changes_of(entry).given())
        self._failures = 0
        return before

    async def _leaves_unread(self, entry: Entry, error: BillingualError) -> bool:
        """After a failed read, pause; say whether the next run is to read that invoice instead."""
        if isinstance(error, (CircuitOpenError, RateLimitedError)):
            self._failed(error)
        else:
            # The failure may be about this invoice alone. So the other entries do not wait, and
            # only the first failure counts as a sign that the provider cannot be reached.
            self._looks[entry.seq] += 1
            if self._looks[entry.seq] == 1 and not isinstance(error, _REFUSALS):
                self._failed(error)
        if self._looks[entry.seq] > _LOOKS or not isinstance(error, _PASSING):
            return True
        await self.context.backend.sleep(self._pause_s(error))
        return False

    # Sending

    async def _send(self, claim: Claim) -> _End:
        if self._now() > claim.lease - self.context.deadline_s:
            # The process was suspended after the claim: the lease could end before the request.
            return lambda: self._hand_back(claim)
        self._requests += 1
        self._resent += any(each.attempts for each in claim.entries)
        try:
            safe, now = await self._may_send(claim), self._now()
            # A look may have taken long.
            if not safe or now > claim.lease - self.context.deadline_s:
                why = "not sent: its idempotency key may be forgotten"
                return partial(
                    self.ledger.unclear, claim,
                    now=now, not_before=now, status=None, why=why, refusal=None,
                )  # fmt: skip
            invoices, notes = await self._request(claim)
        except Exception as error:  # noqa: BLE001 - kept, and raised if it is not the write's
            end = self._end_of(claim, error)
            try:
                self._after_failure(error)
            except Exception:
                self._keep_at_end(end)
                raise
            return end
        except BaseException as stop:
            # Cancelled or interrupted. If that left nothing unclear, nothing was sent.
            unclear = unclear_from(stop)
            hand_back = partial(self._hand_back, claim)
            self._keep_at_end(hand_back if unclear is None else self._end_of(claim, unclear))
            raise
        now = self._now()

        def commit() -> int:
            self.ledger.commit(
                claim,
                now=now,
                invoices=invoices,
                notes=notes,
                late_check=now + self._late_arrival_s,
            )
            return len(claim.entries)

        self._succeeded += 1
        self._failures = self._denials = 0
        return commit

    async def _may_send(self, claim: Claim) -> bool:
        try:
            return await self._looker.may_send(claim, self._now())
        except BillingualError as error:
            if isinstance(error, (UsageError, AuthenticationError, *_PASSING)):
                raise
            return False  # and the look that is made then tells why

    async def _request(self, claim: Claim) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Send what a claim is about; return each entry's invoice, and what is odd about it."""
        client, (first, *_) = self.client, claim.entries
        if first.operation == "create":
            key = f"{self.nonce}-{first.seq}" if client.capabilities.idempotency_keys else None
            try:
                created = await client.create(draft_of(first), key=key)
            except OutcomeUnknown as unclear:
                made = () if unclear.intent is None else unclear.intent.invoice_ids
                if not made:
                    raise
                # The provider gave it an id; only a read after that failed.
                return {first.id: made[0]}, {}
            return {first.id: created.id}, _notes({first.id: created})
        targets = {each.id: cast("str", each.target) for each in claim.entries}
        if first.operation == "delete":
            await client.delete_many(targets.values())
            return targets, {}
        if client.capabilities.supports(Feature.UPDATE_MANY):
            pairs = tuple([(targets[each.id], changes_of(each)) for each in claim.entries])
            shown = {each.id: each for each in await update_many_quietly(client, pairs)}
            return targets, _notes(
                {each: shown[target] for each, target in targets.items() if target in shown}
            )
        return targets, _notes(
            {first.id: await client.update(targets[first.id], changes_of(first))}
        )

    def _end_of(self, claim: Claim, error: Exception) -> _End:
        """Return what keeps how a request ended that did not succeed."""
        now, ledger, why = self._now(), self.ledger, _told(error)
        # Not `error.status`, which of a LockedError is that of the invoice.
        status = getattr(getattr(error, "exchange", None), "status", None)
        unclear = partial(ledger.unclear, claim, now=now, status=status, why=why)
        release = partial(ledger.release, claim, now=now, why=why)
        if not isinstance(error, BillingualError) or error.maybe_applied or is_page(error):
            return partial(unclear, not_before=now + self._late_arrival_s, refusal=None)
        if isinstance(error, (UsageError, AuthenticationError)):
            return partial(release, not_before=0.0)
        if isinstance(error, _PASSING):
            return partial(release, not_before=now + self._pause_s(error))
        deletes = claim.entries[0].operation == "delete"
        if deletes or any(each.unclear for each in claim.entries):
            # If the unclear request succeeded, that alone can be why this one was refused. And no
            # provider documents that a refused deletion left all its invoices in place; a read
            # right after it may still show those that are gone.
            later = self._late_arrival_s if deletes else 0.0
            return partial(unclear, not_before=now + later, refusal=why)
        if len(claim.entries) > 1 and self.settings.bisect:
            return partial(ledger.split, claim, now=now, status=status, why=why)

        def reject() -> int:
            batch = "" if len(claim.entries) == 1 else REFUSED_BATCH
            reasons = {each.id: batch + why for each in claim.entries}
            ledger.reject(claim, now=now, reasons=reasons, status=status, why=why)
            return len(claim.entries)

        return reject

    def _after_failure(self, error: Exception) -> None:
        """Stop the run if every other write would fail in the same way."""
        if isinstance(error, (UsageError, AuthenticationError)) or not isinstance(
            error, BillingualError
        ):
            raise error
        if isinstance(error, PermissionDeniedError):
            # A token that may write nothing is refused for each write, though it may read.
            self._denials += 1
            self._raise_after_many(self._denials, error)
        elif isinstance(error, _PASSING) or is_page(error):
            self._failed(error)

    def _failed(self, error: BillingualError) -> None:
        # So many failures in a row mean that the provider cannot be reached.
        self._failures += 1
        self._raise_after_many(self._failures, error)

    def _raise_after_many(self, in_a_row: int, error: BillingualError) -> None:
        if in_a_row > 5 * self._concurrency + 5:
            raise error

    def _pause_s(self, error: BillingualError) -> float:
        told: float | None = getattr(error, "retry_after", None)
        # If requests of all workers fail at the same time, that counts as one failure.
        return told or min(2.0 ** min(self._failures // self._concurrency, 6), 60.0)

    # Looking

    async def _look(self, claim: Claim) -> _End:
        self._requests += 1
        succeeded, first = self._succeeded, claim.entries[0].seq
        try:
            look = await self._looker.look(claim, self._now())
        except BaseException as error:
            if not isinstance(error, BillingualError) or isinstance(
                error, (UsageError, AuthenticationError)
            ):
                self._keep_at_end(lambda: self._hand_back(claim))
                raise
            why = f"the look failed: {_told(error)}"
            self._looks[first] += 1
            postpone = partial(self._postpone, claim, why, 1.0)
            try:
                self._failed(error)
            except BillingualError:
                self._keep_at_end(postpone)
                raise
            return postpone
        self._failures = 0
        now = self._now()
        if not look.seen:
            self._looks[first] += 1
            return lambda: self._postpone(
                claim, look.why, self._wait_s(succeeded) if look.again_s is None else look.again_s
            )
        refused = all(each.state is State.REJECTED for each in look.seen.values())
        if refused and len(claim.entries) > 1 and self.settings.bisect:

            def split() -> int:
                self.ledger.split(claim, now=now, status=None, why=look.why)
                return 0

            return split

        back = [each for each, seen in look.seen.items() if seen.state is State.PLANNED]
        if back:
            self._vain[first] += 1
        tired = self._vain[first] > _VAIN

        def found() -> int:
            self.ledger.found(
                claim,
                now=now,
                seen=look.seen,
                late_check=now + self._late_arrival_s if look.check_late else None,
                not_before=now + (look.again_s or 0.0),
                why=look.why,
            )
            if tired:
                why = f"after {_VAIN + 1} requests it waits for the next run: {look.why}"
                self.ledger.put_off(dict.fromkeys(back, why))
            # An entry that is looked at again for a late double was counted before.
            return sum(
                each.state is State.UNKNOWN and look.seen[each.id].state is not State.PLANNED
                for each in claim.entries
                if each.id in look.seen
            )

        return found

    def _wait_s(self, succeeded: int) -> float:
        """Return the seconds until another look can tell more.

        Args:
            succeeded: how many writes of the job had succeeded when the last look began.
        """
        if succeeded != self._succeeded:
            return 0.0
        counts = self.ledger.counts()
        writes = counts.get(State.PLANNED, 0) if self.sends else 0
        return 1.0 if writes or counts.get(State.IN_FLIGHT) else NEVER

    def _postpone(self, claim: Claim, why: str, wait_s: float) -> int:
        first, now = claim.entries[0], self._now()
        if self._looks[first.seq] > _LOOKS:
            wait_s = NEVER
            why += f"; after {_LOOKS + 1} looks that told nothing it waits for the next run"
        self.ledger.postpone(claim, now=now, not_before=now + wait_s, why=why)
        return 0

    # Telling

    async def _tell(self, *, last: bool = False) -> None:
        on_progress, now = self.on_progress, self.context.backend.now()
        if on_progress is None or (now - self._told_at < PROGRESS_EVERY_S and not last):
            return
        # Until the count is done, so that no other worker begins one.
        self._told_at = NEVER
        counts = await self._in_thread(self.ledger.counts)
        counted_at = self.context.backend.now()
        # Counting a long job takes a while, and the ledger does nothing else meanwhile.
        self._told_at = counted_at + _COUNTING * (counted_at - now)
        on_progress(
            Progress(
                total=sum(counts.values()),
                counts=counts,
                requests=self._requests,
                resent=self._resent,
                elapsed_s=now - self._began,
                settled=self._settled,
            )
        )

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await self.context.backend.in_thread(call)


def _nothing() -> int:
    """Keep nothing: there is no result, or it is kept already."""
    return 0


def _notes(shown: Mapping[str, InvoiceSummary]) -> dict[str, str]:
    """Say for each entry where its response shows another value than was asked for."""
    return {
        entry: "; ".join(f"{each.path}: {each.reason}" for each in invoice.problems)
        for entry, invoice in shown.items()
        if invoice.problems
    }


def _told(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@attrs.define(eq=False)
class Steps:
    """The steps of the workers of one run, joined into one transaction.

    A transaction takes as long as the disk, whatever is in it. So one worker at a time takes what
    all of them asked for, and the others wait for it. Each step is durable before its worker goes
    on, exactly as if it had been alone. A worker that is cancelled leaves its step in line, where
    the end of the run takes it.

    Attributes:
        ledger: takes them.
        backend: how the workers wait.
    """

    ledger: Ledger
    backend: Backend
    _asked: deque[_Step[Any]] = attrs.field(factory=deque, init=False)
    _leading: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _turn: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def ask(self, call: Callable[[], T], then: Callable[[T], object]) -> _Step[T]:
        """Put *call* in line; the next transaction takes it along.

        Args:
            call: takes steps of the ledger. If it raises, those that it took before count.
            then: called with the value of *call* when all is durable, in the order of the calls.
        """
        step = _Step(call, then, self.backend.slots(0))
        self._asked.append(step)
        return step

    async def keep(self, step: _Step[T]) -> T:
        """Wait until *step* is durable; return its value, or raise its error."""
        while not step.ended:
            # Only one worker waits in a thread. If each did, all of them would have to wake up
            # there, one after another, while the event loop is busy.
            if self._leading.acquire(blocking=False):
                try:
                    taken = await self.backend.in_thread(self.take)
                finally:
                    self._leading.release()
                for each in (*taken, *list(self._asked)[:1]):
                    each.wake.release()
            else:
                await step.wake.acquire(_PATIENCE_S)
        return step.result()

    def take(self) -> list[_Step[Any]]:
        """Take all that was asked for in one transaction; return what that was.

        The transaction of a worker that was cancelled goes on in its thread, and is waited for.
        """
        with self._turn:
            steps = [self._asked.popleft() for _ in range(len(self._asked))]
            if steps:
                self._take_all(steps)
            return steps

    def _take_all(self, steps: list[_Step[Any]]) -> None:
        def take() -> None:
            for each in steps:
                each.take()

        try:
            self.ledger.together(take)
        except BaseException as error:  # noqa: BLE001 - raised where each step is waited for
            for each in steps:
                each.fail(error)
        else:
            for each in steps:
                each.keep()


@attrs.define(eq=False)
class _Step(Generic[T]):
    """What one worker asked for; a slot of *wake* is free when it is to look at it again."""

    call: Callable[[], T]
    then: Callable[[T], object]
    wake: Slots
    ended: bool = False
    value: list[T] = attrs.field(factory=list)
    error: BaseException | None = None

    def take(self) -> None:
        # The transaction may be the second one, after the first was lost.
        self.value, self.error = [], None
        # An interrupt is no failure of this step: it undoes the transaction.
        try:
            self.value.append(self.call())
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            self.error = error

    def fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.ended = True

    def keep(self) -> None:
        if self.error is None:
            self.then(self.value[0])
        self.ended = True

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value[0]
