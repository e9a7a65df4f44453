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

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import attrs
import msgspec

from billingual.errors import UsageError
from billingual.jobs.ledger import LedgerError, LedgerInUseError, NewEntry
from billingual.jobs.schema import APPLICATION_ID, SQLITE, VERSION
from billingual.jobs.sql import FREE, SqlLedger, Step, plan_conflict, taken_number, unreadable_text
from billingual.wire import plain_text

__all__ = ["SqliteLedger", "refuse_network", "snapshot"]

T = TypeVar("T")

_HAS_STRICT: Final = (3, 37)
_WAL_IS_SAFE: Final = (3, 51, 3)
_BUSY_S: Final = 30.0
_PAUSE_S: Final = 0.01
# In the order in which they are inserted; attrs' own function also looks into each value.
_VALUES: Final = attrgetter(*(each.name for each in attrs.fields(NewEntry)))
# Their locks do not reach other machines reliably, and WAL needs memory that processes share.
_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre",
     "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs"}
)  # fmt: skip
# These are disks of this machine; the files of any other program's file system may be anywhere.
_LOCAL_FUSE: Final = frozenset({"fuse.ntfs-3g", "fuse.exfat", "fuse.ext2", "fuse.fuse-overlayfs"})

_How: TypeAlias = tuple[str, str, tuple[str, ...]]

# How a step is begun, kept and undone: by itself, and among others of one transaction. Savepoints
# are a third of all statements, and after each of them Python waits for its lock; so there are none
# until a step has to be undone alone, which seldom happens.
_WHOLE: Final[_How] = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_MERGED: Final[_How] = ("", "", ())
_PART: Final[_How] = ("SAVEPOINT step", "RELEASE step", ("ROLLBACK TO step", "RELEASE step"))


