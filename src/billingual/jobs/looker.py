"""Find out what became of entries whose request had an unclear end, by reading alone.

A look says for each entry which state the provider shows, or why that cannot be told and when to
look again. The runner asks for it when no late request can arrive any more.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import attrs

from billingual._context import ClientContext
from billingual._pipeline import Operation, dialect_for, execute
from billingual.abc import FindsDrafts, Sightings, Slots
from billingual.capabilities import Feature
from billingual.errors import NotFoundError
from billingual.jobs.entry import Entry, State, changes_of, draft_of
from billingual.jobs.ledger import NEVER, Claim, Ledger, Seen
from billingual.jobs.planning import fields_of, letters_of
from billingual.model import differing_fields
from billingual.outcomes import Finding, Intent
from billingual.reconcile.readback import read
from billingual.reconcile.reconciler import Reconciler

if TYPE_CHECKING:
    from billingual.model import Draft, Invoice, InvoiceSummary
    from billingual.reconcile.result import Reconciliation

__all__ = ["Look", "Looker", "Searches"]

_PATIENCE_S: Final = 3600.0
_KEY_LIFE_S: Final = 20 * 3600.0
"""Seconds for which a provider's idempotency key is trusted.

Stripe forgets keys after 24 hours at the earliest.
Source: https://docs.stripe.com/api/idempotent_requests
"""

_DELETIONS: Final = 5
"""Requests after which an invoice that is still there is left to a person."""

_VOUCHERS: Final = 3
"""A search must find one of so many invoices that the job created last, or it proves no absence.

