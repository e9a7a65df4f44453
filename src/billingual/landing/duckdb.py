"""One DuckDB file that a person can query at once: the view ``invoices``.

The rows of a window and the note that it is landed are one transaction. DuckDB lets one process
write to a file, so two landings cannot meet.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import duckdb
from arro3.core import Table

from billingual.errors import UsageError
from billingual.landing.table import landed_schema
from billingual.landing.target import (
    VERSION,
    Counts,
    Landed,
    LandingError,
    LandingInUseError,
    Source,
)
from billingual.landing.windows import Window

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["DuckDb"]

T = TypeVar("T")

_OPENING: Final = threading.Lock()
_OPEN: Final[set[str]] = set()
"""The files that this process lands into."""

_IN_USE: Final = re.compile(r"Could not set lock on file|used by another process")
"""What DuckDB says where another process has the file; the name of a file may hold any word."""

_LANDED: Final = "landed_invoices"
_MAKE: Final = """
CREATE TABLE billingual_source (text VARCHAR NOT NULL);
CREATE TABLE billingual_windows (
    name VARCHAR PRIMARY KEY, kind VARCHAR NOT NULL, sync_id VARCHAR NOT NULL,
    landed_at TIMESTAMPTZ NOT NULL, row_count BIGINT NOT NULL, complete BOOLEAN NOT NULL,
    how VARCHAR NOT NULL
);
CREATE TABLE billingual_runs (sync_id VARCHAR PRIMARY KEY, began_at TIMESTAMPTZ NOT NULL);
"""
_VIEW: Final = """
CREATE VIEW IF NOT EXISTS invoices AS SELECT * EXCLUDE (_deleted_at) FROM landed_invoices
    WHERE _deleted_at IS NULL
"""
_ROWS_AT_ONCE: Final = 10_000
_BYTES_AT_ONCE: Final = 16 * 2**20
"""Rows that are merged at once, and about their bytes: a join of a whole window would hold all of
it in memory."""

# Left to itself, DuckDB takes four fifths of the machine, and a buffer for each core. Rows that
# wait for the end of their window go to ``FILE.duckdb.tmp`` beyond that, which DuckDB clears.
_SETTINGS: Final = {"memory_limit": "128MB", "threads": 1}
# 4,000 rows of 100 KB need 2.2 GB where DuckDB may take all, and 0.9 GB where it gets this.
_FOR_WIDE_ROWS: Final = {"memory_limit": "512MB"}
# Of an invoice that came twice, in one window or in two of one run, the row that was read last.
_SLICE: Final = """
CREATE OR REPLACE TEMP TABLE fresh AS SELECT * FROM {} WHERE rowid >= ? AND rowid < ?
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY _seen_at DESC) = 1
"""
_COUNT: Final = """
SELECT count(*) FILTER (t.id IS NULL AND s._deleted_at IS NULL),
       count(*) FILTER (t.id IS NOT NULL AND s._deleted_at IS NULL
                        AND t._row_hash IS DISTINCT FROM s._row_hash),
       count(*) FILTER (t.id IS NOT NULL AND s._deleted_at IS NULL
                        AND t._row_hash IS NOT DISTINCT FROM s._row_hash),
       count(*) FILTER (t.id IS NOT NULL AND t._deleted_at IS NULL AND s._deleted_at IS NOT NULL)
FROM fresh s LEFT JOIN landed_invoices t USING (id) WHERE t._sync_id IS DISTINCT FROM s._sync_id
"""
_MERGE: Final = """
MERGE INTO landed_invoices t USING fresh s ON t.id = s.id
    WHEN MATCHED AND s._deleted_at IS NOT NULL THEN UPDATE SET
        _deleted_at = s._deleted_at, _seen_at = s._seen_at, _sync_id = s._sync_id
    WHEN MATCHED AND (t._sync_id <> s._sync_id OR t._seen_at <= s._seen_at) THEN UPDATE
    WHEN NOT MATCHED AND s._deleted_at IS NULL THEN INSERT
