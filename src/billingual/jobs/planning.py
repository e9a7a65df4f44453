"""Make entries of what a caller plans: names, numbers, frozen bodies, early refusals."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeGuard

import attrs

from billingual._arguments import model_of
from billingual.capabilities import Feature
from billingual.errors import InvalidInputError, UsageError, shown
from billingual.jobs.entry import Create, Delete, PlannedWrite, Update, body_hash, body_text
from billingual.jobs.ledger import Ledger, LedgerError, NewEntry
from billingual.model import Changes, Draft, Invoice, InvoiceSummary
from billingual.model._mapping import as_json

if TYPE_CHECKING:
    from billingual.client import AsyncClient
    from billingual.wire import WireRequest

__all__ = ["Occurrences", "Planner", "fields_of", "letters_of", "planned_write", "request_of"]

# Crockford's base 32: no letter is taken for a digit when a person reads a number aloud.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# 16 letters of 5 bits are 80 bits of a hash: among a million numbers two are alike with a
# probability of one in 10^12.
_LETTERS: Final = 16


def planned_write(given: object) -> PlannedWrite:
    """Read what a caller gave as one write.

    Raises:
        InvalidInputError: if it is none.
    """
    if isinstance(given, (Create, Update, Delete)):
        return given
    if isinstance(given, (Draft, Mapping)):
        return Create(draft=model_of(given, Draft, "writes"))
    if isinstance(given, tuple) and len(given) == 2:
        invoice, changes = given
        if isinstance(changes, (Changes, Mapping)):
            changes = model_of(changes, Changes, "writes")
            if isinstance(invoice, InvoiceSummary):
                return Update(invoice_id=invoice.id, changes=changes, base=invoice)
            if isinstance(invoice, str):
                return Update(invoice_id=invoice, changes=changes)
    raise InvalidInputError(
        "writes",
        f"{type(given).__name__} is no write",
        "give a Draft, a pair of an invoice (or its id) and Changes, or Create, Update or Delete "
        "of billingual.jobs",
    )


def fields_of(invoice: InvoiceSummary, names: Iterable[str]) -> str:
    """Write those fields of an invoice that a change names, as JSON text."""
    # Not the whole invoice: its lines and parties take longer than to read it.
    shown = {name: as_json(getattr(invoice, name, None)) for name in names}
    return json.dumps(shown, ensure_ascii=False, sort_keys=True)


@attrs.define(eq=False)
class Planner:
    """Make entries of planned writes; all that can be known to be wrong is refused here.

    Attributes:
        client: the client that is going to send them.
        ledger: knows the numbers that were chosen in an earlier run.
        prefix: what a number that is chosen here starts with.
        nonce: the random text of the ledger, of which its numbers are made.
        seen: counts the writes of this plan that are alike.
    """

    client: AsyncClient
    ledger: Ledger
    prefix: str
    nonce: str
    seen: Occurrences
    _place: int = attrs.field(default=0, init=False)
    _unchecked: dict[str, tuple[int, Update]] = attrs.field(factory=dict, init=False)
    _written: tuple[Changes | None, str] = attrs.field(default=(None, ""), init=False)

    def entry(self, given: object) -> NewEntry:
        """Return the entry of one write; call :meth:`check` before it is kept.

        Raises:
            UsageError: if it, or one before it, could not be sent; the error names its place in the
                plan.
        """
        self._place += 1
        try:
            write = planned_write(given)
            _check_id(write.id)
            if self._may_wait(write):
                self._unchecked[write.invoice_id] = self._place, write
            else:
                request_of(self.client, write, self.prefix)
        except UsageError as error:
            self.check()
            raise _placed(error, self._place) from None
        if len(self._unchecked) == self.client.capabilities.batch_limit:
            self.check()
        if isinstance(write, Create):
            return self._create(write)
        count = self.seen.add(f"target {write.target}")
        suffix = "" if count == 1 else f"#{count}"
        body = self._body_of(write)
        return NewEntry(
            id=write.id or f"{write.target}{suffix}",
            operation=write.operation,
            target=write.target,
            number=None,
            body=body,
            body_hash=body_hash(write.operation, write.target, body),
            before=_before(write),
        )

    def check(self) -> None:
        """Refuse what could not be sent of the updates so far.

        They are looked at as many at a time as one request takes, which is far quicker.

        Raises:
            UsageError: if one could not be sent; the error names its place in the plan.
        """
        unchecked, self._unchecked = self._unchecked, {}
        if not unchecked:
            return
        pairs = [(invoice_id, write.changes) for invoice_id, (_, write) in unchecked.items()]
        try:
            self.client.preview.update_many(pairs)
        except UsageError:
            for place, write in unchecked.values():
                try:
                    request_of(self.client, write, self.prefix)
                except UsageError as error:
                    raise _placed(error, place) from None

    def _may_wait(self, write: PlannedWrite) -> TypeGuard[Update]:
        target: object = write.target
        return (
            isinstance(write, Update)
            and isinstance(target, str)  # an id may be anything until it is looked at
            and target not in self._unchecked
            and self.client.capabilities.supports(Feature.UPDATE_MANY)
        )

    def _body_of(self, write: Update | Delete) -> str:
        if isinstance(write, Delete):
            return body_text(write)
        # Many invoices often get the same changes, which never change.
        changes, body = self._written
        if changes is not write.changes:
            body = body_text(write)
            self._written = write.changes, body
        return body

    def _create(self, write: Create) -> NewEntry:
        draft = write.draft
        body = body_text(write)
        digest = body_hash(write.operation, None, body)
        number = draft.number if isinstance(draft.number, str) else None
        entry_id = write.id or number or f"draft-{digest[:16]}#{self.seen.add(digest)}"
        if number is None and _needs_number(self.client):
            # An earlier run may have chosen a number for this draft, and sent it.
            number = self.ledger.number_of(entry_id) or self.prefix + letters_of(
                entry_id, self.nonce
            )
            body = body_text(Create(draft=attrs.evolve(draft, number=number)))
            digest = body_hash(write.operation, None, body)
        return NewEntry(
            id=entry_id,
            operation=write.operation,
            target=None,
            number=number,
            body=body,
            body_hash=digest,
        )


def _placed(error: UsageError, place: int) -> UsageError:
    error.add_note(f"this is write {place} of the plan")
    return error


def letters_of(entry_id: str, nonce: str) -> str:
    """Choose the end of a number: the same for the same entry, also where two processes plan.

    No other program chooses the same: they are made of the random text of the ledger.
    """
    name = entry_id.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(name, digest_size=_LETTERS * 5 // 8, key=nonce.encode())
    bits = int.from_bytes(digest.digest())
    return "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_LETTERS))


def _before(write: PlannedWrite) -> str | None:
    if not isinstance(write, Update) or write.base is None:
        return None
    known = fields_of(write.base, write.changes.given())
    # A row of a list may lack the very fields that change; then the invoice has to be read.
    whole = isinstance(write.base, Invoice) or None not in json.loads(known).values()
    return known if whole else None


def _check_id(entry_id: object) -> None:
    if entry_id is not None and (not isinstance(entry_id, str) or not entry_id):
        raise InvalidInputError(
            "id", f"{shown(entry_id)} names no write", "give a text, or leave it out"
        )


def _needs_number(client: AsyncClient) -> bool:
    # By an idempotency key a provider knows a create again, and may number it as it likes.
    return not client.capabilities.idempotency_keys


def request_of(client: AsyncClient, write: PlannedWrite, prefix: str) -> WireRequest:
    """Return the request that would carry out one write by itself; nothing is sent.

    Where a draft has no number there are question marks in the place of the one that the job is
    going to choose.

    Raises:
        UsageError: if the write could not be sent.
    """
    if isinstance(write, Create):
        draft = write.draft
        if not isinstance(draft.number, str) and _needs_number(client):
            draft = attrs.evolve(draft, number=prefix + "?" * _LETTERS)
        return client.preview.create(draft)
    if isinstance(write, Delete):
        return client.preview.delete_many([write.invoice_id])
    if client.capabilities.supports(Feature.UPDATE_MANY):
        return client.preview.update_many([(write.invoice_id, write.changes)])
    return client.preview.update(write.invoice_id, write.changes, base=write.base)


class Occurrences:
    """How often each name occurs in a plan of any length, for one task or thread at a time.

    They are kept as hashes in a temporary file of SQLite, which takes about 2 MiB of memory and
    removes the file when it is closed, or when the process dies. Memory could be too small.
    """

    def __init__(self) -> None:
        # An empty name is that of a temporary file. Nothing of it outlives the process, so the
        # disk need not be waited for.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        run = self._connection.execute
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
        run("CREATE TABLE seen (name BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID")

    def add(self, name: str) -> int:
        """Count a name once more; return how often it came, this time included.

        Raises:
            LedgerError: if the temporary file cannot be written.
        """
        key = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        try:
            # To its end: a cursor that is left open would keep the statement busy.
            ((times,),) = self._connection.execute(
                "INSERT INTO seen VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET times = times + 1"
                " RETURNING times",
                (key,),
            ).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(
                f"what a plan has seen cannot be kept in a temporary file ({error}); make room for "
                "it, and plan the same again."
            ) from error
        return int(times)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
