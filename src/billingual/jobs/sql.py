"""The steps of a ledger in SQL, for every store that speaks it.

A store implements how a transaction is run, and the few places where its SQL differs: lists as
values, and locks of rows. Parameters are written as in SQLite.
"""

# ruff: noqa: S608 - statements are put together from our own constants
from __future__ import annotations

import functools
import itertools
import json
import os
import secrets
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, Protocol, TypeVar

from billingual._version import __version__
from billingual.errors import ConfigurationError, InvalidInputError, UsageError
from billingual.jobs.entry import Decision, Entry, Request, State
from billingual.jobs.ledger import (
    NEVER,
    Claim,
    ClaimLostError,
    NewEntry,
    PlanConflictError,
    Seen,
    can_resolve,
)
from billingual.wire import unfrozen

__all__ = [
    "FREE",
    "Rows",
    "SqlLedger",
    "Step",
    "plan_conflict",
    "repeatable",
    "taken_number",
    "unreadable_text",
]

L = TypeVar("L", bound="SqlLedger")
P = ParamSpec("P")
T = TypeVar("T")

# How far a clock may be put forward between two runs: by an hour, when a system starts on the wrong
# side of summer time, and a little more.
_CLOCK_JUMP_S: Final = 2 * 3600.0

_ENTRY: Final = (
    "seq, id, operation, target, number, body, body_hash, state, reason, invoice_id, attempts, "
    "unclear, before, not_before, refusal"
)

_WITHOUT_BODY: Final = _ENTRY.replace(" body,", " NULL,").replace(" before,", " NULL,")

# The columns of an entry that is claimed.
_CLAIMED: Final = f"{_ENTRY}, coalesce(late_check, not_before), given_up_at"
_OPERATION: Final = 2

# A write waits for all earlier writes of its invoice. If one of those ended in a conflict, it waits
# for a person to decide, because the state that it was planned for is not there. A write that a
# person planned anew also waits for a later one that is under way. The index alone decides ``<>``,
# and that ends the search for nearly every write, because most invoices have only one.
FREE: Final = """NOT EXISTS (
    SELECT 1 FROM entry AS other WHERE other.target = each.target AND other.seq <> each.seq
    AND other.state IN ('planned', 'in_flight', 'unknown', 'conflict')
    AND (other.seq < each.seq OR other.state IN ('in_flight', 'unknown')))"""
# The same text as in the indexes, letter for letter: otherwise the database would not use them, and
# would look at all entries that are done.
_READY: Final = "state = 'planned' AND batch IS NULL"
_READY_AND_READ: Final = f"{_READY} AND (before IS NOT NULL OR operation <> 'update')"
_UNREAD: Final = f"{_READY} AND operation = 'update' AND before IS NULL"
# To group by state would sort all entries, and SQLite would need memory for each of them.
_COUNTS: Final = ", ".join(f"count(*) FILTER (WHERE state = '{each.value}')" for each in State)
_GONE: Final = "the process ended while a request was on its way"
_SENT: Final = "state = 'in_flight', attempts = attempts + 1, "
_NO_CREATE: Final = " AND operation <> 'create'"
_UNHELD: Final = "(held = 0 OR (lease > 0 AND lease < ?))"
# What is held belongs to a request that has not ended, and few have not.
_UNDER_WAY: Final = "held = 1 AND request IN (SELECT id FROM request WHERE ended IS NULL)"