"""
_GONE: Final = """
UPDATE landed_invoices SET _deleted_at = ? WHERE _deleted_at IS NULL AND _sync_id <> ?
"""


@attrs.define
class _Waiting:
    """The rows of a window that wait in a table of their own until it is whole."""

    table: str = ""
    rows: int = 0
    bytes: int = 0

    @property
    def at_once(self) -> int:
        """Rows that are merged at once."""
        return max(1, min(_ROWS_AT_ONCE, self.rows * _BYTES_AT_ONCE // max(1, self.bytes)))


class DuckDb:
    """Land into a DuckDB file; a :class:`~billingual.landing.target.Target`."""

    def __init__(self, path: Path, *, sync_id: str, raw: bool) -> None:
        # To DuckDB, ``~`` is the user's folder, and ``md:`` or ``sqlite:`` an extension to load.
        self._path = path.absolute()
        self._sync_id = sync_id
        self._raw = raw
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._place: str | None = None
        self._before: dict[str, object] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._numbers = itertools.count()

    @property
    def _db(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise LandingError(f"{self._path} is closed.")
        return self._connection

    def open(self, source: Source, *, now: float) -> float:
        """See the protocol."""
        # DuckDB keeps other processes out of its file, and shares it within one.
        place = os.path.realpath(self._path)
        with _OPENING:
            if place in _OPEN:
                raise LandingInUseError(
                    f"this process lands into {self._path} already; wait until it has ended."
                )
            _OPEN.add(place)
        self._place = place
        head = json.dumps({"landing": VERSION, "raw": self._raw, **attrs.asdict(source)})
        try:
            if not self._path.exists():
                self._make_file()
            self._connection = duckdb.connect(str(self._path))
            self._all("SET TimeZone = 'UTC'")
            self._set(_SETTINGS)
            self._make_or_check(head)
            (latest,) = self._one(f"SELECT epoch_us(max(_seen_at)) FROM {_LANDED}")  # noqa: S608 - likewise
        except duckdb.IOException as error:
            self.close()
            if _IN_USE.search(str(error)):
                raise LandingInUseError(
                    f"another process has {self._path} open; end it, or wait."
                ) from error
            raise LandingError(f"{self._path} cannot be opened: {error}") from error
        except duckdb.ConnectionException as error:
            self.close()
            raise LandingInUseError(
                f"this program has {self._path} open in another way, such as read_only=True; close "
                "that first."
            ) from error
        except (duckdb.Error, OSError) as error:
            self.close()
            raise LandingError(f"{self._path} cannot be opened: {error}") from error
        except BaseException:
            self.close()
            raise
        # Also if the clock was set back, the rows of this run must be the latest.
        return max(now, (latest or 0) / 1e6 + 0.001)

    def landed(self) -> Mapping[str, Landed]:
        """See the protocol."""
        rows = self._all("SELECT name, kind, complete FROM billingual_windows")
        return {name: Landed(kind=kind, complete=complete) for name, kind, complete in rows}

    def last_run(self) -> float | None:
        """See the protocol."""
        (latest,) = self._one("SELECT epoch_us(max(began_at)) FROM billingual_runs")
        return None if latest is None else latest / 1e6

    def open_ids(self, statuses: tuple[str, ...]) -> set[str]:
        """See the protocol."""
        rows = self._all(
            f"SELECT id FROM {_LANDED} WHERE _deleted_at IS NULL AND status IN ?",  # noqa: S608 - likewise
            [list(statuses)],
        )
        return {invoice_id for (invoice_id,) in rows}

    def add(self, window: Window, batch: RecordBatch) -> None:
        """See the protocol."""
        waiting = self._waiting.get(window.name)
        if waiting is None:
            waiting = self._waiting[window.name] = _Waiting(f"incoming_{next(self._numbers)}")
            self._all(f"CREATE TEMP TABLE {waiting.table} AS SELECT * FROM {_LANDED} LIMIT 0")  # noqa: S608 - likewise
        self._db.register("rows_to_add", Table.from_batches([batch]))
        insert = f"INSERT INTO {waiting.table} SELECT * FROM rows_to_add"  # noqa: S608 - likewise
        self._with_room(lambda: self._all(insert))
        self._db.unregister("rows_to_add")
        waiting.rows += batch.num_rows
        waiting.bytes += batch.nbytes

    def commit(self, window: Window, *, complete: bool, how: str, at: float) -> Counts:
        """See the protocol."""
        waiting = self._waiting.pop(window.name, _Waiting())
        moment = datetime.fromtimestamp(at, UTC)
        note = [window.name, window.kind, self._sync_id, moment, waiting.rows, complete, how]
        gone_at = moment if complete and window.kind == "full" else None
        counts = self._with_room(lambda: self._merge(waiting, note, gone_at))
        if waiting.table:
            self._all(f"DROP TABLE {waiting.table}")
        return counts

    def _with_room(self, step: Callable[[], T]) -> T:
        """Take a step, and again with more memory where rows are too wide for what there is."""
        for more in (_FOR_WIDE_ROWS, self._before):
            try:
                return step()
            except LandingError as error:
                # A commit tells it as a fault of its transaction.
                kinds = (duckdb.OutOfMemoryException, duckdb.TransactionException)
                if not isinstance(error.__cause__, kinds):
                    raise
                self._set(more)
        return step()

    def _merge(self, waiting: _Waiting, note: list[object], gone_at: datetime | None) -> Counts:
        """Merge the rows of a window that wait, and note that it is landed.

        With *gone_at*, invoices that this run has not read are gone since then.
        """
        found = [0, 0, 0, 0]
        self._all("BEGIN")
        try:
            for first in range(0, waiting.rows, waiting.at_once):
                self._all(_SLICE.format(waiting.table), [first, first + waiting.at_once])
                found = [*map(sum, zip(found, self._one(_COUNT), strict=True))]
                self._all(_MERGE)
            if gone_at is not None:
                ((gone,),) = self._all(_GONE, [gone_at, self._sync_id])
                found[-1] += gone
            self._all(
                "INSERT OR REPLACE INTO billingual_windows VALUES (?, ?, ?, ?, ?, ?, ?)", note
            )
            self._all("COMMIT")
        except BaseException:
            with suppress(LandingError):  # A commit that failed is rolled back.
                self._all("ROLLBACK")
            raise
        return Counts(*found)

    def finish(self, *, at: float) -> None:
        """See the protocol."""
        moment = datetime.fromtimestamp(at, UTC)
        self._all("INSERT INTO billingual_runs VALUES (?, ?)", [self._sync_id, moment])

    def close(self) -> None:
        """See the protocol."""
        if self._connection is not None:
            # A program may have the file open too; all its connections share the settings.
            self._set(self._before)
            self._connection.close()
            self._connection = None
        if self._place is not None:
            _OPEN.discard(self._place)
            self._place = None

    def _set(self, settings: Mapping[str, object]) -> None:
        for name, value in settings.items():
            # Refused where other connections of the program hold more memory than that.
            with suppress(LandingError):
                ((before,),) = self._all(f"SELECT current_setting('{name}')")
                self._all(f"SET {name} = '{value}'")
                self._before.setdefault(name, before)

    def _make_file(self) -> None:
        """Make an empty DuckDB file, whole: one that is made in part cannot be opened again."""
        fresh = self._path.with_name(f".{self._path.name}.{self._sync_id}.new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            duckdb.connect(str(fresh)).close()
            try:
                # Fails where another process was quicker, and a rename would not.
                os.link(fresh, self._path)
            except FileExistsError:
                return
            except OSError:  # a file system without links
                fresh.rename(self._path)
        finally:
            fresh.unlink(missing_ok=True)

    def _make_or_check(self, head: str) -> None:
        tables = {name for (name,) in self._all("SHOW TABLES")}
        self._db.register("no_rows", Table.from_batches([], schema=landed_schema(raw=self._raw)))
        if "billingual_source" not in tables:
            if tables & {"invoices", _LANDED}:
                raise UsageError(
                    f"{self._path} has tables of its own named like those of a landing; land into "
                    "another file."
                )
            self._all("BEGIN")
            self._all(f"CREATE TABLE {_LANDED} AS SELECT * FROM no_rows")  # noqa: S608 - likewise
            self._all(_MAKE)
            self._all(_VIEW)
            self._all("INSERT INTO billingual_source VALUES (?)", [head])
            self._all("COMMIT")
            return
        held = [text for (text,) in self._all("SELECT text FROM billingual_source")]
        if held != [head]:
            raise UsageError(
                f"{self._path} holds other invoices, or the same with other columns: "
                f"{', '.join(held)}; land into another file."
            )
        found, wanted = (
            [(name, kind) for name, kind, *_ in self._all(f"DESCRIBE {each}")]
            for each in (_LANDED, "no_rows")
        )
        if found != wanted:
            raise LandingError(
                f"{self._path} has a table {_LANDED} with other columns than were landed; undo "
                "that, or land into another file."
            )
        # A person may have removed it, and it costs nothing to make.
        self._all(_VIEW)
        if self._all(
            "SELECT 1 FROM duckdb_tables() WHERE table_name = 'invoices' AND schema_name = 'main'"
        ):
            raise LandingError(
                f"{self._path} has a table named invoices where a landing has its view; give the "
                "table another name, or land into another file."
            )

    def _all(self, query: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            # Fetched to the end: a result that is left open blocks the connection.
            return self._db.execute(query, given).fetchall()
        except duckdb.Error as error:
            raise LandingError(f"{self._path} cannot be read or written: {error}") from error

    def _one(self, query: str) -> tuple[Any, ...]:
        return self._all(query)[0]
