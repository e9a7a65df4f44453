"""Finding out whether an unclear write happened: by reading, never by sending it again.

An absence proves nothing by itself. A write that was given up may still arrive for a while, and a
list may hide what is there. So a create counts as absent only when all of these hold: the place
looked at would show it; the time in which a late request can still arrive is over (*settle*);
since then the look has found an invoice that is known to be there (the *control*) but not the
draft; and a second look, a second later, did not find it either. Otherwise the finding is
``unknown`` and says what is missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, cast
from unicodedata import normalize

import attrs

from billingual._arguments import expected, seconds_of
from billingual._context import ClientContext
from billingual._pipeline import converse
from billingual.abc import Dialect, FindsDrafts, Sightings
from billingual.capabilities import Feature
from billingual.errors import (
    BillingualError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknown,
    UsageError,
)
from billingual.model import Draft, Invoice, InvoiceSummary, misfits
from billingual.reconcile.readback import read
from billingual.reconcile.result import Finding, Reconciliation

__all__ = ["find_out", "look"]

_AGAIN_AFTER_S: Final = 1.0
_NO_WAY: Final = "{} documents no way to read it back"
_NO_PROOF: Final = "it was not seen, which proves nothing: {}"


def look(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    control: InvoiceSummary | None,
    settle: float,
    wait: bool,
) -> Awaitable[Reconciliation]:
    """Find out whether an unclear write happened; on a context that blocks, before returning.

    Raises:
        InvalidInputError: if an argument is of the wrong kind, or the write is another provider's.
        UsageError: if the client is closed or lacks something.
    """
    looker = _looker(context, unclear, control=control, settle=settle, wait=wait)
    run = getattr(context.backend, "run", None)
    return looker.look() if run is None else cast(Reconciliation, run(looker.look()))


async def find_out(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    control: InvoiceSummary | None,
    settle: float,
    wait: bool,
) -> Reconciliation:
    """Do the same where the context's backend runs already.

    Raises:
        InvalidInputError: if an argument is of the wrong kind, or the write is another provider's.
        UsageError: if the client is closed or lacks something.
    """
    return await _looker(context, unclear, control=control, settle=settle, wait=wait).look()


def _looker(
    context: ClientContext,
    unclear: OutcomeUnknown,
    *,
    control: InvoiceSummary | None,
    settle: float,
    wait: bool,
) -> Looker:
    if expected(unclear, OutcomeUnknown, "unclear").provider != context.provider:
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
    return Looker(
        context=context,
        unclear=unclear,
        control=None if control is None else expected(control, InvoiceSummary, "control"),
        settle_s=seconds_of(settle, "settle"),
        wait=wait,
    )


@attrs.frozen(kw_only=True)
class Looker:
    """Look for the end of one unclear write.

    Attributes:
        context: the client's.
        unclear: the write.
        control: an invoice that is known to be where a created one would be; None for the last
            one that the client created.
        settle_s: seconds after which a request that was given up cannot arrive any more.
        wait: whether to wait for that time instead of saying that it is not over.
    """

    context: ClientContext
    unclear: OutcomeUnknown
    control: InvoiceSummary | None
    settle_s: float
    wait: bool

    async def look(self) -> Reconciliation:
        """Say what can be found out.

        Raises:
            UsageError: if the client is closed or lacks something.
        """
        intent = self.unclear.intent
        looks: dict[Feature, Callable[[], Awaitable[Reconciliation]]] = {
            Feature.CREATE: self._created,
            Feature.UPDATE: self._changed,
            Feature.UPDATE_MANY: self._changed,
            Feature.DELETE_MANY: self._deleted,
            Feature.FINALIZE: self._acted,
            Feature.VOID: self._acted,
        }
        look = None if intent is None else looks.get(intent.operation)
        needs_get = intent is None or intent.operation is not Feature.CREATE
        if look is None or (needs_get and not self.context.capabilities.supports(Feature.GET)):
            return _unknown(_NO_WAY.format(self.context.provider))
        try:
            return await look()
        except UsageError:
            raise
        except BillingualError as error:
            return _unknown(f"the look failed ({type(error).__name__}): {error}", ask_again_s=1.0)

    async def _created(self) -> Reconciliation:
        intent = self.unclear.intent
        draft = None if intent is None else intent.draft
        if draft is None or not isinstance(self._finder(), FindsDrafts):
            return _unknown(_NO_WAY.format(self.context.provider))
        if not isinstance(draft.number, str) or not draft.number.strip():
            return _unknown(
                "the draft has no number, so nothing at the provider can be recognised as it"
            )
        found = await self._seen(draft) or await self._doubted()
        if found is not None:
            return found
        unsettled = self._unsettled()
        if unsettled is not None:
            return await self._later(unsettled) if self.wait else unsettled
        await self.context.backend.sleep(_AGAIN_AFTER_S)
        return await self._seen(draft) or Reconciliation(
            finding=Finding.ABSENT,
            why=f"no invoice has the number {draft.number!r}, though the same look found one that "
            "is known to be there, and the time for late requests (settle) is over",
        )

    async def _seen(self, draft: Draft) -> Reconciliation | None:
        """Look once; None if the draft is not where it would be seen."""
        seen = await self._find(draft)
        # A row that slips to the next page while pages are read is met on both.
        alike = {each.id: each for each in seen.rows if _alike(each.number, draft.number)}
        rows = tuple(each for each in alike.values() if each.number == draft.number)
        if rows:
            return await self._recognised(draft, rows)
        if alike:
            return _unknown(
                f"no invoice has the number {draft.number!r} letter for letter, but one is close",
                alike.values(),
            )
        return _unknown(_NO_PROOF.format(seen.gap)) if seen.gap else None

    async def _recognised(self, draft: Draft, rows: tuple[InvoiceSummary, ...]) -> Reconciliation:
        if len(rows) > 1:
            return _unknown(
                f"{len(rows)} invoices have the number {draft.number!r}: look at them", rows
            )
        (row,) = rows
        whole = isinstance(row, Invoice) and self.context.capabilities.list_rows_complete
        invoice = row if whole else await read(self.context, row.id)
        unlike = misfits(draft.given(), invoice)
        if unlike or not isinstance(invoice, Invoice):
            return _unknown(
                f"an invoice has the number {draft.number!r} but differs in {', '.join(unlike)}: "
                "another one, or changed since",
                rows,
            )
        return Reconciliation(
            finding=Finding.ADOPTED, why="it is there as it was sent", invoices=(invoice,)
        )

    async def _doubted(self) -> Reconciliation | None:
        """Look for the control; None if it is found, so that the look can be believed."""
        control = self.control or self.context.known.created
        if control is None:
            return _unknown(
                _NO_PROOF.format(
                    "no invoice is known that the same look must find; give "
                    "reconcile(control=...) one of the same kind that was created before"
                )
            )
        party = None if control.counterparty is None else control.counterparty.id
        seen = await self._find(
            Draft(counterparty=party, issued_at=control.issued_at, document=control.document)
        )
        if control.id in {each.id for each in seen.rows}:
            return None
        doubt = f"the same look does not find invoice {control.id} either, which is known to exist"
        return _unknown(_NO_PROOF.format(doubt))

    async def _changed(self) -> Reconciliation:
        pairs = () if self.unclear.intent is None else self.unclear.intent.pairs
        invoices = [await read(self.context, invoice_id) for invoice_id, _ in pairs]
        unlike = {
            invoice.id: fields
            for invoice, (_, changes) in zip(invoices, pairs, strict=True)
            if (fields := misfits(changes.given(), invoice))
        }
        if not unlike:
            return Reconciliation(
                finding=Finding.ADOPTED,
                why="every field has the value that was sent",
                invoices=tuple(invoices),
            )
        told = "; ".join(f"{key}: {', '.join(fields)}" for key, fields in sorted(unlike.items()))
        if len(unlike) < len(pairs):
            return _unknown(f"only some invoices have the values that were sent ({told})", invoices)
        return await self._settled(f"the values that were sent are not there ({told})", invoices)

    async def _deleted(self) -> Reconciliation:
        ids = () if self.unclear.intent is None else self.unclear.intent.invoice_ids
        left: list[Invoice] = []
        for invoice_id in ids:
            try:
                left.append(await read(self.context, invoice_id))
            except NotFoundError:
                continue
        if not left:
            return Reconciliation(finding=Finding.ADOPTED, why="none of them is there any more")
        if len(left) < len(ids):
            return _unknown(f"{len(left)} of {len(ids)} are still there", left)
        return await self._settled("all of them are still there", left)

    async def _acted(self) -> Reconciliation:
        intent = self.unclear.intent
        wanted = (
            None
            if intent is None
            else self.context.capabilities.final_statuses.get(intent.operation)
        )
        if intent is None or wanted is None:
            return _unknown(f"{self.context.provider} does not say by which status to know it")
        invoice = await read(self.context, intent.invoice_ids[0])
        if invoice.status in wanted:
            return Reconciliation(
                finding=Finding.ADOPTED,
                why=f"the invoice is {invoice.status}",
                invoices=(invoice,),
            )
        return await self._settled(f"the invoice is {invoice.status}", (invoice,))

    async def _settled(self, why: str, seen: Iterable[InvoiceSummary]) -> Reconciliation:
        """Call what was not seen absent, if no request can arrive any more."""
        unsettled = self._unsettled()
        if unsettled is None:
            return Reconciliation(finding=Finding.ABSENT, why=why, candidates=tuple(seen))
        if not self.wait:
            return attrs.evolve(
                unsettled, why=f"{why}, but {unsettled.why}", candidates=tuple(seen)
            )
        return await self._later(unsettled)

    async def _later(self, unsettled: Reconciliation) -> Reconciliation:
        """Wait until no request can arrive any more, and look anew."""
        await self.context.backend.sleep(unsettled.ask_again_s or 0.0)
        # Nothing is left of it: a wall clock that lags a hair behind the wait must not say so.
        return await attrs.evolve(self, settle_s=0.0, wait=False).look()

    def _unsettled(self) -> Reconciliation | None:
        left = self.unclear.given_up_at + self.settle_s - self.context.backend.wall()
        if left <= 0:
            return None
        return _unknown(
            f"a request given up so lately may still arrive; ask again in {left:.0f} s",
            ask_again_s=left,
        )

    def _finder(self) -> Dialect:
        return self.context.dialect(Feature.CREATE)

    async def _find(self, draft: Draft) -> Sightings:
        dialect = self._finder()
        if not isinstance(dialect, FindsDrafts):
            return Sightings(gap=_NO_WAY.format(self.context.provider))
        return await converse(self.context, Feature.LIST, dialect, dialect.find(draft))


def _unknown(
    why: str, seen: Iterable[InvoiceSummary] = (), *, ask_again_s: float | None = None
) -> Reconciliation:
    return Reconciliation(
        finding=Finding.UNKNOWN, why=why, candidates=tuple(seen), ask_again_s=ask_again_s
    )


def _alike(number: object, wanted: object) -> bool:
    """Tell whether two numbers are the same to a person; a provider may trim or fold one."""
    return _folded(number) == _folded(wanted)


def _folded(number: object) -> str | None:
    if not isinstance(number, str):
        return None
    return "".join(normalize("NFKC", number).split()).casefold()
