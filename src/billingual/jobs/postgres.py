"""A ledger in a PostgreSQL database, for runs on many machines (extra ``postgres``).

Each job has a schema of its own in the database, with the tables of a file. So the SQL is that of a
file too, a job is dropped with its schema, and rights are granted by job.

Every step is one transaction that is on the server's disk before the method returns. Runs on
several machines work at once: each claim takes rows that no other transaction holds (``FOR UPDATE
SKIP LOCKED``), and has a lease. Leases are by the server's clock, see :meth:`PostgresLedger.clock`.

A connection may be lost at any instant, with a server that is restarted, say. The ledger connects
again then, and waits for the end of the transaction that was lost. A row of the table *connection*
counts the transactions of a ledger, each within the transaction itself: so it shows whether a lost
``COMMIT`` was carried out. If it was not, or if the server ended a transaction because two waited
for one another, the whole step is taken anew: it may find something else then, as another process
may have been quicker.

(``pg_xact_status`` is of no use here. A server that crashed may give the number of a transaction
that was lost to another one.)
"""

# ruff: noqa: S608 - statements are put together from our own constants
from __future__ import annotations

import functools
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode

import attrs
import psycopg
from psycopg import conninfo, errors
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrDumperUnknown, TextLoader

from billingual.auth import Secret
from billingual.errors import InvalidInputError, UsageError, shown
from billingual.jobs.ledger import LedgerError, NewEntry
from billingual.jobs.schema import POSTGRES, VERSION
from billingual.jobs.sql import (
    SqlLedger,
    plan_conflict,
    repeatable,
    taken_number,
    unreadable_text,
)
from billingual.wire import plain_text

__all__ = ["PostgresLedger"]

T = TypeVar("T")

_OLDEST: Final = 130000
_MARK: Final = "billingual ledger "
"""In the comment of a schema: another program's schema is not taken for a ledger."""

# Long enough for a server to restart; shorter than the time by which a lease outlasts a request.
_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.1
_AT_ONCE: Final = 1000

