"""The data: one SQLite database, in memory or in a file, and one transaction per request.

Instants are integers (see `instants`). Columns hold what is filtered, sorted or kept unique; the
rest of a record is JSON in `doc`. The counter of ids and the clock's time live in `meta`, so a
reopened file goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
import weakref
from array import array
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ForeignDatabaseError", "IdGenerator", "Row", "Store", "Tables"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIXED_LENGTH = 24


class IdGenerator:
    """Make ids from a seed and a counter.

    The store keeps the counter, so a reopened file never repeats an id.
    """

    def __init__(self, seed: int, counter: int = 0) -> None:
        self.seed = seed
        self.counter: int = counter

    def uuid(self) -> str:
        """Make a version 4 UUID."""
        return str(uuid.UUID(bytes=self._digest()[:16], version=4))

    def prefixed(self, prefix: str) -> str:
        """Make an id such as `inv_` and 24 lower-case alphanumerics."""
        number = int.from_bytes(self._digest(), "big")
        letters = []
        for _ in range(_PREFIXED_LENGTH):
            number, index = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[index])
        return prefix + "".join(letters)

    def _digest(self) -> bytes:
        self.counter += 1
        return hashlib.blake2b(f"{self.seed}:{self.counter}".encode(), digest_size=32).digest()


Row = sqlite3.Row
Tables = Mapping[str, Sequence[tuple[object, ...]]]
"""All rows of a store, by table."""

_TABLES = {
    "exante_organization": "uid TEXT PRIMARY KEY, doc TEXT NOT NULL",
    "exante_party": """
        uid TEXT PRIMARY KEY, organization TEXT NOT NULL, name TEXT NOT NULL, doc TEXT NOT NULL""",
    "exante_document": """
        uid TEXT PRIMARY KEY, organization TEXT NOT NULL, filename TEXT NOT NULL,
        archived INTEGER NOT NULL""",
    "exante_blueprint": """
        uid TEXT PRIMARY KEY, organization TEXT NOT NULL, active INTEGER NOT NULL""",
    "exante_invoice": """
        uid TEXT PRIMARY KEY, organization TEXT NOT NULL, number TEXT NOT NULL,
        type TEXT NOT NULL, status TEXT NOT NULL, collection_method TEXT,
        issue_date INTEGER, due_date INTEGER, paid_date INTEGER, due_day INTEGER,
        total INTEGER NOT NULL, party TEXT NOT NULL REFERENCES exante_party,
        document TEXT NOT NULL REFERENCES exante_document,
        blueprint TEXT REFERENCES exante_blueprint,
        inactive INTEGER NOT NULL DEFAULT 0,
        doc TEXT NOT NULL""",
    "kukkingu_tenant": "id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL",
    "kukkingu_contract": """
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, client TEXT NOT NULL, doc TEXT NOT NULL""",
    "kukkingu_client": "id TEXT PRIMARY KEY, tenant TEXT NOT NULL, doc TEXT NOT NULL",
    "kukkingu_invoice": """
        id TEXT PRIMARY KEY, tenant TEXT NOT NULL, contract TEXT NOT NULL, status TEXT NOT NULL,
        number TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
        doc TEXT NOT NULL, UNIQUE (tenant, number)""",
    "katsu_invoice": """
        id TEXT PRIMARY KEY, created INTEGER NOT NULL, amount TEXT NOT NULL,
        doc TEXT NOT NULL""",
}

# Whether the plain list leaves an invoice out. Kept with the invoice, so that a list need not look
# at another table for each row; documents and blueprints do not change.
_INACTIVE = """
    CREATE TRIGGER IF NOT EXISTS exante_inactive_{event} AFTER {event} ON exante_invoice BEGIN
        UPDATE exante_invoice SET inactive =
            (SELECT archived FROM exante_document WHERE uid = NEW.document)
            OR NOT coalesce(
                (SELECT active FROM exante_blueprint WHERE uid = NEW.blueprint), 1)
        WHERE rowid = NEW.rowid;
    END"""
_EVENTS = {"insert": "INSERT", "update": "UPDATE OF document, blueprint"}
_KEPT_LISTS = 16

_PATIENCE_S = 1.0
"""How long to wait for a program that has the file open for a moment."""

_APPLICATION_ID = 0x62734278
"""``bsBx``, in the header of the file."""


class ForeignDatabaseError(ValueError):
    """The file is a database of another program, or no file that can hold one."""


def _refuse_no_file(path: str | None) -> None:
    """Refuse what SQLite would only call an error of the disk."""
    if path is None:
        return
    place, problem = Path(path), None
    if place.exists() and not place.is_file():
        problem = "it is a folder or a device"
    elif not place.parent.is_dir():
        problem = "its folder is not there"
    if problem is not None:
        raise ForeignDatabaseError(
            f"{path} cannot hold the sandbox's data: {problem}; name a file of its own"
        )


class Store:
    """Hold the rows; not safe for two threads at once, the sandbox's lock sees to that."""

    def __init__(self, path: str | None = None) -> None:
        self.ids: IdGenerator = IdGenerator(0)
        self._written = 0
        _refuse_no_file(path)
        self._lists: OrderedDict[Hashable, array[int]] = OrderedDict()
        self._connection = sqlite3.connect(
            path or ":memory:", timeout=_PATIENCE_S, check_same_thread=False, isolation_level=None
        )
        self._refuse_foreign(path)
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("fold", 1, str.casefold, deterministic=True)
        # A sandbox may lose its last write in a power cut; waiting for the disk would cost more.
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER)"
        )
        for table, columns in _TABLES.items():
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        # Not unique: whether a provider takes a number twice is one of the settings.
        self._connection.execute(
            "CREATE INDEX IF NOT EXISTS exante_number ON exante_invoice (organization, number)"
        )
        for name, event in _EVENTS.items():
            trigger = _INACTIVE.replace("exante_inactive_{event}", f"exante_inactive_{name}")
            self._connection.execute(trigger.replace("{event}", event))
        self._finalizer = weakref.finalize(self, self._connection.close)
        # Not at the end of the interpreter: a daemon thread may be inside SQLite then, and a
        # connection that is closed under it crashes the process.
        self._finalizer.atexit = False
        self.resume()

    def _refuse_foreign(self, path: str | None) -> None:
        """Refuse another program's database before anything is written into it."""
        try:
            # Kept until the end: two sandboxes of one file would give the same ids out.
            self._connection.executescript(
                "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"
            )
            mark, tables = self._connection.execute(
                "SELECT application_id, (SELECT count(*) FROM sqlite_schema)"
                " FROM pragma_application_id"
            ).fetchone()
        except sqlite3.Error as error:
            self._connection.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise ForeignDatabaseError(
                    f"{path} is open in another program, such as another sandbox; end that, or "
                    "name another file"
                ) from None
            raise
        if mark != _APPLICATION_ID and (mark or tables):
            self._connection.close()
            raise ForeignDatabaseError(
                f"{path} is another program's database; name a file of its own for the sandbox"
            )
        self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def close(self) -> None:
        """Close the database; calling it again does nothing."""
        self._finalizer()

    def resume(self) -> None:
        """Continue the ids where the database says it stopped."""
        self.ids = IdGenerator(self.meta("seed") or 0, self.meta("counter") or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside as a whole, or nothing of it if an exception passes."""
        before = self.ids.counter
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            self.resume()
            raise
        if self.ids.counter != before:
            self.set_meta("counter", self.ids.counter)
        self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Row]:
        """Run a query and give all its rows."""
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> Row | None:
        """Run a query and give its first row, or None."""
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def listed(self, sql: str, values: Mapping[str, object]) -> array[int]:
        """Run a query for row ids, or give what it gave before, if nothing was written since.

        Paging through a list asks the same question for each page, and only the first has to
        sort anything.
        """
        key = (sql, tuple(sorted(values.items())), self._written)
        found = self._lists.get(key)
        if found is None:
            rows = self._connection.execute(sql, values).fetchall()
            found = self._lists[key] = array("q", (row[0] for row in rows))
            if len(self._lists) > _KEPT_LISTS:
                self._lists.popitem(last=False)
        return found

    @property
    def writes(self) -> int:
        """How many statements have changed something, or could have."""
        return self._written

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement and give the number of rows it changed."""
        self._written += 1
        return self._connection.execute(sql, values).rowcount

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Add one row, given by column."""
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  our names

    def update(self, table: str, key: tuple[str, str], row: Mapping[str, object]) -> None:
        """Change the columns of the one row whose *key* column has a value."""
        marks = ", ".join(f"{name} = ?" for name in row)
        column, value = key
        self.run(f"UPDATE {table} SET {marks} WHERE {column} = ?", (*row.values(), value))  # noqa: S608  our names

    def tables(self) -> Tables:
        """Give all rows, in the order that they were inserted in."""
        return {
            table: [tuple(row) for row in self.rows(f"SELECT * FROM {table} ORDER BY rowid")]  # noqa: S608  our names
            for table in (*_TABLES, "meta")
        }

    def fill(self, tables: Tables) -> None:
        """Insert what `tables` gave into a store that is empty."""
        self._written += 1
        for table, rows in tables.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  our names

    def clear(self) -> None:
        """Delete every row of every table."""
        for table in reversed(_TABLES):
            self.run(f"DELETE FROM {table}")  # noqa: S608  our names
        self.run("DELETE FROM meta")

    def meta(self, name: str) -> int | None:
        """Read one of the store's own numbers."""
        found = self.row("SELECT value FROM meta WHERE name = ?", (name,))
        return None if found is None else int(found["value"])

    def set_meta(self, name: str, value: int) -> None:
        """Keep one of the store's own numbers."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
