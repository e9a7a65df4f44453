"""A ledger in one SQLite file, with the standard library.

Every step is one transaction that is on the disk before the method returns (``synchronous=FULL``):
a power cut cannot take back an entry that was marked as in flight.

One process works with a file at a time. SQLite's exclusive lock sees to it, and a killed process
loses it at once, so that what it left in flight is known to be over: its claims are kept with a
lease of 0. With ``shared=True`` several processes work together; then each claim has a lease
instead, which a killed process keeps until it ends. SQLite from 3.7.0 to 3.51.2 can damage a file
in WAL mode that several processes write to (https://sqlite.org/wal.html#walresetbug), so there a
shared ledger is kept in DELETE mode, which takes about five times as long for a step.
"""

# ruff: noqa: S608 - statements are put together from our own constants
from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from billingual._version import __version__
from billingual.errors import InvalidInputError, UsageError
from billingual.jobs.entry import Decision, Entry, Request, State
from billingual.jobs.ledger import (
    Claim,
    ClaimLostError,
    LedgerError,
    LedgerInUseError,
    NewEntry,
    PlanConflictError,
    Seen,
    can_resolve,
)
from billingual.jobs.schema import APPLICATION_ID, SCHEMA, VERSION

__all__ = ["SqliteLedger", "refuse_network"]

_HAS_STRICT: Final = (3, 37)
_WAL_IS_SAFE: Final = (3, 51, 3)
_BUSY_S: Final = 30.0
# How far a clock may be put forward between two runs: by an hour, when a system starts on the wrong
# side of summer time, and a little more.
_CLOCK_JUMP_S: Final = 2 * 3600.0

# Their locks do not reach other machines reliably, and WAL needs memory that processes share.
_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre",
     "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs"}
)  # fmt: skip
# These stand for a disk of this machine; what other programs show as a file system may be anywhere.
_LOCAL_FUSE: Final = frozenset({"fuse.ntfs-3g", "fuse.exfat", "fuse.ext2", "fuse.fuse-overlayfs"})

_ENTRY: Final = (
    "id, operation, target, number, body, body_hash, state, reason, invoice_id, attempts, unclear, "
    "seq, before, not_before, refusal"
)

# An update of one invoice waits for the earlier ones about it, and for a person where one of them
# ended in a conflict: what it was planned upon is not there.
_FREE: Final = """NOT EXISTS (
    SELECT 1 FROM entry AS earlier WHERE earlier.target = each.target AND earlier.seq < each.seq
    AND earlier.state IN ('planned', 'in_flight', 'unknown', 'conflict'))"""
# The conditions are those of the indexes, letter for letter, so that what is done is not looked at.
_READY: Final = "state = 'planned' AND batch IS NULL"
_READY_AND_READ: Final = f"{_READY} AND (before IS NOT NULL OR operation <> 'update')"
_UNREAD: Final = f"{_READY} AND operation = 'update' AND before IS NULL"
# How a step is begun, kept and undone: by itself, and among others of one transaction.
_WHOLE: Final = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_PART: Final = ("SAVEPOINT step", "RELEASE step", ("ROLLBACK TO step", "RELEASE step"))
_NOT_HELD: Final = "(owner IS NULL OR (lease > 0 AND lease < ?))"


