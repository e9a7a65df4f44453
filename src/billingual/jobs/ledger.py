"""The seam to the store of a job: which steps a ledger takes, each in one transaction.

A ledger is asked from several threads, and each method either takes its whole step durably or
raises and takes none. The rules that keep a write from being lost or doubled are the store's own
(constraints and triggers), so that a fault of the job cannot break them:

- An entry changes its state only along :data:`LEGAL`.
- No two entries have one invoice number.
- Of all entries about one invoice at most one is unsettled (in flight or unknown).
- Requests, and the decisions of people, are added and never changed or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import attrs

from billingual.errors import BillingualError, UsageError
from billingual.jobs.entry import Decision, Entry, Request, State

__all__ = [
    "LEGAL",
    "NEVER",
    "Claim",
    "ClaimLostError",
    "Ledger",
    "LedgerError",
    "LedgerInUseError",
    "NewEntry",
    "PlanConflictError",
    "Seen",
    "can_resolve",
]

T = TypeVar("T")

LEGAL: Final[frozenset[tuple[State, State]]] = frozenset(
    {
        (State.PLANNED, State.IN_FLIGHT),
        (State.PLANNED, State.ABANDONED),
        # Back to the plan only where provably nothing was carried out.
        (State.IN_FLIGHT, State.PLANNED),
        (State.IN_FLIGHT, State.COMMITTED),
        (State.IN_FLIGHT, State.REJECTED),
        (State.IN_FLIGHT, State.UNKNOWN),
        (State.UNKNOWN, State.COMMITTED),
        (State.UNKNOWN, State.REJECTED),
        (State.UNKNOWN, State.CONFLICT),
        (State.UNKNOWN, State.DOUBLED),
        (State.UNKNOWN, State.PLANNED),
        (State.UNKNOWN, State.ABANDONED),
        # A late request may double what was there once.
        (State.COMMITTED, State.DOUBLED),
        # A person's decisions.
        (State.CONFLICT, State.COMMITTED),
        (State.CONFLICT, State.ABANDONED),
        (State.CONFLICT, State.PLANNED),
        (State.DOUBLED, State.COMMITTED),
        (State.DOUBLED, State.ABANDONED),
        (State.REJECTED, State.PLANNED),
        (State.REJECTED, State.ABANDONED),
    }
)
"""The steps that an entry may take from one state to the next."""

NEVER: Final = 9e15
"""A time that does not come: nothing more is done about the entry in this run."""


_DECIDED: Final[Mapping[State, frozenset[State]]] = {
    State.PLANNED: frozenset({State.ABANDONED}),
    State.UNKNOWN: frozenset({State.COMMITTED, State.ABANDONED, State.PLANNED}),
    State.CONFLICT: frozenset({State.COMMITTED, State.ABANDONED, State.PLANNED}),
    State.DOUBLED: frozenset({State.COMMITTED, State.ABANDONED}),
    State.REJECTED: frozenset({State.ABANDONED, State.PLANNED}),
}


def can_resolve(before: State, after: State) -> bool:
    """Whether a person may decide so: some legal steps belong to requests and looks alone."""
    return after in _DECIDED.get(before, ())


class LedgerError(BillingualError):
    """The ledger's file cannot be used or written; what was sent before is in it."""


class LedgerInUseError(UsageError):
    """Another process works with this ledger."""


class ClaimLostError(BillingualError):
    """The lease of a claim ended, and another process took the entries over.

    Nothing is lost: that process looks at the provider before it sends anything.
    """


class PlanConflictError(UsageError):
    """The ledger has another write under the same id.

    Attributes:
        entry_id: the id.
        in_ledger: the body in the ledger, as JSON text; None after a purge.
        planned_now: the body that was planned now.
    """

    def __init__(
        self, message: str, *, entry_id: str, in_ledger: str | None, planned_now: str
    ) -> None:
        super().__init__(message)
        self.entry_id = entry_id
        self.in_ledger = in_ledger
        self.planned_now = planned_now


@attrs.frozen(kw_only=True)
class NewEntry:
    """One write to be put into a ledger; see :class:`~billingual.jobs.Entry` for the fields."""

    id: str
    operation: str
    target: str | None
    number: str | None
    body: str
    body_hash: str
    before: str | None = None


@attrs.frozen(kw_only=True)
class Seen:
    """What a look at the provider showed about one entry.

    Attributes:
        state: the state that this puts the entry in.
        reason: why, in words; empty where there is nothing to explain.
        invoice_id: the invoice that the entry made or changed; None where it is not known.
    """

    state: State
    reason: str = ""
    invoice_id: str | None = None