class Rows(Protocol):
    """What a statement found, or how many rows it changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...


class Step(Protocol):
    """A transaction that runs."""

    def execute(self, query: str, values: Any = ..., /) -> Rows:
        """Run one statement."""
        ...

    def executemany(self, query: str, values: Iterable[Any], /) -> object:
        """Run one statement for each set of values."""
        ...


def repeatable(method: Callable[Concatenate[L, P], T]) -> Callable[Concatenate[L, P], T]:
    """Let a ledger take a step anew whose transaction was lost."""

    @functools.wraps(method)
    def step(ledger: L, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return ledger.until_kept(lambda: method(ledger, *args, **kwargs))

    return step


class SqlLedger(ABC):
    """The steps of a ledger; see :class:`Ledger` for each of them.

    Attributes:
        shared: whether several processes may work with it, so that each claim needs a lease.
    """

    shared: bool

    _AMONG: ClassVar[str]
    """What a column is compared with to be among the values of a list."""

    _HELD: ClassVar[str] = ""
    """At the end of a query: no other transaction changes these rows until this one ends."""

    _SKIPPING: ClassVar[str] = ""
    """Likewise, and rows that another transaction holds are passed over."""

    _FIRST: ClassVar[str] = ""
    """A condition: the entry is the first of its batch. Who holds that one may claim the batch."""

    _FREE: ClassVar[str] = FREE
    """A condition: no other write of its invoice has to be carried out before the entry *each*."""

    _KIND: ClassVar[str]
    """The kind of invoice that the body of a create names, or null."""

    @property
    @abstractmethod
    def _name(self) -> str:
        """How messages call the ledger."""

    @abstractmethod
    def leave_to_parent(self) -> None:
        """In a forked child: leave to the parent what it goes on working with."""

    def _leave_at_fork(self) -> None:
        """Have each forked child leave it to its parent, from now on."""
        _OPEN.add(self)

    @abstractmethod
    def _step(self) -> AbstractContextManager[Step]:
        """Run one transaction: all of it is durable afterwards, or nothing."""

    def until_kept(self, step: Callable[[], T]) -> T:
        """Take a step, more than once where a store can lose a transaction that it began."""
        return step()

    @abstractmethod
    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one query."""

    def _select(self, step: Step, columns: str, rest: str, *values: object) -> list[Any]:
        """Run one query of a step that may find as many rows as a batch has entries.

        The first of its *columns* is ``seq``, by which they are in order.
        """
        return step.execute(f"SELECT {columns} {rest}", values).fetchall()

    @abstractmethod
    def _list(self, values: Iterable[object]) -> object:
        """Make one value of a list, for :attr:`_AMONG`."""

    @abstractmethod
    def _forget(self) -> None:
        """Wipe out what was purged, where the store keeps it in free space."""

    def clock(self, now: float) -> float:
        """Return the time of this machine; see :class:`Ledger`."""
        return now

    @repeatable
    def together(self, call: Callable[[], T]) -> T:
        """Take all steps of a call in one transaction; see :class:`Ledger`."""
        with self._step():
            return call()

    @repeatable
    def bind(self, provider: str, account: Sequence[str | None], *, now: float) -> str:
        """Keep which account the job is about, or check it; see :class:`Ledger`."""
        text = json.dumps(list(account))
        with self._step() as connection:
            connection.execute(
                "INSERT INTO job (id, provider, account, created, version, nonce)"
                " VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (provider, text, now, __version__, secrets.token_hex(8)),
            )
            known = connection.execute("SELECT provider, account, nonce FROM job").fetchone()
            if known[:2] != (provider, text):
                raise ConfigurationError(
                    f"the ledger {self._name} is a job for {known[0]} with the account {known[1]}, "
                    f"and this client speaks to {provider} with {text}",
                    "use a client of the same account, or another ledger",
                    hint="use_account_of_job",
                )
            return str(known[2])

    def keep_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Keep options of the job; see :class:`Ledger`."""
        with self._step() as connection:
            ((text,),) = connection.execute(f"SELECT options FROM job{self._HELD}").fetchall()
            before: dict[str, object] = json.loads(text)
            if {**before, **options} != before:
                connection.execute(
                    "UPDATE job SET options = ?", (json.dumps({**before, **options}),)
                )
            return before

    def number_of(self, entry_id: str) -> str | None:
        """Return the number that an entry has; see :class:`Ledger`."""
        rows = self._read("SELECT number FROM entry WHERE id = ?", entry_id)
        return rows[0][0] if rows else None

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry; see :class:`Ledger`."""
        rows = self._read(f"SELECT {_ENTRY} FROM entry WHERE id = ?", entry_id)
        return _entry(rows[0]) if rows else None

    @repeatable
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
        """Mark the next entries as in flight; see :class:`Ledger`."""
        ready = f"{_READY_AND_READ if before else _READY} AND not_before <= ? AND {self._FREE}"
        with self._step() as connection:
            run = connection.execute
            # One query for both: what a step waits for, in a busy process, are its statements.
            ((batch, operation),) = run(
                "SELECT (SELECT batch FROM entry AS each WHERE state = 'planned'"
                f" AND batch IS NOT NULL AND not_before <= ?{self._FIRST} LIMIT 1{self._SKIPPING}),"
                f" (SELECT operation FROM entry AS each WHERE {ready}"
                f" ORDER BY seq LIMIT 1{self._SKIPPING})",
                (now, now),
            ).fetchall()
            if batch is not None:
                found = self._select(
                    connection,
                    _CLAIMED,
                    f"FROM entry WHERE state = 'planned' AND batch = ? ORDER BY seq{self._HELD}",
                    batch,
                )
                return self._claimed(connection, "send", found, owner=owner, now=now, lease=lease)
            if operation is None:
                return None
            limit = limits[operation]
            if full and not self._has(connection, limit, ready, now):
                return None
            found = self._select(
                connection,
                _CLAIMED,
                f"FROM entry AS each WHERE {ready} ORDER BY seq LIMIT ?{self._SKIPPING}",
                now,
                limit,
            )
            # Another process may have let go of earlier entries since the first one was read, and
            # those may be of another operation, of which a request takes fewer.
            found = list(itertools.takewhile(lambda row: row[_OPERATION] == operation, found))
            if len(found) < (limit if full else 1):
                return None
            return self._claimed(connection, "send", found, owner=owner, now=now, lease=lease)

    def _claimed(
        self,
        connection: Step,
        kind: str,
        found: Sequence[Sequence[Any]],
        *,
        owner: str,
        now: float,
        lease: float,
    ) -> Claim:
        run = connection.execute
        listed = self._list(row[0] for row in found)
        if kind == "look" and self.shared:
            # The process that looked before may be gone: its lease is over.
            run(
                f"UPDATE request SET ended = ?, outcome = 'unknown', why = '{_GONE}'"
                " WHERE ended IS NULL AND id IN (SELECT request FROM entry"
                f" WHERE held = 1 AND seq {self._AMONG})",
                (now, listed),
            )
        ((request,),) = run(
            "INSERT INTO request (id, kind, owner, started) VALUES (?, ?, ?, ?) RETURNING id",
            (self._new_request(connection), kind, owner, now),
        ).fetchall()
        run(
            f"UPDATE entry SET {_SENT if kind == 'send' else ''}"
            "batch = coalesce(batch, ?), request = ?, held = 1, lease = ?"
            f" WHERE seq {self._AMONG}",
            (request, request, lease if self.shared else 0.0, listed),
        )
        run("INSERT INTO attempt SELECT seq, request FROM entry WHERE request = ?", (request,))
        return Claim(
            kind=kind,
            request=request,
            owner=owner,
            lease=lease,
            entries=tuple([_entry(row[:-2]) for row in found]),
            due=max([row[-2] for row in found]),
            given_up_at=max([row[-1] for row in found]),
        )

    def _has(self, connection: Step, count: int, ready: str, now: float) -> bool:
        """Whether so many entries are ready: it is asked for far more often than they are."""
        ((found,),) = connection.execute(
            f"SELECT count(*) FROM (SELECT seq FROM entry AS each WHERE {ready} LIMIT ?) AS found",
            (now, count),
        ).fetchall()
        return bool(found == count)

    def _new_request(self, connection: Step) -> int | None:  # noqa: ARG002 - a store may ask
        """Return the id of a new request; None lets the table count."""
        return None

    @repeatable
    def commit(
        self,
        claim: Claim,
        *,
        now: float,
        invoices: Mapping[str, str],
        notes: Mapping[str, str],
        late_check: float,
    ) -> None:
        """The provider carried the claim out; see :class:`Ledger`."""
        with self._ending(claim, now, "committed", None, "it succeeded") as connection:
            # Nothing differs from row to row but what was created, so one statement does for all.
            creates = claim.entries[0].operation == "create"
            if creates:  # The invoice of any other entry is its target.
                connection.executemany(
                    "UPDATE entry SET invoice_id = ? WHERE seq = ?",
                    [(invoices[each.id], each.seq) for each in claim.entries],
                )
            connection.execute(
                "UPDATE entry SET state = 'committed', reason = NULL, held = 0 WHERE request = ?",
                (claim.request,),
            )
            connection.executemany(
                "UPDATE entry SET reason = ? WHERE id = ?",
                [(_text(note), entry_id) for entry_id, note in notes.items()],
            )
            if creates:
                # An earlier request may still arrive, and double it.
                connection.execute(
                    "UPDATE entry SET late_check = ? WHERE request = ? AND unclear > 0",
                    (late_check, claim.request),
                )

    @repeatable
    def reject(
        self, claim: Claim, *, now: float, reasons: Mapping[str, str], status: int | None, why: str
    ) -> None:
        """The provider refused the claim; see :class:`Ledger`."""
        with self._ending(claim, now, "rejected", status, why) as connection:
            connection.executemany(
                "UPDATE entry SET state = 'rejected', reason = ?, held = 0 WHERE seq = ?",
                [(_text(reasons.get(each.id, why)), each.seq) for each in claim.entries],
            )

    @repeatable
    def release(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """This request provably did nothing; see :class:`Ledger`."""
        with self._ending(claim, now, "not_applied", None, why) as connection:
            connection.execute(
                "UPDATE entry SET state = 'planned', reason = ?, not_before = ?, held = 0"
                " WHERE request = ?",
                (_text(why), not_before, claim.request),
            )

    @repeatable
    def split(self, claim: Claim, *, now: float, status: int | None, why: str) -> None:
        """Make two batches of a refused one; see :class:`Ledger`."""
        with self._ending(claim, now, "refused", status, why) as connection:
            # Batches are named by requests. A half has none yet; it takes a name below zero that is
            # made of the request that was refused, which ends but once.
            half = (len(claim.entries) + 1) // 2
            halves = (claim.entries[:half], claim.entries[half:])
            for place, part in enumerate(halves):
                connection.execute(
                    "UPDATE entry SET state = 'planned', reason = ?, batch = ?, not_before = 0,"
                    f" held = 0 WHERE seq {self._AMONG}",
                    (
                        _text(why),
                        -2 * claim.request - place,
                        self._list(each.seq for each in part),
                    ),
                )

    @repeatable
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
        """The request may have been carried out; see :class:`Ledger`."""
        outcome = "unknown" if refusal is None else "refused"
        with self._ending(claim, now, outcome, status, why) as connection:
            connection.execute(
                "UPDATE entry SET state = 'unknown', reason = :why, refusal = :refusal,"
                " unclear = unclear + :doubt, not_before = :not_before,"
                " given_up_at = CASE :doubt WHEN 1 THEN :now ELSE given_up_at END,"
                " held = 0"
                " WHERE request = :request",
                {
                    "why": _text(why),
                    "refusal": None if refusal is None else _text(refusal),
                    "doubt": int(refusal is None),
                    "not_before": not_before,
                    "now": now,
                    "request": claim.request,
                },
            )

    @contextmanager
    def _ending(
        self, claim: Claim, now: float, outcome: str, status: int | None, why: str
    ) -> Iterator[Step]:
        """End a claim's request; the block says what that makes of its entries."""
        with self._step() as connection:
            count, request = len(claim.entries), claim.request
            ended = connection.execute(
                "UPDATE request SET ended = ?, outcome = ?, status = ?, why = ? WHERE id = ?"
                " AND ? = (SELECT count(*) FROM (SELECT seq FROM entry WHERE request = ?"
                f" AND held = 1 ORDER BY seq{self._HELD}) AS held)",
                (now, outcome, status, _text(why), request, count, request),
            ).rowcount
            if not ended:
                raise ClaimLostError(
                    f"request {request} ended after its lease, and another process took its "
                    "entries over; that one looks at the provider before it sends anything."
                )
            yield connection

    @repeatable
    def claim_look(
        self, *, owner: str, now: float, lease: float, creates: bool = True
    ) -> Claim | None:
        """Take entries to look at the provider; see :class:`Ledger`."""
        with self._step() as connection:
            run = connection.execute
            first = run(
                "SELECT batch FROM entry AS each WHERE state = 'unknown' AND not_before <= ?"
                f" AND {_UNHELD}{'' if creates else _NO_CREATE}{self._FIRST}"
                f" ORDER BY not_before LIMIT 1{self._SKIPPING}",
                (now, now),
            ).fetchone()
            if first is not None:
                found = self._select(
                    connection,
                    _CLAIMED,
                    "FROM entry WHERE state = 'unknown' AND batch = ? AND not_before <= ?"
                    f" ORDER BY seq{self._HELD}",
                    first[0],
                    now,
                )
            elif creates:
                found = self._select(
                    connection,
                    _CLAIMED,
                    f"FROM entry WHERE late_check <= ? AND {_UNHELD} LIMIT 1{self._SKIPPING}",
                    now,
                    now,
                )
            else:
                return None
            if not found:
                return None
            return self._claimed(connection, "look", found, owner=owner, now=now, lease=lease)

    @repeatable
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
        """A look showed something about entries; see :class:`Ledger`."""
        outcome = ", ".join(sorted({each.state.value for each in seen.values()}))
        with self._ending(claim, now, outcome, None, why) as connection:
            connection.execute(
                "UPDATE entry SET held = 0, not_before = ? WHERE request = ?",
                (not_before, claim.request),
            )
            connection.executemany(
                "UPDATE entry SET state = ?, reason = ?, invoice_id = coalesce(?, invoice_id),"
                " late_check = ?, not_before = 0, refusal = NULL WHERE seq = ?",
                [
                    (
                        seen[each.id].state.value,
                        _text(seen[each.id].reason) or None,
                        seen[each.id].invoice_id,
                        late_check if seen[each.id].state is State.COMMITTED else None,
                        each.seq,
                    )
                    for each in claim.entries
                    if each.id in seen
                ],
            )

    @repeatable
    def postpone(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """A look told nothing yet; see :class:`Ledger`."""
        with self._ending(claim, now, "unknown", None, why) as connection:
            connection.execute(
                "UPDATE entry SET held = 0, reason = ?, not_before = ?,"
                " late_check = CASE WHEN late_check IS NULL THEN NULL ELSE ? END WHERE request = ?",
                (_text(why), not_before, not_before, claim.request),
            )

    @repeatable
    def recover(self, *, now: float, late_arrival_s: float) -> int:
        """Begin a run; see :class:`Ledger`."""
        values = {"now": now, "late_arrival_s": late_arrival_s, "apart": _CLOCK_JUMP_S}
        with self._step() as connection:
            run = connection.execute
            # In the order in which a claim takes them, or each could wait for the other.
            run(
                f"SELECT seq FROM entry WHERE state = 'unknown' ORDER BY seq{self._HELD}"
            ).fetchall()
            # What an earlier run gave up on is looked at again.
            run(
                "UPDATE entry SET not_before = :now"
                " + CASE WHEN :now - given_up_at > :late_arrival_s + :apart THEN 0"
                " ELSE :late_arrival_s END"
                " WHERE state = 'unknown' AND (held = 0 OR lease < :now)",
                values,
            )
            # A request whose time is in the future shows that the clock was put back since. Waits
            # that were computed from that time are too long by as much.
            of_future = "request IN (SELECT id FROM request WHERE coalesce(ended, started) > :now)"
            run(
                "UPDATE entry SET not_before = 0 WHERE state = 'planned' AND not_before > :now"
                f" AND (not_before >= {NEVER} OR {of_future})",
                values,
            )
            run(
                "UPDATE entry SET late_check = :now + :late_arrival_s"
                f" WHERE late_check > :now + :late_arrival_s AND {of_future}",
                values,
            )
            # A lease of 0 is that of a process which had the file for itself. Now we have opened
            # it, so that one has ended.
            return self._end_claims(connection, "held = 1", now, late_arrival_s)

    @repeatable
    def end_leases(self, *, now: float, late_arrival_s: float) -> int:
        """During a run: what is in flight under an ended lease is unclear; see :class:`Ledger`."""
        over = f"{_UNDER_WAY} AND lease > 0"
        if not self._read(f"SELECT 1 FROM entry WHERE {over} AND lease < ? LIMIT 1", now):
            return 0
        with self._step() as connection:
            return self._end_claims(connection, over, now, late_arrival_s)

    def _end_claims(self, connection: Step, over: str, now: float, late_arrival_s: float) -> int:
        run = connection.execute
        # Lock entries before their requests, as the end of a claim does; otherwise two
        # transactions could wait for one another.
        rows = run(
            f"SELECT seq, request FROM entry WHERE {over} AND lease < ? ORDER BY seq{self._HELD}",
            (now,),
        ).fetchall()
        seqs = self._list(seq for seq, _ in rows)
        run(
            "UPDATE request SET ended = ?, outcome = 'unknown', why = ? WHERE ended IS NULL"
            f" AND id {self._AMONG}",
            (now, _GONE, self._list({request for _, request in rows})),
        )
        run(
            f"UPDATE entry SET held = 0 WHERE seq {self._AMONG} AND state <> 'in_flight'",
            (seqs,),
        )
        # Where the clock was put forward, a lease seems to end too soon, and its request may still
        # be on its way: so its whole length is waited for once more.
        return run(
            "UPDATE entry SET state = 'unknown', unclear = unclear + 1, held = 0,"
            " reason = ?, given_up_at = ?,"
            " not_before = ? + coalesce((SELECT lease - started FROM request"
            " WHERE request.id = entry.request AND lease > started), 0)"
            f" WHERE state = 'in_flight' AND seq {self._AMONG}",
            (_GONE, now, now + late_arrival_s, seqs),
        ).rowcount

    def without_before(self, *, passing_over: Collection[int], most: int) -> list[Entry]:
        """List updates whose state before is not kept; see :class:`Ledger`."""
        rows = self._read(
            f"SELECT {_ENTRY} FROM entry AS each WHERE {_UNREAD}"
            f" AND not_before < {NEVER} AND NOT seq {self._AMONG} AND {self._FREE}"
            " ORDER BY seq LIMIT ?",
            self._list(passing_over),
            most,
        )
        return [_entry(row) for row in rows]

    @repeatable
    def keep_before(self, before: Mapping[str, str]) -> None:
        """Keep the fields as they were before; see :class:`Ledger`."""
        with self._step() as connection:
            connection.executemany(
                "UPDATE entry SET before = ? WHERE id = ? AND before IS NULL",
                [(fields, entry_id) for entry_id, fields in before.items()],
            )

    @repeatable
    def put_off(self, reasons: Mapping[str, str]) -> None:
        """Leave planned entries to the next run; see :class:`Ledger`."""
        with self._step() as connection:
            connection.executemany(
                f"UPDATE entry SET not_before = {NEVER}, reason = ?"
                " WHERE id = ? AND state = 'planned'",
                [(_text(why), entry_id) for entry_id, why in reasons.items()],
            )

    @repeatable
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
        """Keep what a person decided about an entry; see :class:`Ledger`."""
        if not by.strip():
            raise UsageError("by is empty; say who decided.")
        with self._step() as connection:
            run = connection.execute
            row = run(
                "SELECT seq, state, coalesce(target, ?, invoice_id), body IS NULL, request"
                f" FROM entry WHERE id = ?{self._HELD}",
                (invoice_id, entry_id),
            ).fetchone()
            if row is None:
                raise UsageError(f"the ledger {self._name} has no entry {entry_id!r}.")
            seq, before, invoice, purged, request = row
            if not can_resolve(State(before), state):
                raise UsageError(f"entry {entry_id!r} is {before}, and cannot be made {state}.")
            if state is State.PLANNED and purged:
                raise UsageError(
                    f"the body of entry {entry_id!r} was purged; plan it again under another id."
                )
            if invoice_id is not None and invoice_id != invoice:
                raise InvalidInputError(
                    "invoice_id",
                    f"entry {entry_id!r} is about {invoice!r}, not {invoice_id!r}",
                    "leave it out; it is for creates",
                )
            if state is State.COMMITTED and invoice is None:
                raise InvalidInputError(
                    "invoice_id", f"entry {entry_id!r} made no known invoice", "name the invoice"
                )
            # A look that is under way will find that it lost its claim, and end nothing.
            run(
                "UPDATE request SET ended = ?, outcome = 'unknown', why = ?"
                " WHERE id = ? AND ended IS NULL",
                (now, "a person decided meanwhile", request),
            )
            run(
                "INSERT INTO decision (entry, at, by, note, before, after)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (seq, now, _text(by), _text(note), before, state.value),
            )
            run(
                "UPDATE entry SET state = ?, reason = ?, batch = NULL, late_check = NULL,"
                " refusal = NULL, invoice_id = ?, held = 0, not_before = 0 WHERE seq = ?",
                (state.value, _text(f"{by}: {note}"), invoice, seq),
            )
            return _entry(run(f"SELECT {_ENTRY} FROM entry WHERE seq = ?", (seq,)).fetchone())

    def counts(self) -> dict[State, int]:
        """Count the entries in each state; see :class:`Ledger`."""
        (found,) = self._read(f"SELECT {_COUNTS} FROM entry")
        return {state: count for state, count in zip(State, found, strict=True) if count}

    def next_due(self, *, now: float, sends: bool, looks: bool) -> float | None:
        """Return when there is something to do next; see :class:`Ledger`."""
        parts = ["SELECT NULL AS at"]
        if looks:
            parts += [
                "SELECT min(not_before) FROM entry WHERE state = 'unknown'",
                "SELECT min(late_check) FROM entry WHERE late_check IS NOT NULL",
            ]
        if sends:
            parts += [
                "SELECT min(not_before) FROM entry WHERE state = 'planned' AND batch IS NOT NULL",
                f"SELECT min(not_before) FROM entry AS each WHERE {_READY} AND {self._FREE}",
            ]
        ((due,),) = self._read(f"SELECT min(at) FROM ({' UNION ALL '.join(parts)}) AS due")
        return None if due is None else max(due, now)

    def is_working(self) -> bool:
        """Say whether a run has claimed entries; see :class:`Ledger`."""
        ((found,),) = self._read(f"SELECT EXISTS (SELECT 1 FROM entry WHERE {_UNDER_WAY})")
        return bool(found)

    def of_others(self, entry_id: str, shown: Iterable[tuple[str, str | None]]) -> set[str]:
        """Say which invoices are those of other entries; see :class:`Ledger`."""
        given = list(shown)
        made = self._read(
            "SELECT invoice_id FROM entry WHERE operation = 'create' AND invoice_id IS NOT NULL"
            f" AND id <> ? AND invoice_id {self._AMONG}",
            entry_id,
            self._list(invoice for invoice, _ in given),
        )
        named = self._read(
            f"SELECT number, invoice_id FROM entry WHERE id <> ? AND number {self._AMONG}",
            entry_id,
            self._list(number for _, number in given if number is not None),
        )
        others = {invoice for (invoice,) in made}
        numbers = dict(named)
        return others | {
            invoice
            for invoice, number in given
            if number in numbers and numbers[number] in {None, invoice}
        }

    def adopted(self) -> int:
        """Count the entries that a look found; see :class:`Ledger`."""
        ((count,),) = self._read(
            "SELECT count(*) FROM entry WHERE state = 'committed' AND unclear > 0"
        )
        return int(count)

    def entries(
        self, states: Iterable[State], after: int, most: int, *, bodies: bool = True
    ) -> list[Entry]:
        """List entries in the order of the plan; see :class:`Ledger`."""
        listed = self._list([each.value for each in states] or [each.value for each in State])
        rows = self._read(
            f"SELECT {_ENTRY if bodies else _WITHOUT_BODY} FROM entry"
            f" WHERE seq > ? AND state {self._AMONG} ORDER BY seq LIMIT ?",
            after,
            listed,
            most,
        )
        return [_entry(row) for row in rows]

    def requests(self, entry_id: str) -> list[Request]:
        """List the requests for one entry; see :class:`Ledger`."""
        rows = self._read(
            "SELECT r.id, kind, r.owner, started, ended, outcome, status, why FROM request AS r"
            " JOIN attempt ON attempt.request = r.id JOIN entry ON entry.seq = attempt.entry"
            " WHERE entry.id = ? ORDER BY r.id",
            entry_id,
        )
        names = ("id", "kind", "owner", "started", "ended", "outcome", "status", "why")
        return [Request(**dict(zip(names, row, strict=True))) for row in rows]

    def decisions(self, entry_id: str) -> list[Decision]:
        """List what people decided about one entry; see :class:`Ledger`."""
        rows = self._read(
            "SELECT at, by, note, d.before, after FROM decision AS d"
            " JOIN entry ON entry.seq = d.entry WHERE entry.id = ? ORDER BY d.id",
            entry_id,
        )
        return [
            Decision(at=at, by=by, note=note, before=State(before), after=State(after))
            for at, by, note, before, after in rows
        ]

    def last_created(self, most: int) -> list[str]:
        """List the invoices of the last creates without a doubt; see :class:`Ledger`."""
        rows = self._read(
            "SELECT invoice_id FROM entry WHERE operation = 'create' AND state = 'committed'"
            f" AND unclear = 0 AND coalesce({self._KIND}, '') <> 'payable'"
            " ORDER BY seq DESC LIMIT ?",
            most,
        )
        return [each[0] for each in rows]

    @repeatable
    def purge(self, *, before: float) -> int:
        """Forget the bodies of settled entries; see :class:`Ledger`."""
        with self._step() as connection:
            purged = connection.execute(
                "UPDATE entry SET body = NULL, before = NULL WHERE body IS NOT NULL"
                " AND state IN ('committed', 'rejected', 'abandoned') AND late_check IS NULL"
                " AND (request IS NULL OR request IN (SELECT id FROM request WHERE ended < ?))"
                " AND NOT EXISTS (SELECT 1 FROM decision WHERE entry = seq AND at >= ?)",
                (before, before),
            ).rowcount
        self._forget()
        return purged


_OPEN: Final[weakref.WeakSet[SqlLedger]] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for each in list(_OPEN):
        each.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def plan_conflict(given: NewEntry, known: str | None) -> PlanConflictError:
    """Make the error for an id that is known with another body."""
    shown = "its body was purged" if known is None else known
    return PlanConflictError(
        f"the ledger has another write under the id {given.id!r}.\n  in the ledger: {shown}\n"
        f"  planned now:   {given.body}\nGive this one another id, or use another ledger.",
        entry_id=given.id,
        in_ledger=known,
        planned_now=given.body,
    )


def taken_number(given: NewEntry) -> InvalidInputError:
    """Make the error for a number that another entry has."""
    return InvalidInputError(
        "number",
        f"{given.number!r} is the number of another entry of this job",
        "give each draft a number of its own",
    )


def unreadable_text(given: NewEntry) -> InvalidInputError:
    """Make the error for a text that is no Unicode."""
    return InvalidInputError(
        "id",
        f"{given.id!r}, its target or its number has half of a surrogate pair",
        "give whole characters",
    )


# A claim makes as many as a batch has, while other threads wait for Python's lock.
_Entry: Final = unfrozen(Entry)
_STATES: Final = {each.value: each for each in State}


def _entry(row: Sequence[Any]) -> Entry:
    draft = _Entry()
    (
        draft.seq, draft.id, draft.operation, draft.target, draft.number, draft.body,
        draft.body_hash, state, draft.reason, draft.invoice_id, draft.attempts, draft.unclear,
        draft.before, draft.not_before, draft.refusal,
    ) = row  # fmt: skip
    draft.state = _STATES[state]
    if draft.invoice_id is None and draft.state is State.COMMITTED:
        # The ledger does not keep it: it is the invoice that the write is about.
        draft.invoice_id = draft.target
    draft.__class__ = Entry
    made: Entry = draft
    return made


def _text(text: str) -> str:
    """Return a text that a store can keep: words of a provider may have half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")