class SqliteLedger:
    """Keep a job in the SQLite file at *path*; it is made if it is not there.

    The file is readable by its owner only, because drafts hold personal data. No credential is
    ever in it.

    Args:
        path: the file; not on a network file system.
        shared: let several processes of this machine work with the file at the same time.

    Raises:
        LedgerInUseError: if another process, or another ledger of this one, works with the file.
        UsageError: if the file is no ledger, lies on a network file system, or if SQLite is older
            than 3.37.
        LedgerError: if the file cannot be opened, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], *, shared: bool = False) -> None:
        if sqlite3.sqlite_version_info < _HAS_STRICT:
            raise UsageError(
                f"a ledger needs SQLite 3.37, and this Python has {sqlite3.sqlite_version}; use "
                "another Python."
            )
        # An absolute path, also because SQLite takes ":memory:" for no file at all.
        self.path: Path = Path(path).absolute()
        self.shared = shared
        self._lock = threading.RLock()
        self._is_together = False
        refuse_network(self.path, _mounts())
        _make(self.path)
        try:
            self._connection = sqlite3.connect(
                self.path,
                timeout=_BUSY_S if shared else 0.0,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {path} cannot be opened: {error}.") from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        _OPEN.add(self)

    def _prepare(self) -> None:
        run = self._connection.execute
        try:
            if not self.shared:
                # Before the first read: then WAL needs no memory shared with other processes.
                run("PRAGMA locking_mode = EXCLUSIVE")
            self._refuse_foreign()
            _make_private(self.path)
            wal = not self.shared or sqlite3.sqlite_version_info >= _WAL_IS_SAFE
            run(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
            run("PRAGMA synchronous = FULL")
            run("PRAGMA foreign_keys = ON")
            with self._step():
                if not run("PRAGMA user_version").fetchone()[0]:
                    for statement in _statements(SCHEMA):
                        run(statement)
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise LedgerInUseError(
                    f"another process, or another job of this one, works with {self.path}; wait "
                    "for its end, or open it with shared=True in all of them."
                ) from None
            raise LedgerError(f"the ledger {self.path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            if _code_of(error) == sqlite3.SQLITE_NOTADB:
                raise UsageError(f"{self.path} is no SQLite file; name another.") from None
            raise self._failure("used", error) from error

    def _refuse_foreign(self) -> None:
        run = self._connection.execute
        tables = run("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        mark = run("PRAGMA application_id").fetchone()[0]
        version = run("PRAGMA user_version").fetchone()[0]
        if mark != APPLICATION_ID and (tables or version or mark):
            raise UsageError(
                f"{self.path} is another program's database; name a file of its own for the job."
            )
        if version > VERSION:
            raise UsageError(
                f"{self.path} was written by a newer billingual (format {version}, this one knows "
                f"{VERSION}); use that version."
            )

    @property
    def note(self) -> str | None:
        """What a person should know about how the file is kept; None if there is nothing."""
        if not self.shared or sqlite3.sqlite_version_info >= _WAL_IS_SAFE:
            return None
        return (
            f"SQLite {sqlite3.sqlite_version} can damage a file in WAL mode that several processes "
            "share, so this ledger is kept in DELETE mode: safe, and slower."
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """Take the steps of the block in one transaction; see :class:`Ledger`."""
        with self._step():
            inside, self._is_together = self._is_together, True
            try:
                yield
            finally:
                self._is_together = inside

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: all of it is on the disk afterwards, or nothing."""
        with self._lock:
            connection = self._connection
            begin, keep, undo = _PART if self._is_together else _WHOLE
            if self._is_together and not connection.in_transaction:
                # SQLite undid all of it when an earlier step met a full disk. A savepoint would
                # begin a transaction of its own now.
                raise LedgerError(
                    f"the ledger {self.path} cannot be written: an earlier step of the same "
                    "transaction failed."
                )
            try:
                connection.execute(begin)
                yield connection
                connection.execute(keep)
            except BaseException as error:
                # SQLite has rolled back by itself where the disk is full. Where it cannot roll
                # back, it does so when the file is opened the next time.
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        for each in undo:
                            connection.execute(each)
                if isinstance(error, sqlite3.Error):
                    raise self._failure("written", error) from error
                raise

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._failure("read", error) from error

    def _failure(self, what: str, error: sqlite3.Error) -> LedgerError:
        """Say why SQLite did not do a step."""
        if isinstance(error, sqlite3.ProgrammingError):
            return LedgerError(f"the ledger {self.path} is closed, or was opened before a fork.")
        if _code_of(error) == sqlite3.SQLITE_CORRUPT:
            return LedgerError(
                f"the ledger {self.path} is damaged ({error}); take a copy of its files, and look "
                "at the provider before you send its writes again."
            )
        if isinstance(error, sqlite3.IntegrityError):
            return LedgerError(f"the ledger {self.path} refuses the step: {error}.")
        nothing = ": nothing is sent that is not in it" if what == "written" else ""
        return LedgerError(f"the ledger {self.path} cannot be {what} ({error}){nothing}.")

    def bind(self, provider: str, account: Sequence[str | None], *, now: float) -> str:
        """Keep which account the job is about, or check it; see :class:`Ledger`."""
        text = json.dumps(list(account))
        with self._step() as connection:
            known = connection.execute("SELECT provider, account, nonce FROM job").fetchone()
            if known is None:
                nonce = secrets.token_hex(8)
                connection.execute(
                    "INSERT INTO job VALUES (1, ?, ?, ?, ?, ?)",
                    (provider, text, now, __version__, nonce),
                )
                return nonce
            if known[:2] != (provider, text):
                raise UsageError(
                    f"the ledger {self.path} is a job for {known[0]} with the account {known[1]}, "
                    f"and this client speaks to {provider} with {text}; use a client of the same "
                    "account, or another file."
                )
            return str(known[2])

    def add(self, entries: Iterable[NewEntry]) -> int:
        """Add entries in one transaction; see :class:`Ledger`."""
        new = 0
        with self._step() as connection:
            for each in entries:
                try:
                    added = connection.execute(
                        "INSERT INTO entry (id, operation, target, number, body, body_hash, before)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                        attrs.astuple(each),
                    ).rowcount
                except UnicodeEncodeError:
                    raise InvalidInputError(
                        "id",
                        f"{each.id!r}, its target or its number has half of a surrogate pair",
                        "give whole characters",
                    ) from None
                except sqlite3.IntegrityError as error:
                    if "entry.number" not in str(error):
                        raise
                    raise InvalidInputError(
                        "number",
                        f"{each.number!r} is the number of another entry of this job",
                        "give each draft a number of its own",
                    ) from None
                if added:
                    new += 1
                else:
                    _refuse_other_body(connection, each)
        return new

    def number_of(self, entry_id: str) -> str | None:
        """Return the number that an entry has; see :class:`Ledger`."""
        rows = self._read("SELECT number FROM entry WHERE id = ?", entry_id)
        return rows[0][0] if rows else None

    def entry(self, entry_id: str) -> Entry | None:
        """Return one entry; see :class:`Ledger`."""
        rows = self._read(f"SELECT {_ENTRY} FROM entry WHERE id = ?", entry_id)
        return _entry(rows[0]) if rows else None

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
        with self._step() as connection:
            run = connection.execute
            made = run(
                "SELECT batch FROM entry WHERE state = 'planned' AND batch IS NOT NULL"
                " AND not_before <= ? LIMIT 1",
                (now,),
            ).fetchone()
            if made is not None:
                rows = run(
                    "SELECT seq FROM entry WHERE state = 'planned' AND batch = ? ORDER BY seq", made
                ).fetchall()
                seqs = [each[0] for each in rows]
            else:
                ready = _READY_AND_READ if before else _READY
                rows = run(
                    "SELECT seq, operation FROM entry AS each"
                    f" WHERE {ready} AND not_before <= ? AND {_FREE} ORDER BY seq LIMIT ?",
                    (now, max(limits.values())),
                ).fetchall()
                # A cursor that is not read to its end keeps the file open, after the connection is
                # closed too, as long as an error's traceback holds it.
                seqs = _together(rows, limits, full=full)
            if not seqs:
                return None
            return self._claimed(connection, "send", seqs, owner=owner, now=now, lease=lease)

    def _claimed(
        self,
        connection: sqlite3.Connection,
        kind: str,
        seqs: Sequence[int],
        *,
        owner: str,
        now: float,
        lease: float,
    ) -> Claim:
        run = connection.execute
        request = run(
            "INSERT INTO request (kind, owner, started) VALUES (?, ?, ?)", (kind, owner, now)
        ).lastrowid
        listed = json.dumps(seqs)
        found = run(
            f"SELECT {_ENTRY}, coalesce(late_check, not_before), given_up_at FROM entry"
            " WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
            (listed,),
        ).fetchall()
        sent = kind == "send"
        run(
            "UPDATE entry SET state = CASE WHEN ? THEN 'in_flight' ELSE state END,"
            " attempts = attempts + ?, batch = coalesce(batch, ?), request = ?, owner = ?,"
            " lease = ? WHERE seq IN (SELECT value FROM json_each(?))",
            (sent, sent, request, request, owner, lease if self.shared else 0.0, listed),
        )
        run(
            "INSERT INTO attempt SELECT value, ? FROM json_each(?)",
            (request, listed),
        )
        assert request is not None  # noqa: S101 - an INSERT has a row
        return Claim(
            kind=kind,
            request=request,
            owner=owner,
            lease=lease,
            entries=tuple(_entry(row[:-2]) for row in found),
            due=max(row[-2] for row in found),
            given_up_at=max(row[-1] for row in found),
        )

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
            if all(each.target == invoices[each.id] for each in claim.entries):
                # Nothing differs from row to row, so one statement does for a whole batch.
                connection.execute(
                    "UPDATE entry SET state = 'committed', invoice_id = target, reason = NULL,"
                    " owner = NULL WHERE request = ?",
                    (claim.request,),
                )
            else:
                connection.executemany(
                    "UPDATE entry SET state = 'committed', invoice_id = ?, reason = NULL,"
                    " owner = NULL WHERE seq = ?",
                    [(invoices[each.id], each.seq) for each in claim.entries],
                )
            connection.executemany(
                "UPDATE entry SET reason = ? WHERE id = ?",
                [(_text(note), entry_id) for entry_id, note in notes.items()],
            )
            # Its earlier request may still arrive, and double it.
            connection.execute(
                "UPDATE entry SET late_check = ? WHERE request = ? AND unclear > 0"
                " AND operation = 'create'",
                (late_check, claim.request),
            )

    def reject(
        self, claim: Claim, *, now: float, reasons: Mapping[str, str], status: int | None, why: str
    ) -> None:
        """The provider refused the claim; see :class:`Ledger`."""
        with self._ending(claim, now, "rejected", status, why) as connection:
            connection.executemany(
                "UPDATE entry SET state = 'rejected', reason = ?, owner = NULL WHERE seq = ?",
                [(_text(reasons.get(each.id, why)), each.seq) for each in claim.entries],
            )

    def release(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """This request provably did nothing; see :class:`Ledger`."""
        with self._ending(claim, now, "not_applied", None, why) as connection:
            connection.execute(
                "UPDATE entry SET state = 'planned', reason = ?, not_before = ?, owner = NULL"
                " WHERE request = ?",
                (_text(why), not_before, claim.request),
            )

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
                    " owner = NULL WHERE seq IN (SELECT value FROM json_each(?))",
                    (
                        _text(why),
                        -2 * claim.request - place,
                        json.dumps([each.seq for each in part]),
                    ),
                )

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
                " unclear = unclear + (:refusal IS NULL), not_before = :not_before,"
                " given_up_at = CASE WHEN :refusal IS NULL THEN :now ELSE given_up_at END,"
                " owner = NULL"
                " WHERE request = :request",
                {
                    "why": _text(why),
                    "refusal": None if refusal is None else _text(refusal),
                    "not_before": not_before,
                    "now": now,
                    "request": claim.request,
                },
            )

    @contextmanager
    def _ending(
        self, claim: Claim, now: float, outcome: str, status: int | None, why: str
    ) -> Iterator[sqlite3.Connection]:
        """End a claim's request; the block says what that makes of its entries."""
        with self._step() as connection:
            held = connection.execute(
                "SELECT count(*) FROM entry WHERE request = ? AND owner = ?",
                (claim.request, claim.owner),
            ).fetchone()[0]
            if held != len(claim.entries):
                raise ClaimLostError(
                    f"request {claim.request} ended after its lease, and another process took its "
                    "entries over; that one looks at the provider before it sends anything."
                )
            connection.execute(
                "UPDATE request SET ended = ?, outcome = ?, status = ?, why = ? WHERE id = ?",
                (now, outcome, status, _text(why), claim.request),
            )
            yield connection

    def claim_look(
        self, *, owner: str, now: float, lease: float, creates: bool = True
    ) -> Claim | None:
        """Take entries to look at the provider; see :class:`Ledger`."""
        with self._step() as connection:
            run = connection.execute
            first = run(
                "SELECT batch, seq FROM entry WHERE state = 'unknown' AND not_before <= ?"
                f" AND {_NOT_HELD} AND (? OR operation <> 'create') ORDER BY not_before LIMIT 1",
                (now, now, creates),
            ).fetchone()
            if first is None and not creates:
                return None
            if first is None:
                late = run(
                    f"SELECT seq FROM entry WHERE late_check <= ? AND {_NOT_HELD} LIMIT 1",
                    (now, now),
                ).fetchone()
                return (
                    None
                    if late is None
                    else self._claimed(connection, "look", late, owner=owner, now=now, lease=lease)
                )
            rows = run(
                "SELECT seq FROM entry WHERE state = 'unknown' AND batch = ? AND not_before <= ?"
                " ORDER BY seq",
                (first[0], now),
            )
            return self._claimed(
                connection, "look", [row[0] for row in rows], owner=owner, now=now, lease=lease
            )

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
                "UPDATE entry SET owner = NULL, not_before = ? WHERE request = ?",
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

    def postpone(self, claim: Claim, *, now: float, not_before: float, why: str) -> None:
        """A look told nothing yet; see :class:`Ledger`."""
        with self._ending(claim, now, "unknown", None, why) as connection:
            connection.execute(
                "UPDATE entry SET owner = NULL, reason = ?, not_before = ?,"
                " late_check = CASE WHEN late_check IS NULL THEN NULL ELSE ? END WHERE request = ?",
                (_text(why), not_before, not_before, claim.request),
            )

    def recover(self, *, now: float, settle_s: float) -> int:
        """Begin a run; see :class:`Ledger`."""
        values = {"now": now, "settle_s": settle_s, "apart": _CLOCK_JUMP_S}
        with self._step() as connection:
            run = connection.execute
            # What an earlier run gave up on is looked at again.
            run(
                "UPDATE entry SET not_before = :now"
                " + CASE WHEN :now - given_up_at > :settle_s + :apart THEN 0 ELSE :settle_s END"
                " WHERE state = 'unknown' AND (owner IS NULL OR lease < :now)",
                values,
            )
            # A request that is still to come shows that the clock was put back since. The times to
            # wait for that were made of it are wrong by as much.
            of_future = "request IN (SELECT id FROM request WHERE coalesce(ended, started) > :now)"
            run(
                "UPDATE entry SET not_before = 0 WHERE state = 'planned' AND not_before > :now"
                f" AND {of_future}",
                values,
            )
            run(
                "UPDATE entry SET late_check = :now + :settle_s"
                f" WHERE late_check > :now + :settle_s AND {of_future}",
                values,
            )
            # A lease of 0 is that of a process which had the file for itself. Now we have opened
            # it, so that one has ended.
            return self._end_claims(connection, "lease < :now", now, settle_s)

    def end_leases(self, *, now: float, settle_s: float) -> int:
        """During a run: what is in flight under an ended lease is unclear; see :class:`Ledger`."""
        over = "lease > 0 AND lease < :now"
        if not self._read(
            f"SELECT 1 FROM entry WHERE owner IS NOT NULL AND {over} LIMIT 1".replace(":now", "?"),
            now,
        ):
            return 0
        with self._step() as connection:
            return self._end_claims(connection, over, now, settle_s)

    def _end_claims(
        self, connection: sqlite3.Connection, over: str, now: float, settle_s: float
    ) -> int:
        run = connection.execute
        why = "the process ended while a request was on its way"
        values = {"now": now, "settle_s": settle_s, "why": why}
        run(
            "UPDATE request SET ended = :now, outcome = 'unknown', why = :why WHERE ended IS NULL"
            f" AND id IN (SELECT request FROM entry WHERE owner IS NOT NULL AND {over})",
            values,
        )
        run(
            "UPDATE entry SET owner = NULL WHERE owner IS NOT NULL AND state <> 'in_flight'"
            f" AND {over}",
            values,
        )
        # Where the clock was put forward, a lease seems to end too soon, and its request may still
        # be on its way: so its whole length is waited for once more.
        return run(
            "UPDATE entry SET state = 'unknown', unclear = unclear + 1, owner = NULL,"
            " reason = :why, given_up_at = :now,"
            " not_before = :now + :settle_s + CASE lease WHEN 0 THEN 0 ELSE max(0, lease -"
            " (SELECT started FROM request WHERE request.id = entry.request)) END"
            f" WHERE state = 'in_flight' AND {over}",
            values,
        ).rowcount

    def next_without_before(self, *, passing_over: Collection[int]) -> Entry | None:
        """Return an update whose state before is not kept; see :class:`Ledger`."""
        rows = self._read(
            f"SELECT {_ENTRY} FROM entry AS each WHERE {_UNREAD}"
            f" AND seq NOT IN (SELECT value FROM json_each(?)) AND {_FREE} ORDER BY seq LIMIT 1",
            json.dumps(sorted(passing_over)),
        )
        return _entry(rows[0]) if rows else None

    def keep_before(self, entry_id: str, before: str) -> None:
        """Keep the fields as they were before; see :class:`Ledger`."""
        with self._step() as connection:
            connection.execute(
                "UPDATE entry SET before = ? WHERE id = ? AND before IS NULL", (before, entry_id)
            )

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
                "SELECT seq, state, coalesce(?, invoice_id, target), body IS NULL FROM entry"
                " WHERE id = ?",
                (invoice_id, entry_id),
            ).fetchone()
            if row is None:
                raise UsageError(f"the ledger {self.path} has no entry {entry_id!r}.")
            seq, before, invoice, purged = row
            if not can_resolve(State(before), state):
                raise UsageError(f"entry {entry_id!r} is {before}, and cannot be made {state}.")
            if state is State.PLANNED and purged:
                raise UsageError(
                    f"the body of entry {entry_id!r} was purged; plan it again under another id."
                )
            if state is State.COMMITTED and invoice is None:
                raise InvalidInputError(
                    "invoice_id", f"entry {entry_id!r} made no known invoice", "name the invoice"
                )
            run(
                "INSERT INTO decision (entry, at, by, note, before, after)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (seq, now, _text(by), _text(note), before, state.value),
            )
            run(
                "UPDATE entry SET state = ?, reason = ?, batch = NULL, late_check = NULL,"
                " refusal = NULL, invoice_id = ?, owner = NULL, not_before = 0 WHERE seq = ?",
                (state.value, _text(f"{by}: {note}"), invoice, seq),
            )
            return _entry(run(f"SELECT {_ENTRY} FROM entry WHERE seq = ?", (seq,)).fetchone())

    def counts(self) -> dict[State, int]:
        """Count the entries in each state; see :class:`Ledger`."""
        rows = self._read("SELECT state, count(*) FROM entry GROUP BY state")
        return {State(name): count for name, count in rows}

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
                f"SELECT min(not_before) FROM entry AS each WHERE {_READY} AND {_FREE}",
            ]
        ((due,),) = self._read(f"SELECT min(at) FROM ({' UNION ALL '.join(parts)})")
        return None if due is None else max(due, now)

    def is_working(self) -> bool:
        """Say whether a run has claimed entries; see :class:`Ledger`."""
        ((found,),) = self._read("SELECT EXISTS (SELECT 1 FROM entry WHERE owner IS NOT NULL)")
        return bool(found)

    def of_others(self, entry_id: str, shown: Iterable[tuple[str, str | None]]) -> set[str]:
        """Say which invoices are those of other entries; see :class:`Ledger`."""
        rows = self._read(
            "WITH shown AS MATERIALIZED (SELECT json_extract(value, '$[0]') AS invoice,"
            "  json_extract(value, '$[1]') AS number FROM json_each(?))"
            " SELECT invoice FROM shown WHERE EXISTS ("
            "  SELECT 1 FROM entry WHERE operation = 'create' AND invoice_id IS NOT NULL"
            "  AND invoice_id = invoice AND id <> ?)"
            " OR EXISTS (SELECT 1 FROM entry WHERE entry.number = shown.number AND id <> ?"
            "  AND coalesce(invoice_id, invoice) = invoice)",
            json.dumps([list(each) for each in shown]),
            entry_id,
            entry_id,
        )
        return {each[0] for each in rows}

    def adopted(self) -> int:
        """Count the entries that a look found; see :class:`Ledger`."""
        ((count,),) = self._read(
            "SELECT count(*) FROM entry WHERE state = 'committed' AND unclear > 0"
        )
        return int(count)

    def entries(self, states: Iterable[State], after: int, most: int) -> list[Entry]:
        """List entries in the order of the plan; see :class:`Ledger`."""
        listed = json.dumps([each.value for each in states] or [each.value for each in State])
        rows = self._read(
            f"SELECT {_ENTRY} FROM entry"
            " WHERE seq > ? AND state IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?",
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
            " AND unclear = 0 AND coalesce(json_extract(body, '$.kind'), '') <> 'payable'"
            " ORDER BY seq DESC LIMIT ?",
            most,
        )
        return [each[0] for each in rows]

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
        # SQLite only marks the space of what was there as free; this writes the file anew.
        with self._lock:
            try:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise self._failure("written", error) from error
        return purged

    def leave_to_parent(self) -> None:
        """In a forked child: close this ledger without touching the file.

        At its end a child would close the connection as if it had the locks: it would delete the
        log that the parent goes on writing to, and what the parent keeps from then on would be lost
        if it is killed.
        """
        import ctypes  # noqa: PLC0415 - only a forked child needs it

        # One reference that nothing gives up: so the connection outlives the child's interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
        self._connection = sqlite3.connect(":memory:")
        self._connection.close()
        # Another thread of the parent may have held it at that instant.
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        with self._lock:
            self._connection.close()


