"""Carry the entries of a ledger out: claim, send, keep the end; where it is unclear, look.

The order of the steps is what keeps a write from being lost or doubled, whenever the process dies:

1. *In flight* is on the disk before the first byte of the request leaves.
2. The end is on the disk before anything else is told of it.
3. What was in flight when a process died is unclear, never planned: it may have been carried out.
4. An unclear end is looked into only when no late request can arrive any more (*settle_s*).
5. A write goes back to the plan only if its request provably did nothing, or if the look shows the
   state from before it and the job's policy allows a resend.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar, cast

import attrs

from billingual.capabilities import Feature
from billingual.errors import (
    AuthenticationError,
    BillingualError,
    CircuitOpenError,
    DeadlineExceededError,
    NotFoundError,
    OutcomeUnknown,
    ProviderError,
    RateLimitedError,
    ServerError,
    TransportError,
    UsageError,
)
from billingual.jobs.entry import Entry, State, changes_of, draft_of
from billingual.jobs.ledger import Claim, ClaimLostError, Ledger, Seen
from billingual.jobs.planning import fields_of
from billingual.jobs.report import Progress
from billingual.model import differing_fields
from billingual.outcomes import Intent
from billingual.wire import WireRequest

if TYPE_CHECKING:
    from billingual.client import AsyncClient
    from billingual.abc import Backend
    from billingual.model import Changes, Invoice
    from billingual.reconcile.result import Reconciliation

__all__ = ["Policy", "Runner", "Settings"]

T = TypeVar("T")

Policy: TypeAlias = Literal["reconcile_then_resend", "reconcile", "manual"]
"""What a job does about an unclear end.

``reconcile_then_resend`` looks at the provider, and sends again what provably is not there.
``reconcile`` looks, and leaves what is not there for a person. ``manual`` does not even look.
"""

NEVER: Final = 9e15
"""A time that does not come: nothing more is done about the entry in this run."""

_LOOKS: Final = 5
"""Looks in one run that may tell nothing, for one entry, before the run leaves it to a person."""

_KEY_LIFE_S: Final = 20 * 3600.0
"""Seconds for which a provider's idempotency key is trusted.