# Without keepalives, neither end would notice for hours that a connection was cut.
_USUAL: Final = {
    "application_name": "billingual",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# Set on the connection itself, they override the settings of the role and of the database.
_SETTINGS: Final = {
    "synchronous_commit": "on",
    "standard_conforming_strings": "on",
    "idle_in_transaction_session_timeout": "60s",
}
# What a URL says that names a ledger to people. All else may be a secret.
_SHOWN: Final = ("host", "port", "sslmode", "service", "target_session_attrs")

# PostgreSQL takes 63 bytes for a name.
_JOB: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")
_PARAMETER: Final = re.compile(r"\?|:([a-z_]+)")


class PostgresLedger(SqlLedger):
    """Keep a job in a PostgreSQL database, from version 13 on.

    It connects at the first use. The schema ``billingual_`` and the job's name is made when a job
    is opened for the first time, which needs the right to create schemas, or an empty schema of
    that name. No credential is ever in the ledger. The database must be in UTF-8.

    Safe to share between threads, which use one connection in turn. Do not connect through a pooler
    in transaction mode, which drops the settings of a connection; one in session mode keeps them.

    Args:
        url: ``postgresql://user@host/database``, with all that libpq knows. Better than in the URL,
            the password is in ``PGPASSWORD`` or ``~/.pgpass``. Source:
            https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
        job: the job's name: 1 to 50 letters, digits, dots, hyphens and underscores. The URL may
            name it instead, at its end after a ``#``.

    Attributes:
        job: the job's name.
        place: the URL with the job's name, and without a secret.

    Raises:
        InvalidInputError: if the URL cannot be read, or names no job or another one.
    """

    shared = True
    _AMONG = "= ANY(?)"
    _HELD = " FOR UPDATE"
    _SKIPPING = " FOR UPDATE SKIP LOCKED"
    _FIRST = (
        " AND seq = (SELECT min(seq) FROM entry AS other"
        " WHERE other.batch = each.batch AND other.state = each.state)"
    )
    # PostgreSQL reads no JSON text that names the character 0.
    _KIND = r"CAST(replace(body, '\u0000', '\u0001') AS json) ->> 'kind'"

    def __init__(self, url: str | Secret, *, job: str | None = None) -> None:
        # First of all, so that no traceback shows the password.
        url = Secret(url) if isinstance(url, str) else url
        self.place: str = "a database"
        given, named = _read_url(url)
        self.job: str = _job_of(named, job)
        self.place = _shown(given, self.job)
        self._server = _Server(
            shown=self.place,
            schema=f"billingual_{self.job}",
            parameters=_with_settings(given, f"billingual_{self.job}"),
            password=given.get("password", Secret("")),
        )
        self._lock = threading.RLock()
        self._transaction: _Transaction | None = None
        self._leave_at_fork()

    def __repr__(self) -> str:
        return f"PostgresLedger({self._name!r})"

    @property
    def _name(self) -> str:
        return self.place

    @property
    def note(self) -> None:
        """Nothing has to be known about how the job is kept."""
        return

    def clock(self, now: float) -> float:  # noqa: ARG002 - this machine's clock may be wrong
        """Return the server's time, which is the same for all machines."""
        ((wall,),) = self._read(
            "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)"
        )
        return float(wall)

    def _list(self, values: Iterable[object]) -> list[object]:
        return list(values)

    @contextmanager
    def _step(self) -> Iterator[_Transaction]:
        with self._lock:
            outer = self._transaction
            transaction = outer or _Transaction(self._server)
            try:
                with transaction.part() if outer else transaction:
                    self._transaction = transaction
                    yield transaction
            except psycopg.Error as error:
                if transaction.failed is not None:
                    raise _UndoneError(
                        f"the ledger {self._name} cannot be written ({_told(error)}), and nothing "
                        "of this step was taken: what is sent is in it. Run the job again."
                    ) from error
                raise self._failure("written", error) from error
            finally:
                self._transaction = outer

    def until_kept(self, step: Callable[[], T]) -> T:
        """Take a step, and once more if its transaction was lost."""
        with self._lock:
            until: float | None = None
            while True:
                try:
                    return step()
                except _UndoneError:
                    # A savepoint cannot be repeated without its transaction.
                    if self._transaction is not None:
                        raise
                    until = until or time.monotonic() + _PATIENCE_S
                    if time.monotonic() > until:
                        raise
                    time.sleep(_PAUSE_S)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                if self._transaction is None:
                    return self._server.read(query, values)
                return self._transaction.execute(query, values).fetchall()
            except psycopg.Error as error:
                raise self._failure("read", error) from error

    def _failure(self, what: str, error: psycopg.Error) -> LedgerError | UsageError:
        """Say why PostgreSQL did not do a step."""
        told = _told(error)
        if isinstance(error, errors.UndefinedTable):
            return UsageError(
                f"there is no job {self.job!r} in the database of {self._name}; name another."
            )
        if isinstance(error, psycopg.IntegrityError):
            return LedgerError(f"the ledger {self._name} refuses the step: {told}.")
        nothing = ": nothing is sent that is not in it" if what == "written" else ""
        return LedgerError(f"the ledger {self._name} cannot be {what} ({told}){nothing}.")

    # Steps in which PostgreSQL differs

    @repeatable
    def bind(self, provider: str, account: Sequence[str | None], *, now: float) -> str:
        """Make the tables of a new job, and keep or check its account; see :class:`Ledger`."""
        schema = self._server.schema
        with self._step() as step:
            # Two processes may open a new job at once.
            step.execute("SELECT pg_advisory_xact_lock(hashtext('billingual'))")
            known = step.execute(
                "SELECT obj_description(oid, 'pg_namespace'),"
                " EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)"
                " FROM pg_namespace WHERE nspname = ?",
                (schema,),
            ).fetchone()
            if known == (None, True):
                raise _foreign(self._server)
            if known is None:
                step.execute(f'CREATE SCHEMA "{schema}"')
            if known is None or known[0] is None:
                step.execute(POSTGRES)
                step.execute(f"COMMENT ON SCHEMA \"{schema}\" IS '{_MARK}{VERSION}'")
        return super().bind(provider, account, now=now)

    def add(self, entries: Iterable[NewEntry]) -> int:
        """Add entries in one transaction; see :class:`Ledger`."""
        return self._add(list(entries))

    @repeatable
    def _add(self, given: Sequence[NewEntry]) -> int:
        with self._step() as step:
            # One plan at a time, so that entries become visible in the order of their places.
            step.execute("SELECT id FROM job FOR UPDATE")
            return sum(
                _add(step, given[start : start + _AT_ONCE])
                for start in range(0, len(given), _AT_ONCE)
            )

    def _new_request(self, connection: Any) -> int:
        ((request,),) = connection.execute("SELECT nextval('request_id')").fetchall()
        return int(request)

    def _forget(self) -> None:
        # What was there is still in the table, until its place is free for other rows.
        with self._lock:
            try:
                self._server.connected().execute("VACUUM entry")
            except psycopg.Error as error:
                raise self._failure("written", error) from error

    def close(self) -> None:
        """Close the connection; closing twice is no error."""
        with self._lock:
            self._server.close()

    def leave_to_parent(self) -> None:
        """In a forked child: connect anew, and leave the parent's connection alone."""
        _OF_PARENTS.append(self._server)
        self._server = attrs.evolve(self._server)
        self._transaction = None
        # Another thread of the parent may have held it at that instant.
        self._lock = threading.RLock()


# A connection that nothing refers to is closed, with a warning.
_OF_PARENTS: Final[list[_Server]] = []


@attrs.define(eq=False, kw_only=True)
class _Server:
    """The connection of one ledger, which may be lost and made anew.

    Attributes:
        shown: how messages call the ledger.
        schema: of the job.
        parameters: of the connection, as libpq reads them.
        password: is in no message.
        id: names the ledger in the table *connection*.
        count: its transactions.
        backends: the processes that served it, last the present one, and when each began.
    """

    shown: str
    schema: str
    parameters: Secret
    password: Secret
    id: str = attrs.field(factory=lambda: secrets.token_hex(8), init=False)
    count: int = attrs.field(default=0, init=False)
    connection: psycopg.Connection | None = attrs.field(default=None, init=False)
    backends: list[tuple[object, ...]] = attrs.field(factory=list, init=False)
    closed: bool = attrs.field(default=False, init=False)

    @property
    def is_lost(self) -> bool:
        """Whether the connection cannot be used any more."""
        return self.connection is None or self.connection.closed

    def connected(self) -> psycopg.Connection:
        """Return the connection, a new one where it was lost."""
        if self.closed:
            raise LedgerError(f"the ledger {self.shown} is closed.")
        if self.connection is None or self.connection.closed:
            self.connection = self._connect()
        return self.connection

    def _connect(self) -> psycopg.Connection:
        problem = ""
        try:
            connection = psycopg.connect(self.parameters.reveal(), autocommit=True)
        except psycopg.Error as error:
            problem = self._without_password(str(error).strip()) or type(error).__name__
        if problem:
            # Raised here and not above: that error's frames hold the password.
            raise psycopg.OperationalError(problem)
        try:
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_loader("text", _TextLoader)
        return connection

    def _without_password(self, text: str) -> str:
        password = self.password.reveal()
        return text.replace(password, "***") if password else text

    def _check(self, connection: psycopg.Connection) -> None:
        """Refuse a server that could lose a step, and another program's tables."""
        if connection.info.server_version < _OLDEST:
            raise UsageError(f"the server of {self.shown} is older than PostgreSQL 13; update it.")
        row = connection.execute(
            "SELECT current_setting('server_encoding'), current_setting('fsync'),"
            " current_setting('synchronous_commit'), current_setting('search_path'),"
            " (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s),"
            " pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            (self.schema,),
        ).fetchone()
        assert row is not None  # noqa: S101 - each connection has a row
        encoding, fsync, synchronous, path, mark, *backend = row
        if encoding != "UTF8":
            raise UsageError(
                f"the database of {self.shown} is in {encoding}, which has not every character; "
                "use one in UTF8."
            )
        if fsync != "on":
            raise UsageError(
                f"the server of {self.shown} runs with fsync=off: a power cut could take back "
                "what was kept; turn it on."
            )
        if synchronous != "on" or path != f'"{self.schema}"':
            raise UsageError(
                f"the pooler or proxy before the server of {self.shown} drops the settings of a "
                "connection; connect to the server itself, or to a pooler in session mode."
            )
        version = str(mark or "").removeprefix(_MARK)
        if mark is not None and not version.isdecimal():
            raise _foreign(self)
        if mark is not None and int(version) != VERSION:
            age = "a newer" if int(version) > VERSION else "an older"
            raise UsageError(
                f"{self.shown} was written by {age} billingual (format {version}, this one knows "
                f"{VERSION}); use that version."
            )
        self.backends.append(tuple(backend))

    def settle(self) -> int:
        """After a lost connection: wait for its transaction; return which was the last kept."""
        connection, until = self.connected(), time.monotonic() + _PATIENCE_S
        while len(self.backends) > 1:
            # The server may not know yet that the connection is lost, or be about to keep it.
            if not connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid = %s AND backend_start = %s",
                self.backends[0],
            ).fetchone():
                del self.backends[0]
            elif time.monotonic() > until:
                connection.close()
                raise psycopg.OperationalError("the lost transaction does not end")
            else:
                time.sleep(_PAUSE_S / 10)
        if connection.execute("SELECT to_regclass('connection')").fetchone() == (None,):
            return -1
        row = connection.execute("SELECT kept FROM connection WHERE id = %s", (self.id,)).fetchone()
        return -1 if row is None else int(row[0])

    def close_if_ended(self, error: psycopg.Error) -> None:
        """Close the connection where it was lost and psycopg may not say so before its next use.

        The server may have said that it ends it. Or it ended in the middle of a pipeline, as which
        psycopg sends many rows, and which it cannot end then.
        """
        if self.connection is not None and (
            isinstance(error, (errors.AdminShutdown, errors.CrashShutdown))
            or self.connection.info.pipeline_status
        ):
            self.connection.close()

    def may_pass(self, error: psycopg.Error) -> bool:
        """Whether what failed may succeed if it is tried again."""
        # The first connection of all tells what is wrong with the place.
        return self.connection is not None and (
            self.is_lost
            or isinstance(error, (errors.DeadlockDetected, errors.SerializationFailure))
        )

    def read(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a query outside a transaction."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self.connected().execute(_translated(query), values or None).fetchall()
            except psycopg.Error as error:
                if not self.may_pass(error) or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Close the connection for good."""
        self.closed = True
        if self.connection is not None:
            with suppress(psycopg.Error):
                self.connection.execute("DELETE FROM connection WHERE id = %s", (self.id,))
            self.connection.close()


class _UndoneError(LedgerError):
    """A step was undone whole, and may succeed if it is tried again."""


@attrs.define(eq=False)
class _Transaction:
    """One transaction; as a context manager it is kept or undone.

    Attributes:
        server: has the connection.
        number: among the transactions of the ledger.
        failed: why nothing of it can be kept.
    """

    server: _Server
    number: int = attrs.field(default=0, init=False)
    failed: Exception | None = attrs.field(default=None, init=False)

    def execute(self, query: str, values: Any = (), /) -> psycopg.Cursor:
        """Run one statement."""
        with self._failing():
            return self._connection().execute(_translated(query), values or None)

    def executemany(self, query: str, values: Iterable[Any], /) -> None:
        """Run one statement for each set of values."""
        with self._failing():
            self._connection().cursor().executemany(_translated(query), values)

    def __enter__(self) -> Self:
        server = self.server
        server.count += 1
        self.number = server.count
        try:
            with self._failing():
                if server.is_lost and server.backends:
                    # The lost transaction may still hold rows.
                    server.settle()
                server.connected().execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        except BaseException:
            self._undo()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.failed is not None and (error is None or isinstance(error, Exception)):
                # Also if the block caught the error: PostgreSQL took no statement after it.
                raise self.failed
            if error is None:
                self._keep()
        finally:
            self._undo()

    @contextmanager
    def part(self) -> Iterator[None]:
        """Make a part of it that can be undone alone."""
        self.execute("SAVEPOINT step")
        try:
            yield
            self.execute("RELEASE step")
        except Exception:
            if self.failed is None:
                self.execute("ROLLBACK TO step; RELEASE step")
            raise
        except BaseException:
            # An interrupt undoes the whole.
            self.failed = LedgerError(
                f"the ledger {self.server.shown} cannot be written: a step was interrupted."
            )
            raise

    def _connection(self) -> psycopg.Connection:
        """Return the connection of this transaction, never a new one."""
        if self.failed is not None:
            raise self.failed
        connection = self.server.connection
        if connection is None or connection.closed:
            raise psycopg.OperationalError("the connection was lost")
        return connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            self.server.close_if_ended(error)
            if self.server.may_pass(error):
                self.failed = error
            raise

    def _keep(self) -> None:
        """Keep it: then it is on the disk of the server."""
        server = self.server
        query = (
            f"INSERT INTO connection (id, kept) VALUES ('{server.id}', {self.number})"
            " ON CONFLICT (id) DO UPDATE SET kept = excluded.kept; COMMIT"
        )
        try:
            with self._failing():
                cursor = self._connection().execute(query, prepare=False)
        except psycopg.Error:
            if server.is_lost and self._was_kept():
                return
            raise
        cursor.nextset()
        if cursor.statusmessage != "COMMIT":
            raise LedgerError(f"the ledger {server.shown} did not keep the step.")

    def _was_kept(self) -> bool:
        """Whether a ``COMMIT`` was carried out whose response was lost."""
        server, until = self.server, time.monotonic() + _PATIENCE_S
        while True:
            try:
                return server.settle() == self.number
            except psycopg.Error as error:
                if time.monotonic() > until:
                    raise LedgerError(
                        f"the connection to the ledger {server.shown} was lost while a step was "
                        "kept, and it is not known whether it was; when the server can be reached, "
                        "run the job again: it finds out."
                    ) from error
                time.sleep(_PAUSE_S)

    def _undo(self) -> None:
        """Undo what was not kept."""
        connection = self.server.connection
        if connection is None or connection.closed:
            return
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        if connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.close()


def _add(step: _Transaction, given: Sequence[NewEntry]) -> int:
    """Add entries that are not there; all of them have to be as they are planned now."""
    try:
        rows = step.execute(
            "SELECT id, number, body_hash FROM entry WHERE id = ANY(?)"
            " UNION SELECT id, number, body_hash FROM entry WHERE number = ANY(?)",
            ([each.id for each in given], [each.number for each in given]),
        ).fetchall()
    except UnicodeEncodeError:
        raise unreadable_text(next(each for each in given if _is_unreadable(each))) from None
    hashes = {entry_id: known for entry_id, _, known in rows}
    numbers = {number for _, number, _ in rows}
    new: dict[str, NewEntry] = {}
    for each in given:
        if each.id in hashes:
            if hashes[each.id] != each.body_hash:
                raise plan_conflict(each, _body_of(step, each.id, new))
            continue
        if each.number is not None and each.number in numbers:
            raise taken_number(each)
        hashes[each.id] = each.body_hash
        numbers.add(each.number)
        new[each.id] = each
    columns = zip(*map(attrs.astuple, new.values()), strict=True)
    if new:
        step.execute(
            "INSERT INTO entry (seq, id, operation, target, number, body, body_hash, before)"
            " SELECT (SELECT coalesce(max(seq), 0) FROM entry) + place, id, operation, target,"
            " number, body, body_hash, before FROM unnest(CAST(? AS text[]), CAST(? AS text[]),"
            " CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),"
            " CAST(? AS text[])) WITH ORDINALITY AS given"
            " (id, operation, target, number, body, body_hash, before, place)",
            tuple(map(list, columns)),
        )
    return len(new)


def _body_of(step: _Transaction, entry_id: str, new: Mapping[str, NewEntry]) -> str | None:
    if entry_id in new:
        return new[entry_id].body
    ((body,),) = step.execute("SELECT body FROM entry WHERE id = ?", (entry_id,)).fetchall()
    return None if body is None else str(body)


def _is_unreadable(given: NewEntry) -> bool:
    try:
        "".join(each for each in attrs.astuple(given) if each is not None).encode()
    except UnicodeEncodeError:
        return True
    return False


@functools.lru_cache(maxsize=256)
def _translated(query: str) -> str:
    """Write the parameters of a query as psycopg reads them."""
    return _PARAMETER.sub(lambda found: f"%({found[1]})s" if found[1] else "%s", query)


class _TextDumper(StrDumperUnknown):
    """Write text without the character 0, which PostgreSQL cannot keep and a name may have."""

    def dump(self, obj: str) -> Any:
        """Write a text."""
        if "\x00" in obj or "\x01" in obj:
            obj = obj.replace("\x01", "\x011").replace("\x00", "\x010")
        return super().dump(obj)


class _TextLoader(TextLoader):
    """Read such text."""

    def load(self, data: Any) -> str:
        """Read a text."""
        text = str(super().load(data))
        if "\x01" in text:
            text = text.replace("\x010", "\x00").replace("\x011", "\x01")
        return text


def _told(error: psycopg.Error) -> str:
    told = (error.diag.message_primary or str(error)).strip() or type(error).__name__
    return told.splitlines()[0].rstrip(".")


def _foreign(server: _Server) -> UsageError:
    return UsageError(
        f"the schema {server.schema} of {server.shown} is another program's; name another job."
    )


def _read_url(url: Secret) -> tuple[dict[str, Any], str | None]:
    """Return what a URL says about the connection, and which job it names."""
    text, sign, job = url.reveal().rpartition("#")
    if not sign or not _JOB.fullmatch(job):
        text, job = url.reveal(), ""
    given = None
    # What libpq says about a text that it cannot read may have a part of the password.
    with suppress(psycopg.Error):
        given = dict(conninfo.conninfo_to_dict(text))
    if given is None:
        del text, job
        raise InvalidInputError(
            "ledger",
            "it is no URL of a PostgreSQL database",
            "write postgresql://user@host/database, with %40 for an @ in the user's name, say",
        )
    return {name: _hidden(name, each) for name, each in given.items()}, job or None


def _hidden(name: str, value: Any) -> Any:
    """Wrap what may be a secret; whatever is not known to be none may be one."""
    return value if name in _SHOWN or name in {"user", "dbname"} else Secret(str(value))


def _job_of(named: str | None, job: str | None) -> str:
    """Return the name of the job."""
    job = plain_text(job)
    chosen = job if named is None else named
    if chosen is None:
        raise InvalidInputError(
            "job",
            "a database keeps many jobs, and none is named",
            "give job='2026-11', say, or put #2026-11 at the end of the URL",
            hint="name_job",
        )
    if job is not None and job != chosen:
        raise InvalidInputError(
            "job", f"the URL names {shown(named)}, and job= {shown(job)}", "give one"
        )
    if not _JOB.fullmatch(chosen):
        raise InvalidInputError(
            "job",
            f"{shown(chosen)} cannot name a job in a database",
            "give 1 to 50 letters, digits, dots, hyphens and underscores",
        )
    return chosen


def _shown(given: Mapping[str, Any], job: str) -> str:
    """Write a URL for people: it names the database, and has no secret."""
    user = quote(str(given.get("user") or ""), safe="")
    named = {name: str(given[name]) for name in _SHOWN if given.get(name)}
    host = named.pop("host", "")
    if "/" in host or "," in host or "," in named.get("port", ""):
        named, host = {"host": host} | named, ""
    elif "port" in named:
        host += f":{named.pop('port')}"
    more = f"?{urlencode(named, safe='/,')}" if named else ""
    base = quote(str(given.get("dbname") or ""), safe="")
    return f"postgresql://{user}{'@' if user else ''}{host}/{base}{more}#{job}"


def _with_settings(given: Mapping[str, Any], schema: str) -> Secret:
    """Return the parameters of the connection, with the settings that a ledger needs."""
    settings = _SETTINGS | {"search_path": f'"{schema}"'}
    before = given.get("options") or Secret(os.environ.get("PGOPTIONS", ""))
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    options = {"options": f"{before.reveal()} {ours}", "client_encoding": "utf8"}
    theirs = {
        name: each.reveal() if isinstance(each, Secret) else each for name, each in given.items()
    }
    return Secret(conninfo.make_conninfo(**_USUAL | theirs | options))