So few, because a list that shows no new invoices any more still shows older ones."""

Kind: TypeAlias = Callable[[Claim, float], Awaitable["Look"]]


@attrs.frozen(kw_only=True)
class Look:
    """What a look showed.

    Attributes:
        why: what was seen, in words.
        seen: the state of each entry that could be told, by the entry's id.
        again_s: seconds until the entries that could not be told are worth another look; None if
            only further writes of the job can make it tell more, ``NEVER`` if nothing can.
        check_late: whether to look once more, later, if a late request has doubled a create.
    """

    why: str
    seen: Mapping[str, Seen] = attrs.field(factory=dict)
    again_s: float | None = None
    check_late: bool = False


@attrs.frozen(kw_only=True)
class Looker:
    """Look at the provider for the entries of one ledger.

    Attributes:
        context: the client's.
        ledger: knows the invoices of its other entries.
        nonce: the random text of the ledger, of which its numbers are made.
        resends: whether an entry that is not there goes back to the plan. Otherwise it stays
            unknown, for a person to decide.
        sole_writer: whether no other program changes the invoices.
        gathering_s: for how long looks wait after no late request can arrive any more; a search
            that began meanwhile serves them all.
        searches: the run's.
        known: invoices of this job that were read to vouch for searches; None for one that is gone.
        turn: lets one look at a time read such an invoice.
    """

    context: ClientContext
    ledger: Ledger
    nonce: str
    resends: bool
    sole_writer: bool
    gathering_s: float
    searches: Searches = attrs.field(init=False)
    known: dict[str, Invoice | None] = attrs.field(factory=dict, init=False)
    turn: Slots = attrs.field(init=False)

    @searches.default
    def _new_searches(self) -> Searches:
        return Searches(self.context)

    @turn.default
    def _one(self) -> Slots:
        return self.context.backend.slots(1)

    async def look(self, claim: Claim, now: float) -> Look:
        """Look at what a claim is about; *now* is the job's clock.

        Raises:
            BillingualError: if a read fails.
        """
        first = claim.entries[0]
        if first.operation == "create":
            # Since when no late request can arrive, by the clock that searches are timed with.
            due = self.context.backend.now() - max(now - claim.due, 0.0) - self.gathering_s
            if first.state is State.COMMITTED:
                return await self._late(first, due)
            return await self._created(first, claim.given_up_at, now, due)
        if not self.context.capabilities.supports(Feature.GET):
            return Look(
                why=f"{self.context.provider} documents no way to read it back", again_s=NEVER
            )
        return await (self._deleted(claim) if first.operation == "delete" else self._updated(claim))

    # Creates

    async def may_send(self, claim: Claim, now: float) -> bool:
        """Say whether to send a create that was planned again after an unclear request.

        Its key made that safe at the time. But the run may have ended since, and the provider may
        have forgotten the key by now.
        """
        first = claim.entries[0]
        keyed = self.context.capabilities.idempotency_keys and first.operation == "create"
        if not keyed or not first.unclear or await self._has_fresh_key(first, now):
            return True
        due = self.context.backend.now() - self.gathering_s
        look = await self._created(first, claim.given_up_at, now, due)
        return first.id in look.seen and look.seen[first.id].state is State.PLANNED

    async def _has_fresh_key(self, entry: Entry, now: float) -> bool:
        """Say whether the provider still knows an entry's idempotency key from its first use."""
        if not self.context.capabilities.idempotency_keys:
            return False
        requests = await self.context.backend.in_thread(lambda: self.ledger.requests(entry.id))
        return now - min(each.started for each in requests if each.kind == "send") < _KEY_LIFE_S

    async def _late(self, entry: Entry, due: float) -> Look:
        """See whether a late request has doubled what was found."""
        _, seen = await self.searches.find(
            draft_of(entry), since=due, shows=lambda row: row.number == entry.number, must=False
        )
        same = {row.id for row in seen.rows if row.number == entry.number}
        if entry.number is not None and len(same) > 1:
            why = f"{len(same)} invoices have its number: {', '.join(sorted(same))}"
            return _told(entry, Seen(state=State.DOUBLED, reason=why), why)
        return _told(entry, Seen(state=State.COMMITTED), "there is one of it")

    async def _created(self, entry: Entry, given_up_at: float, now: float, due: float) -> Look:
        if self.resends and await self._has_fresh_key(entry, now):
            # A refusal of the same key is the provider's word about the first request too.
            return self._absent(entry, "its idempotency key makes a resend safe")
        recognised = await self._recognised(entry, due)
        if recognised is not None:
            return recognised
        # The job has waited, whatever the system's clock was set to meanwhile.
        found = await self._search(entry, min(given_up_at, self.context.backend.wall()), due)
        seen = _seen_of(entry, found)
        if seen is not None:
            adopted = seen.state is State.COMMITTED
            return attrs.evolve(_told(entry, seen, found.why), check_late=adopted)
        if found.absent:
            return self._absent(entry, found.why)
        return Look(why=found.why, again_s=found.ask_again_s)

    async def _recognised(self, entry: Entry, due: float) -> Look | None:
        """Adopt the one row that has the number of a create, if this job chose that number.

        No other program comes upon it, so that the row need not be read in full to tell whose it
        is. That saves a request for each unclear create that was carried out, which most were.
        Where the row shows another value than was sent, the invoice is read.
        """
        number = entry.number
        if number is None or not number.endswith(letters_of(entry.id, self.nonce)):
            return None
        draft = draft_of(entry)
        _, seen = await self.searches.find(
            draft, since=due, shows=lambda row: row.number == number, must=False
        )
        rows = {row.id: row for row in seen.rows if row.number == number}
        if len(rows) != 1:
            return None
        ((invoice_id, row),) = rows.items()
        shown = {
            name: value
            for name, value in draft.given().items()
            if getattr(row, name, None) is not None
        }
        if differing_fields(shown, row):
            return None
        why = "a list shows it under the number that this job chose"
        committed = Seen(state=State.COMMITTED, invoice_id=invoice_id)
        return attrs.evolve(_told(entry, committed, why), check_late=True)

    def _absent(self, entry: Entry, why: str) -> Look:
        if entry.refusal is not None:
            return _told(entry, Seen(state=State.REJECTED, reason=entry.refusal), why)
        if self.resends:
            return _told(entry, Seen(state=State.PLANNED), why)
        return Look(why=f"it was not carried out, and is not sent again: {why}", again_s=NEVER)

    async def _search(self, entry: Entry, given_up_at: float, due: float) -> Reconciliation:
        """Look for the invoice of a create; a known one of this job vouches for the search.

        One that was deleted since, or that no list shows as it is another organization's, must not
        hold up all searches for good. So where the newest one is not found, an older one may vouch.
        """
        last = await self.context.backend.in_thread(lambda: self.ledger.last_created(_VOUCHERS))
        draft = draft_of(entry)
        reconciler = Reconciler(
            context=self.context,
            intent=Intent(operation="create", draft=draft),
            given_up_at=given_up_at,
            known_invoice=None,
            # The job has waited for late requests, by a clock that nothing puts forward.
            late_arrival_s=0.0,
            wait=False,
            others=self._others(entry),
        )
        found = None
        for known in last:
            invoice = await self._known(known)
            if invoice is None:
                continue
            find = self._finder(draft, known, due)
            found = await attrs.evolve(reconciler, known_invoice=invoice, find=find).find_out()
            if found.finding is not Finding.UNKNOWN or found.candidates or found.ask_again_s:
                return found
        return found or await reconciler.find_out()

    async def _known(self, invoice_id: str) -> Invoice | None:
        """Return an invoice of this job, read once in a run; None if it is gone."""
        # Looks that come at once would otherwise all read it.
        while not await self.turn.acquire(self.context.deadline_s):
            pass
        try:
            if invoice_id not in self.known:
                try:
                    self.known[invoice_id] = await read(self.context, invoice_id)
                except NotFoundError:
                    self.known[invoice_id] = None
            return self.known[invoice_id]
        finally:
            self.turn.release()

    def _finder(
        self, draft: Draft, known: str, due: float
    ) -> Callable[[Draft], Awaitable[tuple[float, Sightings]]]:
        """Return the searches of one look: for its draft and for the known invoice, in turns."""
        since = searched = due

        async def find(wanted: Draft) -> tuple[float, Sightings]:
            nonlocal since, searched
            if wanted is not draft:
                # A list may have stopped to show what is new after an earlier search, so what
                # vouches for the search is not older than it. And by now a list may show it again,
                # so the next search is not older than what vouches.
                began, seen = await self.searches.find(
                    wanted, since=searched, shows=lambda row: row.id == known, must=True
                )
                since = max(since, began)
                return began, seen
            searched, seen = await self.searches.find(
                wanted, since=since, shows=lambda row: row.number == draft.number, must=False
            )
            # The next search for it is to see what this one may have missed.
            since = self.context.backend.now()
            return searched, seen

        return find

    def _others(self, entry: Entry) -> Callable[[Sequence[InvoiceSummary]], Awaitable[set[str]]]:
        async def others(rows: Sequence[InvoiceSummary]) -> set[str]:
            shown = [(each.id, each.number) for each in rows]
            return await self.context.backend.in_thread(
                lambda: self.ledger.of_others(entry.id, shown)
            )

        return others

    # Updates

    async def _updated(self, claim: Claim) -> Look:
        """Compare each invoice with what was sent, and with what was there before.

        A batch is carried out as a whole or not at all. So one invoice that shows a new value
        which it did not have before vouches for all, and so does one that is as it was before.
        """
        gone: list[Entry] = []
        strange: dict[str, Seen] = {}
        changed: list[Entry] = []
        unchanged: list[Entry] = []
        either: list[Entry] = []
        for entry in claim.entries:
            changes = changes_of(entry).given()
            try:
                invoice = await read(self.context, cast("str", entry.target))
            except NotFoundError:
                # An invoice that was missing before is as it was, and no batch with it succeeds.
                (unchanged if self.sole_writer or entry.before == "null" else gone).append(entry)
                continue
            unlike = differing_fields(changes, invoice)
            before = self.sole_writer or _is_as_before(entry, fields_of(invoice, changes))
            if not unlike:
                (either if before and not self.sole_writer else changed).append(entry)
            elif before:
                unchanged.append(entry)
            else:
                why = f"{', '.join(unlike)}: neither what was sent nor what was there before"
                strange[entry.id] = Seen(state=State.CONFLICT, reason=why)
        if self.sole_writer and unchanged:
            # No other program sets values here, and these were there before: the batch did nothing.
            unchanged, changed = [*changed, *unchanged], []
        why = "each invoice was read"
        if changed or strange or not unchanged:
            reason = "others of its batch were changed, and this one is as it was before"
            missing = Seen(state=State.CONFLICT, reason="the invoice is not there any more")
            seen = [
                *((each, Seen(state=State.COMMITTED, invoice_id=each.target))
                  for each in (*changed, *either)),
                *((each, Seen(state=State.CONFLICT, reason=reason)) for each in unchanged),
                *((each, missing) for each in gone),
            ]  # fmt: skip
            return Look(why=why, seen=strange | {each.id: state for each, state in seen})
        refusal = claim.entries[0].refusal
        if refusal is not None:
            undone = Seen(state=State.REJECTED, reason=refusal)
        elif self.resends:
            undone = Seen(state=State.PLANNED)
        else:
            why = "it was not carried out, and is not sent again"
            return Look(why=why, again_s=NEVER)
        return Look(
            why=f"{why}: all is as it was before",
            seen={each.id: undone for each in (*unchanged, *either, *gone)},
        )

    # Deletes

    async def _deleted(self, claim: Claim) -> Look:
        """Read each invoice: no provider promises that a batch of deletes is all or nothing."""
        left: list[Entry] = []
        seen: dict[str, Seen] = {}
        for entry in claim.entries:
            try:
                await read(self.context, cast("str", entry.target))
            except NotFoundError:
                seen[entry.id] = Seen(state=State.COMMITTED, invoice_id=entry.target)
            else:
                left.append(entry)
        for entry in left:
            if entry.refusal is not None and len(left) == len(claim.entries):
                seen[entry.id] = Seen(state=State.REJECTED, reason=entry.refusal)
            elif entry.attempts >= _DELETIONS:
                why = f"it is still there after {entry.attempts} requests to delete it"
                seen[entry.id] = Seen(state=State.CONFLICT, reason=why)
            elif self.resends:
                seen[entry.id] = Seen(state=State.PLANNED)
        return Look(why="each invoice was read", seen=seen, again_s=NEVER)


