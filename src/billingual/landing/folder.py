"""A folder of Parquet files, and a manifest that says which of them count.

A window's rows are written to files of their own, flushed to disk, renamed, and only then named by
one line of the manifest. So a killed run leaves files that nothing names, and the next run removes
them. Readers take :func:`~billingual.landing.landed_files` and, of each id, the row with the latest
``_seen_at``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from arro3.core import Array, DataType
from arro3.io import read_parquet

from billingual.columns.parquet import write_batches
from billingual.errors import UsageError
from billingual.landing.manifest import (
    LOCK,
    MANIFEST,
    Index,
    Manifest,
    counting_lines,
    sync_folder,
)
from billingual.landing.table import landed_schema, with_deletion
from billingual.landing.target import Counts, Landed, LandingError, Source
from billingual.landing.windows import MOVED, Window
from billingual.pagination.dedupe import SeenIds

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["Folder"]

_DATA: Final = "data"
_BYTES_WAITING: Final = 32 * 2**20
"""Columns of all windows together that wait to be written."""

_OURS: Final = frozenset({MANIFEST, LOCK, _DATA})


class Folder:
    """Land into a folder; a :class:`~billingual.landing.target.Target`."""

    def __init__(self, path: Path, *, sync_id: str, raw: bool) -> None:
        self._root = path
        self._raw = raw
        self._sync_id = sync_id
        self._manifest = Manifest(path, path)
        self._parts: dict[str, _Parts] = {}
        self._index: Index | None = None

    def open(self, source: Source, *, now: float) -> float:
        """See the protocol."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._refuse_others()
            at = self._manifest.open(source, raw=self._raw, now=now)
            self._refuse_lost()
            self._remove_strays()
        except OSError as error:
            self.close()
            raise LandingError(f"{self._root} cannot be used: {error.strerror}.") from error
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
        windows = [line for line in self._manifest.lines if "window" in line]
        asked = list(statuses)
        reads = [line for line in windows if line.get("statuses") == asked and line["complete"]]
        # The run of the last complete read of what is open looked for what was open before. So
        # rows count from the beginning of that run on, those of killed runs too.
        since = 0
        if reads:
            since = next(at for at, line in enumerate(windows) if line["sync"] == reads[-1]["sync"])
        counting = [*counting_lines(self._manifest.lines)]
        # A window still has its row of an invoice that is gone now, or has another date.
        moved: dict[str, int] = {}
        for line in counting:
            if line["window"] == MOVED:
                moved.update((each, seen) for each, _, seen, _ in self._states_of(line["files"]))
        names = {name for line in counting for name in line["files"]}
        return {
            each
            for line in windows[since:]
            for each, status, seen, gone in self._states_of(names.intersection(line["files"]))
            if status in statuses and gone is None and seen >= moved.get(each, seen)
        }

    def add(self, window: Window, batch: RecordBatch) -> None:
        """See the protocol."""
        if self._index is None:
            self._index = Index()
            for old in self._rows_of([*counting_lines(self._manifest.lines)]):
                self._index.know(old)
        parts = self._parts.setdefault(window.name, _Parts())
        ids = list(batch.column("id").to_pylist())
        parts.ids.add(ids)
        if batch.num_rows and batch.column("_deleted_at")[0].as_py() is not None:
            parts.gone.update(ids)
            return
        self._index.compare(batch, parts.found)
        parts.add_batch(batch)
        if sum(each.bytes for each in self._parts.values()) >= _BYTES_WAITING:
            fullest = max(self._parts, key=lambda name: self._parts[name].bytes)
            self._write(fullest, self._parts[fullest])

    def commit(self, window: Window, *, complete: bool, how: str, at: float) -> Counts:
        """See the protocol."""
        parts = self._parts.pop(window.name, _Parts())
        self._write(window.name, parts)
        rows = parts.rows
        self._mark_gone(window, parts, at)
        self._carry_over(window, parts, at, complete=complete)
        self._manifest.append(
            {
                "window": window.name, "kind": window.kind, "sync": self._sync_id, "at": at,
                "files": parts.files, "rows": rows, "complete": complete, "how": how,
                **({"statuses": list(window.filter.status or ())} if window.kind == "open" else {}),
            }
        )  # fmt: skip
        return Counts(**parts.found)

    def finish(self, *, at: float) -> None:
        """See the protocol."""
        self._manifest.append({"finished": at, "sync": self._sync_id, "at": at})

    def close(self) -> None:
        """See the protocol."""
        self._manifest.close()

    def _refuse_others(self) -> None:
        """Refuse a folder of other things: their files would be taken for rows."""
        there = {each.name for each in self._root.iterdir()}
        if there and MANIFEST not in there and there - _OURS:
            raise UsageError(
                f"{self._root} has other files in it, such as {min(there - _OURS)!r}; land into a "
                "folder of its own."
            )

    def _refuse_lost(self) -> None:
        """Refuse to go on where rows are missing: what is closed would never be read again."""
        for line in counting_lines(self._manifest.lines):
            for name in line["files"]:
                if not (self._root / name).is_file():
                    raise LandingError(
                        f"{self._root / name} is named by the manifest and not there; put it back, "
                        "or land into another folder."
                    )

    def _remove_strays(self) -> None:
        """Remove files that no line counts: of killed runs, and those that were read again since.

        They are kept until the next run begins, so that a reader has the time in between.
        """
        counting = {name for line in counting_lines(self._manifest.lines) for name in line["files"]}
        for path in (self._root / _DATA).glob("*"):
            if f"{_DATA}/{path.name}" not in counting and _NAME.fullmatch(path.name):
                path.unlink()

    def _write(self, window: str, parts: _Parts) -> None:
        """Write the rows that wait to a file, which is on disk when this returns."""
        if not parts.batches:
            return
        folder = self._root / _DATA
        name = f"{window}.{self._sync_id}.{len(parts.files)}.parquet"
        try:
            folder.mkdir(exist_ok=True)
            fresh = folder / f"{name}.new"
            with fresh.open("wb") as file:
                write_batches(parts.batches[0].schema, parts.batches, file)
                os.fsync(file.fileno())
            fresh.rename(folder / name)
            sync_folder(folder)
        except OSError as error:
            raise LandingError(f"{folder} cannot be written: {error.strerror}.") from error
        parts.files.append(f"{_DATA}/{name}")
        parts.rows += sum(each.num_rows for each in parts.batches)
        parts.batches, parts.bytes = [], 0

    def _carry_over(self, window: Window, parts: _Parts, at: float, *, complete: bool) -> None:
        """Keep the rows of earlier reads that this one did not bring, and that it replaces.

        In a window of days they stay as they were: such an invoice may have another date now. In
        a complete full read they are gone. A read that is not complete replaces one that was not.
        """
        if complete and window.kind == "open":
            return
        full = complete and window.kind == "full"
        lines = [
            line
            for line in counting_lines(self._manifest.lines)
            if full or (line["window"] == window.name and (complete or not line["complete"]))
        ]
        latest: dict[str, int] = {}
        for batch in self._rows_of(lines):
            ids, seen = _ids_and_moments(batch)
            known = {*parts.ids.add(ids)}
            for place, each in enumerate(ids):
                if place not in known or each in latest:
                    latest[each] = max(seen[place], latest.get(each, seen[place]))
        self._keep(window, parts, lines, latest, at if full else None)

    def _mark_gone(self, window: Window, parts: _Parts, at: float) -> None:
        """Keep the last state of invoices that are gone, and mark them."""
        if not parts.gone:
            return
        lines = [*counting_lines(self._manifest.lines)]
        latest: dict[str, int] = {}
        for batch in self._rows_of(lines):
            for each, seen in zip(*_ids_and_moments(batch), strict=True):
                if each in parts.gone:
                    latest[each] = max(seen, latest.get(each, seen))
        self._keep(window, parts, lines, latest, at)

    def _keep(
        self,
        window: Window,
        parts: _Parts,
        lines: list[dict[str, Any]],
        latest: dict[str, int],
        gone_at: float | None,
    ) -> None:
        """Keep, once for each id, the row of *lines* that was seen at the time in *latest*."""
        for batch in self._rows_of(lines) if latest else ():
            places = []
            for place, (each, seen) in enumerate(zip(*_ids_and_moments(batch), strict=True)):
                if latest.get(each) == seen:
                    del latest[each]
                    places.append(place)
            if places:
                self._keep_some(window, parts, batch, places, gone_at)
        self._write(window.name, parts)

    def _keep_some(
        self,
        window: Window,
        parts: _Parts,
        batch: RecordBatch,
        places: list[int],
        gone_at: float | None,
    ) -> None:
        kept = batch.take(Array(places, type=DataType.uint64()))
        if gone_at is not None:
            kept, gone = with_deletion(kept, gone_at)
            parts.found["deleted"] += gone
        parts.add_batch(kept)
        if parts.bytes >= _BYTES_WAITING:
            self._write(window.name, parts)

    def _rows_of(self, lines: list[dict[str, Any]]) -> Iterator[RecordBatch]:
        """Read the rows of windows, the latest first; in a file they are in any order."""
        for line in reversed(lines):
            for name in reversed(line["files"]):
                yield from self._batches(name)

    def _states_of(self, names: Iterable[str]) -> Iterator[tuple[str, str, int, int | None]]:
        """Read id, status, ``_seen_at`` and ``_deleted_at`` of rows, in files that count."""
        for name in names:
            for batch in self._batches(name):
                columns = [batch.column("id"), batch.column("status")]
                moments = (batch.column(each) for each in ("_seen_at", "_deleted_at"))
                columns += [each.cast(DataType.int64()) for each in moments]
                yield from zip(*(each.to_pylist() for each in columns), strict=True)

    def _batches(self, name: str) -> Iterator[RecordBatch]:
        """Read a file that counts.

        Raises:
            LandingError: if it is not as it was written.
        """
        path = self._root / name
        names = landed_schema(raw=self._raw).names
        try:
            for batch in read_parquet(path):
                yield batch.select(names)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # the library panics where a file is damaged
            raise LandingError(
                f"{path} cannot be read ({error}); put a copy of it back, or land into another "
                "folder."
            ) from error


@attrs.define
class _Parts:
    """The rows of a window that are not committed yet."""

    batches: list[RecordBatch] = attrs.field(factory=list)
    bytes: int = 0
    files: list[str] = attrs.field(factory=list)
    rows: int = 0
    ids: SeenIds = attrs.field(factory=SeenIds)
    gone: set[str] = attrs.field(factory=set)
    found: Counter[str] = attrs.field(factory=Counter)

    def add_batch(self, batch: RecordBatch) -> None:
        self.batches.append(batch)
        self.bytes += batch.nbytes


def _ids_and_moments(batch: RecordBatch) -> tuple[list[str], list[int]]:
    """Return the ids of rows, and when each was seen."""
    seen = batch.column("_seen_at").cast(DataType.int64())
    return list(batch.column("id").to_pylist()), list(seen.to_pylist())


# Of a window, a run and a part: another file in the folder is not ours to remove.
_NAME: Final = re.compile(r"[\w-]+\.[\w-]+\.[0-9]+\.parquet(\.new)?")