@attrs.frozen(kw_only=True)
class Claim:
    """Entries that one request or look is about; they share its end.

    Attributes:
        kind: ``send`` or ``look``.
        request: the id of the request, under which the end is reported.
        owner: who claimed them.
        lease: until when they are the owner's, in seconds since 1970-01-01 UTC.
        entries: the entries in the order of the plan, as they were before the claim.
        given_up_at: for a look: when the last request for them was given up.
        due: for a look: from when on it could be made.
    """

    kind: str
    request: int
    owner: str
    lease: float
    entries: tuple[Entry, ...]
    given_up_at: float = 0.0
    due: float = 0.0


class Ledger(Protocol):
    """The durable memory of one job; safe to share between threads.

    Attributes:
        note: what a person should know about how the job is kept; None if there is nothing.

    Each method is one step: all of it is durable when the method returns. It raises
    :class:`LedgerError` if the store cannot take the step or if the step is not legal, and then
    nothing of it was taken. Times are seconds since 1970-01-01 UTC and come from the caller.
    Inside :meth:`together` several steps become durable at once, which is what a disk takes longest
    for.

    Several processes may work with a store that is made for it. Each claim has a lease then, and
    ends with it: the entries are unclear, and the process that held them hears of it with its next
    step.
    """

    @property
    def note(self) -> str | None:
        """What a person should know about how the job is kept."""
        ...

    def clock(self, now: float) -> float:
        """Return the time by which claims, leases and waits are kept; *now* is this machine's.

        Where runs on several machines share a job, it is the store's: a machine whose clock is
        wrong would end the leases of others too soon.
        """
        ...

    def together(self, call: Callable[[], T]) -> T:
        """Take all steps of *call* in one transaction: they are durable when this returns.

        A step that raises inside takes nothing; the other steps count. If *call* raises, or the
        store cannot keep it, none of its steps is taken. Other threads wait meanwhile.

        Args:
            call: does nothing but take steps. It is called again where a store loses the connection
                to its server, or has to end one of two transactions that wait for one another.

        Returns:
            What *call* returned, the last time.

        Raises:
            LedgerError: if the store could not keep the steps.
        """
        ...

    def bind(self, provider: str, account: Sequence[str | None], *, now: float) -> str:
        """Keep which account the job is about, or check that it is the one that was kept.

        Returns:
            A random text that was made with the ledger, for idempotency keys.

        Raises:
            UsageError: if the ledger belongs to another account.
        """
        ...

    def keep_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Keep options of the job, in place of those of the same names; JSON can hold each.

        Returns:
            All that were kept before.
        """
        ...

    def add(self, entries: Iterable[NewEntry]) -> int:
        """Add entries; those whose id and body are known are passed over.

        All of them are added or, if this raises, none.

        Returns:
            How many are new.

        Raises:
            PlanConflictError: if an id is known with another body.
            InvalidInputError: if a number is taken by another entry, or a text is no Unicode.
        """
        ...

    def number_of(self, entry_id: str) -> str | None:
        """Return the number that an entry has, or None if there is no such entry."""
        ...

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry, or None if there is no such entry."""
        ...

    def claim(
        self,
        *,
        owner: str,
        now: float,
        lease: float,
        limits: Mapping[str, int],
        before: bool,
        full: bool,
    ) -> Claim | None:
        """Mark the next entries as in flight, durably, before a request for them is sent.

        Entries of one claim are of one operation, at most as many as *limits* says for it, and
        about different invoices. An entry waits for all earlier ones about its invoice. With
        *before*, an update also waits until the state from before it is kept. With *full*, only
        as many entries as the limit allows are taken, or none.
        """
        ...

    def without_before(self, *, passing_over: Collection[int], most: int) -> list[Entry]:
        """List up to *most* planned updates of which the state from before is not kept yet."""
        ...

    def keep_before(self, before: Mapping[str, str]) -> None:
        """Keep for each of some updates, by its id, the fields that it changes as they were before.

        They are JSON text. What was kept once stays.
        """
        ...

    def put_off(self, reasons: Mapping[str, str]) -> None:
        """Leave planned entries, given by their ids with the reason, to the next run."""
        ...

    def commit(
        self,
        claim: Claim,
        *,
        now: float,
        invoices: Mapping[str, str],
        notes: Mapping[str, str],
        late_check: float,
    ) -> None:
        """The provider carried the claim out.

        *invoices* has the invoice's id for each entry's id, and *notes* what a person should know
        about some. A create that had an unclear request before is looked for again at *late_check*.

        Raises:
            ClaimLostError: if the claim was taken over; likewise for the next methods.
        """
        ...

    def reject(
        self, claim: Claim, *, now: float, reasons: Mapping[str, str], status: int | None, why: str
    ) -> None:
        """The provider refused the claim, and no request for it was ever carried out."""
        ...

    def release(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """This request provably did nothing: back to the plan."""
        ...

    def split(self, claim: Claim, *, now: float, status: int | None, why: str) -> None:
        """The batch was refused: its halves go back to the plan as batches of their own.

        Each half stays together, also when it is sent again after the process died.
        """
        ...

    def unclear(
        self,
        claim: Claim,
        *,
        now: float,
        not_before: float,
        status: int | None,
        why: str,
        refusal: str | None,
    ) -> None:
        """The request may have been carried out: look not before that time.

        With a *refusal* this request was not carried out, but an earlier one may have been.
        """
        ...

    def claim_look(
        self, *, owner: str, now: float, lease: float, creates: bool = True
    ) -> Claim | None:
        """Take entries whose end is unclear, or that need a late check, to look at the provider.

        Without *creates*, only updates and deletes.
        """
        ...

    def found(
        self,
        claim: Claim,
        *,
        now: float,
        seen: Mapping[str, Seen],
        late_check: float | None,
        not_before: float,
        why: str,
    ) -> None:
        """A look showed something about the entries of *seen*; for the others look again.

        *late_check* is when to look again whether a late request has doubled the seen ones,
        *not_before* when to look again at the others.
        """
        ...

    def postpone(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """A look told nothing yet: look again, not before that time."""
        ...

    def recover(self, *, now: float, late_arrival_s: float) -> int:
        """Begin a run: what was in flight with a process that ended is unclear.

        What an earlier run gave up on is to be looked at again. Unless that was hours ago it has
        to wait for *late_arrival_s* anew: the clock may have been put forward meanwhile. Where the
        clock was put back, no entry waits for the time that was. What was put off is ready again.

        Returns:
            How many entries were in flight.
        """
        ...

    def end_leases(self, *, now: float, late_arrival_s: float) -> int:
        """During a run: what is in flight under a lease that ended is unclear.

        Returns:
            How many entries that concerned.
        """
        ...

    def resolve(
        self,
        entry_id: str,
        state: State,
        *,
        now: float,
        by: str,
        note: str,
        invoice_id: str | None,
    ) -> Entry:
        """Keep what a person decided about an entry.

        An entry that is not committed and not in flight can be abandoned. One that is unknown, in
        conflict or doubled can be committed; one that is unknown, in conflict or rejected can be
        planned anew. A look at it that is under way loses its claim.

        Raises:
            UsageError: if there is no such entry, if it is in a state that needs no such decision,
                or if *by* is empty.
            InvalidInputError: if it is a create that is to be committed, and neither *invoice_id*
                nor the entry names its invoice.
        """
        ...

    def counts(self) -> dict[State, int]:
        """Count the entries in each state."""
        ...

    def adopted(self) -> int:
        """Count the committed entries that had a request with an unclear end."""
        ...

    def next_due(self, *, now: float, sends: bool, looks: bool) -> float | None:
        """Return when there is something to do next, or None if all is settled or blocked.

        Without *sends*, what is planned does not count; without *looks*, what is unclear.
        """
        ...

    def is_working(self) -> bool:
        """Whether a run has claimed entries that it has not ended yet."""
        ...

    def of_others(self, entry_id: str, shown: Iterable[tuple[str, str | None]]) -> set[str]:
        """Say which invoices, given by id and number, are those of other entries.

        An invoice is another entry's if that is known to have made it, or has its number and is
        not known to have made another.
        """
        ...

    def entries(
        self, states: Iterable[State], after: int, most: int, *, bodies: bool = True
    ) -> list[Entry]:
        """List up to *most* entries after a place in the plan; without states, of all.

        Without *bodies*, each has None in the place of its body and of the fields as they were
        before: both may be long.
        """
        ...

    def requests(self, entry_id: str) -> list[Request]:
        """List the requests and looks for one entry, in their order."""
        ...

    def decisions(self, entry_id: str) -> list[Decision]:
        """List what people decided about one entry."""
        ...

    def last_created(self, most: int) -> list[str]:
        """List the invoices of the last creates that succeeded without a doubt, newest first.

        Payables are left out, as lists may not show them.
        """
        ...

    def purge(self, *, before: float) -> int:
        """Forget the bodies of settled entries that ended before a time; their hashes stay."""
        ...

    def close(self) -> None:
        """Close the store; closing twice is no error."""
        ...