Stripe forgets keys after 24 hours at the earliest.
Source: https://docs.stripe.com/api/idempotent_requests
"""

_PASSING: Final = (
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitedError,
    ServerError,
    TransportError,
)
"""Errors that say nothing about the write: it may go better later."""


@attrs.frozen(kw_only=True)
class Settings:
    """How a job is run; see :class:`~billingual.jobs.AsyncJob` for each."""

    policy: Policy
    settle_s: float
    bisect: bool
    sole_writer: bool
    lease_s: float
    owner: str
    nonce: str


@attrs.define(eq=False)
class Runner:
    """One run of a job.

    Attributes:
        client: sends the requests.
        backend: the client's.
        ledger: the job.
        settings: how.
        on_progress: told after each request.
    """

    client: AsyncClient
    backend: Backend
    ledger: Ledger
    settings: Settings
    on_progress: Callable[[Progress], object] | None = None
    stopping: bool = False
    _started: float = attrs.field(default=0.0, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _resent: int = attrs.field(default=0, init=False)
    _settled: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _concurrency: int = attrs.field(default=1, init=False)
    _looks: Counter[int] = attrs.field(factory=Counter, init=False)
    _reading: set[int] = attrs.field(factory=set, init=False)
    _given_up: dict[int, float] = attrs.field(factory=dict, init=False)

    async def run(self, concurrency: int) -> None:
        """Work until all is settled, or nothing more can be done.

        Raises:
            BillingualError: if the provider refuses the credential, or does not respond at all, or
                the ledger cannot be written. The job can be run again.
        """
        backend = self.backend
        self._started, self._concurrency = backend.now(), concurrency
        self._report_progress()
        pool = backend.task_pool(concurrency)
        try:
            jobs = [pool.start(self._work, lambda: None) for _ in range(concurrency)]
            failed: BaseException | None = None
            for job in jobs:
                try:
                    await job.result()
                except Exception as error:  # noqa: BLE001 - raised below, when all have stopped
                    failed, self.stopping = failed or error, True
            if failed is not None:
                raise failed
        except BaseException:
            self.stopping = True
            raise
        finally:
            await pool.aclose()

    async def _work(self) -> None:
        while not self.stopping:
            if await self._step():
                continue
            wait_s = await self._in_thread(self._idle_s)
            if wait_s is None:
                return
            await self.backend.sleep(wait_s)

    def _idle_s(self) -> float | None:
        """Return how long there is nothing to do, or None if there is nothing to come."""
        now = self.backend.wall()
        due = self.ledger.next_due(now=now)
        if due is not None and due < NEVER:
            return min(max(due - now, 0.01), 1.0)
        # Another worker's request may end unclear, or set the next write of its invoice free.
        return 0.05 if self.ledger.counts().get(State.IN_FLIGHT) else None

    async def _step(self) -> bool:
        """Do one thing; False if there is nothing to do now."""
        if await self._learn_before():
            return True
        if self.settings.policy != "manual":
            look = await self._claim(self._claim_look)
            if look is not None:
                await self._look(look)
                return True
        claim = await self._claim(self._claim_send)
        if claim is None:
            return False
        await self._send(claim)
        return True

    # Claims

    def _claim_look(self) -> Claim | None:
        now = self.backend.wall()
        return self.ledger.claim_look(
            owner=self.settings.owner, now=now, lease=now + self.settings.lease_s
        )

    def _claim_send(self) -> Claim | None:
        now = self.backend.wall()
        return self.ledger.claim(
            owner=self.settings.owner,
            now=now,
            lease=now + self.settings.lease_s,
            limits=self.limits(),
            before=self.reads_before,
        )

    def limits(self) -> dict[str, int]:
        """Return for each operation how many entries go into one request."""
        can = self.client.capabilities
        most = can.batch_limit or 1
        return {
            "create": 1,
            "update": most if can.supports(Feature.UPDATE_MANY) else 1,
            "delete": most,
        }

    @property
    def reads_before(self) -> bool:
        """Whether an update needs to know the invoice as it was before."""
        return (
            not self.settings.sole_writer
            and self.settings.policy != "manual"
            and self.client.capabilities.supports(Feature.GET)
        )

    async def _claim(self, claim: Callable[[], Claim | None]) -> Claim | None:
        taken: list[Claim] = []

        def take() -> None:
            found = claim()
            if found is not None:
                taken.append(found)

        try:
            await self._in_thread(take)
        except BaseException:
            # Cancelled while the thread worked: what it claimed was not sent.
            for each in taken:
                self._hand_back(each)
            raise
        return taken[0] if taken else None

    def _hand_back(self, claim: Claim) -> None:
        now = self.backend.wall()
        if claim.kind == "send":
            self.ledger.release(claim, now=now, not_before=0.0, why="the run was stopped")
        else:
            self.ledger.postpone(claim, now=now, not_before=now, why="the run was stopped")

    # The state before

    async def _learn_before(self) -> bool:
        """Read and keep what an update is going to change, before it can be in flight."""
        if not self.reads_before:
            return False
        entry = await self._in_thread(self._next_to_read)
        if entry is None:
            return False
        try:
            assert entry.target is not None  # noqa: S101 - of an update
            try:
                invoice = await self.client.get(entry.target)
            except (NotFoundError, OutcomeUnknown):
                known = "{}"
            except BillingualError as error:
                if isinstance(error, (UsageError, AuthenticationError)):
                    raise
                await self._failed(error)
                return True
            else:
                known = fields_of(invoice, changes_of(entry).given())
            await self._in_thread(lambda: self.ledger.keep_before(entry.id, known))
        finally:
            self._reading.discard(entry.seq)
        return True

    def _next_to_read(self) -> Entry | None:
        entry = self.ledger.next_without_before(passing_over=self._reading)
        if entry is not None:
            self._reading.add(entry.seq)
        return entry

    # Sending

    async def _send(self, claim: Claim) -> None:
        self._requests += 1
        self._resent += any(each.unclear for each in claim.entries)
        try:
            invoices = await self._request(claim)
        except BaseException as error:
            if not isinstance(error, Exception):
                # Cancelled or interrupted. There is no time to wait for a thread.
                self._unclear(claim, error)
                raise
            await self._in_thread(lambda: self._keep_failure(claim, error))
            await self._after_failure(error)
        else:
            await self._in_thread(
                lambda: self.ledger.commit(
                    claim,
                    now=self.backend.wall(),
                    invoices=invoices,
                    late_check=self.backend.wall() + self.settings.settle_s,
                    why="it succeeded",
                )
            )
            self._failures = 0
            self._settled += len(claim.entries)
        self._report_progress()

    async def _request(self, claim: Claim) -> dict[str, str]:
        """Send what a claim is about; return each entry's invoice."""
        client, (first, *_) = self.client, claim.entries
        if first.operation == "create":
            key = self._key(first) if client.capabilities.idempotency_keys else None
            created = await client.create(draft_of(first), key=key)
            return {first.id: created.id}
        ids = {each.id: cast(str, each.target) for each in claim.entries}
        if first.operation == "delete":
            await client.delete_many(list(ids.values()))
        elif client.capabilities.supports(Feature.UPDATE_MANY):
            await client.update_many(
                [(ids[each.id], changes_of(each)) for each in claim.entries]
            )
        else:
            await client.update(ids[first.id], changes_of(first))
        return ids

    def _key(self, entry: Entry) -> str:
        return f"{self.settings.nonce}-{entry.seq}"

    def _keep_failure(self, claim: Claim, error: Exception) -> None:
        """Keep how a request ended that did not succeed."""
        now, ledger = self.backend.wall(), self.ledger
        status = getattr(error, "status", None)
        why = _told(error)
        if isinstance(error, ClaimLostError):
            raise error
        if not isinstance(error, BillingualError) or error.maybe_applied:
            self._unclear(claim, error)
        elif isinstance(error, (UsageError, AuthenticationError)):
            ledger.release(claim, now=now, not_before=0.0, why=why)
        elif isinstance(error, _PASSING):
            wait_s = getattr(error, "retry_after", None) or min(2.0**self._failures, 60.0)
            ledger.release(claim, now=now, not_before=now + wait_s, why=why)
        elif claim.entries[0].operation == "delete" or any(e.unclear for e in claim.entries):
            # A refusal after an unclear request may be the echo of its success; and that a refused
            # deletion left all invoices in place is documented by no provider.
            self._unclear(claim, error)
        elif len(claim.entries) > 1 and self.settings.bisect:
            ledger.split(claim, now=now, status=status, why=why)
        else:
            batch = "" if len(claim.entries) == 1 else "its batch was refused as a whole: "
            ledger.reject(
                claim,
                now=now,
                reasons={each.id: batch + why for each in claim.entries},
                status=status,
                why=why,
            )
            self._settled += len(claim.entries)

    def _unclear(self, claim: Claim, error: BaseException) -> None:
        now = self.backend.wall()
        for each in claim.entries:
            self._given_up[each.seq] = self.backend.now()
        self.ledger.unclear(
            claim,
            now=now,
            not_before=now + self.settings.settle_s,
            status=getattr(error, "status", None),
            why=_told(error),
        )

    async def _after_failure(self, error: Exception) -> None:
        """Stop the run if what went wrong would go wrong with every other write too."""
        if isinstance(error, (UsageError, AuthenticationError, ClaimLostError)) or not isinstance(
            error, BillingualError
        ):
            raise error
        if isinstance(error, _PASSING):
            await self._failed(error)

    async def _failed(self, error: BillingualError) -> None:
        self._failures += 1
        if self._failures > 5 * self._concurrency + 5:
            raise error

    # Looking

    async def _look(self, claim: Claim) -> None:
        self._requests += 1
        wait_s = self._too_early_s(claim)
        if wait_s > 0:
            # The wall clock was put forward; the time that passed is too short.
            await self._postpone(claim, wait_s, "a late request may still arrive")
            return
        operation = claim.entries[0].operation
        look = {"create": self._look_for_created, "delete": self._look_for_deleted}.get(
            operation, self._look_for_updated
        )
        try:
            await look(claim)
        except BaseException as error:
            if not isinstance(error, BillingualError) or isinstance(
                error, (UsageError, AuthenticationError)
            ):
                self._hand_back(claim)
                raise
            await self._postpone(claim, 1.0, f"the look failed: {_told(error)}")
            await self._failed(error)
        self._report_progress()

    def _too_early_s(self, claim: Claim) -> float:
        now = self.backend.now()
        return max(
            self._given_up.get(each.seq, -NEVER) + self.settings.settle_s - now
            for each in claim.entries
        )

    async def _postpone(self, claim: Claim, wait_s: float, why: str) -> None:
        first = claim.entries[0]
        self._looks[first.seq] += 1
        now = self.backend.wall()
        last = self._looks[first.seq] > _LOOKS and first.state is State.UNKNOWN
        until = NEVER if last else now + wait_s
        await self._in_thread(
            lambda: self.ledger.postpone(claim, now=now, not_before=until, why=why)
        )

    async def _found(
        self,
        claim: Claim,
        seen: dict[str, Seen],
        *,
        late_check: float | None = None,
        why: str,
    ) -> None:
        now = self.backend.wall()
        await self._in_thread(
            lambda: self.ledger.found(claim, now=now, seen=seen, late_check=late_check, why=why)
        )
        self._settled += sum(each.state is not State.PLANNED for each in seen.values())

    async def _look_for_created(self, claim: Claim) -> None:
        (entry,) = claim.entries
        now, settings = self.backend.wall(), self.settings
        late = entry.state is State.COMMITTED
        may_resend = settings.policy == "reconcile_then_resend"
        if (
            may_resend
            and not late
            and self.client.capabilities.idempotency_keys
            and now - claim.given_up_at < _KEY_LIFE_S
        ):
            again = {entry.id: Seen(state=State.PLANNED)}
            await self._found(claim, again, why="its idempotency key makes a resend safe")
            return
        seen = await self._search(entry, claim.given_up_at)
        same = [each.id for each in seen.candidates if each.number == entry.number]
        if len(same) > 1:
            why = f"{len(same)} invoices have its number: {', '.join(same)}"
            found = Seen(state=State.DOUBLED, reason=why)
        elif late:
            # There is one of it, though another program may have changed it since.
            found = Seen(state=State.COMMITTED)
        elif seen.invoice is not None:
            found = Seen(state=State.COMMITTED, invoice_id=seen.invoice.id)
        elif same:
            found = Seen(state=State.CONFLICT, reason=seen.why)
        elif seen.absent and may_resend:
            found = Seen(state=State.PLANNED)
        else:
            wait_s = NEVER if seen.absent else seen.ask_again_s or 1.0
            await self._postpone(claim, wait_s, seen.why)
            return
        check_again = found.state is State.COMMITTED and not late
        late_check = now + settings.settle_s if check_again else None
        await self._found(claim, {entry.id: found}, late_check=late_check, why=seen.why)

    async def _search(self, entry: Entry, given_up_at: float) -> Reconciliation:
        """Look for the invoice of a create, which a known one of this job vouches for."""
        known = await self._in_thread(self.ledger.last_created)
        return await self.client.reconcile(
            OutcomeUnknown(
                "a request of a job had an unclear end",
                provider=self.client.capabilities.provider,
                operation="create",
                request=WireRequest(method="POST", path=""),
                likely="unclear",
                intent=Intent(operation="create", draft=draft_of(entry)),
                given_up_at=given_up_at,
            ),
            known_invoice=None if known is None else await self.client.get(known),
            late_arrival_s=self.settings.settle_s,
        )

    async def _look_for_updated(self, claim: Claim) -> None:
        if not self.client.capabilities.supports(Feature.GET):
            await self._no_way(claim)
            return
        seen: dict[str, Seen] = {}
        as_before: list[str] = []
        for entry in claim.entries:
            changes = changes_of(entry)
            try:
                invoice = await self.client.get(cast(str, entry.target))
            except NotFoundError:
                why = "the invoice is not there any more"
                seen[entry.id] = Seen(state=State.CONFLICT, reason=why)
                continue
            unlike = differing_fields(changes.given(), invoice)
            if not unlike:
                seen[entry.id] = Seen(state=State.COMMITTED, invoice_id=entry.target)
            elif self._is_as_before(entry, changes, invoice):
                as_before.append(entry.id)
            else:
                why = f"{', '.join(unlike)}: neither what was sent nor what was there before"
                seen[entry.id] = Seen(state=State.CONFLICT, reason=why)
        may_resend = self.settings.policy == "reconcile_then_resend"
        if seen:
            # A batch is done as a whole or not at all, so another program was there meanwhile.
            why = "others of its batch were changed, and this one is as it was before"
            seen |= {each: Seen(state=State.CONFLICT, reason=why) for each in as_before}
            await self._found(claim, seen, why="read one by one")
        elif may_resend:
            again = {each: Seen(state=State.PLANNED) for each in as_before}
            await self._found(claim, again, why="all is as it was before")
        else:
            await self._postpone(claim, NEVER, "it was not carried out, and is not sent again")

    def _is_as_before(self, entry: Entry, changes: Changes, invoice: Invoice) -> bool:
        if self.settings.sole_writer:
            return True
        known = json.loads(entry.before or "{}")
        return bool(known) and json.loads(fields_of(invoice, changes.given())) == known

    async def _look_for_deleted(self, claim: Claim) -> None:
        if not self.client.capabilities.supports(Feature.GET):
            await self._no_way(claim)
            return
        seen: dict[str, Seen] = {}
        for entry in claim.entries:
            try:
                await self.client.get(cast(str, entry.target))
            except NotFoundError:
                seen[entry.id] = Seen(state=State.COMMITTED, invoice_id=entry.target)
            else:
                often = entry.attempts > _LOOKS
                why = "it is still there after several deletions" if often else ""
                state = State.CONFLICT if often else State.PLANNED
                seen[entry.id] = Seen(state=state, reason=why)
        await self._found(claim, seen, why="read one by one")

    async def _no_way(self, claim: Claim) -> None:
        why = f"{self.client.capabilities.provider} documents no way to read it back"
        await self._postpone(claim, NEVER, why)

    # Telling

    def _report_progress(self) -> None:
        if self.on_progress is None:
            return
        counts = self.ledger.counts()
        self.on_progress(
            Progress(
                total=sum(counts.values()),
                counts=counts,
                requests=self._requests,
                resent=self._resent,
                elapsed_s=self.backend.now() - self._started,
                settled=self._settled,
            )
        )

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await self.backend.in_thread(call)


def _told(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
