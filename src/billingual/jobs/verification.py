"""Compare what a ledger says with what the provider shows, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from billingual._context import ClientContext
from billingual.capabilities import Feature
from billingual.errors import NotFoundError
from billingual.jobs.entry import Entry, State, changes_of, draft_of
from billingual.jobs.report import PROGRESS_EVERY_S
from billingual.model import differing_fields
from billingual.reconcile.readback import read

if TYPE_CHECKING:
    from billingual.client import AsyncClient
    from billingual.jobs.ledger import Ledger

__all__ = ["Verification", "verify"]

T = TypeVar("T")

_SHOWN: Final = 100
_READ_AT_ONCE: Final = 1000
_NOT_THERE: Final = frozenset({State.PLANNED, State.REJECTED, State.ABANDONED})
"""States of a create of which the provider must show no invoice."""


@attrs.frozen(kw_only=True)
class Verification:
    """Whether the provider shows each write of a job exactly as the ledger says.

    ``print(verification)`` names each entry that is not.

    Attributes:
        checked: how many entries were compared.
        wrong: the ids of those that are not as the ledger says, with what was seen instead.
        unchecked: the ids of those that could not be compared, with the reason.
    """

    checked: int
    wrong: dict[str, str] = attrs.field(hash=False)
    unchecked: dict[str, str] = attrs.field(hash=False)

    @property
    def ok(self) -> bool:
        """Whether every entry was compared, and is exactly as the ledger says."""
        return not self.wrong and not self.unchecked

    def __str__(self) -> str:
        """Tell it to a person."""
        lines = [f"{self.checked:,} entries compared with the provider: {len(self.wrong):,} wrong."]
        if self.unchecked:
            lines[0] += f" {len(self.unchecked):,} more could not be compared."
        for title, those in (("wrong", self.wrong), ("not compared", self.unchecked)):
            shown = list(those.items())[:_SHOWN]
            lines += [f"  {title}: {entry}: {why}" for entry, why in shown]
            if len(those) > _SHOWN:
                lines.append(f"  {title}: {len(those) - _SHOWN:,} more")
        return "\n".join(lines)


async def verify(
    context: ClientContext,
    client: AsyncClient,
    ledger: Ledger,
    concurrency: int,
    on_progress: Callable[[int, int], object] | None = None,
) -> Verification:
    """Compare a ledger with the provider; see :meth:`billingual.AsyncJob.verify`."""
    verifier = Verifier(context=context, client=client, on_progress=on_progress)
    for entry in await context.backend.in_thread(lambda: list(_entries(ledger))):
        verifier.expect(entry)
    await verifier.read_invoices(concurrency)
    await verifier.read_list()
    return Verification(
        checked=verifier.total - len(verifier.unchecked),
        wrong=verifier.wrong,
        unchecked=verifier.unchecked,
    )


def _entries(ledger: Ledger) -> Iterator[Entry]:
    last = 0
    while found := ledger.entries((), last, _READ_AT_ONCE):
        yield from found
        last = found[-1].seq


@attrs.define(eq=False)
class Verifier:
    """What the provider must show, and what it does not.

    Attributes:
        context: the client's.
        client: reads the list.
        on_progress: told how many invoices were read, and of how many.
        total: how many entries were expected.
        wrong: the entries that are not as the ledger says, with what was seen.
        unchecked: the entries that could not be compared, with the reason.
    """

    context: ClientContext
    client: AsyncClient
    on_progress: Callable[[int, int], object] | None = None
    total: int = 0
    wrong: dict[str, str] = attrs.field(factory=dict)
    unchecked: dict[str, str] = attrs.field(factory=dict)
    _of_invoice: dict[str, list[Entry]] = attrs.field(factory=dict, init=False)
    _of_number: dict[str, Entry] = attrs.field(factory=dict, init=False)
    # Counts in threads too, which would lose steps of a sum.
    _reads: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _told_at: float = attrs.field(default=0.0, init=False)

    def expect(self, entry: Entry) -> None:
        """Take one entry of the ledger, in the order of the plan."""
        self.total += 1
        if entry.number is not None:
            self._of_number[entry.number] = entry
        if entry.state in {State.IN_FLIGHT, State.UNKNOWN}:
            self.unchecked[entry.id] = "it is unclear: run the job, or reconcile it"
        elif entry.state in {State.CONFLICT, State.DOUBLED}:
            self.unchecked[entry.id] = f"{entry.state.value}: {entry.reason}"
        elif entry.state is State.COMMITTED and entry.body is None:
            self.unchecked[entry.id] = "its body was purged"
        elif entry.state is State.COMMITTED and entry.invoice_id is not None:
            if self.context.capabilities.supports(Feature.GET):
                self._of_invoice.setdefault(entry.invoice_id, []).append(entry)
            else:
                self.unchecked[entry.id] = f"{self.context.provider} documents no way to read it"

    async def read_invoices(self, concurrency: int) -> None:
        """Read each invoice, and compare it with the last values that the job gave it."""
        # Threads share the iterator, which gives each invoice to one of them.
        left = iter([*self._of_invoice.items()])

        async def work() -> None:
            for invoice_id, entries in left:
                await self._compare(invoice_id, entries)
                self._tell(next(self._reads), len(self._of_invoice))

        pool = self.context.backend.task_pool(concurrency)
        try:
            for job in [pool.start(work, _nothing) for _ in range(concurrency)]:
                await job.result()
        finally:
            await pool.aclose()

    def _tell(self, done: int, of: int) -> None:
        now = self.context.backend.now()
        if self.on_progress and (done == of or now - self._told_at > PROGRESS_EVERY_S):
            self._told_at = now
            self.on_progress(done, of)

    async def _compare(self, invoice_id: str, entries: list[Entry]) -> None:
        deleted = entries[-1].operation == "delete"
        try:
            invoice = await read(self.context, invoice_id)
        except NotFoundError:
            if not deleted:
                self.wrong |= {each.id: "the invoice is not there" for each in entries}
            return
        if deleted:
            self.wrong[entries[-1].id] = "the invoice is still there"
            return
        later: set[str] = set()
        for entry in reversed(entries):
            given = (draft_of(entry) if entry.operation == "create" else changes_of(entry)).given()
            last = {name: value for name, value in given.items() if name not in later}
            unlike = differing_fields(last, invoice)
            if unlike:
                shown = ", ".join(f"{name} is {getattr(invoice, name)!s}" for name in unlike)
                self.wrong[entry.id] = f"{shown}: changed since, or never carried out"
            later |= last.keys()

    async def read_list(self) -> None:
        """Read the whole list: each number once, and none that was not carried out."""
        if not self._of_number:
            return
        if not self.context.capabilities.supports(Feature.LIST):
            self.unchecked |= {
                each.id: f"{self.context.provider} has no list" for each in self._of_number.values()
            }
            return
        found: dict[str, set[str]] = {}
        async for row in self.client.list():
            if row.number in self._of_number:
                found.setdefault(row.number, set()).add(row.id)
        for number, ids in found.items():
            entry = self._of_number[number]
            others = sorted(ids - {entry.invoice_id})
            if entry.state in _NOT_THERE:
                await self._compare_unwanted(entry, others)
            elif entry.state is State.COMMITTED and others:
                self.wrong[entry.id] = (
                    f"the ledger says that it is {entry.invoice_id}, and the list shows its number "
                    f"at {', '.join(others)}"
                )

    async def _compare_unwanted(self, entry: Entry, ids: Sequence[str]) -> None:
        """Compare invoices that have the number of a create which was not carried out.

        They may be others: the create may have been refused because its number was taken.
        """
        if entry.body is None or not self.context.capabilities.supports(Feature.GET):
            self.unchecked[entry.id] = f"it is {entry.state.value}, and its number is at {ids[0]}"
            return
        given = draft_of(entry).given()
        for each in ids:
            try:
                invoice = await read(self.context, each)
            except NotFoundError:
                continue
            if not differing_fields(given, invoice):
                self.wrong[entry.id] = f"it is {entry.state.value}, and is there: {each}"


def _nothing() -> None:
    """Do nothing at the end of a job."""