_OPEN: Final[weakref.WeakSet[SqliteLedger]] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for each in list(_OPEN):
        each.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_all_to_parent)


def _together(
    rows: Iterable[tuple[int, str]], limits: Mapping[str, int], *, full: bool
) -> list[int]:
    """Take the entries that go into one request: those of the first one's operation."""
    seqs: list[int] = []
    first = None
    for seq, operation in rows:
        first = first or operation
        if operation != first or len(seqs) == limits[first]:
            break
        seqs.append(seq)
    return [] if full and first is not None and len(seqs) < limits[first] else seqs


def _refuse_other_body(connection: sqlite3.Connection, given: NewEntry) -> None:
    known_hash, known = connection.execute(
        "SELECT body_hash, body FROM entry WHERE id = ?", (given.id,)
    ).fetchone()
    if known_hash == given.body_hash:
        return
    shown = "its body was purged" if known is None else known
    raise PlanConflictError(
        f"the ledger has another write under the id {given.id!r}.\n  in the ledger: {shown}\n"
        f"  planned now:   {given.body}\nGive this one another id, or use another file.",
        entry_id=given.id,
        in_ledger=known,
        planned_now=given.body,
    )


def _entry(row: Sequence[Any]) -> Entry:
    return Entry(
        id=row[0],
        operation=row[1],
        target=row[2],
        number=row[3],
        body=row[4],
        body_hash=row[5],
        state=State(row[6]),
        reason=row[7],
        invoice_id=row[8],
        attempts=row[9],
        unclear=row[10],
        seq=row[11],
        before=row[12],
        not_before=row[13],
        refusal=row[14],
    )


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements: ``executescript`` would end the transaction around it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _code_of(error: sqlite3.Error) -> int | None:
    """Return SQLite's code; an error of Python's module itself has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code


def _make(path: Path) -> None:
    """Make the file, readable by its owner only, before anything is in it."""
    try:
        # A file that is there is not opened here: its closing would take the locks away that
        # another ledger of this process has on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.is_dir():
            raise LedgerError(f"the ledger {path} cannot be opened: it is a directory.") from None
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be opened: {error}.") from error


def _make_private(path: Path) -> None:
    """Let no other user read a ledger, nor the files that SQLite keeps beside it.

    SQLite gives those the mode of the file itself, when it makes them.
    """
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            each = path.with_name(path.name + suffix)
            if os.name == "posix" and each.exists() and each.stat().st_mode & 0o077:
                each.chmod(0o600)
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be made private: {error}.") from error


def _text(text: str) -> str:
    """Return a text that SQLite can keep: words of a provider may have half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def refuse_network(path: Path, mounts: str) -> None:
    """Refuse a file whose locks other machines may not see.

    Args:
        path: the file, which need not be there.
        mounts: what is mounted where, as Linux tells in ``/proc/self/mountinfo``.

    Raises:
        UsageError: if the file lies on a network file system.
    """
    try:
        place = path.resolve().parent
    except (OSError, RuntimeError) as error:  # links in a circle
        raise LedgerError(f"the ledger {path} cannot be opened: {error}.") from error
    best, kind = "", ""
    for line in mounts.splitlines():
        # A line is: id parent major:minor root mount-point options fields - type source options
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split(" ")[4])
        # The last of several that are mounted on one another is the one that is seen.
        if place.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        raise UsageError(
            f"{path} lies on a network file system ({kind}), where locks are not reliable; keep "
            "the ledger on a local disk."
        )


def _mounts() -> str:
    """Return what is mounted where; nothing on a system that does not tell it in a file."""
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _unescaped(point: str) -> str:
    """Return a path of the table of mounts, where blanks and the like are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