def _seen_of(entry: Entry, found: Reconciliation) -> Seen | None:
    """Judge what a search for a create showed; None if its invoice is not among it."""
    same = [each for each in found.candidates if each.number == entry.number]
    if len(same) > 1:
        why = f"{len(same)} invoices have its number: {', '.join(each.id for each in same)}"
        return Seen(state=State.DOUBLED, reason=why)
    if found.invoice is not None:
        return Seen(state=State.COMMITTED, invoice_id=found.invoice.id)
    return Seen(state=State.CONFLICT, reason=found.why) if same else None


def _told(entry: Entry, seen: Seen, why: str) -> Look:
    return Look(why=why, seen={entry.id: seen})


def _is_as_before(entry: Entry, shown: str) -> bool:
    known = json.loads(entry.before or "null")
    return known is not None and json.loads(shown) == known


@attrs.define(eq=False)
class Searches:
    """The searches for drafts of one run, shared by the looks that may share them.

    One search shows all invoices of the list that would show a draft, and the drafts of a job often
    belong to one list. A look may use a search that another one made, if that began when the look
    was due: no late request could arrive any more.

    Attributes:
        context: the client's.
    """

    context: ClientContext
    _turn: Slots = attrs.field(init=False)
    _made: dict[str, tuple[float, Sightings]] = attrs.field(factory=dict, init=False)

    @_turn.default
    def _one(self) -> Slots:
        # Looks that come at once would otherwise all make the same search.
        return self.context.backend.slots(1)

    async def find(
        self, draft: Draft, *, since: float, shows: Callable[[InvoiceSummary], bool], must: bool
    ) -> tuple[float, Sightings]:
        """Return what a search for *draft* shows that began at *since* or later, and when it began.

        Args:
            draft: what to look for.
            since: by the backend's monotonic clock.
            shows: whether a row is the one that is looked for.
            must: whether a search without that row says nothing, so that a new one is made.

        Raises:
            BillingualError: if the search fails.
        """
        dialect = dialect_for(self.context, Feature.CREATE)
        if not isinstance(dialect, FindsDrafts):
            gap = f"{self.context.provider} documents no way to read it back"
            return since, Sightings(gap=gap)
        try:
            place = next(dialect.find(draft)).url
        except StopIteration as known:
            return since, known.value
        while not await self._turn.acquire(_PATIENCE_S):
            pass
        try:
            made = self._made.get(place)
            if made is not None and made[0] >= since:
                seen = made[1]
                if any(shows(row) for row in seen.rows) or not (must or seen.gap):
                    return made
            began = self.context.backend.now()
            operation = Operation(
                feature=Feature.LIST, dialect=dialect, conversation=dialect.find(draft)
            )
            seen = await execute(self.context, operation)
            self._made[place] = began, seen
            return began, seen
        finally:
            self._turn.release()
