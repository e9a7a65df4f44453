"""Find out whether an unclear write happened: by reading, never by sending it again.

Absence proves nothing by itself. A write that was given up may still arrive for a while, and a
list may hide what is there. So a create counts as absent only when all of these hold:

- the place that is searched would show it;
- no invoice there may be it under another number, as providers cut, prefix and choose numbers;
- the time in which a late request can still arrive is over (*late_arrival_s*);
- a second search, made since then and a second after the first, did not find it either;
- just before that search, and just after it, the same kind of search found an invoice that is known
  to exist.

Otherwise the finding is ``unknown`` and says what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs

from billingual._arguments import expected, seconds_of
from billingual._context import ClientContext
from billingual._pipeline import Operation, dialect_for, execute
from billingual.abc import FindsDrafts, Sightings
from billingual.capabilities import Feature
from billingual.errors import (
    BillingualError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknown,
    UsageError,
)
from billingual.model import Draft, Invoice, InvoiceSummary, differing_fields, last_moment
from billingual.outcomes import Finding, Intent
from billingual.reconcile.readback import read
from billingual.reconcile.resemblance import alike_numbers, may_show, may_show_all, same_value
from billingual.reconcile.result import Reconciliation

__all__ = ["reconcile"]

# A list may lag behind a write for a moment. A second is longer than any lag that was seen, and
# short beside the time for late requests, which is over by then.
_SECOND_SEARCH_AFTER_S: Final = 1.0
# A list may show no new invoices for a while. If that begins after the known invoice was found and
# ends before it is found again, the search in between proves nothing. So the known invoice is found
# twice within five seconds. Where requests are too slow for that, three searches count instead.
_CLOSE_S: Final = 5.0
_MOST_SEARCHES: Final = 3
# The clocks of a provider and a program may differ by so much. An invoice that was stored earlier
# than that before the write was given up was not made by the write.
_CLOCKS_APART_S: Final = 3600.0
# Rows that may be the invoice are read in full where rows show less, to rule them out. More than
# these are for a person to look at.
_MOST_READS: Final = 10
_NO_WAY: Final = "{} documents no way to read it back"
_NO_PROOF: Final = "it was not seen, which proves nothing: {}"


async def reconcile(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    known_invoice: object,
    late_arrival_s: object,
    wait: bool,
) -> Reconciliation:
    """Find out whether an unclear write happened; see :meth:`billingual.AsyncClient.reconcile`.

    Raises:
        InvalidInputError: if an argument is of the wrong kind, or the write is another provider's
            or account's.
        UsageError: if the client is closed or lacks something.
    """
    _refuse_other_account(context, expected(unclear, OutcomeUnknown, "unclear"))
    reconciler = Reconciler(
        context=context,
        intent=unclear.intent,
        given_up_at=unclear.given_up_at,
        known_invoice=None
        if known_invoice is None
        else expected(known_invoice, InvoiceSummary, "known_invoice"),
        late_arrival_s=seconds_of(late_arrival_s, "late_arrival_s"),
        wait=wait,
    )
    return await reconciler.find_out()


def _refuse_other_account(context: ClientContext, unclear: OutcomeUnknown) -> None:
    if unclear.provider != context.provider:
        raise InvalidInputError(
            "unclear",
            f"it is a write to {unclear.provider}, and this client speaks to {context.provider}",
            "use a client of the same provider and account",
        )
    if unclear.account not in {(), context.account}:
        names = ("base URL", "tenant", "organization")
        raise InvalidInputError(
            "unclear",
            "; ".join(
                f"it was sent with {name} {sent!r}, and this client has {here!r}"
                for name, sent, here in zip(names, unclear.account, context.account, strict=True)
                if sent != here
            ),
            "use a client of the same account: there alone it can be found",
        )


@attrs.frozen(kw_only=True)
class Reconciler:
    """Find out what became of one unclear write.

    Attributes:
        context: the client's.
        intent: what the write was meant to do.
        given_up_at: when its last attempt was given up, in seconds since 1970-01-01 UTC.
        known_invoice: an existing invoice that the search must also find; None for the last one
            that the client created.
        late_arrival_s: seconds after which a request that was given up cannot arrive any more.
        wait: whether to wait for that time instead of saying that it is not over.
        others: says which of some rows are known to be other invoices than the one looked for,
            besides those that the client created.
        find: makes the searches, and says by the backend's clock when each began; None to make each
            anew.
    """

    context: ClientContext
    intent: Intent | None
    given_up_at: float
    known_invoice: InvoiceSummary | None
    late_arrival_s: float
    wait: bool
    others: Callable[[Sequence[InvoiceSummary]], Awaitable[Collection[str]]] | None = None
    find: Callable[[Draft], Awaitable[tuple[float, Sightings]]] | None = None

    async def find_out(self) -> Reconciliation:
        """Say what can be found out.

        Raises:
            UsageError: if the client is closed or lacks something.
        """
        intent = self.intent
        finders: Mapping[str, Callable[[Intent], Awaitable[Reconciliation]]] = {
            Feature.CREATE: self._created,
            Feature.UPDATE: self._changed,
            Feature.UPDATE_MANY: self._changed,
            Feature.DELETE_MANY: self._deleted,
            Feature.FINALIZE: self._acted,
            Feature.VOID: self._acted,
        }
        find = None if intent is None else finders.get(intent.operation)
        if intent is None or find is None:
            return self._no_way()
        # Each write with an id is read back by it; most creates have none and are searched for.
        needs_get = intent.operation != Feature.CREATE or bool(intent.invoice_ids)
        if needs_get and not self.context.capabilities.supports(Feature.GET):
            return self._no_way()
        try:
            return await find(intent)
        except UsageError:
            raise
        except BillingualError as error:
            return _unknown(f"the search failed ({type(error).__name__}): {error}", ask_again_s=1.0)

    def _no_way(self) -> Reconciliation:
        return _unknown(_NO_WAY.format(self.context.provider))

    async def _created(self, intent: Intent) -> Reconciliation:
        if intent.invoice_ids:
            return Reconciliation(
                finding=Finding.ADOPTED,
                why="the provider gave it this id when it was created",
                invoices=(await read(self.context, intent.invoice_ids[0]),),
            )
        draft = intent.draft
        finds = isinstance(dialect_for(self.context, Feature.CREATE), FindsDrafts)
        if not isinstance(draft, Draft) or not finds:
            return self._no_way()
        if not isinstance(draft.number, str) or not draft.number.strip():
            return _unknown(
                "the draft has no number, so nothing at the provider can be recognised as it"
            )
        found = await self._search(draft)
        vouched_at, doubt = (0.0, None) if found else await self._doubt_search()
        found = found or doubt
        if found is not None and not (self.wait and found.ask_again_s):
            return found
        too_early = self._too_early()
        if too_early is not None:
            return await self._find_out_later(too_early) if self.wait else too_early
        return await self._search_again(draft, vouched_at) or Reconciliation(
            finding=Finding.ABSENT,
            why=f"no invoice has the number {draft.number!r}, though the same search found one "
            "that is known to exist, and the time for late requests (late_arrival_s) is over",
        )

    async def _search_again(self, draft: Draft, vouched_at: float) -> Reconciliation | None:
        """Search again, with the known invoice found before and after; None if no draft is there.

        Args:
            draft: what to search for.
            vouched_at: when the known invoice was searched for and found.
        """
        backend = self.context.backend
        for _ in range(_MOST_SEARCHES):
            await backend.sleep(_SECOND_SEARCH_AFTER_S)
            before, found = vouched_at, await self._search(draft)
            if found is not None:
                return found
            vouched_at, doubt = await self._doubt_search()
            if doubt is not None or backend.now() - before <= _CLOSE_S:
                return doubt
        return None

    async def _search(self, draft: Draft) -> Reconciliation | None:
        """Search once; None if the draft is not where it would be seen."""
        _, seen = await self._find(draft)
        # A row that moves to the next page while pages are read comes on both.
        rows = tuple({each.id: each for each in seen.rows}.values())
        exact = tuple(each for each in rows if each.number == draft.number)
        if exact:
            return await self._recognise(draft, exact)
        others = set(self.context.recent.ids.copy())
        if self.others is not None:
            others.update(await self.others(rows))
        close = self._close_to(draft, [each for each in rows if each.id not in others])
        if seen.gap:
            return _unknown(_NO_PROOF.format(seen.gap), close)
        if not self.context.capabilities.list_rows_complete and len(close) <= _MOST_READS:
            close = self._close_to(draft, await self._read_all(each.id for each in close))
        if not close:
            return None
        ids = ", ".join(each.id for each in close[:_MOST_READS])
        return _unknown(
            f"no invoice has the number {draft.number!r} letter for letter, but the provider may "
            f"have altered it: look at {ids}; one that is known to be another can be given as "
            "reconcile(known_invoice=...)",
            close,
            ask_again_s=self._left_s() or None,
        )

    def _close_to(self, draft: Draft, rows: Iterable[InvoiceSummary]) -> tuple[InvoiceSummary, ...]:
        """Pick the rows that the create may have made, though their number is another."""
        known = None if self.known_invoice is None else self.known_invoice.id
        given = draft.given()
        return tuple(
            each
            for each in rows
            if each.id != known
            and self._may_be_new(each)
            and (alike_numbers(each.number, draft.number) or may_show_all(given, each))
        )

    def _may_be_new(self, row: InvoiceSummary) -> bool:
        created_at = getattr(row, "created_at", None)  # only invoices in full have it
        oldest = self.given_up_at - _CLOCKS_APART_S
        return created_at is None or created_at.timestamp() >= oldest

    async def _read_all(self, ids: Iterable[str]) -> list[Invoice]:
        """Read invoices in full; those that are gone are left out."""
        found: list[Invoice] = []
        for each in ids:
            try:
                found.append(await read(self.context, each))
            except NotFoundError:
                continue
        return found

    async def _recognise(self, draft: Draft, rows: tuple[InvoiceSummary, ...]) -> Reconciliation:
        if len(rows) > 1:
            return _unknown(
                f"{len(rows)} invoices have the number {draft.number!r}: look at them", rows
            )
        (row,) = rows
        whole = isinstance(row, Invoice) and self.context.capabilities.list_rows_complete
        invoice = row if whole else await read(self.context, row.id)
        unlike = differing_fields(draft.given(), invoice)
        if unlike or not isinstance(invoice, Invoice):
            return _unknown(
                f"an invoice has the number {draft.number!r} but differs in {', '.join(unlike)}: "
                "another one, or changed since",
                rows,
            )
        return Reconciliation(
            finding=Finding.ADOPTED, why="it is there as it was sent", invoices=(invoice,)
        )

    async def _doubt_search(self) -> tuple[float, Reconciliation | None]:
        """Search for the known invoice, to learn whether searches can be believed.

        Returns:
            When the search began, and why searches cannot be believed; None if they can.
        """
        known = self.known_invoice or self.context.recent.created
        if known is None:
            return 0.0, _unknown(
                _NO_PROOF.format(
                    "no invoice is known that the same search must find; give "
                    "reconcile(known_invoice=...) one of the same kind that was created before"
                )
            )
        party = None if known.counterparty is None else known.counterparty.id
        began, seen = await self._find(
            Draft(counterparty=party, issued_at=known.issued_at, document=known.document)
        )
        if known.id in {each.id for each in seen.rows}:
            return began, None
        doubt = f"the same search does not find invoice {known.id} either, which is known to exist"
        return began, _unknown(_NO_PROOF.format(doubt))

    async def _changed(self, intent: Intent) -> Reconciliation:
        pairs = intent.pairs
        invoices = [await read(self.context, invoice_id) for invoice_id, _ in pairs]
        unlike = {
            invoice.id: fields
            for invoice, (_, changes) in zip(invoices, pairs, strict=True)
            if (fields := differing_fields(changes.given(), invoice))
        }
        if not unlike:
            return Reconciliation(
                finding=Finding.ADOPTED,
                why="every field has the value that was sent",
                invoices=tuple(invoices),
            )
        differing = "; ".join(
            f"{key}: {', '.join(fields)}" for key, fields in sorted(unlike.items())
        )
        if len(unlike) < len(pairs):
            return _unknown(
                f"only some invoices have the values that were sent ({differing})", invoices
            )
        signs = {
            invoice.id: names
            for invoice, (_, changes) in zip(invoices, pairs, strict=True)
            if (names := self._signs_of(changes.given(), invoice, intent.base))
        }
        if signs:
            shown = "; ".join(f"{key}: {', '.join(names)}" for key, names in sorted(signs.items()))
            return await self._unknown_in_time(
                f"not all values that were sent are there ({differing}), but the change shows, or "
                f"one that the provider altered ({shown})",
                invoices,
            )
        return await self._absent_in_time(
            f"the values that were sent are not there ({differing})", invoices
        )

    def _signs_of(
        self, given: Mapping[str, object], invoice: Invoice, base: object
    ) -> tuple[str, ...]:
        """List the fields whose values suggest that the change happened, at least in part.

        Such a field has the new value, which it had not before, or a value that is neither the new
        nor the old one. Where the old value is not known, one that resembles the new value counts.
        """
        kept = {
            name: None if not isinstance(base, InvoiceSummary) else same_value(name, base, invoice)
            for name in given
        }
        unlike = differing_fields(given, invoice)
        signs = [
            name
            for name, same in kept.items()
            if same is False
            or (same is None and (name not in unlike or may_show(name, given[name], invoice)))
        ]
        began_at = self.given_up_at - self.context.deadline_s
        updated_at = invoice.updated_at
        if None in kept.values() and updated_at and last_moment(updated_at).timestamp() >= began_at:
            # What was there before is not known, and something was written since.
            signs.append("updated_at")
        return tuple(signs)

    async def _deleted(self, intent: Intent) -> Reconciliation:
        ids = intent.invoice_ids
        left = await self._read_all(ids)
        if not left:
            return Reconciliation(finding=Finding.ADOPTED, why="none of them is there any more")
        if len(left) < len(ids):
            return _unknown(f"{len(left)} of {len(ids)} are still there", left)
        strange = {each.status for each in left if each.status and not each.status.is_known}
        if strange:
            # It may be the provider's word for deleted.
            why = f"all of them can be read, but as {', '.join(sorted(strange))}"
            return await self._unknown_in_time(why, left)
        return await self._absent_in_time("all of them are still there", left)

    async def _acted(self, intent: Intent) -> Reconciliation:
        wanted = self.context.capabilities.final_statuses.get(Feature(intent.operation))
        if wanted is None:
            return _unknown(f"{self.context.provider} does not say by which status to know it")
        invoice = await read(self.context, intent.invoice_ids[0])
        if invoice.status in wanted:
            return Reconciliation(
                finding=Finding.ADOPTED,
                why=f"the invoice is {invoice.status}",
                invoices=(invoice,),
            )
        why, status = f"the invoice is {invoice.status}", invoice.status
        voided = self.context.capabilities.final_statuses.get(Feature.VOID, ())
        if status is None or not status.is_known or status in voided:
            # An undocumented word may come after the act. So may VOID, after a finalize.
            return await self._unknown_in_time(f"{why}, which tells nothing", (invoice,))
        return await self._absent_in_time(why, (invoice,))

    async def _absent_in_time(self, why: str, seen: Iterable[InvoiceSummary]) -> Reconciliation:
        """Call a write absent that was not seen, if no request can arrive any more."""
        if self._left_s():
            return await self._unknown_in_time(why, seen)
        return Reconciliation(finding=Finding.ABSENT, why=why, candidates=tuple(seen))

    async def _unknown_in_time(self, why: str, seen: Iterable[InvoiceSummary]) -> Reconciliation:
        """Call a write unknown; while a late request may arrive, say so or wait for it."""
        too_early = self._too_early()
        if too_early is None:
            return _unknown(why, seen)
        if self.wait:
            return await self._find_out_later(too_early)
        return attrs.evolve(too_early, why=f"{why}, but {too_early.why}", candidates=tuple(seen))

    async def _find_out_later(self, too_early: Reconciliation) -> Reconciliation:
        """Wait until no request can arrive any more, and find out again."""
        await self.context.backend.sleep(too_early.ask_again_s or 0.0)
        # Zero seconds from now on: a wall clock that lags a hair behind the wait would otherwise
        # say that the time is not over.
        return await attrs.evolve(self, late_arrival_s=0.0, wait=False).find_out()

    def _too_early(self) -> Reconciliation | None:
        """Say when to ask again, if a late request can still arrive."""
        left = self._left_s()
        if not left:
            return None
        return _unknown(
            f"a request given up so lately may still arrive; ask again in {left:.0f} s",
            ask_again_s=left,
        )

    def _left_s(self) -> float:
        """Return the seconds in which a late request can still arrive."""
        return max(0.0, self.given_up_at + self.late_arrival_s - self.context.backend.wall())

    async def _find(self, draft: Draft) -> tuple[float, Sightings]:
        if self.find is not None:
            return await self.find(draft)
        began, dialect = self.context.backend.now(), dialect_for(self.context, Feature.CREATE)
        if not isinstance(dialect, FindsDrafts):
            return began, Sightings(gap=_NO_WAY.format(self.context.provider))
        operation = Operation(
            feature=Feature.LIST, dialect=dialect, conversation=dialect.find(draft)
        )
        return began, await execute(self.context, operation)


def _unknown(
    why: str, seen: Iterable[InvoiceSummary] = (), *, ask_again_s: float | None = None
) -> Reconciliation:
    return Reconciliation(
        finding=Finding.UNKNOWN, why=why, candidates=tuple(seen), ask_again_s=ask_again_s
    )
