"""A table of Delta Lake, which Spark, Polars, DuckDB and others read without a catalogue.

Rows are merged into the table by their ids, so that a row which is landed twice is there once. What
is known of windows is in the manifest in ``_billingual``, a folder that readers of Delta pass over.
A window is noted there when its rows are in the table: a run that is killed in between reads it
again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arro3.core import Array, DataType, Table

from billingual.errors import InvalidInputError, UsageError, shown
from billingual.landing.manifest import Index, Manifest
from billingual.landing.table import landed_schema
from billingual.landing.target import Counts, Landed, LandingError, Source
from billingual.landing.windows import Window
from billingual.pagination.dedupe import SeenIds

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["Delta"]

_NOTES: Final = "_billingual"
# With these in a path, the library reads another folder or panics.
_NO_NAME: Final = re.compile(r"[\x00-\x1f\x7f\[\]\\^|]|%[0-9A-Fa-f]{2}")

_BYTES_OF_MERGE: Final = 32 * 2**20
"""Bytes that are merged at once; each merge rewrites the files that it changes."""

# The row that was read last counts. Any row of this run is later than those of earlier runs.
_IS_LATER: Final = "t._sync_id <> s._sync_id OR t._seen_at <= s._seen_at"


class Delta:
    """Land into a Delta table; a :class:`~billingual.landing.target.Target`.

    Rows are in the table as soon as they are merged, a part of a window at a time: each is what the
    provider showed. That a window is whole is what :meth:`commit` notes.
    """

    def __init__(self, path: Path, *, sync_id: str, raw: bool) -> None:
        self._lake = _library()
        if _NO_NAME.search(path.absolute().as_posix()):
            raise InvalidInputError(
                "target",
                f"{shown(str(path))} holds a character that a Delta table cannot have in its path",
                "leave out [ ] \\ ^ | and %41, for example",
            )
        # The library would take what is before a colon for the scheme of a URL.
        self._path = path.absolute()
        self._sync_id = sync_id
        self._raw = raw
        self._manifest = Manifest(path / _NOTES, path)
        self._waiting: list[RecordBatch] = []
        self._index: Index | None = None
        self._there = SeenIds()
        self._found: Counter[str] = Counter()
        self._rows: dict[str, int] = {}

    def open(self, source: Source, *, now: float) -> float:
        """See the protocol."""
        try:
            self._refuse_foreign()
            (self._path / _NOTES).mkdir(parents=True, exist_ok=True)
            at = self._manifest.open(source, raw=self._raw, now=now)
            self._make_table()
        except (OSError, self._lake.exceptions.DeltaError) as error:
            self.close()
            raise LandingError(f"{self._path} cannot be used: {error}") from error
        except BaseException:
            self.close()
            raise
        return at

    def landed(self) -> Mapping[str, Landed]:
        """See the protocol."""
        return self._manifest.landed()

    def last_run(self) -> float | None:
        """See the protocol."""
        return self._manifest.last_run()

    def open_ids(self, statuses: tuple[str, ...]) -> set[str]:
        """See the protocol."""
        with self._told():
            return {
                invoice_id
                for batch in self._asked("SELECT id, status FROM t WHERE _deleted_at IS NULL")
                for invoice_id, status in zip(
                    batch.column("id").to_pylist(), batch.column("status").to_pylist(), strict=True
                )
                if status in statuses
            }

    def add(self, window: Window, batch: RecordBatch) -> None:
        """See the protocol."""
        if self._index is None:
            self._index = self._read_index()
        if batch.num_rows and batch.column("_deleted_at")[0].as_py() is None:
            self._index.compare(batch, self._found)
        self._rows[window.name] = self._rows.get(window.name, 0) + batch.num_rows
        self._waiting.append(batch)
        if sum(each.nbytes for each in self._waiting) >= _BYTES_OF_MERGE:
            self._merge()

    def commit(self, window: Window, *, complete: bool, how: str, at: float) -> Counts:
        """See the protocol."""
        self._merge()
        if complete and window.kind == "full":
            with self._told():
                done = self._table().update(
                    predicate=f"_deleted_at IS NULL AND _sync_id <> '{self._sync_id}'",
                    updates={"_deleted_at": f"to_timestamp_micros({round(at * 1e6)})"},
                    commit_properties=self._named(window.name),
                )
                self._found["deleted"] += done["num_updated_rows"]
        self._manifest.append(
            {
                "window": window.name, "kind": window.kind, "sync": self._sync_id, "at": at,
                "rows": self._rows.pop(window.name, 0), "complete": complete, "how": how,
            }
        )  # fmt: skip
        found, self._found = self._found, Counter()
        return Counts(**found)

    def finish(self, *, at: float) -> None:
        """See the protocol."""
        self._manifest.append({"finished": at, "sync": self._sync_id, "at": at})

    def close(self) -> None:
        """See the protocol."""
        self._manifest.close()

    def _refuse_foreign(self) -> None:
        """Refuse a table of other columns, before anything is written beside it."""
        if not self._lake.DeltaTable.is_deltatable(str(self._path)):
            return
        found = {each.name for each in self._table().schema().fields}
        missing = [each for each in landed_schema(raw=self._raw).names if each not in found]
        if missing:
            raise UsageError(
                f"{self._path} is a table without the column {missing[0]}, which a landing "
                "writes; land into another folder."
            )

    def _make_table(self) -> None:
        if self._lake.DeltaTable.is_deltatable(str(self._path)):
            return
        if self._manifest.landed():
            # What is closed would never be read again.
            raise LandingError(
                f"{self._path} was landed into, and its table is not there; put it back, or land "
                "into another folder."
            )
        empty = Table.from_batches([], schema=landed_schema(raw=self._raw))
        self._lake.write_deltalake(str(self._path), empty)

    def _read_index(self) -> Index:
        """Note what is in the table."""
        index = Index()
        with self._told():
            for each in self._asked("SELECT id, _row_hash FROM t"):
                index.know(each)
                self._there.add(list(each.column("id").to_pylist()))
        return index

    def _merge(self) -> None:
        """Append what is new, and merge the rest: a merge holds the whole table in memory."""
        if not self._waiting:
            return
        rows = _last_of_each(self._waiting)
        moments = rows.column("_deleted_at").to_pylist()
        # Where this fails, they are merged by the next attempt, which inserts what is not there.
        known = {*self._there.add(list(rows.column("id").to_pylist()))}
        new = [at for at, each in enumerate(moments) if at not in known and each is None]
        named = self._named(f"{rows.num_rows} rows")
        with self._told():
            if new:
                # The schemas are merged, since the table may have columns of its owner's too.
                self._lake.write_deltalake(
                    str(self._path), _taken(rows, new), mode="append", schema_mode="merge",
                    commit_properties=named,
                )  # fmt: skip
            if known:
                self._merge_known(_taken(rows, known), named)
        # Not before the merge: if that fails, no window with rows among these may count.
        self._waiting = []
        self._found["deleted"] += sum(each is not None for each in moments)

    def _merge_known(self, rows: RecordBatch, named: Any) -> None:
        gone = "s._deleted_at IS NOT NULL"
        merging = self._table().merge(
            Table.from_batches([rows]),
            predicate="t.id = s.id",
            source_alias="s",
            target_alias="t",
            commit_properties=named,
        )
        # What is gone keeps its last state.
        notes = ("_deleted_at", "_seen_at", "_sync_id")
        merging = merging.when_matched_update({name: f"s.{name}" for name in notes}, predicate=gone)
        merging = merging.when_matched_update_all(predicate=f"NOT ({gone}) AND ({_IS_LATER})")
        merging.when_not_matched_insert_all(predicate=f"NOT ({gone})").execute()

    def _table(self) -> Any:
        return self._lake.DeltaTable(str(self._path))

    def _asked(self, query: str) -> Any:
        return self._lake.QueryBuilder().register("t", self._table()).execute(query)

    def _named(self, what: str) -> Any:
        return self._lake.CommitProperties(
            custom_metadata={"billingual": f"{self._sync_id} {what}"}
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # not all errors of the library are of its own class
            raise LandingError(f"{self._path} cannot be written or read: {error}") from error


def _library() -> Any:
    # Not at the top: modules are imported by checks that know no Delta.
    import deltalake  # noqa: PLC0415 - of an extra
    import deltalake.exceptions  # noqa: PLC0415 - likewise

    return deltalake


def _last_of_each(batches: list[RecordBatch]) -> RecordBatch:
    """Join batches, without the earlier rows of an id: a merge refuses to choose between them."""
    joined = Table.from_batches(batches).combine_chunks().to_batches()[0]
    ids = joined.column("id").to_pylist()
    last = {invoice_id: place for place, invoice_id in enumerate(ids)}
    return _taken(joined, last.values())


def _taken(rows: RecordBatch, places: Collection[int]) -> RecordBatch:
    if len(places) == rows.num_rows:
        return rows  # a copy would take as much memory again
    return rows.take(Array(sorted(places), type=DataType.uint64()))