class SqliteLedger(SqlLedger):
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

    _AMONG = "IN (SELECT value FROM json_each(?))"
    _KIND = "json_extract(body, '$.kind')"
    # Nearly every invoice has one entry, and to look for others takes longer than to claim it.
    _FREE = (
        "(target IS NULL OR target NOT IN (SELECT target FROM shared_target)"  # noqa: S608 - ours
        f" OR {FREE})"
    )

    def __init__(self, path: str | os.PathLike[str], *, shared: bool = False) -> None:
        if sqlite3.sqlite_version_info < _HAS_STRICT:
            raise UsageError(
                f"a ledger needs SQLite 3.37, and this Python has {sqlite3.sqlite_version}; use "
                "another Python."
            )
        # An absolute path, also because SQLite takes ":memory:" for no file at all.
        self.path: Path = Path(plain_text(path)).absolute()
        self.shared = shared
        self._lock = threading.RLock()
        self._how: _How = _WHOLE
        self._undone = False
        refuse_network(self.path, _mounts())
        _make(self.path)
        # Later another file may have that name.
        self._file, _ = _identity(self.path)
        self._marked_at: int | None = None
        # Before the connection makes one.
        self._had_log = _beside(self.path, "-wal").exists()
        try:
            self._connection = self._connected()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {path} cannot be opened: {error}.") from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self._leave_at_fork()

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path,
            timeout=_BUSY_S if self.shared else 0.0,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        run = self._connection.execute
        try:
            if not self.shared:
                # Before the first read: then WAL needs no memory shared with other processes.
                run("PRAGMA locking_mode = EXCLUSIVE")
            self._refuse_foreign()
            _make_private(self.path)
            wal = not self.shared or sqlite3.sqlite_version_info >= _WAL_IS_SAFE
            self._keep_in("WAL" if wal else "DELETE")
            run = self._connection.execute
            run("PRAGMA synchronous = FULL")
            # Otherwise SQLite writes a statement's undo log to a file once it is longer than 16
            # pages, and that doubles what the step of a batch writes.
            run("PRAGMA temp_store = MEMORY")
            run("PRAGMA foreign_keys = ON")
            with self._step():
                version = run("PRAGMA user_version").fetchone()[0]
                for statement in _statements(SQLITE) if not version else ():
                    run(statement)
                if version < 0:  # Killed while it was marked.
                    run(f"PRAGMA user_version = {VERSION}")
            if not self.shared:
                self._mark()
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

    def _keep_in(self, mode: str) -> None:
        """Set the mode of the journal."""
        until = time.monotonic() + (_BUSY_S if self.shared else 0.0)
        while not self._is_in(mode):
            # Without a wait there is one try: a new connection would not have the file for itself.
            if time.monotonic() >= until:
                raise sqlite3.OperationalError("database is locked")
            # SQLite itself does not wait where several processes open a file at once that has to go
            # from one mode to the other. And in WAL mode each has a lock on it while it has it
            # open, so that none could change the mode.
            self._connection.close()
            time.sleep(_PAUSE_S * (1 + os.getpid() % 7))
            self._connection = self._connected()

    def _is_in(self, mode: str) -> bool:
        """Try to set the mode of the journal; whether the file is in it."""
        try:
            ((now,),) = self._connection.execute(f"PRAGMA journal_mode = {mode}").fetchall()
        except sqlite3.OperationalError as error:
            if (_code_of(error) or 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return bool(now == mode.lower())

    def _refuse_foreign(self) -> None:
        run = self._connection.execute
        tables = run("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        mark = run("PRAGMA application_id").fetchone()[0]
        version = run("PRAGMA user_version").fetchone()[0]
        if mark != APPLICATION_ID and (tables or version or mark):
            raise UsageError(
                f"{self.path} is another program's database; name a file of its own for the job."
            )
        if version == -VERSION and not self._had_log:
            raise LedgerError(
                f"the ledger {self.path} lacks its last steps: they are in the file that ended in "
                f"-wal beside it, when it was copied or moved; put that here as {self.path.name}"
                "-wal. If it is lost, look at the provider before you send these writes again."
            )
        if mark and abs(version) != VERSION:
            raise UsageError(
                f"{self.path} was written by {'a newer' if abs(version) > VERSION else 'an older'} "
                f"billingual (format {abs(version)}, this one knows {VERSION}); use that version."
            )

    def _check_file(self) -> None:
        """Refuse a file that was moved; mark it anew where SQLite has put the log into it."""
        file, changed_at = _identity(self.path)
        if file != self._file:
            # SQLite goes on with a file that has no name any more, and what it keeps there is lost
            # when this process ends.
            raise LedgerError(
                f"the ledger {self.path} was moved, removed or replaced while it was open; put it "
                "back, or look at the provider before you send its writes again."
            )
        if self._marked_at not in {None, changed_at}:
            try:
                self._mark()
            except sqlite3.Error as error:
                raise self._failure("written", error) from error

    def _mark(self) -> None:
        """Have the file itself say that it lacks its log, and the log take that back.

        So a file that was copied or moved alone is known: the last steps are not in it. When SQLite
        closes the file, it puts the log into it.
        """
        run = self._connection.execute
        # Into a log that begins anew: then this needs no more room on the disk.
        run("PRAGMA wal_checkpoint(RESTART)").fetchall()
        try:
            run(f"PRAGMA user_version = {-VERSION}")
            run("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            run(f"PRAGMA user_version = {VERSION}")
        _, self._marked_at = _identity(self.path)

    @property
    def _name(self) -> str:
        return str(self.path)

    @property
    def note(self) -> str | None:
        """What a person should know about how the file is kept; None if there is nothing."""
        if not self.shared or sqlite3.sqlite_version_info >= _WAL_IS_SAFE:
            return None
        return (
            f"SQLite {sqlite3.sqlite_version} can damage a file in WAL mode that several processes "
            "share, so this ledger is kept in DELETE mode: safe, and slower."
        )

    def together(self, call: Callable[[], T]) -> T:
        """Take all steps of a call in one transaction; see :class:`Ledger`."""
        try:
            return self._together(call, _MERGED)
        except _UndoneError:
            return self._together(call, _PART)

    def _together(self, call: Callable[[], T], how: _How) -> T:
        with self._step():
            self._undone = False
            outer, self._how = self._how, how
            try:
                value = call()
            finally:
                self._how = outer
            if self._undone:
                raise _UndoneError
            return value

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction: all of it is on the disk afterwards, or nothing."""
        with self._lock:
            connection = self._connection
            begin, keep, undo = how = self._how
            before = connection.total_changes if how is _MERGED else 0
            if how is _WHOLE:
                self._check_file()
            elif not connection.in_transaction:
                # SQLite undid all of it when an earlier step met a full disk. A savepoint would
                # begin a transaction of its own now.
                raise LedgerError(
                    f"the ledger {self.path} cannot be written: an earlier step of the same "
                    "transaction failed."
                )
            try:
                if begin:
                    connection.execute(begin)
                yield connection
                if keep:
                    connection.execute(keep)
            except BaseException as error:
                # SQLite has rolled back by itself where the disk is full. Where it cannot roll
                # back, it does so when the file is opened the next time.
                if how is _MERGED and connection.total_changes != before:
                    self._undone = True
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

    def _select(self, step: Step, columns: str, rest: str, *values: object) -> list[Any]:
        # For each row Python gives up its lock and waits to have it back, which takes longer than
        # the row while the event loop is busy. So all rows come as one.
        made = f"SELECT json_array({columns}) AS made {rest}"
        rows = "'[' || coalesce(group_concat(made), '') || ']'"
        query = f"SELECT {rows} FROM ({made})"  # noqa: S608 - likewise
        (found,) = step.execute(query, values).fetchall()
        # It reads as many rows as a batch has in a quarter of the time that json takes, during
        # which the event loop waits.
        return sorted(msgspec.json.decode(found[0]))

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

    def _list(self, values: Iterable[object]) -> str:
        return json.dumps(list(values))

    def add(self, entries: Iterable[NewEntry]) -> int:
        """Add entries in one transaction; see :class:`Ledger`."""
        new = 0
        with self._step() as connection:
            for each in entries:
                try:
                    added = connection.execute(
                        "INSERT INTO entry (id, operation, target, number, body, body_hash, before)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                        _VALUES(each),
                    ).rowcount
                except UnicodeEncodeError:
                    raise unreadable_text(each) from None
                except sqlite3.IntegrityError as error:
                    if "entry.number" not in str(error):
                        raise
                    raise taken_number(each) from None
                if added:
                    new += 1
                    continue
                known = connection.execute(
                    "SELECT body_hash, body FROM entry WHERE id = ?", (each.id,)
                ).fetchone()
                if known[0] != each.body_hash:
                    raise plan_conflict(each, known[1])
        return new

    def purge(self, *, before: float) -> int:
        """Forget the bodies of settled entries; see :class:`Ledger`."""
        with self._lock:
            # Of a whole ledger, the undo log and the new file are too much for memory.
            self._read("PRAGMA temp_store = FILE")
            try:
                return super().purge(before=before)
            finally:
                self._read("PRAGMA temp_store = MEMORY")

    def _forget(self) -> None:
        # SQLite only marks the space of what was there as free; this writes the file anew.
        with self._lock:
            try:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise self._failure("written", error) from error

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


class _UndoneError(Exception):
    """A step among others failed half-way, so that all of them are undone."""


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


def _identity(path: Path) -> tuple[tuple[int, int] | None, int]:
    """Return what tells a file from all others, None if it is not there; and when it changed."""
    try:
        found = path.stat()
    except OSError:
        return None, 0
    return (found.st_dev, found.st_ino), found.st_mtime_ns


def _beside(path: Path, suffix: str) -> Path:
    """Name one of SQLite's files of a ledger: they are beside the file that a link leads to."""
    place = path.resolve()
    return place.with_name(place.name + suffix)


def _make(path: Path) -> None:
    """Make the file, readable by its owner only, before anything is in it."""
    try:
        # A file that is there is not opened here: its closing would take the locks away that
        # another ledger of this process has on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # A device must not get the mode of a ledger.
        if path.exists() and not path.is_file():
            what = "a directory" if path.is_dir() else "a device or a pipe"
            raise LedgerError(f"the ledger {path} cannot be opened: it is {what}.") from None
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be opened: {error}.") from error


def _make_private(path: Path) -> None:
    """Let no other user read a ledger, nor the files that SQLite keeps beside it.

    SQLite gives those the mode of the file itself, when it makes them.
    """
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            each = _beside(path, suffix)
            if os.name == "posix" and each.exists() and each.stat().st_mode & 0o077:
                each.chmod(0o600)
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be made private: {error}.") from error


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
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, or a character 0
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


_HEADER: Final = 32
"""Bytes of the log's header; two random numbers are among them."""

# Where the file's own header says how it is kept, and that it is with a log.
_WRITE_VERSION: Final = 18
_WAL: Final = 2

_TRIES: Final = 20
"""A log begins anew about every thousand pages, so that more than two tries are hardly needed."""


@contextmanager
def snapshot(path: Path) -> Iterator[SqliteLedger]:
    """Open a copy of a ledger as it is at this moment; it is removed when the block ends.

    For a file that another process has for itself: its locks are not needed. That process keeps the
    file in WAL mode: what it writes goes to the end of the log, and later from the log to the file.
    So a copy of the file and then of the log is whole, whatever was written meanwhile: a page that
    was only half in the file is in the log as well. The log begins anew only with another random
    number in its header, which tells that the copies do not belong together.
    https://sqlite.org/fileformat2.html#the_write_ahead_log

    Not for a process that has the ledger open itself: to close the file takes its locks away.

    Raises:
        LedgerInUseError: if the log begins anew too often to be copied, or if the file has none
            because several processes share it.
        LedgerError: if the file cannot be read, or the copy cannot be written.
    """
    # Only its owner may look into the directory: drafts hold personal data.
    with tempfile.TemporaryDirectory(prefix="billingual-") as place:
        copy = Path(place) / "copy.db"
        try:
            for _ in range(_TRIES):
                if _copied(path, copy):
                    break
            else:
                raise LedgerInUseError(f"{path} is written to all the time; try it again later.")
        except OSError as error:
            raise LedgerError(f"the ledger {path} cannot be copied: {error}.") from error
        ledger = SqliteLedger(copy)
        try:
            yield ledger
        finally:
            ledger.close()


def _copied(path: Path, copy: Path) -> bool:
    """Copy a file and its log; False if the log began anew meanwhile."""
    log = _beside(path, "-wal")
    header = _header(log)
    with path.open("rb") as file:
        if file.read(_HEADER)[_WRITE_VERSION] != _WAL:
            raise LedgerInUseError(f"several processes work with {path}; try it again later.")
    shutil.copyfile(path, copy)
    copied = _beside(copy, "-wal")
    copied.unlink(missing_ok=True)
    if header:
        with suppress(FileNotFoundError):  # the job ended meanwhile
            shutil.copyfile(log, copied)
    return header == _header(log)


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""
